"""From the database to answers: what every estimator reads."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from survey.answers import Answer, AnswerSet, RespondentKind
from survey.store import design_of
from survey.tables import AnswerRow, ParticipantRow, PresentationRow, StudyRow


def answers_of_study(session: Session, study: StudyRow, include_simulated: bool) -> AnswerSet:
    """Return every stored answer of the study, in the order of participants and positions.

    Respondents carry their pseudonymous code; a simulated participant's begins with ``sim-``. A time that is
    missing or not to be believed is None with the reason, never replaced by the server's interval.
    """
    design = design_of(study)
    query = (
        select(ParticipantRow, PresentationRow, AnswerRow)
        .join(PresentationRow, PresentationRow.participant_id == ParticipantRow.id)
        .join(AnswerRow, AnswerRow.presentation_id == PresentationRow.id)
        .where(ParticipantRow.study_id == study.id)
        # By code: in the order of arrival the pseudonyms would tell who came first.
        .order_by(ParticipantRow.code, PresentationRow.position)
    )
    if not include_simulated:
        query = query.where(ParticipantRow.simulated.is_(False))
    answers = [
        Answer(
            respondent=participant.code,
            kind=RespondentKind.HUMAN,
            arm=participant.arm or "",
            position=presentation.position,
            left=design.profile(presentation.left_values),
            right=design.profile(presentation.right_values),
            choice=answer.choice,
            indecision_offered=presentation.indecision_offered,
            design_hash=study.design_hash,
            role=presentation.role,
            seconds=None if answer.client_seconds_problem else answer.client_seconds,
            seconds_missing=answer.client_seconds_problem,
            presented_at=presentation.served_at,
            answered_at=answer.answered_at,
        )
        for participant, presentation, answer in session.execute(query)
    ]
    kind = "with simulated participants" if include_simulated else "people only"
    return AnswerSet(
        attributes=design.attributes,
        answers=answers,
        source=f"study '{study.slug}' version {study.version} ({kind})",
    )
