from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from llm_compare.alignment.choices import FIRST, INDECISION, SECOND, Choices, Pairing
from llm_compare.alignment.distance import distance
from llm_compare.alignment.resampling import Population, Resampling

FEW = Resampling(n_draws=20, seed=1)


def relabeled(side: Choices) -> Choices:
    return replace(side, choice=side.choice[:, [SECOND, FIRST, INDECISION]])


def repeated(side: Choices) -> Choices:
    twice = np.tile(np.arange(side.n_answers), 2)
    return replace(
        side,
        comparison=side.comparison[twice],
        respondent=side.respondent[twice],
        choice=side.choice[twice],
        first_left=side.first_left[twice],
        offered=side.offered[twice],
        repeat=side.repeat[twice],
    )


def values(result) -> list[float]:
    parts = (
        result.total_variation,
        result.squared,
        result.jensen_shannon_bits,
        result.log_score_bits,
        result.brier,
    )
    return [p.model.value for p in parts]


@pytest.fixture
def small(make_pairing) -> Pairing:
    # People: comparison 0 first, first, second, indecision; comparison 1 second, second. Model: two replies each.
    return make_pairing(
        ([0, 0, 0, 0, 1, 1], [0, 1, 2, 3, 0, 1], [0, 0, 1, 2, 1, 1]), ([0, 0, 1, 1], [0, 0, 1, 2])
    )


def test_distances_of_a_small_case_are_those_worked_out_by_hand(small):
    found = distance(small, FEW, n_splits=5)

    # Shares (1/2, 1/4, 1/4) and (1, 0, 0); (0, 1, 0) and (0, 1/2, 1/2): total variation 1/2 each.
    assert found.total_variation.model.value == pytest.approx(0.5)
    # Plug-in 3/8 less Σh(1−h)/(n−1) = (5/8)/3; plug-in 1/2 less Σm(1−m)/(R−1) = 1/2.
    assert found.squared.model.value == pytest.approx(((3 / 8 - 5 / 24) + (1 / 2 - 1 / 2)) / 2)
    assert found.squared_corrected_for_replies
    assert found.comparisons[0].people == (2, 1, 1)
    assert found.comparisons[1].model == (0, 1, 1)


def test_jensen_shannon_divergence_is_the_entropy_of_the_mixture_less_the_mean_entropy(small):
    def entropy(p):
        p = np.array([x for x in p if x > 0])
        return -(p * np.log2(p)).sum()

    pairs = [((0.5, 0.25, 0.25), (1, 0, 0)), ((0, 1, 0), (0, 0.5, 0.5))]
    by_hand = np.mean([entropy((np.array(h) + m) / 2) - (entropy(h) + entropy(m)) / 2 for h, m in pairs])
    assert distance(small, FEW, n_splits=5).jensen_shannon_bits.model.value == pytest.approx(by_hand)


def test_proper_scores_are_means_over_individual_answers(small):
    found = distance(small, FEW, n_splits=5)

    # Forecasts with one more answer spread evenly: (7/9, 1/9, 1/9) and (1/9, 4/9, 4/9).
    answered = [[7, 7, 1, 1], [4, 4]]
    log_score = np.mean([np.mean(np.log2(np.array(a) / 9)) for a in answered])
    brier = np.mean(
        [
            np.mean([sum((np.array(f) / 9 - np.eye(3)[c]) ** 2) for c in chosen])
            for f, chosen in (((7, 1, 1), (0, 0, 1, 2)), ((1, 4, 4), (1, 1)))
        ]
    )
    assert found.log_score_bits.model.value == pytest.approx(log_score)
    assert found.brier.model.value == pytest.approx(brier)
    assert found.log_score_bits.uniform == pytest.approx(-np.log2(3))
    assert found.brier.uniform == pytest.approx(2 / 3)
    # People's marginal: indecision 1/8, each profile 7/16, whatever is called the first.
    flat = np.array([7, 7, 2]) / 16
    marginal = np.mean([np.mean(np.log2(flat[list(c)])) for c in ((0, 0, 1, 2), (1, 1))])
    assert found.log_score_bits.marginal.value == pytest.approx(marginal)
    assert found.log_score_bits.model_minus_marginal.value == pytest.approx(log_score - marginal)


