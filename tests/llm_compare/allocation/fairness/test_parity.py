from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from llm_compare.allocation.fairness.outcomes import Selections
from llm_compare.allocation.fairness.parity import parity, selection_weights


def selections(problem, chosen, n: int) -> Selections:
    zeros = np.zeros(len(problem), dtype=np.intp)
    return Selections(
        respondent="somebody",
        problem=np.array(problem, dtype=np.intp),
        chosen=np.array(chosen, dtype=np.intp),
        shuffle=zeros,
        repeat=np.arange(len(problem)),
        row=zeros,
        n_candidates=n,
    )


def test_weights_are_shares_of_a_problems_trials():
    found = selection_weights(selections([0, 0, 0, 0, 2], [1, 1, 1, 3, 0], 4), 3)
    np.testing.assert_allclose(found[[0, 2]], [[0, 0.75, 0, 0.25], [1, 0, 0, 0]])
    assert np.isnan(found[1]).all()


def test_numbers_of_two_small_problems_are_those_worked_out_by_hand(make_groups):
    groups = make_groups([[0, 0, 0, 1], [0, 0, 1, 1]])
    found = parity(selections([0, 0, 1, 1], [0, 3, 2, 3], 4), groups, seed=1)
    a, b = found.groups
    assert (a.slots, b.slots) == (5, 3)
    assert (a.pool_share, b.pool_share) == (0.625, 0.375)
    assert (a.weighted_selection, b.weighted_selection) == (0.5, 1.5)
    assert (a.selected_share.value, b.selected_share.value) == (0.25, 0.75)
    assert (a.difference.value, b.difference.value) == (-0.375, 0.375)
    assert (a.representation.value, b.representation.value) == (0.4, 2)
    assert (a.selection_rate, b.selection_rate) == (0.1, 0.5)
    assert found.four_fifths.observed.value == pytest.approx(0.2)
    assert found.distance.observed.value == pytest.approx(0.375)


def test_a_respondent_who_takes_the_group_wherever_it_stands_shows_as_planted(make_rankings, random_groups):
    groups = random_groups(shares=(0.68, 0.32), seed=4)
    rankings = make_rankings(seed=1, score=lambda p, row, rng: groups.code[p] + rng.random(row.shape) / 2)
    _, women = (found := parity(rankings.top, groups, seed=1)).groups
    assert women.problems_without == 0
    assert women.selected_share.value == 1
    assert women.selected_share.low == pytest.approx(0.85)  # 3 in 20 problems may be exceptions.
    assert women.difference.value == pytest.approx(1 - women.pool_share)
    assert women.difference.low > 0
    assert found.four_fifths.observed.value == 0
    assert found.four_fifths.observed.p < 0.01
    assert found.distance.observed.value == pytest.approx(1 - women.pool_share)


def test_a_random_respondent_is_told_apart_from_parity_in_about_one_study_of_twenty(
    by_quality, random_groups
):
    misses, alarms = 0, 0
    for seed in range(40):
        groups = random_groups(seed=seed + 1000, shares=(0.6, 0.4))
        found = parity(by_quality(seed=seed).top, groups, seed=seed, n_permutations=99)
        misses += not found.groups[1].difference.low <= 0 <= found.groups[1].difference.high
        alarms += found.distance.observed.p <= 0.05
    assert misses <= 6  # Of 40 at .05: more than 6 in one study of a hundred.
    assert alarms <= 6


def test_differences_sum_to_zero_and_two_groups_mirror_each_other(by_quality, random_groups):
    many = parity(by_quality(seed=1).top, random_groups(seed=1), seed=1)
    assert sum(g.difference.value for g in many.groups) == pytest.approx(0, abs=1e-12)
    a, b = parity(by_quality(seed=1).top, random_groups(seed=1, shares=(0.7, 0.3)), seed=1).groups
    assert a.difference.value == pytest.approx(-b.difference.value)
    assert a.difference.low == pytest.approx(-b.difference.high)


