"""The linear relaxation, kept alive while columns join it: each solve starts where the last one ended.

This is the one place that talks to HiGHS directly. PuLP builds and hands over the whole model anew for every
solve; with 1,024 pairs that made each round of column generation some twenty times as long
(docs/decisions/0013). Integer models go through PuLP, see ``solver``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import highspy
import numpy as np
from scipy import sparse

from exchange.errors import SolverFailed
from exchange.pool import FloatArray, IntArray

_INTEGRAL = 1e-6
_GROW_ROUNDS = 4
_AT_ONCE = 12
_PRIMAL, _DUAL = 4, 1
"""HiGHS' numbers of the simplex methods: after new columns the basis is still primal feasible, after changed
bounds dual feasible."""
_SETTLED = (
    highspy.HighsModelStatus.kOptimal,
    highspy.HighsModelStatus.kTimeLimit,
    highspy.HighsModelStatus.kInfeasible,
    highspy.HighsModelStatus.kUnboundedOrInfeasible,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RelaxedSolution:
    """An optimal solution of the relaxation over the columns so far."""

    value: float
    levels: FloatArray
    """One per column."""
    duals: FloatArray
    """One per row, at least 0: what one more unit of the row's limit would be worth."""

    @property
    def is_integral(self) -> bool:
        """Whether every level is 0 or 1."""
        return bool(np.all(np.abs(self.levels - np.round(self.levels)) < _INTEGRAL))


class Relaxation:
    """Maximize the sum of values times levels, the rows' sums within their limits, levels at least 0.

    The rows keep every level at or below 1: each column has a 1 in a row whose limit is 1. An explicit bound
    would take part of the dual.
    """

    def __init__(self, limits: FloatArray) -> None:
        engine = highspy.Highs()
        for option, value in (
            ("output_flag", False),
            ("threads", 1),
            ("presolve", "off"),
            ("random_seed", 0),
            # Finer than the threshold of pricing, so that no column at hand is found profitable again.
            ("dual_feasibility_tolerance", 1e-9),
            # Smaller coefficients count as 0; by default a weight of a billionth of the greatest would.
            ("small_matrix_value", 1e-12),
        ):
            engine.setOptionValue(option, value)
        engine.changeObjectiveSense(highspy.ObjSense.kMaximize)
        engine.addRows(
            len(limits),
            np.full(len(limits), -highspy.kHighsInf),
            np.asarray(limits, dtype=np.float64),
            0,
            np.zeros(len(limits), dtype=np.int32),
            np.empty(0, dtype=np.int32),
            np.empty(0),
        )
        self._engine = engine
        self._method = _PRIMAL
        self._held: set[int] = set()
        self.count = 0
        """Number of columns."""
        self.iterations = 0
        """Steps of the simplex method so far: a measure of work that is the same on every machine."""

    def add(self, values: FloatArray, matrix: sparse.csc_array) -> None:
        """Let columns join; ``matrix`` has one row per row of the model."""
        n = len(values)
        if not n:
            return
        self._engine.addCols(
            n,
            np.asarray(values, dtype=np.float64),
            np.zeros(n),
            np.full(n, highspy.kHighsInf),
            matrix.nnz,
            matrix.indptr[:-1].astype(np.int32),
            matrix.indices.astype(np.int32),
            matrix.data.astype(np.float64),
        )
        self.count += n
        self._method = _PRIMAL

    def set_values(self, values: FloatArray) -> None:
        """Pursue another objective over the same columns."""
        which = np.arange(self.count, dtype=np.int32)
        self._engine.changeColsCost(self.count, which, np.asarray(values, dtype=np.float64))
        # Measured with 1,024 pairs and 32,000 columns: 5.4 s, the primal method 8.8 s.
        self._method = _DUAL

    def add_row(self, coefficients: FloatArray, limit: float) -> None:
        """Add a rule: the sum of coefficients times levels is at most ``limit``."""
        which = np.flatnonzero(coefficients)
        self._engine.addRow(
            -highspy.kHighsInf, float(limit), len(which), which.astype(np.int32), coefficients[which]
        )
        # The last solution may break the rule, but its prices still fit.
        self._method = _DUAL

    def set_limit(self, row: int, limit: float) -> None:
        """Change a row's limit."""
        self._engine.changeRowBounds(row, -highspy.kHighsInf, float(limit))
        self._method = _DUAL

    def fix(self, columns: list[int], level: float | None) -> None:
        """Hold columns at a level, or let them go with None."""
        low = 0.0 if level is None else level
        high = highspy.kHighsInf if level is None else level
        for column in columns:
            self._engine.changeColBounds(column, low, high)
        if level is None:
            self._held.difference_update(columns)
        else:
            self._held.update(columns)
        self._method = _DUAL

    def solve(self, seconds: float | None = None) -> RelaxedSolution | None:
        """Solve to optimality; None if the time did not suffice or, with columns held, none was found.

        Raises
        ------
        SolverFailed
            HiGHS ended in a state that cannot be.
        """
        engine = self._engine
        limit = highspy.kHighsInf if seconds is None else engine.getRunTime() + max(seconds, 1e-3)
        engine.setOptionValue("time_limit", limit)
        # Where values differ by many orders of magnitude, HiGHS may give up ('Unknown') by one method and
        # solve by the other, or from scratch.
        for method, is_afresh in (
            (self._method, False),
            (_PRIMAL + _DUAL - self._method, False),
            (_PRIMAL, True),
        ):
            if is_afresh:
                engine.clearSolver()
            engine.setOptionValue("simplex_strategy", method)
            engine.run()
            self.iterations += int(engine.getInfo().simplex_iteration_count)
            if engine.getModelStatus() in _SETTLED:
                break
        status = engine.getModelStatus()
        if status == highspy.HighsModelStatus.kOptimal:
            solution = engine.getSolution()
            return RelaxedSolution(
                value=float(engine.getInfo().objective_function_value),
                levels=np.asarray(solution.col_value),
                duals=np.maximum(solution.row_dual, 0.0),
            )
        # With columns held it is a mere trial, most likely one without a solution.
        if status in _SETTLED or self._held:
            return None
        raise SolverFailed(
            f"HiGHS left the linear relaxation as '{engine.modelStatusToString(status)}'; try again, and report "
            "the pool if it stays so"
        )


