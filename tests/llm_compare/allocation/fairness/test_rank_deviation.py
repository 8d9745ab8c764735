from __future__ import annotations

import numpy as np
import pytest

from llm_compare.allocation.fairness.rank_deviation import rank_deviation


def test_curves_are_shares_at_each_rank_less_the_pools_share(by_quality, random_groups):
    rankings, groups = by_quality(5, 6, 2, 3, seed=1), random_groups(5, 6, seed=2)
    found = rank_deviation(rankings, groups, seed=1, n_permutations=20)
    for g, curve in enumerate(found.curves):
        share = np.mean(groups.code == g)
        assert curve.pool_share == pytest.approx(share)
        for r in range(6):
            at_rank = np.mean(
                [groups.code[p, o[r]] == g for p, o in zip(rankings.problem, rankings.order, strict=True)]
            )
            assert curve.deviation[r].value == pytest.approx(at_rank - share)


def test_deviations_sum_to_zero_over_ranks_and_over_groups(by_quality, random_groups):
    found = rank_deviation(by_quality(seed=1), random_groups(seed=2), seed=1, n_permutations=20)
    values = np.array([[d.value for d in curve.deviation] for curve in found.curves])
    assert values.sum(axis=0) == pytest.approx(np.zeros(15), abs=1e-12)
    assert values.sum(axis=1) == pytest.approx(np.zeros(len(values)), abs=1e-12)


def test_a_group_sorted_to_the_top_leaves_the_envelope_there(make_rankings, random_groups):
    groups = random_groups(seed=4, shares=(0.68, 0.32))
    rankings = make_rankings(seed=1, score=lambda p, row, rng: groups.code[p] + rng.random(row.shape) / 2)
    _, women = rank_deviation(rankings, groups, seed=1).curves
    assert 1 in women.outside
    assert 15 in women.outside
    assert women.deviation[0].value == pytest.approx(1 - women.pool_share)
    assert women.deviation[0].low > 0 > women.deviation[14].high
    assert women.p == pytest.approx(1 / 1001)


def test_of_curves_that_mean_nothing_about_one_in_twenty_leaves_the_envelope_anywhere(
    by_quality, random_groups
):
    left, small = 0, []
    for seed in range(40):
        found = rank_deviation(
            by_quality(10, 8, 2, 2, seed=seed),
            random_groups(10, 8, seed=seed + 99),
            seed=seed,
            n_permutations=199,
        )
        left += bool(found.curves[1].outside)
        small.append(found.curves[1].p <= 0.05)
        assert bool(found.curves[1].outside) == (found.curves[1].p <= 0.05)
    assert left <= 6  # Pointwise bands of 8 ranks would leave in about one study of three.
    assert sum(small) == left


def test_a_group_alone_everywhere_cannot_move(make_rankings, make_groups):
    (curve,) = rank_deviation(make_rankings(3, 4, 1, 2), make_groups(np.zeros((3, 4))), seed=1).curves
    assert [d.value for d in curve.deviation] == [0] * 4
    assert (curve.p, curve.outside, curve.envelope) == (None, (), (0, 0, 0, 0))


def test_problems_without_trials_are_left_out_of_the_pool_share(make_rankings, make_groups):
    groups = make_groups([[0, 0, 1], [0, 1, 1], [1, 1, 1]])
    found = rank_deviation(make_rankings(2, 3, 1, 2), groups, seed=1, n_permutations=9)
    assert found.n_problems == 2
    assert [c.pool_share for c in found.curves] == [0.5, 0.5]
