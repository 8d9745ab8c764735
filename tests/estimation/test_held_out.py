"""Predictions of respondents who were held out, against published values and plain slow computation."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from math import exp, log, sqrt

import numpy as np
import pytest

from estimation.dataset import LEFT, Clustering, choice_data, counted, of_clusters, tally
from estimation.effects import EffectKind
from estimation.errors import EstimationError
from estimation.fitting import fit
from estimation.held_out import difference, folds_of, held_out
from estimation.specification import Model, Regularize, Specification
from survey.design import NumericAttribute
from survey.published_answers import import_published


@pytest.fixture(scope="module")
def study_2(shared):
    return choice_data(import_published("mcelfresh2021", shared("data/humans/study_2_indecisive.csv")))


@pytest.fixture(scope="module")
def few():
    """Thirty respondents, four profiles, Davidson's model, respondents of their own mind."""
    rng = np.random.default_rng(11)
    rows = []
    for person in range(30):
        strength = np.array([0.9, 0.3, -0.4, -0.8]) + rng.normal(0, 0.5, 4)
        for _ in range(12):
            left, right = rng.permutation(4)[:2]
            half = (strength[left] - strength[right]) / 2
            p = np.exp([half, -half, -0.3])
            rows.append((left, right, rng.choice(3, p=p / p.sum()), person))
    left, right, choice, person = zip(*rows, strict=True)
    base = counted("abcd", [0], [1], [[1, 1, 1]])
    return tally(
        attributes=base.attributes,
        profiles=base.profiles,
        left=left,
        right=right,
        choice=choice,
        offered=True,
        cluster=person,
        cluster_names=tuple(f"person {i}" for i in range(30)),
        clustering=Clustering.RESPONDENT,
    )


@pytest.mark.parametrize(
    ("spec", "published"),
    [
        (Specification(model=Model.CONDITIONAL_LOGIT), -0.8063),
        (Specification(model=Model.MIN_DELTA), -0.7847),
        (Specification(model=Model.RAO_KUPPER, effects=EffectKind.ATTRIBUTES), -0.7809),
        (Specification(model=Model.MIN_U), -0.8288),
        (Specification(model=Model.MIN_DELTA, order_effect=True), -0.7848),
    ],
    ids=lambda value: f"{value.model}{'+order' * value.order_effect}" if hasattr(value, "model") else "",
)
def test_held_out_likelihood_of_study_2_is_as_computed_independently(study_2, spec, published):
    # Five folds by participant; folds differ between the two computations, so the third digit may.
    found = held_out(study_2, spec)

    assert found.everything.log_likelihood == pytest.approx(published, abs=0.003)
    assert found.n_regularized == 0
    assert found.everything.n_answers == 5297
    assert found.decided.n_answers == 5297 - 894
    assert found.uniform.log_likelihood == pytest.approx(log(1 / 3))
    # In the sample the choices' shares reach -1.0301.
    assert found.frequencies.log_likelihood == pytest.approx(-1.0301, abs=0.002)


def test_attribute_distance_predicts_indecision_of_people_not_seen(study_2):
    theirs = tuple(
        NumericAttribute(name=name, label=name, minimum=0, maximum=top)
        for name, top in (("age", 70), ("drinks", 5), ("dependents", 2))
    )
    data = replace(study_2, attributes=theirs)
    by_distance = held_out(data, Specification(model=Model.MIN_DELTA, by_distance=True))
    plain = held_out(data, Specification(model=Model.MIN_DELTA))

    assert by_distance.everything.log_likelihood == pytest.approx(-0.7701, abs=0.003)
    gain, se = difference(by_distance.everything, plain.everything)
    assert gain > 3 * se
    # The two scores' own errors would hide that: people differ, but they differ for both models alike.
    assert gain < by_distance.everything.se


