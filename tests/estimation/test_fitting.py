from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from estimation.dataset import ChoiceData, choice_data, counted
from estimation.effects import EffectKind, Shape
from estimation.errors import EstimationError, NotConnected, NotIdentified, Separated
from estimation.fitting import fit
from estimation.results import Outcome
from estimation.specification import Model, Regularize, Specification
from estimation.uncertainty import Intervals
from survey.answers import Choice
from survey.published_answers import import_published, import_study_1_counts


def regularized(model, prior_answers):
    if prior_answers is None:
        return Specification(model=model)
    return Specification(model=model, regularize=Regularize.ALWAYS, prior_answers=prior_answers)


@pytest.fixture(scope="module")
def study_2(shared):
    return import_published("mcelfresh2021", shared("data/humans/study_2_indecisive.csv"))


@pytest.fixture(scope="module")
def study_2_strict(shared):
    return import_published("mcelfresh2021", shared("data/humans/study_2_strict.csv"))


def coefficients(fit):
    return {name: e.value for name, e in fit.weights.coefficients.items()}


def test_the_bootstrap_by_person_agrees_with_the_sandwich(study_2):
    data = choice_data(study_2)
    plain, booted = (
        fit(data, Model.MIN_DELTA),
        fit(data, Model.MIN_DELTA, intervals=Intervals(bootstrap=100, seed=3)),
    )

    for name, e in plain.weights.coefficients.items():
        b = booted.weights.coefficients[name]
        assert b.value == e.value
        assert (b.high - b.low) == pytest.approx(e.high - e.low, rel=0.3)


def test_the_same_seed_gives_the_same_intervals():
    data = choice_data(import_study_1_counts(), arm="with-coin")

    one, other = (
        fit(data, Model.MIN_DELTA, intervals=Intervals(bootstrap=40, seed=5)).weights for _ in range(2)
    )
    assert one == other
    assert one != fit(data, Model.MIN_DELTA, intervals=Intervals(bootstrap=40, seed=6)).weights


def test_the_likelihood_is_that_of_a_plain_slow_loop():
    data = choice_data(import_study_1_counts(), arm="with-coin")
    fitted = fit(data, Model.MIN_DELTA)
    total = 0.0
    for answer in import_study_1_counts().answers:
        if answer.arm != "with-coin":
            continue
        left, right = (np.log(fitted.weights.weight(p)) for p in (answer.left, answer.right))
        scores = {
            Choice.LEFT: (left - right) / 2,
            Choice.RIGHT: (right - left) / 2,
            Choice.INDECISION: fitted.indecision.value,
        }
        total += scores[answer.choice] - np.log(sum(np.exp(s) for s in scores.values()))

    assert fitted.log_likelihood == pytest.approx(total, abs=1e-8)


def test_study_1_is_fitted_by_attributes_although_its_profiles_are_not_connected():
    fitted = fit(choice_data(import_study_1_counts(), arm="no-coin"), Model.CONDITIONAL_LOGIT)

    got = coefficients(fitted)
    assert got["age"] < 0 < got["dependents"]
    assert got["drinking=heavy"] < 0
    assert any("does not say who" in note for note in fitted.notes)


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
        fit(choice_data(youngest), Specification(model=Model.CONDITIONAL_LOGIT, regularize=Regularize.NEVER))
    assert "age" in caught.value.involved

    fitted = fit(choice_data(youngest), Model.CONDITIONAL_LOGIT)
    assert coefficients(fitted)["age"] < -0.1
    assert fitted.gate.outcome is Outcome.REGULARIZED
    assert fitted.prior_answers == 3
    assert "3 prior answers" in fitted.notes[0]


def test_an_attribute_that_never_differs_is_refused_by_name(study_2_strict):
    same_drinks = replace(
        study_2_strict,
        answers=[a for a in study_2_strict.answers if a.left["drinks"] == a.right["drinks"]],
    )

    with pytest.raises(NotIdentified) as caught:
        fit(choice_data(same_drinks), Model.CONDITIONAL_LOGIT)
    assert caught.value.involved == ("drinks",)


