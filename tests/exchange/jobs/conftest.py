"""A service whose researchers put experiments together, and files that they may send."""

from __future__ import annotations

import html
import json
import re
import shutil
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine
from werkzeug.test import TestResponse

from exchange.jobs.job import PROCESS, read_record
from exchange.jobs.job_process import end
from exchange.published_weights import HETEROGENEOUS, published_preferences, published_study
from survey.app import create_app
from survey.config import Settings, load_settings, secrets_of
from survey.db import make_engine, writing
from survey.design import design_hash
from survey.migration import upgrade
from survey.passwords import hash_password
from survey.store import accounts
from survey.tables import AccountRole

START = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
NEW = "/research/simulations/new"
SMALL: dict[str, Any] = {
    "kind": "own",
    "title": "A small experiment",
    "study": "kidney-8",
    "scenario": "freedman2020",
    "policy": ["equal", "priority-after-cardinality"],
    "weights": ["freedman2020-profiles"],
    "people_as": "donors",
    "n_seeds": "2",
    "first_seed": "7",
    "days": "30",
    "workers": "1",
}
"""What a form holds. Two conditions, two seeds."""
STUCK_SECONDS = 90


class Site:
    """A service, and somebody signed in to it."""

    def __init__(self, app: Flask, settings: Settings, client: FlaskClient) -> None:
        self.app, self.settings, self.client = app, settings, client

    @property
    def root(self) -> Path:
        """Folder of all experiments."""
        return self.settings.state_dir / "experiments"

    def get(self, path: str) -> TestResponse:
        # Read to the end at once, which closes the file that is sent.
        return self.client.get(path, buffered=True)

    def post(self, path: str, **fields: Any) -> TestResponse:
        """Send a form with the token that the list's page gives: it has a form to sign out."""
        token = re.search(r'name="csrf_token" value="([^"]*)"', self.client.get("/research/simulations").text)
        assert token
        return self.client.post(path, data={"csrf_token": token[1]} | fields, follow_redirects=True)

    def new(self, **changes: Any) -> TestResponse:
        """Send the form of one's own experiment, the small one but for changes; None leaves a field out."""
        return self.post(NEW, **{k: v for k, v in (SMALL | changes).items() if v is not None})

    def added(self, **changes: Any) -> str:
        """Return the address of an experiment that was just added."""
        page = self.new(**changes)
        assert page.status_code == 200, words_of(page)
        return page.request.path

    def folder(self, path: str) -> Path:
        return self.root / path.rsplit("/", 1)[1]

    def state(self, path: str) -> str:
        return str(self.get(f"{path}/progress").json["state"])

    def wait(self, path: str, until: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait until the progress of an experiment is as it should be."""
        given_up = time.monotonic() + STUCK_SECONDS
        while not until(progress := self.get(f"{path}/progress").json):
            log = self.folder(path) / "log.txt"
            assert time.monotonic() < given_up, (progress, log.read_text() if log.exists() else "")
            time.sleep(0.1)
        return progress

    def finished(self, path: str) -> str:
        """Wait until nothing works at an experiment; return its state."""
        return str(self.wait(path, lambda progress: not progress["is_active"])["state"])

    def close(self) -> None:
        """End what still runs."""
        for process in self.root.glob(f"*/{PROCESS}"):
            end(read_record(process))


def words_of(page: TestResponse) -> str:
    """Return what stands in the page's main part, without tags and with single spaces."""
    main = page.text[page.text.index("<main") :]
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", main)))


def upload(name: str, content: str | bytes) -> tuple[BytesIO, str]:
    """Return a file as the test client sends it."""
    return BytesIO(content if isinstance(content, bytes) else content.encode()), name


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated, empty SQLite file; copying it is quicker than migrating anew for each test."""
    file = tmp_path_factory.mktemp("migrated") / "equipoise.sqlite"
    upgrade(f"sqlite:///{file}")
    return file


def open_site(folder: Path, migrated_file: Path) -> tuple[Site, Engine]:
    settings = load_settings({}, state_dir=folder / "var", log_level="error", rate_limits="off")
    settings.state_dir.mkdir()
    shutil.copy(migrated_file, settings.state_dir / "equipoise.sqlite")
    engine = make_engine(settings.database_url)
    app = create_app(settings, engine)
    client = app.test_client()
    assert client.get(f"/research/?token={secrets_of(settings).research_token}").status_code == 303
    return Site(app, settings, client), engine


@pytest.fixture
def site_and_engine(tmp_path: Path, migrated_file: Path) -> Iterator[tuple[Site, Engine]]:
    site, engine = open_site(tmp_path, migrated_file)
    yield site, engine
    site.close()
    engine.dispose()


@pytest.fixture
def site(site_and_engine: tuple[Site, Engine]) -> Site:
    """A service with the operator signed in, who may do everything."""
    return site_and_engine[0]


@pytest.fixture
def engine(site_and_engine: tuple[Site, Engine]) -> Engine:
    return site_and_engine[1]


@pytest.fixture(scope="session")
def done(tmp_path_factory: pytest.TempPathFactory, migrated_file: Path) -> Iterator[tuple[Site, str, Engine]]:
    """A service with an experiment that was put together in the form, started, and ran to its end."""
    site, engine = open_site(tmp_path_factory.mktemp("done"), migrated_file)
    path = site.added(
        title="What 30 days do <b>", people_as="both", weights_file=[upload("people.json", people_text())]
    )
    site.post(f"{path}/start")
    assert site.finished(path) == "done", (site.folder(path) / "log.txt").read_text()
    yield site, path, engine
    site.close()
    engine.dispose()


@pytest.fixture
def viewer(site: Site, engine: Engine) -> Site:
    """Somebody who may look and change nothing."""
    secret = hash_password("a viewer's good password", name="vera")
    with writing(engine) as session:
        for name, role in (("olga", AccountRole.OWNER), ("vera", AccountRole.VIEWER)):
            accounts.add_account(session, name, secret, role, now=START, actor="command line")
    client = site.app.test_client()
    page = client.get("/research/sign-in")
    token = re.search(r'name="csrf_token" value="([^"]*)"', page.text)
    assert token
    fields = {"csrf_token": token[1], "name": "vera", "password": "a viewer's good password"}
    assert client.post("/research/sign-in", data=fields).status_code == 303
    return Site(site.app, site.settings, client)


def people_text(**changes: Any) -> str:
    """Return a ``people.json`` with a population and two kinds of people, as far as it is read."""
    document = {
        "format": "equipoise-people",
        "format_version": 1,
        "population": {"distribution": published_preferences(HETEROGENEOUS).to_record()},
        "design_hashes": [design_hash(published_study())],
        "classes": {
            "chosen": {
                "of": ["age=old", "drinking=frequent", "health=cancer"],
                "kinds": [
                    {"share": {"value": 0.7}, "values": [-2, -1, -0.5], "others": {}},
                    {"share": {"value": 0.3}, "values": [0.5, -3, -0.1], "others": {}},
                ],
            }
        },
    }
    return json.dumps(document | changes)


@pytest.fixture(scope="session")
def sent() -> Callable[[str, str | bytes], tuple[BytesIO, str]]:
    return upload


@pytest.fixture(scope="session")
def people() -> Callable[..., str]:
    return people_text


@pytest.fixture(scope="session")
def words() -> Callable[[TestResponse], str]:
    return words_of
