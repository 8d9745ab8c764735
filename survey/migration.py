"""Migrating the database: to this version's tables in one transaction, with nothing lost, a backup first."""

from __future__ import annotations

import importlib
import importlib.util
import os
import secrets
import sqlite3
import threading
from datetime import UTC, datetime
from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, MetaData, inspect, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

from survey.db import (
    Base,
    DatabaseBehind,
    DatabaseUnavailable,
    MigrationFailed,
    assert_rules,
    make_engine,
    sqlite_file,
    unavailable,
)

MIGRATIONS = Path(__file__).resolve().parent.parent / "migrations"
# Alembic keeps what it works on in globals, so threads of one process must take turns.
_ALEMBIC = threading.Lock()
# Any number will do, as long as nothing else in the database's server uses it for the same purpose.
_UPGRADE_LOCK = 0x4551_5549_504F_4953


def load_tables() -> MetaData:
    """Import every package's table module and return the tables; the migrations are compared with them."""
    importlib.import_module("survey.tables")
    if importlib.util.find_spec("llm_compare"):
        importlib.import_module("llm_compare.replies.tables")
        importlib.import_module("llm_compare.participation.tables")
    return Base.metadata


def make_embedded(file: Path) -> None:
    """Make a migrated, empty SQLite file unless somebody else does so at the same moment.

    It is made beside its place and put there whole, so that no other process, and no later start after a crash,
    finds a file without tables.

    Raises
    ------
    DatabaseUnavailable
        The file or its folder cannot be made.
    """
    _make_folder(file)
    beside = file.with_name(f"{file.name}.new-{secrets.token_hex(8)}")
    try:
        upgrade(_address(beside))
        os.link(beside, file)  # Unlike renaming, this never replaces a file.
    except FileExistsError:
        return  # Another process was faster.
    except OSError:
        # A disk without hard links. Migrations still wait for each other; only a crash could leave an empty file.
        upgrade(_address(file))
    finally:
        for rest in (beside, *(beside.with_name(f"{beside.name}-{kind}") for kind in ("wal", "shm"))):
            rest.unlink(missing_ok=True)


def upgrade(url: str, revision: str = "head") -> None:
    """Bring the database to ``revision``, in one transaction; a populated SQLite file is backed up first.

    Several at once wait for each other, and all but the first find nothing left to do.

    Raises
    ------
    MigrationFailed
        Rows were lost or left dangling. Nothing was changed.
    """
    file = sqlite_file(url)
    if file is not None:
        _make_folder(file)
        try:
            _make_private(file)
        except FileExistsError:
            pass  # It is there already, as nearly always.
        except OSError as error:
            raise DatabaseUnavailable(
                f"{file}: cannot be made ({error.strerror}); check EQUIPOISE_DATABASE_URL"
            ) from None
    # Rebuilding a parent table with foreign keys on would touch its children, silently where they cascade.
    engine = make_engine(url, foreign_keys=False)
    try:
        assert_rules(engine, foreign_keys=False)
        if file is not None and _is_behind_and_populated(engine, revision):
            stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ")
            backup(url, file.with_name(f"{file.name}.before-upgrade-{stamp}"))
        with engine.begin() as connection:
            if engine.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _UPGRADE_LOCK})
            before = _row_counts(connection)
            config = _alembic_config()
            config.attributes["connection"] = connection
            with _ALEMBIC:
                command.upgrade(config, revision)
            _assert_nothing_lost(connection, before)
    except DBAPIError as error:
        raise unavailable(engine.url, error) from error
    finally:
        engine.dispose()


def _address(file: Path) -> str:
    return URL.create("sqlite", database=str(file)).render_as_string()


def _make_folder(file: Path) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DatabaseUnavailable(
            f"{file}: its folder cannot be made ({error.strerror}); check EQUIPOISE_DATABASE_URL"
        ) from None


