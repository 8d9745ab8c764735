from __future__ import annotations

from collections.abc import Callable
from math import exp, gamma

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.pool_generator import generate_pool
from exchange.simulation.population import (
    FOREVER,
    arrival_numbers,
    days_of_stay,
    draw_population,
    returning_day,
)
from exchange.simulation.scenario import (
    ArrivalLaw,
    Arrivals,
    GraftFailure,
    Scenario,
    Sensitization,
    Stay,
    StayLaw,
)
from survey.design import StudyDesign

MakeScenario = Callable[..., Scenario]

N = 20_000


def numbers(arrivals: Arrivals, n_days: int = N) -> np.ndarray:
    return np.array(arrival_numbers(arrivals, n_days, np.random.default_rng(5)))


def stays(stay: Stay, n: int = N) -> np.ndarray:
    rng = np.random.default_rng(6)
    return np.array([days_of_stay(stay, rng) for _ in range(n)])


def assert_mean(drawn: np.ndarray, expected: float, variance: float) -> None:
    """Fail where the mean is more than four standard errors off."""
    assert abs(drawn.mean() - expected) < 4 * (variance / len(drawn)) ** 0.5


LAWS = [
    (Arrivals(law=ArrivalLaw.POISSON, mean=2.5), 2.5, 2.5),
    (Arrivals(law=ArrivalLaw.POISSON, mean=0.01), 0.01, 0.01),
    # Geometric with success probability 1 - exp(-1 / mean).
    (
        Arrivals(law=ArrivalLaw.FLOOR_EXPONENTIAL, mean=4.0),
        1 / (exp(0.25) - 1),
        exp(-0.25) / (1 - exp(-0.25)) ** 2,
    ),
    (Arrivals(law=ArrivalLaw.NEGATIVE_BINOMIAL, mean=3.0, dispersion=1.5), 3.0, 3.0 + 9.0 / 1.5),
]


@pytest.mark.parametrize(("arrivals", "mean", "variance"), LAWS)
def test_numbers_of_arrivals_have_the_mean_and_variance_of_their_law(
    arrivals: Arrivals, mean: float, variance: float
) -> None:
    drawn = numbers(arrivals)
    assert arrivals.expected == pytest.approx(mean)
    assert_mean(drawn, mean, variance)
    squares = (drawn - mean) ** 2
    assert_mean(squares, variance, float(squares.var()))


def test_the_published_law_of_arrivals_brings_fewer_than_its_parameter_says() -> None:
    # The released runs count 3.525 arrivals a day.
    assert Arrivals(law=ArrivalLaw.FLOOR_EXPONENTIAL, mean=4.0).expected == pytest.approx(3.5208, abs=5e-5)


def test_regular_arrivals_are_as_even_as_whole_people_allow() -> None:
    drawn = numbers(Arrivals(law=ArrivalLaw.REGULAR, mean=0.3), 1000)
    assert drawn.sum() == 300
    assert set(np.diff(np.flatnonzero(drawn)).tolist()) == {3, 4}
    assert set(numbers(Arrivals(law=ArrivalLaw.REGULAR, mean=2.5), 100).tolist()) == {2, 3}
    assert numbers(Arrivals(law=ArrivalLaw.REGULAR, mean=0.1), 10).sum() == 1


def test_listed_arrivals_begin_again_when_used_up() -> None:
    listed = Arrivals(law=ArrivalLaw.LISTED, numbers=(2, 0, 1))
    assert numbers(listed, 7).tolist() == [2, 0, 1, 2, 0, 1, 2]
    assert listed.expected == 1.0


@pytest.mark.parametrize(
    "arrivals",
    [
        *(law for law, _, _ in LAWS),
        Arrivals(law=ArrivalLaw.REGULAR, mean=0.7),
        Arrivals(law=ArrivalLaw.LISTED, numbers=(3, 1)),
    ],
)
def test_the_first_days_are_the_same_however_many_follow(arrivals: Arrivals) -> None:
    assert numbers(arrivals, 50).tolist() == numbers(arrivals, 400)[:50].tolist()


@pytest.mark.parametrize("law", list(ArrivalLaw))
def test_a_mean_of_nobody_brings_nobody(law: ArrivalLaw) -> None:
    assert numbers(Arrivals(law=law, mean=0.0, numbers=(0,)), 30).sum() == 0


def test_constant_risk_is_run_on_the_day_of_arrival_too() -> None:
    drawn = stays(Stay(law=StayLaw.CONSTANT_RISK, daily_risk=0.2))
    for day in range(4):
        share = 0.2 * 0.8**day
        assert_mean(drawn == day, share, share * (1 - share))
    assert_mean(drawn, 4.0, 0.8 / 0.04)


def test_a_risk_of_0_never_and_a_risk_of_1_at_once() -> None:
    assert set(stays(Stay(law=StayLaw.CONSTANT_RISK, daily_risk=0.0), 50).tolist()) == {FOREVER}
    assert set(stays(Stay(law=StayLaw.CONSTANT_RISK, daily_risk=1.0), 50).tolist()) == {0}
    assert set(stays(Stay(law=StayLaw.CONSTANT_RISK, daily_risk=5e-324), 50).tolist()) == {FOREVER}


