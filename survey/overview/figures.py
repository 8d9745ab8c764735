"""All figures of one wave, for the page that follows a study live."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from survey.overview.attributes import PageCount, page_counts
from survey.overview.choices import (
    ArmIndecision,
    FollowUps,
    SideBalance,
    follow_ups,
    indecision_by_arm,
    side_balance,
)
from survey.overview.choosing import ProblemCount, problem_counts
from survey.overview.coverage import Coverage, coverage
from survey.overview.flags import Flags, flags
from survey.overview.forms import (
    ComprehensionCount,
    QuestionCount,
    QuotaCount,
    comprehension,
    count_section,
    quotas,
)
from survey.overview.progress import (
    PositionCount,
    StatesByArm,
    StepCount,
    WaveCount,
    drop_out_by_position,
    drop_out_by_step,
    states_by_arm,
    waves,
)
from survey.overview.records import judged, read_records
from survey.overview.times import Times, times
from survey.store.studies import design_of
from survey.tables import EventRow, ParticipantRow, ParticipantState, Section, StudyRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Where one wave of a study stands, for one kind of participants."""

    wave: int
    participants: int
    finished: int
    states: StatesByArm
    steps: Sequence[StepCount]
    positions: Sequence[PositionCount]
    waves: Sequence[WaveCount]
    indecision: Sequence[ArmIndecision]
    follow_ups: FollowUps
    times: Times
    flags: Flags
    sides: SideBalance
    coverage: Coverage
    pages: Sequence[PageCount]
    """About attributes."""
    problems: Sequence[ProblemCount]
    """Of choosing one of many."""
    quotas: Sequence[QuotaCount]
    """Of all waves that newcomers may start in; none in a wave that only returning people take."""
    screener: Sequence[QuestionCount]
    comprehension: ComprehensionCount | None
    demographics: Sequence[QuestionCount]
    replayed: int
    """Answers and suggestions that were sent again, by a double click or a reload, and not stored twice."""
    reopened: int
    """Times that the last answer was changed."""

    @property
    def answers(self) -> int:
        """Answers that count."""
        return self.times.answers

    @property
    def suggestions(self) -> int:
        """Suggestions that were made and not taken back."""
        return sum(page.entries.standing for page in self.pages if page.entries)


def figures_of(session: Session, study: StudyRow, *, simulated: bool, wave: int, now: datetime) -> Figures:
    """Return the figures of one wave: people's, or those of simulated participants."""
    design = design_of(study)
    records = read_records(session, study, simulated=simulated, wave=wave)
    has_newcomers = wave == 1 or design.waves.newcomers
    # Newcomers of every wave share the slots of a quota.
    everybody = read_records(session, study, simulated=simulated) if design.waves.newcomers else records
    events = _events(session, study, simulated=simulated, wave=wave)
    return Figures(
        wave=wave,
        participants=len(records),
        finished=sum(r.state is ParticipantState.FINISHED for r in records),
        states=states_by_arm(design, records),
        steps=drop_out_by_step(design, records, wave=wave, now=now),
        positions=drop_out_by_position(design, records),
        waves=waves(session, study, simulated=simulated),
        indecision=indecision_by_arm(design, records),
        follow_ups=follow_ups(design, records),
        times=times(records),
        flags=flags(design.exclusions, [judged(design, r) for r in records]),
        sides=side_balance(records),
        coverage=coverage(design, records),
        pages=page_counts(session, study, simulated=simulated, wave=wave),
        problems=problem_counts(session, study, simulated=simulated, wave=wave),
        quotas=quotas(design, everybody, now=now) if has_newcomers else (),
        screener=count_section(Section.SCREENER, design.screener, records) if has_newcomers else (),
        comprehension=comprehension(design, records) if has_newcomers else None,
        demographics=count_section(Section.DEMOGRAPHICS, design.demographics, records)
        if has_newcomers
        else (),
        replayed=sum(events.get(what, 0) for what in _REPLAYED),
        reopened=sum(events.get(what, 0) for what in _REOPENED),
    )


_REPLAYED = ("answer replayed", "page replayed", "entry replayed")
_REOPENED = ("answer reopened", "page reopened")


def _events(session: Session, study: StudyRow, *, simulated: bool, wave: int) -> dict[str, int]:
    rows = session.execute(
        select(EventRow.what, func.count())
        .join(ParticipantRow, ParticipantRow.id == EventRow.participant_id)
        .where(
            ParticipantRow.study_id == study.id,
            ParticipantRow.simulated.is_(simulated),
            ParticipantRow.wave == wave,
            EventRow.what.in_((*_REPLAYED, *_REOPENED)),
        )
        .group_by(EventRow.what)
    )
    return {what: int(count) for what, count in rows}
