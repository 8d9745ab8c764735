from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import select

from llm_compare.reply import Failure, Reply
from llm_compare.store import add_reply, find_replies, open_store
from llm_compare.tables import ModelReplyRow
from survey.db import DatabaseBehind, make_engine, sqlite_file, writing
from survey.migration import schema_differences, upgrade

FULL = Reply(
    content="B\r\n",
    finish_reason="stop",
    refusal=None,
    returned_model="served-1",
    system_fingerprint="fp_1",
    tokens_in=50,
    tokens_out=1,
    cost_usd=0.00012,
    seconds=0.25,
    attempts=2,
    asked_at=datetime(2026, 11, 21, 12, 0, 0, 5000, tzinfo=timezone(timedelta(hours=1))),
)


def test_a_reply_comes_back_as_it_was_stored(sessions, planned):
    request = planned()[0]
    with sessions() as session:
        assert add_reply(session, request, FULL)
    with sessions() as session:
        found = find_replies(session, [request])
    assert found == {request.identity: FULL}
    assert found[request.identity].asked_at.tzinfo is UTC


AWKWARD = [
    None,
    "",
    " A\n",
    "null",
    "\x00B",
    "caf\u00e9 \U0001f642",
    "half a pair: \ud83d",
    '{"answer": "A"}',
]


@pytest.mark.parametrize("content", AWKWARD)
def test_any_text_is_stored_verbatim(sessions, planned, content):
    request = planned()[0]
    with sessions() as session:
        add_reply(session, request, Reply(content=content, refusal=content))
    with sessions() as session:
        found = find_replies(session, [request])[request.identity]
    assert (found.content, found.refusal) == (content, content)


@pytest.mark.postgres
def test_any_text_is_stored_verbatim_and_once_on_postgresql_too(postgres_url, planned):
    upgrade(postgres_url)
    engine = make_engine(postgres_url)
    try:
        for request, content in zip(planned(len(AWKWARD)), AWKWARD, strict=False):
            with writing(engine) as session:
                assert add_reply(session, request, Reply(content=content, refusal=content))
                assert not add_reply(session, request, Reply(content="another"))
            with writing(engine) as session:
                found = find_replies(session, [request])[request.identity]
            assert (found.content, found.refusal) == (content, content)
    finally:
        engine.dispose()


def test_the_first_reply_to_a_call_stays(sessions, planned):
    request = planned()[0]
    with sessions() as session:
        assert add_reply(session, request, Reply(content="A"))
        assert not add_reply(session, request, Reply(content="B"))
        assert add_reply(session, replace(request, repeat=2), Reply(content="B"))
    with sessions() as session:
        found = find_replies(session, [request, replace(request, repeat=2)])
    assert [r.content for r in found.values()] == ["A", "B"]


def test_only_the_replies_asked_for_are_found(sessions, planned):
    one, other = planned(repeats=2)[:2]
    with sessions() as session:
        add_reply(session, one, Reply(content="A"))
        add_reply(session, other, Reply(content="B"))
    with sessions() as session:
        assert list(find_replies(session, [other])) == [other.identity]
        assert find_replies(session, []) == {}


def test_more_requests_than_fit_into_one_statement_are_found(sessions, planned):
    many = [replace(planned()[0], model=f"openai/{n}") for n in range(1_100)]
    with sessions() as session:
        for request in many[::100]:
            add_reply(session, request, Reply(content=request.model))
    with sessions() as session:
        found = find_replies(session, many)
    assert {reply.content for reply in found.values()} == {r.model for r in many[::100]}


def test_a_row_says_what_was_sent(sessions, planned):
    request = planned()[1]
    with sessions() as session:
        add_reply(session, request, FULL)
    with sessions() as session:
        row = session.scalars(select(ModelReplyRow)).one()
        assert row.messages == [{"role": m.role.value, "content": m.content} for m in request.messages]
        assert row.settings == {"max_tokens": 16}
        assert (row.left_values, row.right_values) == (request.left.as_dict(), request.right.as_dict())
        assert (row.side_order, row.scripted, row.template) == ("second_left", False, "letter-1")


def test_a_failed_call_is_not_stored(sessions, planned):
    failed = Reply(content=None, error=Failure(kind="Timeout", status=408, message="slow"))
    with sessions() as session, pytest.raises(ValueError, match="failed call"):
        add_reply(session, planned()[0], failed)


def test_nothing_is_kept_of_a_transaction_that_breaks(sessions, planned):
    def store_and_break():
        with sessions() as session:
            add_reply(session, planned()[0], FULL)
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        store_and_break()
    with sessions() as session:
        assert find_replies(session, planned()) == {}


def test_the_migrations_make_the_tables_that_the_code_expects(database_url):
    engine = make_engine(database_url)
    try:
        assert [d for d in schema_differences(engine) if "model_reply" in d] == []
    finally:
        engine.dispose()


def test_the_store_opens_the_database_that_the_environment_names(monkeypatch, tmp_path, planned):
    url = f"sqlite:///{tmp_path}/new/equipoise.sqlite"
    monkeypatch.setenv("EQUIPOISE_DATABASE_URL", url)
    with open_store() as sessions, sessions() as session:
        add_reply(session, planned()[0], FULL)
    assert sqlite_file(url).exists()
    with open_store() as sessions, sessions() as session:
        assert find_replies(session, planned())[planned()[0].identity] == FULL


def test_a_database_from_before_replies_is_not_opened_and_is_upgraded_without_loss(monkeypatch, tmp_path):
    url = f"sqlite:///{tmp_path}/equipoise.sqlite"
    upgrade(url, "0001")
    monkeypatch.setenv("EQUIPOISE_DATABASE_URL", url)
    with pytest.raises(DatabaseBehind, match="equipoise db upgrade"), open_store():
        pass
    upgrade(url)
    with open_store() as sessions, sessions() as session:
        assert session.scalars(select(ModelReplyRow)).all() == []
