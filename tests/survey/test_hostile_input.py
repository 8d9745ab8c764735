"""Files, forms, addresses and headers made to keep the service busy, to stop it, or to leave traces of people."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask import session as flask_session
from flask.sessions import SecureCookieSessionInterface
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, select, text

from survey.app import create_app
from survey.config import Settings, load_settings, secrets_of
from survey.db import open_database, reading, writing
from survey.design_file import parse_design
from survey.design_file.document import read_document
from survey.errors import BadDesign
from survey.migration import backup
from survey.questionnaire import FormQuestion, QuestionKind, read_form
from survey.recruitment import Recruited
from survey.store import api_tokens
from survey.store.tokens import new_token
from survey.tables import (
    AnswerRow,
    AttributePageAnswerRow,
    IdentityRow,
    ParticipantRow,
    PresentationRow,
    SuggestionRow,
    TokenScope,
)
from survey.web.participate.visitor import keep_ids, keep_place, kept_ids, kept_place

AddOpenStudy = Callable[..., object]
Visit = Callable[..., Any]

PROLIFIC_PID = "5f1d7c2e9b3a4d6e8f0a1b2c"

# --- designs -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("design", "complaint"),
    [
        ("x = " + "[" * 5_000 + "]" * 5_000, "is nested more than"),
        ("x = " + "{a = " * 3_000 + "1" + "}" * 3_000, "is nested more than"),
        ("a." * 50_000 + "a = 1", "is nested more than"),
        ("\n\n[" + "a . " * 50_000 + "a]", "design.toml:3: is nested more than"),
        ("x = {" + '"a".' * 50_000 + "a = 1}", "is nested more than"),
        ("x = " + "9" * 5_000, "more digits"),
        ("x = 0x" + "f" * 5_000, "more digits"),
        ("x = '" + "a" * 1_000_000 + "'", "is longer than"),
    ],
    ids=["lists", "tables", "key", "header", "key in a table", "digits", "hexadecimal", "length"],
)
def test_a_file_made_to_keep_the_service_busy_is_a_bad_design(design: str, complaint: str) -> None:
    with pytest.raises(BadDesign, match=re.escape(complaint)) as caught:
        parse_design(design)
    assert len(str(caught.value)) < 10_000


@pytest.mark.parametrize(
    "document",
    [
        'x = "' + "a." * 100 + '" # a.' + "a." * 100,
        "x = '''" + "[{\n" * 100 + "'''",
        "x = [" + "1.5, " * 99 + "]",
    ],
    ids=["string and comment", "long string", "numbers"],
)
def test_dots_and_brackets_that_nest_nothing_are_let_through(document: str) -> None:
    assert set(read_document(document, "design.toml")) == {"x"}


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("maximum = 80", "maximum = 1e308", "less than or equal to 1000000000000"),
        ("minimum = 20", "minimum = -1e308", "greater than or equal to -1000000000000"),
        ("step = 20", "step = 1e-300", "more than 1e+12 values"),
        ("step = 20", "step = 5e-324", "more than 1e+12 values"),
        ('name = "age"', f'name = "{"g" * 100_000}"', "at most 100 characters"),
    ],
)
def test_numbers_and_names_that_nothing_can_be_drawn_from_are_refused(
    short_design: str, old: str, new: str, complaint: str
) -> None:
    assert short_design.count(old) == 1
    with pytest.raises(BadDesign, match=re.escape(complaint)) as caught:
        parse_design(short_design.replace(old, new))
    assert len(str(caught.value)) < 10_000


def test_lists_in_a_design_are_bounded(short_design: str) -> None:
    arms = "".join(f'[[arms]]\nname = "a{i}"\nindecision = true\n' for i in range(1_001))
    with pytest.raises(BadDesign, match="at most 1000 items"):
        parse_design(short_design + arms)


def test_dominated_pairs_are_looked_for_among_as_many_profiles_as_fit_into_memory(
    one_arm_design: str,
) -> None:
    listed = ", ".join(f'{{ age = {age}, health = "good" }}' for age in range(1_001))
    design = one_arm_design.replace(
        '[profiles]\nkind = "random"', f'[profiles]\nkind = "list"\nlist = [{listed}]'
    )
    design = design.replace("minimum = 20\nmaximum = 80\nstep = 20", "minimum = 0\nmaximum = 2000\nstep = 1")
    assert len(parse_design(design).listed_profiles) == 1_001
    with pytest.raises(BadDesign, match=r"roles\.dominated: needs at most 1000 listed profiles"):
        parse_design(design + "[roles]\ndominated = 1\n")


def test_very_many_complaints_are_counted(short_design: str) -> None:
    with pytest.raises(BadDesign) as caught:
        parse_design("".join(f"k{i} = 1\n" for i in range(5_000)) + short_design)
    assert len(caught.value.complaints) == 501
    assert caught.value.complaints[-1] == "and 4500 more"


def test_a_program_that_sends_deep_json_or_toml_is_told_so(
    client: FlaskClient, sqlite_engine: Engine, short_design: str, add_open_study: AddOpenStudy
) -> None:
    add_open_study(sqlite_engine, short_design)
    with writing(sqlite_engine) as session:
        _, secret = api_tokens.make_token(
            session, "test", TokenScope.WRITE, days=30, now=datetime.now(UTC), actor="operator"
        )
    bearer = {"Authorization": f"Bearer {secret}"}
    deep = "[" * 100_000
    answer = client.put("/api/v1/studies/1/state", data=deep, headers=bearer, content_type="application/json")
    assert answer.status_code == 422
    answer = client.post(
        "/api/v1/studies", data=f"x = {deep}", headers=bearer, content_type="application/toml"
    )
    assert answer.status_code == 422
    assert answer.json
    assert "nested" in answer.json["complaints"][0]


# --- forms ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "told",
    ['{"width": 1' + "0" * 400 + "}", "[" * 499, '{"blurs": 1e999, "height": NaN}', '{"input": {"a": []}}'],
    ids=["huge", "deep", "infinite", "not a word"],
)
def test_whatever_a_browser_tells_beside_an_answer_the_answer_is_stored(
    app: Flask,
    sqlite_engine: Engine,
    short_design: str,
    add_open_study: AddOpenStudy,
    visit: Visit,
    told: str,
) -> None:
    add_open_study(sqlite_engine, short_design)
    visitor = visit(app, "short").agrees().sends("/begin")
    fields = dict(re.findall(r'type="hidden" name="([^"]*)" value="([^"]*)"', visitor.page.text))
    stored = visitor.client.post(
        f"/p/{visitor.token}/answer", data=fields | {"choice": "left", "client": told}
    )
    assert stored.status_code == 303
    with reading(sqlite_engine) as session:
        assert session.scalars(select(AnswerRow.client)).one() == {}


def test_whatever_is_sent_to_the_pages_about_attributes_nothing_breaks_and_nothing_is_named(
    tmp_path: Path, sqlite_engine: Engine, asking_design: str, add_open_study: AddOpenStudy, visit: Visit
) -> None:
    add_open_study(sqlite_engine, asking_design)
    unlimited = load_settings({}, state_dir=tmp_path / "var", log_level="error", rate_limits="off")
    app = create_app(unlimited, sqlite_engine)
    first = visit(app, "asking").agrees()
    rating = visit(app, "asking").agrees()
    for _ in range(2):
        rating.sends("/suggest", step="go_on")
    ranking = visit(app, "asking").agrees()
    for _ in range(2):
        ranking.sends("/suggest", step="go_on")
    ranking.sends("/rate", left_out="yes")
    odd = ["", "\u202e", "9" * 5_000, "²", "-1", "%00", "e\u0301" * 50_000]
    for visitor in (first, rating, ranking):
        fields = dict(re.findall(r'type="hidden" name="([^"]*)" value="([^"]*)"', visitor.page.text))
        names = ["page", "revision", "key", "step", "entry", "rating-age", "place-age", "rating-"]
        for ending in ("suggest", "remove", "rate", "rank"):
            for name in names:
                for value in odd:
                    sent = {"step": "add", **fields, name: value}
                    answer = visitor.client.post(f"/p/{visitor.token}/{ending}", data=sent)
                    assert answer.status_code in (303, 400, 413, 422), (ending, name, value[:20])
    with reading(sqlite_engine) as session:
        assert session.scalars(select(SuggestionRow)).all() == []
        answers = session.scalars(select(AttributePageAnswerRow).order_by(AttributePageAnswerRow.id)).all()
        assert {(a.ratings != {}, a.ranking != []) for a in answers} == {(False, False)}


@given(number=st.one_of(st.floats(), st.integers()))
def test_a_number_in_a_form_fits_every_file(number: float) -> None:
    question = FormQuestion(name="n", text="How many?", kind=QuestionKind.NUMBER)
    stated, _wrong = read_form([question], {"n": [repr(number)]}, all_needed=False)
    for value in stated.values():
        assert isinstance(value, float) or (isinstance(value, int) and abs(value) <= 2**53)
        assert value == float(number)


# --- ids, places and addresses -------------------------------------------------------------------------


def test_the_cookie_stays_small_enough_for_a_browser_to_keep(app: Flask) -> None:
    longest = Recruited(
        source="mturk", id="w" * 200, details=(("assignmentId", "a" * 200), ("hitId", "h" * 200))
    )
    slugs = [f"{'s' * 98}{i:02}" for i in reversed(range(20))]  # Not in the order of names.
    with app.test_request_context():
        for slug in slugs:
            keep_ids(slug, longest)
            keep_place(slug, new_token())
        assert [kept_ids(slug) for slug in slugs[-3:]] == [longest] * 3
        assert kept_ids(slugs[0]) is None
        assert kept_place(slugs[-1])
        keep_place(slugs[-2], "again")
        assert kept_place(slugs[-2]) == "again"
        serializer = SecureCookieSessionInterface().get_signing_serializer(app)
        assert serializer
        assert len(serializer.dumps(dict(flask_session))) < 4_000


def test_no_id_is_kept_for_a_study_that_is_none(client: FlaskClient) -> None:
    answer = client.get(f"/s/none?PROLIFIC_PID={PROLIFIC_PID}")
    assert answer.status_code == 404
    assert "Set-Cookie" not in answer.headers


def test_the_personal_link_is_at_the_address_that_the_operator_states(
    sqlite_engine: Engine, tmp_path: Path, short_design: str, add_open_study: AddOpenStudy, visit: Visit
) -> None:
    add_open_study(sqlite_engine, short_design)
    settings = load_settings(
        {"EQUIPOISE_PUBLIC_URL": "http://study.example.org"}, state_dir=tmp_path / "var", log_level="error"
    )
    visitor = visit(create_app(settings, sqlite_engine), "short").agrees()
    assert f"http://study.example.org/p/{visitor.token}" in visitor.text
    assert "localhost" not in visitor.text


def test_starts_are_limited_by_network_where_one_visitor_has_many_addresses(app: Flask) -> None:
    client = app.test_client()
    found = re.search('name="csrf_token" value="([^"]*)"', client.get("/research/sign-in").text)
    assert found
    csrf = found[1]

    def start(address: str) -> int:
        return client.post(
            "/s/none/start",
            data={"csrf_token": csrf, "start_key": "k" * 20},
            environ_overrides={"REMOTE_ADDR": address},
        ).status_code

    assert [start(f"2001:db8:1:2::{i:x}") for i in range(121)] == [404] * 120 + [429]
    assert start("2001:db8:1:3::1") == 404
    # Of the old kind, every address counts for itself, however it is written.
    assert [start(f"::ffff:192.0.2.{i}") for i in range(121)] == [404] * 121
    assert [start("192.0.2.1") for _ in range(120)] == [404] * 119 + [429]


# --- what is left of whom ------------------------------------------------------------------------------


def test_nothing_of_an_erased_participant_is_left_in_the_files(
    app: Flask,
    settings: Settings,
    sqlite_engine: Engine,
    quick_complete: str,
    add_open_study: AddOpenStudy,
    visit: Visit,
) -> None:
    add_open_study(sqlite_engine, quick_complete)
    visitor = visit(app, query=f"?PROLIFIC_PID={PROLIFIC_PID}").is_describing()
    visitor.sends("/demographics", remarks="My name is Rumpelstiltskin")
    with reading(sqlite_engine) as session:
        identity = session.scalars(select(IdentityRow)).one()
        person = session.scalars(select(ParticipantRow)).one()
        shown = session.scalars(select(PresentationRow.token)).all()
    traces = {"Rumpelstiltskin", person.token, person.code, identity.id_hash, *shown}
    assert identity.sealed
    traces.add(identity.sealed)

    def found(wanted: set[str]) -> set[str]:
        held = b"".join(file.read_bytes() for file in settings.state_dir.iterdir())
        return {trace for trace in wanted if trace.encode() in held}

    assert found(traces) == traces
    assert found({PROLIFIC_PID}) == set()
    visitor.wants_to_stop().sends("/stop", wish="erase")
    # While the database is open: its write-ahead log held older copies of every page.
    assert found(traces) == set()


def test_the_database_and_its_copies_are_their_owners_alone(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        settings = load_settings({}, state_dir=tmp_path / "var", log_level="error")
        engine = open_database(settings)
        with writing(engine) as session:
            session.execute(text("DELETE FROM event"))
        backup(settings.database_url, tmp_path / "var" / "copy.sqlite")
        secrets_of(settings)
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in (tmp_path / "var").iterdir()}
        engine.dispose()
    finally:
        os.umask(before)
    assert {"equipoise.sqlite", "equipoise.sqlite-wal", "copy.sqlite", "secret_key"} <= modes.keys()
    assert set(modes.values()) == {0o600}
