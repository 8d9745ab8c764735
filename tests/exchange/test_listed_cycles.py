from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from exchange.clearing import listed_cycles
from exchange.clearing.listed_cycles import ListedCycles, best_disjoint
from exchange.clearing.solver import IntegerSolution, Program, Solver, solve_integer
from exchange.pool import IntArray

CLOSE = 1e-8
"""More than what settling ties by lot may cost, relative to the greatest value, with a dozen cycles chosen."""


def drawn_cycles(
    seed: int, n_pairs: int, n_anchors: int, count: int, worth: str
) -> tuple[ListedCycles, IntArray]:
    """Draw cycles of two and three pairs, each with an anchor in it; places are any numbers."""
    rng = np.random.default_rng(seed)
    places = np.sort(rng.choice(1000, n_pairs, replace=False))
    anchors = places[:n_anchors]
    rows = []
    for _ in range(count):
        size = int(rng.integers(2, 4))
        first = rng.choice(anchors)
        others = rng.choice(places[places != first], size - 1, replace=False)
        cycle = rng.permutation([first, *others])
        rows.append([*cycle.tolist(), *[-1] * (3 - size)])
    members = np.array(rows, dtype=np.intp).reshape(-1, 3)
    values = {
        "sizes": np.sum(members >= 0, axis=1).astype(np.float64),
        "ties": rng.choice([1.0, 2.0], count),
        "any": rng.random(count) + 1e-3,
        "tiny": 1e-13 * (rng.random(count) + 1e-3),
        "huge": 1e13 * (rng.random(count) + 1e-3),
        "uneven": 10.0 ** rng.uniform(-6, 0, count),
    }[worth]
    return ListedCycles(members=members, values=values, lots=rng.random(count)), anchors


def best_value(cycles: ListedCycles) -> float:
    """Return the greatest value of disjoint cycles, by trying all choices."""
    bits = [sum(1 << int(place) for place in row if place >= 0) for row in cycles.members]

    @cache
    def best(k: int, taken: int) -> float:
        if k == len(bits):
            return 0.0
        without = best(k + 1, taken)
        if bits[k] & taken:
            return without
        return max(without, float(cycles.values[k]) + best(k + 1, taken | bits[k]))

    return best(0, 0)


def chosen_of(cycles: ListedCycles, anchors: IntArray) -> IntArray:
    """Return the best choice; fail where there is none."""
    chosen = best_disjoint(cycles, anchors)
    assert chosen is not None
    return chosen


def value_of(cycles: ListedCycles, chosen: IntArray) -> float:
    """Return the value of chosen cycles; fail unless no pair is in two of them."""
    members = cycles.members[chosen]
    members = members[members >= 0]
    assert len(set(members.tolist())) == len(members)
    assert len(set(chosen.tolist())) == len(chosen)
    return float(np.sum(cycles.values[chosen]))


@pytest.mark.parametrize("is_stingy", [False, True])
@given(
    seed=st.integers(0, 2**32 - 1),
    n_pairs=st.integers(3, 14),
    share=st.floats(0.0, 1.0),
    count=st.integers(0, 22),
    worth=st.sampled_from(["sizes", "ties", "any", "tiny", "huge", "uneven"]),
)
def test_no_other_choice_is_worth_more(
    is_stingy: bool, seed: int, n_pairs: int, share: float, count: int, worth: str
) -> None:
    cycles, anchors = drawn_cycles(seed, n_pairs, max(1, round(share * n_pairs)), count, worth)
    with pytest.MonkeyPatch.context() as patch:
        if is_stingy:
            # The way of long lists: hardly a cycle at first, and few more in each round.
            patch.setattr(listed_cycles, "_AT_FIRST", 1)
            patch.setattr(listed_cycles, "_PER_ROUND", 1)
        chosen = chosen_of(cycles, anchors)
    greatest = float(np.max(cycles.values, initial=0.0))
    assert value_of(cycles, chosen) == pytest.approx(best_value(cycles), rel=1e-12, abs=CLOSE * greatest)


@settings(max_examples=40)
@given(
    seed=st.integers(0, 2**32 - 1),
    n_anchors=st.integers(1, 10),
    worth=st.sampled_from(["sizes", "any", "uneven"]),
)
def test_the_order_of_the_list_changes_no_value_and_a_second_call_nothing(
    seed: int, n_anchors: int, worth: str
) -> None:
    cycles, anchors = drawn_cycles(seed, 12, n_anchors, 40, worth)
    chosen = chosen_of(cycles, anchors)
    assert chosen_of(cycles, anchors).tolist() == chosen.tolist()
    rng = np.random.default_rng(seed)
    order = rng.permutation(40)
    turned = ListedCycles(members=cycles.members[order], values=cycles.values[order], lots=cycles.lots[order])
    again = chosen_of(turned, rng.permutation(anchors))
    greatest = float(np.max(cycles.values))
    assert value_of(turned, again) == pytest.approx(value_of(cycles, chosen), abs=CLOSE * greatest)


