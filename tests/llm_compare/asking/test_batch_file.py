from __future__ import annotations

import asyncio
import json
import re
from datetime import UTC, datetime

import pytest

from llm_compare.asking.batch_file import Result, batch_line, custom_id, read_results, write_batches
from llm_compare.asking.client import ModelClient
from llm_compare.asking.imported import match
from llm_compare.errors import BadBatch
from llm_compare.prompting.call import Settings
from llm_compare.prompting.variant import AnswerFormat, Variant
from llm_compare.replies.reply import Failure, Reply

# litellm's own types, built on its first call in a process, make pydantic warn.
pytestmark = pytest.mark.filterwarnings("ignore:Item .* on TypedDict class:UserWarning")


def completion(content="A", **changes):
    """Return a chat completion as OpenAI's documentation shows it."""
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": "gpt-4o-2024-08-06",
        "system_fingerprint": "fp_1",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": content, "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": 20,
            "completion_tokens": 12,
            "total_tokens": 32,
            "completion_tokens_details": {"reasoning_tokens": 4},
        },
        **changes,
    }


def result_line(name, body, status=200):
    response = {"status_code": status, "request_id": "req_1", "body": body}
    return {"id": "batch_req_1", "custom_id": name, "response": response, "error": None}


@pytest.fixture
def results(tmp_path):
    """Return a function that writes lines and reads them as results."""

    def read(*lines):
        path = tmp_path / "output.jsonl"
        path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
        return read_results(path)

    return read


@pytest.mark.parametrize(
    ("model", "answer_format"),
    [
        ("openai/anything", AnswerFormat.LETTER),
        ("openai/anything", AnswerFormat.JSON),
        ("openai/anything", AnswerFormat.FIRST_TOKEN),
        ("openai/gpt-5-mini", AnswerFormat.LETTER),
        ("openai/gpt-5-mini", AnswerFormat.JSON),
        ("hosted_vllm/org/model", AnswerFormat.JSON),
        ("hosted_vllm/org/model", AnswerFormat.FIRST_TOKEN),
    ],
)
def test_a_line_holds_exactly_what_would_be_sent(planned, provider, model, answer_format):
    request = planned(
        model=model,
        api_base=provider.url,
        settings=Settings(max_tokens=50, seed=3, reasoning_effort="low" if "-mini" in model else None),
        variants=[Variant(answer_format=answer_format)],
        takes_schema=True,
    )[0]

    async def send():
        client = ModelClient(timeout_seconds=10)
        try:
            await client.reply(request)
        finally:
            await client.close()

    asyncio.run(send())
    (received,) = provider.received
    assert batch_line(request)["body"] == received


def test_a_line_has_the_keys_of_the_format(planned):
    request = planned()[0]
    line = batch_line(request)
    assert {name: line[name] for name in ("method", "url")} == {
        "method": "POST",
        "url": "/v1/chat/completions",
    }
    assert line["custom_id"] == custom_id(request)


def test_every_call_has_a_name_of_its_own_that_providers_allow(planned):
    requests = planned(20, repeats=12)
    names = [custom_id(r) for r in requests]
    assert len(set(names)) == len(requests) == 480
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", name) for name in names)


@pytest.mark.parametrize(
    ("model", "name"),
    [("gpt-4o", "gpt-4o"), ("openai/gpt-4o", "gpt-4o"), ("hosted_vllm/org/model", "org/model")],
)
def test_the_providers_prefix_is_left_out(planned, model, name):
    assert batch_line(planned(model=model)[0])["body"]["model"] == name


@pytest.mark.parametrize("model", ["anthropic/claude-sonnet-4-5", "claude-sonnet-4-5", "ollama/llama3"])
def test_a_provider_that_takes_no_such_files_is_refused(planned, model):
    with pytest.raises(BadBatch, match="no batch file can be written"):
        batch_line(planned(model=model)[0])


@pytest.mark.parametrize("model", ["o3", "openai/o1", "openai/o4-mini"])
def test_a_model_whose_messages_would_be_changed_on_the_way_is_refused(planned, model):
    with pytest.raises(BadBatch, match="ask it directly"):
        batch_line(planned(model=model)[0])


def test_too_many_calls_for_one_file_are_split_and_none_is_lost_or_doubled(planned, tmp_path):
    requests = planned(5)
    paths = write_batches(tmp_path / "batch.jsonl", [*requests, *requests], most_lines=4)
    assert [path.name for path in paths] == ["batch-1.jsonl", "batch-2.jsonl", "batch-3.jsonl"]
    lines = [path.read_text().splitlines() for path in paths]
    assert [len(some) for some in lines] == [4, 4, 2]
    assert [json.loads(line)["custom_id"] for some in lines for line in some] == [
        custom_id(r) for r in requests
    ]


def test_files_are_split_by_size_too(planned, tmp_path):
    requests = planned(2)
    longest = max(len(json.dumps(batch_line(r))) + 1 for r in requests)
    paths = write_batches(tmp_path / "batch.jsonl", requests, most_bytes=2 * longest)
    assert len(paths) == 2
    assert all(path.stat().st_size <= 2 * longest for path in paths)


def test_nothing_to_ask_writes_no_file(tmp_path):
    assert write_batches(tmp_path / "batch.jsonl", []) == ()
    assert list(tmp_path.iterdir()) == []


