"""The database: engine, sessions, migration. What is in it stands in ``tables``, what we ask of it in ``store``."""

from __future__ import annotations

import importlib
import importlib.util
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import (
    JSON,
    Connection,
    DateTime,
    Dialect,
    Engine,
    MetaData,
    create_engine,
    event,
    inspect,
    text,
)
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.types import TypeDecorator

from survey.config import Settings
from survey.errors import SurveyError

MIGRATIONS = Path(__file__).resolve().parent.parent / "migrations"
BUSY_TIMEOUT_MILLISECONDS = 10_000
_READ_ONLY = "equipoise_read_only"

NAMING = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class DatabaseError(SurveyError):
    """Base of what can be wrong with the database as a whole."""


class DatabaseBehind(DatabaseError):
    """The database's tables are not those of this version of Equipoise."""


class DatabaseUnavailable(DatabaseError):
    """The database cannot be opened, or does not keep to the rules that protect answers."""


class MigrationFailed(DatabaseError):
    """A migration would have lost rows or left rows that refer to nothing; it was undone."""


class UtcDateTime(TypeDecorator[datetime]):
    """Aware UTC times in Python on every database; SQLite itself keeps no time zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse times without a zone and store the others as UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone; use datetime.now(UTC)")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the stored time as aware UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """Every package's tables derive from this, so that one migration history covers them all."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads this class attribute
        datetime: UtcDateTime,
        dict[str, Any]: JSON,
        list[str]: JSON,
    }


