"""The researcher's pages, through Flask's test client on a real database."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine, select
from werkzeug.test import TestResponse

from survey import store
from survey.answers import Choice
from survey.answers_file import read_answers
from survey.app import create_app
from survey.config import Secrets, Settings, load_settings
from survey.db import reading, writing
from survey.overview import overview_of
from survey.tables import ParticipantRow, ParticipantState, StudyRow, StudyState

AddOpenStudy = Callable[[Engine, str], StudyRow]
Send = Callable[..., TestResponse]


@pytest.fixture
def researcher(app: Flask, secrets: Secrets) -> FlaskClient:
    client = app.test_client()
    assert client.get(f"/research/?token={secrets.research_token}").status_code == 303
    return client


def take(
    engine: Engine, study: StudyRow, choices: list[Choice], now: datetime, *, simulated: bool = False
) -> None:
    """Let one participant answer these choices in turn."""
    with writing(engine) as session:
        person = store.start_participant(session, study, simulated=simulated, now=now)
        store.consent(session, person, now=now)
        store.begin(session, person, now=now)
        for choice in choices:
            row = store.next_presentation(session, person)
            assert row is not None
            store.record_answer(
                session, person, row.token, choice, client_seconds=0.5, client_seconds_problem="", now=now
            )


@pytest.mark.parametrize(
    "path",
    [
        "",
        "add",
        "studies/1",
        "studies/1/answers.csv",
        "studies/1/completion-codes.csv",
        "studies/1/design.toml",
    ],
)
@pytest.mark.parametrize("query", ["", "?token=", "?token=guess"])
def test_nothing_is_shown_without_the_token(
    client: FlaskClient,
    sqlite_engine: Engine,
    add_open_study: AddOpenStudy,
    short_design: str,
    path: str,
    query: str,
) -> None:
    add_open_study(sqlite_engine, short_design)
    page = client.get(f"/research/{path}{query}", follow_redirects=True)
    assert page.request.path == "/research/sign-in"
    assert "short" not in page.text


def test_nothing_is_changed_without_the_token(
    client: FlaskClient, sqlite_engine: Engine, add_open_study: AddOpenStudy, short_design: str, send: Send
) -> None:
    study = add_open_study(sqlite_engine, short_design)
    csrf = client.get("/research/sign-in").text.split('name="csrf_token" value="')[1].split('"')[0]
    for path, fields in (
        (f"/research/studies/{study.id}/state", {"state": "closed"}),
        ("/research/add", {"text": short_design.replace('"short"', '"other"')}),
    ):
        answer = client.post(path, data={"csrf_token": csrf} | fields)
        assert (answer.status_code, answer.headers["Location"]) == (303, "/research/sign-in")
    with reading(sqlite_engine) as session:
        assert [s.state for s in store.list_studies(session)] == [StudyState.OPEN]


def test_the_links_token_signs_in_and_leaves_the_address(client: FlaskClient, secrets: Secrets) -> None:
    answer = client.get(f"/research/?token={secrets.research_token}")
    assert answer.headers["Location"] == "/research/"
    assert client.get("/research/").status_code == 200


def test_the_token_can_be_typed(client: FlaskClient, secrets: Secrets, send: Send) -> None:
    page = client.get("/research/sign-in")
    wrong = send(client, page, "/sign-in", token="guess")
    assert wrong.status_code == 403
    assert "That token is not right" in wrong.text
    assert "Studies" in send(client, wrong, "/sign-in", token=f" {secrets.research_token} ").text


def test_signing_out_closes_the_pages(researcher: FlaskClient, send: Send) -> None:
    send(researcher, researcher.get("/research/"), "/sign-out")
    assert researcher.get("/research/").status_code == 303


def test_a_new_token_signs_everybody_out(
    researcher: FlaskClient, settings: Settings, secrets: Secrets, sqlite_engine: Engine
) -> None:
    cookie = researcher.get_cookie("equipoise")
    assert cookie is not None
    changed = load_settings(
        {"EQUIPOISE_SECRET_KEY": secrets.secret_key, "EQUIPOISE_RESEARCH_TOKEN": "new"},
        state_dir=settings.state_dir,
    )
    other = create_app(changed, sqlite_engine).test_client()
    other.set_cookie("equipoise", cookie.value)
    assert other.get("/research/").status_code == 303


def test_a_pasted_design_becomes_a_draft_that_can_be_opened_and_closed(
    researcher: FlaskClient, sqlite_engine: Engine, short_design: str, send: Send
) -> None:
    page = send(researcher, researcher.get("/research/add"), "/add", text=short_design.replace("\n", "\r\n"))
    assert "A draft takes no participants" in page.text
    page = send(researcher, page, "/state", state="open")
    assert "http://localhost/s/short" in page.text
    page = send(researcher, page, "/state", state="closed")
    assert "nobody new may start" in page.text
    with reading(sqlite_engine) as session:
        assert store.find_study(session, "short").design_toml == short_design


def test_an_uploaded_design_is_added(researcher: FlaskClient, short_design: str) -> None:
    csrf = researcher.get("/research/add").text.split('name="csrf_token" value="')[1].split('"')[0]
    page = researcher.post(
        "/research/add",
        data={"csrf_token": csrf, "file": (io.BytesIO(short_design.encode()), "my.toml"), "text": ""},
        follow_redirects=True,
    )
    assert page.status_code == 200
    assert "A short study" in page.text


def test_a_bad_design_shows_every_complaint_and_keeps_the_text(
    researcher: FlaskClient, sqlite_engine: Engine, short_design: str, send: Send
) -> None:
    bad = short_design.replace('favours = "low"', 'favours = "lots"').replace(
        'slug = "short"', 'slug = "a b"'
    )
    page = send(researcher, researcher.get("/research/add"), "/add", text=bad)
    assert page.status_code == 400
    assert "2 problems" in page.text
    assert "study.slug" in page.text
    assert "favours" in page.text
    assert "a b" in page.text.split("<textarea")[1]
    with reading(sqlite_engine) as session:
        assert not store.list_studies(session)


def test_text_that_is_no_toml_or_no_text_is_refused_kindly(researcher: FlaskClient, send: Send) -> None:
    page = send(researcher, researcher.get("/research/add"), "/add", text="<html>")
    assert page.status_code == 400
    assert "not valid TOML" in page.text
    csrf = page.text.split('name="csrf_token" value="')[1].split('"')[0]
    page = researcher.post(
        "/research/add", data={"csrf_token": csrf, "file": (io.BytesIO(b"\xff\xfe\x00"), "my.toml")}
    )
    assert page.status_code == 400
    assert "not UTF-8" in page.text


def test_a_changed_design_under_the_same_version_is_refused(
    researcher: FlaskClient,
    sqlite_engine: Engine,
    add_open_study: AddOpenStudy,
    short_design: str,
    send: Send,
) -> None:
    add_open_study(sqlite_engine, short_design)
    page = send(
        researcher, researcher.get("/research/add"), "/add", text=short_design.replace("What to do.", "Else.")
    )
    assert page.status_code == 400
    assert "raise study.version" in page.text


def test_an_upload_that_is_too_large_is_refused(researcher: FlaskClient) -> None:
    page = researcher.post(
        "/research/add", data=b"text=" + b"x" * 3_000_000, content_type="application/x-www-form-urlencoded"
    )
    assert page.status_code == 413
    assert "The file is too large" in page.text


def test_the_figures_count_people_and_simulated_participants_apart(
    researcher: FlaskClient,
    sqlite_engine: Engine,
    add_open_study: AddOpenStudy,
    one_arm_design: str,
    now: datetime,
) -> None:
    study = add_open_study(sqlite_engine, one_arm_design)
    take(sqlite_engine, study, [Choice.LEFT, Choice.LEFT, Choice.RIGHT, Choice.INDECISION], now)
    take(sqlite_engine, study, [Choice.RIGHT], now)
    take(sqlite_engine, study, [Choice.INDECISION] * 4, now, simulated=True)
    with reading(sqlite_engine) as session:
        people = overview_of(session, study, simulated=False)
        simulated = overview_of(session, study, simulated=True)
    assert (people.participants, people.answers, people.in_state(ParticipantState.FINISHED)) == (2, 5, 1)
    assert people.by_arm_and_state == {"main": {ParticipantState.FINISHED: 1, ParticipantState.ANSWERING: 1}}
    assert people.indecision_rate == pytest.approx(1 / 5)
    assert people.left_share == pytest.approx(2 / 4)
    assert people.median_seconds == 0.5
    assert people.profiles is not None
    assert sum(p.left for p in people.profiles) == sum(p.right for p in people.profiles) == 5
    assert sum(p.chosen for p in people.profiles) == 4
    assert (simulated.participants, simulated.indecision_rate, simulated.left_share) == (1, 1.0, None)
    page = researcher.get(f"/research/studies/{study.id}").text
    assert "20.0 %" in page
    assert "100.0 %" in page


def test_a_study_without_participants_has_a_page(
    researcher: FlaskClient, sqlite_engine: Engine, add_open_study: AddOpenStudy, short_design: str
) -> None:
    study = add_open_study(sqlite_engine, short_design)
    assert researcher.get(f"/research/studies/{study.id}").status_code == 200
    assert researcher.get("/research/studies/99").status_code == 404


def test_a_version_in_any_letters_can_be_downloaded(
    researcher: FlaskClient, sqlite_engine: Engine, add_open_study: AddOpenStudy, short_design: str
) -> None:
    study = add_open_study(sqlite_engine, short_design.replace('version = "1"', 'version = "β 1"'))
    got = researcher.get(f"/research/studies/{study.id}/design.toml")
    # Headers are Latin-1 on the wire: a server fails on anything else.
    assert got.headers["Content-Disposition"] == 'attachment; filename="short-__1.toml"'


def test_the_downloads_are_the_answers_and_the_design(
    researcher: FlaskClient,
    sqlite_engine: Engine,
    add_open_study: AddOpenStudy,
    one_arm_design: str,
    now: datetime,
    tmp_path: Path,
) -> None:
    study = add_open_study(sqlite_engine, one_arm_design)
    take(sqlite_engine, study, [Choice.LEFT, Choice.INDECISION], now)
    take(sqlite_engine, study, [Choice.RIGHT], now, simulated=True)
    base = f"/research/studies/{study.id}"
    assert researcher.get(f"{base}/design.toml").text == one_arm_design
    for query, choices in (("", ["left", "indecision"]), ("?simulated=yes", ["left", "indecision", "right"])):
        got = researcher.get(f"{base}/answers.csv{query}")
        assert got.headers["Content-Disposition"] == 'attachment; filename="short-1-answers.csv"'
        (tmp_path / "answers.csv").write_bytes(got.data)
        assert [a.choice.value for a in read_answers(tmp_path / "answers.csv").answers] == choices


def test_the_codes_of_people_who_finished_can_be_downloaded_and_of_nobody_else(
    researcher: FlaskClient,
    sqlite_engine: Engine,
    add_open_study: AddOpenStudy,
    one_arm_design: str,
    now: datetime,
) -> None:
    study = add_open_study(sqlite_engine, one_arm_design)
    take(sqlite_engine, study, [Choice.LEFT] * 4, now)
    take(sqlite_engine, study, [Choice.RIGHT] * 4, now)
    take(sqlite_engine, study, [Choice.LEFT], now)
    take(sqlite_engine, study, [Choice.LEFT] * 4, now, simulated=True)
    with reading(sqlite_engine) as session:
        of_people = select(ParticipantRow.completion_code).where(ParticipantRow.simulated.is_(False))
        codes = sorted(code for code in session.scalars(of_people) if code)

    got = researcher.get(f"/research/studies/{study.id}/completion-codes.csv").text.splitlines()
    assert len(codes) == 2
    assert got == ["completion_code", *codes]
