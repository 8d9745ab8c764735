"""Pairs in which one patient is at least as good in everything, in the directions that a design states. Pure."""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache
from math import prod

import numpy as np

from survey.design import (
    Attribute,
    CategoricalAttribute,
    Comparison,
    Favours,
    Profile,
    ProfileKind,
    StudyDesign,
    Value,
)
from survey.pairing.comparisons import can_draw


def better_of(design: StudyDesign, one: Profile, other: Profile) -> Profile | None:
    """Return the profile that dominates the other, or None if neither does.

    A profile dominates another that it equals in every attribute without a stated direction, that it is at least
    as good as in every attribute with one, and better than in at least one. Of a categorical attribute only the
    favoured level is better than another; two others are not ranked.
    """
    if one == other:
        return None
    for better, worse in ((one, other), (other, one)):
        if all(_at_least(a, better[a.name], worse[a.name]) for a in design.attributes):
            return better
    return None


def _at_least(attribute: Attribute, value: Value, other: Value) -> bool:
    if value == other:
        return True
    if isinstance(attribute, CategoricalAttribute):
        return value == attribute.favoured
    if attribute.favours is None:
        return False
    low, high = sorted((float(value), float(other)))
    return float(value) == (low if attribute.favours is Favours.LOW else high)


def dominated_count(design: StudyDesign) -> int:
    """Return in how many pairs of the profiles that a design can draw one dominates the other."""
    if design.profile_kind is ProfileKind.LIST:
        return len(_listed(design))
    # Every attribute has so many (at least as good, as good or worse) pairs of values; a pair of profiles combines
    # one of each, and only combinations of equals are no domination.
    return prod(_ranked_pairs(a) for a in design.attributes) - prod(a.value_count for a in design.attributes)


def _ranked_pairs(attribute: Attribute) -> int:
    values = attribute.value_count
    if isinstance(attribute, CategoricalAttribute):
        return values if attribute.favoured is None else 2 * values - 1
    return values if attribute.favours is None else values * (values + 1) // 2


def draw_dominated(
    design: StudyDesign, rng: np.random.Generator, *, avoid: Collection[Comparison] = ()
) -> tuple[Profile, Profile, float]:
    """Draw a pair (better, worse), each dominated pair that is not to be avoided equally likely.

    Where only pairs to be avoided are left, they are drawn from after all.

    Returns
    -------
    tuple
        The dominating profile, the dominated one, and the probability of the draw.

    Raises
    ------
    ValueError
        No profile of the design dominates another; the design file refuses a role for them then.
    """
    count = dominated_count(design)
    if count == 0:
        raise ValueError(f"study '{design.slug}' has no pair in which one profile dominates the other")
    avoided = {c for c in avoid if _is_dominated(design, c)}
    if len(avoided) == count:
        avoided = set()
    if design.profile_kind is ProfileKind.LIST:
        pairs = [pair for pair in _listed(design) if Comparison.of(*pair) not in avoided]
        better, worse = pairs[int(rng.integers(len(pairs)))]
        return better, worse, 1 / len(pairs)
    while True:
        better, worse = _drawn(design, rng)
        if better != worse and Comparison.of(better, worse) not in avoided:
            return better, worse, 1 / (count - len(avoided))


def _is_dominated(design: StudyDesign, comparison: Comparison) -> bool:
    profiles = (comparison.first, comparison.second)
    return all(can_draw(design, p) for p in profiles) and better_of(design, *profiles) is not None


def _drawn(design: StudyDesign, rng: np.random.Generator) -> tuple[Profile, Profile]:
    """Draw two profiles, the first at least as good; every such ordered pair is equally likely."""
    better: dict[str, Value] = {}
    worse: dict[str, Value] = {}
    for attribute in design.attributes:
        directed = attribute.favoured if isinstance(attribute, CategoricalAttribute) else attribute.favours
        one = other = attribute.draw(rng)
        if directed is not None:
            other = attribute.draw(rng)
            # Attribute by attribute, so that many attributes need no more draws each: about half of the draws of a
            # numeric attribute are kept, and two in as many as there are levels of a categorical one.
            while not _at_least(attribute, one, other):
                one, other = attribute.draw(rng), attribute.draw(rng)
        better[attribute.name], worse[attribute.name] = one, other
    return design.profile(better), design.profile(worse)


@lru_cache(maxsize=32)
def _listed(design: StudyDesign) -> tuple[tuple[Profile, Profile], ...]:
    """Return every (better, worse) pair of the listed profiles."""
    profiles = [listed.profile for listed in design.listed_profiles]
    at_least = np.ones((len(profiles), len(profiles)), dtype=bool)
    for attribute in design.attributes:
        values = [profile[attribute.name] for profile in profiles]
        if isinstance(attribute, CategoricalAttribute):
            levels = np.array([attribute.level_names.index(str(v)) for v in values])
            allowed = levels[:, None] == levels[None, :]
            if attribute.favoured is not None:
                allowed |= (levels == attribute.level_names.index(attribute.favoured))[:, None]
        else:
            numbers = np.array([float(v) for v in values])
            if attribute.favours is None:
                allowed = numbers[:, None] == numbers[None, :]
            elif attribute.favours is Favours.LOW:
                allowed = numbers[:, None] <= numbers[None, :]
            else:
                allowed = numbers[:, None] >= numbers[None, :]
        at_least &= allowed
    np.fill_diagonal(at_least, False)
    return tuple((profiles[i], profiles[j]) for i, j in np.argwhere(at_least))
