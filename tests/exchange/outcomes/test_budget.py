from __future__ import annotations

from math import nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from exchange.errors import BadRequest
from exchange.outcomes.budget import half_width_of, sd_upper_bound, seed_budget, seeds_needed
from exchange.outcomes.outcome import Measure, Outcome


def pilot(sd: float, n_runs: int = 10) -> Outcome:
    return Outcome(
        scenario="s",
        condition="equal",
        grouping="all",
        group="all",
        measure=Measure.TRANSPLANTED,
        value=100.0,
        low=nan,
        high=nan,
        n_runs=n_runs,
        sd=sd,
    )


@given(st.floats(0, 10), st.floats(0.5, 10))
def test_the_number_is_the_smallest_that_is_enough(sd: float, half_width: float) -> None:
    n = np.arange(2, 2000)
    enough = stats.t.ppf(0.975, n - 1) * sd / np.sqrt(n) <= half_width
    assert seeds_needed(sd, half_width) == n[enough][0]


def test_the_expected_width_of_that_number_is_narrow_enough_and_of_one_less_is_not() -> None:
    budget = seed_budget(pilot(30.0), 5.0)
    assert half_width_of(30.0, budget.n_seeds) <= 5.0 < half_width_of(30.0, budget.n_seeds - 1)
    assert half_width_of(budget.sd_upper, budget.n_seeds_cautious) <= 5.0
    assert budget.n_seeds_cautious > budget.n_seeds


def test_the_upper_bound_lies_above_the_true_spread_nine_times_in_ten() -> None:
    rng = np.random.default_rng(3)
    sds = rng.normal(0, 2.0, (5000, 8)).std(axis=1, ddof=1)
    above = np.mean([sd_upper_bound(float(sd), 8) >= 2.0 for sd in sds])
    assert above == pytest.approx(0.9, abs=0.015)


def test_ten_runs_may_hide_a_spread_half_as_great_again() -> None:
    assert sd_upper_bound(1.0, 10) == pytest.approx(1.47, abs=0.005)


def test_what_never_varies_needs_two_seeds() -> None:
    assert seed_budget(pilot(0.0), 0.1).n_seeds_cautious == 2


@pytest.mark.parametrize("half_width", [0.0, -1.0, nan, float("inf")])
def test_a_width_that_cannot_be_is_refused(half_width: float) -> None:
    with pytest.raises(BadRequest, match="give a number above 0"):
        seed_budget(pilot(1.0), half_width)


def test_what_a_pilot_cannot_tell_is_refused() -> None:
    with pytest.raises(BadRequest, match=r"transplanted of all.*has 1 run\(s\).*simulate 2 or more"):
        seed_budget(pilot(nan, 1), 1.0)
    with pytest.raises(BadRequest, match="more than a billion"):
        seed_budget(pilot(1e9), 1e-3)
    with pytest.raises(BadRequest, match=r"1 run\(s\) give no interval"):
        half_width_of(1.0, 1)
