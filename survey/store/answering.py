"""Answers: stored exactly once, changed on request, followed up.

A presentation asks for its first answer, and for one more each time the participant wants to change the last.
The next answer is claimed by one conditional UPDATE, and the UNIQUE constraint on (presentation, revision) is the
second line: however often a page is sent, one answer is stored and every sender learns which.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Table, and_, bindparam, func, insert, select, update
from sqlalchemy.orm import Session

from survey.answers import Choice
from survey.db import Base
from survey.design import ComparisonKind, StudyDesign
from survey.pairing import presentation_count
from survey.questionnaire import Comprehension
from survey.steps import step_after
from survey.store import admission
from survey.store.attribute_pages import serve_next_attribute_page
from survey.store.choice_tasks import serve_next_task
from survey.store.events import log_event
from survey.store.participants import (
    NotTakingPart,
    end,
    keep_statements,
    statements_of,
    step_of,
    study_of,
)
from survey.store.studies import design_of
from survey.tables import (
    AnswerRow,
    FollowUpKind,
    FollowUpRow,
    ParticipantRow,
    ParticipantState,
    PresentationRow,
    Section,
    StudyRow,
)

# The browser's clock and ours may disagree by this much before we call its figure implausible.
CLOCK_SLACK_SECONDS = 1.0
MOST_REVISIONS = 20
"""A participant may change one answer this often."""
_TWO_ANSWERS = "this comparison offers two answers only"
_LAST_POSITION = 1_000_000


def _table_of(rows: type[Base]) -> Table:
    table = rows.__table__
    assert isinstance(table, Table)  # noqa: S101 - narrows the type
    return table


# Statements of every answer are made once: making them anew would take longer than running them. Those that write
# go past the objects of the session, so those that read fill them anew.
_shown = _table_of(PresentationRow)
_CLAIM = (
    update(_shown)
    .where(
        _shown.c.token == bindparam("sent_token"),
        _shown.c.participant_id == bindparam("by"),
        _shown.c.answered == bindparam("revision_before"),
        _shown.c.asked >= bindparam("revision"),
        _shown.c.served_at.is_not(None),
    )
    .values(answered=bindparam("revision"), answered_at=bindparam("now"))
    .returning(_shown.c.id, _shown.c.served_at, _shown.c.indecision_offered)
)
_ADD_ANSWER = insert(_table_of(AnswerRow))
_WAITING = (
    PresentationRow.participant_id == bindparam("by"),
    PresentationRow.answered < PresentationRow.asked,
    PresentationRow.position.between(bindparam("first"), bindparam("last")),
)
_OPEN = (
    select(PresentationRow)
    .where(*_WAITING)
    .order_by(PresentationRow.position)
    .limit(1)
    .execution_options(populate_existing=True)
)
_SERVE = (
    update(_shown)
    .where(
        _shown.c.id
        == select(PresentationRow.id)
        .where(*_WAITING)
        .order_by(PresentationRow.position)
        .limit(1)
        .correlate(None)
        .scalar_subquery()
    )
    .values(served_at=bindparam("now"))
    .returning(_shown.c.id)
)
_ANSWERED_LAST = (
    select(PresentationRow)
    .where(
        PresentationRow.participant_id == bindparam("by"),
        PresentationRow.position > 0,
        PresentationRow.answered > 0,
    )
    .order_by(PresentationRow.position.desc())
    .limit(1)
    .execution_options(populate_existing=True)
)
# Which of an indecision's follow-ups are there is counted: each is stored once, also if it is skipped.
_NOT_FOLLOWED_UP = (
    select(PresentationRow, AnswerRow)
    .join(
        AnswerRow,
        and_(AnswerRow.presentation_id == PresentationRow.id, AnswerRow.revision == PresentationRow.answered),
    )
    .where(
        PresentationRow.participant_id == bindparam("by"),
        PresentationRow.position > 0,
        PresentationRow.asked == PresentationRow.answered,  # Else the answer is being changed.
        AnswerRow.choice == Choice.INDECISION,
        select(func.count(FollowUpRow.id)).where(FollowUpRow.answer_id == AnswerRow.id).scalar_subquery()
        < bindparam("kinds"),
    )
    .order_by(PresentationRow.position)
    .limit(1)
    .execution_options(populate_existing=True)
)


class NoSuchPresentation(NotTakingPart):
    """The presentation is not this participant's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """An answer as it arrived."""

    presentation: str
    """The presentation's token."""
    revision: int
    choice: Choice
    client_seconds: float | None
    """As received."""
    client_seconds_problem: str
    """Why ``client_seconds`` is None; empty where it is not."""
    client: Mapping[str, Any] = field(default_factory=dict)
    """What else the browser told; see ``AnswerRow.client``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What became of an answer that arrived."""

    choice: Choice
    """The one that stands."""
    replayed: bool
    """True if an answer had been stored before: it stands, the new one is only logged."""


