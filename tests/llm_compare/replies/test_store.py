from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import MetaData, insert, select

from llm_compare.allocation.problems.problem import Candidate, Kidney, Problem
from llm_compare.allocation.trials.trial import Task, Trial, TrialCall, Way
from llm_compare.prompting.call import Settings
from llm_compare.prompting.messages import Message, Speaker
from llm_compare.prompting.variant import AnswerFormat, Framing, Paraphrase, Variant
from llm_compare.replies.reply import Failure, Reply
from llm_compare.replies.store import (
    LONGEST_MESSAGE,
    FailedAttempt,
    add_failures,
    add_replies,
    failures_of,
    find_replies,
    open_store,
)
from llm_compare.replies.tables import ModelReplyRow
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
    tokens_reasoning=0,
    reasoning="B is younger.",
    first_token={"B": -0.1, "A": -2.5},
    response='{"id": "1"}',
    cost_usd=0.00012,
    seconds=0.25,
    attempts=2,
    asked_at=datetime(2026, 11, 21, 12, 0, 0, 5000, tzinfo=timezone(timedelta(hours=1))),
)


def add_reply(session, request, reply):
    return add_replies(session, [(request, reply)], client="a test 1.0") == 1


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
        add_reply(session, request, Reply(content=content, refusal=content, reasoning=content))
    with sessions() as session:
        found = find_replies(session, [request])[request.identity]
    assert (found.content, found.refusal, found.reasoning) == (content, content, content)


@pytest.mark.postgres
def test_any_text_is_stored_verbatim_and_once_on_postgresql_too(postgres_url, planned):
    upgrade(postgres_url)
    engine = make_engine(postgres_url)
    try:
        for request, content in zip(planned(len(AWKWARD)), AWKWARD, strict=False):
            with writing(engine) as session:
                assert add_reply(session, request, Reply(content=content, refusal=content, reasoning=content))
                assert not add_reply(session, request, Reply(content="another"))
            with writing(engine) as session:
                found = find_replies(session, [request])[request.identity]
            assert (found.content, found.refusal, found.reasoning) == (content, content, content)
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
        assert (row.side_order, row.scripted, row.template) == ("second_left", False, request.template)
        assert (row.client, row.source, row.language) == ("a test 1.0", None, request.language)
        assert row.labels == [
            {"mark": mark, "name": name, "choice": choice.value}
            for mark, name, choice in request.labels.offered()
        ]
        assert row.sends_schema is False


def test_a_call_of_another_task_is_kept_in_the_same_store(sessions, planned):
    problem = Problem(
        name="p01", kidney=Kidney((None,) * 13), candidates=(Candidate((None,) * 16),) * 2, ids=(3, 5)
    )
    trial = Trial(task=Task.RANK_ALL, way=Way(), problem=problem, row_order=(1, 0))
    call = TrialCall(
        model="openai/m",
        api_base=None,
        messages=(Message(role=Speaker.USER, content="Rank."),),
        settings=Settings(),
        repeat=1,
        trial=trial,
        turn=0,
        n_turns=3,
        set_sha256="ab" * 32,
    )
    with sessions() as session:
        stored = add_replies(session, [(call, FULL), (planned()[0], Reply(content="A"))], client="a test 1.0")
    with sessions() as session:
        assert stored == 2
        assert find_replies(session, [call])[call.identity] == FULL
        row = session.scalars(select(ModelReplyRow).where(ModelReplyRow.task == "rank-all")).one()
        assert (row.about["problem"], row.about["row_order"], row.about["turn"]) == ("p01", [1, 0], 0)
        assert (row.left_values, row.template, row.design_hash) == (None, None, None)
        other = session.scalars(select(ModelReplyRow).where(ModelReplyRow.task == "comparison")).one()
        assert (other.about, other.left_values) == (None, planned()[0].left.as_dict())


def test_a_row_says_in_which_way_was_asked(sessions, planned):
    way = Variant(
        name="as a clinician",
        framing=Framing.CLINICIAN,
        answer_format=AnswerFormat.JSON,
        paraphrase=Paraphrase(name="short", question="Who?"),
    )
    request = planned(variants=[way], takes_schema=True)[0]
    with sessions() as session:
        add_replies(session, [(request, FULL)], client="import", source="batch.jsonl")
    with sessions() as session:
        row = session.scalars(select(ModelReplyRow)).one()
        assert row.variant["name"] == "as a clinician"
        assert (row.variant["framing"], row.variant["answer_format"]) == ("clinician", "json")
        assert row.variant["paraphrase"]["question"] == "Who?"
        assert set(row.variant) == {f.name for f in fields(Variant)}
        assert (row.client, row.source, row.sends_schema) == ("import", "batch.jsonl", True)


def both(test):
    return pytest.mark.parametrize(
        "database", ["database_url", pytest.param("postgres_url", marks=pytest.mark.postgres)]
    )(test)


