"""Calls over real HTTP, through litellm, to a server on the loopback address. No other tests import litellm."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime
from email.utils import format_datetime
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from llm_compare.asking.attempts import LONGEST_RETRY_AFTER_SECONDS, FailedCall
from llm_compare.asking.client import ModelClient, capabilities, check_model, price_of
from llm_compare.asking.client import _read as read_response
from llm_compare.asking.spending import Price
from llm_compare.commands.ask import ask as ask_command
from llm_compare.errors import MissingKey, UnknownModel, UnsupportedSetting
from llm_compare.prompting.call import Settings
from llm_compare.prompting.variant import AnswerFormat, Variant
from llm_compare.replies.parsing import Outcome, parse
from llm_compare.replies.replies_file import read_replies
from survey.design_file import EXAMPLES

# litellm's own type definitions, built on its first call, warn about themselves; turned into errors they would make
# every call fail. Nothing of ours is silenced by this.
pytestmark = pytest.mark.filterwarnings("ignore:Item .* on TypedDict class:UserWarning")

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _no_keys_of_this_machine(monkeypatch):
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "OPENAI_API_BASE", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def ask_one(provider, planned):
    """Return a function that makes one attempt for each request: (outcome or outcomes, first request)."""

    def attempt(*, requests=None, **options):
        to_ask = requests or planned(api_base=provider.url)[:1]
        client = ModelClient(now=lambda: NOW, **options)

        async def run():
            try:
                return await asyncio.gather(*(client.reply(r) for r in to_ask))
            finally:
                await client.close()

        outcomes = asyncio.run(run())
        return (outcomes if requests else outcomes[0]), to_ask[0]

    return attempt


def outcome(reply, request):
    return parse(reply, request.labels).outcome


PRICE = Price(usd_per_million_in=1, usd_per_million_out=10, source="given")


def test_what_is_sent_is_the_request_and_nothing_else(provider, ask_one, planned):
    _, request = ask_one()
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
    reply, _ = ask_one()
    assert reply.content == raw
    assert (reply.finish_reason, reply.returned_model) == ("stop", "served-2026-11")
    assert (reply.system_fingerprint, reply.tokens_in, reply.tokens_out) == ("fp_1", 50, 1)
    assert (reply.cost_usd, reply.asked_at, reply.attempts, reply.error) == (None, NOW, 1, None)
    assert (reply.reasoning, reply.tokens_reasoning, reply.first_token) == (None, None, None)
    assert reply.seconds >= 0
    assert len(provider.received) == 1
    whole = json.loads(reply.response)
    assert whole["choices"][0]["message"]["content"] == raw
    assert whole["system_fingerprint"] == "fp_1"


def test_half_a_surrogate_pair_arrives_and_is_kept(provider, serve, ask_one):
    provider.otherwise = serve(content="A \ud83d\x00")
    reply, _ = ask_one()
    assert reply.content == "A \ud83d\x00"
    assert "\x00" not in reply.response
    assert json.loads(reply.response)["choices"][0]["message"]["content"] == "A \ud83d\x00"


def test_what_the_model_thought_is_kept_apart_from_what_it_answered(provider, serve, ask_one):
    usage = {"prompt_tokens": 50, "completion_tokens": 90, "total_tokens": 140}
    usage["completion_tokens_details"] = {"reasoning_tokens": 80}
    provider.otherwise = serve(content="B", message={"reasoning_content": "Hm. A? No."}, usage=usage)
    reply, request = ask_one(price=PRICE)
    assert (reply.content, reply.reasoning) == ("B", "Hm. A? No.")
    assert (reply.tokens_in, reply.tokens_out, reply.tokens_reasoning) == (50, 90, 80)
    assert reply.cost_usd == pytest.approx((50 + 900) / 1e6)
    assert outcome(reply, request) is Outcome.CHOICE


def test_reasoning_that_is_counted_beside_the_reply_is_added_to_it(provider, serve, ask_one):
    usage = {"prompt_tokens": 50, "completion_tokens": 10, "total_tokens": 140}
    usage["completion_tokens_details"] = {"reasoning_tokens": 80}
    provider.otherwise = serve(usage=usage)
    reply, _ = ask_one(price=PRICE)
    assert (reply.tokens_out, reply.tokens_reasoning) == (90, 80)
    assert reply.cost_usd == pytest.approx((50 + 900) / 1e6)


def test_a_server_that_counts_no_tokens_leaves_them_and_the_cost_unknown(provider, serve, ask_one):
    provider.otherwise = serve(usage=None)
    reply, _ = ask_one(price=PRICE)
    assert (reply.content, reply.tokens_in, reply.tokens_out, reply.cost_usd) == ("A", None, None, None)


def test_the_probabilities_of_the_first_token_are_kept_where_given(provider, serve, ask_one, planned):
    top = [{"token": "A", "logprob": -0.25, "bytes": None}, {"token": " B", "logprob": -1.5, "bytes": None}]
    provider.otherwise = serve(logprobs={"content": [{**top[0], "top_logprobs": top}]})
    way = Variant(name="first", answer_format=AnswerFormat.FIRST_TOKEN)
    requests = planned(api_base=provider.url, variants=[way], settings=Settings(max_tokens=1))[:1]
    (reply,), _ = ask_one(requests=requests)
    assert reply.first_token == {"A": -0.25, " B": -1.5}
    sent = provider.received[0]
    assert (sent["logprobs"], sent["top_logprobs"], sent["max_tokens"]) == (True, 20, 1)


def test_a_key_is_taken_from_the_environment_and_none_is_made_up_but_for_own_servers(
    provider, ask_one, monkeypatch
):
    ask_one()
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-environment")
    ask_one()
    assert provider.keys == ["Bearer none", "Bearer sk-of-the-environment"]


def test_a_wrong_key_fails_and_concerns_every_call(provider, ask_one, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-wrong")
    provider.accepted_key = "sk-right"
    failed, _ = ask_one()
    assert (failed.failure.kind, failed.failure.status, failed.at) == ("AuthenticationError", 401, NOW)
    assert (failed.may_pass, failed.concerns_all) == (False, True)
    assert len(provider.received) == 1


def test_a_key_that_the_server_repeats_is_not_recorded(provider, serve, ask_one, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    body = json.dumps({"error": {"message": "no such key: sk-very-secret", "type": "x", "code": None}})
    provider.otherwise = serve(status=401, body=body)
    failed, _ = ask_one()
    assert "no such key: [OPENAI_API_KEY]" in failed.failure.message
    assert "sk-very-secret" not in failed.failure.message


@pytest.mark.parametrize("status", [400, 403, 404, 422])
def test_what_will_fail_again_may_not_pass(provider, serve, ask_one, status):
    provider.otherwise = serve(status=status)
    failed, _ = ask_one()
    assert (failed.failure.status, failed.may_pass) == (status, False)
    assert failed.concerns_all == (status in (403, 404))
    assert len(provider.received) == 1


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 504, 529])
def test_what_may_pass_is_told_from_what_does_not_and_sent_once(provider, serve, ask_one, status):
    provider.otherwise = serve(status=status)
    failed, _ = ask_one()
    assert failed.may_pass
    assert failed.is_overload == (status in (429, 503, 529))
    assert len(provider.received) == 1, "the client library tries again by itself"


@pytest.mark.parametrize("retry_after", ["7", format_datetime(NOW.replace(second=7), usegmt=True)])
def test_the_wait_that_the_provider_asks_for_is_read(provider, serve, ask_one, retry_after):
    provider.otherwise = serve(status=429, headers={"retry-after": retry_after})
    failed, _ = ask_one()
    assert (failed.retry_after_seconds, failed.may_pass) == (7, True)


def test_a_rate_limit_that_asks_for_hours_may_not_pass_and_concerns_every_call(provider, serve, ask_one):
    headers = {"retry-after": str(LONGEST_RETRY_AFTER_SECONDS + 1)}
    provider.otherwise = serve(status=429, headers=headers)
    failed, _ = ask_one()
    assert (failed.may_pass, failed.concerns_all) == (False, True)


@pytest.mark.parametrize(
    "garbage",
    [
        {"body": "<html>Please log in</html>"},
        {"body": "{"},
        {"body": "{}"},
        {"body": "[]"},
        {"body": '{"choices": [{}]}'},
        {"body": '{"choices": [{"message": null}]}'},
        {"no_choices": True},
        {"is_cut": True},
    ],
    ids=str,
)
# litellm builds half a response before it notices, and its parts warn about each other.
@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings:UserWarning")
def test_garbage_is_a_failure_that_may_pass_and_never_a_reply(provider, serve, ask_one, garbage):
    provider.otherwise = serve(**garbage)
    failed, _ = ask_one()
    assert isinstance(failed, FailedCall)
    assert failed.may_pass
    assert failed.may_be_charged
    assert len(provider.received) == 1


def test_a_response_put_together_otherwise_is_a_failure_and_what_is_no_text_is_kept_as_json():
    message = SimpleNamespace(content=["A", 1], provider_specific_fields={"refusal": {"why": "no"}})
    choice = SimpleNamespace(message=message, finish_reason="stop", logprobs=None)
    response = SimpleNamespace(choices=[choice], model_dump_json=lambda warnings: "{}")
    reply = read_response(response)
    assert (reply.content, reply.refusal) == ('["A", 1]', '{"why": "no"}')
    for broken in (SimpleNamespace(choices=[None]), SimpleNamespace(choices={"a": 1}), SimpleNamespace()):
        failed = read_response(broken)
        assert (failed.failure.kind, failed.failure.status) == ("UnreadableResponse", 200)
        assert (failed.may_pass, failed.may_be_charged, failed.concerns_all) == (False, True, False)


def test_a_server_that_is_too_slow_is_a_failure_in_time(provider, serve, ask_one):
    ask_one()  # litellm's first call takes long by itself.
    provider.otherwise = serve(delay_seconds=1.5)
    failed, _ = ask_one(timeout_seconds=0.5)
    assert (failed.failure.kind, failed.failure.status, failed.may_pass) == ("Timeout", 408, True)


def test_a_server_that_is_not_there_is_a_failure_that_may_pass(ask_one, planned):
    (failed,), _ = ask_one(requests=planned(api_base="http://127.0.0.1:9/v1")[:1])
    assert failed.may_pass


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
    reply, request = ask_one()
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
    client = ModelClient()
    request = planned(
        model="openai/gpt-5", settings=Settings(temperature=0.5, max_tokens=16), api_base=provider.url
    )[0]
    with pytest.raises(UnsupportedSetting, match=r"'openai/gpt-5' does not accept temperature = 0\.5; leave"):
        asyncio.run(client.reply(request))
    assert provider.received == []


def test_a_known_model_has_a_price_and_an_own_server_has_none():
    price = price_of("openai/gpt-4o", api_base=None)
    assert 0 < price.usd_per_million_in < price.usd_per_million_out < 1000
    assert re.fullmatch(r"price map of litellm [\d.]+, SHA-256 [0-9a-f]{64}", price.source)
    assert price_of("openai/no-such-model", api_base=None) is None
    assert price_of("openai/gpt-4o", api_base="http://127.0.0.1:1/v1") is None


def test_what_a_provider_takes_is_known_without_a_call():
    own = capabilities("openai/anything", "http://127.0.0.1:1/v1")
    assert own.takes_schema
    assert own.takes_logprobs
    assert {"temperature", "max_tokens", "seed"} <= own.takes
    assert not capabilities("anthropic/claude-sonnet-4-5", None).takes_logprobs


def test_probabilities_are_refused_by_name_where_the_provider_gives_none(monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "x")
    with pytest.raises(UnsupportedSetting, match="does not accept logprobs, top_logprobs; leave"):
        check_model("anthropic/claude-sonnet-4-5", Settings(), api_base=None, with_logprobs=True)


PROGRAM = """
import asyncio, socket, sys
looked_up = []
found = socket.getaddrinfo
def note(host, *more, **named):
    if host not in ("127.0.0.1", "localhost", None):
        looked_up.append(host)
    return found(host, *more, **named)