# --- going on ------------------------------------------------------------------------------------------


def begin(session: Session, participant: ParticipantRow, *, now: datetime) -> None:
    """Go on from the instructions; once there this does nothing."""
    study = step_of(session, participant, now=now)
    if participant.state is ParticipantState.INSTRUCTED:
        log_event(session, study, participant, "began", now=now)
        go_on(session, study, participant, now=now)


def comprehend(session: Session, participant: ParticipantRow, option: str, *, now: datetime) -> None:
    """Store an answer about the instructions, and go on if it is right or the last one asked for."""
    study = step_of(session, participant, now=now)
    asked = design_of(study).comprehension
    if participant.state is not ParticipantState.COMPREHENDING or asked is None:
        return
    if option not in {o.name for o in asked.options}:
        raise NotTakingPart("this is none of the answers that the question offers")
    attempt = attempts_at_comprehension(session, participant) + 1
    keep_statements(
        session,
        participant,
        Section.COMPREHENSION,
        {Section.COMPREHENSION.value: option},
        now=now,
        attempt=attempt,
    )
    if option == asked.right or (attempt >= asked.attempts and not asked.screens_out):
        go_on(session, study, participant, now=now)
    elif attempt >= asked.attempts:
        end(session, study, participant, ParticipantState.SCREENED_OUT, now=now, questions=["comprehension"])


def attempts_at_comprehension(session: Session, participant: ParticipantRow) -> int:
    """Return how often the participant has answered the question about the instructions."""
    return len(statements_of(session, participant, Section.COMPREHENSION))


def failed_comprehension(asked: Comprehension | None, given: list[str]) -> bool:
    """Tell whether answers to the comprehension question were all wrong and no more are asked for."""
    return asked is not None and asked.right not in given and len(given) >= asked.attempts


def go_on(session: Session, study: StudyRow, participant: ParticipantRow, *, now: datetime) -> None:
    """Enter the step after the present one and send the participant to its first page, comparison or problem, if it
    has any. The caller has begun a step (``participants.step_of``)."""
    following = step_after(design_of(study), participant.state, returning=participant.returning)
    if following is ParticipantState.FINISHED:
        end(session, study, participant, following, now=now)
        return
    participant.state = following
    session.flush()
    if following in (ParticipantState.PRACTICING, ParticipantState.ANSWERING):
        _serve_next(session, study, participant, now=now)
    elif following is ParticipantState.RATING:
        # Drawn at admission for everybody who has this step.
        serve_next_attribute_page(session, participant, now=now)
    elif following is ParticipantState.CHOOSING and not serve_next_task(session, participant, now=now):
        go_on(session, study, participant, now=now)


def _serve_next(session: Session, study: StudyRow, participant: ParticipantRow, *, now: datetime) -> None:
    """Send the participant to the next comparison; to the next step when there is none left."""
    if design_of(study).comparison_kind is ComparisonKind.ADAPTIVE:
        served = _serve_adaptive(session, study, participant, now=now)
    else:
        where = _positions(participant)
        parameters = {"by": participant.id, "now": now, **(where or {})}
        served = where is not None and session.execute(_SERVE, parameters).first() is not None
    if not served:
        go_on(session, study, participant, now=now)


def _serve_adaptive(session: Session, study: StudyRow, participant: ParticipantRow, *, now: datetime) -> bool:
    """Send the participant to the next comparison of an adaptive design, which is drawn now if it has to be."""
    design = design_of(study)
    following = open_presentation(session, design, participant)
    if following is None and participant.state is ParticipantState.ANSWERING:
        position = _last_position(session, participant) + 1
        if position <= presentation_count(design):
            following = admission.draw_when_reached(session, study, participant, position, now=now)
    if following is None:
        return False
    following.served_at = now
    return True


