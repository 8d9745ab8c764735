"""What does not count: planted shares are found, and the likelihood is that of a plain sum over patterns."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import product
from math import exp, log

import numpy as np
import pytest

from estimation.dataset import ChoiceData, choice_data
from estimation.effects import EffectKind, Shape
from estimation.errors import EstimationError
from estimation.heterogeneity import attendance
from estimation.heterogeneity.attendance import Attendance, fit_attendance
from estimation.heterogeneity.mixing import respondents
from estimation.specification import Model, Specification
from survey.published_answers import import_published

MIN_DELTA = Specification(model=Model.MIN_DELTA)
PLANTED = {"a": 0.1, "b": 0.5}


@pytest.fixture(scope="module")
def inattentive(planted_answers) -> ChoiceData:
    """Give 150 people of the same taste, of whom 10 % leave a out of account and 50 % b."""
    rng = np.random.default_rng(8)
    attends = rng.random((150, 2)) >= list(PLANTED.values())
    return planted_answers(attends * [1.8, -1.4], -0.5, n_answers=25, seed=8)


@pytest.fixture(scope="module")
def found(inattentive) -> Attendance:
    return fit_attendance(inattentive, MIN_DELTA)


def slow_log_likelihood(data: ChoiceData, result: Attendance) -> float:
    assert data.by_cluster is not None
    total = 0.0
    nu = exp(result.others["indecision"].value)
    for person in data.by_cluster.toarray().reshape(-1, len(data.left), 3):
        likelihood = 0.0
        for pattern in product([True, False], repeat=2):
            counts = dict(zip("ab", pattern, strict=True))
            share = 1.0
            for name in "ab":
                ignored = result.does_not_count[name].value
                share *= 1 - ignored if counts[name] else ignored
            of_pattern = log(share)
            for k in np.flatnonzero(person.sum(axis=1)):
                d = sum(
                    result.coefficients[n].value
                    * (data.profiles[data.left[k]][n] - data.profiles[data.right[k]][n])
                    for n in "ab"
                    if counts[n]
                )
                parts = [exp(d / 2), exp(-d / 2), nu]
                of_pattern += sum(n * log(p / sum(parts)) for n, p in zip(person[k], parts, strict=True) if n)
            likelihood += exp(of_pattern)
        total += log(likelihood)
    return total


def test_planted_shares_and_coefficients_lie_in_their_intervals(found):
    for name, share in PLANTED.items():
        estimate = found.does_not_count[name]
        assert 0 < estimate.low < share < estimate.high < 1
    assert found.coefficients["a"].low < 1.8 < found.coefficients["a"].high
    assert found.coefficients["b"].low < -1.4 < found.coefficients["b"].high
    assert found.others["indecision"].low < -0.5 < found.others["indecision"].high
    assert found.log_likelihood > found.pooled_log_likelihood + 50
    assert found.optima.n_best == found.optima.n_starts


def test_the_log_likelihood_is_that_of_a_plain_slow_sum(inattentive, found):
    assert found.log_likelihood == pytest.approx(slow_log_likelihood(inattentive, found), abs=1e-7)


def test_shares_are_the_respondents_probabilities_on_average(found):
    np.testing.assert_allclose(
        found.does_not_count_for.mean(axis=0), [e.value for e in found.does_not_count.values()], atol=1e-6
    )


def test_slopes_are_those_of_small_differences(inattentive):
    people = respondents(inattentive, MIN_DELTA, prior_answers=2.0)
    patterns = attendance._patterns(people, inattentive)
    weights = np.random.default_rng(0).standard_exponential(people.n)
    objective = attendance._objective(people, patterns, weights)
    at = np.array([1.0, -2.0, 0.3, -1.0, 0.5])

    slopes = objective(at)[1]

    for i, step in enumerate(1e-5 * np.eye(5)):
        difference = (objective(at + step)[0] - objective(at - step)[0]) / 2e-5
        assert slopes[i] == pytest.approx(difference, abs=1e-4)


def test_where_all_attributes_count_for_all_the_shares_are_about_zero(planted_answers):
    data = planted_answers(np.tile([1.5, -1.5], (80, 1)), -0.5, n_answers=30, seed=4)

    result = fit_attendance(data, MIN_DELTA)

    assert all(e.value < 0.05 for e in result.does_not_count.values())
    assert result.log_likelihood < result.pooled_log_likelihood + 3


def test_bootstraps_are_the_same_whoever_computes_them_and_agree_with_the_sandwich(inattentive, found):
    here = fit_attendance(inattentive, MIN_DELTA, bootstrap=40)
    with ThreadPoolExecutor(2) as pool:
        there = fit_attendance(inattentive, MIN_DELTA, bootstrap=40, executor=pool)

    assert here.does_not_count == there.does_not_count
    for name, estimate in here.does_not_count.items():
        assert estimate.low < PLANTED[name] < estimate.high
        width = found.does_not_count[name].high - found.does_not_count[name].low
        assert 0.5 * width < estimate.high - estimate.low < 1.6 * width


def test_an_interaction_is_at_work_only_where_both_its_attributes_count(inattentive):
    people = respondents(
        inattentive,
        Specification(model=Model.MIN_DELTA, shape=Shape(interactions=(("a", "b"),))),
        prior_answers=1.0,
    )

    patterns = attendance._patterns(people, inattentive)

    # a, b, a:b, indecision
    assert patterns.mask.tolist() == [[1, 1, 1, 1], [1, 0, 0, 1], [0, 1, 0, 1], [0, 0, 0, 1]]


def test_differences_in_taste_inflate_the_shares_and_the_result_warns(planted_answers):
    """Hess et al. (2013): nobody here leaves anything out of account, but tastes differ."""
    rng = np.random.default_rng(1)
    data = planted_answers(rng.normal(1.0, 1.0, size=(100, 2)), -0.5, n_answers=30, seed=1)

    result = fit_attendance(data, MIN_DELTA)

    assert min(e.value for e in result.does_not_count.values()) > 0.1
    assert "upper bounds" in result.notes[0]


def test_study_2_has_the_maximum_found_from_every_start(shared):
    data = choice_data(import_published("mcelfresh2021", shared("data/humans/study_2_indecisive.csv")))

    result = fit_attendance(data, MIN_DELTA)

    # Our own numbers: they guard against change. No published estimate exists.
    assert result.log_likelihood == pytest.approx(-3387.375, abs=0.01)
    assert result.optima.n_best == 3
    assert {n: round(e.value, 3) for n, e in result.does_not_count.items()} == {
        "age": 0.35,
        "drinks": 0.471,
        "dependents": 0.427,
    }


def test_what_it_cannot_tell_is_refused_with_the_way_out(inattentive, planted_answers):
    with pytest.raises(EstimationError, match="use min-delta or conditional-logit"):
        fit_attendance(inattentive, Specification(model=Model.DAVIDSON, effects=EffectKind.PROFILES))
    with pytest.raises(EstimationError, match="use 40 or more"):
        fit_attendance(inattentive, MIN_DELTA, bootstrap=10)
    many = planted_answers(np.ones((5, 11)), -0.5, n_answers=30, seed=1, n_levels=2)
    with pytest.raises(EstimationError, match=r"11 attributes have 2048 patterns .* keep the 10"):
        fit_attendance(many, MIN_DELTA)