def _make_private(file: Path) -> None:
    """Make an empty file that only its owner can read: people's answers will stand in it. Raises OSError.

    SQLite gives its side files the same permissions.
    """
    os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def require_current(engine: Engine) -> None:
    """Raise :class:`DatabaseBehind` unless the database is at this version's newest migration."""
    with engine.connect() as connection:
        found = MigrationContext.configure(connection).get_current_heads()
    script = ScriptDirectory.from_config(_alembic_config())
    if set(found) == set(script.get_heads()):
        return
    where = engine.url.render_as_string(hide_password=True)
    known = {revision.revision for revision in script.walk_revisions()}
    if set(found) - known:
        raise DatabaseBehind(
            f"{where}: was migrated by a newer Equipoise (revision {', '.join(found)}); install that version"
        )
    state = f"is at revision {', '.join(found)}" if found else "has no tables yet"
    raise DatabaseBehind(f"{where}: {state}; run 'equipoise db upgrade'")


def check_database(url: str) -> list[str]:
    """Check a database without changing it; return how its tables differ from the models.

    Raises
    ------
    DatabaseBehind, DatabaseUnavailable
        It is not migrated, does not keep the rules, or cannot be reached.
    """
    file = sqlite_file(url)
    if file is not None and not file.exists():
        raise DatabaseBehind(f"{file}: there is no database yet; run 'equipoise db upgrade'")
    engine = make_engine(url)
    try:
        require_current(engine)
        assert_rules(engine)
        return schema_differences(engine)
    except DBAPIError as error:
        raise unavailable(engine.url, error) from error
    finally:
        engine.dispose()


def schema_differences(engine: Engine) -> list[str]:
    """Return how the database's tables differ from the models; empty when migrations and models agree."""
    metadata = load_tables()
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return [str(difference) for difference in compare_metadata(context, metadata)]


def backup(url: str, target: Path) -> None:
    """Write a consistent copy of a SQLite database, also while it is in use.

    Raises
    ------
    DatabaseUnavailable
        The database is not SQLite, there is no such file, or ``target`` exists.
    """
    file = sqlite_file(url)
    if file is None:
        raise DatabaseUnavailable(
            "only an embedded SQLite database is backed up here; for PostgreSQL run "
            "pg_dump --format=custom --file=equipoise.dump DATABASE"
        )
    if not file.exists():
        raise DatabaseUnavailable(f"{file}: there is no database to back up")
    if target.exists():
        raise DatabaseUnavailable(f"{target}: exists already; name a new file")
    failed = f"{target}: {file} could not be copied there ({{}}); name a file in an existing folder with room"
    try:
        _make_private(target)
    except OSError as error:
        raise DatabaseUnavailable(failed.format(error.strerror)) from None
    engine = make_engine(url)
    try:
        # VACUUM is refused inside a transaction, so this goes to the driver, which begins none of its own.
        driver = engine.raw_connection()
        try:
            driver.cursor().execute("VACUUM INTO ?", (str(target),))
        finally:
            driver.close()
    except (sqlite3.Error, DBAPIError) as error:
        target.unlink(missing_ok=True)
        raise DatabaseUnavailable(failed.format(error)) from error
    finally:
        engine.dispose()


def _alembic_config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config


def _is_behind_and_populated(engine: Engine, revision: str) -> bool:
    with engine.connect() as connection:
        current = set(MigrationContext.configure(connection).get_current_heads())
        target = ScriptDirectory.from_config(_alembic_config()).as_revision_number(revision)
        wanted = {target} if isinstance(target, str) else set(target or ())
        return current != wanted and any(_row_counts(connection).values())


def _row_counts(connection: Connection) -> dict[str, int]:
    quote = connection.dialect.identifier_preparer.quote
    return {
        table: connection.execute(text(f"SELECT count(*) FROM {quote(table)}")).scalar_one()  # noqa: S608 - own tables
        for table in inspect(connection).get_table_names()
        if table != "alembic_version"
    }


def _assert_nothing_lost(connection: Connection, before: dict[str, int]) -> None:
    after = _row_counts(connection)
    lost = [
        # A table that is gone lost its rows too: a migration that renames one has to say so here.
        f"{table}: {n} rows before, {after.get(table, 0)} after"
        for table, n in before.items()
        if after.get(table, 0) < n
    ]
    if connection.dialect.name == "sqlite":
        dangling = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
        lost += [f"{row[0]}: row {row[1]} refers to a missing row of {row[2]}" for row in dangling]
    if lost:
        raise MigrationFailed(
            "the migration was undone because it would have lost data:\n  " + "\n  ".join(lost)
        )
