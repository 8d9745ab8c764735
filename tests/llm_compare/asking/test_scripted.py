from __future__ import annotations

import asyncio
import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from estimation.errors import EstimationError
from estimation.weights import AttributeWeights, Estimate
from llm_compare.asking.scripted import SCRIPTS, PlantedRespondent, ScriptedRespondent
from llm_compare.errors import CannotAsk, UnknownModel
from llm_compare.prompting.call import Settings, is_scripted
from llm_compare.prompting.plan import comparisons_to_ask, plan_requests
from llm_compare.prompting.variant import AnswerFormat, IndecisionPlace, Marks, Variant
from llm_compare.replies.parsing import Outcome, parse
from survey.answers import Choice, Presentation
from survey.design_file import example_design

AS_PEOPLE = Variant()


def replies(design, arm, model, *, seed=0, repeats=1, variant=AS_PEOPLE):
    comparisons = comparisons_to_ask(design, count=20, rng=np.random.default_rng(3))
    requests = plan_requests(
        design,
        comparisons,
        arm=design.arm(arm),
        model=model,
        settings=Settings(max_tokens=None, seed=seed),
        repeats=repeats,
        variants=(variant,),
    )
    respondent = ScriptedRespondent(design, model)
    return [(r, asyncio.run(respondent.reply(r))) for r in requests]


def choices(answered):
    return [parse(a, r.labels, r.variant.answer_format).choice for r, a in answered]


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


@pytest.mark.parametrize("model", [*SCRIPTS, "scripted/first:drinks"])
@pytest.mark.parametrize("arm", ["with-coin", "no-coin"])
@pytest.mark.parametrize("answer_format", AnswerFormat)
@pytest.mark.parametrize("marks", Marks)
def test_a_script_says_the_same_in_every_answer_format(model, arm, answer_format, marks, kidney_numeric):
    def script_of(variant):
        # A coin that is no answer is tossed by the request, which differs between formats.
        if (model, arm) == ("scripted/coin", "no-coin"):
            return [c is not None for c in choices(replies(kidney_numeric, arm, model, variant=variant))]
        return choices(replies(kidney_numeric, arm, model, variant=variant))

    varied = Variant(answer_format=answer_format, marks=marks, indecision_place=IndecisionPlace.FIRST)
    assert script_of(varied) == script_of(AS_PEOPLE)
    assert None not in script_of(AS_PEOPLE)


@pytest.mark.parametrize("language", ["en", "de"])
def test_a_reasoned_script_ends_with_the_line_that_the_prompt_asks_for(language):
    design = example_design("kidney-complete")
    variant = Variant(language=language, answer_format=AnswerFormat.REASONED)
    _, reply = replies(design, "coin", "scripted/always-left", variant=variant)[0]
    line = {"en": "Answer: A", "de": "Antwort: A"}[language]
    assert reply.content.endswith(f"\n\n{line}")


def test_first_decides_by_one_attribute_in_the_direction_that_is_favoured(kidney_numeric, kidney_8):
    # Few drinks and many dependents are favoured, by the design.
    for attribute, sign in (("drinks", 1), ("dependents", -1)):
        answered = replies(kidney_numeric, "with-coin", f"scripted/first:{attribute}")
        seen = set()
        for (r, _), choice in zip(answered, choices(answered), strict=True):
            difference = sign * (r.left[attribute] - r.right[attribute])
            expected = (
                Choice.INDECISION if not difference else Choice.LEFT if difference < 0 else Choice.RIGHT
            )
            assert choice is expected
            seen.add(expected)
        assert seen == set(Choice)
    answered = replies(kidney_8, "main", "scripted/first:health")
    for (r, _), choice in zip(answered, choices(answered), strict=True):
        healthy = [p["health"] == "healthy" for p in (r.left, r.right)]
        assert choice is (
            Choice.INDECISION if len(set(healthy)) == 1 else Choice.LEFT if healthy[0] else Choice.RIGHT
        )


def test_first_needs_an_attribute_whose_favoured_end_is_known(kidney_8):
    with pytest.raises(UnknownModel, match=r"called 'wealth'.*has age, drinking, health"):
        ScriptedRespondent(kidney_8, "scripted/first:wealth")
    unknown = replace(kidney_8, attributes=(replace(kidney_8.attributes[0], favoured=None),))
    with pytest.raises(CannotAsk, match="what is favoured of 'age'"):
        ScriptedRespondent(unknown, "scripted/first:age")


COEFFICIENTS = {"age": -0.04, "drinks": -0.3, "dependents": 0.5}


def planted(design, **truth):
    return PlantedRespondent(design, COEFFICIENTS, **truth)


