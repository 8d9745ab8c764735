"""Calls over real HTTP, through litellm, to a server on the loopback address. No other tests import litellm."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime
from email.utils import format_datetime

import numpy as np
import pytest
from click.testing import CliRunner

from llm_compare.ask_command import ask as ask_command
from llm_compare.client import ATTEMPTS, LONGEST_RETRY_AFTER_SECONDS, ModelClient, check_model, price_of
from llm_compare.errors import MissingKey, UnknownModel, UnsupportedSetting
from llm_compare.parsing import Outcome, parse
from llm_compare.plan import Settings
from llm_compare.replies_file import read_replies
from survey.design_file import EXAMPLES

# litellm's own type definitions, built on its first call, warn about themselves; turned into errors they would make
# every call fail. Nothing of ours is silenced by this.
pytestmark = pytest.mark.filterwarnings("ignore:Item .* on TypedDict class:UserWarning")

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


class Waits:
    """Sleep that takes no time, and the clock that goes with it."""

    def __init__(self):
        self.slept = []
        self.time = 0.0

    async def sleep(self, seconds):
        self.slept.append(seconds)
        self.time += seconds

    def clock(self):
        return self.time


@pytest.fixture(autouse=True)
def _no_keys_of_this_machine(monkeypatch):
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "OPENAI_API_BASE", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def ask_one(provider, planned):
    """Return a function that asks the provider once and returns the reply, the request and the waits."""

    def ask(*, requests=None, **options):
        waits = Waits()
        to_ask = requests or planned(api_base=provider.url)[:1]
        client = ModelClient(
            rng=np.random.default_rng(0), sleep=waits.sleep, clock=waits.clock, now=lambda: NOW, **options
        )

        async def run():
            try:
                return await asyncio.gather(*(client.reply(r) for r in to_ask))
            finally:
                await client.close()

        replies = asyncio.run(run())
        return (replies if requests else replies[0]), to_ask[0], waits

    return ask


def outcome(reply, request):
    return parse(reply, request.labels).outcome


def test_what_is_sent_is_the_request_and_nothing_else(provider, ask_one, planned):
    _, request, _ = ask_one()
    assert provider.received == [
        {
            "model": "anything",
            "messages": [{"role": m.role.value, "content": m.content} for m in request.messages],
            "max_tokens": 16,
        }
    ]
    full = planned(api_base=provider.url, settings=Settings(temperature=0.0, max_tokens=9, seed=4))[:1]
    ask_one(requests=full)
    sent = {k: v for k, v in provider.received[1].items() if k not in ("messages", "model")}
    assert sent == {"temperature": 0.0, "max_tokens": 9, "seed": 4}


@pytest.mark.parametrize("raw", ["A", " B\n", "**C**", "caf\u00e9 \U0001f642", "I choose\r\nPatient B. "])
def test_a_reply_is_kept_verbatim_with_what_the_provider_says_of_it(provider, serve, ask_one, raw):
    provider.otherwise = serve(content=raw)
    reply, _, waits = ask_one()
    assert reply.content == raw
    assert (reply.finish_reason, reply.returned_model) == ("stop", "served-2026-11")
    assert (reply.system_fingerprint, reply.tokens_in, reply.tokens_out) == ("fp_1", 50, 1)
    assert (reply.cost_usd, reply.asked_at, reply.attempts, reply.error) == (None, NOW, 1, None)
    assert reply.seconds >= 0
    assert waits.slept == []
    assert len(provider.received) == 1


def test_a_key_is_taken_from_the_environment_and_none_is_made_up_but_for_own_servers(
    provider, ask_one, monkeypatch
):
    ask_one()
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-environment")
    ask_one()
    assert provider.keys == ["Bearer none", "Bearer sk-of-the-environment"]


def test_a_wrong_key_fails_at_once(provider, ask_one, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-wrong")
    provider.accepted_key = "sk-right"
    reply, request, waits = ask_one()
    assert (reply.error.kind, reply.error.status) == ("AuthenticationError", 401)
    assert outcome(reply, request) is Outcome.ERROR
    assert (len(provider.received), waits.slept) == (1, [])


@pytest.mark.parametrize("status", [400, 403, 404, 422])
def test_what_will_fail_again_is_not_tried_again(provider, serve, ask_one, status):
    provider.otherwise = serve(status=status)
    reply, request, _ = ask_one()
    assert reply.error.status == status
    assert outcome(reply, request) is Outcome.ERROR
    assert len(provider.received) == reply.attempts == 1


@pytest.mark.parametrize("status", [408, 500, 502, 503])
def test_what_may_pass_is_tried_again(provider, serve, ask_one, status):
    provider.script = [serve(status=status), serve(status=status)]
    reply, request, waits = ask_one()
    assert outcome(reply, request) is Outcome.CHOICE
    assert len(provider.received) == reply.attempts == 3
    assert len(waits.slept) == 2
    assert 0 <= waits.slept[0] <= 2
    assert 0 <= waits.slept[1] <= 4


def test_attempts_are_bounded(provider, serve, ask_one):
    provider.otherwise = serve(status=500)
    reply, request, waits = ask_one()
    assert (reply.error.kind, reply.error.status) == ("InternalServerError", 500)
    assert outcome(reply, request) is Outcome.ERROR
    assert len(provider.received) == reply.attempts == ATTEMPTS
    assert len(waits.slept) == ATTEMPTS - 1


@pytest.mark.parametrize("retry_after", ["7", format_datetime(NOW.replace(second=7), usegmt=True)])
def test_a_rate_limit_is_waited_out_for_as_long_as_the_provider_says(provider, serve, ask_one, retry_after):
    provider.script = [serve(status=429, headers={"retry-after": retry_after})]
    reply, request, waits = ask_one()
    assert outcome(reply, request) is Outcome.CHOICE
    assert waits.slept == [7]
    assert len(provider.received) == reply.attempts == 2


def test_a_rate_limit_that_asks_for_hours_is_not_waited_out(provider, serve, ask_one):
    headers = {"retry-after": str(LONGEST_RETRY_AFTER_SECONDS + 1)}
    provider.otherwise = serve(status=429, headers=headers)
    reply, _, waits = ask_one()
    assert (reply.error.kind, reply.error.status) == ("RateLimitError", 429)
    assert (len(provider.received), waits.slept) == (1, [])


def test_a_rate_limit_for_one_call_makes_all_wait(provider, serve, planned):
    first, second = planned(api_base=provider.url)[:2]
    waits = Waits()
    sent_by_then = []

    async def sleep(seconds):
        waits.slept.append(seconds)
        if len(waits.slept) == 1:
            # While the first call waits, the second is made. It must wait as well, and nothing be sent.
            other = asyncio.create_task(client.reply(second))
            while len(waits.slept) < 2:
                await asyncio.sleep(0.001)
            sent_by_then.append(len(provider.received))
            waits.time += seconds
            others.append(other)
        else:
            await asyncio.sleep(0.01)

    others = []
    client = ModelClient(rng=np.random.default_rng(0), sleep=sleep, clock=waits.clock)
    provider.script = [serve(status=429, headers={"retry-after": "5"})]

    async def run():
        replies = [await client.reply(first), await others[0]]
        await client.close()
        return replies

    replies = asyncio.run(run())
    assert waits.slept[:2] == [5.0, 5.0]
    assert sent_by_then == [1]
    assert [r.content for r in replies] == ["A", "A"]
    assert len(provider.received) == 3


def test_a_web_page_in_place_of_a_reply_is_an_error(provider, serve, ask_one):
    provider.otherwise = serve(body="<html>Please log in</html>")
    reply, request, _ = ask_one(attempts=2)
    assert outcome(reply, request) is Outcome.ERROR
    assert reply.content is None
    assert len(provider.received) == 2


def test_a_response_without_choices_is_an_error_and_not_a_silent_success(provider, serve, ask_one):
    provider.otherwise = serve(no_choices=True)
    reply, request, _ = ask_one(attempts=2)
    assert (reply.error.kind, reply.error.status) == ("NoChoices", 200)
    assert outcome(reply, request) is Outcome.ERROR
    assert len(provider.received) == 2


def test_a_server_that_is_too_slow_is_an_error_in_time(provider, serve, ask_one):
    ask_one()  # litellm's first call takes long by itself.
    provider.otherwise = serve(delay_seconds=1.5)
    reply, request, _ = ask_one(timeout_seconds=0.5, attempts=2)
    assert (reply.error.kind, reply.error.status) == ("Timeout", 408)
    assert outcome(reply, request) is Outcome.ERROR
    assert len(provider.received) == 1 + 2


def test_a_server_that_is_not_there_is_an_error(ask_one, planned):
    requests = planned(api_base="http://127.0.0.1:9/v1")[:1]
    replies, request, _ = ask_one(requests=requests, attempts=2)
    assert outcome(replies[0], request) is Outcome.ERROR
    assert replies[0].attempts == 2


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        ({"content": "A"}, Outcome.CHOICE),
        ({"content": "Flip a coin"}, Outcome.INDECISION),
        ({"content": None, "refusal": "I can't help with that."}, Outcome.REFUSAL),
        ({"content": "", "finish_reason": "content_filter"}, Outcome.REFUSAL),
        ({"status": 400, "error_code": "content_filter"}, Outcome.REFUSAL),
        ({"status": 400, "error_code": "content_policy_violation"}, Outcome.REFUSAL),
        ({"content": None, "finish_reason": "length"}, Outcome.TRUNCATED),
        ({"content": "Patient A is", "finish_reason": "length"}, Outcome.TRUNCATED),
        ({"content": None}, Outcome.UNREADABLE),
        ({"content": "Patient A or perhaps Patient B, but C?"}, Outcome.UNREADABLE),
    ],
)
def test_outcomes_are_kept_apart_and_none_is_asked_twice(provider, serve, ask_one, response, expected):
    provider.otherwise = serve(**response)
    reply, request, _ = ask_one()
    assert outcome(reply, request) is expected
    assert reply.error is None
    assert len(provider.received) == 1


# --- before anything is sent ------------------------------------------------------------------------------


def test_a_missing_key_is_noticed_before_any_call():
    with pytest.raises(MissingKey, match="environment variable ANTHROPIC_API_KEY; set it") as error:
        check_model("anthropic/claude-sonnet-4-5", Settings(), api_base=None)
    assert error.value.variables == ("ANTHROPIC_API_KEY",)
    check_model("openai/anything", Settings(), api_base="http://127.0.0.1:1/v1")


def test_a_model_without_a_provider_is_unknown():
    with pytest.raises(UnknownModel, match="'my-model' names no provider; write provider/model"):
        check_model("my-model", Settings(), api_base=None)


def test_a_setting_that_the_provider_does_not_take_is_refused_by_name(monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "x")
    with pytest.raises(UnsupportedSetting, match="does not accept seed; leave it out"):
        check_model("anthropic/claude-sonnet-4-5", Settings(seed=1), api_base=None)


def test_a_value_that_the_model_does_not_take_stops_the_run_before_anything_is_sent(provider, planned):
    client = ModelClient(rng=np.random.default_rng(0))
    request = planned(
        model="openai/gpt-5", settings=Settings(temperature=0.5, max_tokens=16), api_base=provider.url
    )[0]
    with pytest.raises(UnsupportedSetting, match=r"'openai/gpt-5' does not accept temperature = 0\.5; leave"):
        asyncio.run(client.reply(request))
    assert provider.received == []


def test_a_known_model_has_a_price_and_an_own_server_has_none():
    price = price_of("openai/gpt-4o", api_base=None)
    assert 0 < price.usd_per_token_in < price.usd_per_token_out < 0.001
    assert price_of("openai/no-such-model", api_base=None) is None
    assert price_of("openai/gpt-4o", api_base="http://127.0.0.1:1/v1") is None


def test_importing_the_package_and_its_command_does_not_import_litellm():
    program = (
        "import importlib, pkgutil, sys, llm_compare\n"
        "names = [m.name for m in pkgutil.iter_modules(llm_compare.__path__)]\n"
        f"mine = {sorted(MODULES)!r}\n"
        "assert set(mine) <= set(names), names\n"
        "for name in mine: importlib.import_module('llm_compare.' + name)\n"
        "print([m for m in ('litellm', 'openai') if m in sys.modules])\n"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


MODULES = {
    "ask_command",
    "asking",
    "client",
    "errors",
    "parsing",
    "plan",
    "prompts",
    "replies_file",
    "reply",
    "respondents",
    "scripted",
    "store",
    "tables",
}


# --- the command, over HTTP -------------------------------------------------------------------------------


@pytest.fixture
def command(monkeypatch, tmp_path, provider, database_url):
    """Return a function that runs ``ask`` on kidney-8 against the provider: (exit code, summary)."""
    monkeypatch.setenv("EQUIPOISE_DATABASE_URL", database_url)

    def run(*more):
        arguments = [
            str(EXAMPLES / "kidney-8.toml"),
            "--model",
            "openai/anything",
            "--api-base",
            provider.url,
        ]
        arguments += ["--out", str(tmp_path / "replies.jsonl"), "--json", *more]
        result = CliRunner().invoke(ask_command, arguments, catch_exceptions=False)
        return result.exit_code, (json.loads(result.stdout) if result.stdout else None), result.stderr

    return run


def test_a_study_asked_over_http_ends_in_a_file_with_every_reply(command, provider, serve, tmp_path):
    provider.script = [
        serve(content="B"),
        serve(content="C"),
        serve(content=None, refusal="no"),
        serve(content="hm", finish_reason="length"),
        serve(content="???"),
        serve(status=400),
    ]
    code, summary, stderr = command()
    assert (code, summary["complete"], summary["failed"]) == (1, False, 1)
    assert summary["outcomes"] == {
        "choice": 51,
        "indecision": 1,
        "refusal": 1,
        "truncated": 1,
        "unreadable": 1,
        "error": 1,
    }
    assert "28 comparisons x 2 side orders x 1 repeats = 56 calls" in stderr
    assert "the same command again asks only the rest" in stderr
    assert len(provider.received) == 56

    code, summary, _ = command()
    assert (code, summary["complete"], summary["already_stored"]) == (0, True, 55)
    assert len(provider.received) == 57
    file = read_replies(tmp_path / "replies.jsonl")
    assert file.complete
    assert Counter(r.reply.content for r in file.replies)["A"] == 51
    prompts = Counter(body["messages"][1]["content"] for body in provider.received)
    assert sorted(prompts.values()) == [1] * 55 + [2]
