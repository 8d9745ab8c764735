from __future__ import annotations

import pytest

from estimation.executors import executor
from estimation.weights import AttributeWeights, Estimate
from exchange.clearing.clear import clear_pool
from exchange.clearing.objectives import Policy
from exchange.pool_generator import generate_pool
from exchange.priorities import priorities
from llm_compare.consequences.difference import Verdict
from llm_compare.consequences.generated_pools import PoolLaw, compare_generated_pools
from llm_compare.errors import NotComparable
from survey.design_file import example_design

DESIGN = example_design("kidney-8")
LAW = PoolLaw(n_pairs=32)


def weights(age: float, drinking: float = -0.5, health: float = -0.25) -> AttributeWeights:
    values = {"age=old": age, "drinking=frequent": drinking, "health=cancer": health}
    return AttributeWeights.named(DESIGN.attributes, {k: Estimate(value=v) for k, v in values.items()})


YOUNG_FIRST, OLD_FIRST = weights(-2.0), weights(2.0)


@pytest.fixture(scope="module")
def compared():
    return compare_generated_pools(
        YOUNG_FIRST, {"same": YOUNG_FIRST, "old-first": OLD_FIRST}, DESIGN, seeds=range(8), law=LAW
    )


def by_words(result):
    return {group.group: group for group in result.groups}


def test_the_same_weights_change_nothing_in_any_pool(compared):
    same = compared[0]

    assert same.priority_lost == 0
    assert same.patients_replaced == 0
    assert all(g.per_hundred.value == 0 and g.per_hundred.is_same for g in same.groups)


def test_opposite_weights_move_transplants_from_the_young_to_the_old(compared):
    groups = by_words(compared[1])

    assert groups["30 years old"].per_hundred.verdict is Verdict.FEWER
    assert groups["70 years old"].per_hundred.verdict is Verdict.MORE
    assert groups["30 years old"].share_by_people > groups["30 years old"].share_by_model
    # Transplants come first, so what one age loses the other gains.
    assert compared[1].transplants.is_same
    assert compared[1].priority_lost > 0
    assert "old-first" in compared[1].sentences[0]


def test_differences_are_those_of_pools_cleared_one_by_one(compared):
    changes, priority = [], []
    for seed in range(8):
        pool = generate_pool(DESIGN, n_pairs=LAW.n_pairs, n_ndds=0, seed=seed, model=LAW.model)
        own = priorities(pool, YOUNG_FIRST)
        runs = [
            clear_pool(pool, priorities(pool, w), policy=Policy.PRIORITY_AFTER_CARDINALITY)
            for w in (YOUNG_FIRST, OLD_FIRST)
        ]
        young = {p.id for p in pool.pairs if p.profile is not None and p.profile["age"] == "young"}
        changes.append(len(runs[1].recipients & young) - len(runs[0].recipients & young))
        priority.append(sum(own[p] for p in runs[0].recipients) - sum(own[p] for p in runs[1].recipients))
    young = by_words(compared[1])["30 years old"]

    # Match runs that are equally good by weight have the same number of each profile here, or nearly so.
    total = young.per_hundred.value * young.patients_per_pool / 100 * 8
    assert total == pytest.approx(sum(changes), abs=1)
    assert compared[1].priority_lost == pytest.approx(sum(priority) / 8, abs=0.1)


def test_noise_of_the_estimate_is_called_that():
    # A model whose one opinion is an accident: half of its draws hold the opposite.
    accident = weights(0.01, drinking=0.0, health=0.0)
    found = compare_generated_pools(
        weights(-0.01, drinking=0.0, health=0.0),
        {"m": accident},
        DESIGN,
        seeds=range(8),
        law=LAW,
        model_draws={"m": [weights(a, drinking=0.0, health=0.0) for a in (0.5, -0.5, 0.4, -0.4)]},
    )[0]

    young = by_words(found)["30 years old"]
    assert young.per_hundred.verdict is Verdict.WEIGHT_NOISE
    assert "noise of the estimated weights" in young.sentence
    # Among the findings it is counted, not told.
    assert young.sentence not in found.sentences
    assert any("by no more than chance or the noise of the weights" in text for text in found.sentences)


def test_who_clears_the_pools_does_not_matter(compared):
    with executor(2) as workers:
        again = compare_generated_pools(
            YOUNG_FIRST,
            {"same": YOUNG_FIRST, "old-first": OLD_FIRST},
            DESIGN,
            seeds=range(8),
            law=LAW,
            executor=workers,
        )

    assert again == compared


def test_bands_of_numbers_are_the_same_in_every_pool_and_uniform_profiles_are_said_loudly():
    design = example_design("kidney-numeric")
    people = AttributeWeights.named(
        design.attributes, {a.name: Estimate(value=-0.1) for a in design.attributes}
    )
    found = compare_generated_pools(people, {"m": people}, design, seeds=range(2), law=PoolLaw(n_pairs=12))[0]

    ages = [g for g in found.groups if g.attribute == "age"]
    assert len(ages) == 3
    assert sum(g.patients_per_pool for g in ages) == 12
    assert "uniformly" in found.profiles_from


@pytest.mark.parametrize("seeds", [(), (1, 1), (-1,)])
def test_seeds_that_cannot_be_are_refused(seeds):
    with pytest.raises(NotComparable, match="seeds"):
        compare_generated_pools(YOUNG_FIRST, {"m": OLD_FIRST}, DESIGN, seeds=seeds)


def test_no_model_is_refused():
    with pytest.raises(NotComparable, match="no model"):
        compare_generated_pools(YOUNG_FIRST, {}, DESIGN, seeds=(1,))
