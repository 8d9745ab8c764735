"""Codebooks and codes made elsewhere, brought into a study: all or nothing, and the same rows twice add nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from survey.coding.coding import Category, Code, CodeKind, CodingError, Outcome
from survey.store.category_index import (
    CategoryIndex,
    CodingConflict,
    checked_definition,
    checked_label,
    checked_name,
    index_of,
)
from survey.store.code_rows import (
    LONGEST_CODER,
    Word,
    code_values,
    end_codes,
    lock_suggestions,
    standing_codes,
)
from survey.store.events import log_event
from survey.store.studies import lock_study
from survey.suggestions import folded
from survey.tables import CategoryRow, CodeRow, StudyRow, SuggestionRow

MOST_COMPLAINTS = 100


@dataclass(frozen=True, slots=True)
class Complaint:
    """What is wrong with one row of what is to be imported."""

    row: int
    """From 1, in the order given; 0: no row in particular."""
    column: str
    """Name of the field."""
    text: str

    def __str__(self) -> str:
        where = f"row {self.row}, " if self.row else ""
        return f"{where}{self.column}: {self.text}"


class BadImport(CodingError):
    """Rows that cannot be imported; nothing was. ``complaints`` holds the first hundred of them."""

    def __init__(self, complaints: Sequence[Complaint]) -> None:
        self.complaints = tuple(complaints[:MOST_COMPLAINTS])
        more = len(complaints) - len(self.complaints)
        lines = [str(complaint) for complaint in self.complaints] + ([f"and {more} more"] if more else [])
        super().__init__("nothing was imported:\n" + "\n".join(f"  {line}" for line in lines))


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoriesImported:
    """What the import of a codebook did."""

    added: int
    reworded: int
    already_there: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CodesImported:
    """What the import of codes did."""

    added: int
    """Codes that did not stand before."""
    ended: int
    """Codes that stood and that their coder's rows do not repeat."""
    already_there: int


def import_categories(
    session: Session, study: StudyRow, categories: Sequence[Category], *, now: datetime, actor: str
) -> CategoriesImported:
    """Add a codebook's categories, merged and retired ones as they are there. Of a category that the study has, the
    label and the definition are taken over, and nothing else may differ.

    Raises
    ------
    BadImport
        Naming every category that cannot be added, or that is merged, split or retired here and there differently.
    """
    lock_study(session, study)
    index = index_of(session, study)
    complaints = _wrong_categories(index, categories)
    if complaints:
        raise BadImport(complaints)
    added, reworded = [], {}
    rows = dict(index.by_name)
    for category in categories:
        label, definition = checked_label(category.label), checked_definition(category.definition)
        row = rows.get(category.name)
        if row is None:
            row = CategoryRow(
                study_id=study.id,
                name=category.name,
                label=label,
                definition=definition,
                merged_into_id=None,
                split_from_id=None,
                created_at=now,
                created_by=actor,
                retired_at=now if category.retired else None,
            )
            session.add(row)
            # One by one, so that their order stays.
            session.flush()
            rows[category.name] = row
            added.append(category)
        elif (row.label, row.definition) != (label, definition):
            reworded[row.name] = {"label": row.label, "definition": row.definition}
            row.label, row.definition = label, definition
    for category in added:
        row = rows[category.name]
        row.merged_into_id = rows[category.merged_into].id if category.merged_into else None
        row.split_from_id = rows[category.split_from].id if category.split_from else None
    session.flush()
    if added or reworded:
        log_event(
            session,
            study,
            None,
            "coding: categories imported",
            now=now,
            actor=actor,
            added=[category.name for category in added],
            before=reworded,
        )
    return CategoriesImported(
        added=len(added),
        reworded=len(reworded),
        already_there=len(categories) - len(added) - len(reworded),
    )


def import_codes(
    session: Session, study: StudyRow, codes: Sequence[Code], *, now: datetime, actor: str
) -> CodesImported:
    """Set what coders say by rows that were coded elsewhere. Of each suggestion and coder that ``codes`` names, the
    rows are all that the coder says of it; others stay untouched. Times are kept where rows have them.

    Categories may be merged or retired: rows may be older than the codebook, and keep the category they name.

    Raises
    ------
    BadImport
        Naming every row with a suggestion, category or time that cannot be, or that contradicts another.
    """
    index = index_of(session, study)
    complaints = _wrong_codes(session, study, index, codes, now)
    if complaints:
        raise BadImport(complaints)
    wanted: dict[tuple[CodeKind, str], dict[int, dict[Word, datetime]]] = {}
    for code in codes:
        word: Word = code.outcome if not code.category else index.by_name[code.category].id
        said = wanted.setdefault((code.kind, code.coder), {}).setdefault(code.suggestion, {})
        said.setdefault(word, code.at or now)
    lock_suggestions(session, study, sorted({code.suggestion for code in codes}))
    added = ended = already_there = 0
    for (kind, coder), by_suggestion in sorted(wanted.items()):
        ids = sorted(by_suggestion)
        there = standing_codes(session, ids, kind, coder)
        gone: list[int] = []
        new = []
        for id_ in ids:
            words = by_suggestion[id_]
            gone += [code.id for code in there.get(id_, ()) if code.word not in words]
            kept = {code.word for code in there.get(id_, ())} & set(words)
            already_there += len(kept)
            new += [
                code_values(id_, word, kind, coder, now=at, actor=actor)
                for word, at in words.items()
                if word not in kept
            ]
        end_codes(session, gone, now=now, actor=actor)
        if new:
            session.execute(insert(CodeRow), new)
        added, ended = added + len(new), ended + len(gone)
    if added or ended:
        log_event(
            session,
            study,
            None,
            "coding: codes imported",
            now=now,
            actor=actor,
            coders=sorted({coder or "adjudication" for _, coder in wanted}),
            codes_added=added,
            codes_ended=ended,
            already_there=already_there,
        )
    return CodesImported(added=added, ended=ended, already_there=already_there)