socket.getaddrinfo = note
from llm_compare.asking.client import ModelClient, check_model
from llm_compare.prompting.plan import plan_requests
from llm_compare.prompting.call import Settings
from survey.design_file import example_design
design = example_design("kidney-8")
requests = plan_requests(design, design.comparisons()[:2], arm=design.arms[0], model="openai/anything",
    settings=Settings(), api_base=sys.argv[1])
check_model("openai/anything", Settings(), api_base=sys.argv[1])
async def main():
    client = ModelClient()
    replies = [await client.reply(r) for r in requests]
    await client.close()
    return replies
replies = asyncio.run(main())
assert [getattr(r, "content", None) for r in replies] == ["A", "A", None, "A"], replies
import litellm
assert litellm.callbacks == litellm.success_callback == litellm.failure_callback == [], "telemetry"
assert not looked_up, looked_up
print("done")
"""


def test_a_fresh_process_asks_without_noise_without_telemetry_and_leaves_nothing_open(provider, serve):
    provider.script = [serve(), serve(), serve(status=500)]
    quiet = ["-W", "ignore", "-W", "always::ResourceWarning"]
    run = subprocess.run(
        [sys.executable, "-X", "dev", *quiet, "-c", PROGRAM, provider.url],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout == "done\n"
    assert "ResourceWarning" not in run.stderr
    assert len(provider.received) == 4


def test_importing_the_package_and_its_commands_does_not_import_litellm():
    program = (
        "import importlib, pkgutil, sys, llm_compare\n"
        "names = [m.name for m in pkgutil.walk_packages(llm_compare.__path__, 'llm_compare.')]\n"
        "assert 'llm_compare.asking.client' in names, names\n"
        "for name in names: importlib.import_module(name)\n"
        "print([m for m in ('litellm', 'openai') if m in sys.modules])\n"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


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
