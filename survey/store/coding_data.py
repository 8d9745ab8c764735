"""A study's whole coding out of the database, as the object that everything about coding reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import String, select, true, type_coerce
from sqlalchemy.orm import Session

from survey.answers import RespondentKind
from survey.coding.coding import Asked, Code, CodeKind, Coding, Outcome, Suggestion
from survey.coding.repeats import model_of
from survey.questionnaire import PREFER_NOT_TO_SAY, QuestionKind
from survey.store.categories import CategoryIndex, index_of
from survey.store.studies import design_of
from survey.suggestions import Stance
from survey.tables import (
    AttributePageRow,
    AttributeTask,
    CodeRow,
    ImportedRespondentRow,
    ParticipantRow,
    ParticipantState,
    Section,
    StatementRow,
    StudyRow,
    SuggestionRow,
)

_STANCE_OF = {AttributeTask.SHOULD: Stance.SHOULD, AttributeTask.SHOULD_NOT: Stance.SHOULD_NOT}
_KINDS = {kind.value: kind for kind in CodeKind}
_OUTCOMES = {outcome.value: outcome for outcome in Outcome}
_RESPONDENTS = {kind.value: kind for kind in RespondentKind}
_STANCES = {stance.value: stance for stance in Stance}


def coding_of(session: Session, study: StudyRow, *, include_simulated: bool) -> Coding:
    """Read everything about the suggestions of one study.

    Asked is who went on from an open question, with something named or with nothing. Whoever has not gone on may
    not have read it, or may not be done: what is there already is read and coded, and counts once the person goes
    on. To count those alone who named something before they left would make every share too high.
    Somebody who prefers not to say something has stated nothing there. Erased people and what was taken
    back are left out. Where imported respondents are called alike in several sources, or like a participant, the
    source stands behind the name.
    """
    index = index_of(session, study)
    people = _participants(session, study, include_simulated)
    imported = _imported(session, study, include_simulated, taken={person.code for person in people.values()})
    suggestions = _suggestions(session, study, include_simulated, people, imported)
    return Coding(
        study=study.slug,
        version=study.version,
        design_hash=study.design_hash,
        categories=tuple(index.as_category(row) for row in index.rows.values()),
        suggestions=suggestions,
        codes=_codes(session, study, include_simulated, index),
        asked=_asked(session, study, people, imported),
    )


def coding_of_whom(session: Session, study: StudyRow, *, simulated: bool) -> Coding:
    """Read the coding of people and models, or, instead of people, of simulated participants.

    The two are never counted together. Models' suggestions stand beside either, to be compared with it.
    """
    whole = coding_of(session, study, include_simulated=simulated)
    if not simulated:
        return whole
    of_people = set(
        session.scalars(
            select(SuggestionRow.id).where(
                *_kept(study, include_simulated=False), SuggestionRow.kind == RespondentKind.HUMAN
            )
        )
    )
    return replace(
        whole,
        suggestions=tuple(s for s in whole.suggestions if s.id not in of_people),
        codes=tuple(code for code in whole.codes if code.suggestion not in of_people),
        asked=tuple(a for a in whole.asked if a.simulated or a.kind is RespondentKind.MODEL),
    )


@dataclass(slots=True)
class _Person:
    """A participant who was shown an open question."""

    code: str
    simulated: bool
    stances: set[Stance]
    """Those gone on from."""
    first_at: Any = None


@dataclass(frozen=True, slots=True)
class _Imported:
    """Who was asked elsewhere."""

    name: str
    """As it stands in the coding."""
    kind: RespondentKind
    simulated: bool
    stances: frozenset[Stance]
    stated: Mapping[str, tuple[str, ...]]
    place: int


def _participants(session: Session, study: StudyRow, include_simulated: bool) -> dict[int, _Person]:
    found: dict[int, _Person] = {}
    for id_, code, simulated, task, answered, at in session.execute(
        select(
            ParticipantRow.id,
            ParticipantRow.code,
            ParticipantRow.simulated,
            AttributePageRow.task,
            AttributePageRow.answered,
            AttributePageRow.answered_at,
        )
        .join(AttributePageRow, AttributePageRow.participant_id == ParticipantRow.id)
        .where(
            ParticipantRow.study_id == study.id,
            ParticipantRow.state != ParticipantState.ERASED,
            AttributePageRow.task.in_(tuple(_STANCE_OF)),
            true() if include_simulated else ParticipantRow.simulated.is_(False),
        )
        .order_by(ParticipantRow.id)
    ):
        person = found.setdefault(id_, _Person(code=code, simulated=simulated, stances=set()))
        if answered:
            person.stances.add(_STANCE_OF[task])
            person.first_at = at if person.first_at is None else min(person.first_at, at)
    return found


def _imported(
    session: Session, study: StudyRow, include_simulated: bool, *, taken: set[str]
) -> dict[tuple[str, str], _Imported]:
    rows = session.scalars(
        select(ImportedRespondentRow)
        .where(
            ImportedRespondentRow.study_id == study.id,
            true() if include_simulated else ImportedRespondentRow.simulated.is_(False),
        )
        .order_by(ImportedRespondentRow.id)
    ).all()
    times = Counter(row.respondent for row in rows)
    # Places in the order of answering compare only with others of the same source.
    is_one_source = not taken and len({row.source for row in rows if row.place}) == 1
    return {
        (row.source, row.respondent): _Imported(
            name=(
                row.respondent
                if times[row.respondent] == 1 and row.respondent not in taken
                else _with_source(row.respondent, row.source)
            ),
            kind=row.kind,
            simulated=row.simulated,
            stances=frozenset(_STANCES[word] for word in row.stances),
            # Without numbers and text, as of participants: nobody is grouped by them.
            stated={question: tuple(said) for question, said in row.stated.items() if isinstance(said, list)},
            place=row.place if is_one_source else 0,
        )
        for row in rows
    }


def _with_source(respondent: str, source: str) -> str:
    """Return a name with where it is from; the number of a model's repeat stays at the end."""
    model = model_of(respondent)
    return f"{model} ({source}){respondent.removeprefix(model)}"


