from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from estimation.executors import executor
from exchange.clearing.clear import Clearing, Solved, clear_pool, goals_of, make_clearing
from exchange.clearing.objectives import Policy
from exchange.errors import BadRequest
from exchange.pool import Pool
from exchange.pool_generator import generate_pool
from exchange.priorities import DonorPriorities, equal_priorities
from exchange.weight_draws import Share, clear_under_draws, order_only
from survey.design import StudyDesign


def cleared(pool: Pool, weights: dict[str, float], policy: Policy) -> tuple[Clearing, Solved]:
    clearing = make_clearing(pool, [], chain_cap=3)
    goals = [(goal, clearing.values(goal.objective, weights)) for goal in goals_of(policy, ())]
    return clearing, clearing.solve(goals)


def noisy_weights(pool: Pool, n: int, spread: float) -> list[dict[str, float]]:
    rng = np.random.default_rng(1)
    ids = [pair.id for pair in pool.pairs]
    return [dict(zip(ids, np.exp(spread * rng.standard_normal(len(ids))), strict=True)) for _ in range(n)]


@pytest.fixture(scope="module")
def pool(study: StudyDesign) -> Pool:
    return generate_pool(study, n_pairs=30, n_ndds=1, seed=2)


@pytest.mark.parametrize("policy", [Policy.PRIORITY_AFTER_CARDINALITY, Policy.GREATEST_WEIGHT])
def test_every_draw_is_cleared_as_it_would_be_alone(pool: Pool, policy: Policy) -> None:
    point = noisy_weights(pool, 1, 0.5)[0]
    clearing, solved = cleared(pool, point, policy)
    draws = noisy_weights(pool, 12, 1.0)
    found = clear_under_draws(clearing, solved, draws)
    own = clearing.match_run(solved, point, policy)
    assert found.point == own.recipients
    for draw, run in zip(draws, found.runs, strict=True):
        alone = clear_pool(pool, draw, policy=policy, chain_cap=3)
        best = sum(draw[pair] for pair in alone.recipients)
        assert run.is_proved
        assert sum(draw[pair] for pair in run.recipients) == pytest.approx(best, rel=1e-6)
        lost = 1 - sum(draw[pair] for pair in found.point) / best
        assert run.weight_lost == pytest.approx(max(lost, 0.0), abs=1e-6)
    assert found.changed.count == sum(run.recipients != found.point for run in found.runs) > 0
    for pair, share in found.chosen.items():
        assert share.count == sum(pair in run.recipients for run in found.runs)
    assert sum(found.transplants.values()) == 12


def test_equal_choices_do_not_count_as_changes(pool: Pool) -> None:
    # All weights alike leave very many equally good match runs; every draw must keep the one that is there.
    weights = equal_priorities(pool)
    clearing, solved = cleared(pool, weights, Policy.PRIORITY_AFTER_CARDINALITY)
    draws = [dict.fromkeys(weights, factor) for factor in (0.1, 1.0, 3.0)]
    found = clear_under_draws(clearing, solved, draws)
    assert found.changed.count == 0
    assert found.patients_replaced == 0
    assert found.weight_lost(1.0) == pytest.approx(0.0, abs=1e-9)


def test_only_what_a_draw_asks_for_changes(make_pool: Callable[..., Pool]) -> None:
    # P0 with P1 or P2; P3 with P4 or P5. The draw prefers P2 and does not care about P4 and P5.
    pool = make_pool(6, 0, [(0, 1), (1, 0), (0, 2), (2, 0), (3, 4), (4, 3), (3, 5), (5, 3)])
    point = {"P0": 1.0, "P1": 1.0, "P2": 0.5, "P3": 1.0, "P4": 0.5, "P5": 1.0}
    clearing, solved = cleared(pool, point, Policy.GREATEST_WEIGHT)
    draw = {"P0": 1.0, "P1": 0.5, "P2": 1.0, "P3": 1.0, "P4": 0.7, "P5": 0.7}
    (run,) = clear_under_draws(clearing, solved, [draw]).runs
    assert run.recipients == {"P0", "P2", "P3", "P5"}
    assert run.weight_lost == pytest.approx(0.5 / 3.7)


def test_the_result_does_not_depend_on_the_workers_nor_on_the_order_of_draws(pool: Pool) -> None:
    point = noisy_weights(pool, 1, 0.5)[0]
    clearing, solved = cleared(pool, point, Policy.PRIORITY_AFTER_CARDINALITY)
    draws = noisy_weights(pool, 11, 1.0)
    here = clear_under_draws(clearing, solved, draws)
    with executor(2) as workers:
        assert clear_under_draws(clearing, solved, draws, executor=workers) == here
    backwards = clear_under_draws(clearing, solved, draws[::-1])
    assert backwards.runs == here.runs[::-1]


def test_stopping_keeps_the_draws_that_are_done(pool: Pool) -> None:
    point = noisy_weights(pool, 1, 0.5)[0]
    clearing, solved = cleared(pool, point, Policy.GREATEST_WEIGHT)
    seen: list[str] = []
    clearing.progress = seen.append
    clearing.is_stopped = lambda: bool(seen)
    found = clear_under_draws(clearing, solved, noisy_weights(pool, 20, 1.0))
    assert 0 < len(found.runs) < found.n_wanted == 20


def test_order_only_weights_keep_the_order_and_space_it_evenly() -> None:
    weights = {"a": 0.003, "b": 1.0, "c": 0.07, "d": 1.0}
    assert order_only(weights) == {"a": pytest.approx(1 / 3), "b": 1.0, "c": pytest.approx(2 / 3), "d": 1.0}
    by_donor = DonorPriorities(
        donors=("a", "n"), recipients=("a", "b"), weights=np.array([[0.2, 0.9], [0.4, 0.4]])
    )
    spaced = order_only(by_donor)
    assert isinstance(spaced, DonorPriorities)
    assert spaced.weights.tolist() == [[0.5, 1.0], [1.0, 1.0]]


def test_a_share_comes_with_wilsons_interval() -> None:
    # Newcombe (1998), Statistics in Medicine 17, table I, method 3.
    assert Share(count=81, n=263).interval == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert Share(count=15, n=148).interval == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert Share(count=0, n=20).interval == pytest.approx((0.0, 0.1611), abs=5e-5)
    assert Share(count=29, n=29).interval == pytest.approx((0.8830, 1.0), abs=5e-5)


def test_draws_without_a_stage_that_looks_at_weights_are_refused(pool: Pool) -> None:
    weights = equal_priorities(pool)
    clearing, solved = cleared(pool, weights, Policy.EQUAL)
    with pytest.raises(BadRequest, match="no objective looks at weights"):
        clear_under_draws(clearing, solved, [weights])
    clearing, solved = cleared(pool, weights, Policy.GREATEST_WEIGHT)
    with pytest.raises(BadRequest, match="no draws"):
        clear_under_draws(clearing, solved, [])
