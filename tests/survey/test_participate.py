"""The participant's pages, through Flask's test client on a real database."""

from __future__ import annotations

import html
import re
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine, event, func, select, update
from werkzeug.test import TestResponse

from survey.answers import Choice
from survey.config import REHEARSAL_HEADER, Secrets, load_settings
from survey.db import reading, writing
from survey.store import studies
from survey.tables import AnswerRow, EventRow, ParticipantRow, ParticipantState, PresentationRow, StudyRow

AddOpenStudy = Callable[[Engine, str], StudyRow]
Send = Callable[..., TestResponse]
Go = Callable[[FlaskClient, str], TestResponse]


@pytest.fixture
def study(sqlite_engine: Engine, add_open_study: AddOpenStudy, one_arm_design: str) -> StudyRow:
    return add_open_study(sqlite_engine, one_arm_design)


def shown(page: TestResponse) -> str:
    """Return the page without what is made anew for each request."""
    return re.sub(r'(name="csrf_token" value=)"[^"]*"', r"\1", page.text)


def count(engine: Engine, table: type) -> int:
    with reading(engine) as session:
        return session.scalars(select(func.count()).select_from(table)).one()


def test_opening_the_link_creates_nothing(
    client: FlaskClient, study: StudyRow, sqlite_engine: Engine
) -> None:
    for _ in range(3):
        page = client.get("/s/short")
        assert page.status_code == 200
        assert "What this is." in page.text
    assert count(sqlite_engine, ParticipantRow) == 0
    reopened = client.get("/s/short/start")
    assert (reopened.status_code, reopened.location) == (303, "/s/short")
    assert count(sqlite_engine, ParticipantRow) == 0


def test_a_get_of_a_participants_page_changes_nothing(
    client: FlaskClient, study: StudyRow, sqlite_engine: Engine, at_first_comparison: Go
) -> None:
    page = at_first_comparison(client, "short")
    events = count(sqlite_engine, EventRow)
    again = [shown(client.get(page.request.path)) for _ in range(3)]
    assert set(again) == {shown(page)}
    assert count(sqlite_engine, EventRow) == events


def test_the_whole_way_from_the_link_to_the_code(
    client: FlaskClient, study: StudyRow, sqlite_engine: Engine, send: Send
) -> None:
    page = send(client, client.get("/s/short"), "/start")
    assert [r.status_code for r in page.history] == [303]
    assert "What you agree to." in page.text
    page = send(client, page, "/consent", decision="agree")
    assert "What to do." in page.text
    page = send(client, page, "/begin")
    for position, choice in enumerate(("left", "indecision", "right", "left"), start=1):
        assert f"Comparison {position} of 4" in page.text
        page = send(client, page, "/answer", choice=choice, seconds="0.01")
        assert [r.status_code for r in page.history] == [303]
        assert count(sqlite_engine, AnswerRow) == position
    assert "What it was about." in page.text
    assert re.search(r'<output id="completion-code"[^>]*>C[2-9A-Z]{8}</output>', page.text)
    assert shown(client.get(page.request.path)) == shown(page)
    with reading(sqlite_engine) as session:
        rows = session.execute(
            select(AnswerRow.choice, AnswerRow.client_seconds, AnswerRow.client_seconds_problem).order_by(
                AnswerRow.id
            )
        ).all()
    assert [tuple(row) for row in rows] == [
        (Choice.LEFT, 0.01, ""),
        (Choice.INDECISION, 0.01, ""),
        (Choice.RIGHT, 0.01, ""),
        (Choice.LEFT, 0.01, ""),
    ]


def test_the_page_shows_what_is_stored(
    client: FlaskClient, study: StudyRow, sqlite_engine: Engine, at_first_comparison: Go
) -> None:
    page = at_first_comparison(client, "short")
    with reading(sqlite_engine) as session:
        stored = session.scalars(select(PresentationRow).where(PresentationRow.position == 1)).one()
    cells = [
        re.sub(r"\s+", " ", c).strip()
        for c in re.findall(r"<t[dh](?: [^>]*)?>(.*?)</t[dh]>", page.text, re.DOTALL)
    ]
    words = {"good": "in good health", "poor": "in poor health"}
    expected = ["Patient A", "", "Patient B"]
    for name in stored.attribute_order:
        if name == "age":
            expected += [
                f"{stored.left_values[name]} years old",
                "Age",
                f"{stored.right_values[name]} years old",
            ]
        else:
            expected += [words[stored.left_values[name]], "Other health", words[stored.right_values[name]]]
    assert cells == expected


