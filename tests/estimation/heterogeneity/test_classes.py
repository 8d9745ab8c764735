"""Latent classes: the ordinary fit is one class, planted classes are found, published data fit as known."""

from __future__ import annotations

from dataclasses import replace
from math import exp, log

import numpy as np
import pytest

from estimation.dataset import LEFT, RIGHT, ChoiceData, Clustering, choice_data, counted, tally
from estimation.effects import EffectKind, Shape
from estimation.errors import EstimationError
from estimation.fitting import fit
from estimation.heterogeneity.class_search import class_objective, packed
from estimation.heterogeneity.classes import (
    LatentClasses,
    class_log_strengths,
    compare_classes,
    fit_classes,
    respondent_log_strengths,
)
from estimation.heterogeneity.mixing import respondents
from estimation.specification import Model, Specification
from survey.design import Profile
from survey.published_answers import import_published

MIN_DELTA = Specification(model=Model.MIN_DELTA)


@pytest.fixture(scope="module")
def two_kinds(planted_answers) -> ChoiceData:
    """Give 40 people who go by a, and 20 who go by b the other way and are often undecided."""
    coefficients = np.repeat([[2.0, 0.3], [0.2, -1.5]], [40, 20], axis=0)
    return planted_answers(coefficients, np.repeat([-1.0, 1.0], [40, 20]), n_answers=40, seed=5)


@pytest.fixture(scope="module")
def found(two_kinds) -> LatentClasses:
    return fit_classes(two_kinds, MIN_DELTA, 2, n_starts=4)


def slow_log_likelihood(data: ChoiceData, result: LatentClasses) -> float:
    """Sum over respondents and classes, answer by answer, as Davidson's formula has it."""
    assert data.by_cluster is not None
    total = 0.0
    for person in data.by_cluster.toarray().reshape(-1, len(data.left), 3):
        likelihood = 0.0
        for kind in result.classes:
            of_kind = log(kind.share.value)
            for k in np.flatnonzero(person.sum(axis=1)):
                u = [
                    sum(kind.weights.coefficients[n].value * data.profiles[i][n] for n in ("a", "b"))
                    for i in (data.left[k], data.right[k])
                ]
                parts = [exp((u[0] - u[1]) / 2), exp((u[1] - u[0]) / 2), exp(kind.others["indecision"].value)]
                of_kind += sum(n * log(p / sum(parts)) for n, p in zip(person[k], parts, strict=True) if n)
            likelihood += exp(of_kind)
        total += log(likelihood)
    return total


def test_one_class_is_the_ordinary_fit_with_its_intervals(two_kinds):
    one, ordinary = fit_classes(two_kinds, MIN_DELTA, 1), fit(two_kinds, Model.MIN_DELTA)

    assert one.log_likelihood == pytest.approx(ordinary.log_likelihood, abs=1e-9)
    assert one.bic == pytest.approx(ordinary.bic, abs=1e-9)
    np.testing.assert_allclose(one.values[0], ordinary.values, atol=1e-8)
    for name in ("a", "b"):
        mine, theirs = one.classes[0].weights.coefficients[name], ordinary.weights.coefficients[name]
        assert (mine.low, mine.high) == pytest.approx((theirs.low, theirs.high), abs=1e-5)
    assert one.classes[0].share.value == 1


def test_planted_classes_are_found_with_their_shares_and_members(found):
    first, second = found.classes

    assert first.share.low < 40 / 60 < first.share.high
    assert first.weights.coefficients["a"].low < 2.0 < first.weights.coefficients["a"].high
    assert second.weights.coefficients["b"].low < -1.5 < second.weights.coefficients["b"].high
    assert second.others["indecision"].low < 1.0 < second.others["indecision"].high
    assert (found.memberships.argmax(axis=1) == np.repeat([0, 1], [40, 20])).mean() > 0.97
    assert found.entropy > 0.9
    assert first.expected_members + second.expected_members == pytest.approx(60)
    np.testing.assert_allclose(found.memberships.mean(axis=0), found.shares, atol=1e-6)


def test_the_criterion_prefers_the_planted_number_of_classes(two_kinds):
    table = compare_classes(two_kinds, MIN_DELTA, most=3, n_starts=3)

    assert [f.n_classes for f in table.fits] == [1, 2, 3]
    assert table.best.n_classes == 2
    fitted = [f.log_likelihood for f in table.fits]
    assert fitted == sorted(fitted)
    assert [f.n_parameters for f in table.fits] == [3, 7, 11]


