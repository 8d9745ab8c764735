from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from llm_compare.allocation.fairness.problem_bootstrap import (
    mean_of,
    mean_over_problems,
    over_problems,
    ratio,
)


def test_interval_of_a_mean_is_the_textbooks():
    values = np.random.default_rng(1).normal(3, 2, 12)
    (found,) = mean_over_problems(values[:, None], seed=1, n_draws=20_000)
    low, high = stats.t.interval(0.95, 11, values.mean(), stats.sem(values))
    assert found.value == pytest.approx(values.mean())
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.05)
    assert found.n == 12


def test_nine_intervals_in_ten_and_more_hold_the_truth_with_20_problems_of_a_skewed_kind():
    rng = np.random.default_rng(2)
    held = 0
    for seed in range(300):
        values = rng.beta(0.6, 1.4, (20, 1))  # Mean .3.
        (found,) = mean_over_problems(values, seed=seed, n_draws=300, bounds=(0, 1))
        held += found.low <= 0.3 <= found.high
    # Nominal .95; standard error of 300 runs .0126. The normal quantile in place of t's would be at .92.
    assert held / 300 > 0.92


def test_the_same_seed_gives_the_same_interval_and_differences_are_paired():
    values = np.random.default_rng(3).random((10, 2))
    assert mean_over_problems(values, seed=5) == mean_over_problems(values, seed=5)
    assert mean_over_problems(values, seed=5) != mean_over_problems(values, seed=6)
    first, second = mean_over_problems(np.repeat(values[:, :1], 2, axis=1), seed=5)
    assert first == second


def test_without_any_variation_up_to_three_in_p_problems_may_be_exceptions():
    (found,) = mean_over_problems(np.ones((20, 1)), seed=1, bounds=(0, 1))
    assert (found.low, found.value, found.high) == (pytest.approx(0.85), 1, 1)
    (unbounded,) = mean_over_problems(np.ones((20, 1)), seed=1)
    assert (unbounded.low, unbounded.high) == (1, 1)


def test_an_interval_does_not_pass_what_is_possible():
    (found,) = mean_over_problems(np.array([[0.0], [0.0], [0.0], [0.9]]), seed=1, bounds=(0, 1))
    assert found.low == 0


def test_one_problem_has_a_number_but_no_interval_and_none_has_a_reason():
    (one,) = mean_over_problems(np.array([[0.4]]), seed=1)
    assert (one.value, one.low, one.n) == (0.4, None, 1)
    assert one.reason
    (none,) = mean_over_problems(np.zeros((0, 1)), seed=1, undefined="nobody asked")
    assert (none.value, none.reason) == (None, "nobody asked")


def test_problems_that_lack_a_number_are_left_out_there_alone():
    values = np.array([[1.0, np.nan], [2.0, 4.0], [3.0, 6.0]])
    all_three, two = mean_over_problems(values, seed=1)
    assert (all_three.value, all_three.n) == (2, 3)
    assert (two.value, two.n) == (5, 2)


def test_a_number_that_most_draws_do_not_have_gets_no_interval():
    part, whole = np.array([1.0, 0, 0]), np.array([1.0, 0, 0])

    def share(times):
        return ratio((times @ part)[:, None], (times @ whole)[:, None])

    (found,) = over_problems(share, 3, seed=1)  # The only problem that counts is missing in 8 draws of 27.
    assert (found.value, found.low, found.high) == (1, None, None)


def test_a_ratio_is_resampled_as_a_whole():
    rng = np.random.default_rng(4)
    part, whole = rng.random(30), rng.random(30) + 1
    times = rng.multinomial(30, np.full(30, 1 / 30), size=5)
    for row, found in zip(times, mean_of(np.stack([part, whole], axis=1))(times.astype(float)), strict=True):
        drawn = np.repeat(np.arange(30), row)
        assert found == pytest.approx([part[drawn].mean(), whole[drawn].mean()])


def test_of_a_few_that_are_all_alike_no_interval_is_given():
    (few,) = over_problems(mean_of(np.ones((9, 1))), 9, seed=0, bounds=(0, 1))
    (many,) = over_problems(mean_of(np.ones((12, 1))), 12, seed=0, bounds=(0, 1))
    assert (few.value, few.low, few.high) == (1, None, None)
    assert "all 9" in few.reason
    assert (many.value, many.low, many.high) == (1, 0.75, 1)
