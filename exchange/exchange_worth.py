"""What every cycle and chain is worth beyond its members' prices, recomputed from a pool's arcs alone. Pure.

Part of the judge: it shares no code with the clearing engine, so that a mistake there cannot hide here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from exchange.clearing.objectives import Fairness, Objective
from exchange.pool import BoolArray, FloatArray, IntArray, Pool
from exchange.priorities import Priorities, priority_of

_MOST_STEPS = 1_000_000_000
"""Steps from a path to a possible next pair that are looked at (some ten seconds) before the search is left and the
bound over walks is taken for what remains."""
_BLOCK = 1_000
_NOISE = 1e-10
"""Profits below this, relative to the greatest price, are rounding."""

_UNDER_FAILURE = {
    Objective.EXPECTED_TRANSPLANTS: Objective.TRANSPLANTS,
    Objective.EXPECTED_PRIORITY: Objective.PRIORITY,
}


class ExchangeWorth:
    """Worth of exchanges: a sum of objectives, each times a number of at least 0 (an earlier stage's price).

    Of a minimized objective the negative counts. Members are counted as ``pool.pairs``, then ``pool.ndds``.
    """

    def __init__(
        self, pool: Pool, shares: Mapping[Objective, float], priorities: Priorities, fairness: Fairness
    ) -> None:
        self.n = len(pool.pairs)
        self.names = [*(pair.id for pair in pool.pairs), *(ndd.id for ndd in pool.ndds)]
        index = {name: i for i, name in enumerate(self.names)}
        shape = (len(self.names), self.n)
        self.exists: BoolArray = np.zeros(shape, dtype=np.bool_)
        """Row gives to column; the diagonal is a compatible pair's own transplant."""
        self.success: FloatArray = np.zeros(shape)
        self._shares = {objective: share for objective, share in shares.items() if share}
        self._single: dict[Objective, FloatArray] = {o: np.zeros(shape) for o in self._shares}
        pairs = {(arc.donor, arc.recipient) for arc in pool.arcs}
        cpra = {pair.id: pair.cpra or 0.0 for pair in pool.pairs}
        for arc in pool.arcs:
            at = index[arc.donor], index[arc.recipient]
            self.exists[at] = True
            self.success[at] = arc.success_probability
            for objective, table in self._single.items():
                basis = _UNDER_FAILURE.get(objective, objective)
                if basis in (Objective.TRANSPLANTS, Objective.TWO_WAY):
                    table[at] = 1.0
                elif basis is Objective.PRIORITY:
                    table[at] = priority_of(priorities, arc.donor, arc.recipient)
                elif basis is Objective.ARC_WEIGHT:
                    table[at] = arc.weight
                elif basis is Objective.BACK_ARCS:
                    table[at] = arc.donor != arc.recipient and (arc.recipient, arc.donor) in pairs
                elif basis in (Objective.SENSITIZED, Objective.WEIGHTED_FAIRNESS):
                    is_sensitized = cpra[arc.recipient] >= fairness.threshold
                    table[at] = (
                        is_sensitized if basis is Objective.SENSITIZED else 1 + fairness.bonus * is_sensitized
                    )
        self._at_risk: FloatArray = np.zeros(shape)
        for objective in _UNDER_FAILURE:
            if objective in self._shares:
                self._at_risk += self._shares[objective] * self._single[objective]
        self.has_risk = bool(self._at_risk.any())
        self._steps_left = _MOST_STEPS
        self._sure_tables: dict[int | None, FloatArray] = {}

    def _sure(self, size: int | None) -> FloatArray:
        """Return the worth per arc that failures do not change, in cycles of ``size`` pairs; in chains for None."""
        if size not in self._sure_tables:
            self._sure_tables[size] = self._sure_table(size)
        return self._sure_tables[size]

    def _sure_table(self, size: int | None) -> FloatArray:
        total = np.zeros(self.exists.shape)
        for objective, share in self._shares.items():
            if objective in _UNDER_FAILURE or objective is Objective.FEWEST_THREE_WAY:
                continue
            if objective is Objective.TWO_WAY and size != 2:
                continue
            if objective is Objective.BACK_ARCS and size is not None and size <= 2:
                continue
            total += share * self._single[objective]
        return total

    def _constant(self, size: int) -> float:
        return -self._shares.get(Objective.FEWEST_THREE_WAY, 0.0) if size == 3 else 0.0

    def of_cycles(self, cycles: IntArray) -> FloatArray:
        """Return the worth of cycles, shape (count, size): each gives to the next, the last to the first."""
        size = cycles.shape[1]
        arcs = cycles, np.roll(cycles, -1, axis=1)
        together = np.prod(self.success[arcs], axis=1)
        sure: FloatArray = self._sure(size)[arcs].sum(axis=1)
        worth: FloatArray = sure + together * self._at_risk[arcs].sum(axis=1) + self._constant(size)
        return worth

    def of_chains(self, chains: IntArray) -> FloatArray:
        """Return the worth of chains, shape (count, pairs + 1), the non-directed donor first."""
        arcs = chains[:, :-1], chains[:, 1:]
        so_far = np.cumprod(self.success[arcs], axis=1)
        worth: FloatArray = (self._sure(None)[arcs] + so_far * self._at_risk[arcs]).sum(axis=1)
        return worth

    def excess(self, prices: FloatArray, *, cycle_cap: int, chain_cap: int) -> float:
        """Return how much the exchanges of any match run can be worth, in total, beyond their members' prices.

        At most one exchange is chosen for each pair that is the first of its cycle, and one for each non-directed
        donor; so the best of each are added up, where they are worth more than they cost.

        Parameters
        ----------
        prices
            Of pairs, then non-directed donors; at least 0.
        """
        total = 0.0
        self._steps_left = _MOST_STEPS
        if cycle_cap:
            best = np.maximum(self._best_of_one_and_two(prices), 0.0)
            if cycle_cap >= 3:
                best = np.maximum(best, self._best_of_three(prices))
            for size in range(4, min(cycle_cap, self.n) + 1):
                best = np.maximum(best, self._best_of_larger(size, prices))
            total += float(best.sum())
        else:
            total += float(np.maximum(self._best_of_one(prices), 0.0).sum())
        if chain_cap and len(self.names) > self.n:
            total += float(np.maximum(self._best_chains(chain_cap, prices), 0.0).sum())
        return total

    def _best_of_one(self, prices: FloatArray) -> FloatArray:
        everyone = np.arange(self.n)[:, None]
        own = self.exists[everyone[:, 0], everyone[:, 0]]
        return np.where(own, self.of_cycles(everyone) - prices[: self.n], -np.inf)

    def _best_of_one_and_two(self, prices: FloatArray) -> FloatArray:
        best = self._best_of_one(prices)
        one, other = np.nonzero(np.triu(self.exists[: self.n] & self.exists[: self.n].T, 1))
        profits = self.of_cycles(np.column_stack((one, other))) - prices[one] - prices[other]
        np.maximum.at(best, one, profits)
        return best

    def _best_of_three(self, prices: FloatArray) -> FloatArray:
        """Return for each pair the best profit of three-way cycles whose first member it is."""
        n = self.n
        gain = np.where(self.exists[:n], self._sure(3)[:n] - prices[None, :n], -np.inf)
        risk, success = self._at_risk[:n], self.success[:n]
        best = np.full(n, -np.inf)
        for first in range(n - 2):
            second = first + 1 + np.flatnonzero(self.exists[first, first + 1 :])
            third = first + 1 + np.flatnonzero(self.exists[first + 1 : n, first])
            if not len(second) or not len(third):
                continue
            middle = np.ix_(second, third)
            profit = gain[first, second][:, None] + gain[middle] + gain[third, first][None, :]
            if self.has_risk:
                together = success[first, second][:, None] * success[middle] * success[third, first][None, :]
                at_risk = risk[first, second][:, None] + risk[middle] + risk[third, first][None, :]
                profit += together * at_risk
            # A pair is no third of itself: a compatible pair's own arc is on the diagonal.
            profit[second[:, None] == third[None, :]] = -np.inf
            best[first] = profit.max(initial=-np.inf)
        return best + self._constant(3)

    def _best_of_larger(self, size: int, prices: FloatArray) -> FloatArray:
        """Return for each pair the best profit, if above 0, of cycles of ``size`` pairs that it is the first of."""
        n = self.n
        # All of a cycle's arcs together are no likelier to succeed than any one of them.
        gain = self._sure(size)[:n] + (self._at_risk * self.success)[:n] - prices[None, :n]
        gain[~self.exists[:n]] = -np.inf
        np.fill_diagonal(gain, -np.inf)
        best = np.zeros(n)
        for first in range(n - size + 1):
            local = gain[first:, first:]
            # home[r]: the most that can be gained on the way from each pair to the first one in r arcs.
            home = [np.full(n - first, -np.inf), local[:, 0]]
            for _ in range(size - 1):
                home.append(np.max(local[:, 1:] + home[-1][None, 1:], axis=1))

            def profits(paths: IntArray, first: int = first) -> FloatArray:
                if paths.shape[1] < size:
                    return np.empty(0)
                cycles = paths + first
                is_closed = self.exists[cycles[:, -1], first]
                return np.where(is_closed, self.of_cycles(cycles) - prices[cycles].sum(axis=1), -np.inf)

            best[first] = self._best_path(0, [local] * (size - 1), home[size:0:-1], profits, _noise(prices))
        return best

    def _best_chains(self, cap: int, prices: FloatArray) -> FloatArray:
        """Return for each non-directed donor the best profit, if above 0, of its chains."""
        n = self.n
        start_prices = np.where(np.arange(len(self.names)) >= n, prices, 0.0)
        gains = []
        for position in range(1, min(cap, n) + 1):
            # The arcs before this one all succeed with no more than the greatest probability of the pool each.
            at_risk = self._at_risk * self.success * self.success.max(initial=0.0) ** (position - 1)
            gain = self._sure(None) + at_risk - prices[None, :n] - start_prices[:, None]
            gain[~self.exists] = -np.inf
            np.fill_diagonal(gain[:n], -np.inf)
            gains.append(gain)
        onward = [np.zeros(n)]
        for gain in reversed(gains[1:]):
            onward.append(np.maximum(np.max(gain[:n] + onward[-1][None, :], axis=1, initial=-np.inf), 0.0))
        onward = [np.full(n, np.inf), *reversed(onward)]

        def profits(paths: IntArray) -> FloatArray:
            cost: FloatArray = prices[paths].sum(axis=1)
            return self.of_chains(paths) - cost

        starts = range(n, len(self.names))
        noise = _noise(prices)
        return np.array([self._best_path(start, gains, onward, profits, noise) for start in starts])

    def _best_path(
        self,
        start: int,
        gains: Sequence[FloatArray],
        onward: Sequence[FloatArray],
        profits: Callable[[IntArray], FloatArray],
        noise: float,
    ) -> float:
        """Return the best profit of any path from ``start``, 0 if none is above that.

        Parameters
        ----------
        gains
            For each step: at most so much is gained by going from row to column.
        onward
            ``onward[k][v]``: at most so much is gained after step k has ended at v.
        profits
            True profits of those paths that are whole exchanges; nothing for the others.
        """
        best = 0.0
        stack = [(np.full((1, 1), start, dtype=np.intp), np.zeros(1))]
        while stack:
            paths, gained = stack.pop()
            k = paths.shape[1] - 1
            if k:
                best = max(best, float(profits(paths).max(initial=0.0)))
            if k == len(gains):
                continue
            self._steps_left -= len(paths) * gains[k].shape[1]
            if self._steps_left < 0:
                return float(np.max(gains[0][start] + onward[1], initial=0.0))
            reached = gained[:, None] + gains[k][paths[:, -1]]
            rows, ends = np.nonzero(reached + onward[k + 1][None, :] > best + noise)
            is_new = ~np.any(paths[rows] == ends[:, None], axis=1)
            rows, ends = rows[is_new], ends[is_new]
            longer, worth = np.column_stack((paths[rows], ends)), reached[rows, ends]
            # The most promising come last, so that they are tried first.
            order = np.argsort(worth + onward[k + 1][ends], kind="stable")
            stack += [
                (longer[part], worth[part])
                for part in np.array_split(order, max(1, -(-len(order) // _BLOCK)))
            ]
        return best


def _noise(prices: FloatArray) -> float:
    return _NOISE * float(prices.max(initial=0.0))
