from __future__ import annotations

from itertools import pairwise
from math import isnan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.outcomes.groups import ByText, Everybody, Grouping
from exchange.outcomes.waiting import (
    LEFT,
    NEEDED_DAYS,
    TRANSPLANTED,
    GroupCurves,
    PooledWaits,
    WaitingCurve,
    cumulative_incidence,
    kaplan_meier,
    mean_within_year_of_counts,
    transplanted_within_year,
)
from exchange.simulation.record import RunRecord

patients = st.lists(st.tuples(st.integers(0, 500), st.integers(0, 2)), min_size=1, max_size=40)


def split(people: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([wait for wait, _ in people]), np.array([event for _, event in people])


def slow_product_limit(people: list[tuple[int, int]], day: float) -> float:
    share = 1.0
    for at in range(int(day) + 1):
        n = sum(wait >= at for wait, _ in people)
        if n:
            share *= 1.0 - sum(wait == at and event == TRANSPLANTED for wait, event in people) / n
    return share


def slow_incidence(people: list[tuple[int, int]], day: int, event: int) -> float:
    waiting, total = 1.0, 0.0
    for at in range(day + 1):
        n = sum(wait >= at for wait, _ in people)
        if n:
            total += waiting * sum(p == (at, event) for p in people) / n
            waiting *= 1.0 - sum(wait == at and e > 0 for wait, e in people) / n
    return total


@given(patients, st.integers(0, 600))
def test_kaplan_meier_is_the_product_limit(people: list[tuple[int, int]], day: int) -> None:
    waits, events = split(people)
    curve = kaplan_meier(waits, events == TRANSPLANTED)
    assert curve.at(day) == pytest.approx(slow_product_limit(people, day), abs=1e-12)


@given(patients)
def test_the_mean_within_a_year_is_the_area_under_the_curve(people: list[tuple[int, int]]) -> None:
    waits, events = split(people)
    found = kaplan_meier(waits, events == TRANSPLANTED).mean_within_year
    if waits.max() < NEEDED_DAYS and slow_product_limit(people, 600) > 1e-12:
        assert isnan(found)
    else:
        # The curve only moves on days on which somebody's wait ends.
        days = sorted({0, 365, *(wait for wait, _ in people if wait < 365)})
        slow = sum((b - a) * slow_product_limit(people, a) for a, b in pairwise(days))
        assert found == pytest.approx(slow, abs=1e-9)


@given(patients, st.integers(0, 600))
def test_incidences_agree_with_the_slow_sum_and_with_those_who_still_wait(
    people: list[tuple[int, int]], day: int
) -> None:
    waits, events = split(people)
    shares = [cumulative_incidence(waits, events, event).at(day) for event in (TRANSPLANTED, LEFT)]
    slow = [slow_incidence(people, day, event) for event in (TRANSPLANTED, LEFT)]
    assert shares == pytest.approx(slow, abs=1e-12)
    assert sum(shares) + kaplan_meier(waits, events > 0).at(day) == pytest.approx(1.0)


@given(patients, st.integers(0, 600))
def test_where_nobody_leaves_the_incidence_is_what_kaplan_meier_leaves(
    people: list[tuple[int, int]], day: int
) -> None:
    waits, events = split([(wait, min(event, 1)) for wait, event in people])
    expected = 1.0 - kaplan_meier(waits, events == TRANSPLANTED).at(day)
    assert cumulative_incidence(waits, events, TRANSPLANTED).at(day) == pytest.approx(expected, abs=1e-12)


@given(st.lists(patients, min_size=1, max_size=4))
def test_counts_by_day_give_the_same_mean_as_patients_one_by_one(groups: list[list[tuple[int, int]]]) -> None:
    tables = []
    for wanted in (True, False):
        rows = [
            np.bincount([w for w, e in g if (e == TRANSPLANTED) is wanted and w <= 365], minlength=366)
            for g in groups
        ]
        tables.append(np.array(rows, dtype=np.float64))
    found = mean_within_year_of_counts(*tables, np.array([float(len(g)) for g in groups]))
    split_up = [split(group) for group in groups]
    expected = [kaplan_meier(waits, events == TRANSPLANTED).mean_within_year for waits, events in split_up]
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_a_group_without_patients_has_no_mean() -> None:
    nothing = np.zeros((1, 366))
    assert np.isnan(mean_within_year_of_counts(nothing, nothing, np.zeros(1))).all()


def test_a_small_curve_can_be_worked_out_by_hand() -> None:
    # Of four, one is transplanted on day 2, one leaves on day 3, one is transplanted on day 5, one waits to day 9.
    waits, events = np.array([2, 3, 5, 9]), np.array([1, 2, 1, 0])
    curve = kaplan_meier(waits, events == TRANSPLANTED)
    assert [curve.at(day) for day in (0, 1.5, 2, 4, 5, 100)] == pytest.approx(
        [1, 1, 0.75, 0.75, 0.375, 0.375]
    )
    assert curve.median == 5
    shares = cumulative_incidence(waits, events, TRANSPLANTED)
    assert [shares.at(day) for day in (1, 2, 5)] == pytest.approx([0, 0.25, 0.5])


def test_a_median_that_is_not_reached_is_not_a_number() -> None:
    assert isnan(kaplan_meier(np.array([1, 5, 9]), np.array([True, False, False])).median)
    assert isnan(kaplan_meier(np.array([5]), np.array([False])).median)


def test_a_median_of_exactly_a_half_is_reached_whatever_the_rounding() -> None:
    # 9 of 15 after day 5, three leave, and of the other six one more is transplanted on day 9: 9/15 * 5/6 = 1/2.
    transplanted = np.array([True] * 6 + [False] * 3 + [True] * 5 + [False])
    curve = kaplan_meier(np.arange(15), transplanted)
    assert curve.at(9) > 0.5
    assert curve.median == 9


def test_the_share_within_a_year_is_not_told_from_too_short_a_time() -> None:
    short = NEEDED_DAYS - 1
    assert isnan(transplanted_within_year(np.array([3, short]), np.array([1, 0])))
    assert transplanted_within_year(np.array([3, short]), np.array([1, 2])) == pytest.approx(0.5)
    assert transplanted_within_year(np.array([3, NEEDED_DAYS]), np.array([1, 0])) == pytest.approx(0.5)
    assert transplanted_within_year(np.array([3, 366]), np.array([1, 1])) == pytest.approx(0.5)


def test_a_thinned_curve_keeps_its_ends_and_its_values() -> None:
    curve = WaitingCurve(days=np.arange(1000.0), shares=np.linspace(1, 0.2, 1000))
    thin = curve.thinned(50)
    assert len(thin.days) == 50
    assert (thin.days[0], thin.days[-1]) == (0, 999)
    assert all(thin.at(day) == curve.at(day) for day in thin.days)


def pooled(records: list[RunRecord], grouping: Grouping) -> list[GroupCurves]:
    waits = PooledWaits(grouping)
    for record in records:
        waits.add(record)
    return waits.curves()


def test_pooled_curves_are_those_of_all_runs_patients(random_record) -> None:
    records = [random_record(seed, n=120) for seed in (1, 2, 3)]
    (everybody,) = pooled(records, Everybody())
    waits, events = (np.concatenate([r.waits[k] for r in records]) for k in (0, 1))
    assert everybody.n_patients == 360
    assert everybody.waiting.at(100) == pytest.approx(
        kaplan_meier(waits, events == TRANSPLANTED).at(100), abs=0.01
    )
    assert max(len(c.days) for c in (everybody.waiting, everybody.transplanted, everybody.left)) <= 400
    by_age = pooled(records, ByText(name="age", column="patient.age", known=("young", "old")))
    assert [curve.group for curve in by_age] == ["young", "old"]
    assert sum(curve.n_patients for curve in by_age) == 360
