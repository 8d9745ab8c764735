from __future__ import annotations

import numpy as np
import pytest

from exchange.clearing.columns import build_columns
from exchange.clearing.solver import Program, Solver, solve_integer, solve_relaxation
from exchange.match_run import SolveStatus
from exchange.pool import pool_arrays
from exchange.pool_generator import generate_pool
from survey.design import StudyDesign


@pytest.fixture(scope="module")
def program(study: StudyDesign) -> Program:
    arrays = pool_arrays(generate_pool(study, n_pairs=40, n_ndds=3, seed=1))
    columns = build_columns(arrays, cycle_cap=3, chain_cap=3)
    weights = np.tile(np.random.default_rng(1).random(40), (43, 1))
    return Program(values=columns.values(weights), matrix=columns.matrix, limits=columns.limits)


def test_the_duals_of_a_relaxation_prove_its_value(program: Program) -> None:
    every = np.arange(len(program.values))
    relaxed = solve_relaxation(program, every, seconds=None)
    assert relaxed is not None
    assert np.all(relaxed.duals >= 0)
    # Strong duality: with the wrong sign the duals would all have been cut to 0.
    assert program.limits @ relaxed.duals == pytest.approx(relaxed.value)
    assert np.max(program.values - program.matrix.T @ relaxed.duals) < 1e-7
    assert np.max(program.matrix @ relaxed.levels - program.limits) < 1e-7


@pytest.mark.parametrize("solver", list(Solver))
def test_an_integer_solution_keeps_every_rule(program: Program, solver: Solver) -> None:
    every = np.arange(len(program.values))
    found = solve_integer(program, every, solver=solver, seconds=None)
    levels = np.zeros(len(every))
    levels[found.chosen] = 1.0
    assert found.status is SolveStatus.OPTIMAL
    assert np.all(program.matrix @ levels <= program.limits)
    other = solve_integer(program, every, solver=next(s for s in Solver if s is not solver), seconds=None)
    assert program.values[found.chosen].sum() == pytest.approx(program.values[other.chosen].sum())


def test_a_solver_that_is_stopped_reports_a_bound_that_holds(program: Program) -> None:
    # With the sign of the bound wrong, everything that is stopped would look proved.
    every = np.arange(len(program.values))
    best = program.values[solve_integer(program, every, solver=Solver.HIGHS, seconds=None).chosen].sum()
    for seconds in (0.02, 0.05, 0.1, 0.3, None):
        found = solve_integer(program, every, solver=Solver.HIGHS, seconds=seconds)
        assert found.bound is None or found.bound >= best - 1e-6
    assert found.bound == pytest.approx(best, abs=1e-6)


def test_no_columns_mean_no_exchange(program: Program) -> None:
    found = solve_integer(program, np.empty(0, dtype=np.intp), solver=Solver.HIGHS, seconds=None)
    assert (found.status, len(found.chosen)) == (SolveStatus.OPTIMAL, 0)
