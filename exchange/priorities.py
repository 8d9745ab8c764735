"""From weights to one priority per pair. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from estimation.errors import NoWeight
from estimation.weights import PriorityWeights
from exchange.errors import MissingPriorities
from exchange.pool import MOST_COMPLAINTS, FloatArray, Pool
from survey.design import Attribute, CategoricalAttribute, Profile


def priorities(pool: Pool, weights: PriorityWeights) -> dict[str, float]:
    """Return the weight of each pair's patient, by pair id.

    Raises
    ------
    MissingPriorities
        Pairs without a profile, with one that the weights do not cover, or with one of other attributes than
        the weights were estimated for; ``pair_ids`` names them.
    """
    assert_same_attributes(pool, weights.attributes)
    found: dict[str, float] = {}
    of_profile: dict[Profile, float | NoWeight] = {}
    without_profile = []
    not_covered: dict[str, NoWeight] = {}
    for pair in pool.pairs:
        if pair.profile is None:
            without_profile.append(pair.id)
            continue
        if pair.profile not in of_profile:
            try:
                of_profile[pair.profile] = weights.weight(pair.profile)
            except NoWeight as error:
                of_profile[pair.profile] = error
        weight = of_profile[pair.profile]
        if isinstance(weight, NoWeight):
            not_covered[pair.id] = weight
        else:
            found[pair.id] = weight
    if without_profile:
        raise MissingPriorities(
            f"{pool.source}: {len(without_profile)} pair(s) have no profile, so no weight can be given to "
            f"{listed(without_profile)}; use a pool with profiles, or policy 'equal'",
            without_profile,
        )
    if not_covered:
        reason = next(iter(not_covered.values()))
        raise MissingPriorities(
            f"{pool.source}: the weights do not cover {len(not_covered)} pair(s), {listed(list(not_covered))}: "
            f"{reason}; use weights from the study that describes the pool's patients",
            list(not_covered),
        ) from reason
    return found


def assert_same_attributes(pool: Pool, attributes: Sequence[Attribute]) -> None:
    """Refuse weights of another study: an attribute they lack would count for nothing, another unit for more.

    Raises
    ------
    MissingPriorities
        The pool's patients are described by other attributes.
    """
    described, weighted = ({a.name: a for a in of} for of in (pool.attributes, attributes))
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
    """Compare kinds and units. Weights fitted without the study's design know no units, so those cannot
    differ."""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class DonorPriorities:
    """Weights that differ from donor to donor: each gives by their own values, as in Freedman (2020),
    "Aligning with heterogeneous preferences for kidney exchange", AISafety 2020."""

    donors: tuple[str, ...]
    """Ids of pairs and non-directed donors."""
    recipients: tuple[str, ...]
    """Ids of pairs."""
    weights: FloatArray
    """Shape (donors, recipients): the weight that the row's donor gives to the column's patient."""

    def weight(self, donor: str, recipient: str) -> float:
        """Return the weight that a donor gives to a patient."""
        return float(self.weights[self.donors.index(donor), self.recipients.index(recipient)])

    def matrix(self, donors: Sequence[str], recipients: Sequence[str]) -> FloatArray:
        """Return the weights in another order of donors and recipients.

        Raises
        ------
        MissingPriorities
            Donors or recipients without weights.
        """
        rows = {donor: i for i, donor in enumerate(self.donors)}
        columns = {recipient: i for i, recipient in enumerate(self.recipients)}
        missing = [name for name in donors if name not in rows] + [r for r in recipients if r not in columns]
        if missing:
            raise MissingPriorities(
                f"{len(missing)} donor(s) or patient(s) have no priorities: {listed(missing)}; make them for "
                "this pool",
                missing,
            )
        found: FloatArray = self.weights[
            np.ix_([rows[donor] for donor in donors], [columns[recipient] for recipient in recipients])
        ]
        return found


Priorities: TypeAlias = Mapping[str, float] | DonorPriorities
"""Weight of each pair's patient by pair id, or of each donor and patient."""


def priority_of(priorities: Priorities, donor: str, recipient: str) -> float:
    """Return the weight of one transplant."""
    if isinstance(priorities, DonorPriorities):
        return priorities.weight(donor, recipient)
    return priorities[recipient]


def equal_priorities(pool: Pool) -> dict[str, float]:
    """Return weight 1 for every pair."""
    return {pair.id: 1.0 for pair in pool.pairs}


def listed(pair_ids: list[str]) -> str:
    """Return the first few ids in words, and how many more there are."""
    shown = ", ".join(pair_ids[:MOST_COMPLAINTS])
    more = len(pair_ids) - MOST_COMPLAINTS
    return f"{shown} and {more} more" if more > 0 else shown
