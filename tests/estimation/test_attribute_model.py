from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from estimation.attribute_model import fit_conditional_logit
from estimation.choice_model import check_estimable, maximize, model_cells
from estimation.dataset import ChoiceData, Clustering, choice_data
from estimation.errors import EstimationError, NotIdentified, Separated
from estimation.indecision.min_delta import fit_min_delta
from survey.answers import Choice
from survey.published_answers import import_published, import_study_1_counts


@pytest.fixture(scope="module")
def study_2(shared):
    return import_published("mcelfresh2021", shared("data/humans/study_2_indecisive.csv"))


@pytest.fixture(scope="module")
def study_2_strict(shared):
    return import_published("mcelfresh2021", shared("data/humans/study_2_strict.csv"))


def coefficients(fit):
    return {name: e.value for name, e in fit.weights.coefficients.items()}


def test_conditional_logit_of_the_strict_group_of_study_2(study_2_strict):
    # Independent Newton fit of the same data, five digits as quoted.
    fit = fit_conditional_logit(choice_data(study_2_strict))

    got = coefficients(fit)
    assert got["age"] == pytest.approx(-0.06986, abs=5e-6)
    assert got["drinks"] == pytest.approx(-0.42895, abs=5e-6)
    assert got["dependents"] == pytest.approx(0.76747, abs=5e-6)
    assert fit.log_likelihood == pytest.approx(-2552.253, abs=5e-4)


def test_conditional_logit_of_the_indecisive_group_uses_the_decided_answers_only(study_2):
    fit = fit_conditional_logit(choice_data(study_2))

    assert fit.n_answers == 4403
    assert coefficients(fit) == pytest.approx(
        {"age": -0.06937, "drinks": -0.55151, "dependents": 1.14798}, abs=5e-6
    )
    assert fit.log_likelihood == pytest.approx(-1838.007, abs=5e-4)


def test_min_delta_of_study_2_reaches_the_unconstrained_maximum(study_2):
    # An independent Newton fit: u of (age-25)/70, (drinks-1)/5, dependents/2, then lambda.
    fit = fit_min_delta(choice_data(study_2))

    got = coefficients(fit)
    assert fit.mean_log_likelihood == pytest.approx(-0.7793, abs=5e-5)
    assert fit.log_likelihood == pytest.approx(-4128.027679462233, abs=1e-6)
    assert got["age"] * 70 / 2 == pytest.approx(-2.6055014950654094, abs=1e-5)
    assert got["drinks"] * 5 / 2 == pytest.approx(-1.4541827813636186, abs=1e-5)
    assert got["dependents"] * 2 / 2 == pytest.approx(1.221628258799259, abs=1e-5)
    assert fit.indecision.value == pytest.approx(-0.504403494659287, abs=1e-5)


def test_intervals_cluster_by_person_and_are_two_to_three_times_the_naive_ones(study_2):
    # Measured independently in the reference's scaling: cluster sandwich (.227 .134 .102 .120).
    fit = fit_min_delta(choice_data(study_2))

    errors = np.sqrt(np.diag(fit.covariance)) * [35, 2.5, 1, 1]
    assert errors == pytest.approx([0.227, 0.134, 0.102, 0.120], abs=0.002)


def test_the_bootstrap_by_person_agrees_with_the_sandwich(study_2):
    data = choice_data(study_2)
    plain, booted = fit_min_delta(data), fit_min_delta(data, bootstrap=100, seed=3)

    for name, e in plain.weights.coefficients.items():
        b = booted.weights.coefficients[name]
        assert b.value == e.value
        assert (b.high - b.low) == pytest.approx(e.high - e.low, rel=0.3)


def test_the_same_seed_gives_the_same_intervals():
    data = choice_data(import_study_1_counts(), arm="with-coin")

    one, other = (fit_min_delta(data, bootstrap=20, seed=5).weights for _ in range(2))
    assert one == other
    assert one != fit_min_delta(data, bootstrap=20, seed=6).weights


