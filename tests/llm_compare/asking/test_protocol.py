from __future__ import annotations

import pytest

from llm_compare.asking.client import Capabilities
from llm_compare.asking.protocol import (
    MOST_TOKENS,
    MOST_TOKENS_REASONING,
    AskedModel,
    AskedVariant,
    Choices,
    Protocol,
    protocol_requests,
    settings_for,
)
from llm_compare.errors import CannotAsk, UnsupportedSetting
from llm_compare.prompting.call import Settings
from llm_compare.prompting.plan import plan_requests
from llm_compare.prompting.variant import AnswerFormat, Variant

EVERYTHING = Capabilities(
    takes=frozenset(
        {
            *Settings(temperature=1, top_p=1, seed=1, reasoning_effort="low").sent(),
            *("logprobs", "top_logprobs", "response_format"),
        }
    )
)


def one_variant(answer_format=AnswerFormat.LETTER, **choices):
    return AskedVariant(variant=Variant(answer_format=answer_format), choices=Choices(**choices))


def requests_of(design, *variants, model="openai/x", provider=EVERYTHING, **changes):
    asked = AskedModel(model=model, **changes)
    protocol = Protocol(models=(asked,), variants=variants)
    return protocol_requests(protocol, asked, design, design.comparisons()[:2], provider=provider)


def test_without_choices_the_calls_are_those_of_the_plain_plan(kidney_8):
    plain = plan_requests(
        kidney_8, kidney_8.comparisons()[:2], arm=kidney_8.arms[0], model="openai/x", settings=Settings()
    )
    found = requests_of(kidney_8, AskedVariant())
    assert [r.identity for r in found] == [r.identity for r in plain]


@pytest.mark.parametrize("answer_format", AnswerFormat)
def test_a_reply_has_the_room_that_its_format_needs(answer_format):
    found = settings_for(AskedModel(model="openai/gpt-4o"), one_variant(answer_format), seed=0)
    assert found == Settings(max_tokens=MOST_TOKENS[answer_format])


@pytest.mark.parametrize(
    ("model", "effort", "thinks"),
    [
        ("openai/gpt-4o", None, False),
        ("openai/gpt-4o", "low", True),
        ("openai/gpt-5-mini", None, True),
        ("openai/gpt-5-mini", "none", False),
        ("openai/o3", None, True),
        ("openai/o3-mini", None, True),
        ("gemini/gemini-2.5-pro", None, True),
        ("gemini/gemini-2.0-flash", None, False),
        ("deepseek/deepseek-reasoner", None, True),
        ("deepseek/deepseek-chat", None, False),
        ("anthropic/claude-sonnet-4-5", None, False),
        ("hosted_vllm/meta-llama/Llama-3.1-8B-Instruct", None, False),
    ],
)
def test_models_that_think_first_have_room_to_think(model, effort, thinks):
    found = settings_for(AskedModel(model=model), one_variant(reasoning_effort=effort), seed=0)
    assert found.max_tokens == (MOST_TOKENS_REASONING if thinks else 16)


def test_a_chosen_length_is_kept_and_a_variants_choice_counts_before_the_models():
    asked = AskedModel(model="openai/gpt-5", choices=Choices(max_tokens=7, temperature=0.2, seed=3))
    assert settings_for(asked, one_variant(temperature=1.0), seed=8) == Settings(
        max_tokens=7, temperature=1.0, seed=3
    )


def test_a_scripted_respondent_is_given_the_protocols_seed_and_nothing_else(kidney_8):
    asked = AskedModel(model="scripted/coin")
    assert settings_for(asked, one_variant(AnswerFormat.REASONED), seed=8) == Settings(
        max_tokens=None, seed=8
    )
    with pytest.raises(CannotAsk, match="mean nothing to it"):
        requests_of(kidney_8, one_variant(temperature=1.0), model="scripted/coin")


def test_the_schema_is_sent_only_where_the_provider_takes_one_and_it_is_wanted(kidney_8):
    json = one_variant(AnswerFormat.JSON)
    without = Capabilities(takes=frozenset({"max_tokens"}))
    assert all(r.sends_schema for r in requests_of(kidney_8, json))
    assert not any(r.sends_schema for r in requests_of(kidney_8, json, sends_schema=False))
    assert not any(r.sends_schema for r in requests_of(kidney_8, json, provider=without))
    assert not any(r.sends_schema for r in requests_of(kidney_8, json, provider=Capabilities(takes=None)))


@pytest.mark.parametrize(
    ("variant", "named"),
    [(one_variant(AnswerFormat.FIRST_TOKEN), "logprobs"), (one_variant(temperature=0.5), "temperature")],
)
def test_what_the_provider_does_not_take_is_refused_before_anything_is_sent(kidney_8, variant, named):
    with pytest.raises(UnsupportedSetting, match=named):
        requests_of(kidney_8, variant, provider=Capabilities(takes=frozenset({"max_tokens"})))
    # Where nothing is known of the provider, it is left to say so itself.
    assert requests_of(kidney_8, variant, provider=Capabilities(takes=None))


def test_some_of_the_models_can_be_picked_by_label_or_model_string():
    protocol = Protocol(models=(AskedModel(model="openai/a", label="one"), AskedModel(model="openai/b")))
    assert [m.model for m in protocol.only(["one"]).models] == ["openai/a"]
    assert [m.model for m in protocol.only(["openai/b", "openai/a"]).models] == ["openai/a", "openai/b"]
    with pytest.raises(CannotAsk, match="no model three; it has one, openai/b"):
        protocol.only(["three"])


def test_models_that_would_share_a_file_are_refused():
    with pytest.raises(CannotAsk, match="give each a label"):
        Protocol(models=(AskedModel(model="a/b"), AskedModel(model="a-b")))


@pytest.mark.parametrize(
    ("model", "api_base", "here"),
    [
        ("openai/x", None, False),
        ("ollama/x", None, True),
        ("openai/x", "http://127.0.0.1:8000/v1", True),
        ("openai/x", "http://localhost:8000/v1", True),
        ("openai/x", "http://192.168.1.7:8000/v1", True),
        ("openai/x", "https://llm.example.org/v1", False),
        ("openai/x", "http://8.8.8.8/v1", False),
    ],
)
def test_only_servers_on_this_machine_or_network_are_taken_for_free(model, api_base, here):
    assert AskedModel(model=model, api_base=api_base).runs_here is here
