"""Measures of shares against people's answers: plain slow sums, and cases whose result is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_compare.alignment.cells import FEWEST_PAIRS
from llm_compare.alignment.sides import People
from llm_compare.tuning.evaluation.held_out_people import HeldOutPeople
from llm_compare.tuning.evaluation.measures import EVENLY, MEASURES, PLACE, Key, Scored
from llm_compare.tuning.evaluation.share_table import ShareTable
from survey.answers import Answer, Choice, RespondentKind
from survey.design import Comparison, NumericAttribute, make_profile

ATTRIBUTES = (
    NumericAttribute(name="age", label="Age", minimum=20, maximum=70, words="{value}", unit="year"),
)
CHOICES = (Choice.LEFT, Choice.RIGHT, Choice.INDECISION)


def profile(age):
    return make_profile(ATTRIBUTES, {"age": age})


def answer(who, left, right, choice):
    return Answer(
        respondent=who,
        kind=RespondentKind.HUMAN,
        arm="a",
        position=None,
        left=profile(left),
        right=profile(right),
        choice=choice,
        indecision_offered=True,
        design_hash="d",
    )


def people_of(answers):
    return HeldOutPeople(
        name="comparisons",
        words="",
        people=People(
            answers=tuple(answers), attributes=ATTRIBUTES, source="s", indecision_offered=True, notes=()
        ),
    )


def table(test, by_side, elsewhere=None):
    return ShareTable(
        comparisons=test.comparisons,
        by_side=np.asarray(by_side, dtype=float),
        elsewhere=np.zeros((len(test.comparisons), 2)) if elsewhere is None else np.asarray(elsewhere),
    )


def measured(test, *tables):
    return Scored.of(tables, offered=True).measures(test.cells.once, np.ones(len(test.comparisons)))


@st.composite
def situations(draw):
    """Answers of four people to a dozen comparisons, and a model's shares."""
    n = draw(st.integers(FEWEST_PAIRS, FEWEST_PAIRS + 3))
    answers = [
        answer(f"p{who}", 20 + i, 40 + i, draw(st.sampled_from(CHOICES)))
        for i in range(n)
        for who in range(draw(st.integers(2, 4)))
    ]
    seed = draw(st.integers(0, 2**32 - 1))
    return people_of(answers), np.random.default_rng(seed).dirichlet([0.6, 0.6, 0.6], size=(n, 2))


@settings(max_examples=25, deadline=None)
@given(situation=situations())
def test_every_measure_is_what_a_plain_sum_over_answers_gives(situation):
    test, by_side = situation
    row = measured(test, table(test, by_side))[0]
    sums = {key: [] for key in ("person", "likeliest", "log", "brier", "distance", "again", "sides")}
    left = decided = 0.0
    for i, comparison in enumerate(test.comparisons):
        columns = []
        for a in test.people.answers:
            if a.comparison == comparison:
                chosen = {Choice.LEFT: a.left, Choice.RIGHT: a.right}.get(a.choice)
                columns.append(2 if chosen is None else 0 if chosen == comparison.first else 1)
        p = [(by_side[i, 0, k] + by_side[i, 1, k]) / 2 for k in range(3)]
        n = len(columns)
        sums["person"].append(sum(p[c] for c in columns) / n)
        sums["likeliest"].append(sum(p[c] == max(p) for c in columns) / n)
        sums["log"].append(sum(math.log2((1 - EVENLY) * p[c] + EVENLY / 3) for c in columns) / n)
        sums["brier"].append(sum(sum((p[k] - (k == c)) ** 2 for k in range(3)) for c in columns) / n)
        pairs = [(a, b) for x, a in enumerate(columns) for y, b in enumerate(columns) if x != y]
        alike = sum(a == b for a, b in pairs) / len(pairs)
        sums["distance"].append(alike + sum(x * x for x in p) - 2 * sum(p[c] for c in columns) / n)
        one, other = by_side[i]
        sums["again"].append((sum(x * x for x in one) + sum(x * x for x in other)) / 2)
        sums["sides"].append(sum(x * y for x, y in zip(one, other, strict=True)))
        left += one[0] + other[1]
        decided += one[0] + one[1] + other[0] + other[1]
    expected = {
        Key.PERSON: sums["person"],
        Key.LIKELIEST: sums["likeliest"],
        Key.LOG_SCORE: sums["log"],
        Key.BRIER: sums["brier"],
        Key.DISTANCE: sums["distance"],
        Key.AGAIN: sums["again"],
        Key.SIDES: sums["sides"],
        Key.INDECISION: [by_side[i, :, 2].mean() for i in range(len(by_side))],
    }
    for key, values in expected.items():
        assert row[PLACE[key]] == pytest.approx(np.mean(values), abs=1e-9), key
    assert row[PLACE[Key.LEFT]] == pytest.approx(left / decided)
    assert row[PLACE[Key.LOST_BY_EXCHANGE]] == pytest.approx(
        ((by_side[:, 0] - by_side[:, 1]) ** 2).sum(axis=1).mean() / 2
    )