def _wrong_categories(index: CategoryIndex, categories: Sequence[Category]) -> list[Complaint]:
    complaints: list[Complaint] = []
    seen: dict[str, Category] = {}
    for row, category in enumerate(categories, start=1):
        for column, check, value in (
            ("name", checked_name, category.name),
            ("label", checked_label, category.label),
            ("definition", checked_definition, category.definition),
        ):
            try:
                check(value)
            except CodingConflict as error:
                complaints.append(Complaint(row, column, str(error)))
        if category.name in seen:
            complaints.append(Complaint(row, "name", f"'{category.name}' is there twice"))
        seen.setdefault(category.name, category)
    names = {*index.by_name, *seen}
    for row, category in enumerate(categories, start=1):
        for column, name in (("merged_into", category.merged_into), ("split_from", category.split_from)):
            if name and name not in names:
                complaints.append(Complaint(row, column, f"there is no category '{name}'"))
        if there := index.by_name.get(category.name):
            here = index.as_category(there)
            for column in ("merged_into", "split_from", "retired"):
                mine, theirs = getattr(here, column), getattr(category, column)
                if mine != theirs:
                    said = f"is {theirs!r} in what is imported and {mine!r} in the study"
                    complaints.append(Complaint(row, column, f"'{category.name}' {said}; change one of them"))
    if not complaints:
        complaints += _wrong_together(index, categories)
    return complaints


def _wrong_together(index: CategoryIndex, categories: Sequence[Category]) -> Iterable[Complaint]:
    """Find merges in a circle, and labels that two categories have which coders are offered."""
    all_ = {name: index.as_category(row) for name, row in index.by_name.items()}
    all_ |= {category.name: category for category in categories}
    rows = {category.name: row for row, category in enumerate(categories, start=1)}
    for name, row in rows.items():
        here, seen = name, {name}
        while into := all_[here].merged_into:
            if into in seen:
                yield Complaint(
                    row, "merged_into", f"'{name}' is merged in a circle: {', '.join(sorted(seen))}"
                )
                break
            seen.add(into)
            here = into
    labels: dict[str, str] = {}
    for name, category in all_.items():
        if category.merged_into or category.retired:
            continue
        other = labels.setdefault(folded(checked_label(category.label)), name)
        if other != name:
            row = rows.get(name) or rows[other]
            yield Complaint(row, "label", f"'{other}' and '{name}' have the same label '{category.label}'")


def _wrong_codes(
    session: Session, study: StudyRow, index: CategoryIndex, codes: Sequence[Code], now: datetime
) -> list[Complaint]:
    kept = (SuggestionRow.study_id == study.id, SuggestionRow.removed_at.is_(None))
    suggestions = set(session.scalars(select(SuggestionRow.id).where(*kept)))
    complaints: list[Complaint] = []
    outcomes: dict[tuple[int, CodeKind, str], Outcome] = {}
    for row, code in enumerate(codes, start=1):
        if code.suggestion not in suggestions:
            complaints.append(Complaint(row, "suggestion", f"the study has no suggestion {code.suggestion}"))
        if (code.kind is CodeKind.ADJUDICATED) == bool(code.coder.strip()) or len(code.coder) > LONGEST_CODER:
            rule = f"name who codes, in at most {LONGEST_CODER} characters; nobody for what is adjudicated"
            complaints.append(Complaint(row, "coder", rule))
        if (code.outcome is Outcome.CATEGORY) != bool(code.category):
            rule = "goes with the outcome 'category', and with no other"
            complaints.append(Complaint(row, "category", rule))
        elif code.category and code.category not in index.by_name:
            complaints.append(Complaint(row, "category", f"there is no category '{code.category}'"))
        if code.at is not None and (code.at.tzinfo is None or code.at > now):
            complaints.append(Complaint(row, "at", "has no time zone, or is yet to come"))
        before = outcomes.setdefault((code.suggestion, code.kind, code.coder), code.outcome)
        if before is not code.outcome:
            said = (
                f"'{before}' and '{code.outcome}' of the same suggestion by the same coder; only one can be"
            )
            complaints.append(Complaint(row, "outcome", said))
    return complaints
