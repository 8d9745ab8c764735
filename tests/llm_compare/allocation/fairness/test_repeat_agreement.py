from __future__ import annotations

from dataclasses import replace
from itertools import combinations, permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from llm_compare.allocation.fairness.repeat_agreement import (
    choice_agreement,
    kendall_tau,
    rank_biased_overlap,
    rank_biased_weights,
    ranking_agreement,
)


def overlap_of_lists(a, b, p: float = 0.9) -> float:
    """Return the extrapolated rank-biased overlap of two lists, term by term."""
    k = len(a)
    agreements = [len(set(a[:d]) & set(b[:d])) / d for d in range(1, k + 1)]
    return agreements[-1] * p**k + (1 - p) / p * sum(x * p**d for d, x in enumerate(agreements, start=1))


def ranks_of(order) -> np.ndarray:
    return np.argsort(np.array(order), axis=1)


@settings(max_examples=40)
@given(st.lists(st.permutations(range(7)), min_size=2, max_size=4), st.sampled_from([0.5, 0.9, 0.98]))
def test_pairs_agree_as_scipy_and_the_written_out_equation_say(orders, p):
    rank = ranks_of(orders)
    tau, overlap = kendall_tau(rank), rank_biased_overlap(rank, p)
    for i, j in combinations(range(len(orders)), 2):
        assert tau[i, j] == pytest.approx(stats.kendalltau(rank[i], rank[j]).statistic)
        assert overlap[i, j] == pytest.approx(overlap_of_lists(orders[i], orders[j], p))
    assert np.diag(tau) == pytest.approx(np.ones(len(orders)))
    assert np.diag(overlap) == pytest.approx(np.ones(len(orders)))


def test_overlap_of_two_lists_worked_out_by_hand():
    # Agreements 0, 1, 1: .1 (1 + .9 x 0 ...) = .9 (.1) 1 + .81 (.1) 1 + .729.
    assert rank_biased_overlap(ranks_of([[0, 1, 2], [1, 0, 2]]))[0, 1] == pytest.approx(0.9)
    assert rank_biased_weights(15, 0.9).sum() == pytest.approx(1)


def test_reversed_rankings_have_the_least_tau_and_random_ones_what_chance_gives(make_rankings):
    assert kendall_tau(ranks_of([[0, 1, 2, 3], [3, 2, 1, 0]]))[0, 1] == -1
    every = ranks_of(list(permutations(range(5))))
    by_chance = ranking_agreement(make_rankings(2, 5, 1, 2), seed=1)
    assert kendall_tau(every).mean() == pytest.approx(by_chance.kendall.by_chance, abs=1e-12)
    assert rank_biased_overlap(every).mean() == pytest.approx(by_chance.overlap.by_chance)
    assert by_chance.first.by_chance == pytest.approx(1 / 5)


def test_who_copies_the_list_agrees_with_itself_only_under_the_same_row_order(make_rankings):
    found = ranking_agreement(make_rankings(score=lambda p, row, rng: -row), seed=1)
    for agreement in (found.kendall, found.overlap, found.first):
        assert agreement.same_order.value == pytest.approx(1)
        other = agreement.other_order
        assert other.low <= agreement.by_chance <= other.high
        assert agreement.difference.low > 0.3


def test_means_are_those_over_pairs_within_problems(by_quality):
    rankings = by_quality(5, 6, 3, 2, seed=4)
    found = ranking_agreement(rankings, seed=1)
    top = choice_agreement(rankings.top, seed=1)
    for is_same, kind in ((True, "same_order"), (False, "other_order")):
        taus, firsts = [], []
        for p in range(5):
            trials = [t for t in range(30) if rankings.problem[t] == p]
            pairs = [
                (s, t)
                for s, t in combinations(trials, 2)
                if (rankings.shuffle[s] == rankings.shuffle[t]) == is_same
            ]
            taus.append(
                np.mean([stats.kendalltau(rankings.rank[s], rankings.rank[t]).statistic for s, t in pairs])
            )
            firsts.append(np.mean([rankings.order[s, 0] == rankings.order[t, 0] for s, t in pairs]))
        assert getattr(found.kendall, kind).value == pytest.approx(np.mean(taus))
        assert getattr(found.first, kind).value == pytest.approx(np.mean(firsts))
        assert getattr(top, kind) == getattr(found.first, kind)


def test_one_row_order_or_one_repeat_is_said_and_not_guessed(make_rankings):
    one_order = ranking_agreement(make_rankings(3, 4, 1, 2), seed=1).kendall
    assert one_order.same_order.value is not None
    assert (one_order.other_order.value, one_order.difference.value) == (None, None)
    assert "two orders" in one_order.other_order.reason
    one_repeat = ranking_agreement(make_rankings(3, 4, 2, 1), seed=1).first
    assert one_repeat.same_order.value is None
    assert one_repeat.other_order.value is not None


def test_without_trials_agreement_says_so(make_rankings):
    rankings = make_rankings(1, 3, 1, 1)
    empty = replace(
        rankings, **{n: getattr(rankings, n)[:0] for n in ("problem", "order", "shuffle", "repeat", "row")}
    )
    found = ranking_agreement(empty, seed=1)
    assert found.kendall.same_order.value is None
    assert found.first.other_order.reason
