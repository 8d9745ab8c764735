from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import exchange.clearing.exact as exact
from exchange.clearing.clear import clear_pool
from exchange.clearing.objectives import Policy
from exchange.clearing.solver import Solver, translate_status
from exchange.errors import BadRequest, MissingPriorities, SolverFailed
from exchange.match_run import SolveStatus
from exchange.pool import Pool
from exchange.pool_generator import generate_pool
from exchange.priorities import equal_priorities
from exchange.validity import check_match_run
from survey.design import StudyDesign

BruteForce = Callable[..., tuple[float, ...]]


Drawn = tuple[int, int, list[tuple[int, int]], dict[tuple[int, int], float], dict[str, float]]


@st.composite
def small_pools(draw: st.DrawFn) -> Drawn:
    """Pools of any density. Weights are whole numbers, so that the judge's sums are exact and ties are ties."""
    n_pairs, n_ndds = draw(st.integers(2, 7)), draw(st.integers(0, 2))
    density = draw(st.sampled_from([0.2, 0.4, 0.7]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    exists = rng.random((n_pairs + n_ndds, n_pairs)) < density
    arcs = [(a, b) for a, b in np.argwhere(exists).tolist() if a != b]
    weights = {arc: float(rng.integers(6)) for arc in arcs}
    priorities = {f"P{i}": float(rng.integers(21)) for i in range(n_pairs)}
    return n_pairs, n_ndds, arcs, weights, priorities


@pytest.mark.parametrize("few_columns", [False, True])
@pytest.mark.parametrize("policy", list(Policy))
@settings(max_examples=60, deadline=None)
@given(drawn=small_pools(), cycle_cap=st.sampled_from([0, 2, 3, 4]), chain_cap=st.integers(0, 4))
def test_clearing_finds_what_brute_force_finds(
    make_pool: Callable[..., Pool],
    best_by_brute_force: BruteForce,
    policy: Policy,
    few_columns: bool,
    drawn: Drawn,
    cycle_cap: int,
    chain_cap: int,
) -> None:
    n_pairs, n_ndds, arcs, weights, priorities = drawn
    pool = make_pool(n_pairs, n_ndds, arcs, weights)
    with pytest.MonkeyPatch.context() as patch:
        if few_columns:
            # The way of large pools: start with next to nothing and let the prices bring in the rest.
            patch.setattr(exact, "WHOLE_MODEL_COLUMNS", 0)
            patch.setattr(exact, "_FIRST_COLUMNS", 1)
            patch.setattr(exact, "_COLUMNS_PER_ROUND", 2)
        run = clear_pool(pool, priorities, policy=policy, cycle_cap=cycle_cap, chain_cap=chain_cap)
    check_match_run(pool, run, priorities)
    assert run.status is SolveStatus.OPTIMAL
    expected = best_by_brute_force(pool, priorities, policy, cycle_cap, chain_cap)
    assert tuple(stage.value for stage in run.stages) == pytest.approx(expected)
    assert all(stage.gap == 0 and stage.bound == stage.value for stage in run.stages)


def test_greatest_weight_gives_up_transplants_where_cardinality_first_does_not(
    make_pool: Callable[..., Pool],
) -> None:
    # One precious patient in a two-way cycle with P1, or three others in a three-way cycle through P1.
    pool = make_pool(4, 0, [(0, 1), (1, 0), (1, 2), (2, 3), (3, 1)])
    priorities = {"P0": 1.0, "P1": 0.1, "P2": 0.1, "P3": 0.1}
    by_weight = clear_pool(pool, priorities, policy=Policy.GREATEST_WEIGHT)
    by_number = clear_pool(pool, priorities, policy=Policy.PRIORITY_AFTER_CARDINALITY)
    assert (by_weight.transplants, by_weight.total_priority) == (2, pytest.approx(1.1))
    assert (by_number.transplants, by_number.total_priority) == (3, pytest.approx(0.3))
    assert by_weight.recipients == {"P0", "P1"}


def test_weights_decide_among_equally_many_transplants(make_pool: Callable[..., Pool]) -> None:
    pool = make_pool(3, 0, [(0, 1), (1, 0), (1, 2), (2, 1)])
    for favored in ("P0", "P2"):
        priorities = {"P0": 0.5, "P1": 0.5, "P2": 0.5, favored: 1.0}
        run = clear_pool(pool, priorities, policy=Policy.PRIORITY_AFTER_CARDINALITY)
        assert run.recipients == {"P1", favored}


def test_the_chain_cap_counts_pairs_only(make_pool: Callable[..., Pool]) -> None:
    pool = make_pool(4, 1, [(4, 0), (0, 1), (1, 2), (2, 3)])
    for cap in range(5):
        run = clear_pool(pool, equal_priorities(pool), policy=Policy.EQUAL, chain_cap=cap)
        assert run.transplants == cap
    assert run.chains[0].pairs == ("P0", "P1", "P2", "P3")


def test_tiny_weights_are_told_apart(make_pool: Callable[..., Pool]) -> None:
    # Solvers stop at absolute tolerances of about 1e-6; a study may well give every patient a weight below that.
    pool = make_pool(3, 0, [(0, 1), (1, 0), (1, 2), (2, 1)])
    priorities = {"P0": 1e-9, "P1": 1e-9, "P2": 2e-9}
    run = clear_pool(pool, priorities, policy=Policy.PRIORITY_AFTER_CARDINALITY)
    assert run.recipients == {"P1", "P2"}


@pytest.mark.parametrize("solver", list(Solver))
def test_nearly_tied_weights_are_told_apart(
    make_pool: Callable[..., Pool], best_by_brute_force: BruteForce, solver: Solver
) -> None:
    # Left to their tolerances, solvers called match runs optimal that were up to 3e-6 of the value below the best.
    for seed in range(40):
        rng = np.random.default_rng(seed)
        exists = rng.random((7, 6)) < 0.7
        pool = make_pool(6, 1, [(a, b) for a, b in np.argwhere(exists).tolist() if a != b])
        spread = (1 + 1e-5 * rng.random(6)) if seed % 2 else 10 ** (-8 * rng.random(6))
        priorities = {f"P{i}": float(weight) for i, weight in enumerate(spread)}
        for policy in (Policy.PRIORITY_AFTER_CARDINALITY, Policy.GREATEST_WEIGHT):
            run = clear_pool(pool, priorities, policy=policy, cycle_cap=3, chain_cap=2, solver=solver)
            expected = best_by_brute_force(pool, priorities, policy, 3, 2)
            assert [s.value for s in run.stages] == pytest.approx(expected, rel=exact.PROOF_TOLERANCE, abs=0)


def test_patients_nobody_can_give_to_do_not_blur_the_others(make_pool: Callable[..., Pool]) -> None:
    # P3 can be given to by P0, but is in no cycle. Its weight must not make those of the others look alike.
    pool = make_pool(4, 0, [(0, 1), (1, 0), (1, 2), (2, 1), (0, 3)])
    for favored in ("P0", "P2"):
        priorities = {"P0": 1e-15, "P1": 1e-15, "P2": 1e-15, "P3": 1.0, favored: 2e-15}
        run = clear_pool(pool, priorities, policy=Policy.GREATEST_WEIGHT)
        assert run.recipients == {"P1", favored}


@pytest.mark.parametrize("unit", [1.0, 1e-12])
def test_what_time_did_not_suffice_for_is_not_called_optimal_whatever_the_unit(
    study: StudyDesign, unit: float
) -> None:
    pool = generate_pool(study, n_pairs=200, n_ndds=8, seed=1)
    weights = {pair.id: unit * (1 + i % 7) for i, pair in enumerate(pool.pairs)}
    run = clear_pool(pool, weights, policy=Policy.GREATEST_WEIGHT, chain_cap=3, time_limit_seconds=0.02)
    assert run.status is SolveStatus.FEASIBLE
    assert run.stages[0].bound > run.stages[0].value


def test_each_stage_uses_the_solver_that_is_faster_for_it_and_says_which(
    make_pool: Callable[..., Pool],
) -> None:
    pool = make_pool(2, 0, [(0, 1), (1, 0)])
    for chosen, expected in (
        (None, ["cbc", "highs"]),
        (Solver.HIGHS, ["highs"] * 2),
        (Solver.CBC, ["cbc"] * 2),
    ):
        run = clear_pool(
            pool, {"P0": 1.0, "P1": 0.5}, policy=Policy.PRIORITY_AFTER_CARDINALITY, solver=chosen
        )
        assert [stage.solver for stage in run.stages] == expected


@pytest.mark.parametrize("solver", list(Solver))
def test_both_solvers_agree_and_repeat_themselves(study: StudyDesign, solver: Solver) -> None:
    pool = generate_pool(study, n_pairs=40, n_ndds=4, seed=2)
    priorities = {pair.id: 1.0 + i % 7 for i, pair in enumerate(pool.pairs)}
    runs = [
        clear_pool(
            pool,
            priorities,
            policy=Policy.PRIORITY_AFTER_CARDINALITY,
            cycle_cap=3,
            chain_cap=3,
            solver=solver,
        )
        for _ in range(2)
    ]
    assert runs[0].arcs == runs[1].arcs
    reference = clear_pool(
        pool, priorities, policy=Policy.PRIORITY_AFTER_CARDINALITY, cycle_cap=3, chain_cap=3
    )
    assert (runs[0].transplants, runs[0].total_priority) == (reference.transplants, reference.total_priority)
    assert {stage.solver for stage in runs[0].stages} == {str(solver)}


@pytest.mark.parametrize("solver", list(Solver))
def test_a_time_limit_gives_the_best_so_far_and_never_calls_it_optimal(
    study: StudyDesign, solver: Solver
) -> None:
    pool = generate_pool(study, n_pairs=200, n_ndds=8, seed=1)
    run = clear_pool(
        pool,
        equal_priorities(pool),
        policy=Policy.PRIORITY_AFTER_CARDINALITY,
        cycle_cap=3,
        chain_cap=3,
        solver=solver,
        time_limit_seconds=0.02,
    )
    check_match_run(pool, run, equal_priorities(pool))
    stage = run.stages[0]
    assert run.status is stage.status is SolveStatus.FEASIBLE
    assert stage.bound > stage.value
    assert 0 < stage.gap <= 1
    # No match run of this pool has more transplants than pairs; a bound below the optimum would be a lie.
    optimum = clear_pool(pool, equal_priorities(pool), policy=Policy.EQUAL, cycle_cap=3, solver=Solver.CBC)
    assert stage.bound >= optimum.transplants


def test_pulp_calling_a_limited_solve_optimal_is_not_believed() -> None:
    import pulp

    assert translate_status(pulp.LpStatusOptimal, pulp.LpSolutionIntegerFeasible) is SolveStatus.FEASIBLE
    assert translate_status(pulp.LpStatusOptimal, pulp.LpSolutionOptimal) is SolveStatus.OPTIMAL
    assert translate_status(pulp.LpStatusNotSolved, pulp.LpSolutionNoSolutionFound) is SolveStatus.NO_SOLUTION
    with pytest.raises(SolverFailed, match="infeasible"):
        translate_status(pulp.LpStatusInfeasible, pulp.LpSolutionInfeasible)


def test_an_empty_pool_is_cleared_with_nothing(make_pool: Callable[..., Pool]) -> None:
    run = clear_pool(make_pool(0, 0, []), {}, policy=Policy.PRIORITY_AFTER_CARDINALITY, chain_cap=3)
    assert (run.transplants, run.status) == (0, SolveStatus.OPTIMAL)


@pytest.mark.parametrize(
    "wrong",
    [{"cycle_cap": 1}, {"chain_cap": -1}, {"time_limit_seconds": 0}, {"time_limit_seconds": float("inf")}],
)
def test_impossible_requests_are_refused(make_pool: Callable[..., Pool], wrong: dict[str, Any]) -> None:
    with pytest.raises(BadRequest):
        clear_pool(make_pool(1, 0, []), {"P0": 1.0}, policy=Policy.EQUAL, **wrong)


def test_pairs_without_a_priority_are_named(make_pool: Callable[..., Pool]) -> None:
    with pytest.raises(MissingPriorities, match="P1") as caught:
        clear_pool(make_pool(2, 0, []), {"P0": 1.0}, policy=Policy.EQUAL)
    assert caught.value.pair_ids == ("P1",)
    with pytest.raises(BadRequest, match="at least 0"):
        clear_pool(make_pool(1, 0, []), {"P0": -1.0}, policy=Policy.EQUAL)
