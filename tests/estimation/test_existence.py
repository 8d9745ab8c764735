"""Whether a fit exists: asked of small answer sets, compared with climbing, and every way out is walked."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from estimation.assembly import assemble
from estimation.dataset import ChoiceData, Clustering, tally
from estimation.effects import EffectKind, Shape
from estimation.errors import EstimationError, NotIdentified, Separated
from estimation.existence import check_estimable
from estimation.fitting import fit
from estimation.results import Outcome
from estimation.specification import Model, Regularize, Specification
from survey.design import CategoricalAttribute, Level, NumericAttribute, Profile

LEVELS = ("u", "v", "w")
ATTRIBUTES = (
    NumericAttribute(name="age", label="Age", minimum=0, maximum=100),
    CategoricalAttribute(name="drinks", label="Drinks", levels=tuple(Level(name=n, words=n) for n in LEVELS)),
)
PROFILES = tuple(
    Profile((("age", age), ("drinks", level)), name=f"{age}{level}")
    for age in (0, 10, 20)
    for level in LEVELS
)
TIE_MODELS = (
    (Model.DAVIDSON, None),
    (Model.RAO_KUPPER, None),
    (Model.MIN_U, EffectKind.PROFILES),
    (Model.MIN_DELTA, None),
    (Model.MIN_U, None),
    (Model.MAX_U, None),
    (Model.MAX_DELTA, None),
    (Model.DOM, None),
)


def asked(
    choose, *, n: int = 200, profiles: int = 9, offered=True, groups: int = 1, seed: int = 0
) -> ChoiceData:
    """Answers of ten people to random comparisons; ``choose`` is given a generator, lefts, rights and groups."""
    rng = np.random.default_rng(seed)
    left = rng.integers(profiles, size=n)
    right = (left + rng.integers(1, profiles, size=n)) % profiles
    person = np.arange(n) % 10
    group = person % groups
    return tally(
        attributes=ATTRIBUTES,
        profiles=PROFILES[:profiles],
        left=left,
        right=right,
        choice=choose(rng, left, right, group),
        offered=offered,
        cluster=person,
        clustering=Clustering.RESPONDENT,
        group=group,
        groups=tuple(f"group-{g}" for g in range(groups)),
    )


def never_undecided(rng, left, right, group):
    return rng.integers(2, size=len(left))


def always_undecided(rng, left, right, group):
    return np.full(len(left), 2)


def anything(rng, left, right, group):
    return rng.integers(3, size=len(left))


@pytest.mark.parametrize("choose", [never_undecided, always_undecided])
@pytest.mark.parametrize(("model", "effects"), TIE_MODELS)
def test_a_pull_that_answers_leave_open_is_refused_and_prior_answers_hold_it_as_the_message_says(
    choose, model, effects
):
    data = asked(choose)
    spec = Specification(model=model, effects=effects, regularize=Regularize.NEVER, n_starts=3)

    with pytest.raises(Separated, match="--regularize if-needed") as caught:
        fit(data, spec)
    assert "indecision" in caught.value.involved
    for regularize in (Regularize.IF_NEEDED, Regularize.ALWAYS):
        held = fit(data, replace(spec, regularize=regularize))
        assert held.gate.outcome is Outcome.REGULARIZED
        assert np.abs(held.values).max() < 15


@pytest.mark.parametrize("effects", EffectKind)
def test_prior_answers_hold_each_groups_pull_and_its_dependence_on_distance(effects):
    def one_group_decides(rng, left, right, group):
        return np.where(group == 0, rng.integers(3, size=len(left)), rng.integers(2, size=len(left)))

    data = asked(one_group_decides, groups=2)
    spec = Specification(model=Model.DAVIDSON, effects=effects, pull_by_group=True, by_distance=True)

    with pytest.raises(Separated, match="indecision in group-1"):
        fit(data, replace(spec, regularize=Regularize.NEVER))
    held = fit(data, spec)
    assert held.others["indecision in group-1"].value < held.others["indecision in group-0"].value - 1


@pytest.mark.parametrize("effects", EffectKind)
@pytest.mark.parametrize("model", [Model.BRADLEY_TERRY, Model.DAVIDSON])
def test_prior_answers_hold_the_order_effect_of_people_who_always_take_the_left(effects, model):
    data = asked(lambda rng, left, right, group: np.zeros(len(left), dtype=int))
    spec = Specification(model=model, effects=effects, order_effect=True)

    with pytest.raises(Separated):
        fit(data, replace(spec, regularize=Regularize.NEVER))
    assert 1 < fit(data, spec).others["shown first"].value < 15


@pytest.mark.parametrize("effects", EffectKind)
@pytest.mark.parametrize("model", [Model.BRADLEY_TERRY, Model.DAVIDSON, Model.RAO_KUPPER])
def test_showing_every_pair_the_other_way_round_turns_a_regularized_order_effect_and_nothing_else(
    effects, model
):
    data = asked(anything, n=60)
    turned = replace(
        data, left=data.right, right=data.left, counts=data.counts[:, [1, 0, 2]], by_cluster=None
    )
    spec = Specification(
        model=model, effects=effects, order_effect=True, regularize=Regularize.ALWAYS, prior_answers=3.0
    )

    one, other = (fit(d, spec) for d in (replace(data, by_cluster=None), turned))
    at = one.names.index("shown first")
    expected = one.values.copy()
    expected[at] *= -1
    assert abs(expected[at]) > 1e-3
    assert other.values == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize(
    "model", [Model.MAX_U, Model.MAX_DELTA, Model.DOM, Model.MIN_DELTA, Model.CONDITIONAL_LOGIT]
)
def test_an_attribute_that_never_varies_is_named_before_any_search(model):
    data = asked(anything, profiles=3)

    with pytest.raises(NotIdentified) as caught:
        fit(data, Specification(model=model))
    assert caught.value.involved == ("age",)


def test_a_monotone_effect_beside_an_attribute_that_never_varies_is_refused_by_name():
    with pytest.raises(NotIdentified) as caught:
        fit(
            asked(anything, profiles=3),
            Specification(model=Model.MIN_DELTA, shape=Shape(monotone=("drinks",))),
        )
    assert caught.value.involved == ("age",)


def test_what_people_do_without_indecision_needs_answers_without_it():
    with pytest.raises(EstimationError, match="--forced"):
        fit(asked(anything), Specification(model=Model.MIN_DELTA, forced=True))


def test_a_mixture_without_a_component_that_explains_indecision_is_refused():
    spec = Specification(model=Model.MIXTURE, components=(Model.CONDITIONAL_LOGIT, Model.CONDITIONAL_LOGIT))
    with pytest.raises(EstimationError, match="explains indecision"):
        fit(asked(anything), spec)


def slow_is_bounded(data: ChoiceData, spec: Specification) -> bool:
    """Whether a slow climb with a vanishing penalty comes to rest: an independent test of existence.

    Only for Davidson's model of free profiles, written out pair by pair.
    """
    from scipy.optimize import minimize

    n = len(data.profiles)

    def loss(values, penalty):
        u, pull = np.append(0.0, values[: n - 1]), values[n - 1]
        d = u[data.left] - u[data.right]
        scores = np.column_stack([d / 2, -d / 2, np.full(len(d), pull)])
        log_p = scores - np.logaddexp.reduce(scores, axis=1, keepdims=True)
        return -(data.counts * log_p).sum() + penalty * (values**2).sum()

    at = np.zeros(n)
    ends = []
    for penalty in (1e-2, 1e-4, 1e-6):
        at = minimize(loss, at, args=(penalty,), method="BFGS", options={"gtol": 1e-8}).x
        ends.append(at)
    return bool(np.abs(ends[2] - ends[1]).max() < 0.8)


def test_the_gate_agrees_with_a_slow_climb_on_small_answer_sets():
    spec = Specification(model=Model.DAVIDSON)
    seen = {True: 0, False: 0}
    for seed in range(60):
        rng = np.random.default_rng(seed)
        strength = rng.standard_normal(9) * 3

        def by_strength(rng, left, right, group, strength=strength):
            d = strength[left] - strength[right]
            return np.where(np.abs(d) < 1, 2, (d + 3 * rng.logistic(size=len(d)) < 0).astype(int))

        data = asked(by_strength, n=int(rng.integers(4, 25)), profiles=int(rng.integers(2, 5)), seed=seed)
        try:
            check_estimable(assemble(data, spec).cells)
            exists = True
        except NotIdentified:
            continue
        except Separated:
            exists = False
        assert exists == slow_is_bounded(data, spec), seed
        seen[exists] += 1
    assert min(seen.values()) >= 8


@pytest.mark.parametrize("seed", range(4))
def test_small_answer_sets_of_any_kind_give_a_fit_or_a_refusal_in_words(seed):
    rng = np.random.default_rng(seed)
    models = [m for m in Model if m is not Model.MIXTURE]
    fitted = 0
    for _ in range(25):
        offered = bool(rng.random() < 0.8)
        data = asked(
            anything if offered else never_undecided,
            n=int(rng.integers(1, 60)),
            profiles=int(rng.integers(2, 10)),
            offered=offered,
            groups=int(rng.integers(1, 3)),
            seed=int(rng.integers(1_000_000)),
        )
        spec = Specification(
            model=models[rng.integers(len(models))],
            order_effect=bool(rng.random() < 0.3),
            regularize=list(Regularize)[rng.integers(3)],
            n_starts=2,
        )
        try:
            found = fit(data, spec)
        except EstimationError:
            continue
        fitted += 1
        assert np.isfinite(found.values).all()
        assert np.isfinite(found.log_likelihood)
    assert fitted
