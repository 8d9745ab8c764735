"""Answers against dominance: which comparisons count, shares by hand, planted shares."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from llm_compare.alignment.choices import Choices, Pairing
from llm_compare.alignment.dominance import dominance, dominated_of
from llm_compare.alignment.resampling import Resampling
from survey.design import CategoricalAttribute, Comparison, Favours, Level, NumericAttribute, Profile
from survey.design_file import example_design
from survey.pairing.dominance import better_of

FEW = Resampling(n_draws=40, seed=1)
AGE = NumericAttribute(name="age", label="Age", minimum=0, maximum=100, favours=Favours.LOW)
HEALTH = CategoricalAttribute(
    name="health",
    label="Health",
    levels=(Level(name="good", words="healthy"), Level(name="bad", words="ill")),
    favoured="good",
)
COLOR = CategoricalAttribute(
    name="color", label="Hair", levels=(Level(name="red", words="red"), Level(name="gray", words="gray"))
)
ALL = (AGE, HEALTH, COLOR)


def patient(age, health, color="red"):
    return Profile((("age", age), ("health", health), ("color", color)))


def side(comparisons, comparison, choice, respondent=None):
    n = len(comparison)
    who = np.zeros(n, dtype=np.intp) if respondent is None else np.array(respondent, dtype=np.intp)
    return Choices(
        label="side",
        comparisons=tuple(comparisons),
        comparison=np.array(comparison, dtype=np.intp),
        respondent=who,
        respondents=tuple(f"r{i}" for i in range(int(who.max()) + 1)),
        choice=np.eye(3)[np.array(choice, dtype=np.intp)],
        first_left=np.ones(n, dtype=bool),
        offered=np.ones(n, dtype=bool),
        repeat=np.zeros(n, dtype=np.intp),
    )


def of(comparisons, attributes=ALL):
    blank = side(comparisons, [0], [0])
    return Pairing(attributes=attributes, people=blank, model=blank)


@pytest.mark.parametrize("name", ["kidney-8", "kidney-numeric"])
def test_a_patient_dominates_as_the_survey_says(name):
    design = example_design(name)
    rng = np.random.default_rng(1)
    pairs = [Comparison.of(a, b) for a, b in design.draw_pairs(25, rng)]
    expected = []
    for c in pairs:
        better = better_of(design, c.first, c.second)
        expected.append(-1 if better is None else 1 if better == c.first else 0)

    assert dominated_of(of(pairs, design.attributes)).tolist() == expected
    assert set(expected) > {-1}


def test_a_difference_without_a_direction_is_no_dominance():
    better, worse, other = patient(20, "good"), patient(60, "bad"), patient(60, "bad", "gray")
    mixed = patient(20, "bad"), patient(60, "good")

    assert dominated_of(of([Comparison(better, worse)])).tolist() == [1]
    assert dominated_of(of([Comparison(worse, better)])).tolist() == [0]
    assert dominated_of(of([Comparison(better, other), Comparison(*mixed)])).tolist() == [-1, -1]


def test_shares_are_those_counted_by_hand():
    pairs = [
        Comparison(patient(20, "good"), patient(60, "bad")),
        Comparison(patient(70, "bad"), patient(30, "bad")),
        Comparison(patient(20, "bad"), patient(60, "good")),
    ]
    # Against: the second of the first comparison, the first of the second; the third has no better patient.
    model = side(pairs, [0, 0, 0, 1, 1, 2, 2], [1, 0, 2, 0, 1, 0, 1])
    people = side(pairs, [0, 0, 1, 1], [0, 0, 1, 2], respondent=[0, 1, 0, 1])
    found = dominance(Pairing(attributes=ALL, people=people, model=model), FEW)

    assert found.n_dominated == 2
    assert (found.model.against.value, found.model.undecided.value) == pytest.approx((2 / 5, 1 / 5))
    assert (found.people.against.value, found.people.undecided.value) == pytest.approx((0, 1 / 4))
    assert found.against_difference.value == pytest.approx(2 / 5)
    assert found.directions == ("Age: low", "Health: healthy")


def planted(seed, *, against, n_respondents):
    profiles = [patient(a, h) for a in (10, 30, 50, 70) for h in ("good", "bad")]
    pairs = [Comparison(a, b) for a, b in combinations(profiles, 2)]
    worse = dominated_of(of(pairs))
    rng = np.random.default_rng(seed)
    comparison = np.tile(np.arange(len(pairs)), 20)
    wrong = rng.random(len(comparison)) < against
    choice = np.where(worse[comparison] < 0, 2, np.where(wrong, worse[comparison], 1 - worse[comparison]))
    return side(pairs, comparison, choice, rng.integers(n_respondents, size=len(comparison)))


def test_planted_shares_against_dominance_come_back():
    people, model = planted(1, against=0.1, n_respondents=30), planted(2, against=0.4, n_respondents=1)
    found = dominance(Pairing(attributes=ALL, people=people, model=model), FEW)

    assert found.people.against.low < 0.1 < found.people.against.high
    assert found.model.against.low < 0.4 < found.model.against.high
    assert found.against_difference.low < 0.3 < found.against_difference.high
    assert found.model.undecided.value == 0


def test_names_of_first_and_second_and_copies_of_people_change_nothing():
    given = planted(3, against=0.2, n_respondents=10)
    renamed = replace(
        given,
        comparisons=tuple(Comparison(c.second, c.first) for c in given.comparisons),
        choice=given.choice[:, [1, 0, 2]],
        first_left=~given.first_left,
    )
    twice = side(
        given.comparisons,
        np.tile(given.comparison, 2),
        np.tile(given.choice.argmax(axis=1), 2),
        np.concatenate([given.respondent, given.respondent + 10]),
    )
    one, other, two = (
        dominance(Pairing(attributes=ALL, people=s, model=s), FEW).people for s in (given, renamed, twice)
    )

    assert other.against.value == pytest.approx(one.against.value)
    assert two.against.value == pytest.approx(one.against.value)


def test_without_a_direction_or_a_dominated_patient_the_reason_is_given():
    blank = side([Comparison(patient(20, "bad"), patient(60, "good"))], [0, 0], [0, 1])
    none = dominance(Pairing(attributes=ALL, people=blank, model=blank), FEW)
    silent = (replace(AGE, favours=None), replace(HEALTH, favoured=None), COLOR)
    undirected = dominance(Pairing(attributes=silent, people=blank, model=blank), FEW)

    assert none.model.against.value is None
    assert "at least as good" in none.model.against.reason
    assert "states for none of its attributes" in undirected.model.against.reason
    assert undirected.directions == ()