def test_min_delta_without_any_offer_of_indecision_says_what_to_use_instead(study_2_strict):
    with pytest.raises(EstimationError, match="conditional-logit"):
        fit(choice_data(study_2_strict), Model.MIN_DELTA)


def test_min_delta_where_nobody_ever_chose_indecision_is_separated_in_lambda(study_2):
    decided = replace(study_2, answers=[a for a in study_2.answers if a.choice is not Choice.INDECISION])

    with pytest.raises(Separated) as caught:
        fit(choice_data(decided), Specification(model=Model.MIN_DELTA, regularize=Regularize.NEVER))
    assert caught.value.involved == ("indecision",)


def test_an_unknown_arm_is_refused_with_the_arms_there_are():
    with pytest.raises(EstimationError, match="no-coin, with-coin"):
        choice_data(import_study_1_counts(), arm="coin")


def test_respondents_without_a_decided_answer_do_not_count_as_clusters(study_2):
    first = next(iter(study_2.answers)).respondent
    undecided = replace(
        study_2,
        answers=[
            replace(a, choice=Choice.INDECISION) if a.respondent == first else a for a in study_2.answers
        ],
    )

    data = choice_data(undecided)
    assert fit(data, Model.CONDITIONAL_LOGIT).n_clusters == data.n_clusters - 1
    assert fit(data, Model.MIN_DELTA).n_clusters == data.n_clusters


@pytest.mark.parametrize("prior_answers", [None, 3])
def test_only_indecision_leaves_a_model_of_decided_answers_nothing(study_2, prior_answers):
    coins = replace(study_2, answers=[a for a in study_2.answers if a.choice is Choice.INDECISION])

    with pytest.raises(EstimationError, match="min-delta"):
        fit(choice_data(coins), regularized(Model.CONDITIONAL_LOGIT, prior_answers))


def test_an_indecision_that_was_not_on_offer_is_refused(study_2):
    wrong = replace(study_2, answers=[replace(a, indecision_offered=False) for a in study_2.answers])

    with pytest.raises(EstimationError, match="894 answers are indecision although"):
        choice_data(wrong)


def test_arms_that_are_fitted_together_are_named():
    assert any("no-coin, with-coin" in note for note in choice_data(import_study_1_counts()).notes)


def test_as_few_clusters_as_parameters_are_called_too_few(study_2):
    few = sorted({a.respondent for a in study_2.answers})[:3]
    data = choice_data(replace(study_2, answers=[a for a in study_2.answers if a.respondent in few]))

    assert any("3 clusters are too few for 4 parameters" in n for n in fit(data, Model.MIN_DELTA).notes)


def test_too_few_bootstraps_for_an_interval_are_refused(study_2):
    with pytest.raises(EstimationError, match="40 or more"):
        fit(choice_data(study_2), Model.MIN_DELTA, intervals=Intervals(bootstrap=5))


@pytest.mark.parametrize("prior_answers", [-1, 0, float("nan"), float("inf")])
def test_a_weight_of_prior_answers_that_is_no_number_of_answers_is_refused(study_2, prior_answers):
    with pytest.raises(EstimationError, match="prior answers"):
        fit(choice_data(study_2), regularized(Model.MIN_DELTA, prior_answers))


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
        fit(choice_data(s, arm="with-coin"), regularized(Model.MIN_DELTA, 30)).weights
        for s in (answer_set, swapped, turned)
    )

    for profile in {a.left for a in answer_set.answers}:
        for other in others:
            assert other.weight(profile) == pytest.approx(plain.weight(profile), rel=1e-6)


# --- properties: what theory says must happen, to every model --------------------------------------------

PROFILE_MODELS = [Model.BRADLEY_TERRY, Model.DAVIDSON, Model.RAO_KUPPER, Model.MIN_U]
PAIRS = ([0, 0, 1, 0, 1, 2], [1, 2, 2, 3, 3, 3])
COUNTS = np.array([[7, 3, 2], [8, 2, 1], [6, 4, 5], [9, 1, 2], [7, 3, 3], [6, 5, 4]], dtype=float)


def of_profiles(data: ChoiceData, model: Model, **choices):
    return fit(data, Specification(model=model, effects=EffectKind.PROFILES, **choices))


