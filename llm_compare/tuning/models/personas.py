"""Made-up people whose answers a tiny model learns before it meets any real one. Pure.

A large language model has read what many different people hold right, and answers by one habit of its own. A tiny
model is made alike: it answers by a rule of its own, unless the prompt says to answer as somebody; then by that
person's. Reading many people is what makes few real answers enough later.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llm_compare.errors import CannotTune
from survey.answers import Choice
from survey.design import (
    Attribute,
    CategoricalAttribute,
    Favours,
    Level,
    NumericAttribute,
    StudyDesign,
)

Array = NDArray[np.float64]

DISTRACTOR = CategoricalAttribute(
    name="season",
    label="Favorite season",
    levels=tuple(Level(name=name, words=name) for name in ("spring", "summer", "autumn", "winter")),
)
"""What nobody here gives a patient credit for: it shows what tuning makes of lines that should not count."""
CHOICES = (Choice.LEFT, Choice.RIGHT, Choice.INDECISION)
"""Order of the last axis of :func:`shares`."""
MOST_VALUES = 1_000
"""A tiny model has a word for every value, so there cannot be more of one attribute."""

_AGAINST = 0.15
"""Share of the weights that point the unusual way."""
_DECIDED = 0.25
"""Share of the people who are never undecided."""
_OWN_SHARPNESS = 8.0
_OWN_NEXT = -0.3
"""What an attribute counts under the model's own rule, as a share of the one before it: the other way."""
_MEDICAL = ("drink", "alcohol", "health", "disease", "diagnos", "medical", "smok")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Persona:
    """How one made-up person answers the comparisons of one design."""

    name: str
    """Said in the prompt, e.g. ``person 07``; empty for the model's own rule."""
    worths: tuple[Array, ...]
    """Of every value of every attribute, in the design's order, in log-odds."""
    pull: float
    """Of indecision: its odds against either patient where both are worth the same; 0 is never undecided."""
    side: float = 0.0
    """Log-odds of the left patient where both are worth the same."""


def person_name(number: int) -> str:
    """Return what made-up person ``number`` (from 1) is called in a prompt."""
    return f"person {number:02d}"


def persona_of(design: StudyDesign, number: int, *, seed: int) -> Persona:
    """Draw made-up person ``number`` (from 1).

    Weights have random sizes around the directions that the design calls usual, and some point the other way. What
    a person thinks of an attribute depends on its name only, so it is the same in every study that has it.

    Raises
    ------
    CannotTune
        An attribute has too many values.
    """
    person = np.random.default_rng([seed, number])
    sharpness = np.exp(person.uniform(np.log(0.8), np.log(6.0)))
    decided = person.random() < _DECIDED
    pull = 0.0 if decided else float(np.exp(person.uniform(np.log(0.15), np.log(2.5))))
    side = float(person.normal(0, 0.1))
    worths = []
    for attribute in design.attributes:
        rng = np.random.default_rng([seed, number, zlib.crc32(attribute.name.encode())])
        worths.append(sharpness * _worth(attribute, rng))
    return Persona(name=person_name(number), worths=tuple(worths), pull=pull, side=side)


def own_rule(design: StudyDesign) -> Persona:
    """Return the rule that a tiny model answers by when told nothing else.

    What sounds medical (alcohol, health) counts most, in the usual direction; then each attribute in the design's
    order, much less than the one before it and the other way. The rule is sharp, never undecided, and does not mind
    sides, as large models differed from people. Part of it points the unusual way on purpose: what tuning
    does could not be seen in a model that agrees with people from the start.

    Raises
    ------
    CannotTune
        An attribute has too many values.
    """
    medical = [any(word in f"{a.name} {a.label}".lower() for word in _MEDICAL) for a in design.attributes]
    # What sounds medical first, and then in the order of the design: the sort is stable.
    order = np.argsort([not m for m in medical], kind="stable")
    sizes = np.empty(len(order))
    sizes[order] = _OWN_SHARPNESS * _OWN_NEXT ** np.arange(len(order))
    return Persona(
        name="",
        worths=tuple(size * _usual(a) for size, a in zip(sizes, design.attributes, strict=True)),
        pull=0.0,
    )


def shares(
    persona: Persona, left: NDArray[np.int64], right: NDArray[np.int64], *, indecision_offered: bool
) -> Array:
    """Return how often a person gives each answer, shape (n, 3) in the order of :data:`CHOICES`.

    Davidson's rule: the odds of indecision against either patient are ``pull`` where both are worth the same, and
    fall with the square root of the odds between the patients.

    Parameters
    ----------
    left, right
        Places of the patients' values among each attribute's values, shape (n, n_attributes).

    References
    ----------
    Davidson (1970), J. Am. Stat. Assoc. 65, 317-328.
    """
    n = len(left)
    difference = np.full(n, persona.side)
    for k, worth in enumerate(persona.worths):
        difference += worth[left[:, k]] - worth[right[:, k]]
    with np.errstate(divide="ignore"):
        coin = np.log(persona.pull) if indecision_offered else -np.inf
    odds = np.stack([difference / 2, -difference / 2, np.full(n, coin)], axis=1)
    odds = np.exp(odds - odds.max(axis=1, keepdims=True))
    return np.asarray(odds / odds.sum(axis=1, keepdims=True), dtype=np.float64)


def check_values(attribute: Attribute) -> None:
    """Return quietly if a tiny model can have a word for every value.

    Raises
    ------
    CannotTune
        There are too many.
    """
    if attribute.value_count > MOST_VALUES:
        raise CannotTune(
            f"attribute '{attribute.name}' has {attribute.value_count} values, and a tiny model needs a word "
            f"for each; give it a larger step or points (at most {MOST_VALUES} values), or take a model that "
            "reads numbers"
        )


def _worth(attribute: Attribute, rng: np.random.Generator) -> Array:
    """Return one person's worth of each value: of spread about 1, 0 throughout for what should not count."""
    check_values(attribute)
    if attribute.name == DISTRACTOR.name:
        return np.zeros(attribute.value_count)
    size = float(np.abs(rng.normal(0, 1)))
    sign = -1.0 if rng.random() < _AGAINST else 1.0
    bent = rng.normal(0, 0.5, attribute.value_count)
    usual = _usual(attribute)
    if isinstance(attribute, NumericAttribute):
        if attribute.favours is None:
            sign = float(rng.choice([-1.0, 1.0]))
        return sign * size * usual
    if not usual.any() or attribute.favoured is None:
        return size * _standardized(bent)
    return size * _standardized(sign * usual + bent)


def _usual(attribute: Attribute) -> Array:
    """Return the values' worth in the usual direction, mean 0 and standard deviation 1."""
    check_values(attribute)
    if attribute.name == DISTRACTOR.name:
        return np.zeros(attribute.value_count)
    if isinstance(attribute, NumericAttribute):
        numbers = np.array([float(v) for v in attribute.values])
        return _standardized(-numbers if attribute.favours is Favours.LOW else numbers)
    # Levels are listed from one end to the other; which end is favored, the design says.
    places = np.arange(attribute.value_count, dtype=np.float64)
    best = 0 if attribute.favoured is None else attribute.level_names.index(attribute.favoured)
    return _standardized(-np.abs(places - best))


def _standardized(values: Array) -> Array:
    spread = values.std()
    return np.asarray((values - values.mean()) / spread if spread else np.zeros(len(values)))
