"""What a log-strength is made of: one free number per profile, or a sum of attributes' effects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import product

import numpy as np
from numpy.typing import NDArray

from estimation.errors import EstimationError
from survey.design import Attribute, CategoricalAttribute, Profile, Value, plain_number

Array = NDArray[np.float64]

# A monotone effect of an attribute with more values than this gets steps at so many quantiles of them.
_MOST_STEPS = 12


class EffectKind(StrEnum):
    """What log-strengths are made of."""

    PROFILES = "profiles"
    """One free log-strength per profile."""
    ATTRIBUTES = "attributes"
    """A sum of attributes' effects, so that profiles never asked about get a weight, too."""


@dataclass(frozen=True, slots=True)
class Factor:
    """What one attribute contributes to a term: its number, whether it has a level, or whether it passes a step."""

    attribute: str
    kind: str
    """``number``, ``level`` or ``step``."""
    at: Value | None = None
    """The level, or the value from which on a step counts; None for a number."""
    later_levels: tuple[str, ...] = ()
    """For a step of a categorical attribute: the levels at or beyond it, in the design's order."""

    @property
    def name(self) -> str:
        """``age``, ``drinking=heavy`` or ``age>=40``."""
        sign = {"number": "", "level": "=", "step": ">="}[self.kind]
        return f"{self.attribute}{sign}{'' if self.at is None else self.at}"

    def value(self, given: Value) -> float:
        """Return the contribution of an attribute's value."""
        if self.kind == "number":
            return float(given)
        if self.kind == "level":
            return float(given == self.at)
        if self.later_levels:
            return float(given in self.later_levels)
        return float(float(given) >= float(self.at or 0))