def test_the_three_answers_stand_in_order_and_are_alike(
    client: FlaskClient, study: StudyRow, at_first_comparison: Go
) -> None:
    page = at_first_comparison(client, "short")
    buttons = re.findall(r"<button([^>]*)>([^<]*)</button>", page.text[: page.text.index("</form>")])
    assert [(re.findall(r'(?:name|value)="(\w+)"', attributes), words) for attributes, words in buttons] == [
        (["choice", "left"], "Patient A"),
        (["choice", "indecision"], "Flip a coin"),
        (["choice", "right"], "Patient B"),
    ]
    # Nothing but their place tells them apart.
    others = {
        re.sub(r' (?:name|value)="\w+"| at-right|\s+', " ", attributes).replace(" ", "")
        for attributes, _ in buttons
    }
    assert others == {'class="choice"dir="auto"'}


def test_an_arm_without_indecision_shows_two_answers(
    client: FlaskClient,
    sqlite_engine: Engine,
    add_open_study: AddOpenStudy,
    short_design: str,
    app: Flask,
    send: Send,
) -> None:
    add_open_study(sqlite_engine, short_design)
    offered = []
    for _ in range(2):
        fresh = app.test_client()
        page = send(fresh, fresh.get("/s/short"), "/start")
        page = send(fresh, send(fresh, page, "/consent", decision="agree"), "/begin")
        offered.append(tuple(re.findall(r'name="choice" value="(\w+)"', page.text)))
        if len(offered[-1]) == 2:
            refused = send(fresh, page, "/answer", choice="indecision")
            assert refused.status_code == 400
    assert sorted(offered) == [("left", "indecision", "right"), ("left", "right")]
    assert count(sqlite_engine, AnswerRow) == 0


def test_a_double_submit_is_moved_on_and_told(
    client: FlaskClient, study: StudyRow, sqlite_engine: Engine, at_first_comparison: Go, send: Send
) -> None:
    first = at_first_comparison(client, "short")
    send(client, first, "/answer", choice="left")
    again = send(client, first, "/answer", choice="right")
    assert again.status_code == 200
    assert "You had answered that comparison already" in again.text
    assert "Comparison 2 of 4" in again.text
    assert "You had answered" not in client.get(again.request.path).text
    with reading(sqlite_engine) as session:
        assert session.scalars(select(AnswerRow.choice)).all() == [Choice.LEFT]
        assert session.scalars(select(EventRow.what).where(EventRow.what == "answer replayed")).all()


def test_a_stale_tab_after_the_end_shows_the_end(
    client: FlaskClient, study: StudyRow, sqlite_engine: Engine, at_first_comparison: Go, send: Send
) -> None:
    page = stale = at_first_comparison(client, "short")
    for _ in range(4):
        page = send(client, page, "/answer", choice="left")
    late = send(client, stale, "/answer", choice="right")
    assert "What it was about." in late.text
    assert count(sqlite_engine, AnswerRow) == 4


@pytest.mark.parametrize("step", ["/consent", "/begin"])
def test_an_earlier_step_sent_again_shows_where_the_participant_stands(
    client: FlaskClient, study: StudyRow, sqlite_engine: Engine, send: Send, step: str
) -> None:
    consenting = send(client, client.get("/s/short"), "/start")
    instructed = send(client, consenting, "/consent", decision="agree")
    answering = send(client, instructed, "/begin")
    stale = consenting if step == "/consent" else instructed
    for decision in ("agree", "decline"):
        assert shown(send(client, stale, step, decision=decision)) == shown(answering)
    assert count(sqlite_engine, PresentationRow) == 4


def test_declining_ends_clearly(
    client: FlaskClient, study: StudyRow, sqlite_engine: Engine, send: Send
) -> None:
    consenting = send(client, client.get("/s/short"), "/start")
    page = send(client, consenting, "/consent", decision="decline")
    assert "You are not taking part" in page.text
    page = send(client, consenting, "/consent", decision="agree")
    assert "You had decided not to take part" in page.text
    with reading(sqlite_engine) as session:
        assert session.scalars(select(ParticipantRow.state)).all() == [ParticipantState.DECLINED]
    assert count(sqlite_engine, PresentationRow) == 0


