"""Preference for a side: by hand, as planted beside strengths, and where no finite estimate exists."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from llm_compare.alignment.choices import Choices, Pairing
from llm_compare.alignment.position import position, position_effect
from llm_compare.alignment.resampling import Population, Resampling
from survey.design import Comparison, NumericAttribute, Profile

AGE = NumericAttribute(name="age", label="Age", minimum=0, maximum=100)
PROFILES = [Profile((("age", 10 * i),)) for i in range(6)]
PAIRS = tuple(Comparison.of(a, b) for a, b in combinations(PROFILES, 2))
FEW = Resampling(n_draws=40, seed=1)


def side(comparison, choice, first_left, respondent=None, comparisons=PAIRS):
    n = len(comparison)
    who = np.zeros(n, dtype=np.intp) if respondent is None else np.array(respondent, dtype=np.intp)
    return Choices(
        label="side",
        comparisons=comparisons,
        comparison=np.array(comparison, dtype=np.intp),
        respondent=who,
        respondents=tuple(f"r{i}" for i in range(int(who.max()) + 1)),
        choice=np.eye(3)[np.array(choice, dtype=np.intp)],
        first_left=np.array(first_left, dtype=bool),
        offered=np.ones(n, dtype=bool),
        repeat=np.zeros(n, dtype=np.intp),
    )


def planted(seed, *, order, pull=-1.0, n_respondents=1, n=3000):
    """Return answers by Davidson's model: strengths fall with age, the left has ``order`` more log-odds."""
    rng = np.random.default_rng(seed)
    comparison = rng.integers(len(PAIRS), size=n)
    first_left = rng.integers(2, size=n).astype(bool)
    strength = {p: -0.02 * float(p["age"]) for p in PROFILES}
    gap = np.array([strength[c.first] - strength[c.second] for c in PAIRS])[comparison]
    first = gap + np.where(first_left, order, -order)
    weights = np.exp(np.column_stack([first / 2, -first / 2, np.full(n, pull)]))
    share = weights / weights.sum(axis=1, keepdims=True)
    choice = (rng.random((n, 1)) > share.cumsum(axis=1)).sum(axis=1)
    return side(comparison, choice, first_left, rng.integers(n_respondents, size=n))


def pairing(people, model):
    return Pairing(attributes=(AGE,), people=people, model=model)


def test_shares_of_the_left_are_those_counted_by_hand():
    # First left: first, first, second chosen; second left: second chosen, and an indecision that counts on no side.
    given = side([0, 0, 0, 0, 0], [0, 0, 1, 1, 2], [1, 1, 1, 0, 0])
    found = position(pairing(given, given), FEW).model

    assert found.left.value == pytest.approx(3 / 4)
    assert found.left_excess.value == pytest.approx((2 / 3 + 1) / 2 - 1 / 2)
    assert found.n_both_ways == 1


def test_a_strong_patient_who_mostly_stood_on_the_left_is_no_preference_for_the_left():
    given = side([0] * 10, [0] * 10, [1] * 9 + [0])
    found = position(pairing(given, given), FEW).model

    assert found.left.value == 0.9
    assert found.left_excess.value == 0


def test_planted_effects_of_the_side_come_back_beside_strengths():
    people, model = planted(1, order=0.2, n_respondents=60), planted(2, order=1.0)
    found = position(pairing(people, model), FEW)

    assert found.people.effect.low < 0.2 < found.people.effect.high
    assert found.model.effect.low < 1.0 < found.model.effect.high
    assert found.model.effect.high - found.model.effect.low < 0.5
    assert found.model.effect.p_by_cluster < 1e-6
    assert found.model.effect.likelihood_ratio > 50
    assert found.log_odds_difference.low < 0.8 < found.log_odds_difference.high
    assert found.excess_difference.low > 0
    assert (found.people.effect.clusters, found.model.effect.clusters) == ("respondent", "comparison")
    assert found.model.effect.indecision == "modeled"
    assert found.model.effect.described_by == "profiles"


@pytest.mark.parametrize("population", list(Population))
def test_no_preference_for_a_side_stays_none(population):
    given = planted(3, order=0.0, n_respondents=40)
    found = position(pairing(given, given), replace(FEW, population=population))

    assert found.people.left_excess.low < 0 < found.people.left_excess.high
    assert found.model.left_excess.low < 0 < found.model.left_excess.high
    assert found.people.effect.low < 0 < found.people.effect.high