def make_engine(url: str, *, foreign_keys: bool = True) -> Engine:
    """Return an engine that keeps our rules; it connects to nothing yet.

    On SQLite every transaction that may write begins with ``BEGIN IMMEDIATE``: with a plain ``BEGIN``, two requests
    that read before they write make one of them fail at once, however long it would have waited for the lock.
    ``foreign_keys`` is off only while migrating, where rebuilding a parent table would else touch its children.
    """
    parsed = _our_driver(make_url(url))
    _require_driver(parsed)
    # hide_parameters: errors are logged, and parameters hold tokens and answers.
    if parsed.get_backend_name() != "sqlite":
        return create_engine(parsed, pool_pre_ping=True, hide_parameters=True)
    engine = create_engine(parsed, hide_parameters=True)

    @event.listens_for(engine, "connect")
    def _set_rules(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # The driver begins no transactions of its own; _begin does.
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MILLISECONDS}")
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute(f"PRAGMA foreign_keys={'ON' if foreign_keys else 'OFF'}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        read_only = connection.get_execution_options().get(_READ_ONLY, False)
        connection.exec_driver_sql(f"PRAGMA query_only={'ON' if read_only else 'OFF'}")
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")

    return engine


def _our_driver(url: URL) -> URL:
    return url.set(drivername="postgresql+psycopg") if url.drivername in ("postgresql", "postgres") else url


def _require_driver(url: URL) -> None:
    """Raise :class:`DatabaseUnavailable` for a database we do not run on, or whose driver is not installed."""
    where = url.render_as_string(hide_password=True)
    if url.drivername not in ("sqlite", "sqlite+pysqlite", "postgresql+psycopg"):
        raise DatabaseUnavailable(
            f"{where}: '{url.drivername}' is not supported; write sqlite:///file or postgresql://user@host/name"
        )
    if url.get_backend_name() == "postgresql" and not importlib.util.find_spec("psycopg"):
        raise DatabaseUnavailable(f"{where}: needs a driver; run pip install 'equipoise[postgres]'")


@contextmanager
def writing(engine: Engine) -> Iterator[Session]:
    """Yield a session in one write transaction: committed at the end, rolled back on any exception.

    Raises
    ------
    DatabaseUnavailable
        The database could not be reached, or was locked for longer than the busy timeout; nothing was stored.
    """
    try:
        with Session(engine, expire_on_commit=False) as session, session.begin():
            yield session
    except OperationalError as error:
        raise _unavailable(engine.url, error) from error


@contextmanager
def reading(engine: Engine) -> Iterator[Session]:
    """Yield a session that cannot write: the database itself refuses. Raises as :func:`writing` does."""
    reader = engine.execution_options(**{_READ_ONLY: True})
    if engine.dialect.name == "postgresql":
        reader = reader.execution_options(postgresql_readonly=True)
    try:
        with Session(reader, expire_on_commit=False) as session:
            yield session
    except OperationalError as error:
        raise _unavailable(engine.url, error) from error


def assert_rules(engine: Engine, *, foreign_keys: bool = True) -> None:
    """Check on a live connection that SQLite keeps the rules set above; other databases need none.

    Raises
    ------
    DatabaseUnavailable
        Naming the rule that does not hold: a listener that silently never ran has cost others their data.
    """
    if engine.dialect.name != "sqlite":
        return
    with engine.connect() as connection:
        driver = connection.connection.dbapi_connection
        wanted = {
            "journal_mode": "wal",
            "busy_timeout": BUSY_TIMEOUT_MILLISECONDS,
            "foreign_keys": int(foreign_keys),
            "synchronous": 2,
        }
        for pragma, value in wanted.items():
            found = connection.exec_driver_sql(f"PRAGMA {pragma}").scalar()
            if found != value:
                raise DatabaseUnavailable(
                    f"{engine.url}: SQLite reports {pragma} = {found!r} where {value!r} is needed to keep answers "
                    "safe; name a file on a local disk (not a network folder, not :memory:)"
                )
        if driver is None or driver.isolation_level is not None or not driver.in_transaction:
            raise DatabaseUnavailable(f"{engine.url}: the SQLite driver begins transactions of its own")


def open_database(settings: Settings) -> Engine:
    """Return an engine on a database that is ready for use.

    An embedded SQLite file that does not exist yet is created and migrated. Anything else that is behind is an
    error: changing tables under a running study is the operator's decision.
    """
    file = sqlite_file(settings.database_url)
    if file is not None and not file.exists():
        upgrade(settings.database_url)
    engine = make_engine(settings.database_url)
    try:
        assert_rules(engine)
        require_current(engine)
    except DBAPIError as error:
        engine.dispose()
        raise _unavailable(engine.url, error) from error
    except SurveyError:
        engine.dispose()
        raise
    return engine


def sqlite_file(url: str) -> Path | None:
    """Return the file of a SQLite address; None for other databases and for ``:memory:``."""
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite" or parsed.database in (None, "", ":memory:"):
        return None
    return Path(str(parsed.database))


# --- migration -----------------------------------------------------------------------------------------


def load_tables() -> MetaData:
    """Import every package's table module and return the tables; the migrations are compared with them."""
    importlib.import_module("survey.tables")
    if importlib.util.find_spec("llm_compare") and importlib.util.find_spec("llm_compare.tables"):
        importlib.import_module("llm_compare.tables")
    return Base.metadata


def upgrade(url: str, revision: str = "head") -> None:
    """Bring the database to ``revision``, in one transaction; a populated SQLite file is backed up first.

    Raises
    ------
    MigrationFailed
        Rows were lost or left dangling. Nothing was changed.
    """
    file = sqlite_file(url)
    if file is not None:
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DatabaseUnavailable(
                f"{file}: its folder cannot be made ({error.strerror}); check EQUIPOISE_DATABASE_URL"
            ) from None
    engine = make_engine(url, foreign_keys=False)
    try:
        assert_rules(engine, foreign_keys=False)
        if file is not None and _is_behind_and_populated(engine, revision):
            stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ")
            backup(url, file.with_name(f"{file.name}.before-upgrade-{stamp}"))
        with engine.begin() as connection:
            before = _row_counts(connection)
            config = _alembic_config()
            config.attributes["connection"] = connection
            command.upgrade(config, revision)
            _assert_nothing_lost(connection, before)
    except DBAPIError as error:
        raise _unavailable(engine.url, error) from error
    finally:
        engine.dispose()


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
        raise _unavailable(engine.url, error) from error
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
    engine = make_engine(url)
    try:
        # VACUUM is refused inside a transaction, so this goes to the driver, which begins none of its own.
        driver = engine.raw_connection()
        try:
            driver.cursor().execute("VACUUM INTO ?", (str(target),))
        finally:
            driver.close()
    except (sqlite3.Error, DBAPIError) as error:
        raise DatabaseUnavailable(
            f"{target}: {file} could not be copied there ({error}); name a file in an existing folder with room"
        ) from error
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


def _unavailable(url: URL, error: DBAPIError) -> DatabaseUnavailable:
    where = url.render_as_string(hide_password=True)
    reason = str(error.orig).strip().splitlines()[0] if error.orig else str(error)
    return DatabaseUnavailable(
        f"{where}: cannot be used: {reason}; check EQUIPOISE_DATABASE_URL and the disk"
    )
