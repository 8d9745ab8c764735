"""The very client and command that ask every other model ask a tiny local one, over a real socket."""

from __future__ import annotations

import asyncio
import json
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from click.testing import CliRunner

from llm_compare.asking.client import ModelClient
from llm_compare.commands.ask import ask
from llm_compare.prompting.call import Settings
from llm_compare.prompting.variant import AnswerFormat, Variant
from llm_compare.replies.replies_file import read_replies
from llm_compare.tuning.models.local_model import adapted, load_model
from llm_compare.tuning.models.prompted import Prompted
from llm_compare.tuning.serving.protocol import read_request
from survey.design_file import EXAMPLES

# litellm's own types, built on its first call in a process, make pydantic warn.
pytestmark = pytest.mark.filterwarnings("ignore:Item .* on TypedDict class:UserWarning")

FIRST_TOKEN = Variant(answer_format=AnswerFormat.FIRST_TOKEN)


@pytest.fixture(autouse=True)
def _no_keys_of_this_machine(monkeypatch):
    for name in ("OPENAI_API_KEY", "OPENAI_API_BASE", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def base(random_base):
    return load_model(random_base)


@pytest.fixture(scope="module")
def tuned(base, random_adapters):
    return [adapted(base, folder) for folder in random_adapters]


@pytest.fixture
def replies_of(requests_of):
    """Return a function that asks a served model about comparisons of the study, as ``compare ask`` does."""

    def ask_all(server, name, *, count=1, repeats=1, settings=None, variant=None):
        planned = [
            replace(r, api_base=server.address, model=f"openai/{name}", settings=settings or Settings())
            for r in requests_of(count, repeats=repeats, variants=(variant or Variant(),))
        ]

        async def every():
            client = ModelClient(timeout_seconds=30)
            found = [await client.reply(r) for r in planned]
            await client.close()
            return found

        return planned, asyncio.run(every())

    return ask_all


def test_a_reply_tells_which_weights_it_came_from(serving, base, replies_of):
    _, replies = replies_of(serving(base), base.name)
    reply = replies[0]
    assert (reply.returned_model, reply.system_fingerprint) == (base.name, base.fingerprint)
    assert reply.finish_reason in ("stop", "length")
    assert reply.tokens_in > 10
    assert (reply.first_token, reply.cost_usd) == (None, None)


def test_probabilities_of_the_first_token_arrive_as_the_model_itself_gives_them(
    serving, base, tuned, replies_of
):
    server = serving(base, *tuned)
    for model in (base, *tuned):
        planned, replies = replies_of(server, model.name, variant=FIRST_TOKEN)
        for request, reply in zip(planned, replies, strict=True):
            own = model.continued([Prompted(messages=request.messages, top_logprobs=20)])[0].tokens[0].top
            assert list(reply.first_token) == list(own)
            assert list(reply.first_token.values()) == pytest.approx(list(own.values()), abs=1e-6)


def test_repeats_differ_at_temperature_1_and_agree_at_0_or_with_a_seed(serving, base, replies_of):
    server = serving(base)
    drawn, certain, seeded = (
        Counter(r.content for r in replies_of(server, base.name, repeats=8, settings=settings)[1][:8])
        for settings in (Settings(), Settings(temperature=0), Settings(seed=5))
    )
    assert len(drawn) > 4
    assert (len(certain), len(seeded)) == (1, 1)


def test_the_limit_of_tokens_cuts_a_reply_and_says_so(serving, base, replies_of):
    _, replies = replies_of(serving(base), base.name, repeats=4, settings=Settings(max_tokens=1))
    assert {r.tokens_out for r in replies} == {1}
    for reply in replies:
        # A turn that the model ended is not cut.
        assert reply.finish_reason == ("length" if reply.content else "stop")


def test_a_reply_ends_before_a_stop(serving, client_of, base, requests_of):
    client = client_of(serving(base).address)
    body = {
        "model": base.name,
        "messages": requests_of(1)[0].sent_messages,
        "max_tokens": 16,
        "logprobs": True,
    }

    def choice(**given):
        return client.send("POST", "/v1/chat/completions", json.dumps({**body, **given}))[1]["choices"][0]

    whole = next(
        c for c in (choice(seed=s) | {"seed": s} for s in range(20)) if len(c["message"]["content"]) > 40
    )
    text = whole["message"]["content"]
    stop = text[30:35]
    cut = choice(seed=whole["seed"], stop=[stop])
    assert cut["message"]["content"] == text[: text.index(stop)]
    assert cut["finish_reason"] == "stop"
    told = "".join(t["token"] for t in cut["logprobs"]["content"])
    assert text.startswith(told)
    assert stop not in told


def test_a_prompt_that_is_longer_than_the_model_reads_is_refused_with_its_reason(serving, base, replies_of):
    _, replies = replies_of(serving(base), base.name, settings=Settings(max_tokens=5000))
    assert replies[0].failure.status == 400
    assert "longer than tiny can read" in replies[0].failure.message
    assert not replies[0].may_pass


def test_a_name_of_other_weights_ends_the_run_at_once(serving, base, replies_of):
    _, replies = replies_of(serving(base), "tiny@000000000000")
    assert replies[0].concerns_all
    assert base.name in replies[0].failure.message


def test_asked_all_at_once_no_adapter_answers_for_another(serving, client_of, base, tuned, requests_of):
    models = (base, *tuned)
    server = serving(*models)
    bodies = [
        {
            "model": model.name,
            "messages": request.sent_messages,
            "max_tokens": 3,
            "seed": seed,
            "logprobs": True,
            "top_logprobs": 3,
        }
        for seed, request in enumerate(requests_of(4))
        for model in models
    ]

    def alone(body):
        asked = read_request(json.dumps(body).encode())
        model = next(m for m in models if m.name == asked.model)
        return model.continued([asked.prompted(max_tokens=3, seed=asked.seed)])[0]

    expected = [alone(body) for body in bodies]
    assert len({e.text for e in expected}) > 10
    own = threading.local()

    def over_http(body):
        if not hasattr(own, "client"):
            own.client = client_of(server.address)
        return own.client.send("POST", "/v1/chat/completions", json.dumps(body))[1]

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(over_http, bodies))
    for record, generated in zip(found, expected, strict=True):
        choice = record["choices"][0]
        assert choice["message"]["content"] == generated.text
        assert [t["logprob"] for t in choice["logprobs"]["content"]] == pytest.approx(
            [t.logprob for t in generated.tokens], abs=1e-6
        )


