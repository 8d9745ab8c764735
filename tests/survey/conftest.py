"""Databases, the application and its test client."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine
from werkzeug.test import TestResponse

from survey import store
from survey.app import create_app
from survey.config import Secrets, Settings, load_settings, secrets_of
from survey.db import make_engine, upgrade, writing
from survey.design_file import EXAMPLES
from survey.tables import StudyRow

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)

SHORT_DESIGN = """
[study]
slug = "short"
title = "A short study"
version = "1"

[texts]
introduction = "What this is."
consent = "What you agree to."
instructions = "What to do."
question = "Which patient should get the kidney?"
debrief = "What it was about."

[[attributes]]
name = "age"
label = "Age"
kind = "numeric"
minimum = 20
maximum = 80
step = 20
words = "{value} years old"
favours = "low"

[[attributes]]
name = "health"
label = "Other health"
kind = "categorical"
favoured = "good"
levels = [{ name = "good", words = "in good health" }, { name = "poor", words = "in poor health" }]

[profiles]
kind = "random"

[comparisons]
kind = "random"
per_respondent = 4

[[arms]]
name = "with-coin"
indecision = true

[[arms]]
name = "no-coin"
indecision = false
"""


@pytest.fixture
def now() -> datetime:
    return NOW


@pytest.fixture
def short_design() -> str:
    return SHORT_DESIGN


@pytest.fixture
def one_arm_design() -> str:
    """The short design without its arm that withholds indecision."""
    return SHORT_DESIGN[: SHORT_DESIGN.index("[[arms]]")]


@pytest.fixture
def kidney_8() -> str:
    return (EXAMPLES / "kidney-8.toml").read_text(encoding="utf-8")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings({}, state_dir=tmp_path / "var", log_level="error")


@pytest.fixture
def secrets(settings: Settings) -> Secrets:
    return secrets_of(settings)


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated, empty SQLite file; copying it is quicker than migrating anew for each test."""
    file = tmp_path_factory.mktemp("migrated") / "equipoise.sqlite"
    upgrade(f"sqlite:///{file}")
    return file


@pytest.fixture
def sqlite_engine(settings: Settings, migrated_file: Path) -> Iterator[Engine]:
    settings.state_dir.mkdir(exist_ok=True)
    shutil.copy(migrated_file, settings.state_dir / "equipoise.sqlite")
    engine = make_engine(settings.database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def postgres_engine(postgres_url: str) -> Iterator[Engine]:
    upgrade(postgres_url)
    engine = make_engine(postgres_url)
    yield engine
    engine.dispose()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def engine(request: pytest.FixtureRequest) -> Engine:
    """A migrated, empty database: SQLite and PostgreSQL in turn."""
    found = request.getfixturevalue(f"{request.param}_engine")
    assert isinstance(found, Engine)
    return found


@pytest.fixture
def add_open_study() -> Callable[[Engine, str], StudyRow]:
    def add(engine: Engine, text: str) -> StudyRow:
        with writing(engine) as session:
            study = store.add_study(session, text, now=NOW)
            store.open_study(session, study, now=NOW)
            return study

    return add


@pytest.fixture
def app(settings: Settings, sqlite_engine: Engine) -> Flask:
    return create_app(settings, sqlite_engine)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def send() -> Callable[..., TestResponse]:
    """Return a function that sends the form of a page as a browser does: hidden fields, then what is given."""

    def send_form(client: FlaskClient, page: TestResponse, ending: str, **fields: str) -> TestResponse:
        for action, body in re.findall(r'<form[^>]*action="([^"]*)"[^>]*>(.*?)</form>', page.text, re.DOTALL):
            if action.endswith(ending):
                hidden = dict(re.findall(r'type="hidden" name="([^"]*)" value="([^"]*)"', body))
                return client.post(action, data=hidden | fields, follow_redirects=True)
        raise AssertionError(f"no form for {ending} on the page:\n{page.text}")

    return send_form


@pytest.fixture
def at_first_comparison(send: Callable[..., TestResponse]) -> Callable[[FlaskClient, str], TestResponse]:
    """Return a function that takes a client from the landing page to the first comparison."""

    def go(client: FlaskClient, slug: str) -> TestResponse:
        page = send(client, client.get(f"/s/{slug}"), "/start")
        page = send(client, page, "/consent", decision="agree")
        return send(client, page, "/begin")

    return go