def test_a_closed_study_says_so_and_lets_those_inside_finish(
    app: Flask,
    client: FlaskClient,
    study: StudyRow,
    sqlite_engine: Engine,
    at_first_comparison: Go,
    send: Send,
) -> None:
    landing = app.test_client()
    old = landing.get("/s/short")
    inside = at_first_comparison(client, "short")
    with writing(sqlite_engine) as session:
        studies.close_study(session, session.get_one(StudyRow, study.id), now=datetime.now(UTC))
    page = landing.get("/s/short")
    assert page.status_code == 200
    assert "This study is closed" in page.text
    assert "<form" not in page.text
    assert "This study is closed" in send(landing, old, "/start").text
    assert count(sqlite_engine, ParticipantRow) == 1
    assert "Comparison 2 of 4" in send(client, inside, "/answer", choice="left").text


def test_a_draft_says_that_it_has_not_opened(
    client: FlaskClient, sqlite_engine: Engine, short_design: str, now: datetime
) -> None:
    with writing(sqlite_engine) as session:
        studies.add_study(session, short_design, now=now)
    assert "has not opened yet" in client.get("/s/short").text


@pytest.mark.parametrize("path", ["/s/none", "/p/none", "/nowhere"])
def test_unknown_addresses_get_a_helpful_404(client: FlaskClient, path: str) -> None:
    page = client.get(path)
    assert page.status_code == 404
    assert "There is no such page" in page.text
    assert "use the link that you were given" in page.text


@pytest.mark.parametrize(
    "step", ["/s/short/start", "/p/{token}/consent", "/p/{token}/begin", "/p/{token}/answer"]
)
def test_a_form_without_its_token_is_refused_and_shown_the_way(
    client: FlaskClient, study: StudyRow, sqlite_engine: Engine, at_first_comparison: Go, step: str
) -> None:
    token = at_first_comparison(client, "short").request.path.rsplit("/", 1)[-1]
    before = [count(sqlite_engine, table) for table in (ParticipantRow, EventRow, AnswerRow)]
    page = client.post(step.format(token=token), data={"choice": "left", "decision": "agree"})
    assert page.status_code == 400
    assert "Please try that again" in page.text
    if "{token}" in step:
        assert f'href="/p/{token}"' in page.text
    assert [count(sqlite_engine, table) for table in (ParticipantRow, EventRow, AnswerRow)] == before


@pytest.mark.parametrize("choice", ["", "both", "LEFT", "0"])
def test_an_answer_that_is_no_choice_is_refused(
    client: FlaskClient,
    study: StudyRow,
    sqlite_engine: Engine,
    at_first_comparison: Go,
    send: Send,
    choice: str,
) -> None:
    page = send(client, at_first_comparison(client, "short"), "/answer", choice=choice)
    assert page.status_code == 400
    assert count(sqlite_engine, AnswerRow) == 0


@pytest.mark.parametrize(
    ("sent", "seconds", "problem"),
    [
        ("0.25", 0.25, ""),
        ("", None, "not measured (no script)"),
        ("soon", None, "not readable"),
        ("nan", None, "not plausible"),
        ("-1", None, "not plausible"),
        ("86400", 86400.0, "longer than the server's interval"),
    ],
)
def test_a_time_is_stored_with_what_is_wrong_with_it(
    client: FlaskClient,
    study: StudyRow,
    sqlite_engine: Engine,
    at_first_comparison: Go,
    send: Send,
    sent: str,
    seconds: float | None,
    problem: str,
) -> None:
    send(client, at_first_comparison(client, "short"), "/answer", choice="left", seconds=sent)
    with reading(sqlite_engine) as session:
        stored = session.scalars(select(AnswerRow)).one()
    assert (stored.client_seconds, stored.client_seconds_problem) == (seconds, problem)
    assert stored.server_seconds >= 0


def test_every_page_carries_the_security_headers_and_no_inline_script(
    client: FlaskClient, study: StudyRow, at_first_comparison: Go
) -> None:
    for page in (
        client.get("/"),
        client.get("/s/short"),
        at_first_comparison(client, "short"),
        client.get("/p/x"),
    ):
        policy = page.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert page.headers["X-Content-Type-Options"] == "nosniff"
        assert page.headers["Referrer-Policy"] == "same-origin"
        assert page.headers["Cache-Control"] == "no-store"
        assert not re.search(r"<script(?![^>]*src=)|<style|style=|\son\w+=", page.text)
        assert not re.search(r'(?:src|href)="https?:', page.text)
        assert '<a class="skip" href="#main">' in page.text
        assert '<html lang="en" dir="ltr">' in page.text


