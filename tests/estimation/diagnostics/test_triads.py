"""Circular triads, counted against brute force over all triples and all ways to decide."""

from __future__ import annotations

from itertools import combinations, permutations, product

import numpy as np
import pytest

from estimation.diagnostics.triads import circular_triads, triads_of
from estimation.errors import EstimationError
from survey.answers import Answer, Choice, RespondentKind
from survey.design import Profile


def by_hand(preferred) -> tuple[int, int]:
    """Return (circular, completed) triads, one by one."""
    circular = completed = 0
    for a, b, c in combinations(range(len(preferred)), 3):
        if all(preferred[i, j] or preferred[j, i] for i, j in ((a, b), (b, c), (a, c))):
            completed += 1
            circular += any(
                preferred[i, j] and preferred[j, k] and preferred[k, i] for i, j, k in permutations((a, b, c))
            )
    return circular, completed


def orientations(n: int, edges):
    for ways in product((True, False), repeat=len(edges)):
        preferred = np.zeros((n, n), dtype=bool)
        for (a, b), way in zip(edges, ways, strict=True):
            preferred[(a, b) if way else (b, a)] = True
        yield preferred


def answered(left: str, right: str, choice: Choice) -> Answer:
    return Answer(
        respondent="one",
        kind=RespondentKind.HUMAN,
        arm="main",
        position=None,
        left=Profile((("who", left),), name=left),
        right=Profile((("who", right),), name=right),
        choice=choice,
        indecision_offered=True,
        design_hash="",
    )


@pytest.mark.parametrize("n", [3, 4, 5])
def test_of_a_round_robin_zeta_is_kendalls_for_every_way_to_decide(n):
    most = (n**3 - n) // 24 if n % 2 else (n**3 - 4 * n) // 24
    reached = 0
    for preferred in orientations(n, list(combinations(range(n), 2))):
        found = circular_triads(preferred)
        circular, completed = by_hand(preferred)
        assert (found.circular, found.completed, found.most, found.is_complete) == (
            circular,
            completed,
            most,
            True,
        )
        assert found.zeta == pytest.approx(1 - circular / most)
        reached = max(reached, circular)
    assert reached == most


def test_incomplete_comparisons_are_counted_as_brute_force_counts_them():
    rng = np.random.default_rng(3)
    for _ in range(200):
        n = int(rng.integers(3, 9))
        upper = np.triu(rng.random((n, n)) < rng.uniform(0.3, 1.0), 1)
        way = rng.random((n, n)) < 0.5
        preferred = (upper & way) | (upper & ~way).T
        found = circular_triads(preferred)

        assert (found.circular, found.completed) == by_hand(preferred)
        assert found.circular <= found.most <= found.completed


def test_the_most_possible_is_never_too_small_where_comparisons_are_incomplete():
    rng = np.random.default_rng(4)
    tight = 0
    for _ in range(25):
        n = 5
        edges = [e for e in combinations(range(n), 2) if rng.random() < 0.75]
        truth = max((by_hand(p)[0] for p in orientations(n, edges)), default=0)
        first = next(orientations(n, edges))
        most = circular_triads(first).most
        assert most >= truth
        tight += most == truth
    assert tight >= 15


def test_the_order_of_profiles_does_not_matter():
    rng = np.random.default_rng(5)
    upper = np.triu(rng.random((8, 8)) < 0.7, 1)
    way = rng.random((8, 8)) < 0.5
    preferred = (upper & way) | (upper & ~way).T
    shuffled = rng.permutation(8)

    assert circular_triads(preferred) == circular_triads(preferred[np.ix_(shuffled, shuffled)])
    assert circular_triads(preferred) == circular_triads(preferred.T)


def test_nothing_is_told_of_nobody_who_closed_a_triad():
    found = circular_triads(np.array([[0, 1, 0], [0, 0, 1], [0, 0, 0]], dtype=bool))

    assert (found.completed, found.share, found.zeta, found.is_complete) == (0, None, None, False)
    assert circular_triads(np.zeros((0, 0), dtype=bool)).n_profiles == 0


def test_a_preference_both_ways_is_refused():
    with pytest.raises(EstimationError, match="the other to it"):
        circular_triads(np.array([[0, 1], [1, 0]], dtype=bool))


def test_answers_count_with_sides_undone_and_indecision_leaves_a_pair_open():
    circle = [
        answered("a", "b", Choice.LEFT),
        answered("c", "b", Choice.RIGHT),
        answered("c", "a", Choice.LEFT),
    ]
    assert triads_of(circle).circular == 1
    undecided = [*circle[:2], answered("c", "a", Choice.INDECISION)]
    assert triads_of(undecided).completed == 0


def test_a_pair_answered_several_times_counts_for_the_more_frequent_choice():
    line = [answered("a", "b", Choice.LEFT), answered("b", "c", Choice.LEFT)]
    twice_against = [
        answered("a", "c", Choice.LEFT),
        answered("a", "c", Choice.RIGHT),
        answered("c", "a", Choice.LEFT),
    ]

    assert triads_of([*line, *twice_against]).circular == 1
    assert triads_of([*line, *twice_against[:2]]).completed == 0
