from __future__ import annotations

import errno
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event, select
from sqlalchemy.exc import DBAPIError, IntegrityError, StatementError

from survey import migration
from survey.config import Settings, load_settings
from survey.db import (
    DatabaseBehind,
    DatabaseUnavailable,
    assert_rules,
    make_engine,
    open_database,
    reading,
    writing,
)
from survey.migration import backup, check_database, require_current, upgrade
from survey.store import studies
from survey.tables import EventRow, StudyRow, StudyState


def test_sqlite_connections_keep_the_rules(sqlite_engine: Engine) -> None:
    assert_rules(sqlite_engine)
    with sqlite_engine.connect() as connection:
        pragma = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "foreign_keys", "synchronous", "busy_timeout")
        }
    assert pragma == {"journal_mode": "wal", "foreign_keys": 1, "synchronous": 2, "busy_timeout": 10_000}


def test_a_listener_that_never_ran_is_noticed(settings: Settings, sqlite_engine: Engine) -> None:
    from sqlalchemy import create_engine

    bare = create_engine(settings.database_url)
    with pytest.raises(DatabaseUnavailable, match="SQLite reports"):
        assert_rules(bare)
    bare.dispose()


def test_an_in_memory_database_is_refused() -> None:
    engine = make_engine("sqlite://")
    with pytest.raises(DatabaseUnavailable, match="journal_mode"):
        assert_rules(engine)
    engine.dispose()


def test_a_write_transaction_takes_the_lock_at_once(settings: Settings, sqlite_engine: Engine) -> None:
    file = str(settings.state_dir / "equipoise.sqlite")
    with writing(sqlite_engine) as session:
        session.connection()  # The first use of a session begins its transaction.
        other = sqlite3.connect(file, timeout=0, isolation_level=None)
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
        other.close()


def test_statements_begin_as_they_should(sqlite_engine: Engine) -> None:
    said: list[str] = []
    event.listen(sqlite_engine, "before_cursor_execute", lambda c, cur, sql, *_: said.append(sql))
    with writing(sqlite_engine) as session:
        session.scalars(select(StudyRow)).all()
    with reading(sqlite_engine) as session:
        session.scalars(select(StudyRow)).all()
    assert [s for s in said if s.startswith("BEGIN")] == ["BEGIN IMMEDIATE", "BEGIN"]


def test_a_reading_session_sees_one_moment(engine: Engine, now: datetime, short_design: str) -> None:
    with reading(engine) as session:
        assert not studies.list_studies(session)
        with writing(engine) as other:
            studies.add_study(other, short_design, now=now)
        assert not studies.list_studies(session), "half of a page would be of before, half of after"
    with reading(engine) as session:
        assert len(studies.list_studies(session)) == 1


def test_connections_change_between_reading_and_writing(
    sqlite_engine: Engine, now: datetime, short_design: str
) -> None:
    """One connection after another task each: what the last one was for must not stick to it."""
    for version in range(3):
        with reading(sqlite_engine) as session:
            assert len(studies.list_studies(session)) == version
        with pytest.raises(DatabaseUnavailable, match="readonly"), reading(sqlite_engine) as session:
            studies.add_study(session, short_design.replace('version = "1"', 'version = "9"'), now=now)
        with writing(sqlite_engine) as session:
            design = short_design.replace('version = "1"', f'version = "{version}"')
            studies.add_study(session, design, now=now)


def test_a_reading_session_cannot_write(engine: Engine, now: datetime, short_design: str) -> None:
    with (
        pytest.raises((DBAPIError, DatabaseUnavailable), match=r"readonly|read-only"),
        reading(engine) as session,
    ):
        studies.add_study(session, short_design, now=now)
    with writing(engine) as session:  # And the same connection can write again.
        studies.add_study(session, short_design, now=now)


def test_a_writing_session_keeps_nothing_after_an_error(
    engine: Engine, now: datetime, short_design: str
) -> None:
    def add_and_fail() -> None:
        with writing(engine) as session:
            studies.add_study(session, short_design, now=now)
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        add_and_fail()
    with reading(engine) as session:
        assert not studies.list_studies(session)


def test_times_come_back_aware_and_utc(engine: Engine, now: datetime, short_design: str) -> None:
    with writing(engine) as session:
        studies.add_study(session, short_design, now=now)
    with reading(engine) as session:
        stored = session.scalars(select(EventRow.at)).one()
    assert stored == now
    assert stored.utcoffset() is not None


def test_a_time_without_a_zone_is_refused(sqlite_engine: Engine, now: datetime, short_design: str) -> None:
    with pytest.raises(StatementError, match="no time zone"), writing(sqlite_engine) as session:
        studies.add_study(session, short_design, now=now.replace(tzinfo=None))


def test_a_row_that_others_refer_to_cannot_be_deleted(
    engine: Engine, now: datetime, short_design: str, add_open_study: Callable[[Engine, str], StudyRow]
) -> None:
    study = add_open_study(engine, short_design)
    with pytest.raises(IntegrityError), writing(engine) as session:
        session.delete(session.get_one(StudyRow, study.id))


def test_the_database_itself_allows_one_open_version_per_slug(
    engine: Engine, now: datetime, short_design: str, add_open_study: Callable[[Engine, str], StudyRow]
) -> None:
    add_open_study(engine, short_design)
    with writing(engine) as session:
        second = studies.add_study(session, short_design.replace('version = "1"', 'version = "2"'), now=now)
    with pytest.raises(IntegrityError), writing(engine) as session:
        session.get_one(StudyRow, second.id).state = StudyState.OPEN


