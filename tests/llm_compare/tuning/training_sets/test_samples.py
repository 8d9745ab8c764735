"""Samples are nested, drawn without replacement, and every unit is as likely as another."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_compare.errors import CannotTune
from llm_compare.tuning.training_sets.samples import doubling_sizes, nested_samples, sizes_for


@given(n=st.integers(1, 300), seed=st.integers(0, 3), draw=st.integers(1, 3))
def test_a_sample_begins_with_the_smaller_ones(n, seed, draw):
    units = list(range(n))
    sizes = doubling_sizes(n)
    found = nested_samples(units, sizes, seed=seed, draw=draw)
    largest = found[n]
    assert sorted(largest) == units
    assert all(found[size] == largest[:size] for size in sizes)


def test_draws_and_seeds_differ():
    orders = {nested_samples(range(50), [50], seed=s, draw=d)[50] for s in (0, 1) for d in (1, 2, 3)}
    assert len(orders) == 6


def test_every_unit_is_as_likely_as_another():
    times = Counter(
        unit for draw in range(1, 2001) for unit in nested_samples(range(8), [2], seed=0, draw=draw)[2]
    )
    # 500 each, give or take 4.5 standard deviations of 19.4.
    assert all(abs(times[unit] - 500) < 88 for unit in range(8))


def test_sizes():
    assert doubling_sizes(10) == (10,)
    assert doubling_sizes(16) == (16,)
    assert doubling_sizes(100) == (16, 32, 64, 100)
    assert sizes_for(100, ()) == (16, 32, 64, 100)
    assert sizes_for(100, (64, None, 16)) == (16, 64, 100)
    assert sizes_for(100, (64, 128)) == (64,)
    assert sizes_for(10, (64,)) == ()


def test_sizes_that_cannot_be_are_refused():
    with pytest.raises(CannotTune, match="at least 1"):
        sizes_for(10, (0,))
    with pytest.raises(CannotTune, match="a sample of 11 from 10"):
        nested_samples(range(10), [4, 11], seed=0, draw=1)
