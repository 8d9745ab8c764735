"""Databases to migrate: empty ones, and one as version 0.1.0 left it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import JSON, Boolean, DateTime, Engine, MetaData, insert, text

from survey.db import make_engine
from survey.migration import upgrade


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
    """The newest tables."""
    upgrade(url)
    engine = make_engine(url)
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def version_0_1_0() -> dict[str, Any]:
    """Every row that the service of version 0.1.0 left behind after studies in all states with participants in all
    states, people and simulated ones, and replies of models; and the answers.csv that it exported of each study.

    Written by that version itself, from a file database, with ids and times made to repeat.
    """
    file = Path(__file__).with_name("version_0_1_0.json")
    found = json.loads(file.read_text(encoding="utf-8"))
    assert isinstance(found, dict)
    return found


@pytest.fixture
def fill(version_0_1_0: dict[str, Any]) -> Callable[[str, str], dict[str, int]]:
    """Return a function that brings an empty database to a revision of that time (0001 or 0002) and fills it.

    It returns how many rows each table got.
    """

    def fill_as_0_1_0(url: str, revision: str = "0002") -> dict[str, int]:
        return _filled(url, revision, version_0_1_0["tables"])

    return fill_as_0_1_0


@pytest.fixture(scope="session")
def revision_0007() -> dict[str, Any]:
    """Every row that the service left behind at revision 0007, the last before anything was asked about attributes:
    two waves, problems of choosing one of many, somebody midway, somebody erased, a simulated participant; and the
    data files of the bundle that it exported.

    Written by that version itself, from a file database.
    """
    file = Path(__file__).with_name("revision_0007.json")
    found = json.loads(file.read_text(encoding="utf-8"))
    assert isinstance(found, dict)
    return found


@pytest.fixture
def fill_as_0007(revision_0007: dict[str, Any]) -> Callable[[str], dict[str, int]]:
    """Return a function that brings an empty database to revision 0007 and fills it; it returns how many rows each
    table got."""
    return lambda url: _filled(url, revision_0007["revision"], revision_0007["tables"])


def _filled(url: str, revision: str, stored: dict[str, list[dict[str, Any]]]) -> dict[str, int]:
    upgrade(url, revision)
    engine = make_engine(url)
    tables = MetaData()
    tables.reflect(engine)
    counts = {}
    with engine.begin() as connection:
        # Parents first, whatever the order in the file.
        for table in tables.sorted_tables:
            rows = stored.get(table.name, [])
            if not rows:
                continue
            for column in table.c:
                if isinstance(column.type, JSON):
                    column.type = JSON(none_as_null=True)  # Nothing, not JSON's own null.
            values = [
                {column: _value(table.c[column].type, value) for column, value in row.items()} for row in rows
            ]
            connection.execute(insert(table), values)
            counts[table.name] = len(rows)
            if connection.dialect.name == "postgresql":
                # The ids were given, so the sequence that gives the next has to be told.
                connection.execute(
                    text(
                        f"SELECT setval(pg_get_serial_sequence('{table.name}', 'id'), max(id)) "  # noqa: S608
                        f"FROM {table.name}"
                    )
                )
    engine.dispose()
    return counts


def _value(kind: Any, stored: Any) -> Any:
    """Return what SQLite stored as Python has it."""
    if stored is None:
        return None
    if isinstance(kind, DateTime):
        return datetime.fromisoformat(stored).replace(tzinfo=UTC)
    if isinstance(kind, JSON):
        return json.loads(stored)
    return bool(stored) if isinstance(kind, Boolean) else stored
