from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, inspect, text

from survey import db, store
from survey.db import (
    MigrationFailed,
    load_tables,
    make_engine,
    require_current,
    schema_differences,
    upgrade,
    writing,
)
from survey.design_file import EXAMPLES
from survey.tables import StudyRow

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database, SQLite and PostgreSQL in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/new/equipoise.sqlite"
    found = request.getfixturevalue("postgres_url")
    assert isinstance(found, str)
    return found


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    upgrade(url)
    engine = make_engine(url)
    yield engine
    engine.dispose()


def populate(engine: Engine) -> None:
    with writing(engine) as session:
        study = store.add_study(session, (EXAMPLES / "kidney-8.toml").read_text(encoding="utf-8"), now=NOW)
        store.open_study(session, study, now=NOW)
        participant = store.start_participant(session, study, simulated=False, now=NOW)
        store.consent(session, participant, now=NOW)


def row_counts(engine: Engine) -> dict[str, int]:
    with engine.connect() as connection:
        return {
            table: connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one()  # noqa: S608
            for table in inspect(connection).get_table_names()
        }


def test_there_is_one_line_of_migrations() -> None:
    assert len(ScriptDirectory(str(db.MIGRATIONS)).get_heads()) == 1


def test_an_empty_database_is_brought_to_the_newest(engine: Engine) -> None:
    require_current(engine)
    assert {"study", "participant", "presentation", "answer", "event"} <= set(
        inspect(engine).get_table_names()
    )


def test_the_migrations_make_the_tables_of_the_models(engine: Engine) -> None:
    assert schema_differences(engine) == []


def test_every_constraint_has_a_name(engine: Engine) -> None:
    found = inspect(engine)
    for table in load_tables().tables:
        named = [*found.get_unique_constraints(table), *found.get_foreign_keys(table)]
        named += found.get_check_constraints(table)
        assert all(constraint["name"] for constraint in named), table
        assert found.get_pk_constraint(table)["name"] == f"pk_{table}"


def test_no_foreign_key_cascades(engine: Engine) -> None:
    for table in load_tables().tables:
        for key in inspect(engine).get_foreign_keys(table):
            assert not key["options"].get("ondelete"), (table, key["name"])


def test_a_populated_database_survives_another_upgrade(engine: Engine, url: str) -> None:
    populate(engine)
    before = row_counts(engine)
    assert before["presentation"] == 28
    upgrade(url)
    assert row_counts(engine) == before


def test_a_populated_file_that_is_behind_is_backed_up_before_it_is_upgraded(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/equipoise.sqlite"
    upgrade(url, "0001")
    engine = make_engine(url)
    populate(engine)
    before = row_counts(engine)
    with engine.begin() as connection:
        # As if the tables had been made by a revision before the newest one.
        connection.exec_driver_sql("DELETE FROM alembic_version")
    with pytest.raises(Exception, match="already exists"):
        upgrade(url)
    (copy,) = tmp_path.glob("equipoise.sqlite.before-upgrade-*")
    saved = make_engine(f"sqlite:///{copy}")
    assert row_counts(saved) == before | {"alembic_version": 0}
    assert row_counts(engine) == before | {"alembic_version": 0}
    saved.dispose()
    engine.dispose()


def test_a_migration_that_loses_rows_is_undone(
    engine: Engine, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    populate(engine)
    before = row_counts(engine)

    def losing(config: object, _revision: str) -> None:
        connection = config.attributes["connection"]  # type: ignore[attr-defined]
        connection.execute(text("DELETE FROM presentation"))

    monkeypatch.setattr(db.command, "upgrade", losing)
    with pytest.raises(MigrationFailed, match="presentation: 28 rows before, 0 after"):
        upgrade(url)
    assert row_counts(engine) == before


def test_a_migration_that_drops_a_table_with_rows_is_undone(
    engine: Engine, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    populate(engine)
    before = row_counts(engine)

    def dropping(config: object, _revision: str) -> None:
        connection = config.attributes["connection"]  # type: ignore[attr-defined]
        connection.execute(text("DROP TABLE event"))

    monkeypatch.setattr(db.command, "upgrade", dropping)
    with pytest.raises(MigrationFailed, match=r"event: \d rows before, 0 after"):
        upgrade(url)
    assert row_counts(engine) == before


def test_a_migration_that_leaves_rows_dangling_is_undone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path}/equipoise.sqlite"
    upgrade(url)
    engine = make_engine(url)
    populate(engine)

    def dangling(config: object, _revision: str) -> None:
        connection = config.attributes["connection"]  # type: ignore[attr-defined]
        connection.execute(text("UPDATE presentation SET participant_id = 99"))

    monkeypatch.setattr(db.command, "upgrade", dangling)
    with pytest.raises(MigrationFailed, match="refers to a missing row of participant"):
        upgrade(url)
    with writing(engine) as session:
        assert session.get_one(StudyRow, 1).slug == "kidney-8"
    assert row_counts(engine)["presentation"] == 28
    engine.dispose()
