from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from llm_compare.allocation.fairness.stability import (
    choice_stability,
    position_counts,
    stability,
    thirds,
)

SHARES = (
    "diagonal",
    "upper",
    "middle",
    "lower",
    "extremes_surer",
    "favorite_first",
    "expected_first",
    "rank_entropy",
)


def steady(problem, row, rng):
    return np.random.default_rng(9).random((problem.max() + 1, row.shape[1]))[problem]


def test_the_same_ranking_every_time_makes_a_diagonal_of_ones(make_rankings):
    found = stability(make_rankings(score=steady), seed=1)
    np.testing.assert_array_equal(found.matrix, np.eye(15))
    for name in ("diagonal", "upper", "middle", "lower", "favorite_first", "expected_first"):
        assert getattr(found, name).observed.value == 1
    assert found.rank_entropy.observed.value == 0
    assert found.extremes_surer.observed.value == 0
    assert (found.n_trials, found.n_problems) == (300, 20)


def test_random_rankings_lie_within_what_chance_gives_and_are_surest_at_both_ends(make_rankings):
    outside = 0
    for seed in range(6):
        found = stability(make_rankings(seed=seed), seed=1, n_simulated=100)
        for name in SHARES:
            beside = getattr(found, name)
            outside += not beside.chance.low <= beside.observed.value <= beside.chance.high
    assert outside <= 10  # Of 48 at .05, the eight of a study correlated.
    ends, middle = np.diag(found.chance_matrix)[[0, -1]], np.diag(found.chance_matrix)[7]
    assert (ends > 1.5 * middle).all()  # Sorting makes a diagonal of nothing.
    assert found.extremes_surer.chance.low > 0


def test_matrix_is_that_of_a_plain_count(by_quality):
    rankings = by_quality(6, 5, 2, 3, seed=2)
    found = stability(rankings, seed=1, n_simulated=2)
    expected = np.zeros((5, 5))
    for p in range(6):
        orders = [list(o) for o, q in zip(rankings.order, rankings.problem, strict=True) if q == p]
        by_mean_rank = sorted(range(5), key=lambda c: (sum(o.index(c) for o in orders), c))
        for i, c in enumerate(by_mean_rank):
            for o in orders:
                expected[i, o.index(c)] += 1 / len(orders) / 6
    np.testing.assert_allclose(found.matrix, expected)
    np.testing.assert_allclose(found.matrix.sum(axis=0), 1)
    np.testing.assert_allclose(found.matrix.sum(axis=1), 1)
    assert found.expected_first.observed.value == pytest.approx(expected[0, 0])
    assert found.diagonal.observed.value == pytest.approx(np.trace(expected) / 5)


def test_both_ways_to_name_the_top_choice_are_told_apart(make_rankings):
    # Candidate 0 is first in two trials of five and last in the others; candidate 1 is always first or second.
    orders = np.array([[0, 1, 2, 3]] * 2 + [[1, 2, 3, 0], [2, 1, 3, 0], [3, 1, 2, 0]])
    rankings = replace(make_rankings(1, 4, 1, 5), order=orders)
    found = stability(rankings, seed=1, n_simulated=2)
    assert found.favorite_first.observed.value == pytest.approx(0.4)
    assert found.expected_first.observed.value == pytest.approx(0.2)


def test_entropy_of_a_rank_tossed_between_two_is_that_of_a_coin(make_rankings):
    orders = np.array([[0, 1, 2, 3], [1, 0, 3, 2]] * 3)
    found = stability(replace(make_rankings(1, 4, 1, 6), order=orders), seed=1, n_simulated=2)
    assert found.rank_entropy.observed.value == pytest.approx(np.log(2) / np.log(4))
    assert found.matrix[0, 0] == found.matrix[0, 1] == 0.5
    assert found.diagonal.observed.value == 0.5


def test_problems_count_alike_however_many_trials_they_have(make_rankings):
    rankings = make_rankings(2, 3, 1, 4)
    orders = np.array([[0, 1, 2]] * 4 + [[0, 1, 2], [1, 2, 0], [2, 0, 1], [0, 1, 2]])
    kept = np.array([0, 4, 5, 6])  # One trial of the first problem, three of the second.
    few = {n: getattr(rankings, n)[kept] for n in ("problem", "shuffle", "repeat", "row")}
    found = stability(replace(rankings, order=orders[kept], **few), seed=1, n_simulated=2)
    assert found.expected_first.observed.value == pytest.approx((1 + 1 / 3) / 2)


def test_the_same_seed_gives_the_same_numbers(by_quality):
    first, second, third = (stability(by_quality(4, 6, seed=1), seed=s, n_simulated=20) for s in (1, 1, 2))
    assert first.diagonal == second.diagonal
    np.testing.assert_array_equal(first.chance_matrix, second.chance_matrix)
    assert first.diagonal.chance != third.diagonal.chance


def test_choices_of_a_respondent_with_a_favorite_and_without(make_rankings):
    always = choice_stability(make_rankings(score=steady).top, seed=1)
    assert always.favorite.observed.value == 1
    assert always.entropy.observed.value == 0
    assert always.favorite.observed.p == pytest.approx(1 / 201)
    never = choice_stability(make_rankings(seed=5).top, seed=1)
    assert never.favorite.chance.low <= never.favorite.observed.value <= never.favorite.chance.high
    # Of 15 random choices among 15 the most frequent has .20 on average: this much is no favorite.
    assert never.favorite.chance.value == pytest.approx(0.2, abs=0.01)


def test_without_trials_every_number_says_so(make_rankings):
    rankings = make_rankings(1, 3, 1, 1)
    empty = replace(
        rankings, **{n: getattr(rankings, n)[:0] for n in ("problem", "order", "shuffle", "repeat", "row")}
    )
    found = stability(empty, seed=1, n_simulated=2)
    assert (found.diagonal.observed.value, found.diagonal.observed.reason) == (None, "no trials")
    assert choice_stability(empty.top, seed=1, n_simulated=2).favorite.observed.value is None


def test_counts_of_positions_keep_problems_apart():
    rank = np.array([[0, 1], [1, 0], [1, 0]])
    found = position_counts(rank, np.array([0, 0, 2]), 3)
    np.testing.assert_array_equal(found, [[[1, 1], [1, 1]], [[0, 0], [0, 0]], [[0, 1], [1, 0]]])


@pytest.mark.parametrize("n", range(1, 20))
def test_thirds_are_none_of_them_empty_and_hold_every_rank_from_three_on(n):
    parts = [list(range(n))[part] for part in thirds(n)]
    assert len(parts[0]) == len(parts[2]) == max(n // 3, 1)
    if n >= 3:
        assert [*parts[0], *parts[1], *parts[2]] == list(range(n))
