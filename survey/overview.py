"""A study's figures for the researcher's page, counted from the rows; people and simulated participants apart."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from statistics import median

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from survey.answers import Choice
from survey.store import design_of
from survey.tables import AnswerRow, EventRow, ParticipantRow, ParticipantState, PresentationRow, StudyRow


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileCount:
    """How often a profile was in an answered presentation, and what became of it."""

    profile: str
    left: int
    right: int
    chosen: int
    """Times it was chosen; the rest went to the other profile or to indecision."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """Where a study stands, for one kind of participants."""

    by_arm_and_state: dict[str, dict[ParticipantState, int]]
    """Arm (``not assigned`` before consent) -> state -> participants."""
    choices: dict[Choice, int]
    indecision_offered: int
    """Answers to presentations that offered indecision: the denominator of the indecision rate."""
    median_seconds: float | None
    """By the browser's clock, of answers with a sound time."""
    sound_times: int
    replays: int
    profiles: tuple[ProfileCount, ...] | None
    """None where the design's profiles are too many to list."""

    @property
    def participants(self) -> int:
        """Everyone who pressed Start."""
        return sum(sum(states.values()) for states in self.by_arm_and_state.values())

    @property
    def answers(self) -> int:
        """Stored answers."""
        return sum(self.choices.values())

    @property
    def indecision_rate(self) -> float | None:
        """Share of indecisions among the answers that could be one."""
        return self.choices[Choice.INDECISION] / self.indecision_offered if self.indecision_offered else None

    @property
    def left_share(self) -> float | None:
        """Share of left among the decided answers; 0.5 is balance."""
        decided = self.choices[Choice.LEFT] + self.choices[Choice.RIGHT]
        return self.choices[Choice.LEFT] / decided if decided else None

    def in_state(self, state: ParticipantState) -> int:
        """Participants who are in ``state``, over all arms."""
        return sum(states.get(state, 0) for states in self.by_arm_and_state.values())


def overview_of(session: Session, study: StudyRow, *, simulated: bool) -> Overview:
    """Count one study's participants and answers: people's, or simulated ones."""
    these = (ParticipantRow.study_id == study.id, ParticipantRow.simulated.is_(simulated))
    by_arm: dict[str, dict[ParticipantState, int]] = {}
    rows = session.execute(
        select(ParticipantRow.arm, ParticipantRow.state, func.count())
        .where(*these)
        .group_by(ParticipantRow.arm, ParticipantRow.state)
    )
    for arm, state, count in rows:
        by_arm.setdefault(arm or "not assigned", {})[state] = count

    choices = dict.fromkeys(Choice, 0)
    left, right, chosen = Counter[str](), Counter[str](), Counter[str]()
    offered = 0
    answered = (
        select(
            PresentationRow.left_profile,
            PresentationRow.right_profile,
            PresentationRow.indecision_offered,
            AnswerRow.choice,
            func.count(),
        )
        .join(AnswerRow, AnswerRow.presentation_id == PresentationRow.id)
        .join(ParticipantRow, ParticipantRow.id == PresentationRow.participant_id)
        .where(*these)
        .group_by(
            PresentationRow.left_profile,
            PresentationRow.right_profile,
            PresentationRow.indecision_offered,
            AnswerRow.choice,
        )
    )
    for left_profile, right_profile, indecision_offered, choice, count in session.execute(answered):
        choices[choice] += count
        offered += count if indecision_offered else 0
        left[left_profile] += count
        right[right_profile] += count
        if choice is not Choice.INDECISION:
            chosen[left_profile if choice is Choice.LEFT else right_profile] += count

    seconds = session.scalars(
        select(AnswerRow.client_seconds)
        .join(PresentationRow, PresentationRow.id == AnswerRow.presentation_id)
        .join(ParticipantRow, ParticipantRow.id == PresentationRow.participant_id)
        .where(*these, AnswerRow.client_seconds_problem == "")
    ).all()
    sound = [s for s in seconds if s is not None]
    listed = design_of(study).profiles()
    return Overview(
        by_arm_and_state=by_arm,
        choices=choices,
        indecision_offered=offered,
        median_seconds=median(sound) if sound else None,
        sound_times=len(sound),
        replays=_replays(session, study, simulated),
        profiles=None
        if listed is None
        else tuple(
            ProfileCount(profile=p.id, left=left[p.id], right=right[p.id], chosen=chosen[p.id])
            for p in listed
        ),
    )


def _replays(session: Session, study: StudyRow, simulated: bool) -> int:
    return session.scalars(
        select(func.count())
        .select_from(EventRow)
        .join(ParticipantRow, ParticipantRow.id == EventRow.participant_id)
        .where(
            EventRow.study_id == study.id,
            EventRow.what == "answer replayed",
            ParticipantRow.simulated.is_(simulated),
        )
    ).one()
