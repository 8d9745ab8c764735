from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.polynomial.hermite_e import hermegauss
from scipy.special import logsumexp

from estimation.assembly import assemble
from estimation.choice_model import log_likelihood_at, maximize, with_counts
from estimation.dataset import Clustering, choice_data, counted, tally
from estimation.effects import EffectKind
from estimation.errors import DidNotConverge, EstimationError, Separated
from estimation.heterogeneity.marginal_likelihood import Population
from estimation.heterogeneity.panel import panel_of
from estimation.heterogeneity.participant_pulls import fit_participant_pulls
from estimation.heterogeneity.population_search import fresh, placed, settled
from estimation.heterogeneity.random_coefficients import fit_random_coefficients
from estimation.specification import Model, Regularize, Specification
from survey.design import CategoricalAttribute, Level, NumericAttribute, Profile
from survey.published_answers import import_published

MEAN = np.array([-0.06, -1.0, 1.5])
SPREAD = np.array([0.04, 0.6, 1.0])
MIN_DELTA = Specification(model=Model.MIN_DELTA)


def planted(
    n_people,
    n_answers,
    *,
    mean=MEAN,
    spread=SPREAD,
    pull=-0.5,
    pull_spread=1.2,
    seed=0,
    offered=True,
    years=1.0,
):
    """Answers by Davidson's rule of people with independent normal coefficients; and these coefficients."""
    rng = np.random.default_rng(seed)
    levels = (Level(name="ill", words="ill"), Level(name="well", words="well"))
    attributes = (
        NumericAttribute(name="age", label="Age", minimum=20 * years, maximum=80 * years),
        NumericAttribute(name="drinks", label="Drinks", minimum=0, maximum=4),
        CategoricalAttribute(name="health", label="Health", levels=levels),
    )
    profiles = list(
        dict.fromkeys(
            Profile(
                (
                    ("age", float(rng.integers(20, 81) * years)),
                    ("drinks", int(rng.integers(0, 5))),
                    ("health", str(rng.choice(["ill", "well"]))),
                )
            )
            for _ in range(40)
        )
    )
    terms = np.array([[p["age"] / years, p["drinks"], p["health"] == "well"] for p in profiles], dtype=float)
    own = np.column_stack(
        [
            mean + spread * rng.standard_normal((n_people, 3)),
            pull + pull_spread * rng.standard_normal(n_people),
        ]
    )
    person = np.repeat(np.arange(n_people), n_answers)
    left = rng.integers(len(profiles), size=len(person))
    right = (left + rng.integers(1, len(profiles), size=len(person))) % len(profiles)
    d = ((terms[left] - terms[right]) * own[person, :3]).sum(axis=1)
    scores = np.column_stack([d / 2, -d / 2, own[person, 3] if offered else np.full(len(d), -np.inf)])
    data = tally(
        attributes=attributes,
        profiles=tuple(profiles),
        left=left,
        right=right,
        choice=(scores + rng.gumbel(size=scores.shape)).argmax(axis=1),
        offered=offered,
        cluster=person,
        clustering=Clustering.RESPONDENT,
        cluster_names=tuple(f"person {i}" for i in range(n_people)),
    )
    return data, own


@pytest.fixture(scope="module")
def people():
    return planted(200, 25, seed=3)


@pytest.fixture(scope="module")
def fitted(people):
    return fit_random_coefficients(people[0], MIN_DELTA, seed=1, draws=64)


# --- the panel ------------------------------------------------------------------------------------------


def test_respondents_likelihoods_are_those_of_a_fit_to_each_alone():
    data, own = planted(7, 11, seed=1)
    assembled = assemble(data, MIN_DELTA)
    panel = panel_of(data, MIN_DELTA, assembled)

    got = panel.log_likelihoods(own[:, None])[:, 0]

    for person in range(7):
        counts = assembled.cells.by_cluster[[person]].toarray().reshape(-1, 3)
        alone = with_counts(assembled.cells, counts)
        assert got[person] == pytest.approx(log_likelihood_at(alone, own[person]), abs=1e-10)


def test_respondents_scores_and_informations_are_derivatives():
    data, own = planted(5, 9, seed=2)
    panel = panel_of(data, MIN_DELTA, assemble(data, MIN_DELTA))
    tries = np.stack([own, own * 0.5], axis=1)
    _, score, information = panel.derivatives(tries)

    for i in range(4):
        step = np.eye(4)[i] * 1e-5
        up, down = panel.derivatives(tries + step), panel.derivatives(tries - step)
        assert (up[0] - down[0]) / 2e-5 == pytest.approx(score[..., i], abs=1e-5)
        assert (down[1] - up[1]) / 2e-5 == pytest.approx(information[..., i], abs=1e-3)


