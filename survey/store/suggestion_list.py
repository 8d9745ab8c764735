"""A study's suggestions as coders read them, page by page, with what is said of each.

Nothing here tells who made a suggestion. What was taken back, or belonged to somebody who was erased, is not there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from survey.answers import RespondentKind
from survey.coding.coding import CodeKind, Outcome
from survey.store.category_index import CategoryIndex, index_of
from survey.store.code_rows import NoSuchSuggestion
from survey.store.suggestion_order import Order, ids_in_order
from survey.store.suggestion_query import LONGEST_SEARCH, CodingState, Fitting, in_state
from survey.suggestions import Stance, folded
from survey.tables import CodeRow, StudyRow, SuggestionRow

__all__ = [
    "LARGEST_PAGE",
    "LONGEST_SEARCH",
    "PAGE_SIZE",
    "CodingProgress",
    "CodingState",
    "GivenCode",
    "ListedSuggestion",
    "Order",
    "SuggestionsPage",
    "coding_progress",
    "listed_suggestion",
    "next_suggestion",
    "suggestion_ids",
    "suggestions_page",
]

PAGE_SIZE = 50
LARGEST_PAGE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenCode:
    """What somebody says of a suggestion, as it stands."""

    kind: CodeKind
    coder: str
    outcome: Outcome
    category: str = ""
    """Name of the category as it was given; empty for other outcomes."""
    standing: str = ""
    """Name of the category that stands for it now."""
    label: str = ""
    """That category's label."""
    retired: bool = False
    """Whether that category has been retired, so that this is to code again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedSuggestion:
    """A suggestion with what is said of it."""

    id: int
    kind: RespondentKind
    simulated: bool
    stance: Stance
    text: str
    why: str
    direction: str
    language: str
    alike: int | None
    """Number of its group of look-alikes; None: never grouped."""
    alike_count: int
    """Suggestions in that group that this study has, this one among them; 1 where it was never grouped."""
    own: tuple[GivenCode, ...] = ()
    """What the coder named says."""
    codes: tuple[GivenCode, ...] = ()
    """What everybody says, models and adjudication among them; empty unless it was asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SuggestionsPage:
    """Some of the suggestions that fit."""

    rows: tuple[ListedSuggestion, ...]
    total: int
    """Suggestions that fit, on all pages."""
    page: int
    """From 1; the last page where a later one was asked for."""
    pages: int
    """At least 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CodingProgress:
    """How many of a study's suggestions are how far, of one coder or of all."""

    total: int
    to_code: int
    to_code_again: int
    coded: int
    differ: int
    settled: int


