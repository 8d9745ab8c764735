"""Suggestions collected elsewhere, brought into a study with those who were asked: all or nothing, and the same
data twice add nothing. Codebooks and codes: ``coding_imports``."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from survey.answers import RespondentKind
from survey.coding.spreadsheet import shown
from survey.coding.stated_columns import Said, said_words, says_nothing
from survey.questionnaire import Stated
from survey.store.code_rows import batches
from survey.store.coding_imports import (
    BadImport,
    CategoriesImported,
    CodesImported,
    Complaint,
    import_categories,
    import_codes,
)
from survey.store.events import log_event
from survey.store.studies import lock_study
from survey.suggestions import LONGEST_WHY, Stance, as_written
from survey.tables import ImportedRespondentRow, ParticipantRow, StudyRow, SuggestionRow

__all__ = [
    "BadImport",
    "CategoriesImported",
    "CodesImported",
    "Complaint",
    "ImportSummary",
    "ImportedRespondent",
    "ImportedSuggestion",
    "import_categories",
    "import_codes",
    "import_suggestions",
]

LONGEST_RESPONDENT = 100
LONGEST_SOURCE = 200
STATED = "stated."
"""Stands before a question's name where a complaint is about what somebody states."""
LONGEST_IMPORTED = LONGEST_WHY
"""Characters of an imported suggestion: elsewhere people may have had more room than on our page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedSuggestion:
    """One entry of somebody who was asked elsewhere, or of a model."""

    respondent: str
    """What the source calls who said it; the same in every entry of one respondent."""
    kind: RespondentKind
    stance: Stance
    text: str
    why: str = ""
    direction: str = ""
    language: str = ""
    number: int = 0
    """Tells entries with the same words of one respondent apart, e.g. the place in the respondent's list."""
    group: int | None = None
    """Number of its group of look-alikes, if they were grouped there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedRespondent:
    """Somebody who was asked elsewhere, whether anything was named or not."""

    respondent: str
    kind: RespondentKind
    stances: frozenset[Stance]
    """The questions that were answered, also with nothing. Empty: what was named was not gone on from."""
    stated: Mapping[str, Said] = field(default_factory=dict)
    """What was said of oneself, by question."""
    order: int = 0
    """Place in which respondents answered, from 1; 0: not known."""
    simulated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportSummary:
    """What an import did."""

    added: int
    """Suggestions that were not there before."""
    already_there: int
    respondents_added: int
    """Respondents that were not there before, those who named nothing among them."""
    respondents_completed: int
    """Respondents that were there, and who state more of themselves now."""
    ids: tuple[int, ...]
    """The id of each entry's suggestion, in the order of the entries, whether it was there or not."""


def import_suggestions(
    session: Session,
    study: StudyRow,
    entries: Sequence[ImportedSuggestion],
    *,
    source: str,
    asked: Sequence[ImportedRespondent] = (),
    now: datetime,
    actor: str,
) -> ImportSummary:
    """Add suggestions collected elsewhere, and who was asked there. An entry of the same source, respondent,
    stance, number and words is there already, and is left as it is.

    Parameters
    ----------
    source
        Where they are from, e.g. the file's name: the same at every import of the same data.
    asked
        Who was asked, with those who named nothing: shares are shares of them. What somebody named beside the
        stances told here does not count. A respondent who stands only in ``entries`` counts as asked for the
        stances named there. What somebody states who is there already is added to what was stated before, and may
        not contradict it.

    Raises
    ------
    BadImport
        Naming every row that cannot be stored, counted through ``entries`` and, for ``asked``, through that.
    """
    lock_study(session, study)
    known = _respondents_of(session, study, source)
    complaints = [
        *_wrong_source(source),
        *_wrong_entries(entries),
        *_wrong_respondents(entries, asked),
        *_participants_among(session, study, entries, asked),
        *_contradictions(known, asked, source),
    ]
    if complaints:
        raise BadImport(complaints)
    before = _answered_by_models(known)
    simulated, respondents_added, completed = _store_respondents(
        session, study, entries, asked, source, known, now=now
    )
    keys = [_key(study, source, entry) for entry in entries]
    there = _ids_of(session, keys)
    new: dict[str, dict[str, object]] = {}
    for key, entry in zip(keys, entries, strict=True):
        if key not in there and key not in new:
            new[key] = _suggestion_values(
                study, source, key, entry, simulated=simulated[entry.respondent], now=now
            )
    twice = [
        Complaint(
            row,
            "respondent",
            f"'{entry.respondent}' has answered this question in other words already: a repeat answers once. "
            "Import another run of the model under a source of its own",
        )
        for row, (key, entry) in enumerate(zip(keys, entries, strict=True), start=1)
        if key in new and (entry.respondent, entry.stance.value) in before
    ]
    if twice:
        raise BadImport(twice)
    if new:
        session.execute(insert(SuggestionRow), list(new.values()))
        there |= _ids_of(session, list(new))
    if new or respondents_added or completed:
        log_event(
            session,
            study,
            None,
            "coding: suggestions imported",
            now=now,
            actor=actor,
            source=source,
            added=len(new),
            already_there=len(entries) - len(new),
            respondents_added=respondents_added,
            **({"respondents_completed": completed} if completed else {}),
        )
    return ImportSummary(
        added=len(new),
        already_there=len(entries) - len(new),
        respondents_added=respondents_added,
        respondents_completed=completed,
        ids=tuple(there[key] for key in keys),
    )


