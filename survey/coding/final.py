"""Which codes count: what was adjudicated, else what all coders agree on, else nothing yet.

What was settled or agreed on before its category was split or retired counts there until it is coded, or settled,
again.
A model's proposals never count, and nothing here decides between coders.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from survey.coding.coding import Code, CodeKind, Coding, CodingError, Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """All that one coder, or the adjudication, says of one suggestion."""

    outcome: Outcome
    categories: frozenset[str] = frozenset()
    """Names of the standing categories; empty unless ``outcome`` is a category."""

    @property
    def elements(self) -> frozenset[str]:
        """The categories; for the other outcomes a single element that no category can be called."""
        return self.categories or frozenset({element_of(self.outcome)})


def element_of(outcome: Outcome) -> str:
    """Return what stands for an outcome without categories where sets are compared."""
    return f"({outcome.value})"


class How(StrEnum):
    """How a suggestion came to its final code, or why it has none."""

    ADJUDICATED = "adjudicated"
    AGREED = "agreed"
    """All coders who dealt with it say the same; one alone agrees with himself."""
    OPEN = "open"
    """Coders differ, and nobody has settled it."""
    UNCODED = "uncoded"
    """No coder has dealt with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalCode:
    """What counts for one suggestion."""

    suggestion: int
    how: How
    word: Word | None
    """None while it is open or uncoded."""
    coders: int
    """How many coders have dealt with it; those who adjudicated are not counted."""
    again: bool = False
    """Whether a category that it counts for was split or retired since, so that it is to be coded again: by the
    coders who agree, or by adjudication where it was adjudicated."""

    @property
    def outcome(self) -> Outcome | None:
        """What it counts as; None while it is open or uncoded."""
        return self.word.outcome if self.word else None

    @property
    def categories(self) -> frozenset[str]:
        """Names of the standing categories it counts for; often none."""
        return self.word.categories if self.word else frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalCodes:
    """What counts for every suggestion of a coding."""

    by_suggestion: Mapping[int, FinalCode]
    """Suggestion id -> final code, in the order of the suggestions."""

    def of(self, suggestion: int) -> FinalCode:
        """Return what counts for the suggestion with this id; raises :class:`CodingError` where there is none."""
        try:
            return self.by_suggestion[suggestion]
        except KeyError:
            raise CodingError(f"there is no suggestion {suggestion} in this coding") from None

    def n(self, how: How) -> int:
        """Return how many suggestions came to their code, or have none, in this way."""
        return sum(final.how is how for final in self.by_suggestion.values())

    def n_outcome(self, outcome: Outcome) -> int:
        """Return how many suggestions finally have this outcome."""
        return sum(final.outcome is outcome for final in self.by_suggestion.values())

    def agreed_by(self, coders: int) -> int:
        """Return how many suggestions this number of coders agree on, without adjudication."""
        return sum(f.how is How.AGREED and f.coders == coders for f in self.by_suggestion.values())

    @property
    def settled(self) -> int:
        """How many suggestions have a final code."""
        return self.n(How.ADJUDICATED) + self.n(How.AGREED)


def final_codes(coding: Coding) -> FinalCodes:
    """Return which codes count.

    Raises
    ------
    CodingError
        A code belongs to no suggestion, or names a category that does not exist; or somebody says of one suggestion
        both that it belongs to a category and that it belongs to none.
    """
    words = words_of(coding)
    adjudicated = words.get((CodeKind.ADJUDICATED, ""), {})
    by_coder = [of_coder for (kind, _), of_coder in words.items() if kind is CodeKind.CODER]
    ended = coding.ended.keys()
    finals = {}
    for suggestion in coding.suggestions:
        said = [of_coder[suggestion.id] for of_coder in by_coder if suggestion.id in of_coder]
        settled = adjudicated.get(suggestion.id)
        word = settled or (said[0] if len(set(said)) == 1 else None)
        finals[suggestion.id] = FinalCode(
            suggestion=suggestion.id,
            how=_how(settled, said),
            word=word,
            coders=len(said),
            again=word is not None and not word.categories.isdisjoint(ended),
        )
    return FinalCodes(by_suggestion=finals)


def _how(settled: Word | None, said: list[Word]) -> How:
    if settled:
        return How.ADJUDICATED
    if not said:
        return How.UNCODED
    return How.AGREED if len(set(said)) == 1 else How.OPEN


def words_of(coding: Coding) -> dict[tuple[CodeKind, str], dict[int, Word]]:
    """Return all that everybody says: (kind, coder) -> suggestion id -> word, in standing categories.

    What was adjudicated is found under ``(CodeKind.ADJUDICATED, "")``, whoever did it. Raises as
    :func:`final_codes`.
    """
    known = {suggestion.id for suggestion in coding.suggestions}
    standing = {category.name: coding.standing(category.name) for category in coding.categories}
    codes: dict[tuple[CodeKind, str], dict[int, list[Code]]] = defaultdict(lambda: defaultdict(list))
    for code in coding.codes:
        if code.suggestion not in known:
            raise CodingError(
                f"a code of {_who(code)} is about suggestion {code.suggestion}, which this coding does not have"
            )
        if code.outcome is Outcome.CATEGORY and code.category not in standing:
            coding.category(code.category)  # Raises, with the study's name.
        coder = "" if code.kind is CodeKind.ADJUDICATED else code.coder
        codes[code.kind, coder][code.suggestion].append(code)
    return {
        who: {suggestion: _word(own, standing) for suggestion, own in sorted(by_suggestion.items())}
        for who, by_suggestion in sorted(codes.items())
    }


def _word(codes: Iterable[Code], standing: Mapping[str, str]) -> Word:
    codes = list(codes)
    outcomes = {code.outcome for code in codes}
    if len(outcomes) > 1:
        raise CodingError(
            f"suggestion {codes[0].suggestion}: {_who(codes[0])} says both "
            f"{' and '.join(sorted(o.value for o in outcomes))}; take one of them back"
        )
    return Word(
        outcome=outcomes.pop(),
        categories=frozenset(standing[c.category] for c in codes if c.outcome is Outcome.CATEGORY),
    )


def _who(code: Code) -> str:
    return "the adjudication" if code.kind is CodeKind.ADJUDICATED else f"{code.kind.value} '{code.coder}'"
