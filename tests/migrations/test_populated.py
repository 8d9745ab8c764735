"""A database that version 0.1.0 filled, brought to the newest revision."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, MetaData, inspect, select, text
from sqlalchemy.exc import IntegrityError

from survey import migration
from survey.answers_file import read_answers
from survey.db import make_engine, reading, writing
from survey.export import answers_of_study
from survey.migration import require_current, schema_differences, upgrade
from survey.store import answering, participants, studies
from survey.store.answering import Sent
from survey.tables import ParticipantRow, PresentationRow, StudyState

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
Fill = Callable[..., dict[str, int]]
RAW_ANSWERS = """
    SELECT participant.code, participant.arm, presentation.position, presentation.left_profile,
           presentation.right_profile, answer.choice, answer.client_seconds, answer.client_seconds_problem,
           answer.server_seconds, presentation.served_at, answer.answered_at
    FROM answer
    JOIN presentation ON presentation.id = answer.presentation_id
    JOIN participant ON participant.id = presentation.participant_id
    ORDER BY answer.id
"""


@pytest.fixture
def migrated(url: str, fill: Fill) -> Iterator[Engine]:
    """Filled at 0002, then brought to the newest."""
    fill(url)
    upgrade(url)
    engine = make_engine(url)
    yield engine
    engine.dispose()


def row_counts(engine: Engine) -> dict[str, int]:
    tables = MetaData()
    tables.reflect(engine)
    with engine.connect() as connection:
        return {
            name: len(connection.execute(select(table)).all())
            for name, table in tables.tables.items()
            if name != "alembic_version"
        }


def raw_answers(url: str) -> list[tuple[Any, ...]]:
    engine = make_engine(url)
    with engine.connect() as connection:
        found = [tuple(row) for row in connection.execute(text(RAW_ANSWERS))]
    engine.dispose()
    return found


@pytest.mark.parametrize("revision", ["0001", "0002"])
def test_no_row_is_lost_from_any_revision(url: str, fill: Fill, revision: str) -> None:
    before = fill(url, revision)
    assert min(before.values()) > 1
    answers = raw_answers(url)
    assert len(answers) == before["answer"] > 50
    upgrade(url)
    engine = make_engine(url)
    require_current(engine)
    assert schema_differences(engine) == []
    after = row_counts(engine)
    assert {table: after[table] for table in before} == before
    assert {table for table, n in after.items() if n} == set(before), "nothing was invented"
    assert raw_answers(url) == answers
    if engine.dialect.name == "sqlite":
        with engine.connect() as connection:
            assert connection.exec_driver_sql("PRAGMA foreign_key_check").all() == []
            assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
    engine.dispose()


def test_every_value_that_was_there_is_there_still(
    tmp_path: Path, fill: Fill, version_0_1_0: dict[str, Any]
) -> None:
    """Column by column, as SQLite keeps the values."""
    file = tmp_path / "equipoise.sqlite"
    fill(f"sqlite:///{file}")
    upgrade(f"sqlite:///{file}")
    with closing(sqlite3.connect(file)) as connection:
        connection.row_factory = sqlite3.Row
        for name, rows in version_0_1_0["tables"].items():
            for row in rows:
                query = f"SELECT {', '.join(row)} FROM {name} WHERE id = ?"  # noqa: S608
                assert dict(connection.execute(query, (row["id"],)).fetchone()) == row, name


def test_the_answers_are_exported_as_before(
    migrated: Engine, version_0_1_0: dict[str, Any], tmp_path: Path
) -> None:
    for study_name, exported in version_0_1_0["answers.csv"].items():
        slug, version = study_name.split()
        file = tmp_path / f"{slug}-{version}.csv"
        file.write_text(exported, encoding="utf-8")
        with reading(migrated) as session:
            study = studies.find_study(session, slug, version)
            after = answers_of_study(session, study, include_simulated=True)
        before = read_answers(file, after.attributes)

        def key(answer: Any) -> tuple[str, int]:
            return answer.respondent, answer.position

        # Version 0.1.0 wrote participants as they came, and times to the millisecond.
        def rounded(answer: Any) -> dict[str, Any]:
            fields = {name: getattr(answer, name) for name in answer.__dataclass_fields__}
            for name in ("presented_at", "answered_at"):
                fields[name] = fields[name].replace(microsecond=fields[name].microsecond // 1000 * 1000)
            if fields["seconds"] is not None:
                fields["seconds"] = round(fields["seconds"], 3)
            return fields

        assert [rounded(a) for a in sorted(after.answers, key=key)] == [
            rounded(a) for a in sorted(before.answers, key=key)
        ]
        assert len(after.answers) == exported.count("\n") - 1


def test_the_designs_of_that_version_are_still_the_same_studies(
    migrated: Engine, version_0_1_0: dict[str, Any]
) -> None:
    for row in version_0_1_0["tables"]["study"]:
        with writing(migrated) as session:
            again = studies.add_study(session, row["design_toml"], now=NOW)
            assert again.id == row["id"], "a new version of Equipoise must not change a design's hash"


def test_participants_stand_where_they_stood_and_go_on(migrated: Engine) -> None:
    with reading(migrated) as session:
        study = studies.find_study(session, "short")
        people = session.scalars(select(ParticipantRow).order_by(ParticipantRow.id)).all()
        assert study.state is StudyState.OPEN
        assert {p.wave for p in people} == {1}
        assert {p.language for p in people} == {"en"}
        assert all((p.admitted_at is None) == (p.consented_at is None) for p in people)
        waiting = [
            p for p in people if p.state.value == "answering" and p.study_id == study.id and not p.simulated
        ]
    assert waiting
    for person in waiting:
        while True:
            with writing(migrated) as session:
                taking = session.get_one(ParticipantRow, person.id)
                design = studies.design_of(participants.study_of(session, taking))
                shown = answering.open_presentation(session, design, taking)
                if shown is None:
                    break
                sent = Sent(
                    presentation=shown.token,
                    revision=shown.asked,
                    choice=answering.Choice.LEFT,
                    client_seconds=1.0,
                    client_seconds_problem="",
                )
                assert not answering.record_answer(session, taking, sent, now=NOW).replayed
        with reading(migrated) as session:
            assert session.get_one(ParticipantRow, person.id).state.value == "finished"


def test_a_page_that_was_loaded_before_the_upgrade_is_a_replay_after_it(migrated: Engine) -> None:
    with reading(migrated) as session:
        row = session.execute(
            select(ParticipantRow, PresentationRow)
            .join(PresentationRow, PresentationRow.participant_id == ParticipantRow.id)
            .where(PresentationRow.answered == 1)
            .limit(1)
        ).one()
    with writing(migrated) as session:
        person = session.get_one(ParticipantRow, row[0].id)
        sent = Sent(
            presentation=row[1].token,
            revision=1,
            choice=answering.Choice.RIGHT,
            client_seconds=1.0,
            client_seconds_problem="",
        )
        assert answering.record_answer(session, person, sent, now=NOW).replayed


BAD = {
    "a choice": "UPDATE answer SET choice = 'coin'",
    "a study's state": "UPDATE study SET state = 'running' WHERE id = 1",
    "a participant's state": "UPDATE participant SET state = 'lost'",
    "a role": "UPDATE presentation SET role = 'extra'",
    "an expected answer": "UPDATE presentation SET expected = 'middle'",
    "a missing time without a reason": "UPDATE answer SET client_seconds = NULL, client_seconds_problem = ''",
    "more answers than asked for": "UPDATE presentation SET answered = asked + 1",
    "two answers of one revision": (
        "INSERT INTO answer (presentation_id, revision, choice, client_seconds, client_seconds_problem, "
        "server_seconds, client, answered_at) SELECT presentation_id, revision, choice, client_seconds, "
        "client_seconds_problem, server_seconds, client, answered_at FROM answer"
    ),
    "two participants of one number": "UPDATE participant SET number = 1",
    "one start key twice": "UPDATE participant SET start_key = 'x'",
    "one person twice in a wave": "UPDATE participant SET code = 'p-X'",
    "two open versions of a slug": "UPDATE study SET state = 'paused' WHERE slug = 'short'",
    "an answer to nothing": "UPDATE answer SET presentation_id = 9999",
    "a wave before nobody": "UPDATE participant SET previous_id = 9999",
}


def test_the_database_refuses_what_must_not_be(migrated: Engine) -> None:
    accepted = []
    for what, statement in BAD.items():
        with migrated.connect() as connection:
            try:
                connection.execute(text(statement))
            except IntegrityError:
                continue
        accepted.append(what)
    assert not accepted


def test_versions_that_are_not_at_the_address_may_share_a_slug(migrated: Engine) -> None:
    with migrated.begin() as connection:
        connection.execute(text("UPDATE study SET state = 'closed' WHERE slug = 'short'"))


def test_a_populated_file_is_backed_up_first_and_the_backup_leads_back(tmp_path: Path, fill: Fill) -> None:
    url = f"sqlite:///{tmp_path}/equipoise.sqlite"
    counts = fill(url)
    answers = raw_answers(url)
    upgrade(url)
    (copy,) = tmp_path.glob("equipoise.sqlite.before-upgrade-*")
    with closing(sqlite3.connect(copy)) as connection, connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [("0002",)]
    saved = make_engine(f"sqlite:///{copy}")
    assert row_counts(saved) == counts
    saved.dispose()
    assert raw_answers(f"sqlite:///{copy}") == answers
    upgrade(f"sqlite:///{copy}")
    assert raw_answers(f"sqlite:///{copy}") == answers


def test_a_migration_that_fails_half_way_leaves_the_database_as_it_was(
    url: str, fill: Fill, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between two of its steps, after tables have been rebuilt and filled."""
    counts = fill(url)
    answers = raw_answers(url)
    run = migration.command.upgrade

    def failing(config: Any, revision: str) -> None:
        run(config, revision)
        config.attributes["connection"].execute(text("SELECT 1 FROM nowhere"))

    with monkeypatch.context() as patch:
        patch.setattr(migration.command, "upgrade", failing)
        with pytest.raises(migration.DatabaseUnavailable, match="nowhere"):
            upgrade(url)
    engine = make_engine(url)
    assert row_counts(engine) == counts
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT version_num FROM alembic_version")) == "0002"
        assert not [t for t in inspect(connection).get_table_names() if t.startswith("_alembic")]
    engine.dispose()
    assert raw_answers(url) == answers
    upgrade(url)
    assert raw_answers(url) == answers


