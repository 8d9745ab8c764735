from __future__ import annotations

import pytest

from estimation.weights import AttributeWeights, Estimate
from exchange.pool import Arc, Pair, Pool
from llm_compare.consequences import compare_clearings
from survey.design_file import example_design

DESIGN = example_design("kidney-study1")


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
