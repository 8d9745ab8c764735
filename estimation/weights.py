"""Priority weights: what the exchange is given. Largest weight = 1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import exp, isnan
from typing import SupportsFloat

import numpy as np
from numpy.typing import NDArray

from estimation.effects import Term, term_matrix, term_named
from estimation.errors import EstimationError, NoWeight
from survey.design import Attribute, CategoricalAttribute, Profile, Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A number with its interval."""

    value: float
    low: float | None = None
    """Lower end of the 95 % interval; None where none was computed."""
    high: float | None = None

    @classmethod
    def of(cls, value: SupportsFloat, low: SupportsFloat, high: SupportsFloat) -> Estimate:
        """Return an estimate of computed numbers; an end that is not a number stands for no interval."""
        if isnan(float(low)):
            return cls(value=float(value))
        return cls(value=float(value), low=float(low), high=float(high))


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileWeights:
    """One estimated log-strength per profile of the study."""

    attributes: tuple[Attribute, ...]
    profiles: tuple[Profile, ...]
    log_strengths: tuple[Estimate, ...]
    """One per profile, centred (sum 0)."""

    def weight(self, profile: Profile) -> float:
        """Return the profile's weight: its strength over the greatest strength, in (0, 1].

        Raises
        ------
        NoWeight
            The profile was not among the estimated ones.
        """
        top = max(e.value for e in self.log_strengths)
        for known, estimate in zip(self.profiles, self.log_strengths, strict=True):
            if known == profile:
                return exp(estimate.value - top)
        raise NoWeight(
            f"no weight for profile '{profile.id}'; the weights cover {', '.join(p.id for p in self.profiles)}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributeWeights:
    """One coefficient per term: per numeric attribute, per level beyond the first of a categorical one, …"""

    attributes: tuple[Attribute, ...]
    terms: tuple[Term, ...]
    coefficients: Mapping[str, Estimate]
    """By the term's name: ``age`` (log-strength per unit), ``drinking=heavy`` (against the first level),
    ``age>=40`` (a step), ``age:drinking=heavy`` (an interaction)."""

    @classmethod
    def named(cls, attributes: Sequence[Attribute], coefficients: Mapping[str, Estimate]) -> AttributeWeights:
        """Return weights whose terms are those that the coefficients' names say.

        Raises
        ------
        EstimationError
            A name fits no attribute, or an attribute has no coefficient.
        """
        terms = tuple(term_named(name, attributes) for name in coefficients)
        used = {factor.attribute for term in terms for factor in term.factors}
        for attribute in attributes:
            if attribute.name not in used:
                raise EstimationError(f"has no coefficient of attribute '{attribute.name}'")
        return cls(attributes=tuple(attributes), terms=terms, coefficients=dict(coefficients))

    def weight(self, profile: Profile) -> float:
        """Return exp(log-strength), scaled so that the best conceivable profile has weight 1.

        Raises
        ------
        NoWeight
            The profile lacks an attribute, or has a level that was never estimated.
        """
        given = profile.as_dict()
        for attribute in self.attributes:
            check_value(profile.id, attribute, given.get(attribute.name))
        # A patient beyond the study's range is extrapolated, not clipped: the weight may exceed 1.
        return exp(self.log_strength(given) - self._greatest())

    def log_strength(self, given: Mapping[str, Value]) -> float:
        """Return the sum of a profile's effects, not centred."""
        return sum(self.coefficients[t.name].value * t.value(given) for t in self.terms)

    def _greatest(self) -> float:
        """Return the log-strength of the best conceivable profile."""
        # Effects of attributes that do not interact can be maximized apart; a product is greatest at a corner.
        total = 0.0
        for names in self._interacting():
            attributes = [a for a in self.attributes if a.name in names]
            own = [t for t in self.terms if t.attribute in names]
            total += max(
                sum(
                    self.coefficients[t.name].value * t.value(dict(zip(names, values, strict=True)))
                    for t in own
                )
                for values in product(*(self._corners(a) for a in attributes))
            )
        return total

    def _interacting(self) -> list[tuple[str, ...]]:
        """Return the attributes in groups that interact, each in the design's order."""
        group = {a.name: {a.name} for a in self.attributes}
        for term in self.terms:
            joined = set().union(*(group[f.attribute] for f in term.factors))
            for name in joined:
                group[name] = joined
        ordered = [tuple(a.name for a in self.attributes if a.name in group[b.name]) for b in self.attributes]
        return list(dict.fromkeys(ordered))

    def _corners(self, attribute: Attribute) -> tuple[Value, ...]:
        """Return the values among which an effect of the attribute is greatest."""
        if isinstance(attribute, CategoricalAttribute):
            return attribute.level_names
        steps = {
            f.at for t in self.terms for f in t.factors if f.attribute == attribute.name and f.kind == "step"
        }
        return (attribute.minimum, attribute.maximum, *(s for s in steps if isinstance(s, int | float)))


PriorityWeights = ProfileWeights | AttributeWeights


def check_value(profile_id: str, attribute: Attribute, value: Value | None) -> None:
    """Raise :class:`NoWeight` if weights of an attribute say nothing about a profile's value of it."""
    if value is None:
        raise NoWeight(
            f"profile '{profile_id}' has no attribute '{attribute.name}', on which the weights depend; give it one"
        )
    if isinstance(attribute, CategoricalAttribute):
        if value not in attribute.level_names:
            raise NoWeight(
                f"no weight for {attribute.name} = {value!r}; its levels are {', '.join(attribute.level_names)}"
            )
    elif isinstance(value, bool) or not isinstance(value, int | float):
        raise NoWeight(f"attribute '{attribute.name}' needs a number, not {value!r}")


def redrawn(weights: PriorityWeights, draw: Sequence[float]) -> PriorityWeights:
    """Return the weights of one joint draw, so that whoever uses weights can carry their uncertainty on.

    Parameters
    ----------
    draw
        Log-strengths of the profiles, or coefficients of the terms, in their order; what follows them is ignored.
    """
    if isinstance(weights, ProfileWeights):
        values = [float(v) for v in draw[: len(weights.profiles)]]
        return replace(weights, log_strengths=tuple(Estimate(value=v) for v in values))
    values = [float(v) for v in draw[: len(weights.terms)]]
    return replace(
        weights,
        coefficients={t.name: Estimate(value=v) for t, v in zip(weights.terms, values, strict=True)},
    )


def profile_weights(
    weights: PriorityWeights,
    profiles: Sequence[Profile],
    draws: Sequence[Sequence[float]] | NDArray[np.float64] = (),
) -> tuple[Estimate, ...]:
    """Return the profiles' weights, the largest among them 1, with 95 % intervals from joint draws.

    In every draw the largest weight is 1, whichever profile has it: the best profile's interval ends at 1 and is a
    point only if it is best in all draws. A reference named after seeing the data would have no interval at all.
    """
    value = _relative(weights, profiles)
    if not len(draws):
        return tuple(Estimate(value=float(v)) for v in value)
    table = np.array([_relative(redrawn(weights, draw), profiles) for draw in draws])
    low, high = np.quantile(table, [0.025, 0.975], axis=0)
    return tuple(map(Estimate.of, value, low, high))


def log_strengths(weights: PriorityWeights, profiles: Sequence[Profile]) -> NDArray[np.float64]:
    """Return log-strengths of profiles under given weights, not centred, shape (n_profiles,).

    Not a number for a profile that was not among the estimated ones, where each has a log-strength of its own.
    """
    if isinstance(weights, ProfileWeights):
        known = {p: e.value for p, e in zip(weights.profiles, weights.log_strengths, strict=True)}
        return np.array([known.get(p, np.nan) for p in profiles])
    coefficients = np.array([weights.coefficients[t.name].value for t in weights.terms])
    return np.asarray(term_matrix(weights.terms, profiles) @ coefficients)


def _relative(weights: PriorityWeights, profiles: Sequence[Profile]) -> NDArray[np.float64]:
    log = log_strengths(weights, profiles)
    return np.asarray(np.exp(log - log.max()))
