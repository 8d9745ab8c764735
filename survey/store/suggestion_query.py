"""Which of a study's suggestions are meant, and in which order: the conditions of every list of them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVarTuple

from sqlalchemy import ColumnElement, Select, Subquery, func, literal, select

from survey.answers import RespondentKind
from survey.coding.coding import CodeKind
from survey.store.category_index import CategoryIndex
from survey.store.code_rows import coders_differ
from survey.suggestions import Stance, as_written, folded
from survey.tables import CodeRow, StudyRow, SuggestionRow

LONGEST_SEARCH = 300

_Columns = TypeVarTuple("_Columns")


class CodingState(StrEnum):
    """How far the coding of a suggestion is: of one coder, or, where none is named, of all."""

    ALL = "all"
    TO_CODE = "to_code"
    """The coder has said nothing of it; without a coder: nobody has."""
    TO_CODE_AGAIN = "to_code_again"
    """The coder put it into a category that has been split or retired since."""
    CODED = "coded"
    DIFFER = "differ"
    """Coders do not say the same of it, and nobody has settled it."""
    SETTLED = "settled"
    """It is adjudicated."""


class Order(StrEnum):
    """In which order suggestions are listed."""

    ARRIVAL = "arrival"
    TEXT = "text"
    """Of the words, upper and lower case alike."""
    ALIKE = "alike"
    """Groups of look-alikes together, the largest first; those never grouped last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitting:
    """What suggestions are listed: those that fit everything given. See ``suggestion_list.suggestions_page``."""

    search: str = ""
    stance: Stance | None = None
    category: str = ""
    state: CodingState = CodingState.ALL
    coder: str | None = None
    kind: RespondentKind | None = None
    alike: int | None = None
    simulated: bool | None = False

    def conditions(self, study: StudyRow, index: CategoryIndex) -> list[ColumnElement[bool]]:
        """Return what must hold of a ``SuggestionRow``; raises ``NoSuchCategory``."""
        fits: list[ColumnElement[bool]] = [
            SuggestionRow.study_id == study.id,
            SuggestionRow.removed_at.is_(None),
        ]
        if self.simulated is not None:
            fits.append(SuggestionRow.simulated.is_(self.simulated))
        if self.kind is not None:
            fits.append(SuggestionRow.kind == self.kind)
        if self.stance is not None:
            fits.append(SuggestionRow.stance == self.stance)
        if self.alike is not None:
            fits.append(SuggestionRow.alike == self.alike)
        if wanted := folded(as_written(self.search)[:LONGEST_SEARCH]):
            fits.append(SuggestionRow.folded.contains(wanted, autoescape=True))
        if self.category:
            stands = index.stands_for(index.named(self.category)).id
            fits.append(_has_code(self.coder, CodeRow.category_id.in_(index.merged_under([stands]))))
        return [*fits, *in_state(index, self.state, self.coder)]


def in_state(index: CategoryIndex, state: CodingState, coder: str | None) -> list[ColumnElement[bool]]:
    """Return what must hold of a suggestion that is in ``state``, of one coder or of all."""
    match state:
        case CodingState.ALL:
            return []
        case CodingState.TO_CODE:
            return [~_has_code(coder)]
        case CodingState.CODED:
            return [_has_code(coder)]
        case CodingState.TO_CODE_AGAIN:
            return [_has_code(coder, CodeRow.category_id.in_(index.retired))]
        case CodingState.SETTLED:
            return [_has_word(CodeRow.kind == CodeKind.ADJUDICATED)]
        case CodingState.DIFFER:
            return [
                coders_differ(index),
                ~_has_word(CodeRow.kind == CodeKind.ADJUDICATED),
            ]


def _has_code(coder: str | None, *more: ColumnElement[bool]) -> ColumnElement[bool]:
    """Whether this coder has said something; without one, whether anybody has: models only propose."""
    if coder is None:
        return _has_word(CodeRow.kind.in_((CodeKind.CODER, CodeKind.ADJUDICATED)), *more)
    return _has_word(CodeRow.kind == CodeKind.CODER, CodeRow.coder == coder, *more)


def _has_word(*that: ColumnElement[bool]) -> ColumnElement[bool]:
    # No EXISTS: PostgreSQL makes a join of it, which takes minutes where it does not know yet how many codes there
    # are. This it looks up in the index, suggestion by suggestion.
    word = select(literal(1)).where(
        CodeRow.suggestion_id == SuggestionRow.id, CodeRow.removed_at.is_(None), *that
    )
    return word.limit(1).correlate(SuggestionRow).scalar_subquery().is_not(None)


def ordered(query: Select[*_Columns], study: StudyRow, order: Order) -> Select[*_Columns]:
    """Put a query for suggestions in order; the order is total."""
    match order:
        case Order.ARRIVAL:
            return query.order_by(SuggestionRow.id)
        case Order.TEXT:
            return query.order_by(SuggestionRow.folded, SuggestionRow.id)
        case Order.ALIKE:
            sizes = _group_sizes(study)
            return query.outerjoin(sizes, sizes.c.alike == SuggestionRow.alike).order_by(
                func.coalesce(sizes.c.size, 0).desc(), SuggestionRow.alike, SuggestionRow.id
            )


def _group_sizes(study: StudyRow) -> Subquery:
    return (
        select(SuggestionRow.alike, func.count().label("size"))
        .where(
            SuggestionRow.study_id == study.id,
            SuggestionRow.removed_at.is_(None),
            SuggestionRow.alike.is_not(None),
        )
        .group_by(SuggestionRow.alike)
        .subquery()
    )