def _respondents_of(session: Session, study: StudyRow, source: str) -> dict[str, ImportedRespondentRow]:
    rows = session.scalars(
        select(ImportedRespondentRow).where(
            ImportedRespondentRow.study_id == study.id, ImportedRespondentRow.source == source
        )
    )
    return {row.respondent: row for row in rows}


def _answered_by_models(known: Mapping[str, ImportedRespondentRow]) -> set[tuple[str, str]]:
    """Return (respondent, stance) of every question that a model's repeat of this source has answered."""
    return {
        (row.respondent, stance)
        for row in known.values()
        if row.kind is RespondentKind.MODEL
        for stance in row.stances
    }


def _key(study: StudyRow, source: str, entry: ImportedSuggestion) -> str:
    parts = [study.id, source, entry.respondent, entry.stance.value, entry.number, as_written(entry.text)]
    return hashlib.sha256(json.dumps(parts, ensure_ascii=True).encode()).hexdigest()


def _suggestion_values(
    study: StudyRow, source: str, key: str, entry: ImportedSuggestion, *, simulated: bool, now: datetime
) -> dict[str, object]:
    return {
        "study_id": study.id,
        "page_id": None,
        "key": key,
        "respondent": entry.respondent,
        "kind": entry.kind,
        "simulated": simulated,
        "stance": entry.stance,
        "text": as_written(entry.text),
        "why": as_written(entry.why),
        "direction": as_written(entry.direction),
        "language": entry.language,
        "source": source,
        "alike": entry.group,
        "at": now,
        "removed_at": None,
    }


