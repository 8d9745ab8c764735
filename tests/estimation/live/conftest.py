"""A service with a study, and people whose answers are put into the database at once: taking the survey page by
page would take minutes."""

from __future__ import annotations

import html
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine, func, insert, select
from werkzeug.test import TestResponse

from survey.answers import Choice, Role
from survey.app import create_app
from survey.config import Settings, load_settings, secrets_of
from survey.db import make_engine, writing
from survey.design import Profile
from survey.design_file import EXAMPLES
from survey.migration import upgrade
from survey.passwords import hash_password
from survey.store import accounts, studies
from survey.store.studies import design_of
from survey.tables import (
    AccountRole,
    AnswerRow,
    ParticipantRow,
    ParticipantState,
    PresentationRow,
    StudyRow,
)

STRENGTHS = {
    "YRH": 1.8, "YRC": 1.2, "YFH": 0.8, "YFC": 0.4, "ORH": -0.2, "ORC": -0.9, "OFH": -1.1, "OFC": -2.0,
}  # fmt: skip
"""Log-strengths of the kidney-8 study's profiles; they sum to 0."""

START = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)

Choose = Callable[[np.random.Generator, Profile, Profile], Choice]


def by_strengths(strengths: dict[str, float], pull: float = -0.5) -> Choose:
    """Choose by Davidson's model with these log-strengths."""

    def choose(rng: np.random.Generator, left: Profile, right: Profile) -> Choice:
        d = (strengths[left.id] - strengths[right.id]) / 2
        p = np.exp([d, -d, pull])
        return (Choice.LEFT, Choice.RIGHT, Choice.INDECISION)[rng.choice(3, p=p / p.sum())]

    return choose


def add_people(
    engine: Engine,
    study_id: int,
    n: int,
    *,
    choose: Choose,
    seed: int = 0,
    answers: int | None = None,
    pairs: Sequence[tuple[int, int]] | None = None,
    simulated: bool = False,
    arm: str = "",
    state: ParticipantState = ParticipantState.FINISHED,
    offered: bool = True,
    wave: int = 1,
) -> None:
    """Add so many people; each answers some pairs of the design's profiles once, sides at random.

    Parameters
    ----------
    pairs
        Numbers of profiles that may be asked; None: all pairs.
    answers
        How many of them each person gets; None: all.
    """
    rng = np.random.default_rng(seed)
    with writing(engine) as session:
        study = session.get_one(StudyRow, study_id)
        design = design_of(study)
        profiles = design.profiles()
        assert profiles is not None
        possible = list(pairs or combinations(range(len(profiles)), 2))
        of_study = select(func.max(ParticipantRow.number)).where(ParticipantRow.study_id == study.id)
        first = (session.scalar(of_study) or 0) + 1
        people = [
            {
                "study_id": study_id,
                "number": first + i,
                "token": f"{study_id}-{first + i}",
                "start_key": f"{first + i}",
                "code": f"p{first + i:06d}",
                "wave": wave,
                "language": "en",
                "arm": arm or design.arms[0].name,
                "state": state,
                "simulated": simulated,
                "started_at": START,
                "active_at": START,
                "ended_at": START + timedelta(seconds=first + i),
            }
            for i in range(n)
        ]
        session.execute(insert(ParticipantRow), people)
        ids = list(
            session.scalars(
                select(ParticipantRow.id)
                .where(ParticipantRow.study_id == study_id, ParticipantRow.number >= first)
                .order_by(ParticipantRow.number)
            )
        )
        shown = []
        for id_ in ids:
            order = rng.permutation(len(possible))[: answers or len(possible)]
            for position, index in enumerate(order, start=1):
                a, b = possible[index] if rng.random() < 0.5 else possible[index][::-1]
                shown.append(_presentation(id_, position, profiles[a], profiles[b], offered))
        session.execute(insert(PresentationRow), shown)
        rows = session.execute(
            select(PresentationRow.id, PresentationRow.left_profile, PresentationRow.right_profile)
            .where(PresentationRow.participant_id.in_(ids))
            .order_by(PresentationRow.id)
        ).all()
        by_id = {p.id: p for p in profiles}
        given = [
            {
                "presentation_id": row[0],
                "revision": 1,
                "choice": choose(rng, by_id[row[1]], by_id[row[2]]),
                "client_seconds": 3.0,
                "client_seconds_problem": "",
                "server_seconds": 3.1,
                "client": {},
                "answered_at": START,
            }
            for row in rows
        ]
        session.execute(insert(AnswerRow), given)