def test_respondents_with_few_and_many_answers_are_kept_apart():
    data, _ = planted(6, 12, seed=4)
    table = data.by_cluster.tolil()
    table[2, table[[2]].nonzero()[1][:10]] = 0
    table = table.tocsr()
    table.eliminate_zeros()
    uneven = replace(data, by_cluster=table, counts=np.asarray(table.sum(axis=0)).reshape(-1, 3))
    assembled = assemble(uneven, MIN_DELTA)
    panel = panel_of(uneven, MIN_DELTA, assembled)

    values = np.array([-0.05, -0.8, 1.0, -0.4])
    rows = panel.log_likelihoods(np.tile(values, (6, 1, 1)))

    assert rows[2, 0] > rows[:2, 0].max()
    assert rows.sum() == pytest.approx(log_likelihood_at(assembled.cells, values), abs=1e-9)


# --- the marginal likelihood ----------------------------------------------------------------------------


def frozen_example(*, common: bool):
    data, _ = planted(6, 8, seed=5)
    panel = panel_of(data, MIN_DELTA, assemble(data, MIN_DELTA)).scaled(np.array([60.0, 4.0, 1.0, 1.0]))
    varying = np.array([0, 1] if common else [0, 1, 2, 3])
    k = len(varying)
    root = np.tril(np.full((k, k), 0.4)) + np.eye(k)
    population = Population(
        mean=np.array([-3.0, -3.0, 1.0, -0.5])[:k],
        covariance=root @ root.T,
        common=np.array([1.0, -0.5]) if common else np.empty(0),
    )
    return panel, varying, population


def test_the_marginal_likelihood_is_the_integral_over_the_population():
    panel, varying, population = frozen_example(common=True)
    frozen, _ = placed(panel, varying, population, draws=20_000, seed=1, modes=None)

    # A plain product rule over the two varying coefficients.
    roots, weights = hermegauss(60)
    z = np.array([(a, b) for a in roots for b in roots])
    log_weights = np.log(np.outer(weights, weights).ravel() / (2 * np.pi))
    at = population.mean + z @ np.linalg.cholesky(population.covariance).T
    values = np.column_stack([at, np.tile(population.common, (len(at), 1))])
    answers = panel.log_likelihoods(np.tile(values, (6, 1, 1)))
    expected = logsumexp(answers + log_weights, axis=1)

    assert frozen.log_likelihoods() == pytest.approx(expected, abs=0.02)
    assert frozen.log_likelihood() == pytest.approx(expected.sum(), abs=4 * frozen.monte_carlo_error())
    shares = np.exp(answers + log_weights - expected[:, None])
    assert frozen.respondents()[0] == pytest.approx(shares @ at, abs=0.03)


@pytest.mark.parametrize("common", [False, True])
def test_score_and_information_are_derivatives_of_the_marginal_likelihood(common):
    panel, varying, population = frozen_example(common=common)
    frozen, _ = placed(panel, varying, population, draws=64, seed=2, modes=None)
    k = len(varying)
    row, column = np.tril_indices(k)

    def moved(step):
        covariance = population.covariance.copy()
        covariance[row, column] += step[k : k + len(row)]
        covariance[column, row] = covariance[row, column]
        return frozen.at(
            Population(
                mean=population.mean + step[:k],
                covariance=covariance,
                common=population.common + step[k + len(row) :],
            )
        )

    here = frozen.curvature()
    n = here.score.shape[1]
    for i in range(n):
        up, down = moved(np.eye(n)[i] * 1e-4), moved(np.eye(n)[i] * -1e-4)
        slope = (up.log_likelihoods() - down.log_likelihoods()) / 2e-4
        assert slope == pytest.approx(here.score[:, i], abs=1e-5)
        bend = (down.curvature().score - up.curvature().score).sum(axis=0) / 2e-4
        assert bend == pytest.approx(here.information[:, i], abs=1e-5, rel=1e-5)


def test_an_em_climb_never_goes_down():
    panel, varying, population = frozen_example(common=False)
    frozen, _ = placed(panel, varying, population, draws=64, seed=3, modes=None)

    assert frozen.climbed().log_likelihood() > frozen.log_likelihood()


