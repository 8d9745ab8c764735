"""A made-up population whose suggestions are known: which categories it names, how often, in which words. Pure.

Simulated participants speak for it (``synthetic_voices``), and simulated coders know what was meant
(``simulated_coders``). So whoever counts can check what comes back.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any

from survey.coding.coding import CodingError, Outcome
from survey.coding.final import Word
from survey.suggestions import Stance, folded

_USUAL_LANGUAGE = "en"
# Shorter words are hard to recognize with a letter missing.
_SHORTEST_MISSPELLED = 6
_ENDS = ".! "


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """How a category is spoken of in one language."""

    phrases: tuple[str, ...]
    why: Mapping[Stance, tuple[str, ...]]
    """Reasons; may be empty."""
    direction: Mapping[Stance, tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class SyntheticCategory:
    """Something that part of the population names."""

    name: str
    label: str
    definition: str
    named: Mapping[Stance, float]
    """Probability that a participant who is asked names it, once or more."""
    acceptable: float
    """Probability that it is rated so."""
    cannot_say: float
    words: Mapping[str, Words]
    """Language -> words."""
    rare: tuple[str, ...] = ()
    """Unusual ways to say it, in any language: emoji, other alphabets, markup."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Joint:
    """Two categories that are often named in one go."""

    categories: tuple[str, str]
    phrases: Mapping[str, tuple[str, ...]]
    """Language -> phrases."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How simulated participants write and rate: probabilities, each drawn independently."""

    says_two_at_once: float = 0.3
    """Of two categories that go together and are both named: in one suggestion."""
    names_again: float = 0.08
    """Naming a category a second time, mostly in other words."""
    writes_oddly: float = 0.03
    """With emoji, in another alphabet, with markup: where there is such a way to say it."""
    misspells: float = 0.1
    gives_why: float = 0.4
    """Where the page asks and there is one."""
    gives_direction: float = 0.3
    says_what_no_category_holds: float = 0.04
    """Per question, as one more suggestion."""
    says_nothing_usable: float = 0.05
    """Per question, as one more suggestion."""
    takes_back: float = 0.05
    """Adding a suggestion twice by mistake, and taking the second one back."""
    leaves_unrated: float = 0.03
    """Per attribute."""
    leaves_unranked: float = 0.1
    """The whole ranking."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Population:
    """What simulated participants think and how they say it."""

    categories: tuple[SyntheticCategory, ...]
    joints: tuple[Joint, ...] = ()
    no_category: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Language -> phrases that none of the categories holds."""
    unusable: tuple[str, ...] = ()
    """What names nothing, in any language."""
    otherwise_acceptable: float
    """Of a rated attribute that is none of the categories."""
    otherwise_cannot_say: float
    manner: Manner = field(default_factory=Manner)

    def category(self, name: str) -> SyntheticCategory | None:
        """Return the category called ``name``, if there is one."""
        return next((category for category in self.categories if category.name == name), None)

    def rated(self, name: str) -> tuple[float, float]:
        """Return the probabilities that an attribute is called acceptable, and that nobody can say."""
        category = self.category(name)
        if category is None:
            return self.otherwise_acceptable, self.otherwise_cannot_say
        return category.acceptable, category.cannot_say


class UnknownSuggestion(CodingError):
    """A suggestion that nobody of the population makes."""


class Meanings:
    """What every phrase of a population stands for: looked up, never guessed.

    It knows each phrase with each misspelling that :func:`misspelled` makes. A misspelling that two phrases of
    different meaning share stands for nothing, and nobody writes it.
    """

    def __init__(self, population: Population) -> None:
        self._by_text: dict[str, Word] = {}
        ambiguous: set[str] = set()
        phrases = dict(_phrases(population))
        for phrase, word in phrases.items():
            for other in misspelled(phrase):
                key = _key(other)
                if self._by_text.setdefault(key, word) != word:
                    ambiguous.add(key)
        for key in ambiguous:
            del self._by_text[key]
        # What a phrase says goes before what a misspelled one might.
        self._by_text.update({_key(phrase): word for phrase, word in phrases.items()})

    def of(self, text: str) -> Word:
        """Return what a suggestion stands for, in whatever case and with a full stop or without.

        Raises
        ------
        UnknownSuggestion
            Nobody of the population says this.
        """
        word = self._by_text.get(_key(text))
        if word is None:
            raise UnknownSuggestion(f"no simulated participant says '{text}'")
        return word

    def misspellings(self, phrase: str) -> tuple[str, ...]:
        """Return the misspellings of a phrase that stand for the same as the phrase."""
        word = self.of(phrase)
        return tuple(other for other in misspelled(phrase) if self._by_text.get(_key(other)) == word)


