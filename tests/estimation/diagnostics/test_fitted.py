"""The model behind a fit, and what each respondent contributed to it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from estimation.dataset import choice_data, of_clusters
from estimation.diagnostics.fitted import difference_covariance, estimates, fitted, influences, selection
from estimation.effects import EffectKind, Shape
from estimation.errors import EstimationError
from estimation.fitting import fit
from estimation.specification import Model, Regularize, Specification
from survey.published_answers import import_study_1_counts


@pytest.mark.parametrize(
    "spec",
    [
        Specification(model=Model.BRADLEY_TERRY),
        Specification(model=Model.BRADLEY_TERRY, half_wins=True),
        Specification(model=Model.DAVIDSON, order_effect=True),
        Specification(model=Model.DAVIDSON, regularize=Regularize.ALWAYS),
        Specification(model=Model.RAO_KUPPER),
        Specification(model=Model.CONDITIONAL_LOGIT),
        Specification(model=Model.MIN_U, effects=EffectKind.ATTRIBUTES),
    ],
    ids=lambda spec: f"{spec.model}-{spec.half_wins}-{spec.regularize}",
)
def test_influences_make_the_fits_own_covariance(simulated_answers, spec):
    data = choice_data(simulated_answers(seed=1, n_people=40))
    made = fit(data, spec)
    found = influences(data, made)

    assert found.names == made.names
    assert len(found.clusters) == made.n_clusters == 40
    np.testing.assert_allclose(found.covariance, made.covariance, rtol=1e-6, atol=1e-10)
    np.testing.assert_allclose(found.moved.sum(axis=0), 0, atol=1e-10)


def test_an_influence_foretells_the_fit_without_that_respondent(simulated_answers):
    data = choice_data(simulated_answers(seed=2, n_people=80, spread=0.7))
    made = fit(data, Model.DAVIDSON)
    found = influences(data, made)
    actual, foretold = [], []
    for i in range(0, 80, 8):
        rest = of_clusters(data, np.delete(np.arange(80), i))
        actual.append(made.values - fit(rest, Model.DAVIDSON).values)
        foretold.append(found.moved[i])

    assert np.corrcoef(np.ravel(actual), np.ravel(foretold))[0, 1] > 0.99


def test_monotone_effects_keep_the_directions_they_were_found_to_have(shared):
    from survey.published_answers import import_published

    data = choice_data(import_published("mcelfresh2021", shared("data/humans/study_2_indecisive.csv")))
    spec = Specification(model=Model.CONDITIONAL_LOGIT, shape=Shape(monotone=("drinks",)))
    made = fit(data, spec)

    assert fitted(data, made).maximum.log_likelihood == pytest.approx(made.log_likelihood, abs=1e-6)


def test_a_fit_of_other_answers_is_refused(simulated_answers):
    one, other = (choice_data(simulated_answers(seed=seed)) for seed in (3, 4))
    with pytest.raises(EstimationError, match="was not made of these"):
        fitted(other, fit(one, Model.DAVIDSON))


def test_answers_without_respondents_have_no_influences():
    data = choice_data(import_study_1_counts(), arm="with-coin")
    with pytest.raises(EstimationError, match="name their respondents"):
        influences(data, fit(data, Model.MIN_DELTA))


def test_the_covariance_of_a_difference_is_zero_for_a_fit_and_itself_and_a_sum_for_strangers(
    simulated_answers,
):
    data = choice_data(simulated_answers(seed=5))
    found = influences(data, fit(data, Model.DAVIDSON))
    strangers = replace(found, clusters=tuple(f"other-{c}" for c in found.clusters))
    n = len(found.clusters)

    np.testing.assert_allclose(difference_covariance(found, found), 0, atol=1e-15)
    expected = 2 * found.covariance * (n - 1) / n * (2 * n) / (2 * n - 1)
    np.testing.assert_allclose(difference_covariance(found, strangers), expected, rtol=1e-10)


def test_log_strengths_of_some_profiles_are_centred_over_these(simulated_answers):
    data = choice_data(simulated_answers(seed=6))
    made = fit(data, Model.DAVIDSON)
    some = [name for name in made.names if name not in ("a", "b")]
    values = selection(made, some) @ made.values

    assert values[:4].sum() == pytest.approx(0, abs=1e-12)
    assert values[-1] == made.values[-1]
    assert [e.value for e in estimates(made, some)] == pytest.approx(list(values))
    assert all(e.low < e.value < e.high for e in estimates(made, some))
    assert [e.value for e in estimates(made, made.names)] == pytest.approx(list(made.values))