def _suggestions(
    session: Session,
    study: StudyRow,
    include_simulated: bool,
    people: Mapping[int, _Person],
    imported: Mapping[tuple[str, str], _Imported],
) -> tuple[Suggestion, ...]:
    # Enumerations as text: converting row by row would take as long as everything else.
    rows: Iterable[Any] = session.execute(
        select(
            SuggestionRow.id,
            AttributePageRow.participant_id,
            SuggestionRow.source,
            SuggestionRow.respondent,
            type_coerce(SuggestionRow.kind, String),
            type_coerce(SuggestionRow.stance, String),
            SuggestionRow.text,
            SuggestionRow.why,
            SuggestionRow.direction,
            SuggestionRow.language,
            SuggestionRow.alike,
        )
        .outerjoin(AttributePageRow, AttributePageRow.id == SuggestionRow.page_id)
        .where(*_kept(study, include_simulated))
        .order_by(SuggestionRow.id)
    )
    found = []
    for id_, participant, source, respondent, kind, stance, text, why, direction, language, alike in rows:
        name = imported[source, respondent].name if participant is None else people[participant].code
        found.append(
            Suggestion(
                id=id_,
                respondent=name,
                kind=_RESPONDENTS[kind],
                stance=_STANCES[stance],
                text=text,
                why=why,
                direction=direction,
                language=language,
                group=alike,
            )
        )
    return tuple(found)


def _codes(
    session: Session, study: StudyRow, include_simulated: bool, index: CategoryIndex
) -> tuple[Code, ...]:
    names = {id_: row.name for id_, row in index.rows.items()}
    rows = session.execute(
        select(
            CodeRow.suggestion_id,
            type_coerce(CodeRow.kind, String),
            CodeRow.coder,
            type_coerce(CodeRow.outcome, String),
            CodeRow.category_id,
            CodeRow.added_at,
        )
        .join(SuggestionRow, SuggestionRow.id == CodeRow.suggestion_id)
        .where(*_kept(study, include_simulated), CodeRow.removed_at.is_(None))
    )
    found = [
        (suggestion, kind, coder, outcome, "" if category is None else names[category], at)
        for suggestion, kind, coder, outcome, category, at in rows
    ]
    # Sorted here: databases differ in how they order text.
    found.sort(key=lambda row: row[:5])
    return tuple(
        Code(
            suggestion=suggestion,
            kind=_KINDS[kind],
            coder=coder,
            outcome=_OUTCOMES[outcome],
            category=category,
            at=at,
        )
        for suggestion, kind, coder, outcome, category, at in found
    )


def _kept(study: StudyRow, include_simulated: bool) -> Sequence[Any]:
    kept = [SuggestionRow.study_id == study.id, SuggestionRow.removed_at.is_(None)]
    return kept if include_simulated else [*kept, SuggestionRow.simulated.is_(False)]


def _asked(
    session: Session,
    study: StudyRow,
    people: Mapping[int, _Person],
    imported: Mapping[tuple[str, str], _Imported],
) -> tuple[Asked, ...]:
    answered = [(person.first_at, id_, person) for id_, person in people.items() if person.stances]
    answered.sort(key=lambda row: row[:2])
    stated = _stated(session, study)
    found = [
        Asked(
            respondent=person.code,
            kind=RespondentKind.HUMAN,
            simulated=person.simulated,
            stances=frozenset(person.stances),
            stated=stated.get(id_, {}),
            order=place,
        )
        for place, (_, id_, person) in enumerate(answered, start=1)
    ]
    found += (
        Asked(
            respondent=one.name,
            kind=one.kind,
            simulated=one.simulated,
            stances=one.stances,
            stated=one.stated,
            order=one.place,
        )
        for one in imported.values()
        if one.stances
    )
    return tuple(sorted(found, key=lambda asked: asked.respondent))


def _stated(session: Session, study: StudyRow) -> dict[int, dict[str, tuple[str, ...]]]:
    """Return participant id -> question -> names of the options chosen, for questions that offer options."""
    design = design_of(study)
    offered = {
        (section, question.name)
        for section, questions in (
            (Section.SCREENER, design.screener),
            (Section.DEMOGRAPHICS, design.demographics),
        )
        for question in questions
        if question.kind in (QuestionKind.CHOICE, QuestionKind.SEVERAL)
    }
    found: dict[int, dict[str, tuple[str, ...]]] = {}
    for participant, section, question, value in session.execute(
        select(StatementRow.participant_id, StatementRow.section, StatementRow.question, StatementRow.value)
        .join(ParticipantRow, ParticipantRow.id == StatementRow.participant_id)
        .where(
            ParticipantRow.study_id == study.id,
            StatementRow.section.in_((Section.SCREENER, Section.DEMOGRAPHICS)),
            StatementRow.attempt == 1,
        )
        .order_by(StatementRow.section, StatementRow.question)
    ):
        if (section, question) not in offered or value == PREFER_NOT_TO_SAY:
            continue
        chosen = value if isinstance(value, list) else [value]
        found.setdefault(participant, {})[question] = tuple(str(name) for name in chosen)
    return found