def strengths(fitted):
    return dict(zip(fitted.names[:4], fitted.values[:4], strict=True))


@pytest.mark.parametrize("model", PROFILE_MODELS)
def test_swapping_the_sides_changes_nothing_but_the_sign_of_an_order_effect(model):
    plain = of_profiles(counted("abcd", *PAIRS, COUNTS), model, order_effect=True)
    swapped = of_profiles(counted("abcd", PAIRS[1], PAIRS[0], COUNTS[:, [1, 0, 2]]), model, order_effect=True)

    assert swapped.values[:4] == pytest.approx(plain.values[:4], abs=1e-8)
    assert swapped.others["shown first"].value == pytest.approx(-plain.others["shown first"].value, abs=1e-8)
    assert swapped.log_likelihood == pytest.approx(plain.log_likelihood, abs=1e-8)


@pytest.mark.parametrize("model", PROFILE_MODELS)
def test_other_names_and_another_order_of_profiles_change_nothing_but_names_and_order(model):
    new = [2, 0, 3, 1]
    plain = of_profiles(counted("abcd", *PAIRS, COUNTS), model)
    turned = of_profiles(counted("bdac", *(np.array(new)[side] for side in PAIRS), COUNTS), model)

    assert strengths(turned) == pytest.approx(strengths(plain), abs=1e-8)


@pytest.mark.parametrize("model", PROFILE_MODELS)
def test_doubling_the_answers_keeps_estimates_and_halves_variances(model):
    once, twice = (of_profiles(counted("abcd", *PAIRS, k * COUNTS), model) for k in (1, 2))

    assert twice.values == pytest.approx(once.values, abs=1e-8)
    assert twice.log_likelihood == pytest.approx(2 * once.log_likelihood, abs=1e-7)
    # Every answer is its own cluster here; G / (G - 1) differs a little.
    assert np.diag(twice.covariance) == pytest.approx(np.diag(once.covariance) / 2, rel=0.02)


@pytest.mark.parametrize("model", [Model.BRADLEY_TERRY, Model.DAVIDSON, Model.RAO_KUPPER])
def test_reversing_all_winners_negates_log_strengths_and_keeps_the_pull(model):
    plain = of_profiles(counted("abcd", *PAIRS, COUNTS), model)
    lost = of_profiles(counted("abcd", *PAIRS, COUNTS[:, [1, 0, 2]]), model)

    assert lost.values[:4] == pytest.approx(-plain.values[:4], abs=1e-8)
    assert lost.values[4:] == pytest.approx(plain.values[4:], abs=1e-8)


@pytest.mark.parametrize("model", [Model.DAVIDSON, Model.RAO_KUPPER])
def test_a_profile_joined_to_one_other_moves_the_others_only_through_the_common_pull(model):
    # With the pull's share of indecision alike, the added pair says nothing of the others' contrasts; Bradley-Terry
    # has no pull and must not move at all.
    longer = ([*PAIRS[0], 3], [*PAIRS[1], 4])
    more = np.vstack([COUNTS, [5, 4, 2]])
    plain = of_profiles(counted("abcd", *PAIRS, COUNTS), Model.BRADLEY_TERRY)
    larger = of_profiles(counted("abcde", *longer, more), Model.BRADLEY_TERRY)
    assert np.diff(larger.values[:4]) == pytest.approx(np.diff(plain.values[:4]), abs=1e-8)

    moved = np.diff(of_profiles(counted("abcde", *longer, more), model).values[:4])
    assert moved == pytest.approx(
        np.diff(of_profiles(counted("abcd", *PAIRS, COUNTS), model).values[:4]), abs=0.02
    )


def test_log_strengths_sum_to_zero_in_every_draw():
    fitted = of_profiles(counted("abcd", *PAIRS, COUNTS), Model.DAVIDSON)

    assert fitted.draws.shape == (1000, 5)
    assert fitted.draws[:, :4].sum(axis=1) == pytest.approx(np.zeros(1000), abs=1e-9)
    assert np.cov(fitted.draws.T)[:4, :4] == pytest.approx(fitted.covariance[:4, :4], abs=0.03)


