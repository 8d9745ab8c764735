"""Counts of participants and answers, by SQL alone: for lists of studies and the head of a study's page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import ColumnElement, and_, case, func, select
from sqlalchemy.orm import Session

from survey.answers import Choice
from survey.tables import AnswerRow, ParticipantRow, ParticipantState, PresentationRow, StudyRow

COUNTED = and_(
    AnswerRow.presentation_id == PresentationRow.id, AnswerRow.revision == PresentationRow.answered
)
"""Joins a presentation with the answer that counts: the last one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """Where a study stands, for one kind of participants, over all waves."""

    by_state: Mapping[ParticipantState, int] = field(default_factory=dict)
    choices: Mapping[Choice, int] = field(default_factory=dict)
    """Answers to comparisons, whatever their role; the practice is left out."""
    indecision_offered: int = 0
    """Answers to comparisons that offered indecision: the denominator of the indecision rate."""

    @property
    def participants(self) -> int:
        """Everyone who pressed Start; who takes part in two waves is counted twice."""
        return sum(self.by_state.values())

    @property
    def finished(self) -> int:
        """Those who reached the end."""
        return self.by_state.get(ParticipantState.FINISHED, 0)

    @property
    def answers(self) -> int:
        """Stored answers."""
        return sum(self.choices.values())

    @property
    def indecision_rate(self) -> float | None:
        """Share of indecisions among the answers that could be one."""
        return (
            self.choices.get(Choice.INDECISION, 0) / self.indecision_offered
            if self.indecision_offered
            else None
        )

    @property
    def left_share(self) -> float | None:
        """Share of left among the decided answers; 0.5 is balance."""
        left, right = self.choices.get(Choice.LEFT, 0), self.choices.get(Choice.RIGHT, 0)
        return left / (left + right) if left + right else None


def overview_of(session: Session, study: StudyRow, *, simulated: bool) -> Overview:
    """Count one study's participants and answers: people's, or simulated ones."""
    found = _counted(session, simulated, ParticipantRow.study_id == study.id)
    return found.get(study.id, Overview())


def overviews(session: Session, *, simulated: bool) -> dict[int, Overview]:
    """Count every study at once, by the study's id; a study without participants is left out."""
    return _counted(session, simulated)


def _counted(session: Session, simulated: bool, *where: ColumnElement[bool]) -> dict[int, Overview]:
    these = (ParticipantRow.simulated.is_(simulated), *where)
    states: dict[int, dict[ParticipantState, int]] = {}
    for study_id, state, count in session.execute(
        select(ParticipantRow.study_id, ParticipantRow.state, func.count())
        .where(*these)
        .group_by(ParticipantRow.study_id, ParticipantRow.state)
    ):
        states.setdefault(study_id, {})[state] = count
    choices: dict[int, dict[Choice, int]] = {}
    offered: dict[int, int] = {}
    for study_id, choice, count, of_offered in session.execute(
        select(
            ParticipantRow.study_id,
            AnswerRow.choice,
            func.count(),
            func.sum(case((PresentationRow.indecision_offered, 1), else_=0)),
        )
        .select_from(ParticipantRow)
        .join(PresentationRow, PresentationRow.participant_id == ParticipantRow.id)
        .join(AnswerRow, COUNTED)
        .where(*these, PresentationRow.position > 0)
        .group_by(ParticipantRow.study_id, AnswerRow.choice)
    ):
        choices.setdefault(study_id, {})[choice] = count
        offered[study_id] = offered.get(study_id, 0) + int(of_offered)
    return {
        study_id: Overview(
            by_state=by_state,
            choices=choices.get(study_id, {}),
            indecision_offered=offered.get(study_id, 0),
        )
        for study_id, by_state in states.items()
    }
