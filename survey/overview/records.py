"""What each participant met and said, read for figures: a few ordered scans, however many there are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, String, func, select, type_coerce
from sqlalchemy.orm import Session

from survey.answers import Choice, Presentation, Role
from survey.attention import Attention, Shown, attention_of, excluded_by
from survey.design import Profile, StudyDesign
from survey.overview.counts import COUNTED
from survey.steps import steps_of
from survey.store.answering import failed_comprehension
from survey.store.studies import design_of
from survey.tables import (
    ENDED,
    AnswerRow,
    AttributePageRow,
    EventRow,
    FollowUpKind,
    FollowUpRow,
    ParticipantRow,
    ParticipantState,
    PresentationRow,
    Section,
    StatementRow,
    StudyRow,
    SuggestionRow,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """An answer that counts."""

    choice: Choice
    seconds: float | None
    """By the browser's clock; None where it is missing or not to be believed."""
    seconds_missing: str
    """Why; empty where the time is sound."""
    hidden_seconds: float | None
    """How long the page was out of sight meanwhile; None where the browser did not say."""
    input: str
    """``mouse``, ``touch``, ``pen``, ``keyboard`` or ``other``; empty where the browser did not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A comparison drawn for a participant, with what became of it."""

    presentation: Presentation
    """Its profiles are known by their ids alone."""
    was_shown: bool
    given: Given | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stated:
    """An answer to a question of a form."""

    question: str
    attempt: int
    value: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One participant in one wave."""

    id: int
    code: str
    wave: int
    returning: bool
    """Took the wave before, too."""
    arm: str | None
    language: str
    state: ParticipantState
    left_at: ParticipantState
    """The step at which the participant is, or was when it ended."""
    admitted: bool
    started_at: datetime
    active_at: datetime
    ended_at: datetime | None
    seen: Sequence[Seen]
    """In the order of positions, without the practice; in adaptive designs as far as drawn."""
    answered: Sequence[tuple[Presentation, Given]]
    """Of these, the comparisons that were answered."""
    main: Sequence[tuple[Presentation, Given]]
    """Of these, the main ones."""
    stated: Mapping[Section, Sequence[Stated]]
    follow_ups: Sequence[tuple[FollowUpKind, str]]
    """What was said after indecisions that count; an empty value: skipped."""
    suggested: int = 0
    """What was named to open questions and not taken back."""

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will come."""
        return self.state in ENDED


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A record with its measures of attention."""

    record: Record
    attention: Attention
    excluded_by: tuple[str, ...]
    """Names of the design's exclusion rules that the participant falls under as things stand."""


def judged(design: StudyDesign, record: Record) -> Judged:
    """Return the record with its flags."""
    attention = attention_of(
        [
            Shown(presentation=presentation, choice=given.choice, seconds=given.seconds)
            for presentation, given in record.answered
        ]
    )
    attempts = [s.value for s in record.stated.get(Section.COMPREHENSION, ())]
    return Judged(
        record=record,
        attention=attention,
        excluded_by=excluded_by(
            design.exclusions,
            attention,
            finished=record.state is ParticipantState.FINISHED,
            comprehension_failed=failed_comprehension(design.comprehension, attempts),
        ),
    )


