"""Problems of choosing one of many: drawn at admission, and the one that waits for the participant's answer."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

import numpy as np
from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session

from survey.allocation_task import draw_tasks
from survey.store.studies import design_of
from survey.store.tokens import new_token
from survey.tables import ChoiceTaskRow, ParticipantRow, ParticipantState, StudyRow

# Sets this draw apart from those of comparisons and arms, whose streams are 1 and 2 (``admission``).
_STREAM = 3


def add_choice_tasks(
    session: Session, study: StudyRow, participant: ParticipantRow, *, holds_slot: ColumnElement[bool]
) -> None:
    """Draw the participant's problems, if the design has any, and store them. The caller holds the study's lock.

    Parameters
    ----------
    holds_slot
        Who may still answer: a problem that somebody abandoned does not count as shown.
    """
    design = design_of(study)
    asked = design.choose_one
    if asked is None:
        return
    shown = Counter(
        dict(
            session.execute(
                select(ChoiceTaskRow.problem, func.count())
                .join(ParticipantRow, ParticipantRow.id == ChoiceTaskRow.participant_id)
                .where(
                    ParticipantRow.study_id == study.id,
                    ParticipantRow.simulated.is_(participant.simulated),
                    or_(ChoiceTaskRow.answered > 0, holds_slot),
                )
                .group_by(ChoiceTaskRow.problem)
            ).all()
        )
    )
    rng = np.random.default_rng([study.draw_seed, participant.number, _STREAM])
    offered = asked.indecision and design.arm(participant.arm or "").indecision_offered
    session.add_all(
        ChoiceTaskRow(
            participant_id=participant.id,
            position=position,
            token=new_token(),
            problem=drawn.problem,
            row_order=list(drawn.row_order),
            indecision_offered=offered,
            language=participant.language,
            asked=1,
            answered=0,
        )
        for position, drawn in enumerate(draw_tasks(asked, shown, rng), start=1)
    )
    session.flush()


def open_task(session: Session, participant: ParticipantRow) -> ChoiceTaskRow | None:
    """Return the problem that waits for the participant's answer, if the present step has one."""
    if participant.state is not ParticipantState.CHOOSING:
        return None
    return session.scalars(
        select(ChoiceTaskRow)
        .where(ChoiceTaskRow.participant_id == participant.id, ChoiceTaskRow.answered < ChoiceTaskRow.asked)
        .order_by(ChoiceTaskRow.position)
        .limit(1)
        .execution_options(populate_existing=True)
    ).first()


def serve_next_task(session: Session, participant: ParticipantRow, *, now: datetime) -> bool:
    """Send the participant to the next problem; return whether there is one."""
    following = open_task(session, participant)
    if following is None:
        return False
    following.served_at = now
    session.flush()
    return True
