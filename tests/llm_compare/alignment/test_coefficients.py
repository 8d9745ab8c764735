from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from scipy.optimize import minimize

from estimation.errors import Separated
from llm_compare.alignment.choices import INDECISION, Choices, Pairing, choices_of
from llm_compare.alignment.coefficients import coefficients
from llm_compare.alignment.group_tests import OWN_EFFECTS, OWN_HABITS, OWN_SCALE, group_tests
from llm_compare.alignment.logit import model_of, separated, side_logit
from llm_compare.alignment.ranks import largest_move, rank_numbers
from llm_compare.alignment.resampling import Resampling
from survey.design import CategoricalAttribute, Comparison, Level, NumericAttribute, Profile, make_profile
from survey.published_answers import import_published
from survey.wording import value_words

AGE = NumericAttribute(name="age", label="Age", minimum=20, maximum=80, words="{value} years old")
DRINKING = CategoricalAttribute(
    name="drinking",
    label="Drinking",
    levels=tuple(Level(name=n, words=f"{n} drinks") for n in ("no", "some", "many")),
)
ATTRIBUTES = (AGE, DRINKING)
PROFILES = tuple(
    make_profile(ATTRIBUTES, {"age": a, "drinking": d})
    for a, d in product((20, 40, 60, 80), ("no", "some", "many"))
)
BETA = (-2.0, -0.5, -1.0)
"""Log-strengths over the whole range of age, of some and of many drinks."""
QUICK = Resampling(n_draws=100, seed=1)


def differences(comparisons) -> np.ndarray:
    def row(p: Profile) -> list[float]:
        return [(p["age"] - 20) / 60, p["drinking"] == "some", p["drinking"] == "many"]

    return np.array([np.subtract(row(c.first), np.array(row(c.second), float)) for c in comparisons], float)


def comparisons_of(n: int, seed: int) -> tuple[Comparison, ...]:
    rng = np.random.default_rng(seed)
    found = {Comparison.of(*(PROFILES[i] for i in rng.choice(12, 2, replace=False))) for _ in range(8 * n)}
    ordered = sorted(found, key=lambda c: (c.first.id, c.second.id))
    return tuple(ordered[i] for i in rng.permutation(len(ordered))[:n])


def side_of(
    label: str,
    comparisons: tuple[Comparison, ...],
    rng: np.random.Generator,
    *,
    beta: tuple[float, ...] = BETA,
    n: int,
    pull: float | None = -1.0,
    position: float = 0.0,
    spread: float = 0.0,
    each: int | None = None,
) -> Choices:
    """Draw choices by min-delta; ``spread`` is how much respondents' coefficients differ."""
    x = differences(comparisons)
    comparison, respondent, choice, first_left = [], [], [], []
    for r in range(n):
        own = np.array(beta) + spread * rng.standard_normal(3)
        for i in rng.permutation(len(comparisons))[: each or len(comparisons)]:
            left = bool(rng.integers(2))
            d = x[i] @ own + (position if left else -position)
            p = np.exp([d / 2, -d / 2, -np.inf if pull is None else pull])
            comparison.append(i)
            respondent.append(r)
            choice.append(rng.choice(3, p=p / p.sum()))
            first_left.append(left)
    return Choices(
        label=label,
        comparisons=comparisons,
        comparison=np.array(comparison),
        respondent=np.array(respondent),
        respondents=tuple(f"{label} {i}" for i in range(n)),
        choice=np.eye(3)[choice],
        first_left=np.array(first_left),
        offered=np.full(len(choice), pull is not None),
        repeat=np.ones(len(choice), dtype=np.intp),
    )


def planted(seed: int = 4, **of_model) -> Pairing:
    rng = np.random.default_rng(seed)
    comparisons = comparisons_of(50, seed)
    return Pairing(
        attributes=ATTRIBUTES,
        people=side_of("people", comparisons, rng, n=50, each=20, spread=0.5),
        model=side_of("model", comparisons, rng, **{"n": 8, **of_model}),
    )


def deterministic(pairing: Pairing) -> Pairing:
    """The model always takes the younger, then the one who drinks less."""
    order = np.sign(differences(pairing.comparisons) @ [-100.0, -1.0, -2.0])
    column = np.where(order[pairing.model.comparison] > 0, 0, 1)
    return replace(pairing, model=replace(pairing.model, choice=np.eye(3)[column]))


def near(measured, truth: float) -> bool:
    return abs(measured.value - truth) < 4 * measured.se