def test_showing_the_answers_the_other_way_round_changes_no_measure():
    rng = np.random.default_rng(3)
    drawn = [(f"p{w}", 20 + i, 45, CHOICES[rng.integers(3)]) for i in range(12) for w in range(2)]
    mirror = {Choice.LEFT: Choice.RIGHT, Choice.RIGHT: Choice.LEFT, Choice.INDECISION: Choice.INDECISION}
    test = people_of(answer(*row) for row in drawn)
    turned = people_of(answer(w, right, left, mirror[c]) for w, left, right, c in drawn)
    shares = table(test, rng.dirichlet([1, 1, 1], size=(12, 2)))
    np.testing.assert_allclose(measured(test, shares), measured(turned, shares))


def test_indecision_in_the_same_places_is_calibrated_and_elsewhere_it_is_not():
    answers = [
        answer(f"p{who}", 20 + i, 50, Choice.INDECISION if i % 2 and who < 2 else Choice.LEFT)
        for i in range(12)
        for who in range(4)
    ]
    test = people_of(answers)
    rate = np.array([0.5 if i % 2 else 0.0 for i in range(12)])

    def undecided(r):
        return table(test, np.repeat(np.column_stack([1 - r, 0 * r, r])[:, None], 2, axis=1))

    same, opposite = measured(test, undecided(rate), undecided(0.5 - rate))
    assert same[PLACE[Key.INDECISION_SLOPE]] == pytest.approx(1)
    assert same[PLACE[Key.INDECISION_AUC]] == 1
    assert opposite[PLACE[Key.INDECISION_SLOPE]] == pytest.approx(-1)
    assert opposite[PLACE[Key.INDECISION_AUC]] == 0


def test_a_model_without_an_answer_has_no_numbers_but_the_probability_of_something_else():
    test = people_of(answer("p", 20 + i, 50, Choice.LEFT) for i in range(3))
    row = measured(test, table(test, np.full((3, 2, 3), np.nan), np.full((3, 2), 0.9)))[0]
    defined = {m.key for m, value in zip(MEASURES, row, strict=True) if np.isfinite(value)}
    assert defined == {Key.ELSEWHERE}
    assert row[PLACE[Key.ELSEWHERE]] == pytest.approx(0.9)


def test_the_distance_is_not_told_from_a_handful_of_shared_comparisons():
    n = FEWEST_PAIRS - 1
    test = people_of(answer(w, 20 + i, 50, Choice.LEFT) for i in range(n) for w in ("p", "q"))
    shares = ShareTable.same_from_both_sides(test.comparisons, np.full((n, 3), 1 / 3))
    row = measured(test, shares)[0]
    assert np.isnan(row[PLACE[Key.DISTANCE]])
    assert row[PLACE[Key.PERSON]] == pytest.approx(1 / 3)


def test_a_table_gives_its_rows_in_any_order_and_nothing_for_what_it_lacks():
    known = [Comparison.of(profile(20 + i), profile(60)) for i in range(3)]
    shares = ShareTable.same_from_both_sides(known, np.eye(3))
    stranger = Comparison.of(profile(21), profile(22))
    found = shares.of([known[2], stranger, known[0]])
    np.testing.assert_array_equal(found.shares[[0, 2]], np.eye(3)[[2, 0]])
    assert np.isnan(found.by_side[1]).all()
