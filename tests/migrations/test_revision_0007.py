"""A database filled at revision 0007, before anything was asked about attributes, brought to the newest one."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, func, select, text, update

from survey.bundle import write_bundle
from survey.bundle_check import verify_bundle
from survey.db import make_engine, reading, writing
from survey.doctor.check import examine
from survey.doctor.every import CHECKS
from survey.migration import require_current, schema_differences, upgrade
from survey.store import studies
from survey.tables import (
    AttributePageRow,
    CategoryRow,
    CodeRow,
    ParticipantRow,
    ParticipantState,
    SuggestionRow,
)

NOW = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)
Fill = Callable[[str], dict[str, int]]


@pytest.fixture
def migrated(url: str, fill_as_0007: Fill) -> Iterator[Engine]:
    fill_as_0007(url)
    upgrade(url)
    engine = make_engine(url)
    yield engine
    engine.dispose()


def test_no_row_is_lost_and_none_is_invented(url: str, fill_as_0007: Fill) -> None:
    before = fill_as_0007(url)
    assert min(before.values()) >= 1
    assert before["choice_task_answer"] > 5
    upgrade(url)
    engine = make_engine(url)
    require_current(engine)
    assert schema_differences(engine) == []
    with engine.connect() as connection:
        for table, rows in before.items():
            assert connection.scalar(text(f"SELECT count(*) FROM {table}")) == rows, table  # noqa: S608
        for new in (AttributePageRow, SuggestionRow, CategoryRow, CodeRow):
            assert connection.scalar(select(func.count()).select_from(new)) == 0
        if engine.dialect.name == "sqlite":
            assert connection.exec_driver_sql("PRAGMA foreign_key_check").all() == []
            assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
    engine.dispose()


def test_every_value_is_there_still(
    tmp_path: Path, fill_as_0007: Fill, revision_0007: dict[str, Any]
) -> None:
    """Column by column, as SQLite keeps the values."""
    file = tmp_path / "equipoise.sqlite"
    fill_as_0007(f"sqlite:///{file}")
    upgrade(f"sqlite:///{file}")
    with closing(sqlite3.connect(file)) as connection:
        connection.row_factory = sqlite3.Row
        for name, rows in revision_0007["tables"].items():
            for row in rows:
                query = f"SELECT {', '.join(row)} FROM {name} WHERE id = ?"  # noqa: S608
                assert dict(connection.execute(query, (row["id"],)).fetchone()) == row, name


def test_the_data_files_come_out_byte_for_byte_as_before(
    migrated: Engine, revision_0007: dict[str, Any], tmp_path: Path
) -> None:
    with reading(migrated) as session:
        study = studies.find_study(session, "every-step")
        write_bundle(session, study, tmp_path / "b", include_simulated=True, with_text=True)
    written = {file.name: file.read_text(encoding="utf-8") for file in (tmp_path / "b").glob("*.csv")}
    assert set(written) == set(revision_0007["files"])
    assert written["choose_one.csv"].count("\n") > 8
    for name, body in revision_0007["files"].items():
        assert written[name] == body, name
    assert verify_bundle(tmp_path / "b") == []


def test_the_doctor_finds_nothing_in_it(migrated: Engine) -> None:
    with reading(migrated) as session:
        findings = examine(session, CHECKS, now=NOW)
    assert [finding for finding in findings if finding.violations] == []


def test_participants_can_stand_at_the_new_steps(migrated: Engine) -> None:
    with writing(migrated) as session:
        for state in (ParticipantState.SUGGESTING, ParticipantState.RATING):
            session.execute(
                update(ParticipantRow)
                .where(ParticipantRow.state != ParticipantState.ERASED)
                .values(state=state)
            )
    with reading(migrated) as session:
        states = set(session.scalars(select(ParticipantRow.state)))
    assert states == {ParticipantState.RATING, ParticipantState.ERASED}
