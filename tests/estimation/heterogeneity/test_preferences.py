from __future__ import annotations

import json
from itertools import product

import numpy as np
import pytest

from estimation.effects import attribute_terms
from estimation.errors import BadWeights, EstimationError, NoWeight
from estimation.heterogeneity.preferences import PreferenceDistribution, Scaling, population_of_record
from survey.design import CategoricalAttribute, Level, NumericAttribute, Profile

# Freedman (2020), BLPModel.java: coefficients of young, rare drinker, healthy.
MEAN = np.array([8.18, 5.69, 3.53])
COVARIANCE = np.array([[20.47, 2.54, 4.56], [2.54, 11.07, 1.3], [4.56, 1.3, 7.16]])


def two_levels(name: str, reference: str, other: str) -> CategoricalAttribute:
    levels = (Level(name=reference, words=reference), Level(name=other, words=other))
    return CategoricalAttribute(name=name, label=name, levels=levels)


ATTRIBUTES = (
    two_levels("age", "old", "young"),
    two_levels("drinking", "frequent", "rare"),
    two_levels("health", "cancer", "healthy"),
)
# The paper's profiles 1-8: young before old, healthy before cancer, rare before frequent drinkers.
PROFILES = tuple(
    Profile(
        (("age", age), ("drinking", drinking), ("health", health)), name=f"{age[0]}{drinking[0]}{health[0]}"
    )
    for age, health, drinking in product(("young", "old"), ("healthy", "cancer"), ("rare", "frequent"))
)


@pytest.fixture(scope="module")
def freedman() -> PreferenceDistribution:
    return PreferenceDistribution(
        attributes=ATTRIBUTES, terms=attribute_terms(ATTRIBUTES), mean=MEAN, covariance=COVARIANCE
    )


def test_shares_of_signs_are_those_of_freedman_2020(freedman):
    assert list(freedman.positive_shares.values()) == pytest.approx([0.964, 0.956, 0.906], abs=0.001)


def test_expected_ranks_are_those_of_freedman_2020(freedman):
    # An independent Monte Carlo of 400,000 draws.
    expected = [1.243, 3.305, 2.464, 4.909, 4.091, 6.536, 5.695, 7.757]

    assert freedman.expected_ranks(PROFILES) == pytest.approx(expected, abs=0.01)


def test_drawn_donors_rank_as_the_distribution_says(freedman, shared):
    reference = json.loads(shared("reference/freedman2020_heterogeneous.json").read_text())[
        "monte_carlo_here"
    ]

    weights = freedman.weights_for(PROFILES, freedman.draw(200_000, seed=1))
    ranks = 1 + (weights[:, None, :] > weights[:, :, None]).sum(axis=2)

    assert ranks.mean(axis=0) == pytest.approx(reference["expected_rank_by_profile"], abs=0.02)
    assert (ranks == 1).mean(axis=0) == pytest.approx(reference["first_choice_share_by_profile"], abs=0.003)
    assert weights.mean(axis=0) == pytest.approx(reference["mean_rescaled_weight_by_profile"], abs=0.003)
    assert ranks.mean(axis=0) == pytest.approx(freedman.expected_ranks(PROFILES), abs=0.02)


def test_rescaled_weights_reach_from_0_to_1_in_every_draw(freedman):
    weights = freedman.weights_for(PROFILES, freedman.draw(500, seed=2))

    assert weights.max(axis=1) == pytest.approx(np.ones(500))
    assert weights.min(axis=1) == pytest.approx(np.zeros(500))


def test_both_scalings_order_the_profiles_alike_and_one_draw_is_a_row(freedman):
    drawn = freedman.draw(50, seed=3)
    rescaled = freedman.weights_for(PROFILES, drawn)
    strengths = freedman.weights_for(PROFILES, drawn, scaling=Scaling.STRENGTHS)

    assert (np.argsort(rescaled, axis=1) == np.argsort(strengths, axis=1)).all()
    assert ((strengths > 0) & (strengths <= 1)).all()
    assert freedman.weights_for(PROFILES, drawn[7]).tolist() == rescaled[7].tolist()


def test_profiles_that_a_donor_finds_alike_all_have_weight_1(freedman):
    assert freedman.weights_for(PROFILES, np.zeros(3)).tolist() == [1.0] * 8
    assert freedman.weights_for(PROFILES[:1], MEAN).tolist() == [1.0]


