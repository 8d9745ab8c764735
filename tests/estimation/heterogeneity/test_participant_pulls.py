from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import minimize

from estimation.assembly import assemble
from estimation.dataset import Clustering, choice_data, counted, tally
from estimation.effects import EffectKind
from estimation.errors import EstimationError
from estimation.fitting import fit
from estimation.heterogeneity.panel import panel_of
from estimation.heterogeneity.participant_pulls import fit_participant_pulls
from estimation.specification import Model, Specification
from survey.design import CategoricalAttribute, Level, Profile
from survey.published_answers import import_published

DAVIDSON = Specification(model=Model.DAVIDSON)
STRENGTHS = np.array([1.2, 0.4, -0.4, -1.2])


def planted(n_people, n_answers, *, spread, pull=-0.7, seed=0, grouped=False):
    """Answers to comparisons of four profiles by people who share strengths, and each one's pull.

    ``grouped`` tells apart those whose pull is below the middle and those whose pull is above.
    """
    rng = np.random.default_rng(seed)
    own = pull + spread * rng.standard_normal(n_people)
    person = np.repeat(np.arange(n_people), n_answers)
    left = rng.integers(4, size=len(person))
    right = (left + rng.integers(1, 4, size=len(person))) % 4
    d = STRENGTHS[left] - STRENGTHS[right]
    scores = np.column_stack([d / 2, -d / 2, own[person]]) + rng.gumbel(size=(len(d), 3))
    levels = tuple(Level(name=name, words=name) for name in "abcd")
    data = tally(
        attributes=(CategoricalAttribute(name="who", label="Who", levels=levels),),
        profiles=tuple(Profile((("who", name),), name=name) for name in "abcd"),
        left=left,
        right=right,
        choice=scores.argmax(axis=1),
        offered=True,
        cluster=person,
        clustering=Clustering.RESPONDENT,
        cluster_names=tuple(f"person {i}" for i in range(n_people)),
        group=(own > pull)[person] if grouped else None,
        groups=("low", "high") if grouped else ("",),
    )
    return data, own


@pytest.fixture(scope="module")
def study_2(shared):
    return choice_data(import_published("mcelfresh2021", shared("data/humans/study_2_indecisive.csv")))


def test_pulls_of_their_own_add_582_units_on_study_2(study_2):
    # An independent prototype: 132 shrunk departures with a standard deviation of 2, most likely values.
    fitted = fit_participant_pulls(study_2, Specification(model=Model.MIN_DELTA), spread=2.0)

    assert fitted.common_log_likelihood == pytest.approx(-4128.027679462233, abs=1e-6)
    assert fitted.log_likelihood_at_departures - fitted.common_log_likelihood == pytest.approx(582, abs=0.5)
    assert fitted.n_respondents == 132


def test_strengths_on_study_2_hardly_depend_on_pulls_of_their_own(study_2):
    fitted = fit_participant_pulls(study_2, Specification(model=Model.MIN_DELTA))

    strengths, common = fitted.values[:3], fitted.common_values[:3]
    assert strengths == pytest.approx(common, rel=0.03)
    assert fitted.spread.low < 1.58 < fitted.spread.high
    # The ratio of the marginal likelihoods, too, says that people differ.
    assert fitted.likelihood_ratio > 700
    assert fitted.p_value < 1e-100
    # Marginal likelihood of a given spread is greatest at the estimated one.
    given = fit_participant_pulls(study_2, Specification(model=Model.MIN_DELTA), spread=2.0)
    assert given.log_likelihood < fitted.log_likelihood


