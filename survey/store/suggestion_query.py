"""Which of a study's suggestions are meant: the conditions of every list of them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import ColumnElement

from survey.answers import RespondentKind
from survey.coding.coding import CodeKind, Outcome
from survey.store.category_index import CategoryIndex
from survey.store.code_rows import has_word, is_adjudicated, to_adjudicate, to_adjudicate_again
from survey.suggestions import Stance, as_written, folded
from survey.tables import CodeRow, StudyRow, SuggestionRow

LONGEST_SEARCH = 300


class CodingState(StrEnum):
    """How far the coding of a suggestion is: of one coder, or, where none is named, of all."""

    ALL = "all"
    TO_CODE = "to_code"
    """The coder has said nothing of it; without a coder: nobody has."""
    TO_CODE_AGAIN = "to_code_again"
    """The coder put it into a category that has been split or retired since."""
    CODED = "coded"
    DIFFER = "differ"
    """It waits for adjudication: coders do not say the same of it and nobody has settled it, or it was settled into
    a category that has been split or retired since."""
    SETTLED = "settled"
    """It is adjudicated, and not to be settled again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitting:
    """What suggestions are listed: those that fit everything given. See ``suggestion_list.suggestions_page``."""

    search: str = ""
    stance: Stance | None = None
    category: str = ""
    outcome: Outcome | None = None
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
        if self.outcome is not None:
            fits.append(_has_code(self.coder, CodeRow.outcome == self.outcome))
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
            return [is_adjudicated(), ~to_adjudicate_again(index)]
        case CodingState.DIFFER:
            return [to_adjudicate(index)]


def _has_code(coder: str | None, *more: ColumnElement[bool]) -> ColumnElement[bool]:
    """Whether this coder has said something; without one, whether anybody has: models only propose."""
    if coder is None:
        return has_word(CodeRow.kind.in_((CodeKind.CODER, CodeKind.ADJUDICATED)), *more)
    return has_word(CodeRow.kind == CodeKind.CODER, CodeRow.coder == coder, *more)
