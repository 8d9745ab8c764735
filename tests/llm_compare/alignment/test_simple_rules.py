"""Rules that explain choices: by hand, as planted, held out, and against a slow search."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations, product

import numpy as np
import pytest

from llm_compare.alignment.choices import Choices, Pairing
from llm_compare.alignment.resampling import Resampling
from llm_compare.alignment.simple_rules import simple_rules
from survey.design import CategoricalAttribute, Comparison, Level, NumericAttribute, Profile

FEW = Resampling(n_draws=30, seed=1)
AGE = NumericAttribute(name="age", label="Age", minimum=0, maximum=100)
DRINKS = CategoricalAttribute(
    name="drinks",
    label="Alcohol",
    levels=(Level(name="few", words="one drink a month"), Level(name="many", words="five drinks a day")),
)
CANCER = CategoricalAttribute(
    name="cancer",
    label="Cancer",
    levels=(
        Level(name="no", words="never"),
        Level(name="skin", words="skin cancer in remission"),
        Level(name="lung", words="lung cancer"),
    ),
)
THREE = (AGE, DRINKS, CANCER)
YOUNGER, SOBER = "Age: lower first", "Alcohol: 'one drink a month' first"


def drawn(rng, n, attributes=THREE):
    found = {}
    while len(found) < n:
        one, other = (
            Profile(
                tuple(
                    (a.name, int(rng.integers(20, 24)) if isinstance(a, NumericAttribute) else a.draw(rng))
                    for a in attributes
                )
            )
            for _ in range(2)
        )
        if one != other:
            found[Comparison.of(one, other)] = None
    return tuple(found)


def side(comparisons, comparison, choice, respondent=None, *, offered=True):
    n = len(comparison)
    who = np.zeros(n, dtype=np.intp) if respondent is None else np.array(respondent, dtype=np.intp)
    return Choices(
        label="side",
        comparisons=comparisons,
        comparison=np.array(comparison, dtype=np.intp),
        respondent=who,
        respondents=tuple(f"r{i}" for i in range(int(who.max()) + 1)),
        choice=np.eye(3)[np.array(choice, dtype=np.intp)],
        first_left=np.ones(n, dtype=bool),
        offered=np.full(n, offered),
        repeat=np.zeros(n, dtype=np.intp),
    )


def by_rank(comparisons, *ranks, equal=2):
    """Return the choice of each comparison that looks at one rank after the other; higher goes first."""
    chosen = []
    for c in comparisons:
        gaps = [r(c.first) - r(c.second) for r in ranks]
        gap = next((g for g in gaps if g), 0)
        chosen.append(0 if gap > 0 else 1 if gap < 0 else equal)
    return np.array(chosen)


def younger(p):
    return -p["age"]


def sober(p):
    return p["drinks"] == "few"


def measured(people, model=None, attributes=THREE, resampling=FEW):
    return simple_rules(Pairing(attributes=attributes, people=people, model=model or people), resampling)


def test_younger_first_explains_everything_of_who_follows_it():
    pairs = drawn(np.random.default_rng(1), 60)
    found = measured(side(pairs, range(60), by_rank(pairs, younger))).model

    assert found.best.rule == found.best_single.rule == f"{YOUNGER}; if equal, indecision"
    assert (found.best.share.value, found.best.held_out.value) == (1, 1)
    assert found.singles[0].rule == found.best.rule
    opposite = next(s for s in found.singles if s.rule == "Age: higher first; if equal, indecision")
    assert opposite.share.value == pytest.approx((by_rank(pairs, younger) == 2).mean())
    assert found.always_undecided.value == opposite.share.value
    assert found.coin.value == pytest.approx((by_rank(pairs, younger) != 2).mean() / 2)


def test_a_lexicographic_rule_is_found_with_its_order_and_directions():
    pairs = drawn(np.random.default_rng(2), 120)
    found = measured(side(pairs, range(120), by_rank(pairs, sober, younger))).model

    assert found.best.rule == f"{SOBER}, then {YOUNGER}; if equal, indecision"
    assert (found.best.share.value, found.best.held_out.value) == (1, 1)
    assert found.best_single.share.value < 1


def test_who_tosses_a_coin_where_patients_are_equal_is_told_from_who_says_so():
    rng = np.random.default_rng(3)
    pairs = drawn(rng, 80)
    comparison = np.tile(np.arange(80), 20)
    rule = by_rank(pairs, sober)[comparison]
    found = measured(side(pairs, comparison, np.where(rule == 2, rng.integers(2, size=1600), rule))).model
    equal = (by_rank(pairs, sober) == 2).mean()

    assert found.best_single.rule == f"{SOBER}; if equal, a coin"
    assert found.best_single.share.value == pytest.approx(1 - equal / 2, abs=1e-12)


def test_no_rule_says_indecision_where_it_was_not_offered():
    pairs = drawn(np.random.default_rng(4), 40)
    given = side(pairs, range(40), by_rank(pairs, younger, equal=0), offered=False)
    found = measured(given).model

    assert not any("indecision" in s.rule for s in found.singles)
    assert found.best.share.value == 1


def test_coins_are_explained_by_some_rule_but_not_where_they_are_held_out():
    rng = np.random.default_rng(5)
    pairs = drawn(rng, 60)
    people = side(pairs, range(60), [0] * 60, range(60))  # An interval needs several people.
    found = measured(people, side(pairs, range(60), rng.integers(2, size=60))).model

    assert found.best.n_rules > 48
    assert found.best.share.value > 0.58
    assert found.best.held_out.value < found.best.share.value - 0.05
    assert found.coin.value == 0.5
    assert found.best.held_out.low < 0.5 < found.best.held_out.high


def test_the_best_rule_is_that_of_a_slow_search():
    rng = np.random.default_rng(6)
    pairs = drawn(rng, 50)
    choice = rng.choice(3, p=[0.45, 0.35, 0.2], size=200)
    given = side(pairs, rng.integers(50, size=200), choice)
    ranks = {
        "age": lambda p: p["age"],
        "drinks": lambda p: ["few", "many"].index(p["drinks"]),
        "cancer": lambda p: ["no", "skin", "lung"].index(p["cancer"]),
    }
    best = 0.0
    for length in (1, 2, 3):
        for order, signs in product(permutations(ranks, length), product((1, -1), repeat=length)):
            looked_at = [lambda p, r=ranks[a], s=s: s * r(p) for a, s in zip(order, signs, strict=True)]
            said = by_rank(pairs, *looked_at)[given.comparison]
            coin = ((said == choice) & (said != 2)).sum() + ((said == 2) & (choice != 2)).sum() / 2
            best = max(best, (said == choice).mean(), coin / 200)
    found = measured(given).model

    assert found.best.share.value >= best - 1e-12
    alone = [s.share.value for s in found.singles if "before all others" in s.rule]
    assert found.best.share.value == pytest.approx(max(best, *alone))


def test_one_level_before_all_others_is_a_rule_of_its_own():
    pairs = drawn(np.random.default_rng(7), 60)
    choice = by_rank(pairs, lambda p: p["cancer"] == "skin")
    found = measured(side(pairs, range(60), choice)).model

    assert found.best.rule == "Cancer: 'skin cancer in remission' before all others; if equal, indecision"


def test_persons_are_told_apart_by_their_rules():
    pairs = drawn(np.random.default_rng(8), 60)
    choices = [by_rank(pairs, younger)] * 6 + [by_rank(pairs, sober)] * 3
    people = side(pairs, np.tile(np.arange(60), 9), np.concatenate(choices), np.repeat(np.arange(9), 60))
    found = measured(people)

    assert [(p.rule, p.persons, p.mean_share) for p in found.by_person] == [
        (f"{YOUNGER}; if equal, indecision", 6, 1),
        (f"{SOBER}; if equal, indecision", 3, 1),
    ]


def test_a_person_whom_two_rules_explain_equally_counts_half_for_each():
    pairs = tuple(
        Comparison.of(*(Profile((("age", a), ("drinks", d))) for a, d in ((20 + i, "few"), (50 + i, "many"))))
        for i in range(4)
    )
    people = side(pairs, range(4), by_rank(pairs, younger))
    found = measured(people, attributes=(AGE, DRINKS))

    assert {(p.rule, p.persons) for p in found.by_person} == {(YOUNGER, 0.5), (SOBER, 0.5)}


def test_many_attributes_are_searched_greedily_and_it_says_so():
    attributes = tuple(replace(DRINKS, name=f"a{i}", label=f"A{i}") for i in range(7))
    pairs = drawn(np.random.default_rng(9), 120, attributes)
    choice = by_rank(pairs, lambda p: p["a3"] == "few", lambda p: p["a5"] == "many")
    found = measured(side(pairs, range(120), choice), attributes=attributes)

    assert found.model.best.rule == (
        "A3: 'one drink a month' first, then A5: 'five drinks a day' first; if equal, indecision"
    )
    assert found.model.best.held_out.value == 1
    assert "too many" in found.search
    assert "single attributes only" in found.search


def test_names_of_first_and_second_and_copies_of_people_change_nothing():
    rng = np.random.default_rng(10)
    pairs = drawn(rng, 40)
    comparison, choice = np.tile(np.arange(40), 5), rng.integers(3, size=200)
    given = side(pairs, comparison, choice, np.repeat(np.arange(5), 40))
    renamed = replace(
        given,
        comparisons=tuple(Comparison(c.second, c.first) for c in pairs),
        choice=given.choice[:, [1, 0, 2]],
        first_left=~given.first_left,
    )
    twice = side(pairs, np.tile(comparison, 2), np.tile(choice, 2), np.repeat(np.arange(10), 40))
    one, other, two = (measured(s) for s in (given, renamed, twice))

    for again in (other, two):
        assert again.people.best.rule == one.people.best.rule
        assert again.people.best.share.value == pytest.approx(one.people.best.share.value)
        assert again.people.best.held_out.value == pytest.approx(one.people.best.held_out.value)
    assert [(p.rule, p.persons) for p in other.by_person] == [(p.rule, p.persons) for p in one.by_person]
    assert [(p.rule, p.persons) for p in two.by_person] == [(p.rule, 2 * p.persons) for p in one.by_person]
