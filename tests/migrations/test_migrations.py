"""The line of migrations, and how upgrading guards what is in a database."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, func, inspect, select, text

from survey import migration
from survey.db import DatabaseUnavailable, MigrationFailed, make_engine, reading, writing
from survey.design_file import EXAMPLES
from survey.migration import load_tables, require_current, schema_differences, upgrade
from survey.recruitment import IdKeeper
from survey.store import participants, studies
from survey.tables import StudyRow

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def populate(engine: Engine) -> None:
    with writing(engine) as session:
        study = studies.add_study(session, (EXAMPLES / "kidney-8.toml").read_text(encoding="utf-8"), now=NOW)
        studies.open_study(session, study, now=NOW)
        arrival = participants.Arrival(start_key="a page's key", language="en")
        keeper = IdKeeper("a key for tests, long enough to be one")
        person = participants.start_participant(session, study, arrival, keeper, now=NOW)
        participants.consent(session, person, now=NOW)


def row_counts(engine: Engine) -> dict[str, int]:
    with engine.connect() as connection:
        return {
            table: connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one()  # noqa: S608
            for table in inspect(connection).get_table_names()
        }


def test_there_is_one_line_of_migrations() -> None:
    assert len(ScriptDirectory(str(migration.MIGRATIONS)).get_heads()) == 1


def test_an_empty_database_is_brought_to_the_newest(engine: Engine) -> None:
    require_current(engine)
    assert set(load_tables().tables) | {"alembic_version"} == set(inspect(engine).get_table_names())


def test_the_migrations_make_the_tables_of_the_models(engine: Engine) -> None:
    assert schema_differences(engine) == []


def test_the_migrations_make_the_checks_of_the_models(engine: Engine) -> None:
    """Alembic does not compare check constraints, and SQLite forgets them whenever a table is rebuilt."""

    for name, table in load_tables().tables.items():
        wanted = {
            str(constraint.name)
            for constraint in table.constraints
            if type(constraint).__name__ == "CheckConstraint"
        }
        assert {check["name"] for check in inspect(engine).get_check_constraints(name)} == wanted, name


def test_every_constraint_has_a_name(engine: Engine) -> None:
    found = inspect(engine)
    for table in load_tables().tables:
        named = [*found.get_unique_constraints(table), *found.get_foreign_keys(table)]
        named += found.get_check_constraints(table)
        assert all(constraint["name"] for constraint in named), table
        if (
            engine.dialect.name == "sqlite"
            and load_tables().tables[table].dialect_kwargs["sqlite_autoincrement"]
        ):
            continue  # SQLite takes AUTOINCREMENT only on a primary key without a name.
        assert found.get_pk_constraint(table)["name"] == f"pk_{table}"


def test_no_foreign_key_cascades(engine: Engine) -> None:
    for table in load_tables().tables:
        for key in inspect(engine).get_foreign_keys(table):
            assert not key["options"].get("ondelete"), (table, key["name"])


def test_the_earlier_revisions_can_be_undone(url: str) -> None:
    upgrade(url, "0002")
    engine = make_engine(url, foreign_keys=False)
    with engine.begin() as connection:
        config = migration._alembic_config()
        config.attributes["connection"] = connection
        migration.command.downgrade(config, "base")
    assert set(inspect(engine).get_table_names()) == {"alembic_version"}
    engine.dispose()
    upgrade(url)


def test_a_revision_that_cannot_be_undone_without_loss_says_so_and_changes_nothing(
    engine: Engine, url: str
) -> None:
    populate(engine)
    before = row_counts(engine)
    own = make_engine(url, foreign_keys=False)
    config = migration._alembic_config()
    with own.connect() as connection:
        config.attributes["connection"] = connection
        with pytest.raises(NotImplementedError, match="restore the backup"):
            migration.command.downgrade(config, "0002")
    own.dispose()
    require_current(engine)
    assert row_counts(engine) == before


def test_a_populated_database_survives_another_upgrade(engine: Engine, url: str) -> None:
    populate(engine)
    before = row_counts(engine)
    assert before["presentation"] == 28
    upgrade(url)
    assert row_counts(engine) == before


def test_a_migration_that_loses_rows_is_undone(
    engine: Engine, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    populate(engine)
    before = row_counts(engine)

    def losing(config: object, _revision: str) -> None:
        connection = config.attributes["connection"]  # type: ignore[attr-defined]
        connection.execute(text("DELETE FROM presentation"))

    monkeypatch.setattr(migration.command, "upgrade", losing)
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

    monkeypatch.setattr(migration.command, "upgrade", dropping)
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

    monkeypatch.setattr(migration.command, "upgrade", dangling)
    with pytest.raises(MigrationFailed, match="refers to a missing row of participant"):
        upgrade(url)
    with reading(engine) as session:
        assert session.get_one(StudyRow, 1).slug == "kidney-8"
        assert session.scalars(select(func.count()).select_from(StudyRow)).one() == 1
    assert row_counts(engine)["presentation"] == 28
    engine.dispose()


def test_nothing_is_migrated_while_foreign_keys_are_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path}/equipoise.sqlite"
    upgrade(url, "0001")
    monkeypatch.setattr(migration, "make_engine", lambda url, **_: make_engine(url))
    with pytest.raises(DatabaseUnavailable, match="foreign_keys = 1"):
        upgrade(url)
    engine = make_engine(url)
    assert "model_reply" not in inspect(engine).get_table_names()
    engine.dispose()