def test_planted_coefficients_scale_position_and_pull_come_out():
    pairing = planted(beta=(-0.5, -1.0, -3.0), pull=-2.5, position=0.8, n=25)
    found = coefficients(pairing, QUICK, profiles=PROFILES)

    assert found.estimator == "min-delta"
    assert not found.regularized
    assert not found.reason
    truth = {
        "age": (-2 / 3, -0.5 / 3.5),
        "drinking=some": (-0.5 / 3, -1 / 3.5),
        "drinking=many": (-1 / 3, -3 / 3.5),
    }
    for c in found.coefficients:
        assert near(c.normalized.people, truth[c.name][0])
        assert near(c.normalized.model, truth[c.name][1])
    assert near(found.scale.people, 3.0)
    assert near(found.scale.model, 3.5)
    assert near(found.position.people, 0.0)
    assert near(found.position.model, 0.8)
    assert near(found.pull.people, -1.0)
    assert near(found.pull.model, -2.5)
    drinking = next(a for a in found.attributes if a.attribute == "drinking")
    assert near(drinking.share.model, 3 / 3.5)
    assert drinking.share.difference.low > 0
    assert found.coefficients[0].contrast == "'80 years old' rather than '20 years old'"


def test_shares_of_attributes_sum_to_1_and_a_scaled_model_has_peoples_shares():
    pairing = planted(beta=tuple(2.5 * b for b in BETA), n=20)
    found = coefficients(pairing, QUICK, profiles=PROFILES)

    for name in ("people", "model"):
        assert sum(getattr(a.share, name).value for a in found.attributes) == pytest.approx(1)
    assert all(near(a.share.difference, 0.0) for a in found.attributes)
    assert found.scale.difference.low > 0
    assert found.ranks.kendall.value > 0.8


def test_the_estimate_is_the_maximum_of_a_likelihood_written_out_by_hand():
    pairing = planted()
    own = side_logit(pairing.model, ATTRIBUTES, model_of(pairing), regularize=False)
    x = differences(pairing.comparisons)[pairing.model.comparison]
    sign = np.where(pairing.model.first_left, 1.0, -1.0)

    def loss(parameters):
        d = x @ parameters[:3] + sign * parameters[3]
        scores = np.column_stack([d / 2, -d / 2, np.full(len(d), parameters[4])])
        chosen = (scores * pairing.model.choice).sum(axis=1)
        return -(chosen - np.log(np.exp(scores).sum(axis=1))).sum()

    slow = minimize(loss, np.zeros(5), method="BFGS").x
    assert own.values * [60, 1, 1, 1, 1] == pytest.approx(slow, abs=1e-4)


def test_one_newton_step_is_close_to_a_refit_and_no_step_changes_nothing():
    pairing = planted()
    own = side_logit(pairing.people, ATTRIBUTES, model_of(pairing), regularize=False)
    assert own.at(np.ones(pairing.people.n_answers)) == pytest.approx(own.values)

    kept = pairing.people.respondent != 3
    refit = side_logit(pairing.people.only(kept), ATTRIBUTES, model_of(pairing), regularize=False)
    # How far one person moves the estimate, by the step and by a refit.
    step = own.at(kept.astype(float)) - own.values
    assert step == pytest.approx(refit.values - own.values, abs=0.1 * np.abs(refit.values - own.values).max())


def test_a_model_that_follows_a_rule_without_exception_is_reported_and_both_sides_are_made_alike():
    pairing = deterministic(planted())
    found = coefficients(pairing, QUICK, profiles=PROFILES)

    assert separated([pairing], ATTRIBUTES) == ("model",)
    with pytest.raises(Separated):
        side_logit(pairing.model, ATTRIBUTES, model_of(pairing), regularize=False)
    assert found.regularized.startswith("model follows a rule without exception")
    assert found.scale.model.value > 3 * found.scale.people.value
    age = next(a for a in found.attributes if a.attribute == "age")
    assert age.share.model.value > age.share.people.value
    assert np.isfinite(found.pull.model.value)


def test_to_ask_a_rule_more_often_does_not_make_it_more_decisive():
    pairing = deterministic(planted())
    model = pairing.model
    thrice = replace(
        model,
        **{
            name: np.concatenate([getattr(model, name)] * 3)
            for name in ("comparison", "respondent", "choice", "first_left", "offered", "repeat")
        },
    )
    once, often = (
        coefficients(replace(pairing, model=m), Resampling(n_draws=10), profiles=PROFILES)
        for m in (model, thrice)
    )
    assert often.scale.model.value == pytest.approx(once.scale.model.value)
    assert often.pull.model.value == pytest.approx(once.pull.model.value)


