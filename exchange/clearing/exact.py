"""Solve one objective over all columns to proof, or as far as the time allows.

Small models go to the solver whole. For larger ones a linear relaxation over a growing subset of the columns is
priced against all of them until no column outside could improve it. Its duals then do two things: they bound every
match run from above, and they show which columns no better match run can contain. The integer solve therefore needs
few columns and still proves its result for all.

The bound of the relaxation is recomputed here from the duals alone and holds for any non-negative duals, so neither
a wrong sign nor loose tolerances of a solver can make a result look proved by it: they would only leave a gap. What
an integer solve proves about the columns it was given is the solver's word, within :data:`PROOF_TOLERANCE`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from exchange.clearing.solver import IntegerSolution, Program, Solver, solve_integer, solve_relaxation
from exchange.match_run import SolveStatus
from exchange.pool import FloatArray, IntArray

WHOLE_MODEL_COLUMNS = 4_000
"""Up to this many columns the solver is given all at once."""
_FIRST_COLUMNS = 2_000
_COLUMNS_PER_ROUND = 3_000
_PRICE_TOLERANCE = 1e-8
PROOF_TOLERANCE = 1e-7
"""Values this close (times the value, if above 1) count as equal. Values come scaled so that the optimum is at
least 1, so this is the relative difference below which better is not told from worse."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One objective over all columns."""

    program: Program
    unit: float = 1.0
    """What a value of 1 stands for; for progress only."""
    is_counting: bool
    """Values are whole numbers, so a bound may be rounded down."""
    incumbent: IntArray
    """Columns of a known match run; empty for none."""
    first_columns: IntArray
    """Columns to start from, e.g. those of the stage before; may be empty."""

    def value(self, chosen: IntArray) -> float:
        """Return the objective's value of chosen columns."""
        return float(np.sum(self.program.values[chosen]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The best match run found for a task."""

    chosen: IntArray
    value: float
    bound: float
    status: SolveStatus
    columns: IntArray
    """Every column that the solver was given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Certificate:
    """An upper bound on every match run, and on every match run that uses a given column: bound + reduced value."""

    bound: float
    reduced: FloatArray
    """One per column, at most 0."""


def solve_exactly(
    task: Task,
    *,
    solver: Solver,
    seconds: float | None,
    progress: Callable[[str], None] = lambda _: None,
) -> Outcome:
    """Return the best match run for ``task``: proved optimal, or the best found in ``seconds`` with its bound."""
    left = _countdown(seconds)
    if not len(task.program.values):
        nothing = np.empty(0, dtype=np.intp)
        return Outcome(chosen=nothing, value=0.0, bound=0.0, status=SolveStatus.OPTIMAL, columns=nothing)
    best = Outcome(
        chosen=task.incumbent,
        value=task.value(task.incumbent),
        bound=np.inf,
        status=SolveStatus.FEASIBLE,
        columns=_start_columns(task),
    )
    best, certificate = _price_out(task, best, left, progress)
    if best.status is SolveStatus.OPTIMAL:
        return best
    best = _improve(task, best, best.columns, certificate, solver, left)
    progress(f"found {best.value * task.unit:g}, bound {best.bound * task.unit:g}")
    if best.status is SolveStatus.OPTIMAL or left() == 0:
        return best
    # A match run that beats the best by any amount consists of columns whose reduced value allows it.
    target = best.value + (1.0 if task.is_counting else 0.0)
    needed = np.flatnonzero(certificate.bound + certificate.reduced >= target - _slack(target))
    progress(f"closing the gap over {len(needed):,} columns")
    best = replace(best, columns=np.union1d(best.columns, needed))
    return _improve(task, best, np.union1d(needed, best.chosen), certificate, solver, left)


def is_proved(value: float, bound: float) -> bool:
    """Return whether a value equals its upper bound within :data:`PROOF_TOLERANCE`."""
    return value >= bound - _slack(bound)


def _price_out(
    task: Task,
    best: Outcome,
    left: Callable[[], float | None],
    progress: Callable[[str], None],
) -> tuple[Outcome, _Certificate]:
    """Grow the columns until none outside improves the relaxation; take its solution if it is integral."""
    certificate = _certificate(task, np.zeros(len(task.program.limits)))
    while left() != 0:
        relaxed = solve_relaxation(task.program, best.columns, seconds=left())
        if relaxed is None:
            break
        newest = _certificate(task, relaxed.duals)
        if newest.bound < certificate.bound:
            certificate = newest
        progress(
            f"relaxation {relaxed.value * task.unit:g} over {len(best.columns):,} columns, "
            f"bound {certificate.bound * task.unit:g}"
        )
        prices = task.program.values - task.program.matrix.T @ relaxed.duals
        prices[best.columns] = 0.0
        better = np.flatnonzero(prices > _PRICE_TOLERANCE)
        if not len(better):
            if np.all(np.abs(relaxed.levels - np.round(relaxed.levels)) < PROOF_TOLERANCE):
                best = _better_of(task, best, best.columns[relaxed.levels > 0.5])
            break
        best = replace(best, columns=np.union1d(best.columns, _most_promising(better, prices[better])))
    return _judged(task, best, certificate.bound), certificate


def _improve(
    task: Task,
    best: Outcome,
    columns: IntArray,
    certificate: _Certificate,
    solver: Solver,
    left: Callable[[], float | None],
) -> Outcome:
    """Solve over ``columns`` with integer decisions and judge what that proves about all columns."""
    remaining = left()
    found = (
        IntegerSolution(status=SolveStatus.NO_SOLUTION, chosen=np.empty(0, dtype=np.intp), bound=None)
        if remaining == 0
        else solve_integer(task.program, columns, solver=solver, seconds=remaining)
    )
    if found.status is not SolveStatus.NO_SOLUTION:
        best = _better_of(task, best, found.chosen)
    outside = np.ones(len(certificate.reduced), dtype=np.bool_)
    outside[columns] = False
    best_outside = certificate.bound + np.max(certificate.reduced[outside], initial=-np.inf)
    best_inside = best.bound if found.bound is None else found.bound
    if found.status is SolveStatus.OPTIMAL:
        best_inside = task.value(found.chosen)
    bound = max(_rounded(task, best_outside), _rounded(task, best_inside), best.value)
    return _judged(task, best, min(best.bound, bound))


def _certificate(task: Task, duals: FloatArray) -> _Certificate:
    """Turn any non-negative duals into a valid bound, raising a pair's where a column is worth more than its duals.

    Every column takes up one unit of at least one pair's row, so raising the dual of its first pair covers it.
    """
    program = task.program
    reduced = program.values - program.matrix.T @ duals
    first_pair = np.minimum.reduceat(program.matrix.indices, program.matrix.indptr[:-1])
    shortfall = np.zeros(len(duals))
    np.maximum.at(shortfall, first_pair, reduced)
    raised = duals + shortfall
    return _Certificate(
        bound=float(program.limits @ raised),
        reduced=np.minimum(program.values - program.matrix.T @ raised, 0.0),
    )


def _better_of(task: Task, best: Outcome, chosen: IntArray) -> Outcome:
    value = task.value(chosen)
    return replace(best, chosen=chosen, value=value) if value > best.value else best


def _judged(task: Task, best: Outcome, bound: float) -> Outcome:
    bound = _rounded(task, bound)
    if is_proved(best.value, bound):
        return replace(best, bound=best.value, status=SolveStatus.OPTIMAL)
    return replace(best, bound=bound)


def _rounded(task: Task, bound: float) -> float:
    return float(np.floor(bound + 1e-6)) if task.is_counting and np.isfinite(bound) else bound


def _slack(value: float) -> float:
    return PROOF_TOLERANCE * max(1.0, abs(value))


def _start_columns(task: Task) -> IntArray:
    count = len(task.program.values)
    if count <= WHOLE_MODEL_COLUMNS:
        return np.arange(count)
    if len(task.first_columns):
        return np.union1d(task.first_columns, task.incumbent)
    # A spread over all of them. Any choice is right; a fixed one makes results repeatable.
    spread = np.random.default_rng(0).permutation(count)[:_FIRST_COLUMNS]
    return np.union1d(spread, task.incumbent)


def _most_promising(columns: IntArray, prices: FloatArray) -> IntArray:
    # Many columns tie, and neighbors in the list share their pairs; a fixed shuffle spreads the choice among ties.
    shuffled = np.random.default_rng(0).permutation(len(columns))
    order = np.argsort(-prices[shuffled], kind="stable")[:_COLUMNS_PER_ROUND]
    return columns[shuffled[order]]


def _countdown(seconds: float | None) -> Callable[[], float | None]:
    """Return a function giving the seconds left, never below 0; None for no limit."""
    if seconds is None:
        return lambda: None
    end = time.monotonic() + seconds
    return lambda: max(end - time.monotonic(), 0.0)
