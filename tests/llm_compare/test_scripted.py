from __future__ import annotations

import asyncio
from dataclasses import replace

import numpy as np
import pytest

from llm_compare.errors import CannotAsk, UnknownModel
from llm_compare.parsing import Outcome, parse
from llm_compare.plan import Settings, comparisons_to_ask, is_scripted, plan_requests
from llm_compare.scripted import SCRIPTS, ScriptedRespondent
from survey.answers import Choice
from survey.design_file import example_design


def replies(design, arm, model, *, seed=0, repeats=1):
    comparisons = comparisons_to_ask(design, count=20, rng=np.random.default_rng(3))
    requests = plan_requests(
        design,
        comparisons,
        arm=design.arm(arm),
        model=model,
        settings=Settings(max_tokens=None, seed=seed),
        repeats=repeats,
    )
    respondent = ScriptedRespondent(design, model)
    return [(r, asyncio.run(respondent.reply(r))) for r in requests]


def choices(answered):
    return [parse(reply, request.labels).choice for request, reply in answered]


@pytest.mark.parametrize("model", SCRIPTS)
def test_every_script_names_itself_as_scripted_and_its_replies_are_readable(model, kidney_numeric):
    assert is_scripted(model)
    for arm in ("with-coin", "no-coin"):
        for request, reply in replies(kidney_numeric, arm, model):
            outcome = parse(reply, request.labels).outcome
            assert outcome in (
                {Outcome.CHOICE, Outcome.INDECISION} if arm == "with-coin" else {Outcome.CHOICE}
            )
            assert reply.returned_model == model
            assert (reply.seconds, reply.asked_at, reply.cost_usd) == (None, None, None)


def test_youngest_first_chooses_the_younger_of_two_numbers(kidney_numeric):
    answered = replies(kidney_numeric, "with-coin", "scripted/youngest-first")
    for (request, _), choice in zip(answered, choices(answered), strict=True):
        left, right = request.left["age"], request.right["age"]
        expected = Choice.INDECISION if left == right else Choice.LEFT if left < right else Choice.RIGHT
        assert choice is expected


def test_youngest_first_takes_the_favoured_level_for_the_youngest(kidney_8):
    answered = replies(kidney_8, "main", "scripted/youngest-first")
    seen = {
        (r.left["age"], r.right["age"]): choice
        for (r, _), choice in zip(answered, choices(answered), strict=True)
    }
    assert seen == {
        ("young", "old"): Choice.LEFT,
        ("old", "young"): Choice.RIGHT,
        ("young", "young"): Choice.INDECISION,
        ("old", "old"): Choice.INDECISION,
    }


def test_youngest_first_answers_a_at_equal_age_where_no_coin_is_offered():
    design = example_design("kidney-study1")
    answered = [
        (r, reply)
        for r, reply in replies_of_all(design, "no-coin", "scripted/youngest-first")
        if r.left["age"] == r.right["age"]
    ]
    assert answered
    assert set(choices(answered)) == {Choice.LEFT}


def replies_of_all(design, arm, model):
    requests = plan_requests(
        design,
        design.comparisons(),
        arm=design.arm(arm),
        model=model,
        settings=Settings(max_tokens=None, seed=0),
    )
    respondent = ScriptedRespondent(design, model)
    return [(r, asyncio.run(respondent.reply(r))) for r in requests]


def test_the_coin_is_a_fair_letter_where_no_coin_is_offered(kidney_numeric):
    with_coin = replies(kidney_numeric, "with-coin", "scripted/coin")
    assert set(choices(with_coin)) == {Choice.INDECISION}
    without = choices(replies(kidney_numeric, "no-coin", "scripted/coin", repeats=10))
    # 400 fair letters: outside 160..240 (four standard deviations) less than once in 15,000 seeds.
    assert 160 <= without.count(Choice.LEFT) <= 240
    assert without.count(Choice.LEFT) + without.count(Choice.RIGHT) == 400


def test_a_random_letter_depends_on_the_request_the_repeat_and_the_seed_alone(kidney_numeric):
    def letters(**changes):
        return [
            r.content for _, r in replies(kidney_numeric, "no-coin", "scripted/coin", repeats=3, **changes)
        ]

    assert letters() == letters()
    assert letters() != letters(seed=1)


def test_an_unknown_script_is_refused_with_the_list_of_those_there_are(kidney_8):
    with pytest.raises(
        UnknownModel, match=r"scripted/oldest-first.*scripted/youngest-first, scripted/always"
    ):
        ScriptedRespondent(kidney_8, "scripted/oldest-first")


def test_youngest_first_needs_an_age(kidney_8):
    ageless = replace(kidney_8, attributes=kidney_8.attributes[1:])
    with pytest.raises(CannotAsk, match=r"'age'.*has drinking, health"):
        ScriptedRespondent(ageless, "scripted/youngest-first")
    ScriptedRespondent(ageless, "scripted/coin")
