"""From the database to what respondents said about attributes, and how it was coded, as an export tells it.

Everything stands in the order of pseudonyms. Suggestions are numbered in that order: the database's own numbers
would tell who came first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from survey.acceptability import Rating
from survey.coding.coding import Category, Coding
from survey.tables import (
    AttributePageAnswerRow,
    AttributePageRow,
    AttributeTask,
    CategoryRow,
    CodeRow,
    ImportedRespondentRow,
    ParticipantRow,
    StudyRow,
    SuggestionRow,
)

OPEN_TASKS = frozenset({AttributeTask.SHOULD, AttributeTask.SHOULD_NOT})
"""Pages that ask an open question; the others show a list of attributes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRow:
    """A page about attributes, with one of the answers stored for it; None: there is none (yet)."""

    person: ParticipantRow
    page: AttributePageRow
    answer: AttributePageAnswerRow | None
    entries: int | None
    """Suggestions on it that were not taken back; None where it asks for none."""

    @property
    def counts(self) -> bool:
        """Whether this is the answer that counts."""
        return self.answer is not None and self.answer.revision == self.page.answered


@dataclass(frozen=True, slots=True, kw_only=True)
class RatedRow:
    """What a participant said of one attribute of a list."""

    person: ParticipantRow
    attribute: str
    order: int
    """Place in the list as it was shown, from 1."""
    rated: bool
    """Whether the page of ratings was answered."""
    rating: Rating | None
    """None where it was left out, or the page was not answered."""
    ranked: bool | None
    """Whether the page of the ranking was answered; None where there was none."""
    place: int | None
    """In the ranking, 1 being the most important; None where it has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SuggestedRow:
    """One entry to an open question."""

    number: int
    """In this export, from 1."""
    person: ParticipantRow | None
    """None: it was imported."""
    suggestion: SuggestionRow
    position: int
    """Place among what the respondent said to this question, those taken back included, from 1."""

    @property
    def respondent(self) -> str:
        """Who said it: a pseudonym, or what the import says."""
        return self.person.code if self.person is not None else self.suggestion.respondent


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoryEntry:
    """A category with what stands for it now."""

    row: CategoryRow
    category: Category
    standing: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CodedRow:
    """One coder's word on one suggestion, whether it stands or was ended."""

    number: int
    """Of the suggestion, in this export."""
    code: CodeRow
    category: CategoryEntry | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributeData:
    """Everything about attributes that one study's export tells."""

    pages: Sequence[PageRow] = ()
    ratings: Sequence[RatedRow] = ()
    suggestions: Sequence[SuggestedRow] = ()
    imported: Sequence[ImportedRespondentRow] = ()
    """Whoever was asked elsewhere, also if nothing was named."""
    categories: Sequence[CategoryEntry] = ()
    codes: Sequence[CodedRow] = ()

    @property
    def has_suggestions(self) -> bool:
        """Whether anything was suggested or coded, here or elsewhere."""
        return bool(self.suggestions or self.imported or self.categories)


def attribute_data(
    session: Session,
    study: StudyRow,
    *,
    kept: ColumnElement[bool],
    people: Sequence[ParticipantRow],
    include_simulated: bool,
) -> AttributeData:
    """Read what a study's export tells about attributes.

    Parameters
    ----------
    kept
        Which participants are exported, as a condition on their table.
    people
        The same ones, in the order of the export.

    Raises
    ------
    CodingError
        Categories are merged into each other in a circle.
    """
    by_id = {person.id: person for person in people}
    suggestions = _suggestions(session, study, kept, by_id, include_simulated)
    pages = _pages(session, kept, people, suggestions)
    categories = _categories(session, study)
    return AttributeData(
        pages=pages,
        ratings=_ratings(pages),
        suggestions=suggestions,
        imported=_imported(session, study, include_simulated),
        categories=categories,
        codes=_codes(session, study, suggestions, categories),
    )


def _suggestions(
    session: Session,
    study: StudyRow,
    kept: ColumnElement[bool],
    by_id: Mapping[int, ParticipantRow],
    include_simulated: bool,
) -> list[SuggestedRow]:
    written = session.execute(
        select(SuggestionRow, AttributePageRow.participant_id)
        .join(AttributePageRow, AttributePageRow.id == SuggestionRow.page_id)
        .join(ParticipantRow, ParticipantRow.id == AttributePageRow.participant_id)
        .where(kept)
        .order_by(SuggestionRow.id)
    ).all()
    imports = select(SuggestionRow).where(SuggestionRow.study_id == study.id, SuggestionRow.page_id.is_(None))
    if not include_simulated:
        imports = imports.where(SuggestionRow.simulated.is_(False))
    found: list[tuple[SuggestionRow, ParticipantRow | None]] = [
        (suggestion, by_id[person]) for suggestion, person in written
    ]
    found += [(suggestion, None) for suggestion in session.scalars(imports.order_by(SuggestionRow.id))]
    places: Counter[tuple[object, ...]] = Counter()
    placed = []
    for suggestion, person in found:
        # Whose it is and which question it answers, so that each list is numbered by itself.
        name, wave = (person.code, person.wave) if person else (suggestion.respondent, 0)
        whose = (name, wave, suggestion.source, suggestion.kind.value, suggestion.stance.value)
        places[whose] += 1
        placed.append(((*whose, places[whose]), suggestion, person))
    placed.sort(key=lambda entry: entry[0])
    return [
        SuggestedRow(number=number, person=person, suggestion=suggestion, position=key[-1])
        for number, (key, suggestion, person) in enumerate(placed, start=1)
    ]