def test_the_most_likely_values_are_those_of_a_plain_optimizer():
    data, _ = planted(8, 20, spread=1.5, seed=1)
    spread = 1.3
    assembled = assemble(data, DAVIDSON)
    panel = panel_of(data, DAVIDSON, assembled)
    pull = np.array([0.0, 0.0, 0.0, 1.0])

    def loss(x):
        values = (x[:4] + x[4:, None] * pull)[:, None]
        log_likelihood, score, _ = panel.derivatives(values)
        slope = np.concatenate([score.sum(axis=(0, 1)), score[:, 0, 3] - x[4:] / spread**2])
        return (x[4:] ** 2).sum() / 2 / spread**2 - log_likelihood.sum(), -slope

    plain = minimize(loss, np.zeros(12), jac=True, method="BFGS", options={"gtol": 1e-8})
    fitted = fit_participant_pulls(data, DAVIDSON, spread=spread)

    assert fitted.values == pytest.approx(assembled.report @ plain.x[:4], abs=1e-5)
    assert fitted.departures == pytest.approx(plain.x[4:], abs=1e-5)


def test_the_marginal_likelihood_is_the_integral_over_pulls():
    data, _ = planted(5, 15, spread=1.5, seed=2)
    fitted = fit_participant_pulls(data, DAVIDSON)
    panel = panel_of(data, DAVIDSON, assemble(data, DAVIDSON))
    # From centred strengths back to contrasts with the first profile.
    values = np.append(fitted.values[1:4] - fitted.values[0], fitted.values[4])
    spread = fitted.spread.value

    def answers(departure, person):
        given = np.tile(values + np.array([0, 0, 0, departure]), (5, 1, 1))
        return np.exp(panel.log_likelihoods(given)[person, 0] - departure**2 / 2 / spread**2) / (
            spread * np.sqrt(2 * np.pi)
        )

    parts = [quad(answers, -12, 12, args=(p,), epsabs=0, epsrel=1e-9, points=[0.0])[0] for p in range(5)]
    assert fitted.log_likelihood == pytest.approx(np.log(parts).sum(), abs=1e-6)
    means = [
        quad(lambda b, p=p: b * answers(b, p), -12, 12, epsabs=1e-18, epsrel=1e-7)[0] / parts[p]
        for p in range(5)
    ]
    assert fitted.departures == pytest.approx(means, abs=1e-4)


def test_planted_pulls_are_recovered():
    data, own = planted(300, 20, spread=1.5, seed=3)

    fitted = fit_participant_pulls(data, DAVIDSON)

    assert fitted.names == ("a", "b", "c", "d", "indecision")
    for name, truth in zip("abcd", STRENGTHS, strict=True):
        width = fitted.estimates[name].high - fitted.estimates[name].low
        assert abs(fitted.estimates[name].value - truth) < 0.75 * width
        assert width < 0.4
    assert fitted.estimates["indecision"].low < -0.7 < fitted.estimates["indecision"].high
    assert fitted.spread.low < 1.5 < fitted.spread.high
    departure = own - fitted.estimates["indecision"].value
    assert np.corrcoef(fitted.departures, departure)[0, 1] > 0.8
    standard = (fitted.departures - departure) / fitted.departure_spreads
    assert (standard**2).mean() == pytest.approx(1, abs=0.25)


def test_people_with_the_same_pull_have_no_spread_and_it_is_said():
    # A seed at which chance makes the pulls look no more different than they are.
    data, _ = planted(60, 12, spread=0.0, seed=10)
    common = fit(data, DAVIDSON)

    fitted = fit_participant_pulls(data, DAVIDSON)

    assert fitted.spread.value == 0
    assert fitted.spread.low is None
    assert any("do not differ" in note for note in fitted.notes)
    assert fitted.values == pytest.approx(common.values, abs=1e-8)
    assert fitted.covariance == pytest.approx(common.covariance, rel=1e-6)
    assert fitted.log_likelihood == pytest.approx(common.log_likelihood, abs=1e-8)
    assert fitted.p_value >= 0.49
    assert (fitted.departures == 0).all()