def _presentation(
    participant: int, position: int, left: Profile, right: Profile, offered: bool
) -> dict[str, object]:
    return {
        "participant_id": participant,
        "position": position,
        "token": f"{participant}-{position}",
        "left_profile": left.id,
        "right_profile": right.id,
        "left_values": left.as_dict(),
        "right_values": right.as_dict(),
        "attribute_order": [name for name, _ in left.values],
        "indecision_offered": offered,
        "role": Role.MAIN,
        "draw_rule": "test",
        "note": "",
        "highlighted": False,
        "language": "en",
        "served_at": START,
        "answered_at": START,
        "asked": 1,
        "answered": 1,
    }


@pytest.fixture(scope="session")
def strengths() -> dict[str, float]:
    return dict(STRENGTHS)


@pytest.fixture(scope="session")
def by_davidson() -> Callable[..., Choose]:
    return by_strengths


@pytest.fixture(scope="session")
def put_people() -> Callable[..., None]:
    return add_people


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings({}, state_dir=tmp_path / "var", log_level="error")


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated, empty SQLite file; copying it is quicker than migrating anew for each test."""
    file = tmp_path_factory.mktemp("migrated") / "equipoise.sqlite"
    upgrade(f"sqlite:///{file}")
    return file


@pytest.fixture
def engine(settings: Settings, migrated_file: Path) -> Iterator[Engine]:
    settings.state_dir.mkdir(exist_ok=True)
    shutil.copy(migrated_file, settings.state_dir / "equipoise.sqlite")
    engine = make_engine(settings.database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def app(settings: Settings, engine: Engine) -> Flask:
    return create_app(settings, engine)


@pytest.fixture(scope="session")
def kidney_8() -> str:
    return (EXAMPLES / "kidney-8.toml").read_text(encoding="utf-8")


@pytest.fixture
def study_id(engine: Engine, kidney_8: str) -> int:
    """The kidney-8 study, a draft."""
    with writing(engine) as session:
        return studies.add_study(session, kidney_8, now=START).id


@pytest.fixture
def owner(app: Flask, settings: Settings) -> FlaskClient:
    """The operator, who may do everything while there is no account."""
    client = app.test_client()
    assert client.get(f"/research/?token={secrets_of(settings).research_token}").status_code == 303
    return client


@pytest.fixture(scope="session")
def viewers_hash() -> str:
    return hash_password("a viewer's good password", name="vera")


@pytest.fixture
def viewer(app: Flask, engine: Engine, viewers_hash: str, send: Callable[..., TestResponse]) -> FlaskClient:
    """Somebody who may look and change nothing."""
    with writing(engine) as session:
        for name, role in (("olga", AccountRole.OWNER), ("vera", AccountRole.VIEWER)):
            accounts.add_account(session, name, viewers_hash, role, now=START, actor="command line")
    client = app.test_client()
    page = client.get("/research/sign-in")
    assert send(client, page, "/sign-in", name="vera", password="a viewer's good password").status_code == 200
    return client


@pytest.fixture(scope="session")
def send() -> Callable[..., TestResponse]:
    """Return a function that sends the form of a page as a browser does: hidden fields, then what is given."""

    def send_form(client: FlaskClient, page: TestResponse, ending: str, **fields: str) -> TestResponse:
        for action, body in re.findall(r'<form[^>]*action="([^"]*)"[^>]*>(.*?)</form>', page.text, re.DOTALL):
            if action.endswith(ending):
                hidden = dict(re.findall(r'type="hidden" name="([^"]*)" value="([^"]*)"', body))
                sent = {name: html.unescape(value) for name, value in hidden.items()} | fields
                return client.post(action, data=sent, follow_redirects=True)
        raise AssertionError(f"no form for {ending} on the page:\n{page.text}")

    return send_form
