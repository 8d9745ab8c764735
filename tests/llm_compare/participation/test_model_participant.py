"""What a model respondent is drawn, in which words, and what its answers are."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from llm_compare.participation.model_participant import (
    Group,
    draw_for,
    in_words,
    request_of,
    usual_label,
    variant_of,
    variant_record,
)
from llm_compare.prompting.call import Settings
from llm_compare.prompting.messages import Wording
from llm_compare.prompting.request import SideOrder
from llm_compare.prompting.variant import AnswerFormat, Framing, Paraphrase, Variant
from survey.answers import Role
from survey.design import design_hash
from survey.design_file import example_design
from survey.pairing import draw_presentations
from survey.wording import question, question_text


@pytest.fixture(scope="module")
def group():
    def make(design, **changes):
        given = {
            "model": "openai/gpt-4o",
            "api_base": None,
            "label": "gpt-4o",
            "settings": Settings(),
            "variant": Variant(),
            "arm": design.arms[0].name,
            "design_hash": design_hash(design),
            "seed": 1,
        }
        return Group(**{**given, **changes})

    return make


@pytest.mark.parametrize("name", ["kidney-8", "kidney-complete", "kidney-numeric", "kidney-study1"])
def test_a_model_is_drawn_what_the_participants_code_draws_without_the_practice(group, name):
    design = example_design(name)
    drawn = draw_for(design, group(design), 3, draw_seed=99, before=())
    expected = draw_presentations(design, design.arms[0], np.random.default_rng([99, 0, 1, 3]))
    assert drawn == tuple(p for p in expected if p.role is not Role.PRACTICE)
    assert [p.position for p in drawn] == list(range(1, len(drawn) + 1))


def test_checks_and_repeats_are_drawn_as_for_people(group):
    design = example_design("kidney-complete")
    roles = Counter(p.role for p in draw_for(design, group(design), 1, draw_seed=5, before=()))
    assert roles[Role.MAIN] == design.comparisons_per_respondent
    assert roles[Role.REPEAT] == design.roles.repeats > 0
    assert roles[Role.CHECK] > 0


def test_respondents_of_one_seed_differ_and_models_of_one_seed_do_not(group, kidney_8):
    one = group(kidney_8)
    drawn = [draw_for(kidney_8, one, n, draw_seed=7, before=()) for n in (1, 2)]
    assert drawn[0] != drawn[1]
    other = draw_for(kidney_8, group(kidney_8, model="anthropic/other"), 1, draw_seed=7, before=())
    assert other == drawn[0]
    assert draw_for(kidney_8, group(kidney_8, seed=2), 1, draw_seed=7, before=()) != drawn[0]


def test_no_draw_is_that_of_any_participant(group, kidney_8):
    mine = {
        draw_for(kidney_8, group(kidney_8, seed=s), n, draw_seed=7, before=())
        for s in range(5)
        for n in (1, 2, 3)
    }
    people = {
        draw_presentations(kidney_8, kidney_8.arms[0], np.random.default_rng([7, number]))
        for number in range(1, 40)
    }
    assert not mine & people


def test_a_balanced_design_evens_out_within_the_group(group):
    design = example_design("kidney-complete")
    before = []
    for number in range(1, 15):
        before.extend(draw_for(design, group(design), number, draw_seed=3, before=before))
    balanced = Counter(p.comparison for p in before if p.role is Role.MAIN)
    apart = Counter(
        p.comparison
        for number in range(1, 15)
        for p in draw_for(design, group(design), number, draw_seed=3, before=())
        if p.role is Role.MAIN
    )
    every = design.comparisons()
    assert every is not None

    def spread(counts):
        return max(counts[c] for c in every) - min(counts[c] for c in every)

    assert spread(balanced) <= 1 < spread(apart)


@pytest.mark.parametrize("name", ["kidney-8", "kidney-complete", "kidney-numeric"])
def test_the_words_are_those_that_people_read_notes_of_checks_included(group, name):
    design = example_design(name)
    one = group(design)
    wording = Wording.of(design, arm=design.arms[0], variant=one.variant)
    for presentation in draw_for(design, one, 1, draw_seed=5, before=()):
        request = request_of(one, in_words(wording, presentation))
        read = question_text(question(wording.design, presentation))
        assert request.messages[-1].content.startswith(read + "\n\n")


def test_a_profile_beside_itself_has_a_call_like_any_other(group):
    design = example_design("kidney-complete")
    one = group(design)
    wording = Wording.of(design, arm=design.arms[0], variant=one.variant)
    drawn = draw_for(design, one, 1, draw_seed=5, before=())
    (identical,) = [p for p in drawn if p.role is Role.IDENTICAL]
    request = request_of(one, in_words(wording, identical))
    assert request.left == request.right
    assert request.side_order is SideOrder.FIRST_LEFT
    main = next(p for p in drawn if p.role is Role.MAIN)
    swapped = replace(main, left=main.right, right=main.left)
    sides = {request_of(one, in_words(wording, p)).side_order for p in (main, swapped)}
    assert sides == set(SideOrder)


@pytest.mark.parametrize(
    ("model", "label"),
    [
        ("openai/gpt-4o", "gpt-4o"),
        ("bedrock/us.anthropic/claude 3:v1", "claude-3-v1"),
        ("scripted/coin", "scripted-coin"),
        ("ollama/", "unnamed"),
    ],
)
def test_a_label_is_short_and_a_script_stays_a_script(model, label):
    assert usual_label(model) == label


@pytest.mark.parametrize(
    "variant",
    [
        Variant(),
        Variant(answer_format=AnswerFormat.REASONED, language="de"),
        Variant(name="x", framing=Framing.ETHICIST, paraphrase=Paraphrase(name="p", question="Who?")),
    ],
)
def test_a_variant_comes_back_from_its_record(variant):
    record = variant_record(variant)
    assert variant_of(record) == variant
    assert (record == {}) == (variant == Variant())


def test_what_is_asked_otherwise_is_another_group_and_another_label_is_not(group, kidney_8):
    one = group(kidney_8)
    others = [
        replace(one, model="openai/other"),
        replace(one, api_base="http://127.0.0.1:1/v1"),
        replace(one, settings=Settings(temperature=1.0)),
        replace(one, variant=Variant(answer_format=AnswerFormat.JSON)),
        replace(one, arm="other"),
        replace(one, design_hash="0" * 64),
        replace(one, seed=2),
    ]
    assert len({one.key, *(other.key for other in others)}) == 8
    assert replace(one, label="my-model").key == one.key
