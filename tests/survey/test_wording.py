from __future__ import annotations

from dataclasses import replace

import pytest

from survey.answers import Choice, Presentation
from survey.design_file import example_design
from survey.languages import worded
from survey.wording import instructions, question, question_text

EIGHT = example_design("kidney-8")
NUMERIC = example_design("kidney-numeric")
COMPLETE = example_design("kidney-complete")


def presentation(design, left, right, order, *, offered=True):
    return Presentation(
        left=design.profile(left),
        right=design.profile(right),
        attribute_order=order,
        indecision_offered=offered,
        position=1,
    )


YOUNG = {"age": 43, "drinks": 1, "dependents": 2}
OLDER = {"age": 60, "drinks": 3, "dependents": 1}


def instructed(expected: Choice | None) -> Presentation:
    one, other = COMPLETE.profiles()[:2]
    return Presentation(
        left=one,
        right=other,
        attribute_order=("health", "age", "drinking"),
        indecision_offered=True,
        position=7,
        note="instructed",
        expected=expected,
    )


def test_a_question_uses_the_designs_words_in_the_presented_order_and_number():
    asked = question(NUMERIC, presentation(NUMERIC, YOUNG, OLDER, ("dependents", "drinks", "age")))

    assert [row.label for row in asked.rows] == ["Dependents", "Alcohol before diagnosis", "Age"]
    assert [row.left for row in asked.rows] == ["2 child dependents", "1 drink per day", "43 years old"]
    assert [row.right for row in asked.rows] == ["1 child dependent", "3 drinks per day", "60 years old"]
    assert asked.indecision == "Flip a coin"


def test_without_an_offer_the_question_has_no_words_for_indecision():
    shown = presentation(NUMERIC, YOUNG, OLDER, ("age", "drinks", "dependents"), offered=False)
    assert question(NUMERIC, shown).indecision is None


@pytest.mark.parametrize("offered", [True, False])
def test_the_coin_is_explained_to_those_who_are_offered_it_and_to_nobody_else(offered: bool):
    assert ("coin" in instructions(NUMERIC, indecision_offered=offered)) is offered


def test_the_text_of_a_question_holds_every_word_of_it():
    asked = question(
        EIGHT,
        Presentation(
            left=EIGHT.profiles()[3],
            right=EIGHT.profiles()[4],
            attribute_order=("drinking", "health", "age"),
            indecision_offered=True,
            position=1,
        ),
    )
    text = question_text(asked)

    for words in (
        asked.text,
        asked.left,
        asked.right,
        *(w for r in asked.rows for w in (r.label, r.left, r.right)),
    ):
        assert words in text


def test_a_row_says_whether_the_patients_differ_in_it():
    shown = presentation(NUMERIC, YOUNG, OLDER | {"drinks": 1}, ("dependents", "drinks", "age"))
    assert [row.differs for row in question(NUMERIC, shown).rows] == [True, False, True]


@pytest.mark.parametrize("highlighted", [True, False])
def test_a_question_says_whether_differences_were_emphasized_and_its_text_does_not(highlighted: bool):
    shown = presentation(NUMERIC, YOUNG, OLDER, ("age", "drinks", "dependents"))
    asked = question(NUMERIC, replace(shown, highlighted=highlighted))

    assert asked.highlighted is highlighted
    assert question_text(asked) == question_text(question(NUMERIC, shown))


@pytest.mark.parametrize(
    ("language", "arm", "expected", "answer"),
    [
        ("en", "coin", Choice.LEFT, "“Patient A”"),
        ("en", "coin", Choice.INDECISION, "“Flip a coin”"),
        ("en", "cannot-decide", Choice.INDECISION, "“I cannot decide”"),
        ("de", "coin", Choice.RIGHT, "„Person B“"),
        ("de", "cannot-decide", Choice.INDECISION, "„Kann ich nicht sagen“"),
    ],
)
def test_an_instructed_check_names_its_answer_as_the_respondent_reads_it(language, arm, expected, answer):
    asked = question(worded(COMPLETE, arm=arm, language=language), instructed(expected))

    assert answer in asked.note
    assert "{answer}" not in asked.note
    assert question_text(asked).endswith(f"\n\n{asked.note}")


def test_only_an_instructed_check_has_a_note():
    assert question(COMPLETE, replace(instructed(Choice.LEFT), note="")).note == ""


def test_an_instructed_check_without_an_answer_to_give_is_a_mistake():
    with pytest.raises(ValueError, match="presentation 7 is instructed"):
        question(COMPLETE, instructed(None))


def test_the_text_of_a_question_without_a_note_is_what_models_have_been_asked():
    shown = presentation(NUMERIC, YOUNG, OLDER, ("age", "drinks", "dependents"))

    assert question_text(question(NUMERIC, shown)) == (
        "Which patient should get the kidney?\n"
        "\n"
        "Patient A:\n"
        "- Age: 43 years old\n"
        "- Alcohol before diagnosis: 1 drink per day\n"
        "- Dependents: 2 child dependents\n"
        "\n"
        "Patient B:\n"
        "- Age: 60 years old\n"
        "- Alcohol before diagnosis: 3 drinks per day\n"
        "- Dependents: 1 child dependent"
    )
