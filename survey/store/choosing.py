"""Choices of one candidate among many: stored exactly once, and changed on request, like answers to comparisons."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from survey.store.answering import MOST_REVISIONS, NoSuchPresentation, go_on, seconds_taken
from survey.store.choice_tasks import serve_next_task
from survey.store.events import log_event
from survey.store.participants import NotTakingPart, step_of
from survey.tables import ChoiceTaskAnswerRow, ChoiceTaskRow, ParticipantRow, ParticipantState, StudyRow


@dataclass(frozen=True, slots=True, kw_only=True)
class SentChoice:
    """A choice as it arrived."""

    task: str
    """The task's token."""
    revision: int
    chosen: int | None
    """The candidate's id; None: indecision."""
    client_seconds: float | None
    """As received."""
    client_seconds_problem: str
    """Why ``client_seconds`` is None or not to be believed; empty where it is sound."""
    client: Mapping[str, Any] = field(default_factory=dict)
    """What else the browser told; see ``AnswerRow.client``."""


def record_choice(session: Session, participant: ParticipantRow, sent: SentChoice, *, now: datetime) -> bool:
    """Store the choice unless there is one already, and send the participant on. Returns whether it was stored:
    where not, the one that had been stored before stands, and the new one is only logged.

    Raises
    ------
    NoSuchPresentation
        The token names no task of this participant.
    NotTakingPart
        The task does not wait for this choice, the candidate is none of it, indecision was not offered, or the
        participant does not choose now.
    """
    study = step_of(session, participant, now=now)
    session.flush()
    task = session.scalar(
        select(ChoiceTaskRow).where(
            ChoiceTaskRow.token == sent.task, ChoiceTaskRow.participant_id == participant.id
        )
    )
    if task is None:
        raise NoSuchPresentation("this page belongs to no problem of yours")
    if sent.chosen is None and not task.indecision_offered:
        raise NotTakingPart("this problem does not offer indecision")
    if sent.chosen is not None and sent.chosen not in task.row_order:
        raise NotTakingPart("this is none of the candidates")
    claimed = session.execute(
        update(ChoiceTaskRow)
        .where(
            ChoiceTaskRow.id == task.id,
            ChoiceTaskRow.answered == sent.revision - 1,
            ChoiceTaskRow.asked >= sent.revision,
            ChoiceTaskRow.served_at.is_not(None),
        )
        .values(answered=sent.revision, answered_at=now)
        .returning(ChoiceTaskRow.id)
        .execution_options(synchronize_session=False)
    ).first()
    if claimed is None:
        _replayed(session, study, participant, task, sent, now=now)
        return False
    # What is raised from here on rolls the claim back.
    if participant.state is not ParticipantState.CHOOSING:
        raise NotTakingPart("the participant does not choose now")
    session.refresh(task)
    session.add(_answer(task, sent, now=now))
    session.flush()
    if not serve_next_task(session, participant, now=now):
        go_on(session, study, participant, now=now)
    return True


def _answer(task: ChoiceTaskRow, sent: SentChoice, *, now: datetime) -> ChoiceTaskAnswerRow:
    server_seconds, problem = seconds_taken(
        sent.client_seconds, sent.client_seconds_problem, served_at=task.served_at, now=now
    )
    return ChoiceTaskAnswerRow(
        choice_task_id=task.id,
        revision=sent.revision,
        chosen=sent.chosen,
        indecision=sent.chosen is None,
        client_seconds=sent.client_seconds,
        client_seconds_problem=problem,
        server_seconds=server_seconds,
        client=dict(sent.client),
        answered_at=now,
    )


def _replayed(
    session: Session,
    study: StudyRow,
    participant: ParticipantRow,
    task: ChoiceTaskRow,
    sent: SentChoice,
    *,
    now: datetime,
) -> None:
    """Log that a choice arrived again; raise if the task waits for none and none of this revision is stored."""
    stored = session.scalar(
        select(ChoiceTaskAnswerRow).where(
            ChoiceTaskAnswerRow.choice_task_id == task.id, ChoiceTaskAnswerRow.revision == sent.revision
        )
    )
    if stored is None:
        raise NotTakingPart("this problem does not wait for this choice")
    log_event(
        session,
        study,
        participant,
        "choice replayed",
        now=now,
        position=task.position,
        sent=sent.chosen,
        stored=stored.chosen,
    )


def changeable_choice(session: Session, participant: ParticipantRow) -> ChoiceTaskRow | None:
    """Return the problem answered last, if its answer may still be changed."""
    if participant.state not in (ParticipantState.CHOOSING, ParticipantState.DESCRIBING):
        return None
    last = session.scalars(
        select(ChoiceTaskRow)
        .where(ChoiceTaskRow.participant_id == participant.id, ChoiceTaskRow.answered > 0)
        .order_by(ChoiceTaskRow.position.desc())
        .limit(1)
        .execution_options(populate_existing=True)
    ).first()
    if last is None or last.asked > last.answered or last.answered >= MOST_REVISIONS:
        return None
    return last


def change_last_choice(session: Session, participant: ParticipantRow, *, now: datetime) -> bool:
    """Ask for the last choice once more; the one that is stored counts until the new one is.

    Returns False where none may be changed (any more), which is no error: pressed twice, it asks once.
    """
    study = step_of(session, participant, now=now)
    last = changeable_choice(session, participant)
    if last is None:
        return False
    last.asked = last.answered + 1
    last.served_at = now
    participant.state = ParticipantState.CHOOSING
    log_event(session, study, participant, "choice reopened", now=now, position=last.position)
    return True