def plunge(
    relaxation: Relaxation,
    start: RelaxedSolution,
    *,
    target: float,
    most_solves: int,
    most_iterations: int,
    grow: Callable[[RelaxedSolution, list[int]], bool],
    is_over: Callable[[], bool],
) -> IntArray | None:
    """Look for a choice of columns that reaches ``target``, depth first, and return its columns; None if not
    found.

    The relaxation's optimum is reached by many solutions, and most often by one without fractions. Fixing the
    largest fraction to 1, again and again, finds it in a few dozen short solves; where a fixing makes the
    target unreachable, it is taken back. Nothing is proved by not finding one. The relaxation is left as it
    was, but for the columns that joined.

    Parameters
    ----------
    target
        Value to reach.
    most_solves, most_iterations
        Give up after so many solves of the relaxation, or steps of the simplex method: measures of work that,
        unlike seconds, make the same input end the same way.
    grow
        Told a solution below the target and the columns held at 1: lets columns join that could improve it,
        and says whether any did.
    is_over
        Asked between solves; True gives up.
    """
    frames: list[_Frame] = []
    held: set[int] = set()
    solution: RelaxedSolution | None = start
    found: IntArray | None = None
    spent = relaxation.iterations
    for _ in range(most_solves):
        if relaxation.iterations - spent > most_iterations:
            break
        if solution is not None and solution.value >= target:
            fractions = np.flatnonzero((solution.levels > _INTEGRAL) & (solution.levels < 1 - _INTEGRAL))
            if not len(fractions):
                found = np.flatnonzero(solution.levels > 0.5)
                break
            largest = fractions[np.argsort(-solution.levels[fractions], kind="stable")]
            # Several at once while many are left; halves at most are compatible with each other only by luck.
            together = [
                int(k) for k in largest[: max(len(fractions) // _AT_ONCE, 1)] if solution.levels[k] > 0.5
            ]
            branch = int(largest[0])
            whole = np.flatnonzero(solution.levels >= 1 - _INTEGRAL).tolist()
            frame = _Frame(
                branch=branch, whole=[k for k in whole if k not in held], together=together or [branch]
            )
            _hold(relaxation, held, [*frame.whole, *frame.together])
            frames.append(frame)
        else:
            while frames and frames[-1].is_flipped:
                relaxation.fix([frames.pop().branch], None)
            if not frames:
                break
            frame = frames[-1]
            if len(frame.together) > 1:
                _release(relaxation, held, frame.together[1:])
                frame.together = frame.together[:1]
            else:
                _release(relaxation, held, [*frame.whole, *frame.together])
                relaxation.fix([frame.branch], 0.0)
                frame.whole, frame.together, frame.is_flipped = [], [], True
        solution = relaxation.solve()
        for _ in range(_GROW_ROUNDS):
            if is_over() or solution is None or solution.value >= target or not grow(solution, sorted(held)):
                break
            solution = relaxation.solve()
        if is_over():
            break
    for frame in frames:
        relaxation.fix([*frame.whole, *frame.together, frame.branch], None)
    return found


@dataclass(slots=True)
class _Frame:
    """One step down: columns held at 1, or (flipped) the branching column held at 0."""

    branch: int
    whole: list[int]
    """Columns that were at 1 already."""
    together: list[int]
    """Columns brought to 1, the branching one first."""
    is_flipped: bool = False


def _hold(relaxation: Relaxation, held: set[int], columns: list[int]) -> None:
    relaxation.fix(columns, 1.0)
    held.update(columns)


def _release(relaxation: Relaxation, held: set[int], columns: list[int]) -> None:
    relaxation.fix(columns, None)
    held.difference_update(columns)
