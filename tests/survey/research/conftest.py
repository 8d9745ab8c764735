"""A study with every part, and people who take it through the store as they are told to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from survey.answers import Choice, Role
from survey.config import Secrets, Settings, load_settings
from survey.db import writing
from survey.design import StudyDesign
from survey.design_file import parse_design
from survey.passwords import hash_password
from survey.questionnaire import Stated
from survey.recruitment import IdKeeper, Recruited
from survey.store import accounts, answering, participants, studies
from survey.store.answering import Sent
from survey.store.participants import Arrival
from survey.store.tokens import new_token
from survey.tables import (
    AccountRole,
    FollowUpKind,
    ParticipantRow,
    ParticipantState,
    PresentationRow,
    StudyRow,
)

SECRET_KEY = "a secret key of the tests, long enough for any use"
LATER = timedelta(minutes=20)
"""Within the time that a slot is held."""

# All six pairs of four profiles, each with its left and right, so that tests can say what was on which side.
FOLLOWED = """
[study]
slug = "followed"
title = "A followed study"
version = "1"
contact = "study@example.org"

[texts]
introduction = "What this is."
consent = "What you agree to."
instructions = "What to do."
question = "Which patient should get the kidney?"
debrief = "What it was about."

[[attributes]]
name = "age"
label = "Age"
kind = "categorical"
favoured = "young"
levels = [{ name = "young", words = "30 years old" }, { name = "old", words = "70 years old" }]

[[attributes]]
name = "health"
label = "Other health"
kind = "categorical"
favoured = "good"
levels = [{ name = "good", words = "in good health" }, { name = "poor", words = "in poor health" }]

[profiles]
kind = "list"

[[profiles.list]]
name = "YG"
age = "young"
health = "good"

[[profiles.list]]
name = "YP"
age = "young"
health = "poor"

[[profiles.list]]
name = "OG"
age = "old"
health = "good"

[[profiles.list]]
name = "OP"
age = "old"
health = "poor"

[comparisons]
kind = "list"
per_respondent = 6
sides = "fixed"

[[comparisons.list]]
left = "YG"
right = "YP"

[[comparisons.list]]
left = "YG"
right = "OG"

[[comparisons.list]]
left = "YG"
right = "OP"

[[comparisons.list]]
left = "YP"
right = "OG"

[[comparisons.list]]
left = "YP"
right = "OP"

[[comparisons.list]]
left = "OG"
right = "OP"

[roles]
dominated = 1
identical = 1
repeats = 1
repeat_gap = 1

[[roles.checks]]
left = "YG"
right = "OP"
expected = "left"

[indecision]
offered = true
reason_question = "Why?"
reasons = [{ name = "equal", words = "Both alike" }, { name = "close", words = "Too close" }]
strict = true
strict_question = "And if you had to choose?"

[[arms]]
name = "coin"
indecision = true

[[arms]]
name = "no-coin"
indecision = false

[[screener]]
name = "adult"
text = "Are you an adult?"
kind = "choice"
options = [{ name = "yes", words = "Yes" }, { name = "no", words = "No", screens_out = true }]

[[screener]]
name = "place"
text = "Where do you live?"
kind = "choice"
options = [{ name = "city", words = "In a city" }, { name = "country", words = "In the country" }]

[practice]
left = "OG"
right = "YP"

[comprehension]
text = "What should you assume?"
options = [{ name = "alike", words = "Alike" }, { name = "guess", words = "Guess" }]
right = "alike"
explanation = "Assume that they are alike."
attempts = 2

[[demographics]]
name = "age"
text = "How old are you?"
kind = "number"
minimum = 18
maximum = 120

[[demographics]]
name = "ties"
text = "Which apply?"
kind = "several"
options = [{ name = "donor", words = "I gave an organ" }, { name = "patient", words = "I need one" }]

[[demographics]]
name = "remarks"
text = "Anything else?"
kind = "text"

