"""From weights to one priority per pair. Pure."""

from __future__ import annotations

from estimation.errors import NoWeight
from estimation.weights import PriorityWeights
from exchange.errors import MissingPriorities
from exchange.pool import MOST_COMPLAINTS, Pool


def priorities(pool: Pool, weights: PriorityWeights) -> dict[str, float]:
    """Return the weight of each pair's patient, by pair id.

    Raises
    ------
    MissingPriorities
        Pairs without a profile, or with one that the weights do not cover; ``pair_ids`` names them.
    """
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


def equal_priorities(pool: Pool) -> dict[str, float]:
    """Return weight 1 for every pair."""
    return {pair.id: 1.0 for pair in pool.pairs}


def _listed(pair_ids: list[str]) -> str:
    shown = ", ".join(pair_ids[:MOST_COMPLAINTS])
    more = len(pair_ids) - MOST_COMPLAINTS
    return f"{shown} and {more} more" if more > 0 else shown
