"""From the database to everything a study's participants were shown and did: what every data file is made of.

Nothing read here leads to a person: no recruitment ids, tokens, completion codes or numbers of participants. Rows
come in the order of pseudonyms, because the order of arrival would tell who came first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import ColumnElement, and_, func, select
from sqlalchemy.orm import Session

from survey.answers import Answer, AnswerSet, RespondentKind
from survey.attention import Attention, Shown, attention_of, excluded_by
from survey.attribute_data import AttributeData, attribute_data
from survey.design import Profile, StudyDesign
from survey.store import looks, stopping_rules
from survey.store.answering import failed_comprehension
from survey.store.presentations import presentation_of
from survey.store.studies import design_of
from survey.tables import (
    AnswerRow,
    ChoiceTaskAnswerRow,
    ChoiceTaskRow,
    EventRow,
    FollowUpKind,
    FollowUpRow,
    ParticipantRow,
    ParticipantState,
    PresentationRow,
    Section,
    StatementRow,
    StudyRow,
)

STUDY_EVENTS = (
    "study opened",
    "study paused",
    "study closed",
    "wave opened",
    looks.LOOKED,
    stopping_rules.STATED,
    stopping_rules.WITHDRAWN,
    stopping_rules.CHECKED,
)
"""Events of the study as a whole that help to read its data; who did them is not exported."""

_Row = TypeVar("_Row")


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownRow:
    """A presentation, with the answer that counts if there is one."""

    person: ParticipantRow
    presentation: PresentationRow
    answer: AnswerRow | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenRow:
    """An answer as it was stored, whether it counts or was changed later."""

    person: ParticipantRow
    presentation: PresentationRow
    answer: AnswerRow

    @property
    def counts(self) -> bool:
        """Whether this is the answer that counts."""
        return self.answer.revision == self.presentation.answered


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowedRow:
    """What was said after an indecision."""

    given: GivenRow
    follow_up: FollowUpRow


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenRow:
    """A problem of choosing one of many, with one of the answers stored for it; None: there is none (yet)."""

    person: ParticipantRow
    task: ChoiceTaskRow
    answer: ChoiceTaskAnswerRow | None

    @property
    def counts(self) -> bool:
        """Whether this is the answer that counts."""
        return self.answer is not None and self.answer.revision == self.task.answered


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedRow:
    """An answer to a question of a form."""

    person: ParticipantRow
    statement: StatementRow


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonRow:
    """A participant in one wave, and how attentively it was answered."""

    person: ParticipantRow
    attention: Attention
    comprehension_failed: bool
    excluded_by: tuple[str, ...]
    """Names of the design's exclusion rules that the participant falls under."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HappenedRow:
    """An event; of a participant, or of the study as a whole."""

    person: ParticipantRow | None
    event: EventRow


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyData:
    """Everything a study's participants were shown and did, without those who were erased."""

    study: StudyRow
    design: StudyDesign
    people: Sequence[PersonRow]
    shown: Sequence[ShownRow]
    given: Sequence[GivenRow]
    followed: Sequence[FollowedRow]
    chosen: Sequence[ChosenRow]
    attributes: AttributeData
    """What was said about attributes, and how it was coded."""
    stated: Sequence[StatedRow]
    happened: Sequence[HappenedRow]
    answers: AnswerSet
    erased: int
    """Participants of whom nothing is left."""
    simulated_left_out: int
    """Simulated participants that this export leaves out."""

    @property
    def included_answers(self) -> AnswerSet:
        """The answers of those who fall under no exclusion rule in that wave."""
        out = {(row.person.code, row.person.wave) for row in self.people if row.excluded_by}
        return AnswerSet(
            attributes=self.answers.attributes,
            answers=[a for a in self.answers.answers if (a.respondent, a.wave) not in out],
            source=f"{self.answers.source}, without those excluded",
        )