def test_the_log_likelihood_is_that_of_a_plain_slow_sum(two_kinds, found):
    assert found.log_likelihood == pytest.approx(slow_log_likelihood(two_kinds, found), abs=1e-7)


def test_slopes_are_those_of_small_differences(two_kinds):
    people = respondents(two_kinds, MIN_DELTA, prior_answers=2.0)
    objective = class_objective(people, 3)
    rng = np.random.default_rng(1)
    at = packed(people, rng.standard_normal((3, 3)), np.log([0.5, 0.3, 0.2]))

    slopes = objective(at)[1]

    for i, step in enumerate(1e-5 * np.eye(len(at))):
        difference = (objective(at + step)[0] - objective(at - step)[0]) / 2e-5
        assert slopes[i] == pytest.approx(difference, abs=1e-4)


def test_study_2_falls_into_classes_as_known(shared):
    """Reference: BIC 8276, 7635, 7144, 6748 with 1 to 4 classes, by an independent implementation."""
    data = choice_data(import_published("mcelfresh2021", shared("data/humans/study_2_indecisive.csv")))

    table = compare_classes(data, MIN_DELTA, most=4, n_starts=3)

    assert table.fits[0].bic == pytest.approx(8275.6, abs=0.05)
    for one, reference in zip(table.fits[1:], (7635, 7144, 6748), strict=True):
        assert one.bic < reference + 0.5
        assert one.bic > reference - 5


def test_shown_sides_do_not_matter(two_kinds, found):
    assert two_kinds.by_cluster is not None
    columns = (3 * np.arange(len(two_kinds.left))[:, None] + [RIGHT, LEFT, 2]).ravel()
    mirrored = replace(
        two_kinds,
        left=two_kinds.right,
        right=two_kinds.left,
        counts=two_kinds.counts[:, [1, 0, 2]],
        by_cluster=two_kinds.by_cluster[:, columns],
    )

    other = fit_classes(mirrored, MIN_DELTA, 2, n_starts=4)

    assert other.log_likelihood == pytest.approx(found.log_likelihood, abs=1e-6)
    np.testing.assert_allclose(other.values, found.values, atol=1e-5)


def test_the_same_seed_gives_the_same_bytes(two_kinds, found):
    again = fit_classes(two_kinds, MIN_DELTA, 2, n_starts=4)

    assert again.values.tobytes() == found.values.tobytes()
    assert again.memberships.tobytes() == found.memberships.tobytes()
    assert again.optima == found.optima


def test_a_class_that_never_contradicts_itself_stays_finite_and_the_result_says_why(planted_answers):
    coefficients = np.repeat([[1.0, 0.5], [60.0, 0.0]], [30, 15], axis=0)
    data = planted_answers(coefficients, np.repeat([0.0, -60.0], [30, 15]), n_answers=30, seed=2)

    result = fit_classes(data, MIN_DELTA, 2, n_starts=4)

    strict = result.classes[1]
    assert strict.share.value == pytest.approx(1 / 3, abs=0.05)
    assert 3 < strict.weights.coefficients["a"].value < 60
    assert -20 < strict.others["indecision"].value < -3
    assert np.isfinite(result.values).all()
    assert any("kept finite by prior answers of weight 1 in all" in note for note in result.notes)


@pytest.mark.parametrize("model", [Model.CONDITIONAL_LOGIT, Model.RAO_KUPPER])
def test_other_concave_models_split_the_same_people(two_kinds, model):
    spec = Specification(model=model, effects=EffectKind.ATTRIBUTES)

    result = fit_classes(two_kinds, spec, 2, n_starts=4)

    assert (result.memberships.argmax(axis=1) == np.repeat([0, 1], [40, 20])).mean() > 0.9
    assert result.residual < 1e-2