def test_a_tiny_spread_is_the_common_fit_and_a_huge_one_lets_everybody_go_alone():
    data, _ = planted(20, 30, spread=1.0, seed=5)
    common = fit(data, DAVIDSON)

    tiny = fit_participant_pulls(data, DAVIDSON, spread=1e-3)
    huge = fit_participant_pulls(data, DAVIDSON, spread=50.0)

    assert tiny.values == pytest.approx(common.values, abs=1e-4)
    assert np.sqrt(np.diag(tiny.covariance)) == pytest.approx(np.sqrt(np.diag(common.covariance)), rel=1e-3)
    assert np.abs(huge.departures).max() > np.abs(tiny.departures).max() + 1
    assert huge.log_likelihood_at_departures > tiny.log_likelihood_at_departures


def test_people_who_never_or_always_say_they_cannot_choose_get_finite_pulls():
    data, _ = planted(30, 12, spread=3.0, seed=6)
    indecisions = data.by_cluster.toarray().reshape(30, -1, 3)[:, :, 2].sum(axis=1)
    assert indecisions.min() == 0

    fitted = fit_participant_pulls(data, DAVIDSON)

    assert np.isfinite(fitted.departures).all()
    assert fitted.departures[indecisions == 0].max() < np.median(fitted.departures)


def test_swapping_sides_and_the_order_of_people_change_nothing():
    data, _ = planted(25, 15, spread=1.2, seed=7)
    table = data.by_cluster.tocoo()
    row, column = table.coords
    turned = tally(
        attributes=data.attributes,
        profiles=data.profiles,
        left=data.right[column // 3],
        right=data.left[column // 3],
        choice=np.array([1, 0, 2])[column % 3],
        offered=True,
        cluster=24 - row,
        times=table.data,
        clustering=Clustering.RESPONDENT,
        cluster_names=data.cluster_names[::-1],
    )

    one, other = fit_participant_pulls(data, DAVIDSON), fit_participant_pulls(turned, DAVIDSON)

    assert other.values == pytest.approx(one.values, abs=1e-7)
    assert other.departures[::-1] == pytest.approx(one.departures, abs=1e-7)
    assert other.respondents[::-1] == one.respondents


def test_groups_may_have_pulls_around_which_their_respondents_differ():
    # Two groups of people whose pulls differ by 2 on average.
    data, _ = planted(80, 20, spread=1.5, seed=8)
    grouped, _ = planted(80, 20, spread=1.5, seed=8, grouped=True)
    spec = Specification(model=Model.DAVIDSON, pull_by_group=True)

    fitted = fit_participant_pulls(grouped, spec)

    assert fitted.estimates["indecision in high"].value > fitted.estimates["indecision in low"].value + 1
    assert fitted.spread.value < fit_participant_pulls(data, DAVIDSON).spread.value


def test_what_groups_are_called_makes_no_difference():
    data, _ = planted(40, 15, spread=1.0, seed=8, grouped=True)
    spec = Specification(model=Model.DAVIDSON, pull_by_group=True)

    plain = fit_participant_pulls(data, spec)
    renamed = fit_participant_pulls(replace(data, groups=("near", "long distance")), spec)

    assert renamed.values.tolist() == plain.values.tolist()
    assert renamed.departures.tolist() == plain.departures.tolist()


@pytest.mark.parametrize(
    ("spec", "spread", "words"),
    [
        (Specification(model=Model.BRADLEY_TERRY), None, "no pull of indecision"),
        (Specification(model=Model.RAO_KUPPER), None, "may be any number"),
        (Specification(model=Model.MAX_DELTA, effects=EffectKind.PROFILES), None, "no pull of indecision"),
        (DAVIDSON, 0.0, "above 0"),
        (DAVIDSON, float("nan"), "above 0"),
    ],
)
def test_what_has_no_pulls_of_its_own_is_refused(spec, spread, words):
    data, _ = planted(10, 12, spread=1.0, seed=9)
    with pytest.raises(EstimationError, match=words):
        fit_participant_pulls(data, spec, spread=spread)


def test_answers_that_do_not_name_their_respondents_are_refused():
    data = counted(["a", "b", "c"], [0, 1, 2], [1, 2, 0], [[5, 3, 2], [4, 3, 2], [3, 4, 2]])
    with pytest.raises(EstimationError, match="name their respondents"):
        fit_participant_pulls(data, DAVIDSON)