def _ids_of(session: Session, keys: Sequence[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for some in batches(keys):
        query = select(SuggestionRow.key, SuggestionRow.id).where(SuggestionRow.key.in_(some))
        found |= {row.key: row.id for row in session.execute(query)}
    return found


def _store_respondents(
    session: Session,
    study: StudyRow,
    entries: Sequence[ImportedSuggestion],
    asked: Sequence[ImportedRespondent],
    source: str,
    known: Mapping[str, ImportedRespondentRow],
    *,
    now: datetime,
) -> tuple[dict[str, bool], int, int]:
    """Store who was asked; return whether each is simulated, how many were not there, and of how many that were
    more is stated now."""
    kinds = {entry.respondent: entry.kind for entry in entries} | {one.respondent: one.kind for one in asked}
    stances: dict[str, set[Stance]] = {}
    for entry in entries:
        stances.setdefault(entry.respondent, set()).add(entry.stance)
    told = {one.respondent: one for one in asked}
    added = completed = 0
    simulated = {}
    for name, kind in kinds.items():
        one, row = told.get(name), known.get(name)
        answered = set(one.stances) if one else stances[name]
        stated = {question: _kept(said) for question, said in (one.stated if one else {}).items()}
        if row is None:
            row = ImportedRespondentRow(
                study_id=study.id,
                source=source,
                respondent=name,
                kind=kind,
                simulated=one.simulated if one else False,
                stances=sorted(answered),
                stated=stated,
                place=one.order if one else 0,
                at=now,
            )
            session.add(row)
            added += 1
        else:
            if not answered <= {Stance(word) for word in row.stances}:
                # A later import may hold the answers to the other question.
                row.stances = sorted({*row.stances, *answered})
            more = {question: said for question, said in stated.items() if not says_nothing(said)}
            if more.keys() - {question for question, said in row.stated.items() if not says_nothing(said)}:
                row.stated = row.stated | more
                completed += 1
        simulated[name] = row.simulated
    session.flush()
    return simulated, added, completed


def _wrong_source(source: str) -> list[Complaint]:
    if source.strip() and len(source) <= LONGEST_SOURCE:
        return []
    return [
        Complaint(0, "source", f"say where the suggestions are from, in at most {LONGEST_SOURCE} characters")
    ]


def _wrong_entries(entries: Sequence[ImportedSuggestion]) -> Iterable[Complaint]:
    for row, entry in enumerate(entries, start=1):
        text = as_written(entry.text)
        if not text:
            yield Complaint(
                row, "text", "names nothing; say who was asked and named nothing among the respondents"
            )
        for column, words in (
            ("text", text),
            ("why", as_written(entry.why)),
            ("direction", as_written(entry.direction)),
        ):
            if len(words) > LONGEST_IMPORTED:
                yield Complaint(row, column, f"has {len(words)} characters; {LONGEST_IMPORTED} are the most")
        if len(entry.language) > 35:
            yield Complaint(row, "language", f"{entry.language[:50]!r} is no language tag such as 'en'")


def _both(
    asked: Sequence[ImportedRespondent], entries: Sequence[ImportedSuggestion]
) -> tuple[Sequence[ImportedRespondent | ImportedSuggestion], ...]:
    return asked, entries


def _wrong_respondents(
    entries: Sequence[ImportedSuggestion], asked: Sequence[ImportedRespondent]
) -> Iterable[Complaint]:
    kinds: dict[str, RespondentKind] = {}
    named: set[str] = set()
    for rows in _both(asked, entries):
        for row, one in enumerate(rows, start=1):
            name = one.respondent
            if not name.strip() or name != as_written(name) or len(name) > LONGEST_RESPONDENT:
                yield Complaint(
                    row,
                    "respondent",
                    f"{name[:LONGEST_RESPONDENT]!r} is no name; write 1 to {LONGEST_RESPONDENT} characters "
                    "without space at the ends",
                )
            if kinds.setdefault(name, one.kind) is not one.kind:
                yield Complaint(
                    row, "kind", f"'{name}' is a {kinds[name]} in another row and a {one.kind} here"
                )
            if isinstance(one, ImportedRespondent):
                if name in named:
                    yield Complaint(row, "respondent", f"'{name}' is there twice")
                named.add(name)


def _contradictions(
    known: Mapping[str, ImportedRespondentRow], asked: Sequence[ImportedRespondent], source: str
) -> Iterable[Complaint]:
    for number, one in enumerate(asked, start=1):
        row = known.get(one.respondent)
        for question, said in one.stated.items() if row else ():
            before = row.stated.get(question, []) if row else []
            if says_nothing(before) or says_nothing(said) or _compared(before) == _compared(said):
                continue
            yield Complaint(
                number,
                f"{STATED}{question}",
                f"'{one.respondent}' of '{source}' has stated {_told(before)} in an earlier import, and "
                f"{_told(said, another=True)} here; correct it, or remove the earlier import first",
            )


def _told(said: Said | Stated, *, another: bool = False) -> str:
    """Return what was stated for a message, which may land in a log: text may tell who somebody is."""
    if isinstance(said, str):
        return "another text" if another else "a text"
    return shown(said_words(said))


def _kept(said: Said) -> Stated:
    """Return what somebody stated as the database keeps it, which has no tuples."""
    return list(said) if isinstance(said, tuple) else said


def _compared(said: Said | Stated) -> object:
    return set(said) if isinstance(said, tuple | list) else said


def _participants_among(
    session: Session,
    study: StudyRow,
    entries: Sequence[ImportedSuggestion],
    asked: Sequence[ImportedRespondent],
) -> Iterable[Complaint]:
    codes = set(session.scalars(select(ParticipantRow.code).where(ParticipantRow.study_id == study.id)))
    for rows in _both(asked, entries):
        for row, one in enumerate(rows, start=1):
            if one.respondent in codes:
                yield Complaint(
                    row,
                    "respondent",
                    f"'{one.respondent}' took part in this study itself, so that the suggestions are here already",
                )