GARBAGE = Reply(
    content="A",
    finish_reason="st\0p",
    returned_model="half a pair: \ud83d",
    system_fingerprint="\0",
    tokens_in=10**30,
    tokens_out=1,
    tokens_reasoning=-(10**30),
    first_token={"A": -0.1, "B": float("-inf"), "\ud83d\0": float("nan")},
)


@both
def test_garbage_beside_an_answer_keeps_nothing_out(database, request, planned):
    url = request.getfixturevalue(database)
    upgrade(url)
    engine = make_engine(url)
    bad, good = planned()[:2]
    try:
        with writing(engine) as session:
            assert add_replies(session, [(bad, GARBAGE), (good, FULL)], client="a test 1.0") == 2
        with writing(engine) as session:
            found = find_replies(session, [bad, good])
    finally:
        engine.dispose()
    assert found[good.identity] == FULL
    kept = found[bad.identity]
    assert (kept.content, kept.finish_reason, kept.returned_model) == ("A", "st\ufffdp", "half a pair: ?")
    assert (kept.tokens_in, kept.tokens_out, kept.tokens_reasoning) == (None, 1, None)
    assert kept.first_token == {"A": -0.1}


@both
def test_of_many_replies_those_are_stored_whose_calls_have_none(database, request, planned):
    url = request.getfixturevalue(database)
    upgrade(url)
    engine = make_engine(url)
    requests = planned(28, repeats=3)
    try:
        with writing(engine) as session:
            assert add_replies(session, [(r, Reply(content="A")) for r in requests[:50]], client="one") == 50
        with writing(engine) as session:
            every = [(r, Reply(content="B")) for r in requests]
            assert add_replies(session, [*every, *every], client="other") == len(requests) - 50
            assert add_replies(session, [], client="other") == 0
        with writing(engine) as session:
            found = find_replies(session, requests)
        assert [found[r.identity].content for r in requests] == ["A"] * 50 + ["B"] * (len(requests) - 50)
    finally:
        engine.dispose()


@both
def test_failed_attempts_come_back_as_they_were_stored_in_their_order(database, request, planned):
    url = request.getfixturevalue(database)
    upgrade(url)
    engine = make_engine(url)
    one, other = planned(repeats=2)[:2]
    kept = [
        FailedAttempt(
            request_key=of.key,
            repeat=of.repeat,
            attempt=attempt,
            failure=Failure(kind="Timeout", status=status, message=message),
            at=at,
        )
        for of, attempt, status, message, at in [
            (one, 1, 408, "slow", FULL.asked_at),
            (other, 1, None, "NUL \x00 and \ud83d", None),
            (one, 2, 500, "x" * LONGEST_MESSAGE, FULL.asked_at),
        ]
    ]
    try:
        with writing(engine) as session:
            add_failures(session, kept)
            add_failures(session, [])
        with writing(engine) as session:
            assert failures_of(session, [one, other]) == tuple(kept)
            assert failures_of(session, [one]) == (kept[0], kept[2])
            assert failures_of(session, []) == ()
            assert find_replies(session, [one, other]) == {}
    finally:
        engine.dispose()


def test_a_long_message_of_a_failure_is_cut(sessions, planned):
    one = planned()[0]
    long = Failure(kind="Page", status=500, message="<html>" + "x" * 10_000)
    with sessions() as session:
        add_failures(
            session,
            [FailedAttempt(request_key=one.key, repeat=1, attempt=1, failure=long, at=None)],
        )
        assert len(failures_of(session, [one])[0].failure.message) == LONGEST_MESSAGE


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
        assert [d for d in schema_differences(engine) if "model_" in d] == []
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


@both
def test_replies_from_before_0004_are_found_and_nothing_is_made_up_for_them(
    database, request, planned, tmp_path
):
    url = (
        f"sqlite:///{tmp_path}/old.sqlite"
        if database == "database_url"
        else request.getfixturevalue(database)
    )
    upgrade(url, "0003")
    engine = make_engine(url)
    one = planned()[0]
    try:
        tables = MetaData()
        tables.reflect(engine, only=["model_reply"])
        with engine.begin() as connection:
            connection.execute(
                insert(tables.tables["model_reply"]),
                {
                    "request_key": one.key,
                    "repeat": one.repeat,
                    "model": one.model,
                    "scripted": False,
                    "api_base": None,
                    "messages": one.sent_messages,
                    "settings": one.settings.sent(),
                    "template": "letter-1",
                    "design_hash": one.design_hash,
                    "arm": one.arm,
                    "left_values": one.left.as_dict(),
                    "right_values": one.right.as_dict(),
                    "side_order": one.side_order.value,
                    "attribute_order": list(one.attribute_order),
                    "indecision_offered": True,
                    "content": "B",
                    "attempts": 2,
                },
            )
        upgrade(url)
        with writing(engine) as session:
            assert find_replies(session, [one]) == {one.identity: Reply(content="B", attempts=2)}
            assert add_replies(session, [(one, Reply(content="A"))], client="new") == 0
            row = session.scalars(select(ModelReplyRow)).one()
            assert (row.variant, row.labels, row.sends_schema, row.client) == (None, None, None, None)
    finally:
        engine.dispose()
