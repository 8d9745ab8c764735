from __future__ import annotations

import itertools

import pytest

from llm_compare.errors import BadModel, OutOfMemory
from llm_compare.prompting.messages import Message, Speaker
from llm_compare.tuning.serving.protocol import ChatRequest, RequestRefused
from llm_compare.tuning.serving.served_models import MOST_TOKENS, ServedModels


def request_for(model, content="Who?", **given):
    return ChatRequest(model=model.name, messages=(Message(role=Speaker.USER, content=content),), **given)


def text_of(record):
    return record["choices"][0]["message"]["content"]


def test_repeats_of_one_request_differ_though_none_brings_a_seed(dice):
    models = ServedModels([dice])
    found = [models.answer(request_for(dice)) for _ in range(20)]
    assert len({text_of(r) for r in found}) > 15
    assert len({r["id"] for r in found}) == 20
    assert models.n_answered == 20


@pytest.mark.parametrize("order", sorted(itertools.permutations(("Who?", "Who?", "Whom?"))))
def test_a_fresh_server_with_the_same_seed_gives_the_same_replies_whatever_the_order(dice, order):
    expected = sorted(
        text_of(models.answer(request_for(dice, content)))
        for models in [ServedModels([dice], seed=3)]
        for content in ("Who?", "Who?", "Whom?")
    )
    models = ServedModels([dice], seed=3)
    assert sorted(text_of(models.answer(request_for(dice, content))) for content in order) == expected


def test_another_seed_of_the_server_gives_other_replies(dice):
    first, second = (text_of(ServedModels([dice], seed=s).answer(request_for(dice))) for s in (0, 1))
    assert first != second


def test_a_request_s_own_seed_is_used_as_it_is(dice):
    models = ServedModels([dice], seed=7)
    found = {
        text_of(models.answer(request_for(dice, content, seed=5))) for content in ("Who?", "Whom?", "Who?")
    }
    assert len(found) == 1
    assert [p.seed for p in dice.asked] == [5, 5, 5]


def test_a_call_that_failed_draws_nothing(dice):
    expected = text_of(ServedModels([dice]).answer(request_for(dice)))
    models = ServedModels([dice])
    dice.fails = [OutOfMemory("not enough memory; take a smaller model"), BadModel("too long")]
    with pytest.raises(RequestRefused, match="not enough memory") as out:
        models.answer(request_for(dice))
    with pytest.raises(RequestRefused, match="too long") as long:
        models.answer(request_for(dice))
    assert (out.value.status, long.value.status) == (503, 400)
    assert text_of(models.answer(request_for(dice))) == expected


def test_a_reply_without_a_limit_fills_the_room_that_the_prompt_leaves(dice, dice_named):
    endless = dice_named(label="endless", context=None)
    models = ServedModels([dice, endless])
    models.answer(request_for(dice, "x" * 20))
    models.answer(request_for(endless, "x" * 20))
    models.answer(request_for(dice, "x" * 20, max_tokens=3))
    assert [p.max_tokens for p in dice.asked] == [30, 3]
    assert [p.max_tokens for p in endless.asked] == [MOST_TOKENS]


def test_a_name_without_its_fingerprint_or_with_another_is_refused_and_the_full_one_said(dice, dice_named):
    models = ServedModels([dice, dice_named(label="other")])
    for name in ("dice", "dice@ffffffffffff"):
        with pytest.raises(RequestRefused, match="ask for dice@0123456789ab: the name holds") as refused:
            models.found(name)
        assert (refused.value.status, refused.value.code) == (404, "model_not_found")
    with pytest.raises(RequestRefused, match="this server has dice@0123456789ab, other@0123456789ab"):
        models.found("gpt-4o")


def test_two_models_of_one_name_are_refused(dice):
    with pytest.raises(BadModel, match="dice@0123456789ab: named twice"):
        ServedModels([dice, dice])
