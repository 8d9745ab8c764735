from __future__ import annotations

from math import isnan

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from exchange.outcomes.inequality import best_minus_worst, gini, worst_to_best

groups = st.lists(st.tuples(st.floats(0, 1), st.integers(1, 20)), min_size=1, max_size=8)


@pytest.mark.parametrize(
    ("shares", "sizes", "expected"),
    [
        ([0.5, 0.5, 0.5], [1, 2, 3], 0.0),
        ([1.0, 0.0], [1, 1], 0.5),
        ([1.0, 0.0], [1, 3], 0.75),
        ([0.2, 0.6], [1, 1], 0.25),
        ([0.2, 0.6], [3, 1], 0.25),
        ([0.0, 0.0], [2, 3], 0.0),
    ],
)
def test_small_examples_of_the_gini_coefficient(shares, sizes, expected: float) -> None:
    assert gini(shares, sizes) == pytest.approx(expected)


@given(groups)
def test_the_weighted_coefficient_is_that_of_the_patients_one_by_one(found: list[tuple[float, int]]) -> None:
    shares, sizes = zip(*found, strict=True)
    people = np.sort(np.repeat(shares, sizes))
    n, total = len(people), people.sum()
    assume(total > 1e-6)
    # Another formula, over the sorted patients (Sen 1973).
    expected = 2 * (np.arange(1, n + 1) @ people) / (n * total) - (n + 1) / n
    assert gini(shares, sizes) == pytest.approx(expected, abs=1e-9)


@given(groups, st.randoms(use_true_random=False))
def test_the_order_of_groups_and_doubling_them_change_nothing(found, random) -> None:
    mixed = list(found)
    random.shuffle(mixed)
    x, n = (np.array(column, dtype=float) for column in zip(*found, strict=True))
    y, m = (np.array(column, dtype=float) for column in zip(*mixed, strict=True))
    assert gini(y, 2 * m) == pytest.approx(gini(x, n), abs=1e-9)
    assert best_minus_worst(y) == best_minus_worst(x)


def test_ratio_and_range_of_small_examples() -> None:
    assert worst_to_best([0.2, 0.8, 0.4]) == pytest.approx(0.25)
    assert best_minus_worst([0.2, 0.8, 0.4]) == pytest.approx(0.6)


def test_nobody_has_no_inequality() -> None:
    assert isnan(gini([], []))
    assert isnan(worst_to_best([]))
    assert isnan(best_minus_worst([]))
    assert isnan(worst_to_best([0.0, 0.0]))