def open_presentation(
    session: Session, design: StudyDesign, participant: ParticipantRow
) -> PresentationRow | None:
    """Return the comparison that waits for the participant's answer, if the present step has one."""
    where = _positions(participant)
    if where is None:
        return None
    found = session.scalars(_OPEN, {"by": participant.id, **where}).first()
    if found is None or found.position == 0 or design.comparison_kind is not ComparisonKind.ADAPTIVE:
        return found
    # A designed role of an adaptive design waits at its position while earlier comparisons are not drawn.
    drawn_before = _last_position(session, participant, before=found.position)
    return found if drawn_before == found.position - 1 else None


def _positions(participant: ParticipantRow) -> dict[str, int] | None:
    """Return the first and last position of the comparisons of the participant's step; None: it has none."""
    if participant.state is ParticipantState.PRACTICING:
        return {"first": 0, "last": 0}
    if participant.state is ParticipantState.ANSWERING:
        return {"first": 1, "last": _LAST_POSITION}
    return None


def _last_position(session: Session, participant: ParticipantRow, *, before: int | None = None) -> int:
    """Return the last position up to which every comparison is drawn (and before ``before``)."""
    positions = session.scalars(
        select(PresentationRow.position)
        .where(PresentationRow.participant_id == participant.id, PresentationRow.position > 0)
        .order_by(PresentationRow.position)
    )
    last = 0
    for position in positions:
        if position != last + 1 or position == before:
            break
        last = position
    return last


# --- answers -------------------------------------------------------------------------------------------


def record_answer(session: Session, participant: ParticipantRow, sent: Sent, *, now: datetime) -> Recorded:
    """Store the answer unless it is there already, and send the participant on.

    Raises
    ------
    NoSuchPresentation
        The token names no presentation of this participant.
    NotTakingPart
        The presentation does not wait for this answer, indecision was not offered, the participant is no longer
        taking part, or the study is paused.
    """
    study = step_of(session, participant, now=now)
    session.flush()  # The statements below do not see what is not stored yet.
    claimed = session.execute(
        _CLAIM,
        {
            "sent_token": sent.presentation,
            "by": participant.id,
            "revision": sent.revision,
            "revision_before": sent.revision - 1,
            "now": now,
        },
    ).first()
    if claimed is None:
        return _replayed(session, study, participant, sent, now=now)
    # What is raised from here on rolls the claim back.
    if participant.state not in (ParticipantState.PRACTICING, ParticipantState.ANSWERING):
        raise NotTakingPart("the participant answers no comparisons now")
    if sent.choice is Choice.INDECISION and not claimed.indecision_offered:
        raise NotTakingPart(_TWO_ANSWERS)
    _store(session, claimed.id, claimed.served_at or now, sent, now=now)
    if pending_follow_up(session, design_of(study), participant) is None:
        _serve_next(session, study, participant, now=now)
    return Recorded(choice=sent.choice, replayed=False)


def seconds_taken(
    client_seconds: float | None, problem: str, *, served_at: datetime | None, now: datetime
) -> tuple[float, str]:
    """Return the server's interval and what speaks against the browser's measure: ``problem``, or that it is longer
    than the interval can have been. Empty: nothing does."""
    server_seconds = max(0.0, (now - (served_at or now)).total_seconds())
    if client_seconds is not None and client_seconds > server_seconds + CLOCK_SLACK_SECONDS:
        problem = "longer than the server's interval"
    return server_seconds, problem


def _store(session: Session, presentation_id: int, served_at: datetime, sent: Sent, *, now: datetime) -> None:
    server_seconds, problem = seconds_taken(
        sent.client_seconds, sent.client_seconds_problem, served_at=served_at, now=now
    )
    session.execute(
        _ADD_ANSWER,
        {
            "presentation_id": presentation_id,
            "revision": sent.revision,
            "choice": sent.choice,
            "client_seconds": sent.client_seconds,
            "client_seconds_problem": problem,
            "server_seconds": server_seconds,
            "client": dict(sent.client),
            "answered_at": now,
        },
    )


def _replayed(
    session: Session, study: StudyRow, participant: ParticipantRow, sent: Sent, *, now: datetime
) -> Recorded:
    """Return the answer that had been stored for what was sent; raise if that waits for none, and is none of it."""
    presentation = session.scalar(
        select(PresentationRow).where(
            PresentationRow.token == sent.presentation, PresentationRow.participant_id == participant.id
        )
    )
    if presentation is None:
        raise NoSuchPresentation("this page belongs to no comparison of yours")
    if sent.choice is Choice.INDECISION and not presentation.indecision_offered:
        raise NotTakingPart(_TWO_ANSWERS)
    stored = session.scalar(
        select(AnswerRow.choice).where(
            AnswerRow.presentation_id == presentation.id, AnswerRow.revision == sent.revision
        )
    )
    if stored is None:
        raise NotTakingPart("this comparison does not wait for this answer")
    log_event(
        session,
        study,
        participant,
        "answer replayed",
        now=now,
        position=presentation.position,
        sent=sent.choice.value,
        stored=stored.value,
    )
    return Recorded(choice=stored, replayed=True)


