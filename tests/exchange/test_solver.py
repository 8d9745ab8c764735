from __future__ import annotations

import time
from itertools import pairwise

import numpy as np
import pytest
from scipy import sparse

from exchange.clearing.solver import Program, Solver, solve_integer, translate_status
from exchange.errors import SolverFailed
from exchange.match_run import SolveStatus


def _packing(n_rows: int, n_columns: int, seed: int) -> Program:
    """Columns that each take three of the rows' members."""
    rng = np.random.default_rng(seed)
    rows = np.argsort(rng.random((n_columns, n_rows)), axis=1)[:, :3]
    columns = np.repeat(np.arange(n_columns), 3)
    matrix = sparse.csc_array((np.ones(3 * n_columns), (rows.ravel(), columns)), shape=(n_rows, n_columns))
    return Program(values=1.0 + rng.random(n_columns), matrix=matrix, limits=np.ones(n_rows))


@pytest.fixture(scope="module")
def small() -> Program:
    return _packing(12, 16, seed=1)


@pytest.fixture(scope="module")
def hard() -> Program:
    """Takes minutes to prove."""
    return _packing(150, 3_000, seed=2)


def _value(program: Program, chosen: np.ndarray) -> float:
    levels = np.zeros(len(program.values))
    levels[chosen] = 1.0
    assert np.all(program.matrix @ levels <= program.limits)
    return float(program.values @ levels)


@pytest.mark.parametrize("solver", list(Solver))
def test_an_integer_solution_is_the_best_of_all_choices(small: Program, solver: Solver) -> None:
    found = solve_integer(small, solver=solver, seconds=None)
    assert found.status is SolveStatus.OPTIMAL
    dense = small.matrix.toarray()
    bits = (np.arange(2 ** len(small.values))[:, None] >> np.arange(len(small.values))) & 1
    is_allowed = np.all(bits @ dense.T <= 1, axis=1)
    assert _value(small, found.chosen) == pytest.approx(float(np.max(bits[is_allowed] @ small.values)))
    if found.bound is not None:
        assert found.bound == pytest.approx(_value(small, found.chosen), abs=1e-6)


@pytest.mark.parametrize("solver", list(Solver))
def test_what_ran_into_its_time_limit_is_not_called_optimal(hard: Program, solver: Solver) -> None:
    found = solve_integer(hard, solver=solver, seconds=0.5)
    assert found.status in (SolveStatus.FEASIBLE, SolveStatus.NO_SOLUTION)
    if found.bound is not None:
        # With the sign of the bound wrong, everything that is stopped would look proved.
        assert found.bound > _value(hard, found.chosen)
        assert found.bound <= 2.0 * 150 / 3 + 1e-6


def test_highs_stops_soon_after_it_is_told_to(hard: Program) -> None:
    began = time.monotonic()
    found = solve_integer(
        hard, solver=Solver.HIGHS, seconds=1200.0, is_over=lambda: time.monotonic() - began > 0.5
    )
    # Not a measure of speed: without being told to it goes on for twenty minutes.
    assert time.monotonic() - began < 300
    assert found.status in (SolveStatus.FEASIBLE, SolveStatus.NO_SOLUTION)


@pytest.mark.parametrize("solver", list(Solver))
def test_the_same_program_gets_the_same_answer(small: Program, solver: Solver) -> None:
    answers = [solve_integer(small, solver=solver, seconds=None).chosen.tolist() for _ in range(3)]
    assert all(one == other for one, other in pairwise(answers))


def test_no_columns_mean_no_exchange() -> None:
    empty = Program(values=np.empty(0), matrix=sparse.csc_array((2, 0)), limits=np.ones(2))
    found = solve_integer(empty, solver=Solver.HIGHS, seconds=None)
    assert (found.status, len(found.chosen)) == (SolveStatus.OPTIMAL, 0)


def test_no_time_means_no_solution_and_no_solve(small: Program) -> None:
    found = solve_integer(small, solver=Solver.HIGHS, seconds=0.0)
    assert (found.status, len(found.chosen), found.bound) == (SolveStatus.NO_SOLUTION, 0, None)


def test_pulp_calling_a_limited_solve_optimal_is_not_believed() -> None:
    import pulp

    assert translate_status(pulp.LpStatusOptimal, pulp.LpSolutionIntegerFeasible) is SolveStatus.FEASIBLE
    assert translate_status(pulp.LpStatusOptimal, pulp.LpSolutionOptimal) is SolveStatus.OPTIMAL
    assert translate_status(pulp.LpStatusNotSolved, pulp.LpSolutionNoSolutionFound) is SolveStatus.NO_SOLUTION
    for hopeless in (pulp.LpStatusInfeasible, pulp.LpStatusUnbounded):
        with pytest.raises(SolverFailed, match="cannot be"):
            translate_status(hopeless, pulp.LpSolutionInfeasible)
