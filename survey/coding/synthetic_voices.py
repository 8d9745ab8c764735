"""What one simulated participant suggests, rates and ranks, drawn from a made-up population. Pure; takes the
generators."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from survey.acceptability import Rating
from survey.coding.synthetic import Meanings, Population, SyntheticCategory, in_language
from survey.suggestions import Entry, Stance


@dataclass(frozen=True, slots=True)
class Voices:
    """Speaks for the members of a population, one after another."""

    population: Population
    meanings: Meanings = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "meanings", Meanings(self.population))

    def suggestions(self, stance: Stance, language: str, rng: np.random.Generator) -> tuple[Entry, ...]:
        """Draw what one participant answers to one open question, in the order of writing; may be nothing.

        Each category is named with its stated probability, whatever else is named, once or more. In a language
        that the population does not speak, it answers in English.
        """
        manner = self.population.manner
        named = [c for c in self.population.categories if rng.random() < c.named[stance]]
        named = [named[int(i)] for i in rng.permutation(len(named))]
        entries = []
        for joint in self.population.joints:
            together = [c for c in named if c.name in joint.categories]
            if len(together) == len(joint.categories) and rng.random() < manner.says_two_at_once:
                named = [c for c in named if c not in together]
                phrase = _one(in_language(joint.phrases, language), rng)
                entries.append(self._entry(phrase, together[0], stance, language, rng))
        for category in named:
            times = 2 if rng.random() < manner.names_again else 1
            entries += [self._names(category, stance, language, rng) for _ in range(times)]
        if rng.random() < manner.says_what_no_category_holds and self.population.no_category:
            phrase = _one(in_language(self.population.no_category, language), rng)
            entries.append(self._entry(phrase, None, stance, language, rng))
        entries = [entries[int(i)] for i in rng.permutation(len(entries))]
        if rng.random() < manner.says_nothing_usable and self.population.unusable:
            entries.append(Entry(text=_one(self.population.unusable, rng)))
        return tuple(entries)

    def ratings(self, names: Sequence[str], rng: np.random.Generator) -> dict[str, Rating]:
        """Draw what one participant says of each attribute, in the order given; those left out are missing."""
        ratings = {}
        for name in names:
            acceptable, cannot_say = self.population.rated(name)
            leaves_out, drawn = rng.random(2)
            if leaves_out < self.population.manner.leaves_unrated:
                continue
            ratings[name] = (
                Rating.ACCEPTABLE
                if drawn < acceptable
                else Rating.CANNOT_SAY
                if drawn < acceptable + cannot_say
                else Rating.NOT_ACCEPTABLE
            )
        return ratings

    def ranking(self, ratings: Mapping[str, Rating], most: int, rng: np.random.Generator) -> tuple[str, ...]:
        """Draw a ranking of what the participant has called acceptable, the most important first.

        Places are given one after another, each with probability proportional to how many call the attribute
        acceptable (Plackett-Luce). At most ``most`` places; none where nothing is acceptable or the ranking is
        left out.
        """
        if rng.random() < self.population.manner.leaves_unranked:
            return ()
        left = [name for name, rating in ratings.items() if rating is Rating.ACCEPTABLE]
        ranked: list[str] = []
        while left and len(ranked) < most:
            weights = np.array([self.population.rated(name)[0] for name in left])
            ranked.append(left.pop(int(rng.choice(len(left), p=weights / weights.sum()))))
        return tuple(ranked)

    def _names(
        self, category: SyntheticCategory, stance: Stance, language: str, rng: np.random.Generator
    ) -> Entry:
        if rng.random() < self.population.manner.writes_oddly and category.rare:
            return self._entry(_one(category.rare, rng), category, stance, language, rng)
        phrase = _one(in_language(category.words, language).phrases, rng)
        return self._entry(phrase, category, stance, language, rng)

    def _entry(
        self,
        phrase: str,
        category: SyntheticCategory | None,
        stance: Stance,
        language: str,
        rng: np.random.Generator,
    ) -> Entry:
        manner, text = self.population.manner, phrase
        if rng.random() < manner.misspells and (slips := self.meanings.misspellings(phrase)):
            text = _one(slips, rng)
        match int(rng.integers(4)):
            case 1:
                text = text[0].upper() + text[1:]
            case 2:
                text = f"{text}."
        why = direction = ""
        asks_why, asks_direction = rng.random(2)
        if category is not None:
            words = in_language(category.words, language)
            if asks_why < manner.gives_why and words.why[stance]:
                why = _one(words.why[stance], rng)
            if asks_direction < manner.gives_direction and words.direction[stance]:
                direction = _one(words.direction[stance], rng)
        return Entry(text=text, why=why, direction=direction)


def _one(values: Sequence[str], rng: np.random.Generator) -> str:
    return values[int(rng.integers(len(values)))]
