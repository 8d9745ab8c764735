"""Going on from a page about attributes: stored exactly once, and changed on request, like answers to comparisons.

Of an open question it stores no more than that, and how long it took: what was named is in ``suggesting``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from survey.acceptability import Rating
from survey.store.answering import MOST_REVISIONS, NoSuchPresentation, go_on, seconds_taken
from survey.store.attribute_pages import STEP_OF, serve_next_attribute_page
from survey.store.events import log_event
from survey.store.participants import NotTakingPart, step_of, study_of
from survey.store.studies import design_of
from survey.tables import (
    AttributePageAnswerRow,
    AttributePageRow,
    AttributeTask,
    ParticipantRow,
    ParticipantState,
    StudyRow,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SentPage:
    """Going on from a page, as it arrived."""

    page: str
    """The page's token."""
    revision: int
    ratings: Mapping[str, Rating] = field(default_factory=dict)
    """Attribute name -> rating, for ``rate``; attributes left out are not there."""
    ranking: Sequence[str] = ()
    """Attribute names, the most important first, for ``rank``."""
    client_seconds: float | None
    """As received: since the page was last shown, which for an open question is since the last entry."""
    client_seconds_problem: str
    """Why ``client_seconds`` is None or not to be believed; empty where it is sound."""
    client: Mapping[str, Any] = field(default_factory=dict)
    """What else the browser told; see ``AnswerRow.client``."""


def find_page(session: Session, participant: ParticipantRow, token: str) -> AttributePageRow:
    """Return the participant's page of this token.

    Raises
    ------
    NoSuchPresentation
        The token names no page of this participant.
    """
    page = session.scalars(
        select(AttributePageRow)
        .where(AttributePageRow.token == token, AttributePageRow.participant_id == participant.id)
        .execution_options(populate_existing=True)
    ).first()
    if page is None:
        raise NoSuchPresentation("this page belongs to no question of yours")
    return page


def waits(page: AttributePageRow, participant: ParticipantRow) -> bool:
    """Tell whether the participant may still say something on the page."""
    served = page.served_at is not None and page.answered < page.asked
    return served and STEP_OF[page.task] is participant.state


def record_page(session: Session, participant: ParticipantRow, sent: SentPage, *, now: datetime) -> bool:
    """Store ratings or a ranking unless they are there already, and send the participant on. Returns whether they
    were stored: where not, those that had been stored before stand.

    Raises
    ------
    NoSuchPresentation
        The token names no page of this participant.
    NotTakingPart
        The page does not wait for this, it holds what was not offered, or the participant is at another step.
    """
    study = step_of(session, participant, now=now)
    page = find_page(session, participant, sent.page)
    stored = finish(session, study, participant, page, sent, now=now)
    if not stored:
        log_event(
            session,
            study,
            participant,
            "page replayed",
            now=now,
            position=page.position,
            task=page.task.value,
            revision=sent.revision,
        )
    return stored


def finish(
    session: Session,
    study: StudyRow,
    participant: ParticipantRow,
    page: AttributePageRow,
    sent: SentPage,
    *,
    now: datetime,
    **detail: Any,
) -> bool:
    """Claim the page's next answer, store it and send the participant on; return False where it was stored before.
    The caller has begun a step; ``detail`` goes into the event. Raises as :func:`record_page`."""
    _was_offered(page, sent)
    session.flush()
    claimed = session.execute(
        update(AttributePageRow)
        .where(
            AttributePageRow.id == page.id,
            AttributePageRow.answered == sent.revision - 1,
            AttributePageRow.asked >= sent.revision,
            AttributePageRow.served_at.is_not(None),
        )
        .values(answered=sent.revision, answered_at=now)
        .returning(AttributePageRow.id)
        .execution_options(synchronize_session=False)
    ).first()
    if claimed is None:
        if not 1 <= sent.revision <= page.answered:
            raise NotTakingPart("this page does not wait for this answer")
        return False
    # What is raised from here on rolls the claim back.
    if STEP_OF[page.task] is not participant.state:
        raise NotTakingPart("the participant is asked nothing about attributes now")
    session.refresh(page)
    server_seconds, problem = seconds_taken(
        sent.client_seconds, sent.client_seconds_problem, served_at=page.served_at, now=now
    )
    session.add(
        AttributePageAnswerRow(
            attribute_page_id=page.id,
            revision=sent.revision,
            ratings={name: rating.value for name, rating in sent.ratings.items()},
            ranking=list(sent.ranking),
            client_seconds=sent.client_seconds,
            client_seconds_problem=problem,
            server_seconds=server_seconds,
            client=dict(sent.client),
            answered_at=now,
        )
    )
    session.flush()
    log_event(
        session,
        study,
        participant,
        "page finished",
        now=now,
        position=page.position,
        task=page.task.value,
        revision=sent.revision,
        **detail,
    )
    if not serve_next_attribute_page(session, participant, now=now):
        go_on(session, study, participant, now=now)
    return True


def _was_offered(page: AttributePageRow, sent: SentPage) -> None:
    """Raise if something was sent that the page does not ask."""
    asks = {AttributeTask.RATE: set(sent.ratings), AttributeTask.RANK: set(sent.ranking)}
    said = asks.pop(page.task, set())
    if any(asks.values()) or not said <= set(page.attribute_order):
        raise NotTakingPart("this page does not ask that")
    if len(set(sent.ranking)) != len(sent.ranking):
        raise NotTakingPart("an attribute cannot have two places")


def standing_answer(
    session: Session, participant: ParticipantRow, task: AttributeTask
) -> AttributePageAnswerRow | None:
    """Return the answer that counts to the participant's page of this task, if there is one."""
    return session.scalars(
        select(AttributePageAnswerRow)
        .join(AttributePageRow, AttributePageRow.id == AttributePageAnswerRow.attribute_page_id)
        .where(
            AttributePageRow.participant_id == participant.id,
            AttributePageRow.task == task,
            AttributePageAnswerRow.revision == AttributePageRow.answered,
        )
    ).first()


# --- changing ------------------------------------------------------------------------------------------


def changeable_page(session: Session, participant: ParticipantRow) -> AttributePageRow | None:
    """Return the page that the participant went on from last, if it may still be changed.

    Within a step, and after the last one where the demographics follow. Not from the ratings back to the open
    questions: whoever has read what others named would no longer say what came to mind. Not once comparisons began.
    """
    if participant.state is ParticipantState.DESCRIBING:
        if design_of(study_of(session, participant)).compares:
            return None
    elif participant.state not in STEP_OF.values():
        return None
    last = session.scalars(
        select(AttributePageRow)
        .where(AttributePageRow.participant_id == participant.id, AttributePageRow.answered > 0)
        .order_by(AttributePageRow.position.desc())
        .limit(1)
        .execution_options(populate_existing=True)
    ).first()
    if last is None or last.asked > last.answered or last.answered >= MOST_REVISIONS:
        return None
    if participant.state not in (ParticipantState.DESCRIBING, STEP_OF[last.task]):
        return None
    return last


def change_last_page(session: Session, participant: ParticipantRow, *, now: datetime) -> bool:
    """Ask for the last page once more; what is stored counts until it is gone on from again.

    Returns False where none may be changed (any more), which is no error: pressed twice, it asks once.
    """
    study = step_of(session, participant, now=now)
    last = changeable_page(session, participant)
    if last is None:
        return False
    last.asked = last.answered + 1
    last.served_at = now
    participant.state = STEP_OF[last.task]
    session.flush()
    log_event(
        session,
        study,
        participant,
        "page reopened",
        now=now,
        position=last.position,
        task=last.task.value,
    )
    return True