def suggestions_page(
    session: Session,
    study: StudyRow,
    *,
    search: str = "",
    stance: Stance | None = None,
    category: str = "",
    outcome: Outcome | None = None,
    state: CodingState = CodingState.ALL,
    coder: str | None = None,
    kind: RespondentKind | None = None,
    alike: int | None = None,
    simulated: bool | None = False,
    order: Order = Order.ARRIVAL,
    page: int = 1,
    size: int = PAGE_SIZE,
    with_codes: bool = False,
) -> SuggestionsPage:
    """Return one page of the suggestions that fit everything given.

    Parameters
    ----------
    search
        Words that must stand, one after another, in the text, the direction or the why; in any alphabet, upper and
        lower case alike. ``%`` and ``_`` are themselves.
    category
        Name of a category: put there, or into one merged into it, by ``coder``; without a coder by anybody, models
        left out.
    outcome
        What was said in place of a category, by the same as ``category``.
    coder
        Whose codes are the rows' own, whose ``state`` it is, and in whose order they are shuffled.
    kind
        Only people's, or only models' suggestions.
    alike
        Only this group of look-alikes.
    simulated
        People's and imported ones (False), simulated participants' (True), or both (None).
    with_codes
        Whether the rows carry everybody's codes: never for somebody who still codes.

    Raises
    ------
    NoSuchCategory
        ``category`` names none.
    """
    index = index_of(session, study)
    fitting = Fitting(
        search=search,
        stance=stance,
        category=category,
        outcome=outcome,
        state=state,
        coder=coder,
        kind=kind,
        alike=alike,
        simulated=simulated,
    )
    fits = fitting.conditions(study, index)
    size = max(1, min(size, LARGEST_PAGE))
    total = session.scalars(select(func.count()).select_from(SuggestionRow).where(*fits)).one()
    pages = max(1, -(-total // size))
    page = max(1, min(page, pages))
    ids = (
        ids_in_order(session, study, fits, order, coder=coder, offset=(page - 1) * size, limit=size)
        if total
        else []
    )
    return SuggestionsPage(
        rows=_listed(session, study, index, ids, coder, with_codes=with_codes),
        total=total,
        page=page,
        pages=pages,
    )


def suggestion_ids(
    session: Session,
    study: StudyRow,
    *,
    search: str = "",
    stance: Stance | None = None,
    category: str = "",
    outcome: Outcome | None = None,
    state: CodingState = CodingState.ALL,
    coder: str | None = None,
    kind: RespondentKind | None = None,
    alike: int | None = None,
    simulated: bool | None = False,
    order: Order = Order.ARRIVAL,
) -> list[int]:
    """Return the ids of all suggestions that fit, as in :func:`suggestions_page`."""
    fitting = Fitting(
        search=search,
        stance=stance,
        category=category,
        outcome=outcome,
        state=state,
        coder=coder,
        kind=kind,
        alike=alike,
        simulated=simulated,
    )
    fits = fitting.conditions(study, index_of(session, study))
    return ids_in_order(session, study, fits, order, coder=coder)


def listed_suggestion(
    session: Session,
    study: StudyRow,
    suggestion_id: int,
    *,
    coder: str | None = None,
    with_codes: bool = False,
) -> ListedSuggestion:
    """Return one suggestion as :func:`suggestions_page` does.

    Raises
    ------
    NoSuchSuggestion
        The study has none of this id, or it was taken back.
    """
    found = _listed(session, study, index_of(session, study), [suggestion_id], coder, with_codes=with_codes)
    if not found:
        raise NoSuchSuggestion(
            f"study '{study.slug}' has no suggestion {suggestion_id}; it may have been taken back meanwhile"
        )
    return found[0]


def next_suggestion(
    session: Session,
    study: StudyRow,
    *,
    coder: str,
    after: int = 0,
    state: CodingState = CodingState.TO_CODE,
    order: Order = Order.ARRIVAL,
    simulated: bool | None = False,
    kind: RespondentKind | None = None,
) -> int | None:
    """Return the id of the suggestion in ``state`` that follows the one with the id ``after``, and at the end the
    first that was passed over; None if none is left. ``after`` itself is returned only if it alone is left."""
    index = index_of(session, study)

    def in_order(state: CodingState) -> list[int]:
        fits = Fitting(state=state, coder=coder, simulated=simulated, kind=kind).conditions(study, index)
        return ids_in_order(session, study, fits, order, coder=coder)

    ids = in_order(state)
    if not ids:
        return None
    if after in ids:
        return ids[(ids.index(after) + 1) % len(ids)]
    # It fits no longer, being coded: its place is found among all.
    place = {id_: number for number, id_ in enumerate(in_order(CodingState.ALL))}
    return next((id_ for id_ in ids if place[id_] > place.get(after, -1)), ids[0])


def coding_progress(
    session: Session,
    study: StudyRow,
    *,
    coder: str | None = None,
    simulated: bool | None = False,
    kind: RespondentKind | None = None,
) -> CodingProgress:
    """Count a study's suggestions by how far their coding is, of one coder or of all."""
    index = index_of(session, study)
    everything = Fitting(coder=coder, kind=kind, simulated=simulated).conditions(study, index)
    wanted = [state for state in CodingState if state is not CodingState.ALL]
    columns = [func.count().filter(*in_state(index, state, coder)).label(state.value) for state in wanted]
    row = session.execute(
        select(func.count().label("total"), *columns).select_from(SuggestionRow).where(*everything)
    ).one()
    return CodingProgress(**row._mapping)


def _listed(
    session: Session,
    study: StudyRow,
    index: CategoryIndex,
    ids: Sequence[int],
    coder: str | None,
    *,
    with_codes: bool,
) -> tuple[ListedSuggestion, ...]:
    """Read suggestions with their codes, in the order of ``ids``, without those that the study does not have."""
    rows = session.execute(
        select(
            SuggestionRow.id,
            SuggestionRow.kind,
            SuggestionRow.simulated,
            SuggestionRow.stance,
            SuggestionRow.text,
            SuggestionRow.why,
            SuggestionRow.direction,
            SuggestionRow.language,
            SuggestionRow.alike,
        ).where(
            SuggestionRow.id.in_(ids),
            SuggestionRow.study_id == study.id,
            SuggestionRow.removed_at.is_(None),
        )
    ).all()
    groups = {row.alike for row in rows if row.alike is not None}
    sizes = dict(
        session.execute(
            select(SuggestionRow.alike, func.count())
            .where(
                SuggestionRow.study_id == study.id,
                SuggestionRow.removed_at.is_(None),
                SuggestionRow.alike.in_(groups),
            )
            .group_by(SuggestionRow.alike)
        ).all()
    )
    codes = _codes_on(session, index, ids, None if with_codes else coder)
    by_id = {
        row.id: ListedSuggestion(
            **row._mapping,
            alike_count=sizes.get(row.alike, 1),
            own=tuple(
                code
                for code in codes.get(row.id, ())
                if coder is not None and code.kind is CodeKind.CODER and code.coder == coder
            ),
            codes=tuple(codes.get(row.id, ())) if with_codes else (),
        )
        for row in rows
    }
    return tuple(by_id[id_] for id_ in ids if id_ in by_id)


def _codes_on(
    session: Session, index: CategoryIndex, ids: Sequence[int], coder: str | None
) -> dict[int, list[GivenCode]]:
    these: list[ColumnElement[bool]] = [CodeRow.suggestion_id.in_(ids), CodeRow.removed_at.is_(None)]
    if coder is not None:
        these += [CodeRow.kind == CodeKind.CODER, CodeRow.coder == coder]
    found: dict[int, list[GivenCode]] = {}
    for suggestion, kind, who, outcome, category in session.execute(
        select(
            CodeRow.suggestion_id, CodeRow.kind, CodeRow.coder, CodeRow.outcome, CodeRow.category_id
        ).where(*these)
    ):
        row = None if category is None else index.rows[category]
        stands = None if row is None else index.stands_for(row)
        found.setdefault(suggestion, []).append(
            GivenCode(
                kind=kind,
                coder=who,
                outcome=outcome,
                category="" if row is None else row.name,
                standing="" if stands is None else stands.name,
                label="" if stands is None else stands.label,
                retired=stands is not None and stands.retired_at is not None,
            )
        )
    for codes in found.values():
        # Sorted here: databases differ in how they order text.
        codes.sort(key=lambda code: (code.kind, code.coder, code.outcome, folded(code.label), code.category))
    return found