def changeable(session: Session, participant: ParticipantRow) -> PresentationRow | None:
    """Return the comparison answered last, if its answer may still be changed."""
    if participant.state not in (ParticipantState.ANSWERING, ParticipantState.DESCRIBING):
        return None
    if participant.state is ParticipantState.DESCRIBING and _chose_last(session, participant):
        return None
    last = _answered_last(session, participant)
    return None if last is None or last.answered >= MOST_REVISIONS else last


def _chose_last(session: Session, participant: ParticipantRow) -> bool:
    """Tell whether what was answered last is no comparison but a choice among many (``choosing``)."""
    return design_of(study_of(session, participant)).choose_one is not None


def _answered_last(session: Session, participant: ParticipantRow) -> PresentationRow | None:
    """Return the comparison answered last, unless its answer is being changed."""
    last = session.scalars(_ANSWERED_LAST, {"by": participant.id}).first()
    return None if last is None or last.asked > last.answered else last


def change_last_answer(session: Session, participant: ParticipantRow, *, now: datetime) -> bool:
    """Ask for the last answer once more; the one that is stored counts until the new one is.

    Returns False where none may be changed (any more), which is no error: pressed twice, it asks once.
    """
    study = step_of(session, participant, now=now)
    last = changeable(session, participant)
    if last is None:
        return False
    last.asked = last.answered + 1
    last.served_at = now
    participant.state = ParticipantState.ANSWERING
    log_event(session, study, participant, "answer reopened", now=now, position=last.position)
    return True


# --- follow-ups of an indecision -----------------------------------------------------------------------


def pending_follow_up(
    session: Session, design: StudyDesign, participant: ParticipantRow
) -> tuple[PresentationRow, AnswerRow, FollowUpKind] | None:
    """Return what is still to be asked about an indecision that counts, if anything.

    Mostly about the comparison answered last; with two tabs an earlier one can have been answered again after it.
    """
    kinds = _kinds(design)
    if participant.state is not ParticipantState.ANSWERING or not kinds:
        return None
    found = session.execute(_NOT_FOLLOWED_UP, {"by": participant.id, "kinds": len(kinds)}).first()
    if found is None:
        return None
    presentation, answer = found
    done = set(session.scalars(select(FollowUpRow.kind).where(FollowUpRow.answer_id == answer.id)))
    return presentation, answer, next(kind for kind in kinds if kind not in done)


def record_follow_up(
    session: Session,
    participant: ParticipantRow,
    presentation_token: str,
    revision: int,
    kind: FollowUpKind,
    value: str,
    *,
    now: datetime,
) -> bool:
    """Store a follow-up unless it is there already, and send the participant on. Returns whether it was stored.

    ``value`` is a reason's name or empty (skipped); ``left`` or ``right`` for the strict one.

    Raises
    ------
    NotTakingPart
        The value is none that was offered.
    """
    study = step_of(session, participant, now=now)
    design = design_of(study)
    pending = pending_follow_up(session, design, participant)
    if pending is None:
        return False
    presentation, answer, wanted = pending
    if presentation.token != presentation_token or answer.revision != revision or wanted is not kind:
        return False  # Of an earlier page: the participant goes on where the study stands.
    offered = (
        {"", *(reason.name for reason in design.indecision.reasons)}
        if kind is FollowUpKind.REASON
        else {Choice.LEFT.value, Choice.RIGHT.value}
    )
    if value not in offered:
        raise NotTakingPart("this is none of the answers that the page offers")
    session.add(FollowUpRow(answer_id=answer.id, kind=kind, value=value, at=now))
    session.flush()
    if pending_follow_up(session, design, participant) is None:
        _serve_next(session, study, participant, now=now)
    return True


def _kinds(design: StudyDesign) -> list[FollowUpKind]:
    kinds = [FollowUpKind.REASON] if design.indecision.reasons else []
    return kinds + ([FollowUpKind.STRICT] if design.indecision.strict else [])