@pytest.mark.parametrize("regularize", [None, True])
def test_exchanged_names_and_everybody_twice_change_no_value(regularize):
    pairing = planted()
    people = pairing.people
    turned = {
        name: replace(
            side,
            comparisons=tuple(Comparison(c.second, c.first) for c in pairing.comparisons),
            choice=side.choice[:, [1, 0, 2]],
            first_left=~side.first_left,
        )
        for name, side in (("people", people), ("model", pairing.model))
    }
    twice = replace(
        people,
        **{
            name: np.concatenate([getattr(people, name)] * 2)
            for name in ("comparison", "choice", "first_left", "offered", "repeat")
        },
        respondent=np.concatenate([people.respondent, people.respondent + people.n_respondents]),
        respondents=people.respondents + tuple(f"{r} again" for r in people.respondents),
    )
    one, two, three = (
        coefficients(p, Resampling(n_draws=5), profiles=PROFILES, regularize=regularize)
        for p in (pairing, replace(pairing, **turned), replace(pairing, people=twice))
    )

    def values(found):
        own = [c.normalized for c in found.coefficients] + [found.scale, found.position, found.pull]
        return [m.value for both in own for m in (both.people, both.model, both.difference)]

    assert values(two) == pytest.approx(values(one), abs=1e-9)
    assert values(three) == pytest.approx(values(one), abs=1e-9)
    assert [t.statistic for t in two.tests.tests] == pytest.approx(
        [t.statistic for t in one.tests.tests], abs=1e-6
    )


def test_without_indecision_on_offer_the_decided_answers_are_compared():
    pairing = planted(pull=None)
    found = coefficients(pairing, QUICK, profiles=PROFILES)

    assert found.estimator == "conditional-logit"
    assert found.pull is None
    assert [t.adds for t in found.tests.tests] == ["own scale", "own position bias", "own attribute effects"]


def test_an_attribute_that_never_differs_is_left_out_with_the_reason():
    pairing = planted()
    same = NumericAttribute(name="health", label="Health", minimum=0, maximum=1)
    comparisons = tuple(
        Comparison(*(Profile((*p.values, ("health", 1))) for p in (c.first, c.second)))
        for c in pairing.comparisons
    )
    other = Pairing(
        attributes=(*ATTRIBUTES, same),
        people=replace(pairing.people, comparisons=comparisons),
        model=replace(pairing.model, comparisons=comparisons),
    )
    found = coefficients(other, QUICK, profiles=())

    assert [(x.attribute, "differ in it" in x.reason) for x in found.left_out] == [("health", True)]
    plain = coefficients(pairing, QUICK, profiles=())
    assert found.scale.model.value == pytest.approx(plain.scale.model.value)


def test_a_model_that_is_always_undecided_comes_without_a_crash():
    pairing = planted()
    column = np.full(pairing.model.n_answers, INDECISION)
    found = coefficients(
        replace(pairing, model=replace(pairing.model, choice=np.eye(3)[column])), QUICK, profiles=PROFILES
    )

    assert found.regularized
    assert found.pull.model.value > 3
    assert found.tests.tests or found.tests.reason


@pytest.mark.parametrize(
    ("of_model", "significant"),
    [
        ({}, set()),
        ({"beta": (-4.0, -1.0, -2.0)}, {OWN_SCALE}),
        ({"pull": -2.5, "position": 0.7}, {OWN_HABITS}),
        ({"beta": (-0.2, -1.0, -2.5)}, {OWN_EFFECTS}),
    ],
)
def test_nested_tests_find_what_the_model_has_of_its_own(of_model, significant):
    found = group_tests(planted(seed=6, n=15, **of_model))

    by_name = {t.adds: t for t in found.tests}
    assert list(by_name) == [OWN_SCALE, OWN_HABITS, OWN_EFFECTS]
    assert [by_name[name].df for name in by_name] == [1, 2, 2]
    for name, test in by_name.items():
        if name in significant:
            assert test.p < 0.01
        elif OWN_EFFECTS not in significant or name == OWN_HABITS:
            # Where effects differ in proportion, the best common proportion has a scale of its own, too.
            assert test.p > 0.01
    assert ("no proof of likeness" in found.sentence) == (not significant)
    if significant == {OWN_SCALE}:
        assert found.scale_ratio == pytest.approx(2, abs=0.6)


def test_the_step_to_own_effects_is_the_difference_from_two_separate_fits():
    # Oracle: people and model fitted apart reach the largest model's log-likelihood, a pooled fit the smallest's.
    pairing = planted(beta=(-0.2, -1.0, -2.5))

    def best(sides) -> float:
        def loss(parameters):
            total = 0.0
            for side in sides:
                x = differences(pairing.comparisons)[side.comparison]
                d = x @ parameters[:3] + np.where(side.first_left, 1.0, -1.0) * parameters[3]
                scores = np.column_stack([d / 2, -d / 2, np.full(len(d), parameters[4])])
                total -= ((scores * side.choice).sum(axis=1) - np.log(np.exp(scores).sum(axis=1))).sum()
            return total

        return -minimize(loss, np.zeros(5), method="BFGS").fun

    people, model = pairing.people, pairing.model
    expected = 2 * (best([people]) + best([model]) - best([people, model]))
    assert sum(t.statistic for t in group_tests(pairing).tests) == pytest.approx(expected, rel=1e-4)