def test_classes_of_free_profiles_count_no_ghost_and_are_centred():
    rng = np.random.default_rng(3)
    strengths = np.repeat([[2.0, 0.0, -2.0], [-2.0, 0.0, 2.0]], [15, 15], axis=0)
    left, right = (
        np.tile([0, 0, 1, 1, 2, 2], (30, 5)),
        np.tile([1, 2, 0, 2, 0, 1], (30, 5)),
    )
    d = np.take_along_axis(strengths, left, 1) - np.take_along_axis(strengths, right, 1)
    base = counted(["x", "y", "z"], [0], [1], [[1, 1, 0]])
    data = tally(
        attributes=base.attributes,
        profiles=base.profiles,
        left=left.ravel(),
        right=right.ravel(),
        choice=np.where(rng.random(d.shape) < 1 / (1 + np.exp(-d)), LEFT, RIGHT).ravel(),
        offered=False,
        cluster=np.repeat(np.arange(30), 30),
        clustering=Clustering.RESPONDENT,
        cluster_names=tuple(f"p{i}" for i in range(30)),
    )

    result = fit_classes(data, Specification(model=Model.BRADLEY_TERRY), 2, n_starts=3)

    assert result.n_parameters == 2 * 2 + 1
    np.testing.assert_allclose(result.values.sum(axis=1), 0, atol=1e-9)
    assert {np.argmax(v) for v in result.values} == {0, 2}
    np.testing.assert_allclose(class_log_strengths(result, data.profiles), result.values, atol=1e-12)
    with pytest.raises(EstimationError, match="no log-strength of profile 'w'"):
        class_log_strengths(result, [Profile((("profile", "w"),), name="w")])


def test_a_respondents_log_strengths_are_the_classes_weighed_by_membership(two_kinds, found):
    profiles = two_kinds.profiles[:4]

    people, kinds = respondent_log_strengths(found, profiles), class_log_strengths(found, profiles)

    assert people.shape == (60, 4)
    np.testing.assert_allclose(people[7], found.memberships[7] @ kinds)
    u = [sum(found.classes[0].weights.coefficients[n].value * p[n] for n in "ab") for p in profiles]
    np.testing.assert_allclose(kinds[0], u - np.mean(u))


def test_respondents_whose_answers_the_model_leaves_out_are_not_among_its_people(two_kinds):
    assert two_kinds.by_cluster is not None
    table = two_kinds.by_cluster.toarray().reshape(60, -1, 3)
    table[4, :, 2] += table[4, :, :2].sum(axis=1)
    table[4, :, :2] = 0
    by_cluster = type(two_kinds.by_cluster)(table.reshape(60, -1))
    data = replace(two_kinds, by_cluster=by_cluster, counts=table.sum(axis=0))

    people = respondents(data, Specification(model=Model.CONDITIONAL_LOGIT), prior_answers=1.0)

    assert people.names == tuple(f"p{i}" for i in range(60) if i != 4)
    assert people.table.sum() == table[:, :, :2].sum()


def test_few_respondents_give_classes_without_intervals_and_say_so(planted_answers):
    data = planted_answers(np.repeat([[2.0, 0.3], [0.2, -1.5]], [4, 3], axis=0), 0.0, n_answers=40, seed=3)

    result = fit_classes(data, MIN_DELTA, 2, n_starts=2)

    assert result.classes[0].share.low is None
    assert result.classes[0].weights.coefficients["a"].low is None
    assert any("7 respondents are too few for intervals of 7 parameters" in note for note in result.notes)


def test_what_cannot_be_split_is_refused_with_the_way_out(two_kinds):
    with pytest.raises(EstimationError, match="61 classes of 60 respondents"):
        fit_classes(two_kinds, MIN_DELTA, 61)
    with pytest.raises(EstimationError, match="tell respondents apart with min-delta"):
        fit_classes(two_kinds, Specification(model=Model.MAX_DELTA), 2)
    with pytest.raises(EstimationError, match="leave monotone effects out"):
        fit_classes(two_kinds, replace(MIN_DELTA, shape=Shape(monotone=("a",))), 2)
    with pytest.raises(EstimationError, match="fill in 'respondent'"):
        fit_classes(replace(two_kinds, by_cluster=None, clustering=Clustering.ANSWER), MIN_DELTA, 2)
    names = [f"x{i}" for i in range(120)]
    base = counted(names, [0], [1], [[1, 1, 0]])
    chain = np.arange(119)
    wide = tally(
        attributes=base.attributes,
        profiles=base.profiles,
        left=np.tile(chain, 2),
        right=np.tile(chain + 1, 2),
        choice=np.repeat([LEFT, RIGHT], 119),
        offered=False,
        cluster=np.repeat([0, 1], 119),
        clustering=Clustering.RESPONDENT,
        cluster_names=("p0", "p1"),
    )
    with pytest.raises(EstimationError, match=r"120 parameters are too many .* Fit attributes"):
        fit_classes(wide, Specification(model=Model.BRADLEY_TERRY), 2)
    with pytest.raises(EstimationError, match="give more than 0"):
        fit_classes(two_kinds, MIN_DELTA, 2, prior_answers=0.0)
