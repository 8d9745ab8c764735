from __future__ import annotations

from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from survey.design import Comparison, Profile, Sides
from survey.design_file import example_design
from survey.pairing.sides import draw_next_sides, draw_sides

PROFILES = example_design("kidney-8").profiles() or ()
PAIRS = list(combinations(PROFILES, 2))
SEEDS = st.integers(0, 2**32 - 1)
pairs_of_any_kind = st.lists(st.sampled_from([*PAIRS, *((b, a) for a, b in PAIRS)]), max_size=60)


def surplus(pairs: list[tuple[Profile, Profile]]) -> Counter[Profile]:
    """Lefts less rights of each profile."""
    counts: Counter[Profile] = Counter({profile: 0 for pair in pairs for profile in pair})
    for left, right in pairs:
        counts[left] += 1
        counts[right] -= 1
    return counts


@given(pairs=pairs_of_any_kind, seed=SEEDS)
def test_balanced_sides_put_each_profile_left_and_right_equally_often_or_once_more_or_less(pairs, seed):
    sided = draw_sides(Sides.BALANCED, pairs, np.random.default_rng(seed))

    assert [frozenset(pair) for pair in sided] == [frozenset(pair) for pair in pairs]
    appearances = Counter(profile for pair in pairs for profile in pair)
    assert all(abs(n) == appearances[profile] % 2 for profile, n in surplus(sided).items())


@given(pairs=pairs_of_any_kind, seed=SEEDS)
def test_random_sides_swap_half_of_the_pairs(pairs, seed):
    sided = draw_sides(Sides.RANDOM, pairs, np.random.default_rng(seed))
    swapped = sum(after != before for after, before in zip(sided, pairs, strict=True))
    assert swapped in {len(pairs) // 2, (len(pairs) + 1) // 2}
    assert [frozenset(pair) for pair in sided] == [frozenset(pair) for pair in pairs]


@given(pairs=pairs_of_any_kind, seed=SEEDS)
def test_fixed_sides_stay(pairs, seed):
    assert draw_sides(Sides.FIXED, pairs, np.random.default_rng(seed)) == pairs


@pytest.mark.parametrize("kind", [Sides.RANDOM, Sides.BALANCED])
@pytest.mark.parametrize(
    "pairs",
    [
        PAIRS,
        PAIRS[:5],
        PAIRS[3:17],
        [*PAIRS[:3], *PAIRS[:3]],
        [(PROFILES[i], PROFILES[i + 1]) for i in range(7)],
    ],
    ids=["all", "star", "some", "twice", "chain"],
)
def test_each_pair_is_equally_likely_to_stand_in_either_order(kind, pairs):
    rng = np.random.default_rng(11)
    swapped = np.zeros(len(pairs))
    for _ in range(2_000):
        swapped += [a != b for a, b in zip(draw_sides(kind, pairs, rng), pairs, strict=True)]
    # Five standard deviations of 2000 fair coins are 112.
    assert np.all(np.abs(swapped - 1_000) < 112)


def sequence(kind: Sides, order: list[int], rng: np.random.Generator) -> list[tuple[Profile, Profile]]:
    sided: list[tuple[Profile, Profile]] = []
    for i in order:
        sided.append(draw_next_sides(kind, Comparison.of(*PAIRS[i]), sided, len(order), rng))
    return sided


@given(order=st.lists(st.integers(0, 27), unique=True, min_size=1), seed=SEEDS)
def test_random_sides_drawn_one_by_one_swap_half_of_all(order, seed):
    sided = sequence(Sides.RANDOM, order, np.random.default_rng(seed))
    swapped = sum(left != Comparison.of(left, right).first for left, right in sided)
    assert swapped in {len(order) // 2, (len(order) + 1) // 2}


def test_random_sides_drawn_one_by_one_come_in_every_arrangement_alike():
    rng = np.random.default_rng(5)
    for count, arrangements in ((4, 6), (3, 6)):  # Two of four; one or two of three.
        seen = Counter(
            tuple(
                left != Comparison.of(left, right).first for left, right in sequence(Sides.RANDOM, order, rng)
            )
            for order in [list(range(count))] * 3_000
        )
        assert len(seen) == arrangements
        assert all(
            abs(n - 500) < 5 * 21 for n in seen.values()
        )  # Five standard deviations of 3000 draws of one in 6.


@given(order=st.lists(st.integers(0, 27), unique=True, min_size=1), seed=SEEDS)
def test_balanced_sides_drawn_one_by_one_favor_whoever_was_left_less_often(order, seed):
    sided = sequence(Sides.BALANCED, order, np.random.default_rng(seed))
    for k, (left, right) in enumerate(sided):
        before = surplus(sided[:k])
        assert before[left] <= before[right]


def test_balanced_sides_drawn_one_by_one_toss_a_coin_between_equals():
    rng = np.random.default_rng(2)
    first = Counter(sequence(Sides.BALANCED, [0], rng)[0] for _ in range(1_000))
    assert len(first) == 2
    assert all(abs(n - 500) < 80 for n in first.values())


def test_fixed_sides_drawn_one_by_one_are_first_and_second():
    comparison = Comparison.of(*PAIRS[4])
    sides = draw_next_sides(Sides.FIXED, comparison, [], 9, np.random.default_rng(0))
    assert sides == (comparison.first, comparison.second)
