"""What a match run loses if one pair must be in it, or must not: the stages solved again under that one rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from math import fsum, inf

import numpy as np

from exchange.clearing.clear import Clearing, Goal
from exchange.clearing.column_generation import PROOF_TOLERANCE
from exchange.clearing.columns import Columns, Kind, columns_of, joined, no_columns
from exchange.clearing.exchange_values import ExchangeValues
from exchange.clearing.market import Formulation, Market
from exchange.clearing.master import Rule
from exchange.errors import InvalidMatchRun
from exchange.match_run import MatchRun, SolveStatus
from exchange.pool import BoolArray, FloatArray
from exchange.priorities import Priorities

Exchanges = tuple[tuple[tuple[int, ...], ...], tuple[tuple[int, ...], ...]]
"""Cycles, and chains with the non-directed donor first, as indices of donors; see ``Columns.exchanges``."""

_KEPT = 1e-9
"""As in ``clear``: how far a kept stage may fall, relative to its value, for rounding."""


class Verdict(StrEnum):
    """What is known about the match runs that keep the rule."""

    EQUAL = "equal"
    """Some are as good as the match run in every stage."""
    WORSE = "worse"
    """All are worse, first in the stage named."""
    BETTER = "better"
    """One is better: the match run was not optimal, and did not claim to be."""
    OPEN = "open"
    """The time did not suffice to tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What the best match run under the rule is like."""

    verdict: Verdict
    stage: int | None
    """Index of the first stage that is worse, better or open; None where all are equal."""
    loss_at_least: float
    """How much worse that stage is, in its own unit: proved. 0 where open; negative where better."""
    loss_at_most: float
    """The same for the best match run found: equal to ``loss_at_least`` where proved."""
    chosen: Columns
    """The best match run found that keeps the rule."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """What one stage of the match run reached; larger is better."""

    goal: Goal
    values: ExchangeValues
    scale: float
    """Size of the most valuable arc: what the solver is to see as 1."""
    reached: float
    """The stage's own optimum as far as known: its bound where proved, its value otherwise."""
    bound: float
    """What no match run as good in the earlier stages exceeds."""
    kept: float
    """What the later stages may not fall below."""
    is_proved: bool

    @property
    def tolerance(self) -> float:
        """Difference from which on two values count as different."""
        if self.values.is_whole:
            return 0.5
        # Twice: the match run and its rival are both proved up to this.
        return 2 * PROOF_TOLERANCE * max(self.scale, abs(self.reached))

    def value(self, chosen: Columns) -> float:
        """Return what chosen columns are worth in this stage."""
        return fsum(chosen.values(self.values))

    def rule(self, at_least: float) -> Rule:
        """Return the rule that this stage stays at ``at_least``."""
        slack = 0.0 if self.values.is_whole else _KEPT * max(abs(at_least), self.scale)
        return Rule(
            values=self.values.scaled(1.0 / self.scale),
            at_least=(at_least - slack) / self.scale,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """A match run met on the way: where it fits another rule, it is a start or spares the solve."""

    chosen: Columns
    worth: tuple[float, ...]
    recipients: frozenset[int]


class Prober:
    """A match run, ready to be compared with the best under a rule. What one comparison finds serves the next."""

    def __init__(self, clearing: Clearing, run: MatchRun, priorities: Priorities) -> None:
        self.clearing = clearing
        self.levels = _levels(clearing, run, priorities)
        index = {name: i for i, name in enumerate((*clearing.arrays.pair_ids, *clearing.arrays.ndd_ids))}
        cycles = tuple(tuple(index[pair] for pair in cycle.pairs) for cycle in run.cycles)
        chains = tuple(tuple(index[i] for i in (chain.ndd, *chain.pairs)) for chain in run.chains)
        self.exchanges: Exchanges = (cycles, chains)
        self.run = exchange_columns(self.exchanges, clearing.market)
        self._known: list[_Known] = []
        self.note(self.run)
        if not len(clearing.columns):
            # Once without a rule: it finds the columns that every comparison starts from.
            goals = [(level.goal, level.values) for level in self.levels]
            solved = clearing.solve(goals, incumbent=self.run)
            self.note(solved.chosen)
            for k, (level, stage) in enumerate(zip(self.levels, solved.stages, strict=True)):
                value = stage.outcome.value * stage.scale
                if value > level.reached + level.tolerance:
                    self._better(k, level, value, solved.chosen)
                    break
        # Every comparison starts from these alone: what others added would slow it more than it helped.
        self._columns = clearing.columns

    def note(self, chosen: Columns) -> None:
        """Remember a match run."""
        self._known.append(
            _Known(
                chosen=chosen,
                worth=tuple(level.value(chosen) for level in self.levels),
                recipients=frozenset(recipients_of(chosen)),
            )
        )

    def with_pair(self, pair: int, exchange: tuple[int, ...], *, is_chain: bool) -> Finding:
        """Compare with the match runs in which a pair takes part; ``exchange`` is one that contains it."""
        cycles, chains = self._without(set(exchange))
        start = (cycles, (*chains, exchange)) if is_chain else ((*cycles, exchange), chains)
        return self._compare(pair, start, is_in=True)

    def without_pair(self, pair: int) -> Finding:
        """Compare with the match runs in which a pair takes no part."""
        return self._compare(pair, self._without({pair}), is_in=False)

    def nearest(self, pair: int, start: Columns, *, is_in: bool) -> tuple[Columns, bool]:
        """Return a match run as good in every stage that leaves out fewest of those matched, and whether proved.

        Parameters
        ----------
        pair, is_in
            Who takes part, or takes none.
        start
            A match run of that kind.
        """
        rules = [self._rule(pair, is_in=is_in)]
        rules += [level.rule(min(level.kept, level.value(start))) for level in self.levels]
        shape = self.clearing.arrays.arc_exists.shape
        stays = np.zeros(shape)
        stays[:, sorted(recipients_of(self.run))] = 1.0
        goal = Goal(objective=self.levels[-1].goal.objective)
        solved = self.clearing.solve(
            [(goal, ExchangeValues(arc=stays, is_whole=True))], rules=rules, incumbent=start
        )
        self.clearing.columns = self._columns
        self.note(solved.chosen)
        return solved.chosen, solved.stages[0].outcome.status is SolveStatus.OPTIMAL

    def best_with(self, pair: int, stage: int, values: ExchangeValues, start: Columns) -> Columns | None:
        """Return the best match run with a pair under other values of one stage; None if that is not proved.

        ``start`` is one with the pair that keeps the earlier stages.
        """
        rules = [self._rule(pair, is_in=True)]
        rules += [level.rule(min(level.kept, level.value(start))) for level in self.levels[:stage]]
        solved = self.clearing.solve([(self.levels[stage].goal, values)], rules=rules, incumbent=start)
        self.clearing.columns = self._columns
        is_proved = solved.stages[0].outcome.status is SolveStatus.OPTIMAL
        return solved.chosen if is_proved else None

    def _rule(self, pair: int, *, is_in: bool) -> Rule:
        into = np.zeros(self.clearing.arrays.arc_exists.shape)
        into[:, pair] = 1.0 if is_in else -1.0
        return Rule(values=ExchangeValues(arc=into), at_least=1.0 if is_in else 0.0)

    def _without(self, members: set[int]) -> Exchanges:
        cycles, chains = self.exchanges
        return (
            tuple(cycle for cycle in cycles if not members & set(cycle)),
            tuple(chain for chain in chains if not members & set(chain)),
        )

    def _compare(self, pair: int, start: Exchanges, *, is_in: bool) -> Finding:
        chosen = self._best_known(pair, start, is_in=is_in)
        rules = [self._rule(pair, is_in=is_in)]
        for k, level in enumerate(self.levels):
            value, bound = level.value(chosen), inf
            if value < level.kept - level.tolerance:
                solved = self.clearing.solve([(level.goal, level.values)], rules=rules, incumbent=chosen)
                self.clearing.columns = self._columns
                outcome = solved.stages[0].outcome
                chosen, value = solved.chosen, level.value(solved.chosen)
                bound = (
                    value if outcome.status is SolveStatus.OPTIMAL else outcome.bound * solved.stages[0].scale
                )
                self.note(chosen)
                if value < level.kept - level.tolerance:
                    is_worse = bound < level.kept - level.tolerance
                    return Finding(
                        verdict=Verdict.WORSE if is_worse else Verdict.OPEN,
                        stage=k,
                        loss_at_least=level.kept - bound if is_worse else 0.0,
                        loss_at_most=level.kept - value,
                        chosen=chosen,
                    )
            if value > level.reached + level.tolerance:
                return self._better(k, level, value, chosen)
            rules.append(level.rule(min(level.kept, value)))
        return Finding(verdict=Verdict.EQUAL, stage=None, loss_at_least=0.0, loss_at_most=0.0, chosen=chosen)

    def _best_known(self, pair: int, start: Exchanges, *, is_in: bool) -> Columns:
        """Return the match run met so far that is best under the rule; exceeding a kept level is no merit."""
        first = exchange_columns(start, self.clearing.market)
        fitting = [(tuple(level.value(first) for level in self.levels), first)]
        fitting += [(k.worth, k.chosen) for k in self._known if (pair in k.recipients) is is_in]

        def merit(item: tuple[tuple[float, ...], Columns]) -> tuple[int, ...]:
            return tuple(
                round(min((worth - level.kept) / level.tolerance, 0.0))
                for worth, level in zip(item[0], self.levels, strict=True)
            )

        return max(fitting, key=merit)[1]

    def _better(self, k: int, level: Level, value: float, chosen: Columns) -> Finding:
        if all(earlier.is_proved for earlier in self.levels[: k + 1]):
            sign = -1.0 if level.goal.objective.is_minimized else 1.0
            raise InvalidMatchRun(
                [
                    f"stage {level.goal.objective} is called optimal at {sign * level.reached:.10g}, but "
                    f"{sign * value:.10g} can be reached; clear the pool again with the same weights"
                ],
                f"match run on {self.clearing.pool.source}",
            )
        gain = level.reached - value
        return Finding(verdict=Verdict.BETTER, stage=k, loss_at_least=gain, loss_at_most=gain, chosen=chosen)


def exchange_columns(exchanges: Exchanges, market: Market) -> Columns:
    """Return the columns that stand for cycles and chains: what ``Columns.exchanges`` undoes."""
    parts = [no_columns(market.width)]
    cycles, chains = exchanges
    for cycle in cycles:
        turn = cycle.index(min(cycle))
        parts.append(_column(Kind.CYCLE, (*cycle[turn:], *cycle[:turn]), market))
    for chain in chains:
        if market.formulation is Formulation.CYCLE:
            parts.append(_column(Kind.CHAIN, chain, market))
        else:
            steps = enumerate(pairwise(chain), start=1)
            parts += [_column(Kind.CHAIN_ARC, (k, *arc), market) for k, arc in steps]
    return joined(*parts)


def recipients_of(chosen: Columns) -> set[int]:
    """Return the indices of the pairs whose patient receives."""
    cycles, chains = chosen.exchanges()
    return {pair for cycle in cycles for pair in cycle} | {pair for chain in chains for pair in chain[1:]}


def _column(kind: Kind, members: Sequence[int], market: Market) -> Columns:
    return columns_of(kind, np.array([members], dtype=np.intp), market.width)


def _levels(clearing: Clearing, run: MatchRun, priorities: Priorities) -> tuple[Level, ...]:
    levels = []
    for k, stage in enumerate(run.stages):
        values = clearing.values(stage.objective, priorities)
        sign = -1.0 if stage.objective.is_minimized else 1.0
        is_proved = stage.status is SolveStatus.OPTIMAL
        reached = sign * (stage.bound if is_proved else stage.value)
        # What the last stage may give up is given to nobody.
        concession = stage.concession if k + 1 < len(run.stages) else 0.0
        levels.append(
            Level(
                goal=Goal(objective=stage.objective, concession=concession),
                values=values,
                scale=1.0 if values.is_whole else _greatest(values.arc, clearing.arrays.arc_exists),
                reached=reached,
                bound=sign * stage.bound,
                kept=reached - concession,
                is_proved=is_proved,
            )
        )
    return tuple(levels)


def _greatest(arc: FloatArray, exists: BoolArray) -> float:
    return float(np.max(np.abs(arc[exists]), initial=0.0)) or 1.0
