from __future__ import annotations

import pytest

from estimation.weights import AttributeWeights, Estimate
from exchange.clearing.objectives import Policy
from exchange.pool import Arc, Pair, Pool
from llm_compare.consequences.clearings import clear_for_models
from llm_compare.consequences.difference import Verdict
from llm_compare.consequences.groups import GroupKind, pool_groups
from llm_compare.errors import NotComparable
from survey.design_file import example_design

DESIGN = example_design("kidney-study1")


def compare_clearings(pool, people, model, **more):
    """Clear a pool for one model."""
    return clear_for_models(pool, people, {"model": model}, **more)["model"]


def weights(**slopes: float) -> AttributeWeights:
    terms = {"age": 0.0, "dependents": 0.0, "drinking=light": 0.0, "drinking=heavy": 0.0, **slopes}
    return AttributeWeights.named(DESIGN.attributes, {t: Estimate(value=v) for t, v in terms.items()})


@pytest.fixture
def either_or_pool() -> Pool:
    """Pair H can swap with the young patient Y or with the patient D who has dependents, not with both."""

    def pair(pair_id: str, age: int, dependents: int) -> Pair:
        profile = DESIGN.profile({"age": age, "dependents": dependents, "drinking": "none"})
        return Pair(id=pair_id, profile=profile)

    arcs = [("H", "Y"), ("Y", "H"), ("H", "D"), ("D", "H")]
    return Pool(
        pairs=(pair("H", 55, 0), pair("Y", 18, 0), pair("D", 90, 2)),
        arcs=tuple(Arc(donor=a, recipient=b) for a, b in arcs),
        attributes=DESIGN.attributes,
        source="constructed",
    )


def test_each_sides_weights_decide_who_is_matched(either_or_pool):
    c = compare_clearings(either_or_pool, weights(age=-0.1), weights(dependents=2.0))

    assert c.by_people.recipients == {"H", "Y"}
    assert c.by_model.recipients == {"H", "D"}
    assert (c.matched_by_both, c.matched_by_people_only, c.matched_by_model_only) == (1, 1, 1)


def test_the_priority_lost_is_measured_with_the_peoples_weights(either_or_pool):
    people = weights(age=-0.1)
    c = compare_clearings(either_or_pool, people, weights(dependents=2.0))

    young, old = (people.weight(either_or_pool.pairs[i].profile) for i in (1, 2))
    assert c.priority_lost == pytest.approx(young - old)


def test_groups_count_every_patient_once_per_attribute(either_or_pool):
    c = compare_clearings(either_or_pool, weights(age=-0.1), weights(dependents=2.0))

    for attribute in ("age", "dependents", "drinking"):
        groups = [g for g in c.groups if g.attribute == attribute]
        assert sum(g.n_patients for g in groups) == 3
        assert sum(g.matched_by_people for g in groups) == 2
    young = next(g for g in c.groups if (g.attribute, g.group) == ("age", "18"))
    assert (young.n_patients, young.matched_by_people, young.matched_by_model) == (1, 1, 0)


def test_the_same_weights_change_nothing(either_or_pool):
    c = compare_clearings(either_or_pool, weights(age=-0.1), weights(age=-0.1))

    assert c.priority_lost == 0
    assert c.matched_by_people_only == c.matched_by_model_only == 0


def test_draws_say_whether_the_model_changes_more_than_the_noise_of_the_estimate(either_or_pool):
    people, model = weights(age=-0.1), weights(dependents=2.0)
    sure = clear_for_models(
        either_or_pool, people, {"m": model}, people_draws=[people] * 3, model_draws={"m": [model] * 3}
    )["m"]
    unsure = clear_for_models(
        either_or_pool,
        people,
        {"m": model},
        people_draws=[people, model, model],
        model_draws={"m": [model] * 3},
    )["m"]

    assert sure.noise is not None
    assert unsure.noise is not None
    assert (sure.noise.as_many_as_model.count, sure.noise.is_within) == (0, False)
    assert (unsure.noise.as_many_as_model.count, unsure.noise.is_within) == (2, True)
    young = [next(g for g in c.groups if g.group == "18").difference.verdict for c in (sure, unsure)]
    assert young == [Verdict.FEWER, Verdict.WEIGHT_NOISE]


def test_a_model_that_prefers_nobody_is_cleared_with_equal_weights_not_with_its_rounding(either_or_pool):
    rounding = weights(age=1e-13)
    c = clear_for_models(either_or_pool, weights(age=-0.1), {"m": rounding}, most_ties=5)["m"]

    assert c.model_is_indifferent
    assert c.by_model.recipients == c.by_equal.recipients
    people, model, equal = c.arbitrariness
    assert (people.n_found, people.is_complete) == (1, True)
    assert (model.n_found, model.is_complete, model.n_always, model.n_sometimes) == (2, True, 1, 2)
    assert (equal.n_found, equal.n_sometimes) == (2, 2)
    assert "prefer no patient" in c.sentences[0]


def test_the_lot_of_a_tie_is_not_the_order_of_the_pool(either_or_pool):
    drawn = {
        clear_for_models(either_or_pool, weights(), {"m": weights()}, seed=seed)["m"].by_equal.recipients
        for seed in range(12)
    }

    assert drawn == {frozenset("HY"), frozenset("HD")}


def test_every_model_is_compared_with_the_same_match_run_of_people(either_or_pool):
    people = weights(age=-0.1)
    found = clear_for_models(either_or_pool, people, {"same": people, "other": weights(dependents=2.0)})

    assert found["same"].by_people == found["other"].by_people
    assert all(g.difference.verdict is Verdict.SAME for g in found["same"].groups)
    alone = compare_clearings(either_or_pool, people, weights(dependents=2.0))
    assert alone.by_model.recipients == found["other"].by_model.recipients


def test_a_policy_that_does_not_look_at_weights_is_refused(either_or_pool):
    with pytest.raises(NotComparable, match="does not look at weights"):
        compare_clearings(either_or_pool, weights(age=-0.1), weights(), policy=Policy.EQUAL)


def test_unknown_blood_groups_and_cpra_are_in_no_group(either_or_pool):
    kinds = {group.kind for group in pool_groups(either_or_pool)}

    assert kinds == {GroupKind.EVERYBODY, GroupKind.ATTRIBUTE}


def test_people_who_prefer_nobody_are_cleared_with_equal_weights_not_with_their_rounding(either_or_pool):
    by_seed = {
        clear_for_models(either_or_pool, weights(age=1e-13), {"m": weights(age=-0.1)}, seed=seed)[
            "m"
        ].by_people.recipients
        for seed in range(12)
    }

    assert by_seed == {frozenset("HY"), frozenset("HD")}
