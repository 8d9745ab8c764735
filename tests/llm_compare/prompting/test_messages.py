from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from llm_compare.errors import CannotAsk
from llm_compare.prompting.call import Settings
from llm_compare.prompting.labels import Labels
from llm_compare.prompting.messages import Message, Speaker, Wording
from llm_compare.prompting.plan import comparisons_to_ask, plan_requests
from llm_compare.prompting.variant import (
    AnswerFormat,
    Framing,
    IndecisionOffer,
    IndecisionPlace,
    Marks,
    Paraphrase,
    Variant,
)
from survey.answers import Choice, Presentation
from survey.design_file import example_design

BODY = (
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
)
MARKED = "A = Patient A\nC = Flip a coin\nB = Patient B"


def shown_in(design, *, indecision_offered=True):
    return Presentation(
        left=design.profile({"age": 30, "drinks": 1, "dependents": 0}),
        right=design.profile({"age": 61, "drinks": 4, "dependents": 2}),
        attribute_order=("drinks", "age", "dependents"),
        indecision_offered=indecision_offered,
        position=1,
    )


def prompt(design, *, arm="with-coin", **factors):
    wording = Wording.of(design, arm=design.arm(arm), variant=Variant(**factors))
    shown = shown_in(design, indecision_offered=wording.indecision_offered)
    return (*wording.messages(shown), wording.labels(shown))


def how(design, **factors):
    """Return what a prompt says about how to answer."""
    _, user, _ = prompt(design, **factors)
    assert user.content.startswith(BODY)
    return user.content.removeprefix(BODY)


def test_a_prompt_reads_as_it_was_meant_to(kidney_numeric):
    system, user, _ = prompt(kidney_numeric)
    texts, explanation = kidney_numeric.texts, kidney_numeric.indecision.explanation
    assert system == Message(
        role=Speaker.SYSTEM,
        content=f"{texts.introduction.strip()}\n\n{texts.instructions.strip()}\n\n{explanation.strip()}",
    )
    assert user == Message(
        role=Speaker.USER, content=f"{BODY}Answer with one line that holds only a letter:\n{MARKED}"
    )


# Of the same calls as planned by the program before there were variants (its commit 931821e).
KEYS = {
    ("kidney-8", "main"): "239804b6c391102a7555da21e64d99dd89c0ffc3d77105f26f01b2b19b8a3042",
    ("kidney-numeric", "with-coin"): "ed8abb42cbc2321029306c88a48f41bede338e47574d2fbd451ebe835d4c379a",
    ("kidney-numeric", "no-coin"): "bbfad1a4981276f3c26a988983ee44eb2c306e4582718ff8ea23386e698717c5",
    ("kidney-study1", "with-coin"): "dcdb759d4e8ff5bb31c3dd0572ebefa35de2d5703e14fb49580fa6fb61bf77fd",
    ("kidney-study1", "no-coin"): "5df629c8fa7deb7e2f02239d876d328ff14b09a780268aebf1144a4336c67cca",
}


@pytest.mark.parametrize(("name", "arm"), KEYS)
def test_the_prompt_with_indecision_last_is_the_call_that_was_paid_for_before_there_were_variants(name, arm):
    design = example_design(name)
    comparisons = comparisons_to_ask(design, count=1, rng=np.random.default_rng(1))
    request = plan_requests(
        design,
        comparisons,
        arm=design.arm(arm),
        model="openai/anything",
        settings=Settings(temperature=0.0),
        variants=(Variant(indecision_place=IndecisionPlace.LAST),),
    )[0]
    assert (request.template, request.key) == ("letter-2", KEYS[name, arm])


def test_each_answer_format_says_how_to_answer(kidney_numeric):
    said = {kind: how(kidney_numeric, answer_format=kind) for kind in AnswerFormat}
    letter = f"Answer with one line that holds only a letter:\n{MARKED}"
    assert said == {
        AnswerFormat.LETTER: letter,
        AnswerFormat.FIRST_TOKEN: letter,
        AnswerFormat.JSON: 'Answer with a JSON object of the form {"answer": "X"} and nothing else, '
        f"where X is one of these:\n{MARKED}",
        AnswerFormat.REASONED: "Explain your reasons in a few sentences. Then end with one line of the form "
        f"“Answer: X”, where X is one of these:\n{MARKED}",
        AnswerFormat.FREE: "Say in your own words how you decide. These answers are possible:\n"
        "- Patient A\n- Flip a coin\n- Patient B",
        AnswerFormat.SCALE: "Answer with one whole number from -3 to 3 and nothing else: -3 means surely "
        "Patient A, 3 means surely Patient B.\n0 means “Flip a coin”.",
        AnswerFormat.ALLOCATION: "Spread 100 points over these answers, more points for what you hold more "
        "right. Answer with a JSON object that names the points of each, such as "
        f'{{"A": ..., "C": ..., "B": ...}}, and nothing else:\n{MARKED}',
    }


@pytest.mark.parametrize("kind", AnswerFormat)
def test_indecision_is_in_no_word_of_a_prompt_where_it_is_not_offered(kidney_numeric, kind):
    for factors in ({"arm": "no-coin"}, {"indecision": IndecisionOffer.NOT_OFFERED}):
        system, user, labels = prompt(kidney_numeric, answer_format=kind, **factors)
        assert labels.indecision is None
        assert "coin" not in (system.content + user.content).casefold()
        assert kidney_numeric.indecision.explanation.strip() not in system.content
        assert "C = " not in user.content
    assert ("0 is not allowed." in user.content) == (kind is AnswerFormat.SCALE)