@pytest.mark.parametrize("worth", ["sizes", "any", "uneven"])
@pytest.mark.parametrize("seed", range(2))
def test_long_lists_are_solved_as_an_integer_solver_solves_them(worth: str, seed: int) -> None:
    cycles, anchors = drawn_cycles(seed, 40, 15, 600, worth)
    rows = np.repeat(np.arange(600), 3).reshape(-1, 3)
    is_member = cycles.members >= 0
    matrix = sparse.coo_array(
        (np.ones(is_member.sum()), (cycles.members[is_member], rows[is_member])), shape=(1000, 600)
    )
    program = Program(values=cycles.values, matrix=sparse.csc_array(matrix), limits=np.ones(1000))
    best = solve_integer(program, solver=Solver.HIGHS, seconds=None)
    expected = float(np.sum(cycles.values[best.chosen]))
    assert value_of(cycles, chosen_of(cycles, anchors)) == pytest.approx(expected, rel=1e-7)


def test_the_bound_of_anchors_is_never_below_the_best_value() -> None:
    tight = 0
    for seed in range(60):
        cycles, anchors = drawn_cycles(seed, 9, 1 + seed % 5, 18, "any")
        members = np.where(cycles.members >= 0, cycles.members, 1000)
        is_anchor = np.append(np.isin(np.arange(1000), anchors), False)
        bound = listed_cycles._anchor_bound(members, cycles.values, is_anchor)
        best = best_value(cycles)
        assert bound >= best * (1 - 1e-12)
        tight += bound == pytest.approx(best)
    assert 0 < tight < 60


def test_with_one_anchor_the_best_cycle_is_taken() -> None:
    cycles, anchors = drawn_cycles(5, 30, 1, 50, "any")
    assert chosen_of(cycles, anchors).tolist() == [int(np.argmax(cycles.values))]


def test_a_small_difference_beats_every_lot() -> None:
    # Two disjoint cycles against two others on the same pairs, worth a ten-millionth more.
    cycles = ListedCycles(
        members=np.array([[0, 1, -1], [2, 3, -1], [0, 2, -1], [1, 3, -1]], dtype=np.intp),
        values=np.array([1.0, 1.0, 1.0, 1.0 + 1e-7]),
        lots=np.array([0.999, 0.999, 0.0, 0.0]),
    )
    assert sorted(chosen_of(cycles, np.arange(4)).tolist()) == [2, 3]


def test_of_equally_good_cycles_lots_decide() -> None:
    found = []
    for lots in np.random.default_rng(1).random((20, 3)):
        cycles = ListedCycles(
            members=np.array([[9, a, -1] for a in (1, 4, 2)], dtype=np.intp), values=np.ones(3), lots=lots
        )
        chosen = chosen_of(cycles, np.array([9]))
        assert chosen.tolist() == [int(np.argmax(lots))]
        found.append(int(chosen[0]))
    assert set(found) == {0, 1, 2}


def test_five_cycles_around_a_pentagon_need_the_integer_solve(monkeypatch: pytest.MonkeyPatch) -> None:
    # Neighbors share a pair: the relaxation takes half of each, a whole choice two of the five.
    ring = [[k, (k + 1) % 5, 5 + k] for k in range(5)]
    cycles = ListedCycles(
        members=np.array(ring, dtype=np.intp), values=np.full(5, 3.0), lots=np.linspace(0, 0.9, 5)
    )
    calls = []

    def counted(program: Program, **options: Any) -> IntegerSolution:
        calls.append(program)
        return solve_integer(program, **options)

    monkeypatch.setattr(listed_cycles, "solve_integer", counted)
    assert value_of(cycles, chosen_of(cycles, np.arange(10))) == 6.0
    assert len(calls) == 1
    monkeypatch.setattr(listed_cycles, "MOST_INTEGER", 4)
    assert best_disjoint(cycles, np.arange(10)) is None


def test_nothing_listed_is_nothing_chosen() -> None:
    none = ListedCycles(members=np.empty((0, 3), dtype=np.intp), values=np.empty(0), lots=np.empty(0))
    assert chosen_of(none, np.array([1, 2])).tolist() == []
