from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from estimation.weights import AttributeWeights, Estimate, ProfileWeights
from exchange.errors import MissingPriorities
from exchange.pool import Pool
from exchange.pool_generator import generate_pool
from exchange.priorities import equal_priorities, priorities
from survey.design import Attribute, NumericAttribute, StudyDesign
from survey.design_file import example_design


@pytest.fixture
def weights(study: StudyDesign) -> ProfileWeights:
    profiles = study.profiles()
    assert profiles is not None
    return ProfileWeights(
        attributes=study.attributes,
        profiles=profiles,
        log_strengths=tuple(Estimate(value=-float(i)) for i in range(len(profiles))),
    )


def test_every_pair_gets_the_weight_of_its_profile(study: StudyDesign, weights: ProfileWeights) -> None:
    pool = generate_pool(study, n_pairs=20, n_ndds=1, seed=1)
    found = priorities(pool, weights)
    assert list(found) == [pair.id for pair in pool.pairs]
    assert all(pair.profile and found[pair.id] == weights.weight(pair.profile) for pair in pool.pairs)
    assert len(set(found.values())) > 1


def test_pairs_without_a_profile_are_named(make_pool: Callable[..., Pool], weights: ProfileWeights) -> None:
    with pytest.raises(MissingPriorities, match=r"12 pair.*P0, P1.* and 2 more") as caught:
        priorities(make_pool(12, 0, []), weights)
    assert len(caught.value.pair_ids) == 12


def test_pairs_that_the_weights_do_not_cover_are_named(study: StudyDesign, weights: ProfileWeights) -> None:
    pool = generate_pool(study, n_pairs=20, n_ndds=0, seed=1)
    commonest = study.profile({"age": "old", "drinking": "rare", "health": "healthy"})
    kept = [i for i, profile in enumerate(weights.profiles) if profile != commonest]
    fewer = replace(
        weights,
        profiles=tuple(weights.profiles[i] for i in kept),
        log_strengths=tuple(weights.log_strengths[i] for i in kept),
    )
    with pytest.raises(MissingPriorities, match="ORH") as caught:
        priorities(pool, fewer)
    assert caught.value.pair_ids == tuple(p.id for p in pool.pairs if p.profile == commonest)


def test_weights_of_another_study_are_refused_even_where_every_attribute_they_need_is_there() -> None:
    study = example_design("kidney-numeric")
    pool = generate_pool(study, n_pairs=3, n_ndds=0, seed=1)
    age, drinks, dependents = study.attributes
    assert isinstance(age, NumericAttribute)

    def weights(*attributes: Attribute) -> AttributeWeights:
        return AttributeWeights.named(attributes, {a.name: Estimate(value=-0.1) for a in attributes})

    assert set(priorities(pool, weights(dependents, drinks, age))) == {"P1", "P2", "P3"}
    in_months = replace(age, unit="month")
    for wrong in (weights(age, drinks), weights(in_months, drinks, dependents)):
        with pytest.raises(MissingPriorities, match=r"age \(year\).*use weights from the study") as caught:
            priorities(pool, wrong)
        assert caught.value.pair_ids == ("P1", "P2", "P3")


def test_equal_priorities_are_all_one(make_pool: Callable[..., Pool]) -> None:
    assert equal_priorities(make_pool(2, 1, [])) == {"P0": 1.0, "P1": 1.0}


def test_a_unit_that_the_weights_do_not_know_is_no_other_unit() -> None:
    # Weights fitted from a file of answers without the design know the attributes' names, not their units.
    study = example_design("kidney-numeric")
    pool = generate_pool(study, n_pairs=3, n_ndds=0, seed=1)
    attributes = [replace(a, unit="") for a in study.attributes if isinstance(a, NumericAttribute)]
    coefficients = {a.name: Estimate(value=-0.1) for a in attributes}

    found = priorities(pool, AttributeWeights.named(tuple(attributes), coefficients))
    assert len(found) == 3