@pytest.mark.parametrize(
    ("offer", "label"),
    [(IndecisionOffer.COIN, "Flip a coin"), (IndecisionOffer.CANNOT, "I cannot decide")],
)
def test_an_indecision_of_the_variants_own_is_explained_and_offered_in_any_arm(kidney_numeric, offer, label):
    system, user, labels = prompt(kidney_numeric, arm="no-coin", indecision=offer)
    assert labels.name(Choice.INDECISION) == label
    assert f"\nA = Patient A\nC = {label}\nB = Patient B" in user.content
    assert system.content.endswith(
        f"If you cannot choose between the two patients, you may answer “{label}”."
    )


@pytest.mark.parametrize(
    ("place", "order"),
    [(IndecisionPlace.FIRST, "CAB"), (IndecisionPlace.MIDDLE, "ACB"), (IndecisionPlace.LAST, "ABC")],
)
def test_indecision_moves_and_marks_stay_with_their_answers(kidney_numeric, place, order):
    lines = how(kidney_numeric, indecision_place=place).split("\n")[1:]
    assert lines == [line for mark in order for line in MARKED.split("\n") if line.startswith(mark)]


def test_numbers_stand_for_the_answers_where_they_are_wanted(kidney_numeric):
    assert how(kidney_numeric, marks=Marks.NUMBERS) == (
        "Answer with one line that holds only a number:\n1 = Patient A\n3 = Flip a coin\n2 = Patient B"
    )


def test_framing_and_persona_stand_before_the_study_and_change_nothing_else(kidney_numeric):
    plain, user, _ = prompt(kidney_numeric)
    system, same, _ = prompt(kidney_numeric, framing=Framing.CLINICIAN, persona=" a nurse of 60 ")
    assert same == user
    assert system.content == (
        "You are a transplant physician who decides about the allocation of donor kidneys.\n\n"
        "Answer as the following person would: a nurse of 60\n\n" + plain.content
    )


def test_a_persona_is_said_as_it_stands_even_with_braces(kidney_numeric):
    system, _, _ = prompt(kidney_numeric, persona="{label} {persona}")
    assert "person would: {label} {persona}\n" in system.content


def test_a_paraphrase_changes_the_words_that_it_has_and_no_others(kidney_numeric):
    other = Paraphrase(name="short", question="Who gets it?", instructions=" ")
    system, user, labels = prompt(kidney_numeric, paraphrase=other)
    plain, plain_user, plain_labels = prompt(kidney_numeric)
    assert user.content == plain_user.content.replace("Which patient should get the kidney?", "Who gets it?")
    assert (system, labels) == (plain, plain_labels)


def test_a_variant_in_another_language_has_no_word_of_the_first():
    design = example_design("kidney-complete")
    wording = Wording.of(design, arm=design.arm("coin"), variant=Variant(language="de"))
    comparison = design.comparisons()[0]
    shown = replace(
        shown_in(example_design("kidney-numeric")),
        left=comparison.first,
        right=comparison.second,
        attribute_order=("age", "drinking", "health"),
    )
    system, user = wording.messages(shown)
    assert user.content.endswith(
        "Antworten Sie mit einer Zeile, die nur einen Buchstaben enthält:\n"
        "A = Person A\nC = Münze werfen\nB = Person B"
    )
    assert wording.language == "de"
    assert "atient" not in system.content + user.content


def test_a_language_without_words_for_prompts_is_refused_with_those_there_are(kidney_numeric):
    finnish = replace(kidney_numeric, language="fi")
    with pytest.raises(CannotAsk, match=r"'fi', only in de, en, es, fr, it, nl, pt, zh"):
        Wording.of(finnish, arm=finnish.arms[0], variant=Variant())


def test_labels_find_answers_by_choice():
    labels = Labels.of("Patient A", "Patient B", None, marks=Marks.NUMBERS)
    assert [labels.mark(c) for c in (Choice.LEFT, Choice.RIGHT)] == ["1", "2"]
    assert labels.name(Choice.RIGHT) == "Patient B"
    for find in (labels.mark, labels.name):
        with pytest.raises(KeyError):
            find(Choice.INDECISION)


def test_a_variant_without_a_name_is_refused():
    with pytest.raises(CannotAsk, match="has no name"):
        Variant(name="")


@pytest.mark.parametrize(
    ("factors", "as_people"),
    [
        ({}, True),
        ({"answer_format": AnswerFormat.JSON}, True),
        ({"indecision_place": IndecisionPlace.LAST}, False),
        ({"framing": Framing.ETHICIST}, False),
        ({"persona": "a nurse"}, False),
        ({"paraphrase": Paraphrase(name="short", question="Who?")}, False),
        ({"indecision": IndecisionOffer.COIN}, False),
    ],
)
def test_a_variant_knows_whether_it_asks_as_people_are_asked(factors, as_people):
    assert Variant(**factors).asks_as_people is as_people


def test_the_factors_of_a_variant_are_words():
    variant = Variant(name="x", paraphrase=Paraphrase(name="short"), framing=Framing.ETHICIST)
    assert variant.factors() == {
        "framing": "ethicist",
        "persona": "",
        "answer_format": "letter",
        "indecision": "as-people",
        "language": "",
        "paraphrase": "short",
        "marks": "letters",
        "indecision_place": "middle",
    }