# --- the gate -----------------------------------------------------------------------------------------------


def test_study_1_is_refused_for_free_profiles_of_any_model_and_named_by_its_two_islands():
    data = choice_data(import_study_1_counts(), arm="with-coin")
    for model in PROFILE_MODELS:
        for regularize in (Regularize.IF_NEEDED, Regularize.NEVER):
            with pytest.raises(NotConnected, match="attribute model") as caught:
                of_profiles(data, model, regularize=regularize)
            assert sorted(map(len, caught.value.islands)) == [4, 10]


def test_ties_do_not_stand_for_wins_but_they_do_join_profiles_for_davidson():
    # b beat c always, with ties: difference and nu run away together. With one win of c they do not.
    never = counted("bc", [0], [1], [[5, 0, 3]])
    once = counted("bc", [0], [1], [[5, 1, 3]])
    with pytest.raises(Separated):
        of_profiles(never, Model.DAVIDSON, regularize=Regularize.NEVER)
    assert of_profiles(never, Model.DAVIDSON).gate.outcome is Outcome.REGULARIZED
    assert of_profiles(once, Model.DAVIDSON).gate.outcome is Outcome.FINE
    # Joined by ties only: Bradley-Terry has nothing to go by, Davidson takes them for equals.
    ties_only = counted("abcd", [0, 2, 1], [1, 3, 2], [[5, 4, 2], [3, 5, 1], [0, 0, 6]])
    with pytest.raises(NotConnected):
        of_profiles(ties_only, Model.BRADLEY_TERRY)
    joined = of_profiles(ties_only, Model.DAVIDSON)
    assert strengths(joined)["b"] == pytest.approx(strengths(joined)["c"], abs=1e-7)


def test_the_gate_names_pairs_never_asked():
    graph = of_profiles(
        counted("abcd", [0, 1, 2], [1, 2, 3], [[3, 2, 0]] * 3), Model.BRADLEY_TERRY
    ).gate.graph

    assert graph.n_pairs_asked == 3
    assert set(graph.pairs_never_asked) == {("a", "c"), ("a", "d"), ("b", "d")}


def test_without_any_indecision_its_pull_is_refused_and_kept_finite_by_prior_answers_if_allowed():
    data = counted("abc", [0, 1, 0], [1, 2, 2], [[5, 4, 0], [5, 3, 0], [4, 4, 0]], indecision_offered=True)
    for model in (Model.DAVIDSON, Model.RAO_KUPPER):
        with pytest.raises(Separated, match="no answer is an indecision"):
            of_profiles(data, model, regularize=Regularize.NEVER)


# --- effects of attributes ----------------------------------------------------------------------------------


def test_an_interaction_step_and_monotone_effect_find_their_coefficients(study_2):
    data = choice_data(study_2)

    def coefficient(shape):
        return fit(data, Specification(model=Model.MIN_DELTA, shape=shape))

    plain = fit(data, Model.MIN_DELTA)
    crossed = coefficient(Shape(interactions=(("age", "drinks"),)))
    stepped = coefficient(Shape(stepped={"age": (40, 55)}))
    monotone = coefficient(Shape(monotone=("age",)))

    assert crossed.log_likelihood >= plain.log_likelihood
    assert crossed.n_parameters == plain.n_parameters + 1
    assert set(coefficients(stepped)) == {"age>=40", "age>=55", "drinks", "dependents"}
    steps = [v for n, v in coefficients(monotone).items() if n.startswith("age>=")]
    assert len(steps) == 12
    assert all(v <= 0 for v in steps)
    assert "age>=40" in monotone.checks.at_bound
    assert monotone.n_parameters == 12 - len(monotone.checks.at_bound) + 3