def misspelled(phrase: str) -> Iterator[str]:
    """Yield a phrase with one slip: two letters exchanged, one left out, one doubled. None of a short phrase, and
    never in its first letter."""
    if len(phrase) < _SHORTEST_MISSPELLED:
        return
    for i in range(1, len(phrase)):
        letter, after = phrase[i], phrase[i + 1 : i + 2]
        if not (letter.isascii() and letter.isalpha()):
            continue
        if after.isascii() and after.isalpha() and after != letter:
            yield phrase[:i] + after + letter + phrase[i + 2 :]
        yield phrase[:i] + phrase[i + 1 :]
        yield phrase[:i] + letter + phrase[i:]


def in_language(by_language: Mapping[str, Any], language: str) -> Any:
    """Return what there is for a language, for the language that it is a variety of, or else for English."""
    return (
        by_language.get(language) or by_language.get(language.split("-")[0]) or by_language[_USUAL_LANGUAGE]
    )


@cache
def synthetic_population() -> Population:
    """Return the population of ``synthetic.toml``, which says everything about it in words and numbers."""
    text = (resources.files("survey.coding") / "synthetic.toml").read_text(encoding="utf-8")
    said = tomllib.loads(text)
    return Population(
        categories=tuple(_category(table) for table in said["categories"]),
        joints=tuple(
            Joint(categories=tuple(table["categories"]), phrases=_tuples(table, but="categories"))
            for table in said["joint"]
        ),
        no_category=_tuples(said["no_category"]),
        unusable=tuple(said["unusable"]["any"]),
        otherwise_acceptable=said["otherwise"]["acceptable"],
        otherwise_cannot_say=said["otherwise"]["cannot_say"],
    )


def _category(table: Mapping[str, Any]) -> SyntheticCategory:
    return SyntheticCategory(
        name=table["name"],
        label=table["label"],
        definition=table["definition"],
        named={stance: table[stance.value] for stance in Stance},
        acceptable=table["acceptable"],
        cannot_say=table["cannot_say"],
        words={tag: _words(words) for tag, words in table.items() if isinstance(words, dict)},
        rare=tuple(table["rare"]),
    )


def _words(table: Mapping[str, Sequence[str]]) -> Words:
    def each(what: str) -> dict[Stance, tuple[str, ...]]:
        return {stance: tuple(table.get(f"{stance.value}_{what}", ())) for stance in Stance}

    return Words(phrases=tuple(table["phrases"]), why=each("why"), direction=each("direction"))


def _tuples(table: Mapping[str, Sequence[str]], *, but: str = "") -> dict[str, tuple[str, ...]]:
    return {name: tuple(values) for name, values in table.items() if name != but}


def _phrases(population: Population) -> Iterator[tuple[str, Word]]:
    """Yield every phrase with what it stands for."""
    for category in population.categories:
        word = Word(outcome=Outcome.CATEGORY, categories=frozenset({category.name}))
        for words in category.words.values():
            yield from ((phrase, word) for phrase in words.phrases)
        yield from ((phrase, word) for phrase in category.rare)
    for joint in population.joints:
        both = Word(outcome=Outcome.CATEGORY, categories=frozenset(joint.categories))
        yield from ((phrase, both) for phrases in joint.phrases.values() for phrase in phrases)
    for phrases in population.no_category.values():
        yield from ((phrase, Word(outcome=Outcome.NO_CATEGORY)) for phrase in phrases)
    yield from ((text, Word(outcome=Outcome.UNUSABLE)) for text in population.unusable)


def _key(text: str) -> str:
    """Return what is the same for a phrase in any case, with and without a full stop."""
    plain = folded(text).strip()
    return plain.rstrip(_ENDS) or plain