def test_scores_agree_with_a_plain_computation(few):
    n_folds, seed = 3, 5
    folds = folds_of(few, n_folds=n_folds, seed=seed)
    log_likelihood = {person: [0.0, 0.0, 0.0] for person in range(30)}  # sum, answers, Brier
    table = few.by_cluster.toarray().reshape(30, -1, 3)
    for k in range(n_folds):
        made = fit(of_clusters(few, np.flatnonzero(folds != k)), Model.DAVIDSON)
        strength = [e.value for e in made.weights.log_strengths]
        for person in np.flatnonzero(folds == k):
            for cell, (left, right) in enumerate(zip(few.left, few.right, strict=True)):
                half = (strength[left] - strength[right]) / 2
                odds = [exp(half), exp(-half), exp(made.indecision.value)]
                p = [o / sum(odds) for o in odds]
                for choice in range(3):
                    n = table[person, cell, choice]
                    log_likelihood[person][0] += n * log(p[choice])
                    log_likelihood[person][1] += n
                    log_likelihood[person][2] += n * sum((p[j] - (j == choice)) ** 2 for j in range(3))
    total = sum(row[0] for row in log_likelihood.values())
    answers = sum(row[1] for row in log_likelihood.values())
    mean = total / answers
    se = sqrt(30 / 29 * sum((row[0] - mean * row[1]) ** 2 for row in log_likelihood.values())) / answers

    found = held_out(few, Model.DAVIDSON, n_folds=n_folds, seed=seed).everything
    assert found.log_likelihood == pytest.approx(mean, abs=1e-9)
    assert found.se == pytest.approx(se, rel=1e-7)
    assert found.brier == pytest.approx(sum(row[2] for row in log_likelihood.values()) / answers, abs=1e-9)


def test_decided_answers_are_predicted_given_that_they_are_decided(few):
    # Davidson's P(left | decided) is the logistic of the difference, whatever the pull.
    found = held_out(few, Model.DAVIDSON, seed=2)
    folds = folds_of(few, n_folds=5, seed=2)
    total = 0.0
    for k in range(5):
        strength = [
            e.value
            for e in fit(of_clusters(few, np.flatnonzero(folds != k)), Model.DAVIDSON).weights.log_strengths
        ]
        counts = of_clusters(few, np.flatnonzero(folds == k)).counts
        d = np.array(strength)[few.left] - np.array(strength)[few.right]
        total -= (counts[:, 0] * np.log1p(np.exp(-d)) + counts[:, 1] * np.log1p(np.exp(d))).sum()
    assert found.decided.log_likelihood == pytest.approx(total / few.counts[:, :2].sum(), abs=1e-9)


def test_a_model_of_decided_answers_tosses_a_coin_for_the_rest(few):
    found = held_out(few, Model.BRADLEY_TERRY, seed=1)
    folds = folds_of(few, n_folds=5, seed=1)
    total = found.decided.by_cluster[:, 0].sum()
    for k in range(5):
        learned = of_clusters(few, np.flatnonzero(folds != k)).counts.sum(axis=0)
        share = (learned[2] + 0.5) / (learned.sum() + 1)
        held = of_clusters(few, np.flatnonzero(folds == k)).counts.sum(axis=0)
        total += held[2] * log(share) + held[:2].sum() * log(1 - share)
    assert found.everything.log_likelihood == pytest.approx(total / few.n_answers, abs=1e-9)


def test_half_wins_are_learned_from_but_not_predicted(few):
    half = held_out(few, Specification(model=Model.BRADLEY_TERRY, half_wins=True))
    dropped = held_out(few, Model.BRADLEY_TERRY)

    assert half.decided.n_answers == dropped.decided.n_answers
    assert half.decided.log_likelihood != pytest.approx(dropped.decided.log_likelihood, abs=1e-6)


def test_folds_hold_out_respondents_whole_and_once(few):
    folds = folds_of(few, n_folds=4, seed=0)

    assert sorted(np.bincount(folds)) == [7, 7, 8, 8]
    assert (folds == folds_of(few, n_folds=4, seed=0)).all()
    assert (folds != folds_of(few, n_folds=4, seed=1)).any()


def test_the_same_seed_gives_the_same_bytes_whoever_computes(few):
    alone = held_out(few, Model.DAVIDSON, seed=3)
    with ThreadPoolExecutor(2) as pool:
        shared_out = held_out(few, Model.DAVIDSON, seed=3, executor=pool)

    assert alone.everything.by_cluster.tobytes() == shared_out.everything.by_cluster.tobytes()
    assert alone.calibration == shared_out.calibration