def test_rebuilding_a_table_deletes_no_children_even_where_they_cascade(tmp_path: Path, fill: Fill) -> None:
    """The trap of the survey notes: with foreign keys on, rebuilding ``participant`` leaves 0 of 3 such rows."""
    file = tmp_path / "equipoise.sqlite"
    url = f"sqlite:///{file}"
    fill(url)
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute(
            "CREATE TABLE note (id INTEGER PRIMARY KEY, "
            "participant_id INTEGER REFERENCES participant (id) ON DELETE CASCADE)"
        )
        connection.execute("INSERT INTO note (participant_id) VALUES (1), (2), (3)")
    trapped = tmp_path / "trapped.sqlite"
    migration.backup(url, trapped)
    upgrade(url)
    with closing(sqlite3.connect(file)) as connection, connection:
        assert connection.execute("SELECT participant_id FROM note").fetchall() == [(1,), (2,), (3,)]
    # The trap is real: what the rebuild does, done with foreign keys on, takes the children along.
    with closing(sqlite3.connect(trapped)) as connection, connection:
        connection.execute("DELETE FROM note")
        connection.execute("INSERT INTO note (participant_id) VALUES (1), (2), (3)")
        connection.commit()
        connection.execute("PRAGMA foreign_keys = ON")
        for table in ("answer", "presentation", "event"):
            connection.execute(f"DELETE FROM {table}")  # noqa: S608
        connection.execute("CREATE TABLE _alembic_tmp_participant AS SELECT * FROM participant")
        connection.execute("DROP TABLE participant")
        assert connection.execute("SELECT count(*) FROM note").fetchone() == (0,)


def test_several_upgrades_at_once_wait_for_each_other(url: str, fill: Fill) -> None:
    counts = fill(url)
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(upgrade, [url] * 4)) == [None] * 4
    engine = make_engine(url)
    require_current(engine)
    assert {name: n for name, n in row_counts(engine).items() if n} == counts
    engine.dispose()