def test_exchanging_all_sides_turns_the_preference_around():
    given = planted(4, order=0.5, n_respondents=20)
    moved = replace(given, first_left=~given.first_left)
    one, other = (position(pairing(s, s), FEW).people for s in (given, moved))

    assert other.left.value == pytest.approx(1 - one.left.value)
    assert other.left_excess.value == pytest.approx(-one.left_excess.value)
    assert other.effect.log_odds == pytest.approx(-one.effect.log_odds, abs=1e-6)
    assert other.effect.likelihood_ratio == pytest.approx(one.effect.likelihood_ratio, abs=1e-6)


def test_the_names_first_and_second_change_nothing():
    given = planted(5, order=0.5, n_respondents=20)
    renamed = replace(
        given,
        comparisons=tuple(Comparison(c.second, c.first) for c in given.comparisons),
        choice=given.choice[:, [1, 0, 2]],
        first_left=~given.first_left,
    )
    one, other = (position(pairing(s, s), FEW).people for s in (given, renamed))

    assert other.left.value == pytest.approx(one.left.value)
    assert other.left_excess.value == pytest.approx(one.left_excess.value)
    assert other.effect.log_odds == pytest.approx(one.effect.log_odds, abs=1e-6)


def test_everybody_twice_changes_no_value():
    given = planted(6, order=0.5, n_respondents=20, n=600)
    twice = replace(
        given,
        **{
            name: np.concatenate([getattr(given, name)] * 2)
            for name in ("comparison", "choice", "first_left", "offered", "repeat")
        },
        respondent=np.concatenate([given.respondent, given.respondent + 20]),
        respondents=tuple(f"r{i}" for i in range(40)),
    )
    one, two = (position(pairing(s, s), FEW).people for s in (given, twice))

    assert two.left_excess.value == pytest.approx(one.left_excess.value)
    assert two.effect.log_odds == pytest.approx(one.effect.log_odds, abs=1e-6)


def test_without_any_indecision_the_effect_is_that_of_decided_answers():
    found = position_effect(planted(7, order=0.6, pull=-50.0), (AGE,))

    assert found.low < 0.6 < found.high
    assert found.indecision == "left out"


def test_too_few_answers_for_free_strengths_are_described_by_attributes():
    found = position_effect(planted(8, order=1.0, n=55), (AGE,))

    assert found.described_by == "attributes"
    assert found.log_odds is not None


def test_who_always_takes_the_left_has_a_share_but_no_finite_effect():
    given = side(list(range(15)) * 8, [0, 1] * 60, [1, 0] * 60)
    found = position(pairing(planted(9, order=0.0, n_respondents=20), given), FEW)

    assert found.model.left.value == 1
    assert found.model.effect.log_odds is None
    assert "without exception" in found.model.effect.reason
    assert "share of the left" in found.model.effect.reason
    assert found.log_odds_difference.value is None
    assert "model's" in found.log_odds_difference.reason


def test_one_way_round_the_side_cannot_be_told_from_the_patient():
    given = side(list(range(15)), [0] * 15, [1] * 15)
    found = position(pairing(given, given), FEW).model

    assert found.left.value == 1
    assert found.left_excess.value is None
    assert "both ways" in found.left_excess.reason
    assert found.n_both_ways == 0


def test_only_indecision_stands_on_no_side():
    given = side(list(range(15)), [2] * 15, [1] * 15)
    found = position(pairing(given, given), FEW).model

    assert found.left.value is None
    assert found.effect.log_odds is None
    assert found.effect.reason


def test_hundreds_of_free_strengths_are_described_by_attributes():
    rng = np.random.default_rng(10)
    profiles = [Profile((("age", i),)) for i in range(300)]
    pairs = tuple(Comparison.of(profiles[0], p) for p in profiles[1:])
    n = 3200
    given = side(
        rng.integers(299, size=n), rng.integers(3, size=n), rng.integers(2, size=n), comparisons=pairs
    )
    found = position_effect(given, (AGE,))

    assert found.described_by == "attributes"
    assert found.low < 0 < found.high
