from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_compare.prompting.messages import Message, Speaker
from llm_compare.tuning.models.prompted import Generated, Token
from llm_compare.tuning.serving.protocol import ChatRequest
from llm_compare.tuning.serving.response import completion, until_stop


def read(**fields):
    return ChatRequest(model="tiny@1", messages=(Message(role=Speaker.USER, content="Who?"),), **fields)


def generated(*letters, text=None, finish="length"):
    tokens = tuple(Token(text=t, logprob=-1.0, top={t: -1.0, "Z": -2.0}) for t in letters)
    return Generated(
        text="".join(letters).strip() if text is None else text,
        finish_reason=finish,
        tokens_in=9,
        tokens_out=len(letters),
        tokens=tokens,
    )


def test_the_response_is_one_that_openai_s_own_client_understands():
    from openai.types.chat import ChatCompletion

    request = read(logprobs=True, top_logprobs=1)
    record = completion(request, generated("A", "é"), id_="0f", fingerprint="abc")
    understood = ChatCompletion.model_validate(record)
    choice = understood.choices[0]
    assert (choice.message.content, choice.finish_reason) == ("Aé", "length")
    assert (understood.id, understood.model, understood.system_fingerprint) == (
        "chatcmpl-0f",
        "tiny@1",
        "abc",
    )
    assert (understood.usage.prompt_tokens, understood.usage.total_tokens) == (9, 11)
    told = choice.logprobs.content[1]
    assert (told.token, told.logprob, told.bytes) == ("é", -1.0, [0xC3, 0xA9])
    assert [c.token for c in told.top_logprobs] == ["é"]
    assert completion(read(), generated("A"), id_="0", fingerprint="")["choices"][0]["logprobs"] is None
    assert read(logprobs=True).prompted(max_tokens=1, seed=0).top_logprobs == 1


def test_a_probability_of_0_is_sent_as_json_can_write_it():
    never = Generated(
        text="A",
        finish_reason="stop",
        tokens_in=1,
        tokens_out=1,
        tokens=(Token(text="A", logprob=0.0, top={"A": 0.0, "B": -math.inf}),),
    )
    record = completion(read(logprobs=True, top_logprobs=2), never, id_="0", fingerprint="")
    assert "Infinity" not in json.dumps(record)
    assert record["choices"][0]["logprobs"]["content"][0]["top_logprobs"][1]["logprob"] == -9999.0


@pytest.mark.parametrize(
    ("letters", "stop", "text", "kept"),
    [
        (("A", "\n", "B"), "\n", "A", ("A",)),
        (("A", "x", "y", "B"), "xy", "A", ("A",)),
        (("A", "Bxy"), "xy", "AB", ("A",)),
        (("\n", "A", "\n"), "\n", "A", ("\n", "A", "\n")),
        (("\n", "A", "\n", "B"), "\n", "A", ("\n", "A")),
        (("x", "A"), "x", "", ()),
    ],
)
def test_a_reply_ends_before_the_first_stop_and_so_do_its_tokens(letters, stop, text, kept):
    found = until_stop(generated(*letters), (stop,))
    assert (found.text, tuple(t.text for t in found.tokens)) == (text, kept)
    assert found.tokens_out == len(letters)


@given(
    st.lists(st.text("ab \n", min_size=1, max_size=2), max_size=8),
    st.lists(st.text("ab\n", min_size=1, max_size=2), min_size=1, max_size=3),
)
def test_no_stop_is_left_in_a_reply_and_what_is_left_is_its_beginning(letters, stops):
    before = generated(*letters)
    after = until_stop(before, stops)
    assert before.text.startswith(after.text)
    assert not any(stop in after.text for stop in stops)
    assert after.tokens == before.tokens[: len(after.tokens)]
    assert (after.finish_reason == "stop") == any(stop in before.text for stop in stops)
