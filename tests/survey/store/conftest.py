"""Participants who take a study through the store, with a clock of their own."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, select

from survey.answers import Choice, RespondentKind
from survey.db import reading, writing
from survey.recruitment import IdKeeper, Recruited
from survey.store import answering, categories, codes, erasure, participants, studies
from survey.store.answering import Recorded, Sent
from survey.store.participants import Arrival
from survey.store.suggestion_imports import ImportedRespondent, ImportedSuggestion, import_suggestions
from survey.store.suggestion_list import listed_suggestion
from survey.store.tokens import new_token
from survey.suggestions import Stance
from survey.tables import (
    EventRow,
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


ATTRIBUTES = """
[study]
slug = "attributes"
title = "What should decide?"
version = "1"

[texts]
introduction = "What this is."
consent = "What you agree to."
debrief = "What it was about."

[suggestions.should]
question = "What should be considered?"
label = "Something that should count"

[suggestions.should_not]
question = "What should not be considered?"
label = "Something that should not count"

[[screener]]
name = "adult"
text = "Are you an adult?"
kind = "choice"
options = [{ name = "yes", words = "Yes" }, { name = "no", words = "No", screens_out = true }]

[[demographics]]
name = "place"
text = "Where have you lived?"
kind = "several"
options = [{ name = "city", words = "City" }, { name = "country", words = "Country" }]

[[demographics]]
name = "born"
text = "When were you born?"
kind = "number"
minimum = 1900
maximum = 2010
"""


class Coders:
    """Codes one study's suggestions on one database: each call is one request, in one transaction."""

    def __init__(self, engine: Engine, now: datetime) -> None:
        self.engine = engine
        self.now = now
        with writing(engine) as session:
            studies.add_study(session, ATTRIBUTES, now=now)

    def do(self, act: Callable[..., Any], *values: Any, **named: Any) -> Any:
        """Change something as a page or a command does."""
        with writing(self.engine) as session:
            study = studies.find_study(session, "attributes")
            return act(
                session, study, *values, now=self.now, actor=named.pop("actor", "account anna"), **named
            )

    def see(self, act: Callable[..., Any], *values: Any, **named: Any) -> Any:
        """Read something in a session that cannot write."""
        with reading(self.engine) as session:
            return act(session, studies.find_study(session, "attributes"), *values, **named)

    def suggest(self, *texts: str, respondent: str = "r1", **more: Any) -> list[int]:
        """Bring suggestions in; return their ids."""
        entries = [
            ImportedSuggestion(
                respondent=respondent,
                kind=more.get("kind", RespondentKind.HUMAN),
                stance=more.get("stance", Stance.SHOULD),
                text=text,
                why=more.get("why", ""),
                direction=more.get("direction", ""),
            )
            for text in texts
        ]
        asked = [
            ImportedRespondent(
                respondent=respondent,
                kind=more.get("kind", RespondentKind.HUMAN),
                stances=frozenset(),
                simulated=more.get("simulated", False),
            )
        ]
        return list(self.do(import_suggestions, entries, source="elsewhere.csv", asked=asked).ids)

    def category(self, *labels: str) -> None:
        for label in labels:
            self.do(categories.add_category, label)

    def code(self, suggestion: int, *names: str, coder: str = "anna", **more: Any) -> bool:
        return bool(self.do(codes.code_suggestion, suggestion, coder=coder, categories=names, **more))

    def standing(self, suggestion: int) -> set[tuple[str, str, str]]:
        """Return (kind, coder, category or outcome) of the codes that stand."""
        found = self.see(listed_suggestion, suggestion, with_codes=True).codes
        return {(code.kind.value, code.coder, code.category or code.outcome.value) for code in found}

    def events(self) -> list[tuple[str, dict[str, Any]]]:
        with reading(self.engine) as session:
            rows = session.scalars(
                select(EventRow).where(EventRow.what.like("coding: %")).order_by(EventRow.id)
            )
            return [(row.what.removeprefix("coding: "), row.detail) for row in rows]


@pytest.fixture
def coders(engine: Engine, now: datetime) -> Coders:
    """A study that asks which attributes should count, on SQLite and PostgreSQL in turn."""
    return Coders(engine, now)


@pytest.fixture
def coders_sqlite(sqlite_engine: Engine, now: datetime) -> Coders:
    return Coders(sqlite_engine, now)