def test_exponential_stays_are_cut_at_both_ends() -> None:
    drawn = stays(Stay(law=StayLaw.EXPONENTIAL, mean_days=100.0, least_days=30, most_days=200))
    assert (drawn.min(), drawn.max()) == (30, 200)
    for days, share in ((30, 1 - exp(-0.31)), (200, exp(-2.0))):
        assert_mean(drawn == days, share, share * (1 - share))
    plain = stays(Stay(law=StayLaw.EXPONENTIAL, mean_days=100.0))
    assert_mean(plain, 1 / (exp(0.01) - 1), 1e4)  # Rounded down.


def test_weibull_stays_have_the_mean_and_variance_of_their_law() -> None:
    drawn = stays(Stay(law=StayLaw.WEIBULL, mean_days=400.0, shape=2.0))
    scale = 400.0 / gamma(1.5)
    variance = scale**2 * (gamma(2.0) - gamma(1.5) ** 2)
    assert_mean(drawn + 0.5, 400.0, variance)
    assert drawn.var() == pytest.approx(variance, rel=0.05)


def test_fixed_stays_are_fixed_and_endless_ones_endless() -> None:
    assert set(stays(Stay(law=StayLaw.FIXED, mean_days=30.0), 20).tolist()) == {30}
    assert set(stays(Stay(), 20).tolist()) == {FOREVER}


def test_the_longest_mean_still_ends_at_the_most_days() -> None:
    for law in (StayLaw.EXPONENTIAL, StayLaw.WEIBULL):
        drawn = stays(Stay(law=law, mean_days=1e308, shape=0.1, most_days=500), 50)
        assert set(drawn.tolist()) <= set(range(501))


@given(seed=st.integers(0, 2**32), days=st.integers(1, 25), mean=st.floats(0.0, 3.0))
def test_the_kth_who_arrives_is_the_kth_of_a_generated_pool(
    make_scenario: MakeScenario, study: StudyDesign, seed: int, days: int, mean: float
) -> None:
    scenario = make_scenario(
        days=days,
        arrivals=Arrivals(law=ArrivalLaw.POISSON, mean=mean),
        ndd_arrivals=Arrivals(law=ArrivalLaw.POISSON, mean=mean / 4),
        chain_cap=2,
    )
    drawn = draw_population(scenario, study, seed)
    pool = generate_pool(study, n_pairs=len(drawn.pairs), n_ndds=len(drawn.ndds), seed=seed)
    for arrival, pair in zip(drawn.pairs, pool.pairs, strict=True):
        assert (arrival.id, arrival.patient, arrival.donor, arrival.cpra, arrival.profile) == (
            pair.id,
            pair.patient_blood_group,
            pair.donor_blood_group,
            pair.cpra,
            pair.profile,
        )
        assert 0 <= arrival.day < days
    assert [(n.id, n.group) for n in drawn.ndds] == [(n.id, n.blood_group) for n in pool.ndds]
    assert [a.day for a in drawn.pairs] == sorted(a.day for a in drawn.pairs)


def test_without_chains_no_donor_comes(make_scenario: MakeScenario, study: StudyDesign) -> None:
    scenario = make_scenario(ndd_arrivals=Arrivals(mean=2.0), chain_cap=0)
    assert draw_population(scenario, study, 1).ndds == ()


def test_longer_scenarios_begin_with_the_same_people(make_scenario: MakeScenario, study: StudyDesign) -> None:
    short, long = (draw_population(make_scenario(days=days), study, 4).pairs for days in (30, 90))
    assert len(short) > 50
    assert long[: len(short)] == short


def test_events_of_sensitization_come_at_their_rate(make_scenario: MakeScenario, study: StudyDesign) -> None:
    scenario = make_scenario(days=300, sensitization=Sensitization(yearly_rate=3.65, increase=0.5))
    pairs = draw_population(scenario, study, 2).pairs
    counts = np.array([len(pair.sensitized_on) for pair in pairs])
    expected = np.array([0.01 * (300 - pair.day) for pair in pairs])
    assert abs((counts - expected).sum()) < 4 * expected.sum() ** 0.5
    assert all(pair.day <= day < 300 for pair in pairs for day in pair.sensitized_on)


def test_profiles_are_imported_evenly(make_scenario: MakeScenario, study: StudyDesign) -> None:
    known = study.profiles() or ()
    scenario = make_scenario(days=400, imported_profiles=(known[0], known[0], known[7]))
    drawn = [pair.profile for pair in draw_population(scenario, study, 3).pairs]
    share = drawn.count(known[0]) / len(drawn)
    assert set(drawn) == {known[0], known[7]}
    assert share == pytest.approx(2 / 3, abs=4 * (2 / 9 / len(drawn)) ** 0.5)


def test_grafts_fail_at_their_rate_and_only_some_come_back(make_scenario: MakeScenario) -> None:
    scenario = make_scenario(
        days=36_000, graft_failure=GraftFailure(yearly_rate=0.5, returns=0.4, increase=0.2)
    )
    drawn = [returning_day(scenario, 1, 100, k, 1) for k in range(4000)]
    days = np.array([day for day in drawn if day is not None])
    assert len(days) / 4000 == pytest.approx(0.4, abs=4 * (0.24 / 4000) ** 0.5)
    assert days.min() > 100
    assert_mean(days - 100.5, 730.0, 730.0**2)
    assert returning_day(make_scenario(days=50), 1, 10, 3, 1) is None