def test_if_only_the_pull_varies_quadrature_finds_the_same():
    data, _ = planted(40, 12, spread=np.zeros(3), seed=6)
    cells = assemble(data, MIN_DELTA).cells
    exact = fit_participant_pulls(data, MIN_DELTA)
    start = maximize(cells).values
    scale = np.array([60.0, 4.0, 1.0, 1.0])

    end = settled(
        panel_of(data, MIN_DELTA, assemble(data, MIN_DELTA)).scaled(scale),
        np.array([3]),
        Population(mean=start[3:], covariance=np.eye(1), common=(start * scale)[:3]),
        draws=256,
        seed=1,
        widest=60.0,
    )

    population = end.frozen.population
    assert np.sqrt(population.covariance[0, 0]) == pytest.approx(exact.spread.value, abs=0.02)
    assert population.mean == pytest.approx(exact.values[3:], abs=0.02)
    assert population.common / scale[:3] == pytest.approx(exact.values[:3], rel=0.01)
    again = fresh(end.frozen, seed=9)
    assert again.log_likelihood() == pytest.approx(exact.log_likelihood, abs=4 * again.monte_carlo_error())


# --- the estimate ---------------------------------------------------------------------------------------


def test_a_planted_population_is_recovered(fitted):
    truth = dict(zip(fitted.names, [*MEAN, -0.5], strict=True))
    spread = dict(zip(fitted.names, [*SPREAD, 1.2], strict=True))
    for name in fitted.names:
        # Four standard errors: an interval is 3.9 of them wide.
        width = fitted.means[name].high - fitted.means[name].low
        assert abs(fitted.means[name].value - truth[name]) < width
        assert fitted.spreads[name].low / 1.25 < spread[name] < fitted.spreads[name].high * 1.25
    inside = [fitted.spreads[n].low < spread[n] < fitted.spreads[n].high for n in fitted.names]
    inside += [fitted.means[n].low < truth[n] < fitted.means[n].high for n in fitted.names]
    assert sum(inside) >= 6
    assert all(c.low < 0 < c.high for c in fitted.correlations.values())


def test_respondents_own_coefficients_are_shrunk_and_near_the_truth(people, fitted):
    own = people[1]
    error = fitted.respondent_means - own
    # Given the answers the truth lies around the mean with the standard deviations stated.
    standard = error / fitted.respondent_spreads
    assert (standard**2).mean(axis=0) == pytest.approx(np.ones(4), abs=0.35)
    assert (fitted.respondent_means.std(axis=0) < np.sqrt(np.diag(fitted.covariance))).all()
    assert all(np.corrcoef(fitted.respondent_means[:, i], own[:, i])[0, 1] > 0.6 for i in range(4))


def test_signs_are_shared_as_planted(people, fitted):
    own = people[1]
    for i, name in enumerate(fitted.names):
        assert fitted.positive_shares[name].value == pytest.approx((own[:, i] > 0).mean(), abs=0.08)
        assert fitted.positive_shares[name].low < fitted.positive_shares[name].value
    assert list(fitted.population.positive_shares.values()) == pytest.approx(
        [fitted.positive_shares[n].value for n in fitted.names[:3]]
    )


def test_the_distribution_fits_better_than_one_set_of_coefficients_for_all(fitted):
    assert fitted.log_likelihood > fitted.common_log_likelihood + 100
    assert 0 < fitted.monte_carlo_error < 2
    assert fitted.n_parameters == 4 + 10
    assert fitted.checks.gain_left < 1e-8
    assert fitted.bic == pytest.approx(14 * np.log(200) - 2 * fitted.log_likelihood)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_the_same_result():
    data, _ = planted(60, 20, seed=7)
    one, same, other = (fit_random_coefficients(data, MIN_DELTA, seed=s, draws=64) for s in (1, 1, 2))

    assert one.mean.tobytes() == same.mean.tobytes()
    assert one.covariance.tobytes() == same.covariance.tobytes()
    assert one.log_likelihood == same.log_likelihood != other.log_likelihood
    error = 4 * np.hypot(one.monte_carlo_error, other.monte_carlo_error)
    assert one.log_likelihood == pytest.approx(other.log_likelihood, abs=error)
    spread = np.sqrt(np.diag(one.mean_covariance))
    assert np.abs(one.mean - other.mean).max() < (0.5 * spread).max()


