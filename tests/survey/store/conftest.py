"""Participants who take a study through the store, with a clock of their own."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, select

from survey.answers import Choice
from survey.db import reading, writing
from survey.recruitment import IdKeeper, Recruited
from survey.store import answering, erasure, participants, studies
from survey.store.answering import Recorded, Sent
from survey.store.participants import Arrival
from survey.store.tokens import new_token
from survey.tables import (
    FollowUpKind,
    ParticipantRow,
    ParticipantState,
    PresentationRow,
    StudyRow,
)

# Everything that a study can have between Start and the end, in few comparisons.
EVERY_STEP = """
[study]
slug = "every-step"
title = "Every step"
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
kind = "full_factorial"

[comparisons]
kind = "balanced"
per_respondent = 3
sides = "balanced"

[roles]
repeats = 1
repeat_gap = 1
dominated = 1

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
name = "also-coin"
indecision = true

[[screener]]
name = "adult"
text = "Are you an adult?"
kind = "choice"
options = [{ name = "yes", words = "Yes" }, { name = "no", words = "No", screens_out = true }]

[[screener]]
name = "place"
text = "Where do you live?"
kind = "choice"
options = [{ name = "city", words = "City" }, { name = "country", words = "Country" }]

[practice]
left = { age = 20, health = "good" }
right = { age = 80, health = "good" }

[comprehension]
text = "What should you assume?"
options = [{ name = "alike", words = "Alike" }, { name = "guess", words = "Guess" }]
right = "alike"
explanation = "Assume that they are alike."
attempts = 2

[[demographics]]
name = "gender"
text = "Which describes you best?"
kind = "choice"
options = [{ name = "woman", words = "Woman" }, { name = "man", words = "Man" }]

[recruitment]
keep_ids = true

[quotas]
most = 4
hold_minutes = 30

[[quotas.cells]]
question = "place"
option = "city"
most = 3

[waves]
count = 2
comparisons = "same"
"""

ADAPTIVE = """
[study]
slug = "adaptive"
title = "Adaptive"
version = "1"

[texts]
introduction = "What this is."
consent = "What you agree to."
instructions = "What to do."
question = "Which patient should get the kidney?"
debrief = "What it was about."
instructed = "Please answer {answer}."

[[attributes]]
name = "age"
label = "Age"
kind = "numeric"
minimum = 20
maximum = 80
step = 10
words = "{value} years old"

[profiles]
kind = "full_factorial"

[comparisons]
kind = "adaptive"
per_respondent = 6

