"""The best choice among cycles that are all listed, no pair in two of them. Pure.

Where few pairs have joined a pool since its last match run, all cycles that are still possible go through one of
them, and can be listed. This chooses among tens of thousands of these in about a millisecond: by taking the best
first where a simple bound shows that nothing is better, otherwise by the linear relaxation over a few hundred of
them, to which others are added while they would improve it, and by an integer solve of what is left where the
relaxation has fractions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from exchange.clearing.relaxation import Relaxation
from exchange.clearing.solver import Program, Solver, solve_integer
from exchange.errors import SolverFailed
from exchange.match_run import SolveStatus
from exchange.pool import BoolArray, FloatArray, IntArray

_TIE = 1e-9
"""Cycles whose values differ by less, relative to the greatest, are ties, settled by lot."""
_EXACT = 1e-11
"""By so much of its value a choice may seem worse than its bound for rounding. Finer than for whole pools: goals
that come one after the other are told in one number here, and the last must still count."""
_GREATEST = 100.0
"""The solver sees the greatest value as this; its tolerances are absolute, the finest 1e-9."""
_AT_FIRST = 200
_PER_ROUND = 200
MOST_INTEGER = 4_000
"""Cycles in an integer solve. Ten thousand take CBC seconds: one goal after the other is then faster."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedCycles:
    """Cycles with their values.

    Parameters
    ----------
    members
        Shape (count, largest size), filled up with -1: places of the pairs in the pool.
    values
        Shape (count,), each above 0: what a cycle is worth.
    lots
        Shape (count,), in [0, 1): of equally good choices one with high lots is taken.
    """

    members: IntArray
    values: FloatArray
    lots: FloatArray

    def __len__(self) -> int:
        return len(self.values)


def best_disjoint(cycles: ListedCycles, anchors: IntArray) -> IntArray | None:
    """Return the indices of cycles that share no pair and are together worth most; None where that would take an
    integer solve over more than :data:`MOST_INTEGER` cycles.

    Proved, up to ties (:data:`_TIE`).

    Parameters
    ----------
    anchors
        Places such that every cycle has a member among them; the fewer, the faster.
    """
    if not len(cycles):
        return np.empty(0, dtype=np.intp)
    # Places are few and dense, so that marking them is faster than sorting all members.
    occurs = np.zeros(int(cycles.members.max()) + 2, dtype=np.bool_)
    occurs[cycles.members] = True
    occurs[-1] = False  # Filling, which stays -1.
    places = np.flatnonzero(occurs)
    compact = np.full(len(occurs), -1, dtype=np.intp)
    compact[places] = np.arange(len(places))
    members = compact[cycles.members]
    is_anchor = np.append(np.isin(places, anchors), False)  # The last is where -1 points.
    values = cycles.values * (_GREATEST / float(np.max(cycles.values)))
    worth = values + _TIE * _GREATEST * cycles.lots
    greedy = _greedily(members, worth, len(places))
    value = float(np.sum(values[greedy]))
    if value >= _anchor_bound(members, values, is_anchor) - _EXACT * value:
        return greedy
    return _relaxed(members, worth, len(places), greedy)


def _greedily(members: IntArray, worth: FloatArray, n: int) -> IntArray:
    """Take the best cycle that is still possible, again and again."""
    chosen = []
    taken = np.zeros(n + 1, dtype=np.bool_)
    left = np.arange(len(worth))
    while len(left):
        best = left[np.argmax(worth[left])]
        chosen.append(int(best))
        taken[members[best]] = True
        taken[-1] = False
        left = left[~taken[members[left]].any(axis=1)]
    return np.array(chosen, dtype=np.intp)


def _anchor_bound(members: IntArray, worth: FloatArray, is_anchor: BoolArray) -> float:
    """Return a bound: each anchor brings at most its equal share of the best cycle through it."""
    anchored = is_anchor[members]
    share = worth / anchored.sum(axis=1)
    most = np.zeros(len(is_anchor))
    for column in range(members.shape[1]):
        which = anchored[:, column]
        np.maximum.at(most, members[which, column], share[which])
    return float(np.sum(most))


def _relaxed(members: IntArray, worth: FloatArray, n: int, start: IntArray) -> IntArray | None:
    """Solve the linear relaxation over a growing part of the cycles, and make its solution whole."""
    relaxation = Relaxation(np.ones(n))
    order = np.argpartition(-worth, min(_AT_FIRST, len(worth) - 1))[:_AT_FIRST]
    held = np.union1d(start, order)
    joining = held
    while True:
        relaxation.add(worth[joining], _matrix(members[joining], n))
        solution = relaxation.solve()
        if solution is None:
            raise SolverFailed("the relaxation over listed cycles has no solution; report the pool")
        reduced = worth - np.append(solution.duals, 0.0)[members].sum(axis=1)
        improving = np.flatnonzero(reduced > _EXACT * _GREATEST)
        improving = np.setdiff1d(improving, held)
        if not len(improving):
            break
        if len(improving) > _PER_ROUND:
            improving = improving[np.argpartition(-reduced[improving], _PER_ROUND)[:_PER_ROUND]]
        joining = improving
        held = np.concatenate([held, joining])
    if solution.is_integral:
        return held[solution.levels > 0.5]
    best = float(np.sum(worth[start]))
    if best >= solution.value - _EXACT * best:
        return start
    useful = np.union1d(start, np.flatnonzero(reduced >= best - solution.value - _TIE * _GREATEST))
    if len(useful) > MOST_INTEGER:
        return None
    found = solve_integer(
        Program(values=worth[useful], matrix=_matrix(members[useful], n), limits=np.ones(n)),
        solver=Solver.CBC,
        seconds=None,
    )
    if found.status is not SolveStatus.OPTIMAL:
        raise SolverFailed("the integer solve over listed cycles was cut short")
    return useful[found.chosen]


def _matrix(members: IntArray, n: int) -> sparse.csc_array:
    """Return which cycle (column) takes which pair (row)."""
    sizes = np.sum(members >= 0, axis=1)
    starts = np.concatenate([[0], np.cumsum(sizes)])
    return sparse.csc_array((np.ones(starts[-1]), members[members >= 0], starts), shape=(n, len(members)))
