"""Find the cycles and chains that are worth more than their members' prices, without listing all of them. Pure.

A price (dual) of every pair and non-directed donor turns each exchange into a profit: its value minus the
prices of its members. Column generation asks for the most profitable ones; the proof asks for all above a
threshold, and for the best profit of any exchange that could be chosen together, which bounds every match run
(Lagrangian bound).

Cycles are met once, at their smallest pair. Two- and three-way cycles are priced by block additions of
matrices; larger ones by extending paths that the best walk back to the start can still make profitable.
Chains are priced by dynamic programming over walks, exact for the position-indexed formulation, whose
relaxation cannot tell walks from chains.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from exchange.clearing.columns import Columns, Kind, columns_of, joined, no_columns
from exchange.clearing.exchange_values import ExchangeValues
from exchange.clearing.market import Formulation, Market
from exchange.pool import FloatArray, IntArray

_JITTER = 1e-9
"""Many exchanges tie; this much noise spreads the choice among them over all pairs. Part of no proof."""
_MOST_TWO_WAY = 150_000
"""Two-way cycles that join at once."""
_CHUNK = 200
"""Paths that are extended at once; each is tried with every pair."""


class TooManyColumns(Exception):
    """More columns pass the threshold than were allowed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The objective and the side rules with their prices: value = sum of weight times value."""

    weights: tuple[float, ...]
    values: tuple[ExchangeValues, ...]

    def additive(self, size: int | None, position: int = 0) -> FloatArray | float:
        """Return value per arc of what adds up: in cycles of ``size`` pairs, or at ``position`` of a chain."""
        total: FloatArray | float = 0.0
        for weight, values in zip(self.weights, self.values, strict=True):
            if values.success is None and weight:
                share = values.factor(size) if size is not None else values.chain_ratio**position
                total = total + weight * share * values.arc
        return total

    def constant(self, size: int) -> float:
        """Return what cycles of ``size`` pairs add besides."""
        return sum(w * v.constant(size) for w, v in zip(self.weights, self.values, strict=True))

    def under_failure(self, size: int | None) -> list[tuple[float, FloatArray, FloatArray]]:
        """Return (weight, value per arc, success probabilities) of what failure changes."""
        return [
            (weight * (values.factor(size) if size is not None else 1.0), values.arc, values.success)
            for weight, values in zip(self.weights, self.values, strict=True)
            if values.success is not None and weight
        ]

    def uniform_over_positions(self) -> bool:
        """Whether an arc is worth the same at every position of a chain."""
        return all(values.chain_ratio == 1.0 for values in self.values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Priced:
    """Profitable columns and the bound that the prices give."""

    columns: Columns
    profits: FloatArray
    """Of each column; for a chain arc, of the best walk through it."""
    excess: float
    """No match run's exchanges have a total profit above this."""


def price(
    market: Market,
    terms: Terms,
    pair_prices: FloatArray,
    ndd_prices: FloatArray,
    *,
    threshold: float,
    per_start: int | None = None,
    most: int | None = None,
    seed: int = 0,
) -> Priced:
    """Return columns whose profit exceeds ``threshold``.

    Parameters
    ----------
    pair_prices, ndd_prices
        At least 0; shapes (n_pairs,) and (n_ndds,).
    per_start
        At most about so many cycles are kept for each smallest pair and size (the most profitable ones), and
        so many chains for each non-directed donor; None for all.
    most
        Most columns in all.
    seed
        Spreads the choice among ties.

    Raises
    ------
    TooManyColumns
        More than ``most`` columns pass.
    """
    search = _Search(market, terms, pair_prices, ndd_prices, threshold, per_start, most, seed)
    search.singles()
    for size in range(2, market.cycle_cap + 1):
        if size == 2:
            search.two_way()
        elif size == 3:
            search.three_way()
        else:
            search.larger(size)
    if market.chain_cap and market.n_ndds:
        if market.formulation is Formulation.PICEF:
            search.chain_arcs()
        else:
            search.chains()
    return search.result()


