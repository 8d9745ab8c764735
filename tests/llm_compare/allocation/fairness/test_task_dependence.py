from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from llm_compare.allocation.fairness.task_dependence import (
    Verdict,
    groups_in_tasks,
    task_dependence,
)


def steady(problem, row, rng):
    return np.random.default_rng(9).random((problem.max() + 1, row.shape[1]))[problem]


def test_who_chooses_whom_it_ranks_first_shows_no_difference(make_rankings):
    top = make_rankings(score=steady).top
    found = task_dependence(top, top, 20, seed=1)
    assert found.distance.observed.value == 0
    assert found.favorites_coincide.value == found.agreement.value == 1
    assert found.shortfall.value == 0


def test_chance_alone_makes_a_distance_that_the_dealt_anew_trials_show(by_quality):
    # Both tasks are answered in the same way, with the same noise: .05 of such studies may have p below .05.
    alarms = 0
    shortfalls = []
    for seed in range(40):
        both = by_quality(10, 8, 3, 10, seed=seed).top
        halves = [
            replace(
                both,
                **{
                    n: getattr(both, n)[both.repeat % 2 == part]
                    for n in ("problem", "chosen", "shuffle", "repeat", "row")
                },
            )
            for part in (0, 1)
        ]
        found = task_dependence(*halves, 10, seed=seed, n_permutations=99)
        alarms += found.distance.observed.p <= 0.05
        shortfalls.append(found.shortfall.value)
        assert found.distance.observed.value > 0.1
    assert alarms <= 6
    assert np.mean(shortfalls) == pytest.approx(0, abs=3 * np.std(shortfalls) / 40**0.5)


def test_two_different_favorites_show_as_planted(make_rankings):
    one = make_rankings(score=lambda p, row, rng: np.tile(np.arange(15) == 2, (len(p), 1)) + 0.0).top
    two = make_rankings(score=lambda p, row, rng: np.tile(np.arange(15) == 5, (len(p), 1)) + 0.0).top
    found = task_dependence(one, two, 20, seed=1)
    assert found.distance.observed.value == 1
    assert found.distance.observed.p < 0.01
    assert found.favorites_coincide.value == found.agreement.value == 0
    assert found.ceiling_choose_one.value == found.ceiling_rank_all.value == found.shortfall.value == 1


def test_numbers_are_those_of_a_plain_count(by_quality):
    choose, rank = by_quality(4, 5, 2, 3, seed=1).top, by_quality(4, 5, 2, 3, seed=2).top
    found = task_dependence(choose, rank, 4, seed=1, n_permutations=9)
    agreement, distance, ceiling = [], [], []
    for p in range(4):
        a, b = choose.chosen[choose.problem == p], rank.chosen[rank.problem == p]
        agreement.append(np.mean(a[:, None] == b))
        distance.append(sum(abs(np.mean(a == c) - np.mean(b == c)) for c in range(5)) / 2)
        ceiling.append((np.sum(a[:, None] == a) - len(a)) / (len(a) * (len(a) - 1)))
    assert found.agreement.value == pytest.approx(np.mean(agreement))
    assert found.distance.observed.value == pytest.approx(np.mean(distance))
    assert found.ceiling_choose_one.value == pytest.approx(np.mean(ceiling))


def test_equally_frequent_favorites_coincide_by_the_chance_of_drawing_the_same(make_rankings):
    base = make_rankings(1, 4, 1, 2).top
    found = task_dependence(
        replace(base, chosen=np.array([0, 1])), replace(base, chosen=np.array([1, 2])), 1, seed=1
    )
    assert found.favorites_coincide.value == 0.25


def test_only_problems_with_trials_of_both_tasks_count(make_rankings, random_groups):
    choose, rank = make_rankings(3, 5, 2, 2, seed=1).top, make_rankings(3, 5, 2, 2, seed=2).top
    part = replace(
        choose,
        **{
            n: getattr(choose, n)[choose.problem != 1]
            for n in ("problem", "chosen", "shuffle", "repeat", "row")
        },
    )
    assert task_dependence(part, rank, 3, seed=1).n_problems == 2
    groups = random_groups(3, 5, seed=1)
    found = groups_in_tasks(part, rank, groups, seed=1)
    assert found.n_problems == 2
    nothing = replace(part, problem=np.full_like(part.problem, 2))
    only = replace(rank, problem=np.zeros_like(rank.problem))
    empty = task_dependence(nothing, only, 3, seed=1)
    assert empty.agreement.value is None
    assert "both tasks" in empty.agreement.reason
    assert groups_in_tasks(nothing, only, groups, seed=1).groups[0].verdict is Verdict.OPEN


def test_a_group_chosen_but_never_ranked_first_inverts_and_one_treated_alike_does_not(
    make_rankings, random_groups
):
    groups = random_groups(seed=4, shares=(0.6, 0.4))

    def first(sign):
        return lambda p, row, rng: sign * groups.code[p] + rng.random(row.shape) / 2

    favors, disfavors = (make_rankings(seed=1, score=first(sign)).top for sign in (1, -1))
    found = groups_in_tasks(favors, disfavors, groups, seed=1)
    assert [g.verdict for g in found.groups] == [Verdict.INVERTS, Verdict.INVERTS]
    assert found.groups[1].difference.value == pytest.approx(1)
    same = groups_in_tasks(favors, favors, groups, seed=1)
    assert [g.verdict for g in same.groups] == [Verdict.SAME, Verdict.SAME]
    assert same.groups[0].difference.value == 0
    random = groups_in_tasks(make_rankings(seed=3).top, favors, groups, seed=1)
    assert [g.verdict for g in random.groups] == [Verdict.OPEN, Verdict.OPEN]


def test_the_difference_is_that_of_the_two_deviations_and_paired(by_quality, random_groups):
    choose, rank = by_quality(seed=1).top, by_quality(seed=1, spread=1.4).top
    for g in groups_in_tasks(choose, rank, random_groups(seed=3), seed=1).groups:
        assert g.difference.value == pytest.approx(g.choose_one.value - g.rank_all.value)