def test_the_unit_of_an_attribute_changes_its_coefficient_only():
    data, _ = planted(60, 20, seed=8)
    in_months, _ = planted(60, 20, seed=8, years=12.0)
    one = fit_random_coefficients(data, MIN_DELTA, draws=64)
    other = fit_random_coefficients(in_months, MIN_DELTA, draws=64)

    unit = np.array([12.0, 1.0, 1.0, 1.0])
    assert other.log_likelihood == pytest.approx(one.log_likelihood, abs=1e-6)
    assert other.mean * unit == pytest.approx(one.mean, rel=1e-5)
    assert other.covariance * np.outer(unit, unit) == pytest.approx(one.covariance, rel=1e-4, abs=1e-6)


def test_swapping_sides_changes_nothing():
    data, _ = planted(60, 20, seed=9)
    table = data.by_cluster.tocoo()
    row, column = table.coords
    swapped = tally(
        attributes=data.attributes,
        profiles=data.profiles,
        left=data.right[column // 3],
        right=data.left[column // 3],
        choice=np.array([1, 0, 2])[column % 3],
        offered=True,
        cluster=row,
        times=table.data,
        clustering=Clustering.RESPONDENT,
    )
    one = fit_random_coefficients(data, MIN_DELTA, draws=64)
    other = fit_random_coefficients(swapped, MIN_DELTA, draws=64)

    assert other.mean == pytest.approx(one.mean, abs=1e-6)
    assert other.log_likelihood == pytest.approx(one.log_likelihood, abs=1e-6)


def test_people_who_are_all_alike_are_fitted_and_it_is_said():
    data, _ = planted(150, 10, spread=np.zeros(3), pull_spread=0.0, seed=10)

    fit = fit_random_coefficients(data, MIN_DELTA, draws=64)

    # The ten parameters of the covariance fit some noise, no more.
    assert -1 < fit.log_likelihood - fit.common_log_likelihood < 12
    assert any("hardly tell" in note for note in fit.notes)
    assert all(e.low is None for e in fit.spreads.values())
    assert all(e.low < e.value < e.high for e in fit.means.values())
    assert np.sqrt(np.diag(fit.covariance))[3] < 0.6


def test_respondents_who_always_answer_alike_get_finite_coefficients():
    data, _ = planted(60, 20, seed=11)
    table = data.by_cluster.tolil()
    for person, choice in ((0, 0), (1, 2)):
        cells = np.unique(table[[person]].nonzero()[1] // 3)
        table[person, :] = 0
        table[person, 3 * cells + choice] = 1
    table = table.tocsr()
    extreme = replace(data, by_cluster=table, counts=np.asarray(table.sum(axis=0)).reshape(-1, 3))

    fit = fit_random_coefficients(extreme, MIN_DELTA, draws=64)

    assert np.isfinite(fit.respondent_means).all()
    pull = fit.names.index("indecision")
    others = np.delete(fit.respondent_means[:, pull], [0, 1])
    assert fit.respondent_means[1, pull] > np.quantile(others, 0.95)
    assert fit.respondent_means[0, pull] < np.quantile(others, 0.5)


def test_a_common_pull_is_reported_apart():
    data, _ = planted(40, 15, pull_spread=0.0, seed=18)
    fit = fit_random_coefficients(data, MIN_DELTA, draws=32, random_pull=False)

    assert fit.names == ("age", "drinks", "health=well")
    assert fit.others["indecision"].low < fit.others["indecision"].value < fit.others["indecision"].high
    assert fit.n_parameters == 3 + 6 + 1


def test_decided_answers_have_random_coefficients_too():
    data, own = planted(120, 25, offered=False, seed=12)

    fit = fit_random_coefficients(
        data, Specification(model=Model.CONDITIONAL_LOGIT, order_effect=True), draws=64
    )

    assert fit.names == ("age", "drinks", "health=well")
    assert fit.others["shown first"].low < 0 < fit.others["shown first"].high
    assert np.corrcoef(fit.respondent_means[:, 1], own[:, 1])[0, 1] > 0.6


def test_free_profiles_do_not_depend_on_which_profile_is_first():
    rng = np.random.default_rng(13)
    n_people, n = 80, 30
    strengths = np.array([1.0, 0.0, -1.0]) + rng.standard_normal((n_people, 3))
    person = np.repeat(np.arange(n_people), n)
    left = rng.integers(3, size=len(person))
    right = (left + rng.integers(1, 3, size=len(person))) % 3
    d = strengths[person, left] - strengths[person, right]
    pull = -0.5 + rng.standard_normal(n_people)
    scores = np.column_stack([d / 2, -d / 2, pull[person]]) + rng.gumbel(size=(len(d), 3))
    levels = tuple(Level(name=name, words=name) for name in "abc")
    profiles = tuple(Profile((("who", name),), name=name) for name in "abc")
    columns = {
        "attributes": (CategoricalAttribute(name="who", label="Who", levels=levels),),
        "choice": scores.argmax(axis=1),
        "offered": True,
        "cluster": person,
        "clustering": Clustering.RESPONDENT,
    }
    turned = np.array([2, 0, 1])
    spec = Specification(model=Model.DAVIDSON)
    one = fit_random_coefficients(tally(profiles=profiles, left=left, right=right, **columns), spec, draws=64)
    other = fit_random_coefficients(
        tally(
            profiles=tuple(profiles[i] for i in np.argsort(turned)),
            left=turned[left],
            right=turned[right],
            **columns,
        ),
        spec,
        draws=64,
    )

    assert one.names == ("a", "b", "c", "indecision")
    assert one.mean[:3].sum() == pytest.approx(0, abs=1e-9)
    assert one.mean[:3] == pytest.approx([other.means[n].value for n in "abc"], abs=0.03)
    assert one.log_likelihood == pytest.approx(
        other.log_likelihood, abs=4 * np.hypot(one.monte_carlo_error, other.monte_carlo_error)
    )
    assert one.means["a"].low < 1.0 < one.means["a"].high
    assert one.spreads["a"].low < np.sqrt(2 / 3) < one.spreads["a"].high
    drawn = one.population.draw(4, seed=1)
    assert drawn.sum(axis=1) == pytest.approx(np.zeros(4), abs=1e-6)
    assert one.population.weights_for(profiles, drawn).shape == (4, 3)


def test_study_2_people_differ_more_than_classes_can_say(shared):
    # Five latent classes reach a BIC of 6598 (prototype fit); a common pull -3074 by the same method.
    data = choice_data(import_published("mcelfresh2021", shared("data/humans/study_2_indecisive.csv")))

    fit = fit_random_coefficients(data, MIN_DELTA, seed=1, draws=64)

    assert fit.n_respondents == 132
    assert fit.log_likelihood == pytest.approx(-2755.6, abs=1.5)
    assert fit.bic < 5590
    assert fit.common_log_likelihood == pytest.approx(-4128.027679, abs=1e-5)
    assert fit.positive_shares["dependents"].value == pytest.approx(0.887, abs=0.01)
    assert fit.spreads["indecision"].low < 2.02 < fit.spreads["indecision"].high


# --- refusals -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "options", "words"),
    [
        (Specification(model=Model.MAX_DELTA), {}, "several maxima"),
        (Specification(model=Model.MIN_DELTA, forced=True), {}, "forced answers"),
        (Specification(model=Model.CONDITIONAL_LOGIT), {"random_pull": True}, "no pull of indecision"),
        (
            Specification(model=Model.RAO_KUPPER, effects=EffectKind.ATTRIBUTES),
            {"random_pull": True},
            "must be above 0",
        ),
        (
            Specification(model=Model.MIN_DELTA, regularize=Regularize.ALWAYS),
            {},
            "prior answers are not added",
        ),
        (Specification(model=Model.DAVIDSON), {}, "too many"),
        (MIN_DELTA, {"draws": 33}, "even number of draws"),
        (MIN_DELTA, {"draws": 2}, "32 or more"),
    ],
)
def test_what_has_no_random_coefficients_is_refused(spec, options, words):
    data, _ = planted(20, 30, seed=14)
    with pytest.raises(EstimationError, match=words):
        fit_random_coefficients(data, spec, **options)


def test_answers_that_do_not_name_their_respondents_are_refused():
    data = counted(["a", "b", "c"], [0, 1, 2], [1, 2, 0], [[5, 3, 2], [4, 3, 2], [3, 4, 2]])
    with pytest.raises(EstimationError, match="name their respondents"):
        fit_random_coefficients(data, Specification(model=Model.DAVIDSON))


def test_answers_by_a_rule_without_exception_are_refused():
    data, _ = planted(20, 10, mean=np.array([-50.0, 0.0, 0.0]), spread=np.zeros(3), pull=-50.0, seed=15)
    with pytest.raises(Separated, match="no distribution of coefficients fits best"):
        fit_random_coefficients(data, Specification(model=Model.CONDITIONAL_LOGIT))


def test_people_who_each_follow_their_own_rule_without_exception_are_refused():
    data, _ = planted(
        40, 25, mean=np.zeros(3), spread=np.array([100.0, 2000.0, 5000.0]), offered=False, seed=16
    )
    with pytest.raises(DidNotConverge, match="rules without exception"):
        fit_random_coefficients(data, Specification(model=Model.CONDITIONAL_LOGIT), draws=64)