def test_a_completion_is_read_with_everything_that_the_provider_says(results):
    body = completion()
    body["choices"][0]["logprobs"] = {
        "content": [{"token": "A", "logprob": -0.1, "top_logprobs": [
            {"token": "A", "logprob": -0.1}, {"token": "B", "logprob": -2.4}]}]
    }  # fmt: skip
    (found,) = results(result_line("x-1", body))
    assert found == Result(
        custom_id="x-1",
        reply=Reply(
            content="A",
            finish_reason="stop",
            returned_model="gpt-4o-2024-08-06",
            system_fingerprint="fp_1",
            tokens_in=20,
            tokens_out=12,
            tokens_reasoning=4,
            first_token={"A": -0.1, "B": -2.4},
            response=json.dumps(body),
            asked_at=datetime.fromtimestamp(1_700_000_000, UTC),
        ),
    )


def test_a_refusal_and_a_filtered_call_are_replies(results):
    refusing = completion(None)
    refusing["choices"][0]["message"]["refusal"] = "I can't help with that."
    filtered = {"error": {"code": "content_filter", "message": "Filtered."}}
    one, other = results(result_line("x-1", refusing), result_line("x-2", filtered, status=400))
    assert (one.reply.content, one.reply.refusal, one.reply.error) == (None, "I can't help with that.", None)
    assert (other.reply.refusal, other.reply.finish_reason, other.reply.error) == (
        "Filtered.",
        "content_filter",
        None,
    )


@pytest.mark.parametrize(
    ("line", "failure"),
    [
        (
            result_line("x", {"error": {"code": "rate_limit_exceeded", "message": "Slow down."}}, status=429),
            Failure(kind="rate_limit_exceeded", status=429, message="Slow down."),
        ),
        (
            {"custom_id": "x", "response": None, "error": {"code": "batch_expired", "message": "Too late."}},
            Failure(kind="batch_expired", status=None, message="Too late."),
        ),
        (
            result_line("x", completion(choices=[])),
            Failure(kind="NoChoices", status=200, message="the response holds no choices"),
        ),
        (
            result_line("x", "<html>"),
            Failure(kind="NoChoices", status=200, message="the response holds no choices"),
        ),
        (
            {"custom_id": "x"},
            Failure(kind="BatchError", status=None, message="the provider gives no reason"),
        ),
    ],
)
def test_what_brought_no_reply_is_a_failure_with_the_providers_words(results, line, failure):
    (found,) = results(line)
    assert found.reply.error == failure


@pytest.mark.parametrize("top", [[3], [{"token": "A"}], [{"token": "A", "logprob": None}], {"A": -1}])
def test_what_a_provider_says_beside_the_answer_may_be_garbage(results, top):
    body = completion(created=10**30)
    body["choices"][0]["logprobs"] = {"content": [{"top_logprobs": top}]}
    (found,) = results(result_line("x", body))
    assert (found.reply.content, found.reply.first_token, found.reply.asked_at) == ("A", None, None)


def test_an_error_of_an_unknown_shape_is_a_failure(results):
    (found,) = results(result_line("x", {"error": {"code": ["a"], "message": {"b": 1}}}, status=400))
    assert (found.reply.error.status, found.reply.error.kind) == (400, "['a']")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('{"custom_id": "x"}\n{"custom', r"output\.jsonl:2: is not JSON"),
        ('{"id": 1}', r"output\.jsonl:1: has no custom_id"),
        ("[]", r"output\.jsonl:1: has no custom_id"),
        ('{"custom_id": "x", "body": {}}', r"output\.jsonl:1: is a call, not a result"),
        ('{"custom_id": ' + "[" * 100_000, r"output\.jsonl:1: is no JSON of a result"),
        ('{"custom_id": ' + "9" * 5000 + "}", r"output\.jsonl:1: is no JSON of a result"),
    ],
)
def test_files_that_are_no_results_are_refused_with_the_line(tmp_path, text, complaint):
    path = tmp_path / "output.jsonl"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BadBatch, match=complaint):
        read_results(path)


def test_missing_files_are_named(tmp_path):
    with pytest.raises(BadBatch, match="name an existing file"):
        read_results(tmp_path / "none.jsonl")


def test_results_are_matched_to_the_calls_of_the_plan_and_nothing_is_overwritten(planned):
    requests = planned(2)
    named = [custom_id(r) for r in requests]
    failed = Reply(content=None, error=Failure(kind="k", status=500, message="m"))
    found = match(
        [
            Result(custom_id=named[0], reply=Reply(content="A")),  # Has a reply already.
            Result(custom_id=named[1], reply=failed),
            Result(custom_id=named[1], reply=Reply(content="B")),  # Failed at first, came in the end.
            Result(custom_id=named[1], reply=Reply(content="A")),  # Of two replies the first counts.
            Result(custom_id=named[2], reply=failed),
            Result(custom_id="stranger-1", reply=Reply(content="A")),
        ],
        requests,
        {requests[0].identity: Reply(content="B")},
    )
    assert [(r.request, r.reply.content) for r in found.new] == [(requests[1], "B")]
    assert [r.request for r in found.failed] == [requests[2]]
    assert (found.already_stored, found.unknown, found.missing) == (2, ("stranger-1",), 2)