def test_identical_sources_have_no_squared_distance_though_total_variation_sees_one(planted):
    # Reference: 20 people and 10 replies on Dirichlet(2, 2, 1) shares give about .19 by total variation.
    truth = np.random.default_rng(3).dirichlet((2, 2, 1), size=400)
    found = distance(planted(truth, truth, n_people=20, replies=10), FEW, n_splits=20)

    assert found.squared.model.value == pytest.approx(0, abs=0.01)
    assert found.squared.model.low < 0 < found.squared.model.high
    assert found.total_variation.model.value == pytest.approx(0.19, abs=0.02)
    assert found.squared.people_halves.mean == pytest.approx(0, abs=0.005)
    # A half of ten people is as far from the other half as ten replies of a model like them.
    assert found.total_variation.people_halves.mean == pytest.approx(
        found.total_variation.model_halves.mean, abs=0.01
    )


@pytest.mark.parametrize("population", Population)
def test_a_planted_squared_distance_comes_back(planted, population):
    truth = np.tile([0.6, 0.2, 0.2], (300, 1))
    other = np.tile([0.3, 0.6, 0.1], (300, 1))
    settings = Resampling(n_draws=60, seed=2, population=population)
    found = distance(planted(truth, other, n_people=20, replies=4), settings, n_splits=10).squared

    assert found.model.low < 0.09 + 0.16 + 0.01 < found.model.high
    assert found.model.high - found.model.low < 0.12
    assert found.model_halves.mean == pytest.approx(found.model.value, abs=0.02)


def test_calling_the_other_profile_first_changes_no_value(planted):
    truth = np.random.default_rng(4).dirichlet((2, 2, 1), size=(2, 20))
    pairing = planted(*truth)
    exchanged = replace(pairing, people=relabeled(pairing.people), model=relabeled(pairing.model))

    assert values(distance(exchanged, FEW, n_splits=3)) == pytest.approx(
        values(distance(pairing, FEW, n_splits=3))
    )


def test_people_who_give_every_answer_twice_are_no_more_people(planted):
    truth = np.random.default_rng(5).dirichlet((2, 2, 1), size=(2, 20))
    pairing = planted(*truth)
    once = distance(pairing, FEW, n_splits=3)
    twice = distance(replace(pairing, people=repeated(pairing.people)), FEW, n_splits=3)

    assert values(twice) == pytest.approx(values(once))
    assert twice.squared.model.se == pytest.approx(once.squared.model.se)


def test_twice_as_many_people_of_the_same_shares_change_no_distance_between_shares(planted):
    truth = np.random.default_rng(6).dirichlet((2, 2, 1), size=(2, 20))
    pairing = planted(*truth)
    doubled = repeated(pairing.people)
    n = pairing.people.n_respondents
    others = np.repeat((0, n), pairing.people.n_answers)
    doubled = replace(
        doubled,
        respondent=doubled.respondent + others,
        respondents=tuple(str(i) for i in range(2 * n)),
    )
    one = distance(pairing, FEW, n_splits=3)
    two = distance(replace(pairing, people=doubled), FEW, n_splits=3)
    assert two.total_variation.model.value == pytest.approx(one.total_variation.model.value)
    assert two.jensen_shannon_bits.model.value == pytest.approx(one.jensen_shannon_bits.model.value)
    assert two.log_score_bits.model.value == pytest.approx(one.log_score_bits.model.value)