[roles]
instructed = 1
repeats = 1
repeat_gap = 2
"""


class Taking:
    """Takes a study on one database: each method is one request, in one transaction, at the clock's time."""

    def __init__(self, engine: Engine, now: datetime) -> None:
        self.engine = engine
        self.now = now
        self.ids = IdKeeper("a key for tests, long enough to be one")

    def wait(self, **time: float) -> None:
        self.now += timedelta(**time)

    def open(self, text: str) -> StudyRow:
        with writing(self.engine) as session:
            study = studies.add_study(session, text, now=self.now)
            studies.open_study(session, study, now=self.now)
            return study

    def study(self, slug: str, act: Callable[..., Any]) -> Any:
        """Do what a researcher does to a study: ``studies.pause_study`` …"""
        with writing(self.engine) as session:
            return act(session, studies.find_study(session, slug), now=self.now, actor="test")

    def start(
        self, slug: str, *, key: str | None = None, pid: str | None = None, simulated: bool = False
    ) -> str:
        arrival = Arrival(
            start_key=key or new_token(),
            language="en",
            recruited=Recruited(source="pid", id=pid) if pid else None,
            simulated=simulated,
        )
        with writing(self.engine) as session:
            study = studies.find_study(session, slug)
            return participants.start_participant(session, study, arrival, self.ids, now=self.now).token

    def step(self, token: str, act: Callable[..., Any], *values: Any) -> Any:
        """Do a step of the store as its view does."""
        with writing(self.engine) as session:
            return act(session, find(session, token), *values, now=self.now)

    def consented(self, slug: str, **arrival: Any) -> str:
        token = self.start(slug, **arrival)
        self.step(token, participants.consent)
        return token

    def at_first_comparison(self, slug: str, **arrival: Any) -> str:
        """Go there in a study that has neither screener nor practice nor comprehension."""
        token = self.consented(slug, **arrival)
        self.step(token, answering.begin)
        return token

    def person(self, token: str) -> ParticipantRow:
        with reading(self.engine) as session:
            return find(session, token)

    def state(self, token: str) -> ParticipantState:
        return self.person(token).state

    def shown(self, token: str) -> PresentationRow | None:
        """Return the comparison on the participant's page, if a comparison is."""
        with reading(self.engine) as session:
            person = find(session, token)
            design = studies.design_of(participants.study_of(session, person))
            return answering.open_presentation(session, design, person)

    def drawn(self, token: str) -> list[PresentationRow]:
        with reading(self.engine) as session:
            return list(
                session.scalars(
                    select(PresentationRow)
                    .where(PresentationRow.participant_id == find(session, token).id)
                    .order_by(PresentationRow.position)
                )
            )

    def send(
        self,
        token: str,
        presentation: PresentationRow,
        choice: Choice,
        *,
        revision: int | None = None,
        seconds: float | None = 1.5,
        problem: str = "",
    ) -> Recorded:
        sent = Sent(
            presentation=presentation.token,
            revision=presentation.asked if revision is None else revision,
            choice=choice,
            client_seconds=seconds,
            client_seconds_problem=problem,
        )
        recorded = self.step(token, answering.record_answer, sent)
        assert isinstance(recorded, Recorded)
        return recorded

    def answer(self, token: str, choice: Choice = Choice.LEFT) -> Recorded:
        """Answer the comparison that is shown."""
        presentation = self.shown(token)
        assert presentation is not None
        return self.send(token, presentation, choice)

    def answer_all(self, token: str, choice: Choice = Choice.LEFT) -> None:
        while self.shown(token) is not None:
            self.answer(token, choice)

    def follow_up(
        self, token: str, presentation: PresentationRow, revision: int, kind: FollowUpKind, value: str
    ) -> bool:
        return bool(self.step(token, answering.record_follow_up, presentation.token, revision, kind, value))

    def finish_every_step(self, token: str, *, place: str = "country") -> None:
        """Go from the consent page of EVERY_STEP to its end."""
        self.step(token, participants.consent)
        if self.state(token) is ParticipantState.SCREENING:
            self.step(token, participants.screen, {"adult": "yes", "place": place})
        self.step(token, answering.begin)
        if self.state(token) is ParticipantState.PRACTICING:
            self.answer(token)
            self.step(token, answering.comprehend, "alike")
        self.answer_all(token)
        if self.state(token) is ParticipantState.DESCRIBING:
            self.step(token, participants.describe, {"gender": "woman"})

    def erase(self, slug: str, code: str) -> erasure.Erased:
        with writing(self.engine) as session:
            return erasure.erase(session, studies.find_study(session, slug), code, now=self.now, actor="test")


def find(session: Any, token: str) -> ParticipantRow:
    found = participants.find_participant(session, token)
    assert found is not None
    return found


@pytest.fixture
def every_step() -> str:
    """A design with every step, two arms, quotas and two waves."""
    return EVERY_STEP


@pytest.fixture
def adaptive() -> str:
    """An adaptive design with an instructed check and a repeat."""
    return ADAPTIVE


@pytest.fixture
def taking(engine: Engine, now: datetime) -> Taking:
    """Take studies on SQLite and PostgreSQL in turn."""
    return Taking(engine, now)


@pytest.fixture
def taking_sqlite(sqlite_engine: Engine, now: datetime) -> Taking:
    return Taking(sqlite_engine, now)


@pytest.fixture
def taking_postgres(postgres_engine: Engine, now: datetime) -> Taking:
    return Taking(postgres_engine, now)