def test_an_embedded_database_is_made_on_first_use(settings: Settings) -> None:
    engine = open_database(settings)
    require_current(engine)
    engine.dispose()


def test_services_that_start_at_the_same_moment_make_one_database(settings: Settings) -> None:
    start = threading.Barrier(6)

    def open_and_use(_: int) -> int:
        start.wait()
        engine = open_database(settings)
        with reading(engine) as session:
            found = len(studies.list_studies(session))
        engine.dispose()
        return found

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(open_and_use, range(6))) == [0] * 6
    assert [file.name for file in settings.state_dir.iterdir()] == ["equipoise.sqlite"]


def test_a_start_that_is_cut_off_leaves_no_half_made_database(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = migration.command.upgrade

    def cut_off(config: Any, revision: str) -> None:
        run(config, "0001")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(migration.command, "upgrade", cut_off)
        with pytest.raises(KeyboardInterrupt):
            open_database(settings)
    assert not list(settings.state_dir.iterdir())
    open_database(settings).dispose()


def test_a_disk_without_hard_links_gets_its_database_all_the_same(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unsupported(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(migration.os, "link", unsupported)
    engine = open_database(settings)
    require_current(engine)
    engine.dispose()
    assert [file.name for file in settings.state_dir.iterdir()] == ["equipoise.sqlite"]


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "var").write_text("a file where the folder should be")
    settings = load_settings({}, database_url=f"sqlite:///{tmp_path}/var/equipoise.sqlite")
    with pytest.raises(DatabaseUnavailable, match="its folder cannot be made"):
        open_database(settings)


def test_a_file_with_a_strange_name_is_a_database_too(tmp_path: Path) -> None:
    settings = load_settings({}, database_url=f"sqlite:///{tmp_path}/50 % [new] ünd.sqlite")
    open_database(settings).dispose()
    assert [file.name for file in tmp_path.iterdir()] == ["50 % [new] ünd.sqlite"]


def test_an_existing_database_that_is_behind_is_not_touched(settings: Settings) -> None:
    file = settings.state_dir / "equipoise.sqlite"
    file.parent.mkdir()
    sqlite3.connect(file).close()
    file.touch()
    with pytest.raises(DatabaseBehind, match="run 'equipoise db upgrade'"):
        open_database(settings)


def test_a_database_of_a_newer_version_says_so(settings: Settings, sqlite_engine: Engine) -> None:
    with sqlite_engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(DatabaseBehind, match="newer Equipoise"):
        require_current(sqlite_engine)


def test_an_unreachable_database_is_named_without_its_password(tmp_path: Path) -> None:
    settings = load_settings({}, database_url="postgresql://someone:hidden@127.0.0.1:1/none")
    with pytest.raises(DatabaseUnavailable) as caught:
        open_database(settings)
    assert "127.0.0.1" in str(caught.value)
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("use", [open_database, lambda s: check_database(s.database_url)])
def test_a_file_that_is_no_database_is_named(tmp_path: Path, use: Callable[[Settings], object]) -> None:
    (tmp_path / "notes.txt").write_text("not a database, and longer than a header " * 10)
    settings = load_settings({}, database_url=f"sqlite:///{tmp_path}/notes.txt")
    with pytest.raises(DatabaseUnavailable, match=r"notes\.txt: cannot be used: file is not a database"):
        use(settings)


@pytest.mark.parametrize(
    "url", ["mysql://someone:hidden@h/d", "http://someone:hidden@h", "postgresql+psycopg2://h/d"]
)
def test_another_kind_of_database_is_refused_with_what_there_is(url: str) -> None:
    with pytest.raises(
        DatabaseUnavailable, match="not supported; write sqlite:///file or postgresql:"
    ) as caught:
        make_engine(url)
    assert "hidden" not in str(caught.value)


def test_a_missing_driver_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(DatabaseUnavailable, match=r"equipoise\[postgres\]"):
        make_engine("postgresql://h/d")


def test_a_backup_to_a_folder_that_is_not_there_says_so(
    settings: Settings, sqlite_engine: Engine, tmp_path: Path
) -> None:
    with pytest.raises(DatabaseUnavailable, match="could not be copied there"):
        backup(settings.database_url, tmp_path / "no" / "copy.sqlite")


def test_a_backup_is_a_whole_database(
    settings: Settings, sqlite_engine: Engine, now: datetime, short_design: str, tmp_path: Path
) -> None:
    with writing(sqlite_engine) as session:
        studies.add_study(session, short_design, now=now)
    target = tmp_path / "copy.sqlite"
    backup(settings.database_url, target)
    copy = make_engine(f"sqlite:///{target}")
    require_current(copy)
    with reading(copy) as session:
        assert [study.slug for study in studies.list_studies(session)] == ["short"]
    copy.dispose()
    with pytest.raises(DatabaseUnavailable, match="exists already"):
        backup(settings.database_url, target)


def test_postgresql_is_backed_up_with_its_own_tool() -> None:
    with pytest.raises(DatabaseUnavailable, match="pg_dump"):
        backup("postgresql://someone@localhost/name", Path("copy"))


def test_upgrading_a_current_database_changes_nothing(
    settings: Settings, sqlite_engine: Engine, now: datetime, short_design: str
) -> None:
    with writing(sqlite_engine) as session:
        studies.add_study(session, short_design, now=now)
    upgrade(settings.database_url)
    with reading(sqlite_engine) as session:
        assert len(studies.list_studies(session)) == 1
    assert not list(settings.state_dir.glob("*.before-upgrade-*"))