@dataclass(frozen=True, slots=True)
class Term:
    """A coefficient's column: one factor, or a product of several (an interaction)."""

    factors: tuple[Factor, ...]
    sign: int = 0
    """+1 or -1 if the coefficient may not have the other sign (monotone effects), else 0."""

    @property
    def name(self) -> str:
        """The factors' names, joined by ``:``."""
        return ":".join(f.name for f in self.factors)

    @property
    def attribute(self) -> str:
        """The first factor's attribute."""
        return self.factors[0].attribute

    def value(self, profile: Mapping[str, Value]) -> float:
        """Return the term's value for a profile."""
        value = 1.0
        for factor in self.factors:
            value *= factor.value(profile[factor.attribute])
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How attributes enter, where it is not simply a number or one effect per level."""

    interactions: tuple[tuple[str, str], ...] = ()
    """Pairs of attributes whose effects depend on each other."""
    stepped: Mapping[str, tuple[float, ...]] | None = None
    """Numeric attribute -> the values from which on its effect changes, e.g. age -> (40, 60)."""
    monotone: tuple[str, ...] = ()
    """Attributes that may have any effect that never turns: only up, or only down, along their values or levels."""


def attribute_terms(
    attributes: Sequence[Attribute],
    shape: Shape | None = None,
    *,
    profiles: Sequence[Profile] = (),
    directions: Mapping[str, int] | None = None,
) -> tuple[Term, ...]:
    """Return the terms of an attribute model.

    ``age`` for a number, ``drinking=heavy`` for each level but the first, ``age>=40`` for each step,
    ``age:drinking=heavy`` for an interaction.

    Parameters
    ----------
    profiles
        Those compared; a monotone numeric attribute has a step at each of its values (or at 12 quantiles of them).
    directions
        For monotone attributes: +1 if more (or a later level) never lowers priority, -1 if it never raises it.

    Raises
    ------
    EstimationError
        The shape names an attribute that there is not, or that cannot have it.
    """
    shape = shape or Shape()
    known = {a.name: a for a in attributes}
    named = [*shape.monotone, *(shape.stepped or {}), *(n for pair in shape.interactions for n in pair)]
    for name in named:
        if name not in known:
            raise EstimationError(f"there is no attribute '{name}'; there are {', '.join(known)}")
    factors: dict[str, tuple[Factor, ...]] = {}
    signs: dict[str, int] = {}
    for attribute in attributes:
        name = attribute.name
        if name in shape.monotone:
            factors[name] = _monotone_factors(attribute, profiles)
            signs[name] = (directions or {}).get(name, 1)
        elif name in (shape.stepped or {}):
            factors[name] = _steps(attribute, (shape.stepped or {})[name])
        elif isinstance(attribute, CategoricalAttribute):
            factors[name] = tuple(Factor(name, "level", level) for level in attribute.level_names[1:])
        else:
            factors[name] = (Factor(name, "number"),)
    terms = [Term((f,), signs.get(name, 0)) for name, own in factors.items() for f in own]
    for one, other in shape.interactions:
        if one == other:
            raise EstimationError(f"attribute '{one}' cannot interact with itself; give it steps instead")
        terms += [Term(pair) for pair in product(factors[one], factors[other])]
    return tuple(terms)


def _monotone_factors(attribute: Attribute, profiles: Sequence[Profile]) -> tuple[Factor, ...]:
    if isinstance(attribute, CategoricalAttribute):
        levels = attribute.level_names
        return tuple(Factor(attribute.name, "step", level, levels[i:]) for i, level in enumerate(levels) if i)
    values = sorted({float(p[attribute.name]) for p in profiles})
    if len(values) > _MOST_STEPS + 1:
        spread = np.quantile(values, np.linspace(0, 1, _MOST_STEPS + 1)[1:], method="higher")
        return tuple(Factor(attribute.name, "step", plain_number(v)) for v in dict.fromkeys(spread))
    return tuple(Factor(attribute.name, "step", plain_number(v)) for v in values[1:])


def _steps(attribute: Attribute, at: Sequence[float]) -> tuple[Factor, ...]:
    if isinstance(attribute, CategoricalAttribute):
        raise EstimationError(f"attribute '{attribute.name}' has levels, so its effect is stepped already")
    if not at:
        raise EstimationError(
            f"attribute '{attribute.name}': give at least one value at which its effect steps"
        )
    for value in at:
        if not attribute.minimum < value <= attribute.maximum:
            raise EstimationError(
                f"attribute '{attribute.name}' cannot step at {plain_number(value)}: its values go from "
                f"{plain_number(attribute.minimum)} to {plain_number(attribute.maximum)}"
            )
    return tuple(Factor(attribute.name, "step", plain_number(v)) for v in sorted(set(at)))


def term_named(name: str, attributes: Sequence[Attribute]) -> Term:
    """Return the term that :attr:`Term.name` names; inverse of it, for reading files.

    Raises
    ------
    EstimationError
        The name fits none of the attributes.
    """
    factors = []
    for part in _parts(name, [a.name for a in attributes]):
        attribute = max(
            (a for a in attributes if part == a.name or part.startswith((f"{a.name}=", f"{a.name}>="))),
            key=lambda a: len(a.name),
            default=None,
        )
        if attribute is None:
            raise EstimationError(
                f"'{part}' names none of the attributes {', '.join(a.name for a in attributes)}"
            )
        rest = part.removeprefix(attribute.name)
        is_levels = isinstance(attribute, CategoricalAttribute)
        if not rest and not is_levels:
            factors.append(Factor(attribute.name, "number"))
        elif rest.startswith(">=") and isinstance(attribute, CategoricalAttribute):
            level = rest[2:]
            if level not in attribute.level_names:
                raise EstimationError(f"attribute '{attribute.name}' has no level '{level}'")
            beyond = attribute.level_names[attribute.level_names.index(level) :]
            factors.append(Factor(attribute.name, "step", level, beyond))
        elif rest.startswith(">="):
            factors.append(Factor(attribute.name, "step", plain_number(float(rest[2:]))))
        elif is_levels and rest[1:] in attribute.values:
            factors.append(Factor(attribute.name, "level", rest[1:]))
        else:
            raise EstimationError(f"'{part}' is no effect of attribute '{attribute.name}'")
    return Term(tuple(factors))


def _parts(name: str, attributes: Sequence[str]) -> list[str]:
    """Split an interaction at the colons that an attribute's name follows: levels may hold colons, too."""
    parts = [""]
    for piece in name.split(":"):
        starts = any(piece == a or piece.startswith((f"{a}=", f"{a}>=")) for a in attributes)
        if starts and parts[-1]:
            parts.append(piece)
        else:
            parts[-1] += (":" if parts[-1] else "") + piece
    return parts


def term_matrix(terms: Sequence[Term], profiles: Sequence[Profile]) -> Array:
    """Return the terms' values, shape (n_profiles, n_terms)."""
    rows = [p.as_dict() for p in profiles]
    columns = [[t.value(row) for row in rows] for t in terms]
    return np.array(columns, dtype=float).T.reshape(len(profiles), len(terms))


def attribute_distance(
    attributes: Sequence[Attribute], left: Sequence[Profile], right: Sequence[Profile]
) -> Array:
    """Return how different two profiles are, shape (n_cells,): summed over attributes, each at most 1.

    A numeric attribute counts its difference over its range, a categorical one 1 if the levels differ.
    """
    total = np.zeros(len(left))
    for attribute in attributes:
        one = [p[attribute.name] for p in left]
        other = [p[attribute.name] for p in right]
        if isinstance(attribute, CategoricalAttribute):
            total += [float(a != b) for a, b in zip(one, other, strict=True)]
        else:
            span = attribute.maximum - attribute.minimum
            total += np.abs(np.array(one, dtype=float) - np.array(other, dtype=float)) / (span or 1.0)
    return total
