"""Pages about attributes: drawn at admission, and the one that waits for the participant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from survey.acceptability import draw_order
from survey.store.studies import design_of
from survey.store.tokens import new_token
from survey.tables import AttributePageRow, AttributeTask, ParticipantRow, ParticipantState, StudyRow

# Sets these draws apart from those of arms, comparisons and problems (``admission``, ``choice_tasks``), and the
# order of the questions from that of the attributes.
_STREAM = 4
_QUESTIONS, _ATTRIBUTES = 1, 2

STEP_OF = {
    AttributeTask.SHOULD: ParticipantState.SUGGESTING,
    AttributeTask.SHOULD_NOT: ParticipantState.SUGGESTING,
    AttributeTask.RATE: ParticipantState.RATING,
    AttributeTask.RANK: ParticipantState.RATING,
}
"""The step that a task belongs to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnPage:
    """A page as it is drawn for a participant."""

    task: AttributeTask
    attribute_order: tuple[str, ...] = ()
    """Names of the attributes from the top; empty for open questions."""


def drawn_pages(study: StudyRow, participant: ParticipantRow) -> list[DrawnPage]:
    """Return the participant's pages in order; drawn again, they come out the same.

    Who returns for a later wave rates again and is not asked for suggestions: what others named is known by then.
    """
    design = design_of(study)
    pages: list[DrawnPage] = []
    if design.suggestions is not None and not participant.returning:
        questions = design.suggestions.questions
        order: Sequence[int] = range(len(questions))
        if design.suggestions.shuffled:
            order = [int(i) for i in _rng(study, participant, _QUESTIONS).permutation(len(questions))]
        pages += [DrawnPage(task=AttributeTask(questions[i].stance.value)) for i in order]
    if design.acceptability is not None:
        attributes = draw_order(design.acceptability, _rng(study, participant, _ATTRIBUTES))
        pages.append(DrawnPage(task=AttributeTask.RATE, attribute_order=attributes))
        if design.acceptability.ranked:
            # As they were rated, so that nobody has to look for them anew.
            pages.append(DrawnPage(task=AttributeTask.RANK, attribute_order=attributes))
    return pages


def _rng(study: StudyRow, participant: ParticipantRow, what: int) -> np.random.Generator:
    return np.random.default_rng([study.draw_seed, participant.number, _STREAM, what])


def add_attribute_pages(session: Session, study: StudyRow, participant: ParticipantRow) -> None:
    """Draw the participant's pages, if the design has any, and store them."""
    session.add_all(
        AttributePageRow(
            participant_id=participant.id,
            position=position,
            token=new_token(),
            task=drawn.task,
            attribute_order=list(drawn.attribute_order),
            language=participant.language,
            asked=1,
            answered=0,
        )
        for position, drawn in enumerate(drawn_pages(study, participant), start=1)
    )
    session.flush()


def open_attribute_page(session: Session, participant: ParticipantRow) -> AttributePageRow | None:
    """Return the page that waits for the participant, if the present step has one."""
    tasks = [task for task, step in STEP_OF.items() if step is participant.state]
    if not tasks:
        return None
    return session.scalars(
        select(AttributePageRow)
        .where(
            AttributePageRow.participant_id == participant.id,
            AttributePageRow.task.in_(tasks),
            AttributePageRow.answered < AttributePageRow.asked,
        )
        .order_by(AttributePageRow.position)
        .limit(1)
        .execution_options(populate_existing=True)
    ).first()


def serve_next_attribute_page(session: Session, participant: ParticipantRow, *, now: datetime) -> bool:
    """Send the participant to the next page of the present step; return whether there is one."""
    following = open_attribute_page(session, participant)
    if following is None:
        return False
    following.served_at = now
    session.flush()
    return True


def attribute_page_count(session: Session, participant: ParticipantRow) -> int:
    """Return how many pages were drawn for the participant."""
    query = select(func.count()).where(AttributePageRow.participant_id == participant.id)
    return session.scalar(query) or 0
