from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_compare.prompting.messages import Message, Speaker
from llm_compare.tuning.serving.protocol import ChatRequest, RequestRefused, read_request

ASKED = {"model": "tiny@1", "messages": [{"role": "user", "content": "Who?"}]}


def read(**fields):
    return read_request(json.dumps({**ASKED, **fields}).encode())


def test_a_plain_request_is_read_with_every_default_filled_in():
    assert read() == ChatRequest(model="tiny@1", messages=(Message(role=Speaker.USER, content="Who?"),))


def test_every_setting_arrives_as_it_was_sent():
    found = read(
        temperature=0, top_p=0.5, max_tokens=3, seed=2**63 - 1, logprobs=True, top_logprobs=20, stop="x"
    )
    prompted = found.prompted(max_tokens=3, seed=5)
    assert (found.seed, found.stop) == (2**63 - 1, ("x",))
    assert (prompted.temperature, prompted.top_p, prompted.max_tokens) == (0, 0.5, 3)
    assert (prompted.seed, prompted.top_logprobs) == (5, 20)
    assert read(max_completion_tokens=3).max_tokens == 3
    assert read(stop=["a", "b"]).stop == ("a", "b")


def test_text_parts_are_the_text_that_they_make_up():
    parts = [{"type": "text", "text": "Wh"}, {"type": "text", "text": "o?"}]
    assert read(messages=[{"role": "user", "content": parts}]) == read()


@pytest.mark.parametrize(
    "fields",
    [
        {"temperature": None, "stop": None, "seed": None, "tools": None, "stream_options": None},
        {"n": 1, "stream": False, "response_format": {"type": "text"}, "frequency_penalty": 0.0},
        {"tools": [], "logit_bias": {}, "tool_choice": "none", "modalities": ["text"]},
        {"user": "me", "metadata": {"run": "1"}},
    ],
)
def test_what_asks_for_nothing_changes_nothing(fields):
    assert read(**fields) == read()


@pytest.mark.parametrize(
    ("fields", "param", "said"),
    [
        ({"stream": True}, "stream", "the reply comes whole"),
        ({"n": 2}, "n", "make one call for each"),
        ({"n": True}, "n", "make one call for each"),
        ({"response_format": {"type": "json_object"}}, "response_format", "--no-schema"),
        ({"tools": [{"type": "function"}]}, "tools", "cannot do this"),
        ({"logit_bias": {"5": -100}}, "logit_bias", "cannot do this"),
        ({"presence_penalty": 0.1}, "presence_penalty", "cannot do this"),
        ({"reasoning_effort": "low"}, "reasoning_effort", "does not reason"),
        ({"top_k": 5}, "top_k", "not known here"),
        ({"model": None}, "model", "missing"),
        ({"model": 5}, "model", "name of a model"),
        ({"temperature": 2.1}, "temperature", "from 0 to 2"),
        ({"temperature": math.nan}, "temperature", "from 0 to 2"),
        ({"temperature": True}, "temperature", "from 0 to 2"),
        ({"temperature": "1"}, "temperature", "from 0 to 2"),
        ({"top_p": 0}, "top_p", "above 0"),
        ({"max_tokens": 0}, "max_tokens", "whole number"),
        ({"max_tokens": 1.5}, "max_tokens", "whole number"),
        ({"max_tokens": 1, "max_completion_tokens": 2}, "max_tokens", "differ"),
        ({"seed": -1}, "seed", "2^63"),
        ({"seed": 2**63}, "seed", "2^63"),
        ({"logprobs": 1}, "logprobs", "true or false"),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs", "0 to 20"),
        ({"top_logprobs": 2}, "top_logprobs", "logprobs = true"),
        ({"stop": ["a"] * 5}, "stop", "up to 4"),
        ({"stop": [""]}, "stop", "none empty"),
        ({"messages": []}, "messages", "at least one"),
        ({"messages": "Who?"}, "messages", "list"),
        ({"messages": ["Who?"]}, "messages[0]", "object"),
        (
            {"messages": [{"role": "developer", "content": "x"}]},
            "messages[0].role",
            "system, user, assistant",
        ),
        ({"messages": [{"role": [], "content": "x"}]}, "messages[0].role", "system, user, assistant"),
        ({"messages": [{"role": "user"}]}, "messages[0].content", "text"),
        ({"messages": [{"role": "user", "content": "\ud800"}]}, "messages[0].content", "half a character"),
        ({"messages": [{"role": "user", "content": "x", "name": "Ann"}]}, "messages[0].name", "no names"),
        (
            {"messages": [{"role": "user", "content": "x", "tool_calls": []}]},
            "messages[0].tool_calls",
            "not known",
        ),
        ({"messages": [{"role": "assistant", "content": "A"}]}, "messages", "end with the user's"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]},
            "messages[0].content",
            "reads text only",
        ),
    ],
)
def test_what_cannot_be_done_is_refused_by_its_name_and_never_left_out(fields, param, said):
    with pytest.raises(RequestRefused) as refused:
        read(**fields)
    error = refused.value.record()["error"]
    assert (refused.value.status, error["type"], error["param"]) == (400, "invalid_request_error", param)
    assert said in error["message"]


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[]", b"5", b"[" * 100_000])
def test_what_is_no_json_object_is_refused(body):
    with pytest.raises(RequestRefused, match=r"the body"):
        read_request(body)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
field_names = st.sampled_from(
    [
        "model",
        "messages",
        "temperature",
        "top_p",
        "max_tokens",
        "seed",
        "logprobs",
        "top_logprobs",
        "stop",
        "n",
        "x",
    ]
)


@given(st.dictionaries(field_names, json_values), json_values)
def test_any_json_is_either_understood_or_refused(fields, message):
    for body in (fields, {**ASKED, **fields}, {**ASKED, "messages": [message]}):
        refused = None
        try:
            found = read_request(json.dumps(body).encode())
        except RequestRefused as error:
            refused = error
        assert found.messages if refused is None else json.dumps(refused.record())


def test_requests_that_mean_the_same_have_the_same_digest_and_others_do_not():
    same = read(temperature=1.0, top_p=1, max_completion_tokens=None, user="me")
    assert same.digest() == read().digest()
    others = [
        read(temperature=0.9),
        read(top_p=0.9),
        read(max_tokens=1),
        read(seed=0),
        read(logprobs=True),
        read(stop="x"),
        read(model="other"),
        read(messages=[{"role": "system", "content": "Who?"}]),
    ]
    assert len({r.digest() for r in (read(), *others)}) == 9
    assert len({read().digest(), read().digest(0), read().digest(1), read().digest(0, 1)}) == 4
