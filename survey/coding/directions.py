"""Whom people would put first because of a category: the directions they gave, folded and counted. Pure.

"Age" may mean that the young come first, or the old. Who named it was asked for the direction, and answered freely:
with what should count, who should come first; with what should not, who would wrongly.
Directions are people's words and may tell who somebody is: what is not for reading texts shows only those that at
least ``FEWEST`` people gave in the same words.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from survey.coding.alike import plain_text
from survey.coding.coding import Coding
from survey.coding.counts import Named, named_by
from survey.coding.final import FinalCodes, final_codes
from survey.suggestions import Stance

FEWEST = 3
"""People who gave a direction, in files and on pages that are otherwise free of what people wrote."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """Words that so many people wrote, equal but for case, spaces and punctuation."""

    words: str
    """In the spelling that most of them used."""
    people: int
    language: str = ""
    """In which it was written that way; empty: not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Directions:
    """The directions that those gave who named a category, or one of several, in answer to one question."""

    people: int
    """Who named it in answer to that question."""
    none: int
    """Of them, those who gave no direction."""
    fewest: int
    """Directions that fewer people gave are not in ``said``."""
    said: tuple[Said, ...]
    """Most frequent first. Somebody who named it twice may have given two."""
    others: int
    """People who gave a direction that is not in ``said``."""


class DirectionsGiven:
    """The directions and texts behind categories of a coding. Only final codes of people's suggestions count."""

    def __init__(
        self,
        coding: Coding,
        final: FinalCodes | None = None,
        *,
        named: Named | None = None,
        simulated: bool | None = None,
        stance: Stance = Stance.SHOULD,
    ) -> None:
        """Gather those of one question; arguments as for ``counts.counts_of``, ``named`` if it is known already."""
        final = final or final_codes(coding)
        named = named or named_by(coding, final, simulated=simulated)
        asked = named.asked_about(stance)
        self._given: dict[str, list[tuple[str, str, str, str]]] = defaultdict(list)
        for suggestion in coding.suggestions:
            if (
                suggestion.stance is stance
                and suggestion.kind is named.kind
                and suggestion.respondent in asked
            ):
                row = (suggestion.respondent, suggestion.direction, suggestion.text, suggestion.language)
                for category in final.of(suggestion.id).categories:
                    self._given[category].append(row)

    def of(self, categories: Sequence[str], *, fewest: int = FEWEST) -> Directions:
        """Return the directions of the standing categories that make one attribute.

        Parameters
        ----------
        fewest
            Leave out directions that fewer people gave; 1 for who may read what people wrote.
        """
        given = [(who, direction, language) for who, direction, _, language in self._rows(categories)]
        by_words = _by_words(given)
        people = {who for who, _, _ in given}
        some = {who for spellings in by_words.values() for who, _, _ in spellings}
        shown, others = [], set[str]()
        for spellings in by_words.values():
            said = _said(spellings)
            if said.people >= fewest:
                shown.append(said)
            else:
                others |= {who for who, _, _ in spellings}
        return Directions(
            people=len(people),
            none=len(people - some),
            fewest=fewest,
            said=tuple(sorted(shown, key=_most_people)),
            others=len(others),
        )

    def texts(self, categories: Sequence[str]) -> tuple[Said, ...]:
        """Return what was written, those first that most people wrote."""
        given = [(who, text, language) for who, _, text, language in self._rows(categories)]
        return tuple(sorted(map(_said, _by_words(given).values()), key=_most_people))

    def _rows(self, categories: Sequence[str]) -> Iterable[tuple[str, str, str, str]]:
        return (row for category in dict.fromkeys(categories) for row in self._given.get(category, ()))


def _by_words(given: Iterable[tuple[str, str, str]]) -> dict[str, list[tuple[str, str, str]]]:
    """Return plain words -> (respondent, words as written, language); without those that say nothing."""
    found: dict[str, list[tuple[str, str, str]]] = defaultdict(list)
    for who, written, language in given:
        if plain := plain_text(written):
            found[plain].append((who, " ".join(written.split()), language))
    return found


def _said(spellings: Sequence[tuple[str, str, str]]) -> Said:
    times = Counter(words for words, _ in {(words, who) for who, words, _ in spellings})
    words = min(times, key=lambda written: (-times[written], len(written), written))
    languages = Counter(language for _, written, language in spellings if written == words and language)
    return Said(
        words=words,
        people=len({who for who, _, _ in spellings}),
        language=min(languages, key=lambda language: (-languages[language], language), default=""),
    )


def _most_people(said: Said) -> tuple[int, str]:
    return -said.people, said.words
