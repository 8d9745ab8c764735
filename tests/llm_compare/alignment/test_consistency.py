"""How stable answers are over repeats, exchanged sides and attribute orders: by hand, by oracle, as planted."""

from __future__ import annotations

from dataclasses import fields, replace
from itertools import combinations, pairwise

import numpy as np
import pytest

from llm_compare.alignment.choices import Choices, Pairing
from llm_compare.alignment.consistency import agreeing_pairs, consistency, numbered
from llm_compare.alignment.resampling import Measured, Population, Resampling
from survey.design import Comparison, NumericAttribute, Profile

ATTRIBUTE = NumericAttribute(name="age", label="Age", minimum=0, maximum=100)
FEW = Resampling(n_draws=30, seed=1)
FIRST, SECOND, NEITHER = (1, 0, 0), (0, 1, 0), (0, 0, 1)


def side(rows, *, n_comparisons, n_respondents=1, orders=()):
    """Return choices of rows (respondent, comparison, first profile on the left, choice)."""
    respondent, comparison, first_left, choice = zip(*rows, strict=True)
    profiles = [Profile((("age", i),)) for i in range(n_comparisons + 1)]
    return Choices(
        label="side",
        comparisons=tuple(Comparison.of(a, b) for a, b in pairwise(profiles)),
        comparison=np.array(comparison, dtype=np.intp),
        respondent=np.array(respondent, dtype=np.intp),
        respondents=tuple(f"r{i}" for i in range(n_respondents)),
        choice=np.array(choice, dtype=float),
        first_left=np.array(first_left, dtype=bool),
        offered=np.ones(len(rows), dtype=bool),
        repeat=np.zeros(len(rows), dtype=np.intp),
        attribute_order=tuple(orders),
    )


def measured(people, model=None, resampling=FEW):
    return consistency(Pairing(attributes=(ATTRIBUTE,), people=people, model=model or people), resampling)


def random_side(seed, *, n_answers=400, n_comparisons=12, n_respondents=5, with_orders=True):
    rng = np.random.default_rng(seed)
    rows = [
        (
            int(rng.integers(n_respondents)),
            int(rng.integers(n_comparisons)),
            bool(rng.integers(2)),
            np.eye(3)[rng.choice(3, p=[0.5, 0.3, 0.2])],
        )
        for _ in range(n_answers)
    ]
    orders = [("age", "sex") if rng.integers(2) else ("sex", "age") for _ in rows] if with_orders else ()
    return side(rows, n_comparisons=n_comparisons, n_respondents=n_respondents, orders=orders)


def values(part):
    return {
        f.name: getattr(part, f.name).value
        for f in fields(part)
        if isinstance(getattr(part, f.name), Measured)
    }


def test_pairs_of_repeats_are_counted_by_hand():
    found = measured(side([(0, 0, True, c) for c in (FIRST, FIRST, SECOND, NEITHER)], n_comparisons=1)).people

    assert found.same_again.value == pytest.approx(1 / 6)
    assert found.modal_share.value == 0.5
    # Shares 1/2, 1/4, 1/4 have 1.5 bits; two more choices than one, of four answers, add 2 / (8 ln 2).
    assert found.entropy_bits.value == pytest.approx(min(1.5 + 2 / (8 * np.log(2)), np.log2(3)))
    assert (found.n_repeated, found.mean_repeats, found.n_both_ways) == (1, 4, 0)
    assert found.sides_exchanged.value is None
    assert "either side" in found.sides_exchanged.reason


def test_who_always_takes_the_left_agrees_with_themselves_but_never_across_sides():
    rows = [(0, c, left, FIRST if left else SECOND) for c in range(6) for left in (True, False) * 3]
    found = measured(side(rows, n_comparisons=6)).model

    assert (found.same_again.value, found.sides_exchanged.value, found.lost_by_exchange.value) == (1, 0, 1)
    assert (found.robust.value, found.fragile.value, found.indifferent.value) == (0, 0, 1)
    assert found.entropy_bits.value == 0


def test_indecision_both_ways_is_agreement_without_a_preference():
    rows = [(0, c, left, NEITHER) for c in range(4) for left in (True, False)]
    found = measured(side(rows, n_comparisons=4)).model

    assert found.sides_exchanged.value == 1
    assert found.indifferent.value == 1


def test_a_patient_ahead_on_one_side_only_is_a_fragile_preference():
    rows = [
        *((0, 0, left, FIRST) for left in (True, False)),
        (0, 1, True, FIRST),
        (0, 1, False, NEITHER),
    ]
    found = measured(side(rows, n_comparisons=2)).model

    assert (found.robust.value, found.fragile.value, found.indifferent.value) == (0.5, 0.5, 0)


def test_a_coin_is_rarely_taken_for_a_preference_where_it_is_tossed_often():
    rng = np.random.default_rng(2)
    rows = [
        (0, c, left, np.eye(3)[rng.integers(2)])
        for c in range(100)
        for left in (True, False)
        for _ in range(20)
    ]
    found = measured(side(rows, n_comparisons=100)).model

    assert found.indifferent.value > 0.88


