"""The database: engine and sessions. Its tables: ``tables``; questions to it: ``store``; upgrade: ``migration``."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import (
    JSON,
    Connection,
    DateTime,
    Dialect,
    Engine,
    MetaData,
    create_engine,
    event,
)
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.types import TypeDecorator

from survey.config import Settings
from survey.errors import SurveyError

BUSY_TIMEOUT_MILLISECONDS = 10_000
_READ_ONLY = "equipoise_read_only"
_ERASED = "equipoise_erased"
_TRUNCATION_MILLISECONDS = 2_000

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
        # What is deleted is overwritten: whoever is erased must not be found in the file's free pages.
        cursor.execute("PRAGMA secure_delete=ON")
        cursor.execute(f"PRAGMA foreign_keys={'ON' if foreign_keys else 'OFF'}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        read_only = connection.get_execution_options().get(_READ_ONLY, False)
        if connection.info.get(_READ_ONLY) is not read_only:
            connection.exec_driver_sql(f"PRAGMA query_only={'ON' if read_only else 'OFF'}")
            connection.info[_READ_ONLY] = read_only
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
        if session.info.get(_ERASED) and engine.dialect.name == "sqlite":
            _empty_log(engine)
    except OperationalError as error:
        raise unavailable(engine.url, error) from error


def leave_no_trace(session: Session) -> None:
    """Once the transaction is committed, remove from SQLite's write-ahead log what it deleted."""
    session.info[_ERASED] = True


def _empty_log(engine: Engine) -> None:
    """Move the write-ahead log into the database and cut it to nothing; older copies of pages stand in it.

    Somebody who reads for long may be in the way; then it happens with the next erasure or when the service stops.
    """
    driver = engine.raw_connection()
    try:
        cursor = driver.cursor()
        # Others wait meanwhile, and must not wait in vain.
        cursor.execute(f"PRAGMA busy_timeout={_TRUNCATION_MILLISECONDS}")
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MILLISECONDS}")
    finally:
        driver.close()


@contextmanager
def reading(engine: Engine) -> Iterator[Session]:
    """Yield a session that cannot write: the database itself refuses. Raises as :func:`writing` does.

    All of its queries see the database at one moment, so that an export of a running study agrees with itself.
    """
    reader = engine.execution_options(**{_READ_ONLY: True})
    if engine.dialect.name == "postgresql":
        reader = reader.execution_options(postgresql_readonly=True, isolation_level="REPEATABLE READ")
    try:
        with Session(reader, expire_on_commit=False) as session:
            yield session
    except OperationalError as error:
        raise unavailable(engine.url, error) from error


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
            "secure_delete": 1,
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

    An embedded SQLite file that does not exist yet is made; processes that start at the same moment make one.
    Anything else that is behind is an error: changing tables under a running study is the operator's decision.
    """
    # Here, because migrations themselves need the engine made above.
    from survey.migration import make_embedded, require_current

    file = sqlite_file(settings.database_url)
    if file is not None and not file.exists():
        make_embedded(file)
    engine = make_engine(settings.database_url)
    try:
        assert_rules(engine)
        require_current(engine)
    except DBAPIError as error:
        engine.dispose()
        raise unavailable(engine.url, error) from error
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


def unavailable(url: URL, error: DBAPIError) -> DatabaseUnavailable:
    """Return what to raise when the database behind ``url`` cannot be used: in words, without the password."""
    where = url.render_as_string(hide_password=True)
    reason = str(error.orig).strip().splitlines()[0] if error.orig else str(error)
    return DatabaseUnavailable(
        f"{where}: cannot be used: {reason}; check EQUIPOISE_DATABASE_URL and the disk"
    )