def read_records(
    session: Session,
    study: StudyRow,
    *,
    simulated: bool,
    wave: int | None = None,
    ids: Sequence[int] | None = None,
) -> list[Record]:
    """Return the study's participants, sorted by code and wave, people or simulated ones.

    Parameters
    ----------
    wave
        Only this wave; None: all.
    ids
        Only the participants with these row ids.
    """
    these = [ParticipantRow.study_id == study.id, ParticipantRow.simulated.is_(simulated)]
    if wave is not None:
        these.append(ParticipantRow.wave == wave)
    if ids is not None:
        these.append(ParticipantRow.id.in_(ids))
    design = design_of(study)
    seen = _seen(session, these)
    stated = _stated(session, these)
    follow_ups = _follow_ups(session, these)
    suggested = _suggested(session, these)
    withdrawn_at = _withdrawn_at(session, these)
    rows = session.execute(
        select(
            ParticipantRow.id,
            ParticipantRow.code,
            ParticipantRow.wave,
            ParticipantRow.previous_id.is_not(None),
            ParticipantRow.arm,
            ParticipantRow.language,
            ParticipantRow.state,
            ParticipantRow.admitted_at.is_not(None),
            ParticipantRow.started_at,
            ParticipantRow.active_at,
            ParticipantRow.ended_at,
        )
        .where(*these)
        .order_by(ParticipantRow.code, ParticipantRow.wave)
    )
    records = []
    for (
        id_,
        code,
        of_wave,
        returning,
        arm,
        language,
        state,
        admitted,
        started_at,
        active_at,
        ended_at,
    ) in rows:
        met = seen.get(id_, [])
        answered = [(s.presentation, s.given) for s in met if s.given is not None]
        record = Record(
            id=id_,
            code=code,
            wave=of_wave,
            returning=bool(returning),
            arm=arm,
            language=language,
            state=state,
            left_at=_step(design, state, bool(admitted), withdrawn_at.get(id_)),
            admitted=bool(admitted),
            started_at=started_at,
            active_at=active_at,
            ended_at=ended_at,
            seen=met,
            answered=answered,
            main=[(shown, given) for shown, given in answered if shown.role is Role.MAIN],
            stated=stated.get(id_, {}),
            follow_ups=follow_ups.get(id_, ()),
            suggested=suggested.get(id_, 0),
        )
        records.append(record)
    return records


def _step(
    design: StudyDesign,
    state: ParticipantState,
    admitted: bool,
    withdrawn_at: ParticipantState | None,
) -> ParticipantState:
    """Return the step at which somebody is, or was at the end."""
    if state is ParticipantState.WITHDRAWN and withdrawn_at is not None:
        return withdrawn_at
    if state is ParticipantState.SCREENED_OUT:
        return ParticipantState.COMPREHENDING if admitted else ParticipantState.SCREENING
    if state is ParticipantState.QUOTA_FULL:
        # Slots are claimed at the end of the last step before admission, and by newcomers only.
        return [step for step in steps_of(design) if step in _BEFORE_ADMISSION][-1]
    if state is ParticipantState.DECLINED:
        return ParticipantState.CONSENTING
    return state


Where = Sequence[ColumnElement[bool]]
_BEFORE_ADMISSION = (ParticipantState.CONSENTING, ParticipantState.SCREENING)
_CHOICES = {choice.value: choice for choice in Choice}
_ROLES = {role.value: role for role in Role}


def _seen(session: Session, these: Where) -> dict[int, list[Seen]]:
    rows = session.execute(
        select(
            PresentationRow.participant_id,
            PresentationRow.position,
            PresentationRow.left_profile,
            PresentationRow.right_profile,
            PresentationRow.indecision_offered,
            # As text, and of what the browser told only what is wanted: the columns' own types take as long to read
            # as everything else.
            type_coerce(PresentationRow.role, String),
            type_coerce(PresentationRow.expected, String),
            PresentationRow.repeat_of,
            PresentationRow.served_at.is_not(None),
            type_coerce(AnswerRow.choice, String),
            AnswerRow.client_seconds,
            AnswerRow.client_seconds_problem,
            AnswerRow.client["hidden_seconds"].as_float(),
            AnswerRow.client["input"].as_string(),
        )
        .join(ParticipantRow, ParticipantRow.id == PresentationRow.participant_id)
        .outerjoin(AnswerRow, COUNTED)
        .where(*these, PresentationRow.position > 0)
        .order_by(PresentationRow.participant_id, PresentationRow.position)
    )
    presentation_like = _presentations()
    found: dict[int, list[Seen]] = {}
    for (
        id_,
        position,
        left,
        right,
        indecision_offered,
        role,
        expected,
        repeat_of,
        was_shown,
        choice,
        seconds,
        problem,
        hidden_seconds,
        means_of_input,
    ) in rows:
        given = None
        if choice is not None:
            given = Given(
                choice=_CHOICES[choice],
                seconds=None if problem else seconds,
                seconds_missing=problem,
                hidden_seconds=hidden_seconds,
                input=means_of_input or "",
            )
        presentation = presentation_like(left, right, indecision_offered, position, role, expected, repeat_of)
        found.setdefault(id_, []).append(
            Seen(presentation=presentation, was_shown=bool(was_shown), given=given)
        )
    return found


