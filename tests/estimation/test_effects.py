from __future__ import annotations

import numpy as np
import pytest

from estimation.effects import Shape, attribute_distance, attribute_terms, term_matrix, term_named
from estimation.errors import EstimationError
from estimation.weights import AttributeWeights, Estimate, profile_weights
from survey.design import CategoricalAttribute, Level, NumericAttribute, Profile

AGE = NumericAttribute(name="age", label="Age", minimum=20, maximum=70)
DRINKS = CategoricalAttribute(
    name="drinks", label="Drinks", levels=tuple(Level(name=n, words=n) for n in ("none", "some: few", "many"))
)
BOTH = (AGE, DRINKS)


def profile(age, drinks):
    return Profile((("age", age), ("drinks", drinks)))


PEOPLE = [profile(20, "none"), profile(45, "some: few"), profile(70, "many")]


def test_numbers_and_levels_become_columns():
    terms = attribute_terms(BOTH)

    assert [t.name for t in terms] == ["age", "drinks=some: few", "drinks=many"]
    assert term_matrix(terms, PEOPLE).tolist() == [[20, 0, 0], [45, 1, 0], [70, 0, 1]]


def test_steps_monotone_effects_and_interactions_become_columns():
    terms = attribute_terms(
        BOTH,
        Shape(stepped={"age": (60, 40)}, monotone=("drinks",), interactions=(("age", "drinks"),)),
        directions={"drinks": -1},
    )

    assert [t.name for t in terms[:4]] == ["age>=40", "age>=60", "drinks>=some: few", "drinks>=many"]
    assert [t.sign for t in terms[:4]] == [0, 0, -1, -1]
    assert term_matrix(terms[:4], PEOPLE).tolist() == [[0, 0, 0, 0], [1, 0, 1, 0], [1, 1, 1, 1]]
    assert len(terms) == 8
    assert terms[7].name == "age>=60:drinks>=many"


@pytest.mark.parametrize(
    "shape",
    [Shape(), Shape(stepped={"age": (40.5,)}, monotone=("drinks",), interactions=(("age", "drinks"),))],
)
def test_a_terms_name_says_the_term(shape):
    for term in attribute_terms(BOTH, shape):
        assert term_named(term.name, BOTH).factors == term.factors


@pytest.mark.parametrize("name", ["height", "drinks=lots", "drinks", "drinks>=lots", "age=3", ""])
def test_a_name_that_says_no_term_is_refused(name):
    with pytest.raises(EstimationError):
        term_named(name, BOTH)


def test_a_monotone_number_with_many_values_gets_steps_at_quantiles():
    people = [profile(age, "none") for age in range(20, 71)]
    terms = attribute_terms((AGE,), Shape(monotone=("age",)), profiles=people)

    assert len(terms) == 12
    assert terms[-1].name == "age>=70"


def test_distance_counts_each_attribute_between_0_and_1():
    assert attribute_distance(BOTH, PEOPLE[:1] * 3, PEOPLE) == pytest.approx([0, 1.5, 2])


def test_the_greatest_weight_is_1_also_where_effects_turn_or_interact():
    rng = np.random.default_rng(5)
    shape = Shape(stepped={"age": (40, 55)}, interactions=(("age", "drinks"),))
    terms = attribute_terms(BOTH, shape)
    weights = AttributeWeights.named(
        BOTH, {t.name: Estimate(value=v) for t, v in zip(terms, rng.normal(size=len(terms)), strict=True)}
    )
    everybody = [profile(age, level) for age in range(20, 71) for level in DRINKS.level_names]

    assert max(weights.weight(p) for p in everybody) == pytest.approx(1)


def test_weights_from_joint_draws_end_at_1_and_the_best_is_a_point_only_if_always_best():
    weights = AttributeWeights.named((AGE,), {"age": Estimate(value=-0.1)})
    young, old = Profile((("age", 20),)), Profile((("age", 30),))
    always = profile_weights(weights, [young, old], [[-0.05], [-0.1], [-0.2]])
    sometimes = profile_weights(weights, [young, old], [[-0.1], [0.1], [-0.2], [0.2]])

    assert (always[0].low, always[0].high) == (1, 1)
    assert always[1].value == pytest.approx(np.exp(-1))
    assert sometimes[0].low < 0.5 < sometimes[0].high == 1
