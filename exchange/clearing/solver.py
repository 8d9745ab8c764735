"""Integer solves: builds the PuLP model of chosen columns and translates what comes back.

Three traps are dealt with here and nowhere else. PuLP calls a solve that ran into its time limit "Optimal"
and tells the truth only in ``sol_status``. Solvers return 0.9999999 for 1. And they call optimal what a
better choice exceeds by less than about 1e-6. (A fourth, that PuLP's duals of a maximization have opposite
signs with HiGHS and CBC, does not arise: duals come from ``relaxation``.)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from exchange.errors import SolverFailed
from exchange.match_run import SolveStatus
from exchange.pool import FloatArray, IntArray

if TYPE_CHECKING:
    import pulp

# One thread: results do not depend on the machine, and HiGHS cannot change its number within a process.
_THREADS = 1
_MOST_INTEGRALITY_ERROR = 1e-4


class Solver(StrEnum):
    """Which engine solves the models."""

    HIGHS = "highs"
    CBC = "cbc"


# Integer solves see values so many times larger. Solvers drop improvements below absolute tolerances of about
# 1e-5 (CBC) and 1e-6 (HiGHS), so that values of about 1 were called optimal 3e-6 below the optimum. Powers of
# two round nothing. With 1024, HiGHS took two to four times as long (128 pairs, cycle cap 3, chain cap 4).
_MAGNIFIED = {Solver.HIGHS: 32.0, Solver.CBC: 1024.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """Maximize ``values`` @ x subject to ``matrix`` @ x <= ``limits``, x in {0, 1}."""

    values: FloatArray
    matrix: sparse.csc_array
    limits: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegerSolution:
    """What an integer solve found over some columns."""

    status: SolveStatus
    chosen: IntArray
    """Columns at 1; empty with ``NO_SOLUTION``."""
    bound: float | None
    """No choice among the columns given to the solver exceeds this; None where the solver does not tell."""


def solve_integer(
    program: Program,
    *,
    solver: Solver,
    seconds: float | None,
    is_over: Callable[[], bool] = lambda: False,
) -> IntegerSolution:
    """Solve with every decision 0 or 1, to a gap of 0 or until ``seconds`` are over.

    Parameters
    ----------
    is_over
        Asked now and then; True ends the solve with the best found (HiGHS; CBC, a process of its own, hears
        Ctrl-C itself).

    Raises
    ------
    SolverFailed
        The solver is missing, crashed, or returned decisions that are neither 0 nor 1.
    """
    nothing = np.empty(0, dtype=np.intp)
    if not len(program.values):
        return IntegerSolution(status=SolveStatus.OPTIMAL, chosen=nothing, bound=0.0)
    if seconds is not None and seconds <= 0:
        return IntegerSolution(status=SolveStatus.NO_SOLUTION, chosen=nothing, bound=None)
    model, variables = _model(replace(program, values=program.values * _MAGNIFIED[solver]))
    status = _run(model, _engine(solver, seconds=seconds, is_over=is_over))
    bound = _reported_bound(model, solver)
    if status is SolveStatus.NO_SOLUTION:
        return IntegerSolution(status=status, chosen=nothing, bound=bound)
    levels = np.array([v.varValue or 0.0 for v in variables])
    if np.max(np.abs(levels - np.round(levels))) > _MOST_INTEGRALITY_ERROR:
        raise SolverFailed(f"{solver} returned a fraction where 0 or 1 was required; try the other solver")
    return IntegerSolution(status=status, chosen=np.flatnonzero(levels > 0.5), bound=bound)


def _model(program: Program) -> tuple[pulp.LpProblem, list[pulp.LpVariable]]:
    import pulp  # Imported where it is used: it costs a fifth of a second that most commands can save.

    model = pulp.LpProblem("clearing", pulp.LpMaximize)
    variables = [model.add_variable(f"x{i}", 0, 1, pulp.LpInteger) for i in range(len(program.values))]
    model.setObjective(pulp.LpAffineExpression(dict(zip(variables, program.values.tolist(), strict=True))))
    by_row = sparse.csr_array(program.matrix)
    for row in np.flatnonzero(np.diff(by_row.indptr)).tolist():
        part = slice(by_row.indptr[row], by_row.indptr[row + 1])
        terms = zip(by_row.indices[part].tolist(), by_row.data[part].tolist(), strict=True)
        constraint = pulp.LpConstraint(
            pulp.LpAffineExpression({variables[i]: coefficient for i, coefficient in terms}),
            pulp.LpConstraintLE,
            rhs=float(program.limits[row]),
        )
        model.addConstraint(constraint, f"r{row}")
    return model, variables


def _engine(solver: Solver, *, seconds: float | None, is_over: Callable[[], bool]) -> pulp.LpSolver:
    import pulp

    if solver is Solver.CBC:
        # The CBC that PuLP brings along. Its own class for it is deprecated and warns on every use.
        return pulp.COIN_CMD(
            path=pulp.PULP_CBC_CMD.pulp_cbc_path,
            msg=False,
            timeLimit=seconds,
            gapRel=0.0,
            gapAbs=0.0,
            threads=_THREADS,
        )
    import highspy

    def interrupt(_type: object, _text: str, _given: object, wanted: Any, _data: object) -> None:
        wanted.user_interrupt = is_over()

    return pulp.HiGHS(
        msg=False,
        timeLimit=seconds,
        gapRel=0.0,
        gapAbs=0.0,
        threads=_THREADS,
        # Presolve costs more than it gains on these set-packing models (2.5 to 3 times slower with it).
        presolve="off",
        callbackTuple=(interrupt, None),
        callbacksToActivate=[highspy.cb.HighsCallbackType.kCallbackMipInterrupt],
    )


def _run(model: pulp.LpProblem, engine: pulp.LpSolver) -> SolveStatus:
    import pulp

    try:
        model.solve(engine)
    except pulp.PulpError as error:
        raise SolverFailed(
            f"{engine.name} could not solve the model: {error}; try the other solver"
        ) from error
    return translate_status(model.status, model.sol_status)


def translate_status(status: int, sol_status: int) -> SolveStatus:
    """Return what PuLP's two codes mean. ``LpStatusOptimal`` alone says nothing: a time-limited solve has it
    too.

    Raises
    ------
    SolverFailed
        Infeasible or unbounded, which no clearing model can be.
    """
    import pulp

    if sol_status == pulp.LpSolutionOptimal:
        return SolveStatus.OPTIMAL
    if sol_status == pulp.LpSolutionIntegerFeasible:
        return SolveStatus.FEASIBLE
    if status in (pulp.LpStatusInfeasible, pulp.LpStatusUnbounded):
        raise SolverFailed(
            f"the solver calls the model {pulp.LpStatus[status].lower()}, which it cannot be; try the other solver"
        )
    return SolveStatus.NO_SOLUTION


def _reported_bound(model: pulp.LpProblem, solver: Solver) -> float | None:
    if solver is Solver.CBC:
        return None
    engine: Any = model.solverModel
    bound = -float(engine.getInfo().mip_dual_bound) / _MAGNIFIED[solver]
    return bound if np.isfinite(bound) else None
