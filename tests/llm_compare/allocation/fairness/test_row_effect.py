from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from llm_compare.allocation.fairness.row_effect import rank_on_row, row_effect


def test_who_always_takes_the_first_row_shows_as_planted(make_rankings):
    rankings = make_rankings(score=lambda p, row, rng: -row)
    found = row_effect(rankings.top, seed=1)
    assert [s.value for s in found.shares] == [1] + [0] * 14
    assert (found.upper.value, found.middle.value, found.lower.value) == (1, 0, 0)
    assert (found.mean_row.value, found.chance_row) == (1, 8)
    assert found.mean_row.p == pytest.approx(1 / 1001)
    slope = rank_on_row(rankings, seed=1)
    assert slope.value == pytest.approx(1)
    assert slope.p == pytest.approx(1 / 1001)


def test_who_turns_the_list_around_has_slope_minus_one(make_rankings):
    assert rank_on_row(make_rankings(score=lambda p, row, rng: row), seed=1).value == pytest.approx(-1)


def test_who_goes_by_candidates_alone_is_rarely_said_to_go_by_rows(by_quality):
    # A strong favorite stands in three rows per problem, however often it is asked: repeats are no new evidence.
    alarms = {"row": 0, "slope": 0}
    for seed in range(40):
        rankings = by_quality(8, 8, 3, 5, seed=seed, spread=5)
        alarms["row"] += row_effect(rankings.top, seed=seed, n_permutations=99).mean_row.p <= 0.05
        alarms["slope"] += rank_on_row(rankings, seed=seed, n_permutations=99).p <= 0.05
    assert max(alarms.values()) <= 6


def test_a_slight_pull_to_the_top_is_found(make_rankings):
    rankings = make_rankings(seed=3, score=lambda p, row, rng: -0.15 * row + rng.gumbel(size=row.shape))
    found = row_effect(rankings.top, seed=1)
    assert found.mean_row.high < 8
    assert found.mean_row.p < 0.01
    assert found.upper.low > 1 / 3
    slope = rank_on_row(rankings, seed=1)
    assert slope.low > 0
    assert slope.p < 0.01


def test_numbers_are_those_of_a_plain_count(by_quality):
    rankings = by_quality(4, 6, 2, 3, seed=1)
    found = row_effect(rankings.top, seed=1, n_permutations=9)
    slopes, rows = [], []
    for t in range(24):
        chosen = rankings.order[t, 0]
        rows.append(rankings.row[t, chosen] + 1)
        ranks = [list(rankings.order[t]).index(c) for c in range(6)]
        slopes.append(np.polyfit(rankings.row[t], ranks, 1)[0])
    assert found.mean_row.value == pytest.approx(np.mean(rows))
    assert sum(s.value for s in found.shares) == pytest.approx(1)
    assert rank_on_row(rankings, seed=1, n_permutations=9).value == pytest.approx(np.mean(slopes))


def test_problems_count_alike(make_rankings):
    top = make_rankings(2, 3, 1, 3).top
    uneven = replace(top, problem=np.array([0, 0, 0, 0, 0, 1]), row=np.array([0, 0, 0, 0, 0, 2]))
    assert row_effect(uneven, seed=1, n_permutations=9).mean_row.value == 2


def test_many_row_orders_are_drawn_in_pieces_with_the_same_result(by_quality, monkeypatch):
    rankings = by_quality(4, 6, 2, 3, seed=1)
    whole = rank_on_row(rankings, seed=1, n_permutations=50)
    monkeypatch.setattr("llm_compare.allocation.fairness.row_effect._AT_ONCE", 100)
    assert rank_on_row(rankings, seed=1, n_permutations=50) == whole


def test_without_trials_and_with_one_candidate_there_is_a_reason(make_rankings):
    rankings = make_rankings(1, 3, 1, 1)
    empty = replace(
        rankings, **{n: getattr(rankings, n)[:0] for n in ("problem", "order", "shuffle", "repeat", "row")}
    )
    assert row_effect(empty.top, seed=1).mean_row.reason == "no trials"
    assert rank_on_row(empty, seed=1).reason == "no trials"
    assert "single candidate" in rank_on_row(make_rankings(2, 1, 1, 2), seed=1).reason
