"""Which change of a single attribute would give a patient a certain weight. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from estimation.errors import NoWeight
from estimation.weights import PriorityWeights
from survey.design import Attribute, NumericAttribute, Profile, Value

_EQUAL = 1e-9
"""Weights that differ by less, relative, are equal; the needed one is a difference of long sums."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One attribute of a patient changed."""

    attribute: str
    value: Value
    """What it would have to be."""
    weight: float
    """What the changed profile weighs."""


def changes_that_exceed(
    needed: float, profile: Profile, weights: PriorityWeights, attributes: tuple[Attribute, ...]
) -> tuple[Change, ...]:
    """Return every change of a single attribute that lifts a profile's weight above ``needed``.

    Of a numeric attribute only the nearest such value within the study's range is given. Changed profiles that the
    weights do not cover are left out. This is arithmetic about the weights, and no advice to anybody.
    """
    found: list[Change] = []
    for attribute in attributes:
        exceeding = list(_exceeding(needed, profile, weights, attribute))
        if isinstance(attribute, NumericAttribute):
            own = profile[attribute.name]
            exceeding.sort(key=lambda change: abs(float(change.value) - float(own)))
            exceeding = exceeding[:1]
        found += exceeding
    return tuple(found)


def _exceeding(
    needed: float, profile: Profile, weights: PriorityWeights, attribute: Attribute
) -> Iterator[Change]:
    for value in attribute.values:
        if value == profile[attribute.name]:
            continue
        changed = Profile(
            values=tuple((name, value if name == attribute.name else old) for name, old in profile.values)
        )
        try:
            weight = weights.weight(changed)
        except NoWeight:
            continue
        if weight > needed * (1.0 + _EQUAL):
            yield Change(attribute=attribute.name, value=value, weight=weight)
