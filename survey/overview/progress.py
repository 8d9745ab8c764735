"""How far participants came: by state and arm, step, position and wave. Pure but for the counts of waves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from survey.answers import Choice
from survey.design import StudyDesign
from survey.overview.records import Record
from survey.pairing import presentation_count
from survey.steps import steps_of
from survey.tables import ADMITTED, ParticipantRow, ParticipantState, StudyRow

NOT_ASSIGNED = "not assigned"
"""Stands for the arm of those who were not admitted (yet), and of those whose data were erased."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatesByArm:
    """How many participants of each arm are in which state."""

    arms: Sequence[str]
    """The design's, in its order; last ``NOT_ASSIGNED`` if there is anybody."""
    counts: Mapping[ParticipantState, Mapping[str, int]]
    """State -> arm -> participants; states with nobody are left out."""

    def total(self, arm: str) -> int:
        """Return how many participants the arm has in all."""
        return sum(by_arm.get(arm, 0) for by_arm in self.counts.values())


def states_by_arm(design: StudyDesign, records: Sequence[Record]) -> StatesByArm:
    """Count participants by state and arm."""
    counts = Counter((r.state, r.arm or NOT_ASSIGNED) for r in records)
    arms = [arm.name for arm in design.arms]
    if any(arm == NOT_ASSIGNED for _, arm in counts):
        arms.append(NOT_ASSIGNED)
    return StatesByArm(
        arms=arms,
        counts={
            state: {arm: counts[state, arm] for arm in arms}
            for state in ParticipantState
            if any(counts[state, arm] for arm in arms)
        },
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class StepCount:
    """How many came to a step, and what became of them. Erased participants are in no step."""

    step: ParticipantState
    reached: int
    here: int
    """Are at this step now."""
    inactive: int
    """Of these, those who have sent nothing for the time that a quota's slot is held."""
    ended: int
    """Left at this step: declined, were screened out, found the quota full or withdrew."""

    @property
    def went_on(self) -> int:
        """Came to a later step."""
        return self.reached - self.here - self.ended


def drop_out_by_step(
    design: StudyDesign, records: Sequence[Record], *, wave: int, now: datetime
) -> list[StepCount]:
    """Return one line per step of this wave, from consent to the end.

    Where newcomers may start in a later wave it has every step, and who returns counts as having passed those that
    only newcomers see.
    """
    steps = steps_of(design, returning=wave > 1 and not design.waves.newcomers)
    quiet_since = now - timedelta(minutes=design.quotas.hold_minutes)
    furthest = Counter(r.left_at for r in records)
    here = Counter(r.state for r in records if not r.has_ended)
    inactive = Counter(r.state for r in records if not r.has_ended and r.active_at < quiet_since)
    counts, reached = [], sum(furthest[step] for step in steps)
    for step in steps:
        ended = 0 if step is ParticipantState.FINISHED else furthest[step] - here[step]
        counts.append(
            StepCount(step=step, reached=reached, here=here[step], inactive=inactive[step], ended=ended)
        )
        reached -= furthest[step]
    return counts


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionCount:
    """What became of the comparisons at one position."""

    position: int
    shown: int
    answered: int
    indecisions: int
    indecision_offered: int
    """Answered comparisons that offered indecision."""
    median_seconds: float | None

    @property
    def unanswered(self) -> int:
        """Participants who saw it and have not answered it: it was the last that they saw."""
        return self.shown - self.answered

    @property
    def indecision_rate(self) -> float | None:
        """Share of indecisions among the answers that could be one."""
        return self.indecisions / self.indecision_offered if self.indecision_offered else None


def drop_out_by_position(design: StudyDesign, records: Sequence[Record]) -> list[PositionCount]:
    """Return one line per position, whatever role the comparison there had."""
    positions = range(1, presentation_count(design) + 1)
    shown, answered, indecisions, offered = (dict.fromkeys(positions, 0) for _ in range(4))
    seconds: dict[int, list[float]] = {position: [] for position in positions}
    for record in records:
        for seen in record.seen:
            here, given = seen.presentation.position, seen.given
            shown[here] += seen.was_shown
            if given is not None:
                answered[here] += 1
                offered[here] += seen.presentation.indecision_offered
                indecisions[here] += given.choice is Choice.INDECISION
                if given.seconds is not None:
                    seconds[here].append(given.seconds)
    return [
        PositionCount(
            position=here,
            shown=shown[here],
            answered=answered[here],
            indecisions=indecisions[here],
            indecision_offered=offered[here],
            median_seconds=median(seconds[here]) if seconds[here] else None,
        )
        for here in positions
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class WaveCount:
    """Who took part in a wave."""

    wave: int
    started: int
    admitted: int
    """Hold a place and have not finished."""
    finished: int
    invited: int | None
    """Those who finished the wave before; None for the first wave."""


def waves(session: Session, study: StudyRow, *, simulated: bool) -> list[WaveCount]:
    """Return one line per wave that was opened."""
    counts: Counter[tuple[int, ParticipantState]] = Counter()
    for wave, state, count in session.execute(
        select(ParticipantRow.wave, ParticipantRow.state, func.count())
        .where(ParticipantRow.study_id == study.id, ParticipantRow.simulated.is_(simulated))
        .group_by(ParticipantRow.wave, ParticipantRow.state)
    ):
        counts[wave, state] = count
    finished = {wave: counts[wave, ParticipantState.FINISHED] for wave in range(1, study.wave + 1)}
    return [
        WaveCount(
            wave=wave,
            started=sum(counts[wave, state] for state in ParticipantState),
            admitted=sum(counts[wave, state] for state in ADMITTED),
            finished=finished[wave],
            invited=finished.get(wave - 1),
        )
        for wave in finished
    ]
