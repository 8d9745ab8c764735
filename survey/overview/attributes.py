"""Pages about attributes: how many were shown and answered, how long they took, and how much was named on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import and_, case, func, select
from sqlalchemy.orm import Session

from survey.design import StudyDesign
from survey.overview.quartiles import Quartiles, quartiles_of
from survey.store.studies import design_of
from survey.tables import (
    AttributePageAnswerRow,
    AttributePageRow,
    AttributeTask,
    ParticipantRow,
    ParticipantState,
    StudyRow,
    SuggestionRow,
)

ANSWER_THAT_COUNTS = and_(
    AttributePageAnswerRow.attribute_page_id == AttributePageRow.id,
    AttributePageAnswerRow.revision == AttributePageRow.answered,
)
"""Joins a page about attributes with the answer that counts: the last one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entries:
    """What was named on the pages of one open question."""

    standing: int
    """Suggestions that were not taken back."""
    taken_back: int
    of_respondents: Quartiles | None
    """How many each respondent named who has gone on from the page; none taken back."""
    named_nothing: int
    """Respondents who have gone on from it with nothing named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageCount:
    """What became of one of the pages about attributes."""

    task: AttributeTask
    shown: int
    """Participants who were sent to it."""
    answered: int
    """Of these, those who have gone on from it."""
    seconds: Quartiles | None
    """Sound times of the answers that count: since the page was last shown."""
    entries: Entries | None
    """None where the page asks no open question."""


def page_counts(session: Session, study: StudyRow, *, simulated: bool, wave: int) -> Sequence[PageCount]:
    """Return one line per page about attributes that the design has, open questions first."""
    tasks = _tasks(design_of(study))
    if not tasks:
        return ()
    standing = func.sum(
        case((and_(SuggestionRow.id.is_not(None), SuggestionRow.removed_at.is_(None)), 1), else_=0)
    )
    rows = session.execute(
        select(
            AttributePageRow.task,
            AttributePageRow.served_at.is_not(None),
            AttributePageRow.answered > 0,
            AttributePageAnswerRow.client_seconds,
            AttributePageAnswerRow.client_seconds_problem,
            standing,
            func.count(SuggestionRow.removed_at),
        )
        .join(ParticipantRow, ParticipantRow.id == AttributePageRow.participant_id)
        .outerjoin(AttributePageAnswerRow, ANSWER_THAT_COUNTS)
        .outerjoin(SuggestionRow, SuggestionRow.page_id == AttributePageRow.id)
        .where(
            ParticipantRow.study_id == study.id,
            ParticipantRow.simulated.is_(simulated),
            ParticipantRow.wave == wave,
            ParticipantRow.state != ParticipantState.ERASED,
        )
        .group_by(
            AttributePageRow.id,
            AttributePageRow.task,
            AttributePageRow.served_at,
            AttributePageRow.answered,
            AttributePageAnswerRow.client_seconds,
            AttributePageAnswerRow.client_seconds_problem,
        )
    ).all()
    found = {
        task: [
            _Page(bool(shown), bool(answered), None if problem else seconds, int(named), int(back))
            for of_task, shown, answered, seconds, problem, named, back in rows
            if of_task is task
        ]
        for task in tasks
    }
    return [_counted(task, pages) for task, pages in found.items()]


@dataclass(frozen=True, slots=True)
class _Page:
    """One participant's."""

    shown: bool
    answered: bool
    seconds: float | None
    standing: int
    taken_back: int


def _tasks(design: StudyDesign) -> list[AttributeTask]:
    asked = design.suggestions
    tasks = [AttributeTask(question.stance.value) for question in asked.questions] if asked else []
    if design.acceptability is not None:
        tasks += [AttributeTask.RATE, *([AttributeTask.RANK] if design.acceptability.ranked else [])]
    return tasks


def _counted(task: AttributeTask, pages: Sequence[_Page]) -> PageCount:
    named = [page.standing for page in pages if page.answered]
    asks_openly = task in (AttributeTask.SHOULD, AttributeTask.SHOULD_NOT)
    return PageCount(
        task=task,
        shown=sum(page.shown for page in pages),
        answered=len(named),
        seconds=quartiles_of([page.seconds for page in pages if page.seconds is not None]),
        entries=Entries(
            standing=sum(page.standing for page in pages),
            taken_back=sum(page.taken_back for page in pages),
            of_respondents=quartiles_of(named),
            named_nothing=named.count(0),
        )
        if asks_openly
        else None,
    )
