"""Studies that people have taken, made through the store as the pages make them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from survey.acceptability import Rating
from survey.answers import Choice
from survey.db import writing
from survey.design import StudyDesign
from survey.participation import Ending
from survey.questionnaire import FormQuestion, QuestionKind, Stated
from survey.recruitment import IdKeeper, Recruited
from survey.store import (
    answering,
    attribute_answers,
    attribute_pages,
    participants,
    studies,
    suggesting,
)
from survey.store.answering import Sent
from survey.store.participants import Arrival
from survey.suggestions import Entry
from survey.tables import (
    ENDED,
    AttributePageRow,
    AttributeTask,
    FollowUpKind,
    ParticipantRow,
    ParticipantState,
    StudyRow,
)

START = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
SECRET = "a secret key of the tests, which is long enough"

# With what a spreadsheet, a page and a careless reader would get wrong.
WORDS = (
    "age",
    "Elm Street smokers",
    '=HYPERLINK("x","y")',
    "<b>wealth</b>; or; fame",
    "عدد سنوات الانتظار",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467 children",
    "two\nlines, and a comma",
)

Fill = Callable[..., list[str]]


class _Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=4, milliseconds=250)
        return self.now


class _Person:
    """Takes every step that a design has."""

    def __init__(self, session: Session, person: ParticipantRow, clock: _Clock, seed: int) -> None:
        self.session, self.person, self.clock = session, person, clock
        self.design: StudyDesign = studies.design_of(participants.study_of(session, person))
        self.rng = np.random.default_rng(seed)

    def step(self) -> None:
        state, session, person = self.person.state, self.session, self.person
        if state is ParticipantState.CONSENTING:
            participants.consent(session, person, now=self.clock())
        elif state is ParticipantState.SCREENING:
            participants.screen(session, person, self._stated(self.design.screener), now=self.clock())
        elif state is ParticipantState.INSTRUCTED:
            answering.begin(session, person, now=self.clock())
        elif state is ParticipantState.COMPREHENDING:
            assert self.design.comprehension is not None
            answering.comprehend(session, person, self.design.comprehension.right, now=self.clock())
        elif state is ParticipantState.SUGGESTING:
            self._suggest()
        elif state is ParticipantState.RATING:
            self._rate()
        elif state is ParticipantState.DESCRIBING:
            participants.describe(session, person, self._stated(self.design.demographics), now=self.clock())
        else:
            self._compare()

    def _compare(self) -> None:
        pending = answering.pending_follow_up(self.session, self.design, self.person)
        if pending is not None:
            shown, answer, kind = pending
            value = self.design.indecision.reasons[0].name if kind is FollowUpKind.REASON else "left"
            answering.record_follow_up(
                self.session, self.person, shown.token, answer.revision, kind, value, now=self.clock()
            )
            return
        row = answering.open_presentation(self.session, self.design, self.person)
        assert row is not None
        offered = [c for c in Choice if c is not Choice.INDECISION or row.indecision_offered]
        timed = self.rng.random() < 0.9
        sent = Sent(
            presentation=row.token,
            revision=row.asked,
            choice=offered[int(self.rng.integers(len(offered)))],
            client_seconds=round(float(self.rng.uniform(1, 4)), 3) if timed else None,
            client_seconds_problem="" if timed else "not measured (no script)",
            client={"input": "mouse", "width": 1280, "height": 720, "blurs": 0, "hidden_seconds": 0.5},
        )
        answering.record_answer(self.session, self.person, sent, now=self.clock())
        if self.rng.random() < 0.05:
            answering.change_last_answer(self.session, self.person, now=self.clock())

    def _suggest(self) -> None:
        """Name up to three things, take one of them back now and then, go on, and sometimes come back."""
        page = attribute_pages.open_attribute_page(self.session, self.person)
        assert page is not None
        if suggesting.entries_on(self.session, page) == [] and page.asked == 1:
            for number in range(int(self.rng.integers(4))):
                entry = Entry(
                    text=WORDS[int(self.rng.integers(len(WORDS)))],
                    why="" if number else 'They told me, "=1+1"',
                    direction="" if number else "younger people",
                )
                sent = suggesting.SentEntry(page=page.token, key=f"form {number}", entry=entry)
                suggesting.add_entry(self.session, self.person, sent, now=self.clock())
            named = suggesting.entries_on(self.session, page)
            if named and self.rng.random() < 0.3:
                suggesting.remove_entry(
                    self.session, self.person, page.token, named[-1].key, now=self.clock()
                )
        suggesting.finish_page(self.session, self.person, self._page(page), now=self.clock())
        if self.rng.random() < 0.2:
            attribute_answers.change_last_page(self.session, self.person, now=self.clock())

    def _rate(self) -> None:
        page = attribute_pages.open_attribute_page(self.session, self.person)
        assert page is not None
        names = page.attribute_order
        if page.task is AttributeTask.RATE:
            kinds = tuple(Rating)
            said = {name: kinds[int(self.rng.integers(3))] for name in names if self.rng.random() < 0.9}
            sent = self._page(page, ratings=said)
        else:
            assert self.design.acceptability is not None
            most = int(self.rng.integers(self.design.acceptability.ranked + 1))
            sent = self._page(page, ranking=[names[int(i)] for i in self.rng.permutation(len(names))][:most])
        attribute_answers.record_page(self.session, self.person, sent, now=self.clock())
        if self.rng.random() < 0.2:
            attribute_answers.change_last_page(self.session, self.person, now=self.clock())

    def _page(self, page: AttributePageRow, **said: Any) -> attribute_answers.SentPage:
        return attribute_answers.SentPage(
            page=page.token,
            revision=page.asked,
            client_seconds=round(float(self.rng.uniform(1, 4)), 3),
            client_seconds_problem="",
            client={"input": "mouse", "width": 1280, "hidden_seconds": 0.0},
            **said,
        )

    def _stated(self, questions: tuple[FormQuestion, ...]) -> dict[str, Stated]:
        return {question.name: _answer_to(question) for question in questions}


def _answer_to(question: FormQuestion) -> Stated:
    if question.kind is QuestionKind.TEXT:
        return '=HYPERLINK("x"), I am Ann,\nof 12 Elm Street'
    if question.kind is QuestionKind.NUMBER:
        return question.minimum or 30
    staying = [option.name for option in question.options if not option.screens_out]
    return staying[:2] if question.kind is QuestionKind.SEVERAL else staying[0]


def _new_fill() -> Fill:
    clock = _Clock()

    def fill_study(
        engine: Engine,
        study: StudyRow,
        *,
        people: int = 1,
        simulated: bool = False,
        steps: int | None = None,
        ids: bool = False,
        seed: int = 0,
        wait: timedelta = timedelta(),
    ) -> list[str]:
        """Come with ``ids`` and the same ``seed`` again, and it is the same people who go on."""
        clock.now += wait
        codes = []
        for number in range(people):
            with writing(engine) as session:
                here = session.get_one(StudyRow, study.id)
                arrival = Arrival(
                    start_key=f"{seed}-{simulated}-{number}-{clock.now.isoformat()}",
                    language=studies.design_of(here).language,
                    recruited=Recruited(source="prolific", id=f"PID-{seed}-{number}") if ids else None,
                    simulated=simulated,
                )
                person = participants.start_participant(session, here, arrival, IdKeeper(SECRET), now=clock())
                codes.append(person.code)
                walker = _Person(session, person, clock, seed * 1_000 + number)
                left = steps
                while person.state not in ENDED and left != 0:
                    walker.step()
                    left = None if left is None else left - 1
        return codes

    return fill_study


@pytest.fixture
def fill() -> Fill:
    """Return a function that lets people take a study (or the first steps of it); it returns their codes."""
    return _new_fill()


@pytest.fixture(scope="session")
def new_fill() -> Callable[[], Fill]:
    """Return a function that makes what ``fill`` is, for fixtures that outlive a test."""
    return _new_fill


@pytest.fixture
def ending_codes(kidney_complete: str) -> list[str]:
    """The codes that the example's endings give; no export may hold them."""
    return [f"KIDNEY-{ending.value.upper().replace('_', '-')}" for ending in Ending]