def test_who_goes_by_the_attribute_read_first_disagrees_across_orders_only():
    orders = [("age", "sex"), ("age", "sex"), ("sex", "age"), ("sex", "age")] * 5
    rows = [(0, i // 4, True, FIRST if o[0] == "age" else SECOND) for i, o in enumerate(orders)]
    found = measured(side(rows, n_comparisons=5, orders=orders)).model

    assert (found.same_again.value, found.other_order.value, found.lost_by_order.value) == (1, 0, 1)


def test_replies_that_spread_over_choices_agree_as_often_as_draws_from_them():
    rows = [(0, 0, True, (0.6, 0.4, 0.0)), (0, 0, True, (0.5, 0.2, 0.3))]

    assert measured(side(rows, n_comparisons=1)).model.same_again.value == pytest.approx(
        0.6 * 0.5 + 0.4 * 0.2
    )


@pytest.mark.parametrize("seed", [1, 2])
def test_agreements_are_those_of_all_pairs_of_answers(seed):
    given = random_side(seed)
    kinds = {"same_again": [], "sides_exchanged": [], "other_order": []}
    for who in range(5):
        for comparison in range(12):
            own = np.flatnonzero((given.respondent == who) & (given.comparison == comparison))
            hits = {kind: [] for kind in kinds}
            for i, j in combinations(own, 2):
                same = bool((given.choice[i] == given.choice[j]).all())
                if given.first_left[i] != given.first_left[j]:
                    hits["sides_exchanged"].append(same)
                elif given.attribute_order[i] == given.attribute_order[j]:
                    hits["same_again"].append(same)
                else:
                    hits["other_order"].append(same)
            for kind, found in hits.items():
                if found:
                    kinds[kind].append(np.mean(found))
    found = measured(given).people

    for kind, expected in kinds.items():
        assert getattr(found, kind).value == pytest.approx(np.mean(expected)), kind


@pytest.mark.parametrize("seed", [3, 4])
def test_names_of_first_and_second_and_sides_change_nothing(seed):
    given = random_side(seed)
    renamed = replace(given, choice=given.choice[:, [1, 0, 2]], first_left=~given.first_left)
    moved = replace(given, first_left=~given.first_left)

    expected = values(measured(given).model)
    assert values(measured(renamed).model) == pytest.approx(expected)
    assert values(measured(moved).model) == pytest.approx(expected)


def test_everybody_twice_changes_no_agreement():
    given = random_side(5)
    twice = replace(
        given,
        **{
            name: np.concatenate([getattr(given, name)] * 2)
            for name in ("comparison", "choice", "first_left", "offered", "repeat")
        },
        respondent=np.concatenate([given.respondent, given.respondent + 5]),
        respondents=tuple(f"r{i}" for i in range(10)),
        attribute_order=given.attribute_order * 2,
    )
    classes = ("robust", "fragile", "indifferent")  # More answers tell a lean from none.

    one, two = values(measured(given).people), values(measured(twice).people)
    assert {k: v for k, v in two.items() if k not in classes} == pytest.approx(
        {k: v for k, v in one.items() if k not in classes}
    )


@pytest.mark.parametrize("repeats", [2, 10])
def test_planted_agreement_comes_back_however_few_the_repeats(repeats):
    rng = np.random.default_rng(6)
    shares = np.array([0.6, 0.3, 0.1])
    rows = [
        (0, c, left, np.eye(3)[rng.choice(3, p=shares)])
        for c in range(300)
        for left in (True, False)
        for _ in range(repeats)
    ]
    found = measured(side(rows, n_comparisons=300)).model

    assert found.same_again.value == pytest.approx((shares**2).sum(), abs=0.05)
    assert found.lost_by_exchange.value == pytest.approx(0, abs=0.05)


@pytest.mark.parametrize("population", list(Population))
def test_intervals_hold_the_planted_agreement(population):
    rng = np.random.default_rng(7)
    people = side(
        [(p, c, True, np.eye(3)[rng.integers(3)]) for p in range(20) for c in range(40) for _ in range(2)],
        n_comparisons=40,
        n_respondents=20,
    )
    model = side(
        [(0, c, True, np.eye(3)[rng.choice(3, p=[0.8, 0.2, 0])]) for c in range(40) for _ in range(6)],
        n_comparisons=40,
    )
    found = measured(people, model, Resampling(n_draws=60, seed=2, population=population))

    assert found.people.same_again.low < 1 / 3 < found.people.same_again.high
    assert found.model.same_again.low < 0.68 < found.model.same_again.high
    assert found.model.same_again.high - found.model.same_again.low < 0.2


def test_answers_given_once_say_why_nothing_is_known():
    found = measured(side([(0, c, True, FIRST) for c in range(3)], n_comparisons=3)).model

    assert all(v is None for v in values(found).values())
    assert "twice" in found.same_again.reason
    assert "twice" in found.lost_by_exchange.reason
    assert "two known orders" in found.other_order.reason
    assert "both ways" in found.robust.reason


def test_a_copy_of_an_answer_is_no_pair():
    hits, pairs = agreeing_pairs(np.eye(3)[[0, 1]], np.array([2.0, 1.0]), np.zeros(2, dtype=np.intp), 1)

    assert (hits[0], pairs[0]) == (0, 4)


def test_combinations_are_numbered_and_found_again():
    number, at = numbered(np.array([3, 3, 900, 3]), np.array([7, 0, 7, 7]))

    assert number[0] == number[3]
    assert len(set(number.tolist())) == len(at) == 3
    assert [number[i] for i in at] == [0, 1, 2]
