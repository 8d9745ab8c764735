from __future__ import annotations

import re

import numpy as np
import pytest

from llm_compare.plan import Settings, comparisons_to_ask, plan_requests
from llm_compare.prompts import TEMPLATE, Message, Speaker, labels, messages
from survey.answers import Presentation
from survey.design_file import example_design
from survey.wording import question, question_text


@pytest.fixture
def shown(kidney_numeric) -> Presentation:
    return Presentation(
        left=kidney_numeric.profile({"age": 30, "drinks": 1, "dependents": 0}),
        right=kidney_numeric.profile({"age": 61, "drinks": 4, "dependents": 2}),
        attribute_order=("drinks", "age", "dependents"),
        indecision_offered=True,
        position=1,
    )


def test_a_prompt_reads_as_it_was_meant_to(kidney_numeric, shown):
    system, user = messages(kidney_numeric, shown)
    texts, explanation = kidney_numeric.texts, kidney_numeric.indecision.explanation
    assert system == Message(
        role=Speaker.SYSTEM,
        content=f"{texts.introduction.strip()}\n\n{texts.instructions.strip()}\n\n{explanation.strip()}",
    )
    assert user.content == (
        "Which patient should get the kidney?\n"
        "\n"
        "Patient A:\n"
        "- Alcohol before diagnosis: 1 drink per day\n"
        "- Age: 30 years old\n"
        "- Dependents: 0 child dependents\n"
        "\n"
        "Patient B:\n"
        "- Alcohol before diagnosis: 4 drinks per day\n"
        "- Age: 61 years old\n"
        "- Dependents: 2 child dependents\n"
        "\n"
        "Answer with one line that holds only a letter:\n"
        "A = Patient A\n"
        "B = Patient B\n"
        "C = Flip a coin"
    )


@pytest.mark.parametrize("name", ["kidney-8", "kidney-numeric", "kidney-study1"])
def test_every_word_that_a_person_reads_of_a_comparison_is_in_the_prompt(name):
    design = example_design(name)
    comparisons = comparisons_to_ask(design, count=10, rng=np.random.default_rng(1))
    for arm in design.arms:
        for request in plan_requests(design, comparisons, arm=arm, model="openai/x", settings=Settings()):
            asked = question(design, request.presentation)
            prompt = request.messages[-1].content
            assert prompt.startswith(question_text(asked) + "\n\n")
            words = [asked.text, asked.left, asked.right, *(asked.indecision or "").splitlines()]
            words += [text for row in asked.rows for text in (row.label, row.left, row.right)]
            assert [text for text in words if text not in prompt] == []


def test_the_letters_stand_for_the_headings_and_the_label_of_the_design(kidney_numeric, shown):
    offered = labels(kidney_numeric, shown).offered()
    assert [(letter, name) for letter, name, _ in offered] == [
        ("A", "Patient A"),
        ("B", "Patient B"),
        ("C", "Flip a coin"),
    ]


def test_no_third_letter_is_offered_where_indecision_is_not(kidney_numeric, shown):
    without = Presentation(
        left=shown.left,
        right=shown.right,
        attribute_order=shown.attribute_order,
        indecision_offered=False,
        position=1,
    )
    text = messages(kidney_numeric, without)[-1].content
    assert text.endswith("A = Patient A\nB = Patient B")
    assert kidney_numeric.indecision.label not in text


def test_the_template_is_named_and_numbered():
    assert re.fullmatch(r"[a-z]+-\d+", TEMPLATE)
