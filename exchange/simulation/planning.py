"""One match run of a simulation: the best exchanges among those that newcomers make possible.

After a match run nothing is left that could be exchanged among those it left waiting, or it would have been.
Until the next one, an exchange is possible only if somebody is part of it who has come since, or has come back
from a plan that fell through: the *active*. This is the warm start: nothing else is looked at. Where exchanges are
cycles of two or three pairs, all of them are listed; otherwise the part of the pool that active people can reach is
cleared like any pool.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from exchange.clearing.clear import make_clearing
from exchange.clearing.listed_cycles import ListedCycles, best_disjoint
from exchange.clearing.objectives import Objective
from exchange.pool import BoolArray, IntArray, NonDirectedDonor, Pair, Pool, PoolArrays
from exchange.priorities import DonorPriorities, Priorities
from exchange.simulation.condition import Condition
from exchange.simulation.scenario import Scenario
from exchange.simulation.valuation import Valuation
from exchange.simulation.waiting_pool import WaitingPool

_SHUFFLE = 10_007.0
_LISTED_CAP = 3
"""Largest cycles that are listed."""
_MOST_LISTED = 64
"""Newcomers whose cycles are listed: with 112 (16 pairs a day, cleared weekly) it took up to 14 times as long as
clearing by pricing, with 32 half as long."""
_ALWAYS_GAINING = (Objective.TRANSPLANTS, Objective.ARC_WEIGHT, Objective.WEIGHTED_FAIRNESS)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedExchange:
    """Places in the order in which they give: a cycle, whose last gives to the first, or a chain."""

    places: tuple[int, ...]
    is_chain: bool


class Planner:
    """Plans the match runs of one simulated run."""

    def __init__(
        self, scenario: Scenario, condition: Condition, waiting: WaitingPool, valuation: Valuation
    ) -> None:
        self._scenario, self._condition = scenario, condition
        self._waiting, self._valuation = waiting, valuation
        self._looks_at_all = _may_leave_something(condition)
        self._n_match_runs = 0

    def plan(
        self, active: Sequence[int], free: BoolArray, donors: Sequence[int], active_donors: Sequence[int]
    ) -> list[PlannedExchange]:
        """Return the best exchanges.

        Parameters
        ----------
        active
            Places of pairs that have come, or come back, since the last match run.
        free
            Shape (places,): pairs that wait and are part of no plan.
        donors
            Places of free non-directed and bridge donors.
        active_donors
            Those of them who have come since the last match run.
        """
        self._n_match_runs += 1
        if self._looks_at_all:
            active = np.flatnonzero(free).tolist()
        if not active and not active_donors:
            return []
        has_chains = bool(donors) and self._scenario.chain_cap > 0
        if not has_chains and self._scenario.cycle_cap <= _LISTED_CAP and len(active) <= _MOST_LISTED:
            found = self._plan_listed(active, free)
            if found is not None:
                return found
        return self._plan_cleared(active, free, donors if has_chains else (), active_donors)

    def _plan_listed(self, active: Sequence[int], free: BoolArray) -> list[PlannedExchange] | None:
        """Choose among all cycles through active pairs; None where that cannot be done, or not fast."""
        if not self._scenario.cycle_cap:
            return []
        members = cycles_through(active, free, self._waiting.arcs, self._scenario.cycle_cap)
        values = self._valuation.total_values(members, len(active))
        if values is None:
            return None
        worthwhile = np.flatnonzero(values > 0)
        members = members[worthwhile]
        lots = np.append(self._waiting.lots, 0.0)[members].sum(axis=1) % 1.0
        chosen = best_disjoint(
            ListedCycles(members=members, values=values[worthwhile], lots=lots),
            np.array(active, dtype=np.intp),
        )
        if chosen is None:
            return None
        return [
            PlannedExchange(places=tuple(place for place in row if place >= 0), is_chain=False)
            for row in members[np.sort(chosen)].tolist()
        ]

    def _plan_cleared(
        self, active: Sequence[int], free: BoolArray, donors: Sequence[int], active_donors: Sequence[int]
    ) -> list[PlannedExchange]:
        pairs = self._reached(active, free, donors)
        if not len(pairs):
            return []
        # Active pairs first, because every cycle goes through one. Solvers settle ties by the order of what they
        # are given; shuffled anew each time, or those with bad lots would lose again and again.
        is_old = ~np.isin(pairs, np.array(active, dtype=np.intp))
        lots = np.modf(self._waiting.lots[pairs] * (_SHUFFLE * self._n_match_runs))[0]
        pairs = pairs[np.lexsort((lots, is_old))]
        givers = np.concatenate([pairs, np.array(donors, dtype=np.intp)])
        exists = self._waiting.arcs[np.ix_(givers, pairs)]
        ids = [str(place) for place in givers.tolist()]
        n = len(pairs)
        pool = Pool(
            pairs=tuple(
                Pair(id=name, cpra=float(self._waiting.cpra[place]))
                for name, place in zip(ids, pairs.tolist(), strict=False)
            ),
            ndds=tuple(NonDirectedDonor(id=name) for name in ids[n:]),
            source="simulated pool",
        )
        success = np.where(exists, self._valuation.success()[np.ix_(givers, pairs)], 0.0)
        arrays = PoolArrays(
            pair_ids=tuple(ids[:n]),
            ndd_ids=tuple(ids[n:]),
            arc_exists=exists,
            arc_weight=exists.astype(np.float64),
            success_probability=success,
        )
        goals = self._condition.goals
        clearing = make_clearing(
            pool,
            [goal.objective for goal in goals],
            cycle_cap=self._scenario.cycle_cap,
            chain_cap=self._scenario.chain_cap,
            fairness=self._condition.fairness,
            arrays=arrays,
            n_starts=len(pairs) - int(np.count_nonzero(is_old)),
        )
        priorities: Priorities = DonorPriorities(
            donors=tuple(ids), recipients=tuple(ids[:n]), weights=self._valuation.donor_weights(givers, pairs)
        )
        solved = clearing.solve([(goal, clearing.values(goal.objective, priorities)) for goal in goals])
        cycles, chains = solved.chosen.exchanges()
        return [
            PlannedExchange(places=tuple(int(givers[i]) for i in exchange), is_chain=is_chain)
            for exchanges, is_chain in ((cycles, False), (chains, True))
            for exchange in exchanges
        ]

    def _reached(self, active: Sequence[int], free: BoolArray, donors: Sequence[int]) -> IntArray:
        """Return the free pairs that could be part of an exchange with somebody active."""
        arcs, cap = self._waiting.arcs, self._scenario.cycle_cap
        who = np.flatnonzero(free)
        if self._looks_at_all:
            return who
        among = arcs[np.ix_(who, who)]
        of_chain = np.zeros(len(who), dtype=np.bool_)
        if donors:
            step = arcs[np.ix_(np.array(donors, dtype=np.intp), who)].any(axis=0)
            for _ in range(self._scenario.chain_cap):
                of_chain |= step
                step = among[step].any(axis=0) & ~of_chain
        of_cycle = np.zeros(len(who), dtype=np.bool_)
        for start in np.flatnonzero(np.isin(who, np.array(active, dtype=np.intp))).tolist():
            there, back = _distances(among, start, cap), _distances(among.T, start, cap)
            of_cycle |= there + back <= cap
        return who[of_chain | of_cycle]


def _may_leave_something(condition: Condition) -> bool:
    """Return whether a match run may leave an exchange that the next one would choose with nobody new.

    Only a goal that concedes some of its value can; and not where the last goal gains from every exchange, and none
    before loses from one.
    """
    goals, last = condition.goals, condition.goals[-1].objective
    gains = last in _ALWAYS_GAINING or (last is Objective.PRIORITY and condition.preferences is None)
    loses = any(goal.objective.is_minimized for goal in goals)
    return any(goal.concession for goal in goals[:-1]) and (loses or not gains)


def _distances(arcs: BoolArray, start: int, cap: int) -> IntArray:
    """Return how many arcs it takes from a pair to each other; more than ``cap`` where that is not enough."""
    distance = np.full(len(arcs), cap + 1, dtype=np.intp)
    distance[start] = 0
    front = np.zeros(len(arcs), dtype=np.bool_)
    front[start] = True
    for steps in range(1, cap):
        front = arcs[front].any(axis=0) & (distance > cap)
        if not front.any():
            break
        distance[front] = steps
    return distance


def cycles_through(active: Sequence[int], free: BoolArray, arcs: BoolArray, cap: int) -> IntArray:
    """Return all cycles of two and, with a cap of 3, three free pairs of which at least one is active.

    Returns
    -------
    IntArray
        Shape (count, cap), each cycle once, filled up with -1; each pair gives to the next, the last to the first.
    """
    allowed = free.copy()
    found = [np.empty((0, cap), dtype=np.intp)]
    for place in active:
        allowed[place] = False  # Cycles through it are all met here.
        gives = np.flatnonzero(arcs[place] & allowed)
        takes = np.flatnonzero(arcs[:, place] & allowed)
        if not len(gives) or not len(takes):
            continue
        both = np.intersect1d(gives, takes, assume_unique=True)
        two = np.full((len(both), cap), -1, dtype=np.intp)
        two[:, 0], two[:, 1] = place, both
        found.append(two)
        if cap < _LISTED_CAP:
            continue
        # Faster than looking for both places of each True at once.
        second, third = divmod(np.flatnonzero(arcs[gives][:, takes]), len(takes))
        three = np.empty((len(second), cap), dtype=np.intp)
        three[:, 0], three[:, 1], three[:, 2] = place, gives[second], takes[third]
        found.append(three)
    return np.concatenate(found)
