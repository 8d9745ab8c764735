"""Intervals of shares and of their differences."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from survey.coding.shares import independent_difference, paired_difference, share_of, wilson

counts = st.integers(0, 60)


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_intervals_of_shares_are_wilsons(share):
    count, of = share
    expected = proportion_confint(count, of, method="wilson")

    assert wilson(count, of) == pytest.approx(expected, abs=1e-12)


def test_a_share_of_nobody_is_none_and_an_impossible_one_is_refused():
    assert share_of(0, 0) is None
    with pytest.raises(ValueError, match="3 of 2"):
        share_of(3, 2)


@given(counts, st.integers(1, 60), counts, st.integers(1, 60))
def test_differences_of_groups_have_newcombes_interval(a, n, b, m):
    one, other = share_of(min(a, n), n), share_of(min(b, m), m)
    assert one
    assert other
    expected = confint_proportions_2indep(
        one.count, n, other.count, m, method="newcomb", compare="diff", correction=False
    )

    found = independent_difference(one, other)

    assert (found.low, found.high) == pytest.approx(expected, abs=1e-10)


def test_the_difference_of_paired_shares_is_the_published_one():
    # Complete response before and after consolidation therapy (Cavo et al. 2012), as in Fagerland, Lydersen and
    # Laake, Statistical Analysis of Contingency Tables (2017), chapter 8, and their R package contingencytables:
    # -0.0621 (95 % CI -0.1186 to -0.0046).
    found = paired_difference(both=59, only_first=6, only_second=16, neither=80)

    assert found
    assert (found.value, found.low, found.high) == pytest.approx((-0.0621, -0.1186, -0.0046), abs=5e-5)


@given(counts, counts, counts, counts)
def test_exchanging_the_questions_turns_a_paired_difference_around(a, b, c, d):
    found = paired_difference(both=a, only_first=b, only_second=c, neither=d)
    turned = paired_difference(both=a, only_first=c, only_second=b, neither=d)

    if a + b + c + d == 0:
        assert found is None
        return
    assert found
    assert turned
    assert (turned.value, turned.low, turned.high) == pytest.approx((-found.value, -found.high, -found.low))
    assert -1 <= found.low <= found.value <= found.high <= 1


def test_people_who_say_the_same_to_both_differ_by_nothing_with_an_interval_around():
    found = paired_difference(both=10, only_first=0, only_second=0, neither=10)

    assert found
    assert found.value == 0
    assert found.low < 0 < found.high
