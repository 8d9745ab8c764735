"""What a match run is asked to achieve, by name. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import numpy as np

from exchange.clearing.exchange_values import ExchangeValues
from exchange.errors import BadRequest
from exchange.pool import FloatArray, Pool, PoolArrays
from exchange.priorities import DonorPriorities, Priorities

HIGHLY_SENSITIZED_CPRA = 0.8
"""From this cPRA on a patient counts as highly sensitized (Dickerson, Procaccia, Sandholm 2014, "Price of
fairness in kidney exchange", AAMAS 2014; the usual threshold of exchange programs)."""
SENSITIZED_BONUS = 1.0
"""How much more a transplant of a highly sensitized patient counts under ``weighted-fairness``."""


class Objective(StrEnum):
    """A number that one stage of clearing makes as great as it can be (or as small, where it says fewest)."""

    TRANSPLANTS = "transplants"
    """Patients of the pool who receive; a last donor's gift to the waiting list is not counted."""
    PRIORITY = "priority"
    """Sum of the priority weights of the patients who receive."""
    ARC_WEIGHT = "arc-weight"
    """Sum of the weights that the pool's source gives to the arcs used."""
    TWO_WAY = "two-way"
    """Pairs cleared by two-way cycles."""
    FEWEST_THREE_WAY = "fewest-three-way"
    """Three-way cycles, as few as possible."""
    BACK_ARCS = "back-arcs"
    """Arcs used in chains and in cycles of three pairs or more whose opposite exists too: where an exchange
    fails, the two pairs could still give to each other."""
    EXPECTED_TRANSPLANTS = "expected-transplants"
    """Transplants that can be expected to happen, given the arcs' success probabilities: a cycle fails as a
    whole, a chain from the failure on (Dickerson, Procaccia, Sandholm 2013, "Failure-aware kidney exchange",
    EC 2013)."""
    EXPECTED_PRIORITY = "expected-priority"
    """The same for the sum of priority weights."""
    SENSITIZED = "sensitized"
    """Highly sensitized patients who receive (lexicographic fairness, when it comes first; Dickerson et al.
    2014)."""
    WEIGHTED_FAIRNESS = "weighted-fairness"
    """Patients who receive, the highly sensitized counting more (weighted fairness; Dickerson et al. 2014)."""

    @property
    def is_minimized(self) -> bool:
        """Whether less is better."""
        return self is Objective.FEWEST_THREE_WAY

    @property
    def is_whole(self) -> bool:
        """Whether its values are whole numbers whatever the pool."""
        return self in _WHOLE

    @property
    def needs_weights(self) -> bool:
        """Whether it looks at priority weights."""
        return self in (Objective.PRIORITY, Objective.EXPECTED_PRIORITY)


_WHOLE = frozenset(
    {
        Objective.TRANSPLANTS,
        Objective.TWO_WAY,
        Objective.FEWEST_THREE_WAY,
        Objective.BACK_ARCS,
        Objective.SENSITIZED,
    }
)


class Policy(StrEnum):
    """A named rule: objectives in order, each one kept while the next is pursued."""

    PRIORITY_AFTER_CARDINALITY = "priority-after-cardinality"
    """Most transplants; among those the greatest total weight of the patients who receive. The rule that
    Freedman et al. (2020), Artificial Intelligence 283, 103261, describe."""
    GREATEST_WEIGHT = "greatest-weight"
    """Greatest total weight alone, whatever it costs in transplants. What the code released with that paper
    runs: its cycles keep the weights they were made with, so its cardinality step never binds."""
    EQUAL = "equal"
    """Most transplants, every patient counting the same."""
    GREATEST_ARC_WEIGHT = "greatest-arc-weight"
    """Greatest sum of the arcs' own weights; patients' profiles play no part."""
    FAILURE_AWARE = "failure-aware"
    """Most transplants that can be expected to happen."""
    PRIORITY_AFTER_EXPECTED = "priority-after-expected"
    """Most expected transplants; among those the greatest expected weight."""
    SENSITIZED_FIRST = "sensitized-first"
    """Most highly sensitized patients; among those most transplants."""
    WEIGHTED_FAIRNESS = "weighted-fairness"
    """Most patients, the highly sensitized counting more."""
    ROBUST = "robust"
    """Most transplants; then most pairs in two-way cycles, fewest three-way cycles, most back-arcs: what
    loses least when a transplant falls through."""


_STAGES = {
    Policy.PRIORITY_AFTER_CARDINALITY: (Objective.TRANSPLANTS, Objective.PRIORITY),
    Policy.GREATEST_WEIGHT: (Objective.PRIORITY,),
    Policy.EQUAL: (Objective.TRANSPLANTS,),
    Policy.GREATEST_ARC_WEIGHT: (Objective.ARC_WEIGHT,),
    Policy.FAILURE_AWARE: (Objective.EXPECTED_TRANSPLANTS,),
    Policy.PRIORITY_AFTER_EXPECTED: (Objective.EXPECTED_TRANSPLANTS, Objective.EXPECTED_PRIORITY),
    Policy.SENSITIZED_FIRST: (Objective.SENSITIZED, Objective.TRANSPLANTS),
    Policy.WEIGHTED_FAIRNESS: (Objective.WEIGHTED_FAIRNESS,),
    Policy.ROBUST: (
        Objective.TRANSPLANTS,
        Objective.TWO_WAY,
        Objective.FEWEST_THREE_WAY,
        Objective.BACK_ARCS,
    ),
}


def stage_objectives(policy: Policy) -> tuple[Objective, ...]:
    """Return the objectives of a policy's stages, in order."""
    return _STAGES[policy]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fairness:
    """Who is highly sensitized, and how much more they count."""

    threshold: float = HIGHLY_SENSITIZED_CPRA
    """Smallest cPRA, a fraction."""
    bonus: float = SENSITIZED_BONUS
    """Under ``weighted-fairness`` a highly sensitized patient counts 1 + bonus."""

    def __post_init__(self) -> None:
        if not 0 <= self.threshold <= 1:
            raise BadRequest(f"sensitized from cPRA {self.threshold:g}: give a fraction between 0 and 1")
        if not 0 <= self.bonus < float("inf"):
            raise BadRequest(f"sensitized bonus {self.bonus:g}: give a number of at least 0")


def is_highly_sensitized(pool: Pool, fairness: Fairness) -> dict[str, bool]:
    """Return for each pair whether its patient is highly sensitized.

    Raises
    ------
    BadRequest
        Pairs without a cPRA.
    """
    unknown = [pair.id for pair in pool.pairs if pair.cpra is None]
    if unknown:
        raise BadRequest(
            f"{pool.source}: fairness to the sensitized needs every patient's cPRA; {len(unknown)} pair(s) have "
            f"none, among them {', '.join(unknown[:5])}"
        )
    return {pair.id: pair.cpra is not None and pair.cpra >= fairness.threshold for pair in pool.pairs}


def priority_matrix(arrays: PoolArrays, priorities: Priorities) -> FloatArray:
    """Return the priority of each possible transplant, shape (n_pairs + n_ndds, n_pairs)."""
    shape = arrays.arc_exists.shape
    if isinstance(priorities, DonorPriorities):
        return priorities.matrix((*arrays.pair_ids, *arrays.ndd_ids), arrays.pair_ids)
    by_patient = np.array([priorities[pair_id] for pair_id in arrays.pair_ids])
    return np.broadcast_to(by_patient, shape)


class ArcFacts(Protocol):
    """What objectives look at; arrays have the shape (n_pairs + n_ndds, n_pairs) unless said otherwise."""

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of the arrays."""

    def priority(self) -> FloatArray:
        """Return the priority weight of each possible transplant."""

    def arc_weight(self) -> FloatArray:
        """Return the weight that the pool's source gives to each arc."""

    def success(self) -> FloatArray:
        """Return the success probability of each arc."""

    def same_success(self) -> float | None:
        """Return the success probability of every arc; None where they differ."""

    def sensitized(self) -> FloatArray:
        """Return for each patient 1 if highly sensitized, otherwise 0; shape (n_pairs,)."""

    def opposite(self) -> FloatArray:
        """Return 1 for each arc between pairs whose opposite exists too, otherwise 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolFacts:
    """What objectives look at, of a pool."""

    pool: Pool
    arrays: PoolArrays
    priorities: Priorities
    fairness: Fairness

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of the arrays."""
        n_donors, n_pairs = self.arrays.arc_exists.shape
        return n_donors, n_pairs

    def priority(self) -> FloatArray:
        """Return the priority weight of each possible transplant."""
        return priority_matrix(self.arrays, self.priorities)

    def arc_weight(self) -> FloatArray:
        """Return the weight that the pool's source gives to each arc."""
        return self.arrays.arc_weight

    def success(self) -> FloatArray:
        """Return the success probability of each arc."""
        return self.arrays.success_probability

    def same_success(self) -> float | None:
        """Return the success probability of every arc; None where they differ."""
        probabilities = np.unique(self.arrays.success_probability[self.arrays.arc_exists])
        if len(probabilities) > 1:
            return None
        return float(probabilities[0]) if len(probabilities) else 1.0

    def sensitized(self) -> FloatArray:
        """Return for each patient 1 if highly sensitized, otherwise 0."""
        marks = is_highly_sensitized(self.pool, self.fairness)
        return np.array([marks[pair_id] for pair_id in self.arrays.pair_ids], dtype=np.float64)

    def opposite(self) -> FloatArray:
        """Return 1 for each arc between pairs whose opposite exists too, otherwise 0."""
        found = np.zeros(self.shape)
        found[: self.arrays.n_pairs] = self.arrays.pair_arcs & self.arrays.pair_arcs.T
        return found


def objective_values(
    objective: Objective, facts: ArcFacts, *, cycle_cap: int, fairness: Fairness
) -> ExchangeValues:
    """Return what each exchange adds to an objective; negative for one that is minimized."""
    shape = facts.shape
    whole = objective.is_whole
    cycle_cap = max(cycle_cap, 1)  # A compatible pair is a cycle of one even where no cycles are allowed.
    sizes = range(1, cycle_cap + 1)
    if objective is Objective.TRANSPLANTS:
        return ExchangeValues(arc=_everywhere(1.0, shape), is_whole=whole)
    if objective is Objective.PRIORITY:
        return ExchangeValues(arc=facts.priority())
    if objective is Objective.ARC_WEIGHT:
        return ExchangeValues(arc=facts.arc_weight())
    if objective is Objective.TWO_WAY:
        others = {size: 0.0 for size in sizes if size != 2}
        return ExchangeValues(arc=_everywhere(1.0, shape), factors=others, chain_ratio=0.0, is_whole=whole)
    if objective is Objective.FEWEST_THREE_WAY:
        return ExchangeValues(arc=_everywhere(0.0, shape), constants={3: -1.0}, is_whole=whole)
    if objective is Objective.BACK_ARCS:
        return ExchangeValues(arc=facts.opposite(), factors={1: 0.0, 2: 0.0}, is_whole=whole)
    if objective is Objective.EXPECTED_TRANSPLANTS:
        return _expected(_everywhere(1.0, shape), facts, cycle_cap)
    if objective is Objective.EXPECTED_PRIORITY:
        return _expected(facts.priority(), facts, cycle_cap)
    marked = facts.sensitized()
    if objective is Objective.SENSITIZED:
        return ExchangeValues(arc=np.broadcast_to(marked, shape), is_whole=whole)
    return ExchangeValues(arc=np.broadcast_to(1.0 + fairness.bonus * marked, shape))


def _everywhere(value: float, shape: tuple[int, int]) -> FloatArray:
    return np.broadcast_to(value, shape)


def _expected(arc: FloatArray, facts: ArcFacts, cycle_cap: int) -> ExchangeValues:
    """Return values under failure; where all arcs are equally likely to succeed, as values that add up."""
    success = facts.same_success()
    if success is None:
        return ExchangeValues(arc=arc, success=facts.success())
    powers = {size: success**size for size in range(1, cycle_cap + 1)}
    return ExchangeValues(arc=arc, factors=powers, chain_ratio=success)