@pytest.fixture
def compare_ask(tmp_path, monkeypatch, database_url):
    """Return a function that runs ``compare ask`` on the study with a served model."""
    monkeypatch.setenv("EQUIPOISE_DATABASE_URL", database_url)

    def run(server, name, *options, out="replies.jsonl"):
        asked = ["--model", f"openai/{name}", "--api-base", server.address, "--comparisons", "2"]
        given = [str(EXAMPLES / "kidney-numeric.toml"), *asked, "--out", str(tmp_path / out), *options]
        result = CliRunner().invoke(ask, given)
        return result, read_replies(tmp_path / out).replies if (tmp_path / out).exists() else ()

    return run


@pytest.mark.parametrize(
    "options",
    [
        ("--answer-format", "letter"),
        ("--answer-format", "first-token"),
        ("--answer-format", "json", "--no-schema"),
    ],
    ids=["letter", "first-token", "json"],
)
def test_the_command_asks_a_local_model_as_any_other(serving, base, compare_ask, options):
    server = serving(base)
    result, replies = compare_ask(server, base.name, "--repeats", "2", *options)
    assert result.exit_code == 0, result.output
    assert len(replies) == 8
    assert {r.reply.returned_model for r in replies} == {base.name}
    assert all(bool(r.reply.first_token) == ("first-token" in options) for r in replies)
    again, _ = compare_ask(server, base.name, "--repeats", "2", *options)
    assert "to be asked 0" in again.output


def test_a_schema_is_refused_with_the_option_that_leaves_it_out(serving, base, compare_ask):
    result, replies = compare_ask(serving(base), base.name, "--answer-format", "json")
    assert result.exit_code == 1
    assert {r.reply.error.status for r in replies} == {400}
    assert "leave it out (--no-schema)" in result.output


def test_a_fresh_server_with_the_same_seed_gives_a_run_the_same_replies(serving, base, compare_ask):
    def said(out, seed):
        _, replies = compare_ask(serving(base, seed=seed), base.name, "--repeats", "3", out=out)
        return sorted((r.request.messages[-1].content, r.reply.content or "") for r in replies)

    first, second, other = said("1.jsonl", 1), said("2.jsonl", 1), said("3.jsonl", 2)
    assert len(first) == 12
    assert first == second
    assert first != other