def study_data(session: Session, study: StudyRow, *, include_simulated: bool) -> StudyData:
    """Read everything of one study that may be exported."""
    design = design_of(study)
    people = _people(session, study, include_simulated)
    by_id = {person.id: person for person in people}
    kept = _kept(study, include_simulated)
    shown_rows = _of_people(session, PresentationRow, kept)
    answer_rows = session.execute(
        select(AnswerRow, PresentationRow.participant_id)
        .join(PresentationRow, PresentationRow.id == AnswerRow.presentation_id)
        .join(ParticipantRow, ParticipantRow.id == PresentationRow.participant_id)
        .where(kept)
    ).all()
    by_presentation: dict[int, list[AnswerRow]] = {}
    for answer, _ in answer_rows:
        by_presentation.setdefault(answer.presentation_id, []).append(answer)

    place = {person.id: number for number, person in enumerate(people)}
    shown_rows.sort(key=lambda row: (place[row.participant_id], row.position))
    shown: list[ShownRow] = []
    given: list[GivenRow] = []
    for row in shown_rows:
        answers = sorted(by_presentation.get(row.id, ()), key=lambda answer: answer.revision)
        person = by_id[row.participant_id]
        counting = next((a for a in answers if a.revision == row.answered), None)
        shown.append(ShownRow(person=person, presentation=row, answer=counting))
        given += (GivenRow(person=person, presentation=row, answer=answer) for answer in answers)

    followed = _followed(session, kept, given)
    stated_rows = _of_people(session, StatementRow, kept)
    stated_rows.sort(key=lambda s: (place[s.participant_id], s.section.value, s.question, s.attempt))
    stated = [StatedRow(person=by_id[row.participant_id], statement=row) for row in stated_rows]
    reasons = {
        row.follow_up.answer_id: row.follow_up.value
        for row in followed
        if row.follow_up.kind is FollowUpKind.REASON
    }
    return StudyData(
        study=study,
        design=design,
        people=_with_attention(design, people, shown, stated),
        shown=shown,
        given=given,
        followed=followed,
        chosen=_chosen(session, kept, by_id, place),
        attributes=attribute_data(
            session, study, kept=kept, people=people, include_simulated=include_simulated
        ),
        stated=stated,
        happened=_happened(session, study, kept, by_id, place),
        answers=_answer_set(study, design, shown, reasons, include_simulated),
        erased=_erased(session, study, include_simulated),
        simulated_left_out=0 if include_simulated else len(_people(session, study, True)) - len(people),
    )


def answers_of_study(session: Session, study: StudyRow, include_simulated: bool) -> AnswerSet:
    """Return every answer that counts, the practice left out, in the order of pseudonyms and positions.

    Respondents carry their pseudonymous code; a simulated participant's begins with ``sim-``. A time that is
    missing or not to be believed is None with the reason, never replaced by the server's interval.
    """
    design = design_of(study)
    kept = _kept(study, include_simulated)
    counting = and_(
        # Of an answer that was changed, the last one counts.
        AnswerRow.presentation_id == PresentationRow.id,
        AnswerRow.revision == PresentationRow.answered,
    )
    rows = session.execute(
        select(ParticipantRow, PresentationRow, AnswerRow, FollowUpRow.value)
        .join(PresentationRow, PresentationRow.participant_id == ParticipantRow.id)
        .join(AnswerRow, counting)
        .outerjoin(
            FollowUpRow,
            and_(FollowUpRow.answer_id == AnswerRow.id, FollowUpRow.kind == FollowUpKind.REASON),
        )
        .where(kept)
    ).all()
    # Sorted here: databases differ in how they order text.
    ordered = sorted(rows, key=lambda row: (row[0].code, row[0].wave, row[1].position))
    shown = [ShownRow(person=person, presentation=row, answer=answer) for person, row, answer, _ in ordered]
    reasons = {answer.id: reason for _, _, answer, reason in ordered if reason}
    return _answer_set(study, design, shown, reasons, include_simulated)


def count_simulated_answers(session: Session, study: StudyRow) -> int:
    """Return how many answers an export without simulated participants leaves out."""
    return session.scalars(
        select(func.count())
        .select_from(PresentationRow)
        .join(ParticipantRow, ParticipantRow.id == PresentationRow.participant_id)
        .where(
            _kept(study, include_simulated=True),
            ParticipantRow.simulated,
            PresentationRow.position > 0,
            PresentationRow.answered > 0,
        )
    ).one()


def _kept(study: StudyRow, include_simulated: bool) -> ColumnElement[bool]:
    wanted = and_(ParticipantRow.study_id == study.id, ParticipantRow.state != ParticipantState.ERASED)
    return wanted if include_simulated else and_(wanted, ParticipantRow.simulated.is_(False))


def _people(session: Session, study: StudyRow, include_simulated: bool) -> list[ParticipantRow]:
    people = session.scalars(select(ParticipantRow).where(_kept(study, include_simulated)))
    return sorted(people, key=lambda person: (person.code, person.wave))


def _of_people(session: Session, kind: type[_Row], kept: ColumnElement[bool]) -> list[_Row]:
    """Return every row of a table that refers to a participant of the study."""
    return list(session.scalars(select(kind).join(ParticipantRow).where(kept)))


def _followed(session: Session, kept: ColumnElement[bool], given: Sequence[GivenRow]) -> list[FollowedRow]:
    by_answer: dict[int, list[FollowUpRow]] = {}
    for row in session.scalars(
        select(FollowUpRow)
        .join(AnswerRow, AnswerRow.id == FollowUpRow.answer_id)
        .join(PresentationRow, PresentationRow.id == AnswerRow.presentation_id)
        .join(ParticipantRow, ParticipantRow.id == PresentationRow.participant_id)
        .where(kept)
    ):
        by_answer.setdefault(row.answer_id, []).append(row)
    return [
        FollowedRow(given=row, follow_up=follow_up)
        for row in given
        for follow_up in sorted(by_answer.get(row.answer.id, ()), key=lambda f: f.kind.value)
    ]