def test_replies_that_spread_their_answer_enter_with_their_shares(make_pairing):
    people = ([0, 0], [0, 1], [0, 1])
    spread = distance(make_pairing(people, ([0, 0], [[0.5, 0.3, 0.2], [0.5, 0.3, 0.2]])), FEW, n_splits=2)

    assert spread.total_variation.model.value == pytest.approx(0.2)
    # Replies alike to each other have no chance in them to correct for; people's is h·h = 0 for one against one.
    assert spread.squared.model.value == pytest.approx(0 + 0.38 - 2 * 0.4)


def test_a_model_with_one_reply_each_is_not_corrected_for_chance_in_replies_and_says_so(make_pairing):
    found = distance(make_pairing(([0, 0, 0, 0], [0, 1, 2, 3], [0, 0, 1, 1]), ([0], [0])), FEW, n_splits=2)

    assert not found.squared_corrected_for_replies
    # Plug-in (1/2)² + (1/2)² less Σh(1−h)/(n−1) = (1/2)/3.
    assert found.squared.model.value == pytest.approx(1 / 2 - 1 / 6)


def test_ceiling_and_model_are_measured_on_the_same_comparisons(make_pairing):
    # Comparison 0 has one reply, so only comparison 1, on which people are of one mind, has a corrected distance.
    people = (np.repeat([0, 1], 12), [*range(12)] * 2, [*[0, 1] * 6, *[2] * 12])
    found = distance(make_pairing(people, ([0, 1, 1], [0, 2, 2])), FEW, n_splits=8)

    assert found.n_comparisons_squared == 1
    halves = found.squared.people_halves
    assert (halves.mean, halves.low, halves.high) == (0, 0, 0)


def test_halves_that_meet_in_a_handful_of_comparisons_are_no_ceiling(make_pairing):
    found = distance(make_pairing(([0] * 4, range(4), [0, 1, 0, 1]), ([0], [0])), FEW, n_splits=4)

    assert found.total_variation.model.value == pytest.approx(0.5)
    assert found.total_variation.people_halves.mean is None
    assert found.brier.model_halves.mean is None


def test_without_two_people_on_a_comparison_there_is_no_corrected_distance_and_no_ceiling(make_pairing):
    found = distance(make_pairing(([0, 1], [0, 1], [0, 1]), ([0, 1], [0, 1])), FEW, n_splits=3)

    assert found.squared.model.value is None
    assert "two people" in found.squared.model.reason
    assert found.total_variation.people_halves.mean is None
    assert found.total_variation.model.value == 0


def test_without_indecision_on_offer_forecasts_know_two_choices(make_pairing):
    found = distance(make_pairing(([0, 0], [0, 1], [0, 1]), ([0, 0], [0, 0]), offered=False), FEW, n_splits=2)
    assert found.log_score_bits.uniform == -1
    # One more answer, half for each: (2.5/3, 0.5/3).
    assert found.log_score_bits.model.value == pytest.approx(np.mean(np.log2([2.5 / 3, 0.5 / 3])))


def test_the_same_seed_gives_the_same_numbers(planted):
    truth = np.random.default_rng(7).dirichlet((2, 2, 1), size=(2, 10))
    pairing = planted(*truth)
    assert distance(pairing, FEW, n_splits=4) == distance(pairing, FEW, n_splits=4)


def test_the_ceiling_is_what_a_plain_simulation_of_halves_gives(planted):
    truth = np.random.default_rng(8).dirichlet((2, 2, 1), size=30)
    pairing = planted(truth, truth, n_people=12)
    answers = pairing.people.choice.reshape(12, 30, 3)
    rng = np.random.default_rng(1)
    by_hand = []
    for _ in range(300):
        order = rng.permutation(12)
        one, other = (answers[order[part]].mean(axis=0) for part in (slice(6), slice(6, None)))
        by_hand.append(np.abs(one - other).sum(axis=1).mean() / 2)
    found = distance(pairing, FEW, n_splits=300).total_variation.people_halves
    assert found.mean == pytest.approx(np.mean(by_hand), abs=0.01)
    assert found.low == pytest.approx(np.quantile(by_hand, 0.025), abs=0.02)
