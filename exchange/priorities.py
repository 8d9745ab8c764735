"""From weights to one priority per pair. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from estimation.errors import NoWeight
from estimation.weights import PriorityWeights
from exchange.errors import MissingPriorities
from exchange.pool import MOST_COMPLAINTS, Pool
from survey.design import Attribute, CategoricalAttribute


def priorities(pool: Pool, weights: PriorityWeights) -> dict[str, float]:
    """Return the weight of each pair's patient, by pair id.

    Raises
    ------
    MissingPriorities
        Pairs without a profile, with one that the weights do not cover, or with one of other attributes than the
        weights were estimated for; ``pair_ids`` names them.
    """
    _assert_same_attributes(pool, weights)
    found: dict[str, float] = {}
    without_profile = []
    not_covered: dict[str, NoWeight] = {}
    for pair in pool.pairs:
        if pair.profile is None:
            without_profile.append(pair.id)
            continue
        try:
            found[pair.id] = weights.weight(pair.profile)
        except NoWeight as error:
            not_covered[pair.id] = error
    if without_profile:
        raise MissingPriorities(
            f"{pool.source}: {len(without_profile)} pair(s) have no profile, so no weight can be given to "
            f"{_listed(without_profile)}; use a pool with profiles, or policy 'equal'",
            without_profile,
        )
    if not_covered:
        reason = next(iter(not_covered.values()))
        raise MissingPriorities(
            f"{pool.source}: the weights do not cover {len(not_covered)} pair(s), {_listed(list(not_covered))}: "
            f"{reason}; use weights from the study that describes the pool's patients",
            list(not_covered),
        ) from reason
    return found


def _assert_same_attributes(pool: Pool, weights: PriorityWeights) -> None:
    """Refuse weights of another study: an attribute they lack would count for nothing, another unit for more."""
    described, weighted = ({a.name: a for a in of.attributes} for of in (pool, weights))
    if described and not (
        described.keys() == weighted.keys()
        and all(_may_mean_the_same(described[name], weighted[name]) for name in described)
    ):
        raise MissingPriorities(
            f"{pool.source}: patients are described by {_meanings(described.values())}, but the weights are about "
            f"{_meanings(weighted.values())}; use weights from the study that describes the pool's patients",
            [pair.id for pair in pool.pairs],
        )


def _may_mean_the_same(one: Attribute, other: Attribute) -> bool:
    """Compare kinds and units. Weights fitted without the study's design know no units, so those cannot differ."""
    if isinstance(one, CategoricalAttribute) or isinstance(other, CategoricalAttribute):
        return isinstance(one, CategoricalAttribute) and isinstance(other, CategoricalAttribute)
    return not (one.unit and other.unit) or one.unit == other.unit


def _meanings(attributes: Iterable[Attribute]) -> str:
    return ", ".join(
        f"{a.name} (in levels)"
        if isinstance(a, CategoricalAttribute)
        else f"{a.name} ({a.unit or 'unit unknown'})"
        for a in sorted(attributes, key=lambda a: a.name)
    )


def equal_priorities(pool: Pool) -> dict[str, float]:
    """Return weight 1 for every pair."""
    return {pair.id: 1.0 for pair in pool.pairs}


def _listed(pair_ids: list[str]) -> str:
    shown = ", ".join(pair_ids[:MOST_COMPLAINTS])
    more = len(pair_ids) - MOST_COMPLAINTS
    return f"{shown} and {more} more" if more > 0 else shown
