"""What uncertain weights do to a match run: cleared again under each of many draws of the weights.

The stages that do not look at weights are solved once. Every draw then starts from the same columns and from the
match run of the weights themselves (the *point* match run), so that who computes which draw does not matter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, wait
from dataclasses import dataclass, replace
from math import sqrt

import numpy as np

from exchange.clearing.clear import Clearing, Goal, Solved, kept_rule
from exchange.clearing.column_generation import is_proved
from exchange.clearing.columns import Columns
from exchange.clearing.exchange_values import ExchangeValues
from exchange.clearing.master import Rule
from exchange.clearing.objectives import Objective
from exchange.errors import BadRequest
from exchange.match_run import SolveStatus
from exchange.pool import FloatArray
from exchange.priorities import DonorPriorities, Priorities
from exchange.ties import recipients

_BLOCK = 5
"""Draws that are handed to a worker at once."""
_POLL_SECONDS = 0.5
_NORMAL_95 = 1.959963984540054


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """How often something happened in independent draws, with how far chance may have moved it."""

    count: int
    n: int

    @property
    def value(self) -> float:
        """The share."""
        return self.count / self.n

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval for the share in infinitely many draws (Wilson 1927, J. Am. Stat. Assoc. 22)."""
        z, n, p = _NORMAL_95, self.n, self.value
        center = (p + z * z / (2 * n)) / (1 + z * z / n)
        half = z / (1 + z * z / n) * sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        return (
            0.0 if self.count == 0 else center - half,
            1.0 if self.count == n else center + half,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnRun:
    """The match run of one draw of the weights."""

    recipients: frozenset[str]
    """Ids of the pairs whose patient receives."""
    weight_lost: float
    """How much less, as a fraction of what is best under the draw's weights, the point match run is worth under
    them in the first stage that looks at weights."""
    is_proved: bool
    """Whether all its stages are proved optimal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchRunDistribution:
    """The match runs of all draws, beside that of the weights themselves."""

    point: frozenset[str]
    """Ids of the pairs whose patient receives under the weights themselves."""
    pair_ids: tuple[str, ...]
    """All pairs of the pool."""
    runs: tuple[DrawnRun, ...]
    """One for each draw, in their order."""
    n_wanted: int
    """More than ``runs`` where it was stopped."""

    @property
    def chosen(self) -> Mapping[str, Share]:
        """How often each pair's patient receives, by pair id."""
        n = len(self.runs)
        return {
            pair: Share(count=sum(pair in run.recipients for run in self.runs), n=n) for pair in self.pair_ids
        }

    @property
    def changed(self) -> Share:
        """How often other patients receive than under the weights themselves, no tie helping."""
        return Share(count=sum(run.recipients != self.point for run in self.runs), n=len(self.runs))

    @property
    def transplants(self) -> Mapping[int, int]:
        """Number of transplants -> number of draws."""
        counts = [len(run.recipients) for run in self.runs]
        return {size: counts.count(size) for size in sorted(set(counts))}

    @property
    def patients_replaced(self) -> float:
        """Mean over the draws of how many of the point match run's patients do not receive."""
        return float(np.mean([len(self.point - run.recipients) for run in self.runs]))

    def weight_lost(self, share: float) -> float:
        """Return the quantile (0.5: median) of the weight lost by the point match run."""
        return float(np.quantile([run.weight_lost for run in self.runs], share))

    @property
    def n_unproved(self) -> int:
        """Draws whose match run is not proved optimal."""
        return sum(not run.is_proved for run in self.runs)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Start:
    """Where every draw starts; sent to the workers."""

    clearing: Clearing
    goals: tuple[Goal, ...]
    """From the first that looks at weights."""
    rules: tuple[Rule, ...]
    """What the goals before ask."""
    point: Columns
    closeness: ExchangeValues


def clear_under_draws(
    clearing: Clearing,
    solved: Solved,
    draws: Sequence[Priorities],
    *,
    executor: Executor | None = None,
) -> MatchRunDistribution:
    """Clear a pool again under each draw of the weights.

    A draw's best match run may differ from the point match run by an arbitrary choice among equals. Therefore that
    one of the equally good is taken whose patients differ least from those of the point match run: what still
    changes is asked for by the draw's weights.

    Parameters
    ----------
    solved
        The point match run: all stages solved under the weights themselves.
    draws
        Priorities, at least one.
    executor
        Computes blocks of draws; None to compute here. The result is the same, unless a time limit is hit.

    Raises
    ------
    BadRequest
        No draws, or no stage that looks at weights.
    """
    goals = tuple(stage.goal for stage in solved.stages)
    first = next((i for i, goal in enumerate(goals) if goal.objective.needs_weights), None)
    if first is None:
        raise BadRequest("no objective looks at weights, so other weights change nothing")
    if not draws:
        raise BadRequest("there are no draws of the weights; give at least one")
    start = _Start(
        clearing=replace_hooks(clearing),
        goals=goals[first:],
        rules=tuple(kept_rule(stage) for stage in solved.stages[:first]),
        point=solved.chosen,
        closeness=_closeness(clearing, solved.chosen),
    )
    blocks = [draws[i : i + _BLOCK] for i in range(0, len(draws), _BLOCK)]
    done = list(_computed(start, blocks, clearing, executor))
    ids = clearing.arrays.pair_ids
    return MatchRunDistribution(
        point=frozenset(ids[i] for i in recipients(solved.chosen)),
        pair_ids=ids,
        runs=tuple(run for block in done for run in block),
        n_wanted=len(draws),
    )


def order_only(priorities: Priorities) -> Priorities:
    """Return weights in the same order, evenly spaced from 1 downwards, one step for each different weight.

    What changes when a pool is cleared with these is due to the weights' values beyond their order. (Freedman et
    al. 2020, Artificial Intelligence 283, 103261, find that values matter little beyond the order.) Of weights that
    differ from donor to donor, each donor's are spaced evenly.
    """
    if isinstance(priorities, DonorPriorities):
        rows = [_evenly_spaced(row) for row in priorities.weights]
        return replace(priorities, weights=np.array(rows).reshape(priorities.weights.shape))
    spaced = _evenly_spaced(np.array(list(priorities.values()), dtype=np.float64))
    return dict(zip(priorities, spaced.tolist(), strict=True))


def _evenly_spaced(weights: FloatArray) -> FloatArray:
    distinct, place = np.unique(weights, return_inverse=True)
    spaced: FloatArray = (place + 1.0) / max(len(distinct), 1)
    return spaced


def replace_hooks(clearing: Clearing) -> Clearing:
    """Return a clearing with the same columns that can be sent to another process: silent, and never stopped."""
    silent = replace(clearing, is_stopped=_never, progress=_silent)
    silent.columns = clearing.columns
    return silent


def _never() -> bool:
    return False


def _silent(_text: str) -> None:
    return None


def _closeness(clearing: Clearing, point: Columns) -> ExchangeValues:
    """Return values whose sum falls by 1 for each patient more or less than those of the point match run."""
    marks = np.full(clearing.arrays.n_pairs, -1.0)
    marks[recipients(point)] = 1.0
    shape = clearing.arrays.arc_exists.shape
    return ExchangeValues(arc=np.ascontiguousarray(np.broadcast_to(marks, shape)), is_whole=True)


def _computed(
    start: _Start,
    blocks: Sequence[Sequence[Priorities]],
    clearing: Clearing,
    executor: Executor | None,
) -> list[tuple[DrawnRun, ...]]:
    """Return the blocks' match runs in order: all, or those before the first that was not begun when stopped."""
    total = sum(len(block) for block in blocks)
    if executor is None:
        done: list[tuple[DrawnRun, ...]] = []
        for block in blocks:
            if clearing.is_stopped():
                break
            done.append(_block(start, block))
            clearing.progress(f"draws: {sum(map(len, done))} of {total}")
        return done
    futures = [executor.submit(_block, start, block) for block in blocks]
    waiting = set(futures)
    while waiting and not clearing.is_stopped():
        finished, waiting = wait(waiting, timeout=_POLL_SECONDS)
        if finished:
            clearing.progress(f"draws: about {total - len(waiting) * _BLOCK} of {total}")
    for future in reversed(futures):
        future.cancel()
    kept = []
    for future in futures:
        if future.cancelled():
            break
        kept.append(future.result())
    return kept


def _block(start: _Start, draws: Sequence[Priorities]) -> tuple[DrawnRun, ...]:
    columns = start.clearing.columns
    found = []
    for draw in draws:
        # Not from what another draw left: who computes which draws must not matter.
        start.clearing.columns = columns
        found.append(_drawn_run(start, draw))
    start.clearing.columns = columns
    return tuple(found)


def _drawn_run(start: _Start, draw: Priorities) -> DrawnRun:
    clearing, point = start.clearing, start.point
    goals = [(goal, clearing.values(goal.objective, draw)) for goal in start.goals]
    solved = clearing.solve(goals, rules=start.rules, incumbent=point)
    kept = [kept_rule(stage) for stage in solved.stages]
    worth = [float(np.sum(point.values(rule.values))) for rule in kept]
    if all(is_proved(value, rule.at_least) for value, rule in zip(worth, kept, strict=True)):
        chosen = point
    else:
        goal = Goal(objective=Objective.TRANSPLANTS)  # A label only.
        closest = clearing.solve(
            [(goal, start.closeness)], rules=[*start.rules, *kept], incumbent=solved.chosen
        )
        chosen = closest.chosen
    best = solved.stages[0].outcome.value
    ids = clearing.arrays.pair_ids
    return DrawnRun(
        recipients=frozenset(ids[i] for i in recipients(chosen)),
        weight_lost=max(1.0 - worth[0] / best, 0.0) if best > 0 else 0.0,
        is_proved=all(stage.outcome.status is SolveStatus.OPTIMAL for stage in solved.stages),
    )
