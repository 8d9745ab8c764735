from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from survey.answers import Choice, Presentation
from survey.design import Comparison
from survey.design_file import EXAMPLES, example_design, parse_design
from survey.errors import BadDesign, BadProfile
from survey.pairing import draw_presentations
from survey.wording import instructions, question, question_text

EIGHT = example_design("kidney-8")
NUMERIC = example_design("kidney-numeric")
STUDY_1 = example_design("kidney-study1")


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
@pytest.mark.parametrize("design", [EIGHT, NUMERIC], ids=["all pairs", "random"])
def test_a_respondent_sees_each_comparison_once_and_sides_are_balanced(design, seed):
    shown = draw_presentations(design, design.arms[0], np.random.default_rng(seed))

    assert len(shown) == design.comparisons_per_respondent
    assert len({p.comparison for p in shown}) == len(shown)
    assert [p.position for p in shown] == list(range(1, len(shown) + 1))
    assert len({p.attribute_order for p in shown}) == 1
    listed = {frozenset((p.left, p.right)) for p in shown}
    assert all(len(pair) == 2 for pair in listed)
    if design is EIGHT:
        swapped = sum(p.left != p.comparison.first for p in shown)
        assert swapped == len(shown) // 2


def test_all_pairs_shows_a_respondent_every_comparison():
    shown = draw_presentations(EIGHT, EIGHT.arms[0], np.random.default_rng(1))
    assert {p.comparison for p in shown} == set(EIGHT.comparisons())


def test_over_many_respondents_no_side_and_no_attribute_order_is_favored():
    rng = np.random.default_rng(5)
    shown = [p for _ in range(300) for p in draw_presentations(EIGHT, EIGHT.arms[0], rng)]
    of_one = [p for p in shown if p.comparison == shown[0].comparison]
    left = sum(p.left == p.comparison.first for p in of_one)
    first_attribute = [p.attribute_order[0] for p in shown[::28]]

    assert len(of_one) == 300
    assert 110 <= left <= 190  # Binomial(300, 1/2): five standard deviations are 43.
    assert all(60 <= first_attribute.count(a.name) <= 140 for a in EIGHT.attributes)


def test_fixed_sides_and_order_are_kept_as_listed():
    shown = draw_presentations(STUDY_1, STUDY_1.arms[0], np.random.default_rng(2))

    assert {(p.left, p.right) for p in shown} == set(STUDY_1.listed_comparisons)
    assert {p.attribute_order for p in shown} == {("age", "dependents", "drinking")}


def test_the_same_seed_draws_the_same_sequence():
    one, other = (draw_presentations(NUMERIC, NUMERIC.arms[0], np.random.default_rng(9)) for _ in range(2))
    assert one == other


def test_the_arm_decides_whether_indecision_is_offered():
    for arm in NUMERIC.arms:
        shown = draw_presentations(NUMERIC, arm, np.random.default_rng(3))
        assert {p.indecision_offered for p in shown} == {arm.indecision_offered}


def test_a_comparison_is_the_same_whichever_profile_is_named_first():
    a, b = EIGHT.profiles()[:2]
    assert Comparison.of(a, b) == Comparison.of(b, a)


def test_a_profile_cannot_be_compared_with_itself():
    with pytest.raises(BadProfile, match="YRH"):
        Comparison.of(EIGHT.profiles()[0], EIGHT.profiles()[0])


def test_mirroring_a_choice_twice_gives_it_back_and_indecision_has_no_side():
    assert [c.mirrored.mirrored for c in Choice] == list(Choice)
    assert Choice.INDECISION.mirrored is Choice.INDECISION
    assert Choice.LEFT.mirrored is Choice.RIGHT


def presentation(design, left, right, order, *, offered=True):
    return Presentation(
        left=design.profile(left),
        right=design.profile(right),
        attribute_order=order,
        indecision_offered=offered,
        position=1,
    )


def test_a_question_uses_the_designs_words_in_the_presented_order_and_number():
    shown = presentation(
        NUMERIC,
        {"age": 43, "drinks": 1, "dependents": 2},
        {"age": 60, "drinks": 3, "dependents": 1},
        ("dependents", "drinks", "age"),
    )
    asked = question(NUMERIC, shown)

    assert [row.label for row in asked.rows] == ["Dependents", "Alcohol before diagnosis", "Age"]
    assert [row.left for row in asked.rows] == ["2 child dependents", "1 drink per day", "43 years old"]
    assert [row.right for row in asked.rows] == ["1 child dependent", "3 drinks per day", "60 years old"]
    assert asked.indecision == "Flip a coin"


def test_without_an_offer_the_question_has_no_words_for_indecision():
    shown = presentation(
        NUMERIC,
        {"age": 43, "drinks": 1, "dependents": 2},
        {"age": 60, "drinks": 3, "dependents": 1},
        ("age", "drinks", "dependents"),
        offered=False,
    )
    assert question(NUMERIC, shown).indecision is None


@pytest.mark.parametrize("offered", [True, False])
def test_the_coin_is_explained_to_those_who_are_offered_it_and_to_nobody_else(offered: bool):
    assert ("coin" in instructions(NUMERIC, indecision_offered=offered)) is offered


def test_the_text_of_a_question_holds_every_word_of_it():
    shown = draw_presentations(EIGHT, EIGHT.arms[0], np.random.default_rng(0))[0]
    asked = question(EIGHT, shown)
    text = question_text(asked)

    for words in (
        asked.text,
        asked.left,
        asked.right,
        *(w for r in asked.rows for w in (r.label, r.left, r.right)),
    ):
        assert words in text


def test_a_design_that_cannot_yield_enough_different_comparisons_is_refused():
    text = (EXAMPLES / "kidney-numeric.toml").read_text()
    narrow = (
        text.replace("minimum = 25\nmaximum = 70", "points = [25, 70]")
        .replace("minimum = 1\nmaximum = 5", "points = [1, 5]")
        .replace("minimum = 0\nmaximum = 2", "points = [0, 2]")
    )

    with pytest.raises(BadDesign, match="only 28"):
        parse_design(narrow)