def test_effects_of_two_groups_are_those_of_the_groups_fitted_apart(study_2):
    first = sorted({a.respondent for a in study_2.answers})[:60]
    whole = choice_data(study_2, group_of=lambda a: "one" if a.respondent in first else "two")
    both = fit(whole, Specification(model=Model.CONDITIONAL_LOGIT, effects_by_group=True))
    apart = [
        fit(
            choice_data(
                replace(study_2, answers=[a for a in study_2.answers if (a.respondent in first) == one])
            ),
            Model.CONDITIONAL_LOGIT,
        )
        for one in (True, False)
    ]

    assert both.log_likelihood == pytest.approx(sum(f.log_likelihood for f in apart), abs=1e-7)
    order = whole.groups
    by_group = dict(zip(("one", "two"), apart, strict=True))
    later, earlier = by_group[order[1]], by_group[order[0]]
    for term in ("age", "drinks", "dependents"):
        gap = both.others[f"{term} in {order[1]} against {order[0]}"].value
        assert gap == pytest.approx(coefficients(later)[term] - coefficients(earlier)[term], abs=1e-8)


def test_each_group_has_its_own_pull_of_indecision(study_2):
    undecided = {a.respondent for a in study_2.answers if a.choice is Choice.INDECISION}
    data = choice_data(study_2, group_of=lambda a: "sometimes" if a.respondent in undecided else "never")
    apart = fit(data, Specification(model=Model.MIN_DELTA, pull_by_group=True))

    assert apart.gate.outcome is Outcome.REGULARIZED
    assert apart.others["indecision in never"].value < apart.others["indecision in sometimes"].value - 1


# --- what does not go together ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("choices", "complaint"),
    [
        ({"model": Model.DAVIDSON, "half_wins": True}, "half wins"),
        ({"model": Model.BRADLEY_TERRY, "by_distance": True}, "no pull"),
        ({"model": Model.BRADLEY_TERRY, "effects_by_group": True}, "free profiles"),
        ({"model": Model.BRADLEY_TERRY, "shape": Shape(monotone=("age",))}, "free profiles"),
        ({"model": Model.MIXTURE}, "two or more components"),
        ({"model": Model.MIN_DELTA, "components": (Model.DOM,)}, "only a mixture"),
        ({"model": Model.MAX_U, "shape": Shape(monotone=("age",))}, "single maximum"),
        ({"model": Model.MIN_DELTA, "shape": Shape(monotone=("height",))}, "no attribute 'height'"),
        ({"model": Model.MIN_DELTA, "shape": Shape(stepped={"age": (10,)})}, "cannot step at 10"),
        ({"model": Model.MIN_DELTA, "shape": Shape(interactions=(("age", "age"),))}, "with itself"),
        ({"model": Model.DOM, "effects": EffectKind.PROFILES}, "made of attributes"),
    ],
)
def test_choices_that_do_not_go_together_are_refused_in_words(study_2, choices, complaint):
    with pytest.raises(EstimationError, match=complaint):
        fit(choice_data(study_2), Specification(**choices))


@pytest.mark.parametrize("model", [Model.MIN_U, Model.MAX_U, Model.DAVIDSON])
def test_the_pull_belongs_to_the_reported_strengths_whichever_profile_comes_first(model):
    # A rule against utilities has an origin in common with its pull; centring one must move the other.
    plain = of_profiles(counted("abcd", *PAIRS, COUNTS), model, n_starts=12)
    new = [2, 0, 3, 1]
    turned = of_profiles(
        counted("bdac", *(np.array(new)[side] for side in PAIRS), COUNTS), model, n_starts=12
    )

    assert turned.log_likelihood == pytest.approx(plain.log_likelihood, abs=1e-6)
    tolerance = 1e-3 if model is Model.MAX_U else 1e-8  # Its likelihood has kinks.
    assert strengths(turned) == pytest.approx(strengths(plain), abs=tolerance)
    assert turned.indecision.value == pytest.approx(plain.indecision.value, abs=tolerance)


def test_each_group_has_its_own_order_effect(study_2):
    data = choice_data(
        study_2, group_of=lambda a: "even" if int(a.respondent.rpartition("-")[2]) % 2 == 0 else "odd"
    )
    apart = fit(data, Specification(model=Model.MIN_DELTA, order_by_group=True, pull_by_group=True))
    common = fit(data, Specification(model=Model.MIN_DELTA, order_effect=True, pull_by_group=True))

    assert {"shown first in even", "shown first in odd"} <= set(apart.others)
    assert apart.n_parameters == common.n_parameters + 1
    assert apart.log_likelihood >= common.log_likelihood