class _Search:
    """One pricing; collects what it finds."""

    def __init__(
        self,
        market: Market,
        terms: Terms,
        pair_prices: FloatArray,
        ndd_prices: FloatArray,
        threshold: float,
        per_start: int | None,
        most: int | None,
        seed: int,
    ) -> None:
        self.market, self.terms = market, terms
        self.pair_prices, self.ndd_prices = pair_prices, ndd_prices
        self.threshold, self.per_start, self.most = threshold, per_start, most
        self.noise = np.random.default_rng(seed).random(market.n_pairs) * _JITTER
        self.cycle_excess = np.zeros(market.n_pairs)
        self.chain_excess = np.zeros(market.n_ndds)
        self.found: list[Columns] = []
        self.profits: list[FloatArray] = []
        self.count = 0

    def result(self) -> Priced:
        columns = joined(*self.found) if self.found else no_columns(self.market.width)
        return Priced(
            columns=columns,
            profits=np.concatenate([np.empty(0), *self.profits]),
            excess=float(np.sum(self.cycle_excess) + np.sum(self.chain_excess)),
        )

    def keep(self, kind: Kind, members: IntArray, profits: FloatArray) -> None:
        """Keep columns of one kind and length, and note how many there are."""
        if not len(members):
            return
        self.count += len(members)
        if self.most is not None and self.count > self.most:
            raise TooManyColumns
        self.found.append(columns_of(kind, members, self.market.width))
        self.profits.append(profits)

    def most_profit(self, met: float, complete: bool, optimistic: float) -> float:
        """Return a profit that no exchange of one start exceeds: the greatest met, or the threshold, up to which
        the search passes exchanges over; if it stopped early, the optimistic one."""
        return max(met, min(optimistic, self.threshold)) if complete else optimistic

    def arc_profits(self, size: int) -> FloatArray:
        """Return the additive profit of each arc between pairs in cycles of ``size``; -inf where there is
        none."""
        n = self.market.n_pairs
        additive = self.terms.additive(size)
        per_arc = additive[:n] if isinstance(additive, np.ndarray) else additive
        return np.where(self.market.pair_arcs, per_arc - self.pair_prices[None, :], -np.inf)

    def singles(self) -> None:
        """Price the compatible pairs' own transplants."""
        who = self.market.compatible
        if not len(who):
            return
        members = who[:, None]
        profit = self.cycle_profits(members)
        self.cycle_excess[who] = np.maximum(self.cycle_excess[who], profit)
        self.keep(Kind.CYCLE, members[profit > self.threshold], profit[profit > self.threshold])

    def cycle_profits(self, cycles: IntArray) -> FloatArray:
        """Return the profits of listed cycles of one size."""
        total: FloatArray = -np.sum(self.pair_prices[cycles], axis=1)
        for weight, values in zip(self.terms.weights, self.terms.values, strict=True):
            total = total + weight * values.of_cycles(cycles)
        return total

    def two_way(self) -> None:
        starts = self.market.pair_arcs[: self.market.n_starts]
        i, j = np.nonzero(np.triu(starts & self.market.pair_arcs.T[: self.market.n_starts], 1))
        members = np.column_stack((i, j))
        profit = self.cycle_profits(members)
        np.maximum.at(self.cycle_excess, i, profit)
        passing = np.flatnonzero(profit > self.threshold)
        # All join at once, far more than of other sizes: 9 rounds instead of more than 16 (2,048 pairs).
        if self.per_start is not None and len(passing) > _MOST_TWO_WAY:
            noisy = profit[passing] + self.noise[i[passing]] + self.noise[j[passing]]
            passing = passing[np.argpartition(-noisy, _MOST_TWO_WAY)[:_MOST_TWO_WAY]]
        self.keep(Kind.CYCLE, members[passing], profit[passing])

    def three_way(self) -> None:
        arcs = self.market.pair_arcs
        profits = self.arc_profits(3)
        constant = self.terms.constant(3)
        risky = self.terms.under_failure(3)
        # Found cycles are gathered per start and put together once, which is what takes the time otherwise.
        members, worth = [], []
        for i in range(min(self.market.n_pairs - 2, self.market.n_starts)):
            after = np.flatnonzero(arcs[i, i + 1 :]) + i + 1
            before = np.flatnonzero(arcs[i + 1 :, i]) + i + 1
            if not len(after) or not len(before):
                continue
            block = profits[np.ix_(after, before)]
            block += (profits[i, after] + constant)[:, None]
            block += profits[before, i][None, :]
            for weight, value, success in risky:
                total = value[np.ix_(after, before)] + value[i, after][:, None] + value[before, i][None, :]
                together = success[np.ix_(after, before)] * success[i, after][:, None]
                block += weight * total * together * success[before, i][None, :]
            best = float(block.max())
            self.cycle_excess[i] = max(self.cycle_excess[i], best)
            if best <= self.threshold:
                continue
            flat = np.flatnonzero(block > self.threshold)
            if self.per_start is not None and len(flat) > self.per_start:
                noisy = (
                    block.ravel()[flat]
                    + self.noise[after[flat // len(before)]]
                    + self.noise[before[flat % len(before)]]
                )
                flat = flat[np.argpartition(-noisy, self.per_start)[: self.per_start]]
            members.append(
                np.column_stack(
                    (np.full(len(flat), i), after[flat // len(before)], before[flat % len(before)])
                )
            )
            worth.append(block.ravel()[flat])
            if self.most is not None and self.count + sum(map(len, worth)) > self.most:
                raise TooManyColumns
        if members:
            self.keep(Kind.CYCLE, np.concatenate(members), np.concatenate(worth))

    def larger(self, size: int) -> None:
        """Price cycles of four pairs or more."""
        n = self.market.n_pairs
        optimistic = self.arc_profits(size)
        for weight, value, success in self.terms.under_failure(size):
            # The product of all probabilities is at most each arc's own.
            optimistic = optimistic + weight * value[:n] * success[:n]
        constant = self.terms.constant(size)
        for start in range(min(n - size + 1, self.market.n_starts)):
            later = slice(start + 1, n)
            if not self.market.pair_arcs[start, later].any() or not self.market.pair_arcs[later, start].any():
                continue
            inner = optimistic[later, later]
            back = [optimistic[later, start] + constant]
            for _ in range(size - 2):
                back.append(np.max(inner + back[-1][None, :], axis=1))
            best = float(np.max(optimistic[start, later] + back[-1]))
            if best <= self.threshold:
                self.cycle_excess[start] = max(self.cycle_excess[start], best)
                continue
            members, profit, top, complete = self.paths_back(start, size, optimistic, back)
            self.cycle_excess[start] = max(self.cycle_excess[start], self.most_profit(top, complete, best))
            if self.per_start is not None and len(profit) > self.per_start:
                first = np.argsort(-profit, kind="stable")[: self.per_start]
                members, profit = members[first], profit[first]
            self.keep(Kind.CYCLE, members, profit)

    def paths_back(
        self, start: int, size: int, optimistic: FloatArray, back: list[FloatArray]
    ) -> tuple[IntArray, FloatArray, float, bool]:
        """Return the cycles through ``start`` that pass the threshold, their profits, the greatest profit met and
        whether all cycles that could pass were met.

        Parameters
        ----------
        back
            ``back[r][v - start - 1]``: at most so much is gained on the way from v to the start in r + 1 arcs.
        """
        stack = [(np.full((1, 1), start, dtype=np.intp), np.zeros(1))]
        done, worth_done = [np.empty((0, size), dtype=np.intp)], [np.empty(0)]
        n_done, top, complete = 0, -np.inf, True
        while stack:
            paths, gained = stack.pop()
            length = paths.shape[1]
            if length == size:
                profit = self.cycle_profits(paths)
                top = max(top, float(np.max(profit, initial=-np.inf)))
                passing = profit > self.threshold
                done.append(paths[passing])
                worth_done.append(profit[passing])
                n_done += int(np.count_nonzero(passing))
                if self.per_start is not None and n_done >= 8 * self.per_start:
                    complete = not stack
                    break
                if self.most is not None and self.count + n_done > self.most:
                    raise TooManyColumns
                continue
            step = gained[:, None] + optimistic[paths[:, -1], start + 1 :]
            step = np.where(step + back[size - length - 1][None, :] > self.threshold, step, -np.inf)
            rows, ends = np.nonzero(step > -np.inf)
            fresh = np.all(paths[rows] != (ends + start + 1)[:, None], axis=1)
            rows, ends = rows[fresh], ends[fresh]
            longer = np.column_stack((paths[rows], ends + start + 1))
            worth = step[rows, ends]
            for first in range(0, len(longer), _CHUNK):
                stack.append((longer[first : first + _CHUNK], worth[first : first + _CHUNK]))
        return np.concatenate(done), np.concatenate(worth_done), top, complete

    def step_profits(self, position: int) -> tuple[FloatArray, FloatArray]:
        """Return the additive profits of arcs at a position of a chain: between pairs, from non-directed
        donors."""
        n = self.market.n_pairs
        additive = self.terms.additive(None, position)
        per_arc = additive if isinstance(additive, np.ndarray) else np.zeros((n + self.market.n_ndds, n))
        prices = self.pair_prices[None, :]
        between = np.where(self.market.pair_arcs, per_arc[:n] - prices, -np.inf)
        started = np.where(
            self.market.ndd_arcs,
            per_arc[n : n + self.market.n_ndds] - prices - self.ndd_prices[:, None],
            -np.inf,
        )
        return between, started

    def chain_arcs(self) -> None:
        """Price arcs by position: the profit of the best walk through each."""
        cap = self.market.chain_cap
        same = self.terms.uniform_over_positions()
        first_between, started = self.step_profits(1)
        if self.per_start is not None:
            # The noise is part of every arc, so that all arcs of a walk rank alike and the best walks join
            # whole.
            started = started + self.noise[None, :]
        between: list[FloatArray] = []
        for k in range(1, cap + 1):
            if k > 1 and same:
                between.append(between[0])
                continue
            steps = first_between if k == 1 else self.step_profits(k)[0]
            between.append(steps + self.noise[None, :] if self.per_start is not None else steps)
        # onward[k]: most that a walk can gain after its arc at position k (1 ... cap) has ended at a pair.
        onward = [np.zeros(self.market.n_pairs) for _ in range(cap + 1)]
        for k in range(cap - 1, 0, -1):
            onward[k] = np.maximum(np.max(between[k] + onward[k + 1][None, :], axis=1, initial=-np.inf), 0.0)
        through = started + onward[1][None, :]
        self.chain_excess = np.maximum(np.max(through, axis=1, initial=-np.inf), 0.0)
        parts, worth = [], []
        rows, ends = np.nonzero(through > self.threshold)
        parts.append(np.column_stack((np.ones(len(rows), dtype=np.intp), rows + self.market.n_pairs, ends)))
        worth.append(through[rows, ends])
        reached = np.max(started, axis=0, initial=-np.inf)
        for k in range(2, cap + 1):
            steps = between[k - 1]
            alive = np.flatnonzero(reached > -np.inf)
            arrived = reached[alive][:, None] + steps[alive]
            walk = arrived + onward[k][None, :]
            rows, ends = np.nonzero(walk > self.threshold)
            parts.append(np.column_stack((np.full(len(rows), k), alive[rows], ends)))
            worth.append(walk[rows, ends])
            reached = np.max(arrived, axis=0, initial=-np.inf)
        members, profit = np.concatenate(parts), np.concatenate(worth)
        if self.per_start is not None:
            limit = max(self.per_start * (cap + self.market.n_ndds), self.market.n_pairs)
            if len(profit) > limit:
                chosen = np.argpartition(-profit, limit)[:limit]
                members, profit = members[chosen], profit[chosen]
        self.keep(Kind.CHAIN_ARC, members, profit)

    def chains(self) -> None:
        """Price whole chains by extending paths that the best walk onward can still make profitable.

        What a path with probability P of getting there can still gain is convex in P, so it is at most P times the
        gain at probability 1 plus (1 - P) times that at probability 0.
        """
        cap = self.market.chain_cap
        steps = [self.chain_step(k) for k in range(1, cap + 1)]
        # sure[k], lost[k]: most that a walk can gain after position k when it surely, or surely not, gets there.
        sure = [np.zeros(self.market.n_pairs) for _ in range(cap + 1)]
        lost = [np.zeros(self.market.n_pairs) for _ in range(cap + 1)]
        n = self.market.n_pairs
        for k in range(cap - 1, 0, -1):
            step = steps[k]
            nobody = -np.inf
            onward = step.plain[:n] + step.risky[:n] + step.blended(sure[k + 1], lost[k + 1])[:n]
            sure[k] = np.maximum(np.max(onward, axis=1, initial=nobody), 0.0)
            lost[k] = np.maximum(np.max(step.plain[:n] + lost[k + 1][None, :], axis=1, initial=nobody), 0.0)
        first = steps[0].plain[n:] + steps[0].risky[n:] + steps[0].blended(sure[1], lost[1])[n:]
        for ndd in range(self.market.n_ndds):
            best = float(np.max(first[ndd] - self.ndd_prices[ndd], initial=-np.inf))
            if best <= self.threshold:
                self.chain_excess[ndd] = max(best, 0.0)
                continue
            top, complete = self.chains_from(ndd, steps, sure, lost)
            self.chain_excess[ndd] = max(self.most_profit(top, complete, best), 0.0)

    def chain_step(self, position: int) -> _ChainStep:
        """Return what arcs at a position of a chain are worth."""
        n, m = self.market.n_pairs, self.market.n_ndds
        additive = self.terms.additive(None, position)
        exists = np.vstack([self.market.pair_arcs, self.market.ndd_arcs])
        plain = np.where(exists, additive - self.pair_prices[None, :], -np.inf)
        risky, success = np.zeros((n + m, n)), np.ones((n + m, n))
        for weight, value, probability in self.terms.under_failure(None):
            risky += weight * value[: n + m] * probability[: n + m]
            success = probability[: n + m]
        return _ChainStep(plain=plain, risky=risky, success=success)

    def chains_from(
        self, ndd: int, steps: list[_ChainStep], sure: list[FloatArray], lost: list[FloatArray]
    ) -> tuple[float, bool]:
        """Keep the chains of one non-directed donor that pass; return the best profit and whether all were met."""
        n, cap = self.market.n_pairs, self.market.chain_cap
        start = np.full((1, 1), n + ndd, dtype=np.intp)
        # Paths, their profit so far, their probability so far.
        stack = [(start, np.full(1, -self.ndd_prices[ndd]), np.ones(1))]
        top, n_kept = -np.inf, 0
        while stack:
            paths, gained, reached = stack.pop()
            length = paths.shape[1] - 1
            if length:
                profit = self.chain_profits(paths)
                top = max(top, float(profit.max()))
                passing = profit > self.threshold
                self.keep(Kind.CHAIN, paths[passing], profit[passing])
                n_kept += int(np.count_nonzero(passing))
                if self.per_start is not None and n_kept >= 4 * self.per_start:
                    return top, not stack and length == cap
            if length == cap:
                continue
            step, last = steps[length], paths[:, -1]
            worth = gained[:, None] + step.plain[last] + reached[:, None] * step.risky[last]
            chance = reached[:, None] * step.success[last]
            onward = chance * sure[length + 1][None, :] + (1.0 - chance) * lost[length + 1][None, :]
            rows, ends = np.nonzero(worth + onward > self.threshold)
            fresh = np.all(paths[rows] != ends[:, None], axis=1)
            rows, ends = rows[fresh], ends[fresh]
            longer = np.column_stack((paths[rows], ends))
            for first in range(0, len(longer), _CHUNK):
                part = slice(first, first + _CHUNK)
                stack.append((longer[part], worth[rows, ends][part], chance[rows, ends][part]))
        return top, True

    def chain_profits(self, chains: IntArray) -> FloatArray:
        """Return the profits of listed chains of one length."""
        total: FloatArray = (
            -np.sum(self.pair_prices[chains[:, 1:]], axis=1)
            - self.ndd_prices[chains[:, 0] - self.market.n_pairs]
        )
        for weight, values in zip(self.terms.weights, self.terms.values, strict=True):
            total = total + weight * values.of_chains(chains)
        return total


@dataclass(frozen=True, slots=True, kw_only=True)
class _ChainStep:
    """Arcs at one position of a chain; shapes (n_pairs + n_ndds, n_pairs)."""

    plain: FloatArray
    """What it adds whatever happens before: rules without risk, minus the recipient's price; -inf for no arc."""
    risky: FloatArray
    """What it adds if the chain surely gets to its donor."""
    success: FloatArray
    """Its probability of success."""

    def blended(self, sure: FloatArray, lost: FloatArray) -> FloatArray:
        """Return the gain after each arc, from that after surely and surely not getting to its recipient."""
        blend: FloatArray = self.success * sure[None, :] + (1.0 - self.success) * lost[None, :]
        return blend
