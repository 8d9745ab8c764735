"""Checks of answers: each exactly once, to what was shown, with a time or the reason why there is none."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import and_, case, func, or_, select
from sqlalchemy.orm import aliased

from survey.answers import Choice
from survey.doctor.check import Check, Patient
from survey.store.answering import CLOCK_SLACK_SECONDS
from survey.tables import AnswerRow, FollowUpRow, PresentationRow


def _stored(patient: Patient) -> Iterable[str]:
    query = (
        select(PresentationRow.id)
        .outerjoin(AnswerRow, AnswerRow.presentation_id == PresentationRow.id)
        .group_by(PresentationRow.id, PresentationRow.answered)
        .having(func.count(AnswerRow.id) != PresentationRow.answered)
    )
    return patient.ids("presentation", query)


def _revisions(patient: Patient) -> Iterable[str]:
    count = func.count(AnswerRow.id)
    query = (
        select(PresentationRow.id)
        .join(AnswerRow, AnswerRow.presentation_id == PresentationRow.id)
        .group_by(PresentationRow.id, PresentationRow.answered)
        .having(
            and_(
                count == PresentationRow.answered,
                or_(func.min(AnswerRow.revision) != 1, func.max(AnswerRow.revision) != count),
            )
        )
    )
    return patient.ids("presentation", query)


def _shown_first(patient: Patient) -> Iterable[str]:
    query = select(PresentationRow.id).where(
        PresentationRow.answered > 0, PresentationRow.served_at.is_(None)
    )
    return patient.ids("presentation", query)


def _answered_at(patient: Patient) -> Iterable[str]:
    counting = and_(
        AnswerRow.presentation_id == PresentationRow.id, AnswerRow.revision == PresentationRow.answered
    )
    query = (
        select(PresentationRow.id)
        .outerjoin(AnswerRow, counting)
        .where(
            or_(
                and_(PresentationRow.answered == 0, PresentationRow.answered_at.is_not(None)),
                and_(PresentationRow.answered > 0, PresentationRow.answered_at.is_(None)),
                PresentationRow.answered_at != AnswerRow.answered_at,
            )
        )
    )
    return patient.ids("presentation", query)


def _after_shown(patient: Patient) -> Iterable[str]:
    query = (
        select(AnswerRow.id)
        .join(PresentationRow, PresentationRow.id == AnswerRow.presentation_id)
        .where(
            AnswerRow.revision == PresentationRow.answered,
            # While an answer is being changed, the comparison was sent again after it.
            PresentationRow.asked == PresentationRow.answered,
            AnswerRow.answered_at < PresentationRow.served_at,
        )
    )
    return patient.ids("answer", query)


def _in_order(patient: Patient) -> Iterable[str]:
    earlier = aliased(PresentationRow)
    first_open = (
        select(earlier.participant_id, func.min(earlier.position).label("position"))
        .where(earlier.answered == 0, earlier.position > 0)
        .group_by(earlier.participant_id)
        .subquery()
    )
    query = (
        select(PresentationRow.id)
        .join(first_open, first_open.c.participant_id == PresentationRow.participant_id)
        .where(
            PresentationRow.position > first_open.c.position,
            or_(PresentationRow.served_at.is_not(None), PresentationRow.answered > 0),
        )
    )
    return patient.ids("presentation", query)


def _offered(patient: Patient) -> Iterable[str]:
    query = (
        select(AnswerRow.id)
        .join(PresentationRow, PresentationRow.id == AnswerRow.presentation_id)
        .where(AnswerRow.choice == Choice.INDECISION, PresentationRow.indecision_offered.is_(False))
    )
    return patient.ids("answer", query)


def _plausible(patient: Patient) -> Iterable[str]:
    query = select(AnswerRow.id).where(
        AnswerRow.client_seconds > AnswerRow.server_seconds + CLOCK_SLACK_SECONDS,
        AnswerRow.client_seconds_problem == "",
    )
    return patient.ids("answer", query)


def _missing_has_reason(patient: Patient) -> Iterable[str]:
    query = select(AnswerRow.id).where(
        AnswerRow.client_seconds.is_(None), AnswerRow.client_seconds_problem == ""
    )
    return patient.ids("answer", query)


def _follow_ups(patient: Patient) -> Iterable[str]:
    is_indecision = case((AnswerRow.choice == Choice.INDECISION, 1), else_=0)
    query = (
        select(FollowUpRow.id)
        .join(AnswerRow, AnswerRow.id == FollowUpRow.answer_id)
        .join(PresentationRow, PresentationRow.id == AnswerRow.presentation_id)
        .where(or_(is_indecision == 0, PresentationRow.position == 0))
    )
    return patient.ids("follow-up", query)


CHECKS = (
    Check(
        name="every answered presentation has its answers",
        meaning="A presentation counts how many answers were stored. Fewer: answers are lost. More: some were "
        "stored twice.",
        find=_stored,
    ),
    Check(
        name="revisions are complete",
        meaning="The answers to a presentation are numbered 1, 2, … without a hole, and the last one counts.",
        find=_revisions,
    ),
    Check(
        name="only what was shown is answered",
        meaning="An answered presentation was sent to its participant.",
        find=_shown_first,
    ),
    Check(
        name="answered presentations say when",
        meaning="A presentation carries the time of the answer that counts, and none without an answer.",
        find=_answered_at,
    ),
    Check(
        name="answers come after what they answer",
        meaning="No answer is older than the moment in which its comparison was sent.",
        find=_after_shown,
    ),
    Check(
        name="comparisons come in order",
        meaning="Nobody is shown a comparison before the one before it is answered.",
        find=_in_order,
    ),
    Check(
        name="indecision was on offer",
        meaning="Nobody answers with indecision where the comparison did not offer it.",
        find=_offered,
    ),
    Check(
        name="the browser's time fits the server's",
        meaning="No browser measured more seconds than passed between sending and answering, unless the answer "
        "says that its time is not to be believed.",
        find=_plausible,
    ),
    Check(
        name="a missing time has a reason",
        meaning="Where the browser's time is missing, the answer says why.",
        find=_missing_has_reason,
    ),
    Check(
        name="follow-ups follow an indecision",
        meaning="Reasons are asked after an indecision and nothing else, and never in the practice.",
        find=_follow_ups,
    ),
)
