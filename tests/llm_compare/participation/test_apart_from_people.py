"""Models that take a study change nothing that concerns people: no row, count, page or export."""

from __future__ import annotations

import hashlib
import re

import pytest
from sqlalchemy import MetaData, select, update

from survey.app import create_app
from survey.bundle import write_bundle
from survey.cli import run
from survey.config import load_settings, secrets_of
from survey.db import make_engine, reading, writing
from survey.export import answers_of_study
from survey.migration import backup
from survey.overview.counts import overview_of
from survey.rehearsal import rehearse
from survey.serving import served_in_background
from survey.store.choice_counts import choice_counts
from survey.tables import ParticipantRow, PresentationRow, StudyRow

PEOPLE = 5
OF_MODELS = {"model_participant", "model_presentation", "model_reply", "model_failure"}


@pytest.fixture
def app(database_url, engine, tmp_path):
    return made_app(engine, database_url, tmp_path)


def take_part(engine, url, study, folder, *, participants, seed):
    """Let simulated participants take a study page by page over HTTP, one after another."""
    app = made_app(engine, url, folder)
    token = secrets_of(app.extensions["equipoise"].settings).rehearsal_token
    with served_in_background(app) as address:
        rehearse(
            study.design,
            address,
            rehearsal_token=token,
            participants=participants,
            seed=seed,
            concurrent=1,
        )


def made_app(engine, url, folder):
    settings = load_settings({"EQUIPOISE_DATABASE_URL": url}, state_dir=folder / "var", log_level="error")
    return create_app(settings, engine)


@pytest.fixture
def study_with_people(engine, database_url, open_study, tmp_path):
    """The study that uses every part of a design, open, taken by simulated participants; then marked as people."""
    study = open_study("kidney-complete")
    take_part(engine, database_url, study, tmp_path, participants=PEOPLE, seed=1)
    with writing(engine) as session:
        session.execute(update(ParticipantRow).values(simulated=False))
    return study


def rows_of_people(engine):
    tables = MetaData()
    tables.reflect(engine)
    with engine.connect() as connection:
        return {
            name: [tuple(row) for row in connection.execute(select(table).order_by(*table.primary_key))]
            for name, table in tables.tables.items()
            if name not in OF_MODELS
        }


def everything_of_people(app, engine, study, folder):
    """Every row, count, page and export of people, as text or hash."""
    folder.mkdir()
    with reading(engine) as session:
        row = session.get_one(StudyRow, study.id)
        write_bundle(session, row, folder / "bundle.zip", include_simulated=True, with_text=True)
        counted = {
            "overview": repr(overview_of(session, row, simulated=False)),
            "choices": repr(choice_counts(session, row, simulated=False)),
            "answers": repr(answers_of_study(session, row, True).answers),
            "bundle": hashlib.sha256((folder / "bundle.zip").read_bytes()).hexdigest(),
        }
    client = app.test_client()
    token = secrets_of(app.extensions["equipoise"].settings).research_token
    assert client.get(f"/research/?token={token}").status_code == 303
    for page in ("", "/figures", "/participants", "/payment", "/estimate"):
        answer = client.get(f"/research/studies/{study.id}{page}")
        assert answer.status_code == 200, page
        # But for tokens of forms, and for times: a page says as of when it speaks.
        counted[page] = re.sub(r'name="csrf_token" value="[^"]*"|<time.*?</time>', "", answer.text)
    rows = rows_of_people(engine)
    del rows["event"]  # Signing in is noted there; looked at on its own below.
    return counted | rows


def test_rows_counts_pages_and_exports_of_people_are_the_same_before_and_after(
    app, engine, study_with_people, group_of, let_take, tmp_path, monkeypatch
):
    study = study_with_people
    before = everything_of_people(app, engine, study, tmp_path / "before")
    events = rows_of_people(engine)["event"]
    taken = let_take(study, group_of(study, "scripted/coin"), 5)
    assert taken.complete
    assert rows_of_people(engine)["event"] == events
    after = everything_of_people(app, engine, study, tmp_path / "after")
    assert after.keys() == before.keys()
    for what, was in before.items():
        assert after[what] == was, what
    assert len(before["participant"]) == PEOPLE
    monkeypatch.setenv("EQUIPOISE_DATABASE_URL", app.extensions["equipoise"].settings.database_url)
    assert run(["db", "doctor"]) == 0


def test_later_participants_are_drawn_the_same_whether_models_took_the_study_or_not(
    database_url, engine, open_study, group_of, let_take, tmp_path
):
    study = open_study("kidney-complete")  # Balanced: each draw evens out what the study has asked.
    take_part(engine, database_url, study, tmp_path, participants=3, seed=1)
    without = f"sqlite:///{tmp_path}/without.sqlite"
    backup(database_url, tmp_path / "without.sqlite")
    assert let_take(study, group_of(study, "scripted/coin"), 7).complete
    drawn = []
    for url in (database_url, without):
        own = make_engine(url)
        take_part(own, url, study, tmp_path, participants=2, seed=2)
        with reading(own) as session:
            drawn.append(
                [
                    (number, arm, p.position, p.left_profile, p.right_profile, p.attribute_order, p.role)
                    for number, arm, p in session.execute(
                        select(ParticipantRow.number, ParticipantRow.arm, PresentationRow)
                        .join(PresentationRow, PresentationRow.participant_id == ParticipantRow.id)
                        .order_by(ParticipantRow.number, PresentationRow.position)
                    )
                ]
            )
        own.dispose()
    assert drawn[0] == drawn[1]
    assert len({number for number, *_ in drawn[0]}) == 5
