"""Admitting a participant: the slot of the quota, the arm, the comparisons. The caller holds the study's lock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta

import numpy as np
from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session

from survey.answers import Choice, Presentation, Role
from survey.design import Arm, Comparison, ComparisonKind, Profile, StudyDesign
from survey.pairing import draw_next, draw_presentations, redraw_presentations
from survey.pairing.comparisons import Tally
from survey.participation import WaveComparisons
from survey.store.attribute_pages import add_attribute_pages
from survey.store.choice_tasks import add_choice_tasks
from survey.store.presentations import add_presentations, presentation_of, seen_by
from survey.store.studies import design_of, lock_study
from survey.tables import (
    ADMITTED,
    AnswerRow,
    ParticipantRow,
    ParticipantState,
    PresentationRow,
    Section,
    StatementRow,
    StudyRow,
)

# Sets the draws of a participant apart from each other, so that none depends on how much another drew.
_ARM_STREAM = 1
_ADAPTIVE_STREAM = 2


def next_number(session: Session, study: StudyRow) -> int:
    """Return the number of the study's next participant, from 1."""
    last = session.scalar(select(func.max(ParticipantRow.number)).where(ParticipantRow.study_id == study.id))
    return (last or 0) + 1


def full_quota(session: Session, study: StudyRow, participant: ParticipantRow, *, now: datetime) -> str:
    """Return the name of the quota that has no slot left for the participant; empty: there is room.

    A slot is taken by who has finished, and by who has been admitted and was active in the last ``hold_minutes``.
    Somebody who comes back after that finds the place as it was: people who have begun are never turned away, so a
    quota can be exceeded by those. Who returns for a later wave has a slot already, and takes no other.
    """
    quotas = design_of(study).quotas
    if participant.returning:
        return ""
    holders = and_(
        ParticipantRow.study_id == study.id,
        ParticipantRow.simulated.is_(participant.simulated),
        ParticipantRow.previous_id.is_(None),
        or_(
            ParticipantRow.state == ParticipantState.FINISHED,
            _holds_slot(now - timedelta(minutes=quotas.hold_minutes)),
        ),
    )
    if quotas.most is not None:
        taken = session.scalar(select(func.count()).select_from(ParticipantRow).where(holders)) or 0
        if taken >= quotas.most:
            return "all"
    if not quotas.cells:
        return ""
    screener = and_(StatementRow.section == Section.SCREENER, StatementRow.attempt == 1)
    own: dict[str, object] = dict(
        session.execute(
            select(StatementRow.question, StatementRow.value).where(
                screener, StatementRow.participant_id == participant.id
            )
        ).all()
    )
    taken_cells = Counter(
        (question, option)
        for question, value in session.execute(
            select(StatementRow.question, StatementRow.value)
            .join(ParticipantRow, ParticipantRow.id == StatementRow.participant_id)
            .where(screener, holders)
        )
        for option in _options(value)
    )
    for cell in quotas.cells:
        mine = cell.option in _options(own.get(cell.question))
        if mine and taken_cells[cell.question, cell.option] >= cell.most:
            return f"{cell.question} = {cell.option}"
    return ""


def _options(value: object) -> list[str]:
    if isinstance(value, list):
        return [str(part) for part in value]
    return [value] if isinstance(value, str) else []


def _holds_slot(since: datetime) -> ColumnElement[bool]:
    return and_(ParticipantRow.state.in_(ADMITTED), ParticipantRow.active_at >= since)


def draw_for(session: Session, study: StudyRow, participant: ParticipantRow, *, now: datetime) -> None:
    """Assign the arm with the fewest participants; draw pages about attributes, comparisons and problems, and store
    them."""
    design = design_of(study)
    if participant.arm is None:
        participant.arm = _arm_for(session, participant, design, study).name
    add_attribute_pages(session, study, participant)
    drawn = redrawn(session, study, participant, asked=_asked(session, study, participant, now=now))
    add_presentations(session, participant, drawn)
    hold = timedelta(minutes=design.quotas.hold_minutes)
    add_choice_tasks(session, study, participant, holds_slot=_holds_slot(now - hold))


def redrawn(
    session: Session, study: StudyRow, participant: ParticipantRow, *, asked: Mapping[Comparison, Tally]
) -> tuple[Presentation, ...]:
    """Return what is drawn for a participant with an arm at admission; again, it comes out the same.

    Parameters
    ----------
    asked
        What the study had asked at that moment; only balanced designs look at it.
    """
    design = design_of(study)
    if not design.compares:
        return ()
    arm = design.arm(participant.arm or "")
    rng = _admission_rng(study, participant)
    earlier = _wave_before(session, design, participant)
    if earlier and design.waves.comparisons is WaveComparisons.SAME:
        drawn = redraw_presentations(design, arm, earlier, rng)
    else:
        drawn = draw_presentations(design, arm, rng, asked=asked)
    if participant.returning:
        return tuple(p for p in drawn if p.role is not Role.PRACTICE)
    return drawn


