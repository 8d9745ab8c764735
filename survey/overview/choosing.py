"""How often each problem of choosing one of many was shown and answered, by SQL alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import and_, case, func, select
from sqlalchemy.orm import Session

from survey.store.studies import design_of
from survey.tables import ChoiceTaskAnswerRow, ChoiceTaskRow, ParticipantRow, ParticipantState, StudyRow


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemCount:
    """What became of one problem of the design."""

    problem: str
    shown: int
    """Participants who were sent to it."""
    answered: int
    indecisions: int
    indecision_offered: int
    """Answers to it where indecision was offered."""


def problem_counts(
    session: Session, study: StudyRow, *, simulated: bool, wave: int
) -> Sequence[ProblemCount]:
    """Return one line per problem, in the design's order; none where the design has no problems."""
    asked = design_of(study).choose_one
    if asked is None:
        return ()
    counts = {
        problem: (int(shown), int(answered), int(indecisions), int(offered))
        for problem, shown, answered, indecisions, offered in session.execute(
            select(
                ChoiceTaskRow.problem,
                func.count(ChoiceTaskRow.served_at),
                func.count(ChoiceTaskAnswerRow.id),
                func.sum(case((ChoiceTaskAnswerRow.indecision.is_(True), 1), else_=0)),
                func.sum(
                    case(
                        (
                            and_(
                                ChoiceTaskRow.indecision_offered.is_(True),
                                ChoiceTaskAnswerRow.id.is_not(None),
                            ),
                            1,
                        ),
                        else_=0,
                    )
                ),
            )
            .join(ParticipantRow, ParticipantRow.id == ChoiceTaskRow.participant_id)
            .outerjoin(
                ChoiceTaskAnswerRow,
                and_(
                    ChoiceTaskAnswerRow.choice_task_id == ChoiceTaskRow.id,
                    ChoiceTaskAnswerRow.revision == ChoiceTaskRow.answered,
                ),
            )
            .where(
                ParticipantRow.study_id == study.id,
                ParticipantRow.simulated.is_(simulated),
                ParticipantRow.wave == wave,
                ParticipantRow.state != ParticipantState.ERASED,
            )
            .group_by(ChoiceTaskRow.problem)
        )
    }
    lines = []
    for problem in asked.problems:
        shown, answered, indecisions, offered = counts.get(problem.name, (0, 0, 0, 0))
        lines.append(
            ProblemCount(
                problem=problem.name,
                shown=shown,
                answered=answered,
                indecisions=indecisions,
                indecision_offered=offered,
            )
        )
    return lines
