"""Participants one by one: a page of the list, and everything that one of them did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from survey.answers import Choice, Role
from survey.overview.attributes import ANSWER_THAT_COUNTS
from survey.overview.counts import COUNTED
from survey.overview.records import Judged, judged, read_records
from survey.store.studies import design_of
from survey.tables import (
    AnswerRow,
    AttributePageAnswerRow,
    AttributePageRow,
    AttributeTask,
    EventRow,
    FollowUpRow,
    ParticipantRow,
    PresentationRow,
    StatementRow,
    StudyRow,
    SuggestionRow,
)


def count_people(session: Session, study: StudyRow, *, simulated: bool) -> int:
    """Return how many lines the list of participants has: one per participant and wave."""
    query = select(func.count()).select_from(ParticipantRow)
    return session.scalars(
        query.where(ParticipantRow.study_id == study.id, ParticipantRow.simulated.is_(simulated))
    ).one()


def page_of_people(
    session: Session, study: StudyRow, *, simulated: bool, skip: int, count: int
) -> list[Judged]:
    """Return ``count`` participants after the first ``skip``, by code and wave, with their flags."""
    ids = session.scalars(
        select(ParticipantRow.id)
        .where(ParticipantRow.study_id == study.id, ParticipantRow.simulated.is_(simulated))
        .order_by(ParticipantRow.code, ParticipantRow.wave)
        .offset(skip)
        .limit(count)
    ).all()
    design = design_of(study)
    return [judged(design, record) for record in read_records(session, study, simulated=simulated, ids=ids)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    """A step, by time."""

    at: datetime
    what: str
    detail: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """A comparison that the participant was sent to, with the answer that counts."""

    position: int
    """0: the practice."""
    role: Role
    left: str
    """Profile id."""
    right: str
    expected: Choice | None
    repeat_of: int | None
    choice: Choice | None
    seconds: float | None
    """As the browser told it, sound or not."""
    seconds_problem: str
    hidden_seconds: float | None
    input: str
    answered_at: datetime | None
    changes: int
    """Times that the answer was changed."""
    follow_ups: Sequence[tuple[str, str]]
    """(kind, value)."""

    @property
    def is_unexpected(self) -> bool:
        """Whether it counts against attention: it is another answer than expected, and no indecision where one
        patient dominates the other."""
        if self.expected is None or self.choice is None or self.choice is self.expected:
            return False
        return self.role is not Role.DOMINATED or self.choice is not Choice.INDECISION


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """An entry to an open question."""

    text: str
    why: str
    direction: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A page about attributes that the participant was sent to, with the answer that counts."""

    position: int
    task: AttributeTask
    shown: Sequence[str]
    """Names of the attributes from the top; empty for open questions."""
    answered_at: datetime | None
    seconds: float | None
    """As the browser told it, sound or not."""
    seconds_problem: str
    changes: int
    """Times that the participant came back to it and went on again."""
    named: Sequence[Named]
    """What was not taken back, in order."""
    taken_back: int
    """How many entries were: their words are nobody's business any more."""
    ratings: Mapping[str, str]
    """Attribute -> rating; attributes that were left out are not there."""
    ranking: Sequence[str]
    """Attributes, the most important first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Saying:
    """An answer to a question of a form."""

    section: str
    question: str
    attempt: int
    value: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class WaveOfPerson:
    """What a participant did in one wave."""

    judged: Judged
    simulated: bool
    events: Sequence[Happened]
    asked: Sequence[Asked]
    """About attributes."""
    compared: Sequence[Compared]
    said: Sequence[Saying]


def person_of(session: Session, study: StudyRow, code: str) -> list[WaveOfPerson]:
    """Return what the participant with this code did, a wave each; empty where nobody has the code."""
    people = session.execute(
        select(ParticipantRow.id, ParticipantRow.simulated)
        .where(ParticipantRow.study_id == study.id, ParticipantRow.code == code)
        .order_by(ParticipantRow.wave)
    ).all()
    if not people:
        return []
    simulated = people[0].simulated
    design = design_of(study)
    records = read_records(session, study, simulated=simulated, ids=[person.id for person in people])
    return [
        WaveOfPerson(
            judged=judged(design, record),
            simulated=simulated,
            events=_events(session, record.id),
            asked=_asked(session, record.id),
            compared=_compared(session, record.id),
            said=_said(session, record.id),
        )
        for record in records
    ]


def _events(session: Session, participant_id: int) -> list[Happened]:
    rows = session.execute(
        select(EventRow.at, EventRow.what, EventRow.detail)
        .where(EventRow.participant_id == participant_id)
        .order_by(EventRow.id)
    )
    return [Happened(at=at, what=what, detail=detail) for at, what, detail in rows]


def _compared(session: Session, participant_id: int) -> list[Compared]:
    rows = session.execute(
        select(PresentationRow, AnswerRow)
        .outerjoin(AnswerRow, COUNTED)
        .where(PresentationRow.participant_id == participant_id, PresentationRow.served_at.is_not(None))
        .order_by(PresentationRow.position)
    )
    shown = [(presentation, answer) for presentation, answer in rows]
    answers = [answer.id for _, answer in shown if answer is not None]
    follow_ups: dict[int, list[tuple[str, str]]] = {}
    for answer_id, kind, value in session.execute(
        select(FollowUpRow.answer_id, FollowUpRow.kind, FollowUpRow.value)
        .where(FollowUpRow.answer_id.in_(answers))
        .order_by(FollowUpRow.id)
    ):
        follow_ups.setdefault(answer_id, []).append((kind.value, value))
    return [
        Compared(
            position=presentation.position,
            role=presentation.role,
            left=presentation.left_profile,
            right=presentation.right_profile,
            expected=presentation.expected,
            repeat_of=presentation.repeat_of,
            choice=answer.choice if answer else None,
            seconds=answer.client_seconds if answer else None,
            seconds_problem=answer.client_seconds_problem if answer else "",
            hidden_seconds=answer.client.get("hidden_seconds") if answer else None,
            input=answer.client.get("input", "") if answer else "",
            answered_at=answer.answered_at if answer else None,
            changes=max(0, presentation.answered - 1),
            follow_ups=follow_ups.get(answer.id, ()) if answer else (),
        )
        for presentation, answer in shown
    ]


def _asked(session: Session, participant_id: int) -> list[Asked]:
    rows = session.execute(
        select(AttributePageRow, AttributePageAnswerRow)
        .outerjoin(AttributePageAnswerRow, ANSWER_THAT_COUNTS)
        .where(AttributePageRow.participant_id == participant_id, AttributePageRow.served_at.is_not(None))
        .order_by(AttributePageRow.position)
    ).all()
    named: dict[int | None, list[Named]] = {}
    taken_back: Counter[int | None] = Counter()
    for row in session.scalars(
        select(SuggestionRow)
        .where(SuggestionRow.page_id.in_([page.id for page, _ in rows]))
        .order_by(SuggestionRow.id)
    ):
        if row.removed_at is not None:
            taken_back[row.page_id] += 1
            continue
        entry = Named(text=row.text, why=row.why, direction=row.direction)
        named.setdefault(row.page_id, []).append(entry)
    return [
        Asked(
            position=page.position,
            task=page.task,
            shown=page.attribute_order,
            answered_at=answer.answered_at if answer else None,
            seconds=answer.client_seconds if answer else None,
            seconds_problem=answer.client_seconds_problem if answer else "",
            changes=max(0, page.answered - 1),
            named=named.get(page.id, ()),
            taken_back=taken_back[page.id],
            ratings=answer.ratings if answer else {},
            ranking=answer.ranking if answer else (),
        )
        for page, answer in rows
    ]


def _said(session: Session, participant_id: int) -> list[Saying]:
    rows = session.execute(
        select(StatementRow.section, StatementRow.question, StatementRow.attempt, StatementRow.value)
        .where(StatementRow.participant_id == participant_id)
        .order_by(StatementRow.id)
    )
    return [
        Saying(section=section.value, question=question, attempt=attempt, value=value)
        for section, question, attempt, value in rows
    ]