def test_the_same_seed_draws_the_same_members(freedman):
    assert freedman.draw(20, seed=4).tobytes() == freedman.draw(20, seed=4).tobytes()
    assert freedman.draw(20, seed=4).tobytes() != freedman.draw(20, seed=5).tobytes()


def test_draws_have_the_mean_and_covariance(freedman):
    drawn = freedman.draw(200_000, seed=6)

    assert drawn.mean(axis=0) == pytest.approx(MEAN, abs=0.04)
    assert np.cov(drawn.T) == pytest.approx(COVARIANCE, abs=0.3)


def test_a_population_that_is_all_alike_draws_its_mean():
    alike = PreferenceDistribution(
        attributes=ATTRIBUTES, terms=attribute_terms(ATTRIBUTES), mean=MEAN, covariance=np.zeros((3, 3))
    )

    assert (alike.draw(5, seed=0) == MEAN).all()
    assert list(alike.positive_shares.values()) == [1.0, 1.0, 1.0]
    assert alike.expected_ranks(PROFILES).tolist() == [1, 3, 2, 5, 4, 7, 6, 8]


def test_equal_profiles_share_their_ranks(freedman):
    assert freedman.expected_ranks([PROFILES[0], PROFILES[0]]) == pytest.approx([1.5, 1.5])


def test_a_record_survives_a_file(freedman):
    again = population_of_record(json.loads(json.dumps(freedman.to_record())), ATTRIBUTES)

    assert again.terms == freedman.terms
    assert again.draw(10, seed=1).tobytes() == freedman.draw(10, seed=1).tobytes()


def test_profiles_with_log_strengths_of_their_own_are_found_by_what_they_are():
    some = PROFILES[:3]
    population = PreferenceDistribution(
        attributes=ATTRIBUTES, terms=(), profiles=some, mean=np.array([1.0, 0.0, -1.0]), covariance=np.eye(3)
    )
    again = population_of_record(population.to_record(), ATTRIBUTES, PROFILES)

    assert again.log_strengths(some[::-1], population.mean).tolist() == [-1.0, 0.0, 1.0]
    with pytest.raises(NoWeight, match="no preferences about profile"):
        again.log_strengths(PROFILES[5:6], population.mean)
    with pytest.raises(BadWeights, match="there is no profile"):
        population_of_record(population.to_record(), ATTRIBUTES, PROFILES[1:])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"mean": [1.0, 2.0]}, "needs a mean of 3"),
        ({"mean": [1.0, 2.0, float("nan")]}, "finite"),
        ({"mean": "many"}, "must be numbers"),
        ({"covariance": [[1, 2, 0], [0, 1, 0], [0, 0, 1]]}, "symmetric"),
        ({"covariance": [[1, 2, 0], [2, 1, 0], [0, 0, 1]]}, "negative variance"),
        ({"names": ["age=young", "drinking=rare", "wealth"]}, "names none of the attributes"),
        ({"names": "age"}, "list of names"),
        ({"of": "people"}, "can be 'attributes' or 'profiles'"),
    ],
)
def test_a_bad_record_is_refused_with_what_is_wrong(freedman, change, words):
    with pytest.raises(BadWeights, match=words):
        population_of_record(freedman.to_record() | change, ATTRIBUTES)


def test_a_record_that_lacks_something_says_what():
    with pytest.raises(BadWeights, match="lacks mean, covariance"):
        population_of_record({"of": "attributes", "names": []}, ATTRIBUTES)


def test_a_profile_without_a_known_attribute_is_refused(freedman):
    with pytest.raises(NoWeight, match="has no attribute 'health'"):
        freedman.log_strengths([Profile((("age", "old"), ("drinking", "rare")))], MEAN)
    with pytest.raises(NoWeight, match="'never'"):
        freedman.log_strengths([Profile((("age", "old"), ("drinking", "never"), ("health", "cancer")))], MEAN)
    years = NumericAttribute(name="age", label="Age", minimum=0, maximum=99)
    population = PreferenceDistribution(
        attributes=(years,), terms=attribute_terms([years]), mean=np.zeros(1), covariance=np.eye(1)
    )
    with pytest.raises(NoWeight, match="needs a number"):
        population.log_strengths([Profile((("age", "old"),))], np.zeros(1))


def test_a_negative_number_of_members_cannot_be_drawn(freedman):
    with pytest.raises(EstimationError, match="cannot draw -1"):
        freedman.draw(-1, seed=0)