def test_davidson_of_the_puddings_is_the_published_fit(shared):
    # Davidson (1970) through PlackettLuce: nu .7468229877, log-likelihood -809.70951009 with its own constant.
    import csv
    import json

    rows = list(csv.DictReader(shared("data/comparisons/pudding_davidson1970.csv").read_text().splitlines()))
    reference = json.loads(shared("reference/comparisons_r.json").read_text())["pudding_PL"]
    left = np.array([int(r["i"]) - 1 for r in rows])
    right = np.array([int(r["j"]) - 1 for r in rows])
    counts = np.array([[float(r["w_ij"]), float(r["w_ji"]), float(r["t_ij"])] for r in rows])
    data = ChoiceData(
        attributes=(),
        profiles=(),
        left=left,
        right=right,
        counts=counts,
        offered=np.ones(len(rows), dtype=bool),
        cluster=np.arange(len(rows)),
        clustering=Clustering.ANSWER,
        n_clusters=len(rows),
        notes=(),
    )
    against_first = np.eye(6)[:, 1:]
    cells = model_cells(
        data,
        against_first[left] - against_first[right],
        tuple("23456"),
        with_indecision=True,
        prior_answers=0,
    )
    check_estimable(cells)
    maximum = maximize(cells)

    assert maximum.values[:5] == pytest.approx(reference["coef_ref1"][1:6], abs=1e-9)
    assert np.exp(maximum.values[5]) == pytest.approx(0.7468229877, abs=1e-9)
    assert maximum.log_likelihood == pytest.approx(-809.70951009, abs=1e-8)
    errors = np.sqrt(np.diag(np.linalg.inv(maximum.information)))
    assert errors[:5] == pytest.approx(reference["se_ref1"][1:6], abs=1e-8)


def test_the_likelihood_is_that_of_a_plain_slow_loop():
    data = choice_data(import_study_1_counts(), arm="with-coin")
    fit = fit_min_delta(data)
    total = 0.0
    for answer in import_study_1_counts().answers:
        if answer.arm != "with-coin":
            continue
        left, right = (np.log(fit.weights.weight(p)) for p in (answer.left, answer.right))
        scores = {
            Choice.LEFT: (left - right) / 2,
            Choice.RIGHT: (right - left) / 2,
            Choice.INDECISION: fit.indecision.value,
        }
        total += scores[answer.choice] - np.log(sum(np.exp(s) for s in scores.values()))

    assert fit.log_likelihood == pytest.approx(total, abs=1e-8)


def test_study_1_is_fitted_by_attributes_although_its_profiles_are_not_connected():
    fit = fit_conditional_logit(choice_data(import_study_1_counts(), arm="no-coin"))

    got = coefficients(fit)
    assert got["age"] < 0 < got["dependents"]
    assert got["drinking=heavy"] < 0
    assert any("does not say who" in note for note in fit.notes)


def test_answers_that_follow_one_attribute_without_exception_are_refused_by_name(study_2_strict):
    youngest = replace(
        study_2_strict,
        answers=[
            replace(a, choice=Choice.LEFT if a.left["age"] < a.right["age"] else Choice.RIGHT)
            for a in study_2_strict.answers[:400]
            if a.left["age"] != a.right["age"]
        ],
    )

    with pytest.raises(Separated) as caught:
        fit_conditional_logit(choice_data(youngest))
    assert "age" in caught.value.involved

    fit = fit_conditional_logit(choice_data(youngest), prior_answers=3)
    assert coefficients(fit)["age"] < -0.1


def test_an_attribute_that_never_differs_is_refused_by_name(study_2_strict):
    same_drinks = replace(
        study_2_strict,
        answers=[a for a in study_2_strict.answers if a.left["drinks"] == a.right["drinks"]],
    )

    with pytest.raises(NotIdentified) as caught:
        fit_conditional_logit(choice_data(same_drinks))
    assert caught.value.involved == ("drinks",)


def test_min_delta_without_any_offer_of_indecision_says_what_to_use_instead(study_2_strict):
    with pytest.raises(EstimationError, match="conditional-logit"):
        fit_min_delta(choice_data(study_2_strict))


def test_min_delta_where_nobody_ever_chose_indecision_is_separated_in_lambda(study_2):
    decided = replace(study_2, answers=[a for a in study_2.answers if a.choice is not Choice.INDECISION])

    with pytest.raises(Separated) as caught:
        fit_min_delta(choice_data(decided))
    assert caught.value.involved == ("indecision",)


def test_an_unknown_arm_is_refused_with_the_arms_there_are():
    with pytest.raises(EstimationError, match="no-coin, with-coin"):
        choice_data(import_study_1_counts(), arm="coin")
