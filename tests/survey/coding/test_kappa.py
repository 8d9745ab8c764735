"""Cohen's kappa against statsmodels, and what stands beside it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.inter_rater import cohens_kappa

from survey.coding.kappa import PairTable, kappas, pooled_kappas

numbers = st.integers(0, 40)


@given(numbers, numbers, numbers, numbers)
def test_kappa_is_the_one_of_statsmodels(a, b, c, d):
    table = PairTable(both=a, only_first=b, only_second=c, neither=d)
    if table.n == 0 or (a + b) * (a + c) + (c + d) * (b + d) == table.n**2:
        assert table.kappa is None
        return
    expected = cohens_kappa(np.array([[a, b], [c, d]]), return_results=False)

    assert table.kappa == pytest.approx(expected, abs=1e-10)


def test_a_rare_category_has_a_low_kappa_in_spite_of_nearly_equal_answers():
    # Feinstein and Cicchetti (1990), J. Clin. Epidemiol. 43, 543-549: 85 of 100 equal in both.
    even = PairTable(both=40, only_first=9, only_second=6, neither=45)
    rare = PairTable(both=80, only_first=10, only_second=5, neither=5)

    assert even.equal == rare.equal == 0.85
    assert (even.kappa, rare.kappa) == pytest.approx((0.70, 0.32), abs=0.005)
    assert even.pabak == rare.pabak == pytest.approx(0.70)
    assert (even.prevalence, rare.prevalence) == pytest.approx((-0.05, 0.75))
    assert (even.bias, rare.bias) == pytest.approx((0.03, 0.05))


@pytest.mark.parametrize(
    "table",
    [
        PairTable(both=0, only_first=0, only_second=0, neither=7),
        PairTable(both=7, only_first=0, only_second=0, neither=0),
        PairTable(both=0, only_first=0, only_second=0, neither=0),
    ],
)
def test_without_variation_kappa_is_not_said(table):
    assert table.kappa is None


def test_pooled_kappa_takes_means_of_equal_answers_before_it_divides():
    tables = [(40.0, 9.0, 6.0, 100.0), (80.0, 10.0, 5.0, 100.0)]
    both, first, second, n = (np.array(column) for column in zip(*tables, strict=True))
    by_chance = [0.49 * 0.46 + 0.51 * 0.54, 0.90 * 0.85 + 0.10 * 0.15]

    assert kappas(both, first, second, n) == pytest.approx([(0.85 - e) / (1 - e) for e in by_chance])
    mean = sum(by_chance) / 2
    assert float(pooled_kappas(both, first, second, n)) == pytest.approx((0.85 - mean) / (1 - mean))
