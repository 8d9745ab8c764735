from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from llm_compare.errors import CannotAsk
from llm_compare.prompting.call import Settings
from llm_compare.prompting.messages import Message, Speaker
from llm_compare.prompting.plan import comparisons_answered, comparisons_to_ask, drawn_from, plan_requests
from llm_compare.prompting.request import SideOrder
from survey.answers import Answer, Choice, RespondentKind, Role


def test_every_comparison_is_asked_both_ways_round_as_often_as_said(kidney_8):
    every = kidney_8.comparisons()
    requests = plan_requests(kidney_8, every, arm=kidney_8.arms[0], model="m", settings=Settings(), repeats=3)
    assert len(requests) == 28 * 2 * 3
    assert len({r.identity for r in requests}) == len(requests)
    for comparison in every:
        of_it = [r for r in requests if r.presentation.comparison == comparison]
        assert sorted((r.left.id, r.right.id, r.repeat) for r in of_it) == sorted(
            (a.id, b.id, n)
            for a, b in ((comparison.first, comparison.second), (comparison.second, comparison.first))
            for n in (1, 2, 3)
        )
        assert {(r.left == comparison.first, r.side_order) for r in of_it} == {
            (True, SideOrder.FIRST_LEFT),
            (False, SideOrder.SECOND_LEFT),
        }


def test_attributes_stand_in_the_order_of_the_design(planned, kidney_8):
    assert {r.attribute_order for r in planned(28)} == {tuple(a.name for a in kidney_8.attributes)}


def test_whatever_is_sent_is_in_the_key(planned):
    request = planned(settings=Settings(temperature=0.5, max_tokens=16, seed=1))[0]
    system, user = request.messages
    changed = [
        replace(request, model="openai/other"),
        replace(request, api_base="http://127.0.0.1:1/v1"),
        replace(request, settings=Settings(temperature=0.6, max_tokens=16, seed=1)),
        replace(request, settings=Settings(temperature=None, max_tokens=16, seed=1)),
        replace(request, settings=Settings(temperature=0.5, max_tokens=17, seed=1)),
        replace(request, settings=Settings(temperature=0.5, max_tokens=16, seed=2)),
        replace(request, messages=(user,)),
        replace(request, messages=(system, Message(role=Speaker.USER, content=user.content + " "))),
        replace(request, messages=(system, Message(role=Speaker.SYSTEM, content=user.content))),
    ]
    keys = [request.key, *(r.key for r in changed)]
    assert len(set(keys)) == len(keys)


def test_whatever_is_not_sent_is_not_in_the_key(planned):
    request = planned()[0]
    same = replace(request, repeat=7, arm="other", design_hash="0" * 64, template="other-1")
    assert same.key == request.key
    assert same.identity == (request.key, 7)


def test_a_key_is_the_same_on_every_machine_and_day(planned):
    request = replace(
        planned()[0],
        model="openai/gpt-4o",
        messages=(Message(role=Speaker.USER, content="Ä?"),),
        settings=Settings(temperature=1.0, max_tokens=16),
    )
    # printf '%s' '{"api_base":null,"messages":[{"content":"\\u00c4?","role":"user"}],"model":"openai/gpt-4o",
    # "parameters":{"max_tokens":16,"temperature":1.0}}' | sha256sum   (on one line)
    assert request.key == "78bc4078d9efa75a343e4f5b7a46ffc33f09c686c3b51b5974fd9a66f4898812"


def test_what_is_not_set_is_not_sent():
    assert Settings(max_tokens=None).sent() == {}
    assert Settings(temperature=0.0, max_tokens=5).sent() == {"temperature": 0.0, "max_tokens": 5}


def test_a_listed_design_is_asked_in_full(kidney_8):
    assert comparisons_to_ask(kidney_8, count=None, rng=np.random.default_rng(0)) == kidney_8.comparisons()


def test_a_random_design_is_asked_what_one_person_sees(kidney_numeric):
    drawn = comparisons_to_ask(kidney_numeric, count=None, rng=np.random.default_rng(0))
    assert len(set(drawn)) == len(drawn) == kidney_numeric.comparisons_per_respondent == 40
    assert drawn == comparisons_to_ask(kidney_numeric, count=None, rng=np.random.default_rng(0))
    assert drawn != comparisons_to_ask(kidney_numeric, count=None, rng=np.random.default_rng(1))


def test_fewer_comparisons_can_be_drawn_but_not_more_than_there_are(kidney_8):
    rng = np.random.default_rng(0)
    some = comparisons_to_ask(kidney_8, count=5, rng=rng)
    assert len(set(some)) == 5
    with pytest.raises(CannotAsk, match="29 comparisons asked for, but there are only 28"):
        comparisons_to_ask(kidney_8, count=29, rng=rng)
    with pytest.raises(CannotAsk, match="ask for fewer"):
        drawn_from(some, 6, rng)


def test_no_repeat_at_all_is_refused(planned):
    with pytest.raises(CannotAsk, match="repeats = 0"):
        planned(repeats=0)


def test_the_comparisons_that_people_answered_are_asked_once_each_without_checks(kidney_8):
    a, b, c = kidney_8.profiles()[:3]

    def answer(left, right, role=Role.MAIN):
        return Answer(
            respondent="p1",
            kind=RespondentKind.HUMAN,
            arm="main",
            position=1,
            left=left,
            right=right,
            choice=Choice.LEFT,
            indecision_offered=True,
            design_hash="x",
            role=role,
        )

    seen = comparisons_answered([answer(b, a), answer(a, b), answer(a, c, Role.CHECK), answer(c, b)])
    assert [{p.first.id, p.second.id} for p in seen] == [{a.id, b.id}, {b.id, c.id}]


def test_a_script_reads_the_design_itself_so_another_design_is_another_request(planned):
    request = planned(model="scripted/youngest-first")[0]
    assert replace(request, design_hash="0" * 64).key != request.key