def _presentations() -> Callable[..., Presentation]:
    """Return a function from columns to a presentation; of many participants' alike ones it makes one.

    Its profiles are the same exactly where their ids are. Figures need to know which profile it was, not its
    values; reading those would take most of the time.
    """

    @cache
    def profile(name: str) -> Profile:
        return Profile((("id", name),), name=name)

    @cache
    def presentation(
        left: str,
        right: str,
        indecision_offered: bool,
        position: int,
        role: str,
        expected: str | None,
        repeat_of: int | None,
    ) -> Presentation:
        return Presentation(
            left=profile(left),
            right=profile(right),
            attribute_order=(),
            indecision_offered=indecision_offered,
            position=position,
            role=_ROLES[role],
            expected=_CHOICES[expected] if expected else None,
            repeat_of=repeat_of,
        )

    return presentation


def _stated(session: Session, these: Where) -> dict[int, dict[Section, list[Stated]]]:
    rows = session.execute(
        select(
            StatementRow.participant_id,
            StatementRow.section,
            StatementRow.question,
            StatementRow.attempt,
            StatementRow.value,
        )
        .join(ParticipantRow, ParticipantRow.id == StatementRow.participant_id)
        .where(*these)
        .order_by(StatementRow.participant_id, StatementRow.attempt, StatementRow.id)
    )
    found: dict[int, dict[Section, list[Stated]]] = {}
    for id_, section, question, attempt, value in rows:
        one = Stated(question=question, attempt=attempt, value=value)
        found.setdefault(id_, {}).setdefault(section, []).append(one)
    return found


def _follow_ups(session: Session, these: Where) -> dict[int, list[tuple[FollowUpKind, str]]]:
    rows = session.execute(
        select(PresentationRow.participant_id, FollowUpRow.kind, FollowUpRow.value)
        .join(PresentationRow, PresentationRow.participant_id == ParticipantRow.id)
        .join(AnswerRow, COUNTED)
        .join(FollowUpRow, FollowUpRow.answer_id == AnswerRow.id)
        .where(*these)
        .order_by(PresentationRow.participant_id, PresentationRow.position, FollowUpRow.id)
        .select_from(ParticipantRow)
    )
    found: dict[int, list[tuple[FollowUpKind, str]]] = {}
    for id_, kind, value in rows:
        found.setdefault(id_, []).append((kind, value))
    return found


def _suggested(session: Session, these: Where) -> dict[int, int]:
    rows = session.execute(
        select(AttributePageRow.participant_id, func.count())
        .join(ParticipantRow, ParticipantRow.id == AttributePageRow.participant_id)
        .join(SuggestionRow, SuggestionRow.page_id == AttributePageRow.id)
        .where(*these, SuggestionRow.removed_at.is_(None))
        .group_by(AttributePageRow.participant_id)
    )
    return {id_: int(count) for id_, count in rows}


def _withdrawn_at(session: Session, these: Where) -> dict[int, ParticipantState]:
    rows = session.execute(
        select(EventRow.participant_id, EventRow.detail)
        .join(ParticipantRow, ParticipantRow.id == EventRow.participant_id)
        .where(*these, EventRow.what == ParticipantState.WITHDRAWN.value)
    )
    return {id_: ParticipantState(detail["at"]) for id_, detail in rows if id_ is not None}