def test_a_fold_without_an_estimate_is_regularized_and_counted():
    # Only person 0 ever preferred c; held out, she leaves c without a win.
    rows = [(0, 2, 1, 0), (1, 2, 1, 0)]
    for person in range(6):
        rows += [(0, 1, person % 2, person), (0, 2, LEFT, person), (1, 2, LEFT, person)]
    left, right, choice, person = zip(*rows, strict=True)
    base = counted("abc", [0], [1], [[1, 1, 0]])
    data = tally(
        attributes=base.attributes,
        profiles=base.profiles,
        left=left,
        right=right,
        choice=choice,
        offered=False,
        cluster=person,
        cluster_names=tuple("012345"),
        clustering=Clustering.RESPONDENT,
    )
    found = held_out(data, Model.BRADLEY_TERRY, n_folds=6)

    assert found.n_regularized == 1
    assert np.isfinite(found.everything.log_likelihood)
    assert found.everything.n_answers == len(rows)
    assert any("1 of 6 folds" in note for note in found.notes)
    always = held_out(data, Specification(model=Model.BRADLEY_TERRY, regularize=Regularize.ALWAYS), n_folds=6)
    assert always.n_regularized == 6


def test_a_profile_only_the_held_out_person_saw_is_predicted_from_prior_answers(few):
    rows = np.array([(0, 1, 0, p) for p in range(5)] + [(1, 0, 0, p) for p in range(5)])
    rows = np.vstack([rows, [(0, 2, 0, 0), (2, 0, 0, 0)]])
    data = tally(
        attributes=few.attributes,
        profiles=few.profiles[:3],
        left=rows[:, 0],
        right=rows[:, 1],
        choice=rows[:, 2],
        offered=False,
        cluster=rows[:, 3],
        cluster_names=tuple("01234"),
        clustering=Clustering.RESPONDENT,
    )
    found = held_out(data, Model.BRADLEY_TERRY, n_folds=5)

    assert found.n_regularized == 1
    # Nothing is known of c in that fold, and a and b are even: its answers are a coin toss.
    assert found.everything.log_likelihood == pytest.approx(log(1 / 2), abs=1e-6)


def test_a_model_with_several_maxima_is_searched_in_every_fold(few):
    found = held_out(few, Specification(model=Model.MAX_U, effects=EffectKind.PROFILES, n_starts=4))

    assert found.everything.log_likelihood > found.uniform.log_likelihood
    assert found.everything.log_likelihood < held_out(few, Model.DAVIDSON).everything.log_likelihood


def test_monotone_effects_can_be_held_out(shared):
    from estimation.effects import Shape

    data = choice_data(import_published("mcelfresh2021", shared("data/humans/study_1.csv")))
    spec = Specification(model=Model.MIN_DELTA, shape=Shape(monotone=("age",)))

    found = held_out(data, spec, n_folds=3)
    assert (
        found.everything.log_likelihood > held_out(data, Model.MIN_DELTA, n_folds=3).everything.log_likelihood
    )


def test_the_difference_of_a_score_with_itself_is_nothing(few):
    one, other = (held_out(few, model).everything for model in (Model.DAVIDSON, Model.RAO_KUPPER))

    assert difference(one, one) == (0.0, 0.0)
    gain, se = difference(one, other)
    assert difference(other, one) == pytest.approx((-gain, se))
    assert gain == pytest.approx(one.log_likelihood - other.log_likelihood)


def test_answers_of_nobody_known_cannot_be_held_out():
    data = counted("ab", [0], [1], [[7, 3, 0]])
    with pytest.raises(EstimationError, match="does not say who gave which answer"):
        held_out(data, Model.BRADLEY_TERRY)


@pytest.mark.parametrize("n_folds", [1, 31])
def test_more_folds_than_respondents_or_fewer_than_two_are_refused(few, n_folds):
    with pytest.raises(EstimationError, match="give 2 to 30"):
        held_out(few, Model.DAVIDSON, n_folds=n_folds)