def test_repeating_every_trial_changes_nothing(by_quality, random_groups):
    once = by_quality(8, 6, 2, 2, seed=3).top
    twice = replace(
        once,
        **{
            name: np.tile(getattr(once, name), 2)
            for name in ("problem", "chosen", "shuffle", "repeat", "row")
        },
    )
    groups = random_groups(8, 6, seed=3)
    found, again = (parity(s, groups, seed=1) for s in (once, twice))
    assert replace(again, n_trials=found.n_trials) == found
    assert (found.n_trials, again.n_trials) == (32, 64)


def test_groups_that_are_alone_or_absent_are_counted_and_not_a_number_that_is_none(make_groups):
    groups = make_groups([[0, 0, 0], [0, 1, 1], [1, 1, 2], [1, 2, 2]])
    found = parity(selections([0, 1, 2], [0, 1, 2], 3), groups, seed=1)
    assert (found.n_problems, found.problems_without_trials) == (3, 1)
    assert [(g.problems_without, g.problems_alone) for g in found.groups] == [(1, 1), (1, 0), (2, 0)]
    for group in found.groups:
        for estimate in (group.selected_share, group.difference):
            assert np.isfinite([estimate.value, estimate.low, estimate.high]).all()
    # Its only problem is missing in 8 draws of 27, and then there is nothing to be represented in.
    rare = found.groups[2].representation
    assert (rare.value, rare.low, rare.high) == (3, None, None)
    assert rare.reason


def test_a_group_that_stands_in_no_problem_with_trials_has_a_reason(make_groups):
    groups = make_groups([[0, 0, 1], [0, 2, 2]])
    found = parity(selections([0, 0], [0, 1], 3), groups, seed=1)
    absent = found.groups[2]
    assert (absent.slots, absent.selection_rate) == (0, 0)
    assert absent.representation.value is None
    assert absent.representation.reason


def test_one_group_alone_has_no_ratio_of_rates_but_a_reason(make_groups):
    found = parity(selections([0, 1], [0, 1], 3), make_groups([[0, 0, 0], [0, 0, 0]]), seed=1)
    assert found.four_fifths.observed.value is None
    assert "fewer than two groups" in found.four_fifths.observed.reason
    assert found.four_fifths.chance.value is None
    assert found.distance.observed.value == 0


def test_unlabeled_candidates_are_a_group_of_their_own_in_the_distance(make_groups):
    found = parity(selections([0], [2], 4), make_groups([[0, 0, -1, -1]]), seed=1)
    assert (found.unlabeled_slots, found.unlabeled_selection) == (2, 1)
    assert found.groups[0].selected_share.value == 0
    assert found.distance.observed.value == pytest.approx(0.5)


def test_without_any_trial_every_number_says_so(make_groups):
    found = parity(selections([], [], 3), make_groups([[0, 0, 1], [0, 1, 1]]), seed=1)
    assert (found.n_problems, found.problems_without_trials) == (0, 2)
    for group in found.groups:
        assert group.selected_share.value is None
        assert group.selected_share.reason
    assert found.distance.observed.value is None


def test_chance_is_the_mean_over_all_ways_of_dealing_the_labels(make_groups):
    problems, n = 2, 3
    code = np.array([[0, 0, 1], [0, 1, 1]])
    chosen = selections([0, 0, 0, 1], [0, 0, 2, 1], n)
    weights = selection_weights(chosen, problems)
    deals = [
        (d, e)
        for d, e in product(product((0, 1), repeat=n), repeat=2)
        if sum(d) == code[0].sum() and sum(e) == code[1].sum()
    ]
    distances = [abs((np.array(deal) * weights).sum() / problems - 0.5) for deal in deals]
    found = parity(chosen, make_groups(code), seed=1, n_permutations=20_000).distance
    assert found.chance.value == pytest.approx(np.mean(distances), abs=0.01)
    own = abs(weights[code == 1].sum() / problems - 0.5)
    assert found.observed.value == pytest.approx(own)
