"""Means over problems beside scipy's t tests."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from llm_compare.allocation.fairness.problem_means import against_zero, group_means, problem_means


def test_repeats_are_averaged_before_anything_is_tested():
    values = np.array([[1.0, np.nan], [3.0, 5.0], [7.0, np.nan]])

    found = problem_means(values, np.array([0, 0, 2]), 3)

    assert found == pytest.approx(np.array([[2.0, 5.0], [np.nan, np.nan], [7.0, np.nan]]), nan_ok=True)


def test_group_means_are_of_candidates_in_each_problem(make_groups):
    groups = make_groups([[0, 0, 1], [1, 1, -1]])
    exposure = np.array([[1.0, 2.0, 4.0], [3.0, 5.0, 9.0]])

    assert group_means(exposure, groups) == pytest.approx(np.array([[1.5, 4.0], [np.nan, 4.0]]), nan_ok=True)


def test_the_t_test_is_scipys():
    given = np.array([0.3, -0.1, np.nan, 0.4, 0.2])
    kept = given[np.isfinite(given)]

    found = against_zero(given)

    test = stats.ttest_1samp(kept, 0)
    interval = test.confidence_interval()
    assert (found.value, found.p, found.n) == pytest.approx((kept.mean(), test.pvalue, 4))
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))


@pytest.mark.parametrize(
    ("given", "value", "reason"),
    [
        ([np.nan, np.nan], None, "no problem"),
        ([0.1, 0.3, np.nan], 0.2, "fewer than 3"),
        ([0.5, 0.5, 0.5, 0.5], 0.5, "the same in every problem"),
        ([1e-17, 0.0, -1e-17], 0.0, "the same in every problem"),
    ],
)
def test_what_cannot_be_tested_says_why(given, value, reason):
    found = against_zero(np.array(given))

    assert found.p is None
    assert found.value == (None if value is None else pytest.approx(value))
    assert reason in found.reason
