"""Ids of recruitment platforms: read once, recognized again, and nowhere to be found in clear."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Engine, select

from survey.app import create_app
from survey.config import Secrets, Settings, load_settings
from survey.db import reading, writing
from survey.recruitment import IdKeeper, Recruited
from survey.store import studies
from survey.tables import IdentityRow, ParticipantRow, StudyRow

Visit = Callable[..., Any]
AddOpenStudy = Callable[[Engine, str], StudyRow]

PROLIFIC = {
    "PROLIFIC_PID": "5f3c1a2b9d8e7f6a5b4c3d2e",
    "STUDY_ID": "study-4711-of-prolific",
    "SESSION_ID": "session-0815-of-prolific",
}
MTURK = {"workerId": "A2WORKER9KEY", "assignmentId": "3ASSIGNMENT7", "hitId": "3HIT5"}


def query(ids: dict[str, str]) -> str:
    return "?" + "&".join(f"{name}={value}" for name, value in ids.items())


@pytest.fixture
def study(sqlite_engine: Engine, add_open_study: AddOpenStudy, quick_complete: str) -> StudyRow:
    return add_open_study(sqlite_engine, quick_complete)


def identities(engine: Engine) -> list[IdentityRow]:
    with reading(engine) as session:
        return list(session.scalars(select(IdentityRow).order_by(IdentityRow.id)))


def count_participants(engine: Engine) -> int:
    with reading(engine) as session:
        return len(session.scalars(select(ParticipantRow.id)).all())


@pytest.mark.parametrize(
    ("ids", "source"), [(PROLIFIC, "prolific"), (MTURK, "mturk"), ({"pid": "lab-17"}, "pid")]
)
def test_ids_leave_the_address_and_are_kept_for_payment(
    app: Flask,
    visit: Visit,
    study: StudyRow,
    sqlite_engine: Engine,
    secrets: Secrets,
    ids: dict[str, str],
    source: str,
) -> None:
    one = visit(app, query=query(ids))
    assert one.page.request.full_path.rstrip("?") == "/s/kidney-complete"
    assert identities(sqlite_engine) == [], "nothing is stored before Start"
    one.sends("/start")
    (kept,) = identities(sqlite_engine)
    assert kept.source == source
    name, *others = ids
    opened = IdKeeper(secrets.secret_key).opened(kept.sealed or "")
    assert opened == Recruited(
        source=source, id=ids[name], details=tuple((other, ids[other]) for other in others)
    )


def test_the_language_stays_when_the_ids_leave_the_address(app: Flask, visit: Visit, study: StudyRow) -> None:
    one = visit(app, query=f"{query(PROLIFIC)}&lang=de")
    assert one.page.request.full_path == "/s/kidney-complete?lang=de"


@pytest.fixture
def talkative_app(settings: Settings, sqlite_engine: Engine) -> Flask:
    """The application, logging every request."""
    return create_app(load_settings({}, state_dir=settings.state_dir, log_level="debug"), sqlite_engine)


def test_ids_stand_in_clear_on_no_page_in_no_log_and_not_in_the_database(
    talkative_app: Flask,
    visit: Visit,
    study: StudyRow,
    sqlite_engine: Engine,
    capsys: pytest.CaptureFixture[str],
) -> None:
    one = visit(talkative_app, query=query(PROLIFIC))
    pages, addresses, cookies = [], [], []
    for ending, fields in (
        ("/start", {}),
        ("/consent", {"decision": "agree"}),
        ("/screener", {"adult": "yes", "place": "city"}),
        ("/begin", {}),
        ("/answer", {"choice": "left"}),
    ):
        pages.append(one.page.text)
        one.sends(ending, **fields)
        addresses += [response.location for response in one.page.history]
        cookies += [response.headers.get("Set-Cookie", "") for response in (*one.page.history, one.page)]
    one.wants_to_stop().sends("/stop", wish="keep")
    pages.append(one.page.text)
    sqlite_engine.dispose()  # Writes what is still in the log file into the database.
    files = Path(str(sqlite_engine.url.database)).parent.glob("*.sqlite*")
    stored = b"".join(file.read_bytes() for file in files)
    logged = capsys.readouterr().err
    assert '"route": "/s/<slug>/start"' in logged
    assert one.token.encode() in stored
    for secret in PROLIFIC.values():
        assert not any(secret in text for text in (*pages, *addresses, *cookies, logged))
        assert secret.encode() not in stored
    assert one.token not in logged


def test_the_same_id_is_the_same_participant_at_the_same_place(
    app: Flask, visit: Visit, study: StudyRow, sqlite_engine: Engine
) -> None:
    one = visit(app, query=query(PROLIFIC)).is_answering().sends("/answer", choice="left")
    elsewhere = visit(app, query=query(PROLIFIC | {"SESSION_ID": "another-session"}))
    assert "You have started this study in this browser." not in elsewhere.text
    elsewhere.sends("/start")
    assert elsewhere.path == one.path
    assert "Comparison 2 of" in elsewhere.text
    assert len(identities(sqlite_engine)) == count_participants(sqlite_engine) == 1
    assert visit(app, query=query(PROLIFIC | {"PROLIFIC_PID": "other"})).sends("/start").path != one.path
    assert visit(app, query="?pid=" + PROLIFIC["PROLIFIC_PID"]).sends("/start").path != one.path, (
        "ids of two platforms are two people"
    )


@pytest.mark.parametrize("ending", ["finished", "screened_out", "declined"])
def test_who_comes_back_after_the_end_finds_the_end_and_its_code(
    app: Flask, visit: Visit, study: StudyRow, sqlite_engine: Engine, ending: str
) -> None:
    one = visit(app, query=query(MTURK))
    if ending == "finished":
        one.has_finished()
    elif ending == "screened_out":
        one.is_admitted(adult="no")
    else:
        one.sends("/start").sends("/consent", decision="decline")
    again = visit(app, query=query(MTURK)).sends("/start")
    assert (again.step, again.path, again.code) == (ending, one.path, one.code)
    assert count_participants(sqlite_engine) == 1


def test_who_lost_the_own_link_is_found_by_the_id_when_the_study_is_closed(
    app: Flask, visit: Visit, study: StudyRow, sqlite_engine: Engine, now: Any
) -> None:
    inside = visit(app, query=query(PROLIFIC)).is_admitted()
    done = visit(app, query=query(MTURK)).has_finished()
    with writing(sqlite_engine) as session:
        studies.close_study(session, session.get_one(StudyRow, study.id), now=now)
    again = visit(app, query=query(PROLIFIC))
    assert "This study is closed" in again.text
    assert inside.token not in again.page.text, "an id is tried by pressing the button, which is limited"
    assert again.sends("/start").path == inside.path
    back = visit(app, query=query(MTURK)).sends("/start")
    assert (back.path, back.code) == (done.path, done.code)
    new = visit(app, query=query({"pid": "somebody-new"})).sends("/start")
    assert "This study is closed" in new.text
    assert count_participants(sqlite_engine) == 2


def test_the_same_id_begins_the_next_wave_as_the_same_participant(
    app: Flask, visit: Visit, study: StudyRow, sqlite_engine: Engine, now: Any
) -> None:
    first = visit(app, query=query(PROLIFIC)).has_finished()
    with writing(sqlite_engine) as session:
        studies.open_next_wave(session, session.get_one(StudyRow, study.id), now=now)
    second = visit(app, query=query(PROLIFIC)).sends("/start")
    assert second.step == "consenting"
    assert "Taking part again" in second.text
    with reading(sqlite_engine) as session:
        waves = session.scalars(select(ParticipantRow).order_by(ParticipantRow.wave)).all()
    assert [p.token for p in waves] == [first.token, second.token]
    assert len({p.code for p in waves}) == 1
    assert len(identities(sqlite_engine)) == 1


def test_where_the_design_keeps_no_ids_only_a_keyed_hash_is_stored(
    app: Flask,
    visit: Visit,
    sqlite_engine: Engine,
    add_open_study: AddOpenStudy,
    quick_complete: str,
    secrets: Secrets,
) -> None:
    text, changed = re.subn(r"^keep_ids = true$", "keep_ids = false", quick_complete, flags=re.MULTILINE)
    assert changed == 1
    add_open_study(sqlite_engine, text)
    visit(app, query=query(PROLIFIC)).sends("/start")
    (kept,) = identities(sqlite_engine)
    assert kept.sealed is None
    recruited = Recruited(source="prolific", id=PROLIFIC["PROLIFIC_PID"])
    assert kept.id_hash == IdKeeper(secrets.secret_key).hashed("kidney-complete", recruited)
    assert kept.id_hash != IdKeeper("another installation's key").hashed("kidney-complete", recruited)
    assert kept.id_hash != IdKeeper(secrets.secret_key).hashed("another-study", recruited)


@pytest.fixture
def by_invitation(sqlite_engine: Engine, add_open_study: AddOpenStudy, quick_complete: str) -> StudyRow:
    text, changed = re.subn(r"^required = false$", "required = true", quick_complete, flags=re.MULTILINE)
    assert changed == 1
    return add_open_study(sqlite_engine, text)


def test_a_study_by_invitation_takes_nobody_without_an_id(
    app: Flask, visit: Visit, by_invitation: StudyRow, sqlite_engine: Engine
) -> None:
    stranger = visit(app).sends("/start")
    assert stranger.step == "not_invited"
    assert "This study is by invitation" in stranger.text
    assert count_participants(sqlite_engine) == 0
    assert visit(app, query="?pid=lab-17").sends("/start").step == "consenting"


def test_a_preview_on_mturk_is_nobody(
    app: Flask, visit: Visit, by_invitation: StudyRow, sqlite_engine: Engine
) -> None:
    preview = MTURK | {"assignmentId": "ASSIGNMENT_ID_NOT_AVAILABLE"}
    one = visit(app, query=query(preview))
    assert one.page.request.full_path.rstrip("?") == "/s/kidney-complete"
    assert one.sends("/start").step == "not_invited"
    assert count_participants(sqlite_engine) == 0


@pytest.mark.parametrize("bad", ["x" * 201, "line%0Abreak", "%E2%80%AEturned"])
def test_what_no_platform_would_send_is_refused(app: Flask, study: StudyRow, bad: str) -> None:
    page = app.test_client().get(f"/s/kidney-complete?PROLIFIC_PID={bad}")
    assert page.status_code == 400
    assert "This page could not be used" in page.text


def test_ids_sealed_with_another_key_are_as_good_as_none(
    app: Flask, visit: Visit, study: StudyRow, sqlite_engine: Engine
) -> None:
    one = visit(app)
    with one.client.session_transaction() as cookie:
        keeper = IdKeeper("the key before")
        cookie["ids"] = {"kidney-complete": keeper.sealed(Recruited(source="pid", id="lab-17"))}
    assert one.opens("/s/kidney-complete").sends("/start").step == "consenting"
    assert identities(sqlite_engine) == []