[recruitment]
keep_ids = true
keep_days = 60

[quotas]
most = 4
hold_minutes = 30

[[quotas.cells]]
question = "place"
option = "city"
most = 3

[waves]
count = 2

[endings.complete]
code = "PAID-ALL"

[exclusions]
unfinished = true
failed_checks_above = 0
median_seconds_below = 1.0
comprehension_failed = true
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What somebody does."""

    arm: str | None = None
    pid: str = ""
    simulated: bool = False
    decline: bool = False
    screener: Mapping[str, Stated] = field(default_factory=lambda: {"adult": "yes", "place": "city"})
    begins: bool = True
    """Goes on from the instructions."""
    comprehension: Sequence[str] = ("alike",)
    choose: Callable[[PresentationRow], Choice] = lambda row: row.expected or Choice.LEFT
    answers: int | None = None
    """Comparisons answered, the practice left out, before nothing more is sent; None: all."""
    seconds: Callable[[int], float | None] = lambda position: 3.0
    """From the position; None: the browser has no script."""
    client: Mapping[str, Any] = field(default_factory=dict)
    follow_ups: Mapping[FollowUpKind, str] = field(
        default_factory=lambda: {FollowUpKind.REASON: "equal", FollowUpKind.STRICT: "left"}
    )
    withdraws: bool = False
    """Withdraws where nothing more is sent."""
    demographics: Mapping[str, Stated] | None = field(default_factory=dict)
    """None: leaves at the form."""


class Walker:
    """Takes a study through the store; the clock goes on five seconds with everything that is sent."""

    def __init__(self, engine: Engine, study_id: int, *, start: datetime, secret_key: str) -> None:
        self.engine, self.study_id, self.now, self.ids = engine, study_id, start, IdKeeper(secret_key)

    def tick(self) -> datetime:
        self.now += timedelta(seconds=5)
        return self.now

    def take(self, plan: Plan = Plan()) -> str:
        """Let somebody new do what the plan says; return the code."""
        with writing(self.engine) as session:
            study = session.get_one(StudyRow, self.study_id)
            arrival = Arrival(
                start_key=new_token(),
                language=studies.design_of(study).language,
                recruited=Recruited(
                    source="prolific", id=plan.pid, details=(("SESSION_ID", f"s-{plan.pid}"),)
                )
                if plan.pid
                else None,
                simulated=plan.simulated,
            )
            person = participants.start_participant(session, study, arrival, self.ids, now=self.tick())
            person.arm = plan.arm
            session.flush()
            self._walk(session, person, plan)
            return person.code

    def take_again(self, code: str, plan: Plan = Plan()) -> None:
        """Let somebody begin the next wave."""
        with writing(self.engine) as session:
            study = session.get_one(StudyRow, self.study_id)
            before = session.scalars(select(ParticipantRow).where(ParticipantRow.code == code)).one()
            person = participants.return_for_wave(session, study, before, now=self.tick())
            self._walk(session, person, plan)

    def _walk(self, session: Session, person: ParticipantRow, plan: Plan) -> None:
        if plan.decline:
            participants.decline(session, person, now=self.tick())
            return
        participants.consent(session, person, now=self.tick())
        if person.state is ParticipantState.SCREENING:
            participants.screen(session, person, plan.screener, now=self.tick())
        if person.state is not ParticipantState.INSTRUCTED or not plan.begins:
            return
        answering.begin(session, person, now=self.tick())
        attempts = iter(plan.comprehension)
        answered = 0
        while person.state in (
            ParticipantState.PRACTICING,
            ParticipantState.COMPREHENDING,
            ParticipantState.ANSWERING,
        ):
            if person.state is ParticipantState.COMPREHENDING:
                attempt = next(attempts, None)
                if attempt is None:
                    return
                answering.comprehend(session, person, attempt, now=self.tick())
                continue
            if plan.answers == answered and person.state is ParticipantState.ANSWERING:
                if plan.withdraws:
                    participants.withdraw(session, person, now=self.tick())
                return
            answered += person.state is ParticipantState.ANSWERING
            self._answer(session, person, plan)
        if person.state is ParticipantState.DESCRIBING and plan.demographics is not None:
            participants.describe(session, person, plan.demographics, now=self.tick())

    def _answer(self, session: Session, person: ParticipantRow, plan: Plan) -> None:
        design = studies.design_of(participants.study_of(session, person))
        row = answering.open_presentation(session, design, person)
        assert row is not None
        choice = plan.choose(row)
        if choice is Choice.INDECISION and not row.indecision_offered:
            choice = Choice.RIGHT
        seconds = plan.seconds(row.position)
        sent = Sent(
            presentation=row.token,
            revision=row.asked,
            choice=choice,
            client_seconds=seconds,
            client_seconds_problem="not measured (no script)" if seconds is None else "",
            client=plan.client,
        )
        answering.record_answer(session, person, sent, now=self.tick())
        while (pending := answering.pending_follow_up(session, design, person)) is not None:
            shown, answer, kind = pending
            answering.record_follow_up(
                session, person, shown.token, answer.revision, kind, plan.follow_ups[kind], now=self.tick()
            )


def undecided(row: PresentationRow) -> Choice:
    """Say of main comparisons that one cannot say."""
    return Choice.INDECISION if row.role is Role.MAIN else row.expected or Choice.LEFT


@pytest.fixture
def settings(tmp_path: Any) -> Settings:
    return load_settings({"EQUIPOISE_SECRET_KEY": SECRET_KEY}, state_dir=tmp_path / "var", log_level="error")


@pytest.fixture
def start() -> datetime:
    """When the first participant starts: lately, as the pages compare with the time that it is."""
    return datetime.now(UTC) - LATER


@pytest.fixture
def follow(start: datetime) -> Callable[..., Walker]:
    """Return a function that adds the study, open, and returns who takes it."""

    def followed(engine: Engine, text: str = FOLLOWED) -> Walker:
        with writing(engine) as session:
            study = studies.add_study(session, text, now=start)
            studies.open_study(session, study, now=start, actor="command line")
            return Walker(engine, study.id, start=start, secret_key=SECRET_KEY)

    return followed


@pytest.fixture
def walker(sqlite_engine: Engine, follow: Callable[..., Walker]) -> Walker:
    """Who takes the followed study on SQLite."""
    return follow(sqlite_engine)


@pytest.fixture
def plan() -> type[Plan]:
    return Plan


@pytest.fixture
def says_indecision() -> Callable[[PresentationRow], Choice]:
    return undecided


@pytest.fixture(scope="session")
def followed_design() -> str:
    return FOLLOWED


@pytest.fixture(scope="session")
def design() -> StudyDesign:
    return parse_design(FOLLOWED)


@pytest.fixture
def researcher(app: Flask, secrets: Secrets) -> FlaskClient:
    """The operator, signed in: may do everything while there is no account."""
    client = app.test_client()
    assert client.get(f"/research/?token={secrets.research_token}").status_code == 303
    return client


@pytest.fixture(scope="session")
def viewers_hash() -> str:
    """Hashing is slow on purpose: once for all tests."""
    return hash_password("a viewer's good password", name="vera")


@pytest.fixture
def viewer(
    app: Flask, sqlite_engine: Engine, viewers_hash: str, start: datetime, send: Callable[..., TestResponse]
) -> FlaskClient:
    """Somebody who may look, signed in with an account."""
    with writing(sqlite_engine) as session:
        for name, role in (("olga", AccountRole.OWNER), ("vera", AccountRole.VIEWER)):
            accounts.add_account(session, name, viewers_hash, role, now=start, actor="command line")
    client = app.test_client()
    page = client.get("/research/sign-in")
    assert send(client, page, "/sign-in", name="vera", password="a viewer's good password").status_code == 200
    return client
