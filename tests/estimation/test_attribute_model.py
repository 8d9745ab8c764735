from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from estimation.attribute_model import fit_conditional_logit
from estimation.choice_model import (
    _derivatives,
    _log_likelihood,
    check_estimable,
    maximize,
    model_cells,
)
from estimation.dataset import ChoiceData, Clustering, choice_data
from estimation.errors import EstimationError, NotIdentified, Separated
from estimation.indecision.min_delta import fit_min_delta
from estimation.uncertainty import bootstrap_draws, sandwich
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

    one, other = (fit_min_delta(data, bootstrap=40, seed=5).weights for _ in range(2))
    assert one == other
    assert one != fit_min_delta(data, bootstrap=40, seed=6).weights


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


def drawn_cells(*, n: int, clusters: int, beta: list[float], prior_answers: float = 0, seed: int = 0):
    """Cells of answers drawn from the model itself, one per cell, half of them without indecision on offer."""
    rng = np.random.default_rng(seed)
    difference = rng.integers(-2, 3, size=(n, len(beta))).astype(float)
    offered = np.arange(n) % 2 == 0
    scores = np.column_stack(
        [difference @ beta / 2, -difference @ beta / 2, np.where(offered, -0.3, -np.inf)]
    )
    chances = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    counts = np.array([rng.multinomial(1, p) for p in chances], dtype=float)
    data = ChoiceData(
        attributes=(),
        profiles=(),
        left=2 * np.arange(n),
        right=2 * np.arange(n) + 1,
        counts=counts,
        offered=offered,
        cluster=rng.integers(clusters, size=n),
        clustering=Clustering.RESPONDENT,
        n_clusters=clusters,
        notes=(),
    )
    names = tuple(f"t{i}" for i in range(len(beta)))
    return model_cells(data, difference, names, with_indecision=True, prior_answers=prior_answers)


@pytest.mark.parametrize("prior_answers", [0, 7])
def test_score_and_information_are_the_derivatives_of_the_likelihood(prior_answers):
    cells = drawn_cells(n=80, clusters=9, beta=[1.0, -0.5], prior_answers=prior_answers)
    at, step = np.array([0.4, -0.9, 0.2]), 1e-5
    score, information = _derivatives(cells.difference, cells, cells.counts, at)

    for i, direction in enumerate(step * np.eye(3)):
        up, down = (
            _log_likelihood(cells.difference, cells, cells.counts, at + s * direction) for s in (1, -1)
        )
        assert score[i] == pytest.approx((up - down) / (2 * step), abs=1e-6)
        up, down = (
            _derivatives(cells.difference, cells, cells.counts, at + s * direction)[0] for s in (1, -1)
        )
        assert information[i] == pytest.approx(-(up - down) / (2 * step), abs=1e-6)


def test_prior_answers_pull_the_estimate_and_do_not_widen_its_interval():
    # The bootstrap varies the clusters and keeps the prior answers; the sandwich must do the same. With the prior's
    # pull counted as variation it was a third wider here.
    cells = drawn_cells(n=300, clusters=12, beta=[4.0, 0.0], prior_answers=60, seed=2)
    maximum = maximize(cells)
    draws = bootstrap_draws(cells, maximum, n_draws=600, seed=1)

    errors = np.sqrt(np.diag(sandwich(cells, maximum)))
    # A Bayesian bootstrap of G clusters has variance (G - 1) / (G + 1) of the sandwich with G / (G - 1), nearly.
    assert errors == pytest.approx(draws.std(axis=0) * (13 / 11) ** 0.5, rel=0.15)


def test_many_different_comparisons_need_no_memory_in_their_square():
    import tracemalloc

    cells = drawn_cells(n=6000, clusters=50, beta=[0.5, 0.2])
    tracemalloc.start()
    check_estimable(cells)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert peak < 20e6  # A square of 6000 doubles is 288 MB.


def test_respondents_without_a_decided_answer_do_not_count_as_clusters(study_2):
    first = next(iter(study_2.answers)).respondent
    undecided = replace(
        study_2,
        answers=[
            replace(a, choice=Choice.INDECISION) if a.respondent == first else a for a in study_2.answers
        ],
    )

    data = choice_data(undecided)
    assert fit_conditional_logit(data).n_clusters == data.n_clusters - 1
    assert fit_min_delta(data).n_clusters == data.n_clusters


@pytest.mark.parametrize("prior_answers", [0, 3])
def test_only_indecision_leaves_a_model_of_decided_answers_nothing(study_2, prior_answers):
    coins = replace(study_2, answers=[a for a in study_2.answers if a.choice is Choice.INDECISION])

    with pytest.raises(EstimationError, match="min-delta"):
        fit_conditional_logit(choice_data(coins), prior_answers=prior_answers)


def test_an_indecision_that_was_not_on_offer_is_refused(study_2):
    wrong = replace(study_2, answers=[replace(a, indecision_offered=False) for a in study_2.answers])

    with pytest.raises(EstimationError, match="894 answers are indecision although"):
        choice_data(wrong)


def test_arms_that_are_fitted_together_are_named():
    assert any("no-coin, with-coin" in note for note in choice_data(import_study_1_counts()).notes)


def test_as_few_clusters_as_parameters_are_called_too_few(study_2):
    few = sorted({a.respondent for a in study_2.answers})[:3]
    data = choice_data(replace(study_2, answers=[a for a in study_2.answers if a.respondent in few]))

    assert any("3 clusters are too few for 4 parameters" in n for n in fit_min_delta(data).notes)


def test_too_few_bootstraps_for_an_interval_are_refused(study_2):
    with pytest.raises(EstimationError, match="40 or more"):
        fit_min_delta(choice_data(study_2), bootstrap=5)


@pytest.mark.parametrize("prior_answers", [-1, float("nan"), float("inf")])
def test_a_weight_of_prior_answers_that_is_no_number_of_answers_is_refused(study_2, prior_answers):
    with pytest.raises(EstimationError, match="prior answers"):
        fit_min_delta(choice_data(study_2), prior_answers=prior_answers)


def test_swapping_sides_and_choosing_another_first_level_leave_regularized_weights_unchanged():
    answer_set = import_study_1_counts()
    swapped = replace(
        answer_set,
        answers=[
            replace(a, left=a.right, right=a.left, choice=a.choice.mirrored) for a in answer_set.answers
        ],
    )
    turned = replace(
        answer_set,
        attributes=tuple(
            replace(a, levels=a.levels[::-1]) if hasattr(a, "levels") else a for a in answer_set.attributes
        ),
    )
    plain, *others = (
        fit_min_delta(choice_data(s, arm="with-coin"), prior_answers=30).weights
        for s in (answer_set, swapped, turned)
    )

    for profile in {a.left for a in answer_set.answers}:
        for other in others:
            assert other.weight(profile) == pytest.approx(plain.weight(profile), rel=1e-6)