def _imported(session: Session, study: StudyRow, include_simulated: bool) -> list[ImportedRespondentRow]:
    query = select(ImportedRespondentRow).where(ImportedRespondentRow.study_id == study.id)
    if not include_simulated:
        query = query.where(ImportedRespondentRow.simulated.is_(False))
    return sorted(session.scalars(query), key=lambda row: (row.source, row.respondent))


def _pages(
    session: Session,
    kept: ColumnElement[bool],
    people: Sequence[ParticipantRow],
    suggestions: Sequence[SuggestedRow],
) -> list[PageRow]:
    entries = Counter(
        row.suggestion.page_id for row in suggestions if row.suggestion.removed_at is None and row.person
    )
    place = {person.id: number for number, person in enumerate(people)}
    rows = session.execute(
        select(AttributePageRow, AttributePageAnswerRow)
        .join(ParticipantRow, ParticipantRow.id == AttributePageRow.participant_id)
        .outerjoin(AttributePageAnswerRow, AttributePageAnswerRow.attribute_page_id == AttributePageRow.id)
        .where(kept)
    ).all()
    pages = [
        PageRow(
            person=people[place[page.participant_id]],
            page=page,
            answer=answer,
            entries=entries[page.id] if page.task in OPEN_TASKS else None,
        )
        for page, answer in rows
    ]
    return sorted(
        pages,
        key=lambda row: (
            place[row.person.id],
            row.page.position,
            row.answer.revision if row.answer else 0,
        ),
    )


def _ratings(pages: Sequence[PageRow]) -> list[RatedRow]:
    rankings = {row.person.id: row for row in pages if row.page.task is AttributeTask.RANK and _is_last(row)}
    found = []
    for row in pages:
        if row.page.task is not AttributeTask.RATE or not _is_last(row):
            continue
        ratings = row.answer.ratings if row.answer else {}
        ranking = rankings.get(row.person.id)
        places = {name: place for place, name in enumerate(_ranking(ranking), start=1)}
        found += [
            RatedRow(
                person=row.person,
                attribute=name,
                order=order,
                rated=row.answer is not None,
                rating=Rating(ratings[name]) if name in ratings else None,
                ranked=None if ranking is None else ranking.answer is not None,
                place=places.get(name),
            )
            for order, name in enumerate(row.page.attribute_order, start=1)
        ]
    return found


def _is_last(row: PageRow) -> bool:
    return row.answer is None or row.counts


def _ranking(row: PageRow | None) -> Sequence[str]:
    return row.answer.ranking if row is not None and row.answer is not None else ()


def _categories(session: Session, study: StudyRow) -> list[CategoryEntry]:
    rows = session.scalars(select(CategoryRow).where(CategoryRow.study_id == study.id)).all()
    names = {row.id: row.name for row in rows}
    categories = {
        row.name: Category(
            name=row.name,
            label=row.label,
            definition=row.definition,
            merged_into=names.get(row.merged_into_id or 0, ""),
            split_from=names.get(row.split_from_id or 0, ""),
            retired=row.retired_at is not None,
        )
        for row in rows
    }
    coding = Coding(
        study=study.slug,
        version=study.version,
        design_hash=study.design_hash,
        categories=tuple(categories.values()),
    )
    return [
        CategoryEntry(row=row, category=categories[row.name], standing=coding.standing(row.name))
        for row in sorted(rows, key=lambda row: row.name)
    ]


def _codes(
    session: Session,
    study: StudyRow,
    suggestions: Sequence[SuggestedRow],
    categories: Sequence[CategoryEntry],
) -> list[CodedRow]:
    numbers = {row.suggestion.id: row.number for row in suggestions}
    by_id = {entry.row.id: entry for entry in categories}
    rows = session.scalars(
        select(CodeRow)
        .join(SuggestionRow, SuggestionRow.id == CodeRow.suggestion_id)
        .where(SuggestionRow.study_id == study.id)
    )
    coded = [
        CodedRow(number=numbers[code.suggestion_id], code=code, category=by_id.get(code.category_id or 0))
        for code in rows
        # Those of simulated participants' suggestions stay where these stay.
        if code.suggestion_id in numbers
    ]
    return sorted(
        coded,
        key=lambda row: (
            row.number,
            row.code.kind.value,
            row.code.coder,
            row.code.added_at,
            row.code.outcome.value,
            row.category.category.name if row.category else "",
        ),
    )
