"""Intervals over training draws, alone and with those over people."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from llm_compare.alignment.resampling import Measured
from llm_compare.tuning.evaluation.over_draws import ONE_DRAW, SAME, over_draws, with_draws


def test_several_draws_give_the_t_interval_of_their_mean():
    values = [0.41, 0.46, 0.44]
    found = over_draws(values, bounds=(0, 1), undefined="-")
    low, high = stats.t.interval(0.95, 2, loc=np.mean(values), scale=stats.sem(values))
    assert (found.value, found.low, found.high) == pytest.approx((np.mean(values), low, high))


def test_an_interval_does_not_pass_what_is_possible():
    found = over_draws([0.01, 0.2], bounds=(0.0, 1.0), undefined="-")
    assert found.low == 0.0
    assert found.high == 1.0


def test_one_draw_has_no_interval_and_says_so():
    found = over_draws([0.4, math.nan], bounds=None, undefined="-")
    assert (found.value, found.low, found.reason) == (0.4, None, ONE_DRAW)


def test_equal_draws_say_that_they_are_equal():
    found = over_draws([0.4, 0.4, 0.4], bounds=None, undefined="-")
    assert (found.low, found.high) == pytest.approx((0.4, 0.4))
    assert found.reason == SAME


def test_what_no_draw_defines_is_not_defined():
    assert over_draws([math.nan], bounds=None, undefined="why").reason == "why"


def test_the_chance_of_draws_adds_to_that_of_people():
    resampled = Measured(value=0.1, low=0.0, high=0.2, se=0.03)
    values = [0.06, 0.1, 0.14]
    found = with_draws(resampled, values, n_clusters=40)
    assert found.se == pytest.approx(math.hypot(0.03, stats.sem(values)))
    freedom = found.se**4 / (0.03**4 / 39 + stats.sem(values) ** 4 / 2)
    assert found.high - 0.1 == pytest.approx(stats.t.ppf(0.975, freedom) * found.se)


def test_with_one_draw_only_people_vary():
    resampled = Measured(value=0.1, low=0.0, high=0.2, se=0.03)
    assert with_draws(resampled, [0.1], n_clusters=40).se == pytest.approx(0.03)


def test_intervals_over_draws_hold_the_truth_as_often_as_they_say():
    rng = np.random.default_rng(5)
    held = [
        (found := over_draws(rng.normal(0.3, 0.1, 3).tolist(), bounds=None, undefined="-")).low
        <= 0.3
        <= found.high
        for _ in range(2000)
    ]
    assert np.mean(held) == pytest.approx(0.95, abs=0.015)