def shown(design, left, right, *, indecision_offered=True):
    names = ("age", "drinks", "dependents")
    return Presentation(
        left=design.profile(dict(zip(names, left, strict=True))),
        right=design.profile(dict(zip(names, right, strict=True))),
        attribute_order=names,
        indecision_offered=indecision_offered,
        position=1,
    )


def test_planted_probabilities_are_those_of_davidsons_model_with_a_bias(kidney_numeric):
    one = shown(kidney_numeric, (30, 1, 0), (50, 2, 1))
    # -.04 (30 - 50) - .3 (1 - 2) + .5 (0 - 1) = .6; with a bias of .4, s = 1.
    found = planted(kidney_numeric, left_bias=0.4, indecision=-0.2).probabilities(one)
    odds = [math.exp(0.5), math.exp(-0.5), math.exp(-0.2)]
    assert list(found) == list(Choice)
    assert list(found.values()) == pytest.approx([o / sum(odds) for o in odds])
    without = replace(one, indecision_offered=False)
    found = planted(kidney_numeric, left_bias=0.4, indecision=9).probabilities(without)
    assert found[Choice.INDECISION] == 0
    assert math.log(found[Choice.LEFT] / found[Choice.RIGHT]) == pytest.approx(1)


def test_a_planted_log_strength_is_that_of_the_estimators(kidney_8):
    coefficients = {"age=old": -1.5, "drinking=frequent": -0.5, "health=cancer": -0.25}
    respondent = PlantedRespondent(kidney_8, coefficients)
    estimates = {name: Estimate(value=value, low=None, high=None) for name, value in coefficients.items()}
    weights = AttributeWeights.named(kidney_8.attributes, estimates)
    for profile in kidney_8.profiles():
        assert respondent.log_strength(profile) == pytest.approx(weights.log_strength(profile.as_dict()))


def ask_planted(design, respondent, *, arm="with-coin", repeats=1, **factors):
    comparisons = comparisons_to_ask(design, count=20, rng=np.random.default_rng(3))
    requests = plan_requests(
        design,
        comparisons,
        arm=design.arm(arm),
        model="scripted/planted",
        settings=Settings(max_tokens=None),
        repeats=repeats,
        variants=(Variant(**factors),),
    )
    return [(r, asyncio.run(respondent.reply(r))) for r in requests]


def test_planted_answers_come_as_often_as_they_should(kidney_numeric):
    respondent = planted(kidney_numeric, left_bias=0.5, indecision=-0.5)
    answered = ask_planted(kidney_numeric, respondent, repeats=50)
    given = Counter(choices(answered))
    expected = {c: sum(respondent.probabilities(r.presentation)[c] for r, _ in answered) for c in Choice}
    for choice in Choice:
        variance = sum(
            p * (1 - p) for r, _ in answered for p in [respondent.probabilities(r.presentation)[choice]]
        )
        # Four standard deviations: one seed in 16,000 would fail.
        assert abs(given[choice] - expected[choice]) < 4 * math.sqrt(variance)
    assert sum(given.values()) == 20 * 2 * 50


@pytest.mark.parametrize("answer_format", [AnswerFormat.ALLOCATION, AnswerFormat.FIRST_TOKEN])
@pytest.mark.parametrize("arm", ["with-coin", "no-coin"])
def test_where_shares_are_asked_for_the_planted_probabilities_come_back(kidney_numeric, answer_format, arm):
    respondent = planted(kidney_numeric, left_bias=0.5, indecision=-0.5)
    for request, reply in ask_planted(kidney_numeric, respondent, arm=arm, answer_format=answer_format):
        parsed = parse(reply, request.labels, answer_format)
        expected = list(respondent.probabilities(request.presentation).values())
        assert parsed.shares == pytest.approx(expected, abs=1e-6)


def test_planted_answers_depend_on_the_request_the_repeat_and_the_seed_alone(kidney_numeric):
    def said(seed):
        answered = ask_planted(kidney_numeric, planted(kidney_numeric, seed=seed), repeats=2)
        return [reply.content for _, reply in answered]

    assert said(1) == said(1)
    assert said(1) != said(2)


def test_extreme_planted_weights_are_no_overflow(kidney_numeric):
    respondent = PlantedRespondent(kidney_numeric, {"age": -1e6})
    found = respondent.probabilities(shown(kidney_numeric, (30, 1, 0), (50, 2, 1)))
    assert found[Choice.LEFT] == 1


def test_a_planted_coefficient_of_no_attribute_is_refused(kidney_numeric):
    with pytest.raises(EstimationError, match="'wealth' names none of the attributes"):
        PlantedRespondent(kidney_numeric, {"wealth": 1.0})


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