def draw_when_reached(
    session: Session, study: StudyRow, participant: ParticipantRow, position: int, *, now: datetime
) -> PresentationRow:
    """Draw and store the comparison at ``position`` of an adaptive design, which depends on answers so far.

    Draws of one study wait for each other: each keeps to the bounds of balance only if it sees those before it.
    """
    lock_study(session, study)
    design = design_of(study)
    asked = _asked(session, study, participant, now=now)
    drawn = draw_next(
        design,
        design.arm(participant.arm or ""),
        position,
        seen=seen_by(session, design, participant),
        asked=asked,
        answers_so_far=sum(t.first + t.second + t.indecision for t in asked.values()),
        rng=np.random.default_rng([study.draw_seed, participant.number, _ADAPTIVE_STREAM, position]),
        slots_rng=_admission_rng(study, participant),
    )
    return add_presentations(session, participant, [drawn])[0]


def _admission_rng(study: StudyRow, participant: ParticipantRow) -> np.random.Generator:
    # Not the generator that drew the arm: how much that drew depends on the arms of others.
    return np.random.default_rng([study.draw_seed, participant.number])


def _wave_before(session: Session, design: StudyDesign, participant: ParticipantRow) -> list[Presentation]:
    if participant.previous_id is None:
        return []
    before = session.get_one(ParticipantRow, participant.previous_id)
    rows = session.scalars(
        select(PresentationRow)
        .where(PresentationRow.participant_id == before.id)
        .order_by(PresentationRow.position)
    )
    return [presentation_of(design, row) for row in rows]


def _arm_for(session: Session, participant: ParticipantRow, design: StudyDesign, study: StudyRow) -> Arm:
    """Return the arm with the fewest participants; simulated ones are counted apart and unbalance nothing."""
    counts = dict(
        session.execute(
            select(ParticipantRow.arm, func.count())
            .where(
                ParticipantRow.study_id == participant.study_id,
                ParticipantRow.simulated.is_(participant.simulated),
                ParticipantRow.wave == participant.wave,
                ParticipantRow.arm.is_not(None),
            )
            .group_by(ParticipantRow.arm)
        ).all()
    )
    fewest = min(counts.get(arm.name, 0) for arm in design.arms)
    candidates = [arm for arm in design.arms if counts.get(arm.name, 0) == fewest]
    rng = np.random.default_rng([study.draw_seed, participant.number, _ARM_STREAM])
    return candidates[int(rng.integers(len(candidates)))]


def _asked(
    session: Session, study: StudyRow, participant: ParticipantRow, *, now: datetime
) -> dict[Comparison, Tally]:
    """Count what the study has asked so far in main comparisons, of people or of simulated participants.

    A comparison that somebody abandoned before answering does not count: others should be asked it.
    """
    design = design_of(study)
    if design.comparison_kind not in (ComparisonKind.BALANCED, ComparisonKind.ADAPTIVE):
        return {}
    hold = timedelta(minutes=design.quotas.hold_minutes)
    rows = session.execute(
        select(PresentationRow.left_profile, PresentationRow.right_profile, AnswerRow.choice, func.count())
        .join(ParticipantRow, ParticipantRow.id == PresentationRow.participant_id)
        .outerjoin(
            AnswerRow,
            and_(
                AnswerRow.presentation_id == PresentationRow.id,
                AnswerRow.revision == PresentationRow.answered,
            ),
        )
        .where(
            ParticipantRow.study_id == study.id,
            ParticipantRow.simulated.is_(participant.simulated),
            PresentationRow.role == Role.MAIN,
            or_(PresentationRow.answered > 0, _holds_slot(now - hold)),
        )
        .group_by(PresentationRow.left_profile, PresentationRow.right_profile, AnswerRow.choice)
    )
    by_id = {profile.id: profile for profile in design.profiles() or ()}
    counts: dict[Comparison, Counter[str]] = {}
    for left_id, right_id, choice, count in rows:
        left, right = by_id[left_id], by_id[right_id]
        comparison = Comparison.of(left, right)
        counts.setdefault(comparison, Counter())[_outcome(comparison, left, choice)] += count
    return {comparison: Tally(**tally) for comparison, tally in counts.items()}


def _outcome(comparison: Comparison, left: Profile, choice: Choice | None) -> str:
    """Return the part of a ``Tally`` that an answer, or none yet, belongs to."""
    if choice is None:
        return "pending"
    if choice is Choice.INDECISION:
        return "indecision"
    chose_first = (choice is Choice.LEFT) == (left == comparison.first)
    return "first" if chose_first else "second"
