"""Drift of the weights between waves: found where it is, not found where it is not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from estimation.drift import drift
from estimation.errors import EstimationError
from estimation.specification import Model, Regularize, Specification
from survey.answers import Choice
from survey.published_answers import import_published, import_study_1_counts

DAVIDSON = Specification(model=Model.DAVIDSON)


def test_the_same_answers_in_two_waves_have_not_drifted(simulated_answers):
    answers = simulated_answers(seed=1)
    again = [replace(a, wave=2) for a in answers.answers]
    found = drift(replace(answers, answers=[*answers.answers, *again]), DAVIDSON)
    (step,) = found.steps

    assert step.test is None, "a difference that does not vary cannot be tested"
    assert step.distance == pytest.approx(0, abs=1e-7)
    assert step.distance_by_chance.high == pytest.approx(0, abs=1e-6)
    assert step.same_prediction == 1
    assert all(q.difference.value == pytest.approx(0, abs=1e-9) for q in step.quantities)


def test_without_drift_the_test_rejects_as_often_as_it_says(simulated_answers):
    p, errors, differences = [], [], []
    for seed in range(50):
        answers = simulated_answers(seed=seed, n_people=40, n_answers=10, spread=0.6, waves=(1, 2))
        (step,) = drift(answers, DAVIDSON).steps
        p.append(step.test.p)
        first = next(q for q in step.quantities if q.name == "a")
        differences.append(first.difference.value)
        errors.append((first.difference.high - first.difference.low) / 2 / 2.02)

    assert np.mean(np.array(p) < 0.05) <= 0.14
    assert np.mean(p) == pytest.approx(0.5, abs=0.12)
    assert np.std(differences) == pytest.approx(np.mean(errors), rel=0.25)


def test_respondents_in_both_waves_make_a_difference_more_precise_than_two_groups_of_strangers(
    simulated_answers,
):
    answers = simulated_answers(seed=2, n_people=100, n_answers=40, spread=1.0, waves=(1, 2))
    strangers = [replace(a, respondent=f"{a.respondent}-{a.wave}") for a in answers.answers]
    (same,) = drift(answers, DAVIDSON).steps
    (others,) = drift(replace(answers, answers=strangers), DAVIDSON).steps

    for q, r in zip(same.quantities[:6], others.quantities[:6], strict=True):
        assert q.difference.value == pytest.approx(r.difference.value)
        assert q.difference.high - q.difference.low < 0.75 * (r.difference.high - r.difference.low)
    assert others.test.df_error == same.test.df_error


def test_a_planted_drift_is_found_where_it_was_planted(simulated_answers):
    planted = {3: (-0.8, 0.0, 0.0, 0.0, 0.0, 0.8)}
    answers = simulated_answers(
        seed=3, n_people=150, n_answers=30, spread=0.2, waves=(1, 2, 3), drift=planted
    )
    found = drift(answers, DAVIDSON)

    assert [(s.first, s.second) for s in found.steps] == [(1, 2), (2, 3), (1, 3)]
    assert found.test.p < 1e-6
    assert found.test.df == 2 * found.steps[0].test.df == 2 * 6
    first, second, whole = found.steps
    assert first.test.p > 0.01
    assert second.test.p < 1e-6
    changes = {q.name: q.difference for q in whole.quantities}
    assert changes["a"].low < -0.8 < changes["a"].high < 0
    assert changes["f"].high > 0.8 > changes["f"].low > 0
    assert changes["c"].low < 0 < changes["c"].high
    assert second.distance > second.distance_by_chance.high
    assert first.distance < first.distance_by_chance.high
    assert second.same_prediction < first.same_prediction


def test_exchanging_waves_turns_differences_around_and_keeps_the_test(simulated_answers):
    answers = simulated_answers(seed=4, n_people=40, waves=(1, 2))
    turned = replace(answers, answers=[replace(a, wave=3 - a.wave) for a in answers.answers])
    (one,), (other,) = (drift(a, DAVIDSON).steps for a in (answers, turned))
    back = {q.name: q.difference.value for q in other.quantities}

    assert other.test.f == pytest.approx(one.test.f, rel=1e-6)
    assert other.distance == pytest.approx(one.distance, rel=1e-6)
    for q in one.quantities:
        assert q.difference.value == pytest.approx(-back[q.name], abs=1e-9)


def test_the_unit_of_an_attribute_does_not_matter_for_the_distance(shared):
    answers = import_published("mcelfresh2021", shared("data/humans/study_2_indecisive.csv"))
    # No published data set here has waves: halves of each person's answers stand in for them.
    halves = [replace(a, wave=1 + (a.position or 0) % 2) for a in answers.answers]

    def in_months(profile):
        return replace(profile, values=tuple((n, v * 12 if n == "age" else v) for n, v in profile.values))

    months = [replace(a, left=in_months(a.left), right=in_months(a.right)) for a in halves]
    spec = Specification(model=Model.MIN_DELTA)
    (years,), (other,) = (drift(replace(answers, answers=h), spec).steps for h in (halves, months))

    assert other.distance == pytest.approx(years.distance, rel=1e-6)
    assert other.test.f == pytest.approx(years.test.f, rel=1e-6)
    assert years.test.p > 0.01, "even and odd positions of the same people should not differ"
    assert years.same_prediction > 0.95


def test_profiles_missing_from_a_wave_are_left_out_of_the_comparison_and_it_is_said(simulated_answers):
    answers = simulated_answers(seed=5, n_people=60, n_answers=20, waves=(1, 2))
    kept = [a for a in answers.answers if a.wave == 1 or "f" not in (a.left.id, a.right.id)]
    found = drift(replace(answers, answers=kept), DAVIDSON)
    (step,) = found.steps

    assert sorted(q.name for q in step.quantities) == ["a", "b", "c", "d", "e", "indecision"]
    assert sum(q.difference.value for q in step.quantities if q.name != "indecision") == pytest.approx(
        0, abs=1e-9
    )
    assert step.test.df == 5
    assert "not compared in every wave" in found.notes[0]


def test_a_wave_that_cannot_be_fitted_is_named(simulated_answers):
    answers = simulated_answers(seed=6, waves=(1, 2))

    def won(a):
        if a.wave == 1 or "a" not in (a.left.id, a.right.id):
            return a
        return replace(a, choice=Choice.LEFT if a.left.id == "a" else Choice.RIGHT)

    never = [won(a) for a in answers.answers]
    with pytest.raises(EstimationError, match="wave 2 cannot be fitted"):
        drift(replace(answers, answers=never), replace(DAVIDSON, regularize=Regularize.NEVER))
    found = drift(replace(answers, answers=never), DAVIDSON)
    assert found.notes[0].startswith("wave 2: regularized")


def test_few_respondents_get_differences_without_a_test(simulated_answers):
    found = drift(simulated_answers(seed=7, n_people=5, n_answers=40, waves=(1, 2)), DAVIDSON)

    assert found.test is None
    assert all(q.difference.low < q.difference.high for q in found.steps[0].quantities)


def test_one_wave_has_no_drift_and_answers_without_respondents_count_as_independent(simulated_answers):
    assert drift(simulated_answers(seed=8), DAVIDSON) is None
    counts = import_study_1_counts()
    halves = [replace(a, wave=1 + i % 2) for i, a in enumerate(counts.answers)]
    found = drift(replace(counts, answers=halves), Specification(model=Model.MIN_DELTA), arm="with-coin")
    (step,) = found.steps

    assert step.test.p > 0.001
    assert all(q.difference.low < 0 < q.difference.high for q in step.quantities)