def test_the_cookie_is_closed_to_scripts_and_secure_on_https(app: Flask, study: StudyRow) -> None:
    plain = app.test_client().get("/s/short").headers["Set-Cookie"]
    assert "HttpOnly" in plain
    assert "SameSite=Lax" in plain
    assert "Secure" not in plain
    assert "Secure" in app.test_client().get("/s/short", base_url="https://localhost").headers["Set-Cookie"]


def test_a_public_https_address_makes_cookies_secure_behind_a_proxy(
    sqlite_engine: Engine, study: StudyRow, settings: object
) -> None:
    from survey.app import create_app

    public = load_settings({}, state_dir=settings.state_dir, public_url="https://study.example.org")  # type: ignore[attr-defined]
    page = create_app(public, sqlite_engine).test_client().get("/s/short")
    assert "Secure" in page.headers["Set-Cookie"]


def test_what_the_design_says_is_shown_as_text_never_as_markup(
    client: FlaskClient, sqlite_engine: Engine, add_open_study: AddOpenStudy, one_arm_design: str
) -> None:
    add_open_study(sqlite_engine, one_arm_design.replace("What this is.", "<script>alert(1)</script> & more"))
    page = client.get("/s/short")
    assert "<script>alert" not in page.text
    assert "<script>alert(1)</script> & more" in html.unescape(page.text)


def test_only_the_rehearsal_token_marks_a_participant_as_simulated(
    app: Flask, study: StudyRow, sqlite_engine: Engine, secrets: Secrets
) -> None:
    wrong = {REHEARSAL_HEADER: "guess"}
    assert app.test_client().get("/s/short", headers=wrong).status_code == 403
    right = {REHEARSAL_HEADER: secrets.rehearsal_token}
    client = app.test_client()
    token = re.search(r'name="csrf_token" value="([^"]*)"', client.get("/s/short", headers=right).text)
    assert token
    client.post("/s/short/start", headers=right, data={"csrf_token": token[1], "start_key": "k" * 32})
    with reading(sqlite_engine) as session:
        assert session.scalars(select(ParticipantRow.simulated)).all() == [True]


def test_our_own_faults_get_a_calm_page_and_a_log_line_without_tokens(
    capsys: pytest.CaptureFixture[str],
    app: Flask,
    client: FlaskClient,
    study: StudyRow,
    sqlite_engine: Engine,
    at_first_comparison: Go,
) -> None:
    path = at_first_comparison(client, "short").request.path
    with writing(sqlite_engine) as session:
        session.execute(update(PresentationRow).values(answered=1, answered_at=datetime.now(UTC)))
    page = client.get(path)
    assert page.status_code == 500
    assert "Something went wrong on our side" in page.text
    logged = capsys.readouterr().err
    assert "nothing left to answer" in logged
    assert path.rsplit("/", 1)[-1] not in logged


def test_a_database_that_is_locked_too_long_is_told_and_nothing_is_half_stored(
    app: Flask,
    client: FlaskClient,
    study: StudyRow,
    sqlite_engine: Engine,
    at_first_comparison: Go,
    send: Send,
) -> None:
    page = at_first_comparison(client, "short")
    holder = sqlite3.connect(str(sqlite_engine.url.database), isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")

    @event.listens_for(sqlite_engine, "checkout")
    def _impatient(connection: sqlite3.Connection, *_more: object) -> None:
        connection.execute("PRAGMA busy_timeout=50")

    answer = send(client, page, "/answer", choice="left")
    assert answer.status_code == 503
    assert "nothing from this page was stored" in answer.text
    assert str(sqlite_engine.url.database) not in answer.text
    holder.execute("ROLLBACK")
    holder.close()
    assert count(sqlite_engine, AnswerRow) == 0
    assert "Comparison 2 of 4" in send(client, page, "/answer", choice="left").text


def test_the_service_says_that_it_is_well(client: FlaskClient) -> None:
    assert client.get("/healthz").json == {"status": "ok"}