def in_a_mood(pairing: Pairing, rng: np.random.Generator) -> Choices:
    """Let one respondent answer every comparison again and again, each in a mood of its own that averages out."""
    asked = pairing.model
    d = differences(pairing.comparisons) @ BETA + 1.2 * rng.standard_normal(len(pairing.comparisons))
    p = np.exp(np.column_stack([d / 2, -d / 2, np.full(len(d), -1.0)]))
    reach = np.cumsum(p / p.sum(axis=1, keepdims=True), axis=1)[asked.comparison]
    column = np.minimum((rng.random((asked.n_answers, 1)) > reach).sum(axis=1), 2)
    return replace(
        asked,
        choice=np.eye(3)[column],
        respondent=np.zeros(asked.n_answers, dtype=np.intp),
        respondents=("model",),
    )


def test_repeats_of_a_model_like_people_do_not_make_it_differ():
    # People differ among themselves, the model's repeats are alike: answers taken as independent find a difference
    # of effects in a quarter of the studies where there is none, tests by cluster in about one of twenty.
    by_cluster, independent = [], []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        comparisons = comparisons_of(40, seed)
        people = side_of("people", comparisons, rng, n=30, each=25, spread=0.8)
        asked = Pairing(attributes=ATTRIBUTES, people=people, model=side_of("model", comparisons, rng, n=10))
        tests = group_tests(replace(asked, model=in_a_mood(asked, rng))).tests
        by_cluster.append([t.p < 0.05 for t in tests])
        independent.append([t.p_if_independent < 0.05 for t in tests])
    assert max(np.mean(by_cluster, axis=0)) <= 0.13
    assert np.mean(independent, axis=0)[-1] > 0.18


def test_ranks_by_hand():
    people, model = np.array([3.0, 2.0, 1.0, 0.0]), np.array([3.0, 0.0, 1.0, 2.0])
    # Pairs in the same order: 3 of 6; moved most: the second and the fourth, two places each.
    assert rank_numbers(people, model) == pytest.approx((0.0, 0.2))
    moved = largest_move(ATTRIBUTES, PROFILES[:4], people, model)
    assert (moved.people_place, moved.model_place) == (2.0, 4.0)
    assert moved.profile == ", ".join(value_words(a, PROFILES[1][a.name]) for a in ATTRIBUTES)
    assert largest_move(ATTRIBUTES, PROFILES[:4], people, people) is None
    assert np.isnan(rank_numbers(people, np.full(4, 1.0 / 3))[0])


def test_study_2_people_against_a_rule_differ_in_the_attributes_the_rule_ignores(shared):
    study = import_published("mcelfresh2021", shared("data/humans/study_2_indecisive.csv"))
    everyone = choices_of(study.answers, label="people")
    chosen = np.arange(len(everyone.comparisons)) < 1500
    comparisons = tuple(c for c, k in zip(everyone.comparisons, chosen, strict=True) if k)
    people = replace(everyone.only(chosen[everyone.comparison]), comparisons=comparisons)
    # Fewest drinks first, a coin if equal.
    gap = np.array([c.second["drinks"] - c.first["drinks"] for c in comparisons])
    column = np.where(gap > 0, 0, np.where(gap < 0, 1, INDECISION))
    model = Choices(
        label="model",
        comparisons=comparisons,
        comparison=np.arange(len(comparisons)),
        respondent=np.zeros(len(comparisons), dtype=np.intp),
        respondents=("model",),
        choice=np.eye(3)[column],
        first_left=np.arange(len(comparisons)) % 2 == 0,
        offered=np.ones(len(comparisons), dtype=bool),
        repeat=np.ones(len(comparisons), dtype=np.intp),
    )
    found = coefficients(Pairing(attributes=study.attributes, people=people, model=model), QUICK, profiles=())

    shares = {a.attribute: a.share for a in found.attributes}
    assert shares["drinks"].model.value > 0.98
    assert shares["age"].people.value == pytest.approx(0.41, abs=0.08)
    assert shares["age"].difference.high < 0
    assert shares["dependents"].difference.high < 0
    assert found.regularized
    assert found.tests.tests[-1].p < 0.001