def _chosen(
    session: Session,
    kept: ColumnElement[bool],
    by_id: Mapping[int, ParticipantRow],
    place: Mapping[int, int],
) -> list[ChosenRow]:
    rows = session.execute(
        select(ChoiceTaskRow, ChoiceTaskAnswerRow)
        .join(ParticipantRow, ParticipantRow.id == ChoiceTaskRow.participant_id)
        .outerjoin(ChoiceTaskAnswerRow, ChoiceTaskAnswerRow.choice_task_id == ChoiceTaskRow.id)
        .where(kept)
    ).all()
    chosen = [ChosenRow(person=by_id[task.participant_id], task=task, answer=answer) for task, answer in rows]
    return sorted(
        chosen,
        key=lambda row: (
            place[row.person.id],
            row.task.position,
            row.answer.revision if row.answer else 0,
        ),
    )


def _happened(
    session: Session,
    study: StudyRow,
    kept: ColumnElement[bool],
    by_id: Mapping[int, ParticipantRow],
    place: Mapping[int, int],
) -> list[HappenedRow]:
    of_study = session.scalars(
        select(EventRow)
        .where(
            EventRow.study_id == study.id,
            EventRow.participant_id.is_(None),
            EventRow.what.in_(STUDY_EVENTS),
        )
        .order_by(EventRow.id)
    )
    of_people = session.scalars(
        select(EventRow).join(ParticipantRow, ParticipantRow.id == EventRow.participant_id).where(kept)
    )
    own = [HappenedRow(person=by_id[event.participant_id or 0], event=event) for event in of_people]
    own.sort(key=lambda row: (place[row.event.participant_id or 0], row.event.id))
    return [*(HappenedRow(person=None, event=event) for event in of_study), *own]


def _with_attention(
    design: StudyDesign,
    people: Sequence[ParticipantRow],
    shown: Sequence[ShownRow],
    stated: Sequence[StatedRow],
) -> list[PersonRow]:
    answered: dict[int, list[Shown]] = {}
    for row in shown:
        if row.answer is not None:
            answered.setdefault(row.person.id, []).append(
                Shown(
                    presentation=presentation_of(design, row.presentation),
                    choice=row.answer.choice,
                    seconds=_sound_seconds(row.answer),
                )
            )
    understood: dict[int, list[str]] = {}
    for stated_row in stated:
        if stated_row.statement.section is Section.COMPREHENSION:
            understood.setdefault(stated_row.person.id, []).append(str(stated_row.statement.value))
    rows = []
    for person in people:
        attention = attention_of(answered.get(person.id, []))
        failed = failed_comprehension(design.comprehension, understood.get(person.id, []))
        rows.append(
            PersonRow(
                person=person,
                attention=attention,
                comprehension_failed=failed,
                excluded_by=excluded_by(
                    design.exclusions,
                    attention,
                    finished=person.state is ParticipantState.FINISHED,
                    comprehension_failed=failed,
                ),
            )
        )
    return rows


def _answer_set(
    study: StudyRow,
    design: StudyDesign,
    shown: Sequence[ShownRow],
    reasons: Mapping[int, str],
    include_simulated: bool,
) -> AnswerSet:
    # Each profile is read and checked once, however often it was shown.
    profiles: dict[tuple[object, ...], Profile] = {}

    def profile(values: Mapping[str, object]) -> Profile:
        key = tuple(values.items())
        if key not in profiles:
            profiles[key] = design.profile(values)
        return profiles[key]

    answers = [
        Answer(
            respondent=row.person.code,
            kind=RespondentKind.HUMAN,
            wave=row.person.wave,
            arm=row.person.arm or "",
            position=row.presentation.position,
            left=profile(row.presentation.left_values),
            right=profile(row.presentation.right_values),
            choice=row.answer.choice,
            indecision_offered=row.presentation.indecision_offered,
            design_hash=study.design_hash,
            role=row.presentation.role,
            reason=reasons.get(row.answer.id, ""),
            seconds=_sound_seconds(row.answer),
            seconds_missing=row.answer.client_seconds_problem,
            presented_at=row.presentation.served_at,
            answered_at=row.answer.answered_at,
        )
        for row in shown
        if row.answer is not None and row.presentation.position > 0
    ]
    kind = "with simulated participants" if include_simulated else "people only"
    return AnswerSet(
        attributes=design.attributes,
        answers=answers,
        source=f"study '{study.slug}' version {study.version} ({kind})",
    )


def _sound_seconds(answer: AnswerRow) -> float | None:
    return None if answer.client_seconds_problem else answer.client_seconds


def _erased(session: Session, study: StudyRow, include_simulated: bool) -> int:
    query = select(func.count(ParticipantRow.code.distinct())).where(
        ParticipantRow.study_id == study.id, ParticipantRow.state == ParticipantState.ERASED
    )
    if not include_simulated:
        query = query.where(ParticipantRow.simulated.is_(False))
    return session.scalars(query).one()
