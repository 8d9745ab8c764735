"""Whole runs over real HTTP: with faults injected, and ended from outside."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections import Counter

import numpy as np
import pytest

from llm_compare.asking.client import ModelClient
from llm_compare.asking.run import Ending, ask
from llm_compare.replies.store import failures_of, find_replies

# As in test_client: litellm's own type definitions warn about themselves.
pytestmark = pytest.mark.filterwarnings("ignore:Item .* on TypedDict class:UserWarning")


@pytest.fixture(autouse=True)
def _no_keys_of_this_machine(monkeypatch):
    for name in ("OPENAI_API_KEY", "OPENAI_API_BASE", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


async def at_once(seconds):
    await asyncio.sleep(0)


def test_with_5_percent_of_faults_every_attempt_is_accounted_for_and_every_call_stored(
    provider, serve, sessions, planned
):
    requests = planned(28, api_base=provider.url, repeats=6)
    assert len(requests) == 336
    faults = {
        "limit": serve(status=429, headers={"retry-after": "0"}),
        "fault": serve(status=500),
        "slow": serve(delay_seconds=8),
        "page": serve(body="<html>Please log in</html>"),
        "empty": serve(no_choices=True),
        "cut": serve(is_cut=True),
    }
    rng = np.random.default_rng(5)
    drawn = [str(rng.choice(list(faults))) if rng.random() < 0.05 else "" for _ in requests]
    drawn[20:26] = list(faults)
    provider.script = [faults[name] if name else serve() for name in drawn]
    injected = Counter(name for name in drawn if name)
    asked = ask(
        sessions,
        requests,
        ModelClient(timeout_seconds=5),
        rng=np.random.default_rng(0),
        concurrency=16,
        sleep=at_once,
    )
    assert (asked.complete, asked.failed_attempts) == (True, injected.total())
    with sessions() as session:
        kept = failures_of(session, requests)
        assert len(find_replies(session, requests)) == len(requests)
    kinds = Counter((f.failure.status, f.failure.kind) for f in kept)
    assert kinds == {
        (429, "RateLimitError"): injected["limit"],
        (408, "Timeout"): injected["slow"],
        (200, "NoChoices"): injected["empty"],
        (500, "InternalServerError"): injected["fault"] + injected["page"] + injected["cut"],
    }
    assert len(provider.received) == len(requests) + len(kept)
    assert sum(r.reply.attempts for r in asked.replies) == len(provider.received)


def test_a_wrong_key_ends_the_run_at_the_first_calls(provider, sessions, planned, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-wrong")
    provider.accepted_key = "sk-right"
    requests = planned(28, api_base=provider.url)
    asked = ask(sessions, requests, ModelClient(), rng=np.random.default_rng(0), concurrency=4)
    assert asked.ending is Ending.FAILING
    assert (asked.stopped_by.status, asked.stopped_by.kind) == (401, "AuthenticationError")
    assert len(provider.received) <= 4 < len(requests)


CHILD = """
import sys
from functools import partial
import numpy as np
from llm_compare.asking.client import ModelClient
from llm_compare.asking.run import ask
from llm_compare.prompting.plan import plan_requests
from llm_compare.prompting.call import Settings
from survey.db import make_engine, writing
from survey.design_file import example_design
url, database = sys.argv[1:]
design = example_design("kidney-8")
requests = plan_requests(design, design.comparisons(), arm=design.arms[0], model="openai/anything",
    settings=Settings(), api_base=url)
ask(partial(writing, make_engine(database)), requests, ModelClient(), rng=np.random.default_rng(1), concurrency=8)
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_run_that_is_ended_from_outside_loses_nothing_and_resumes_without_repeating(
    provider, sessions, database_url, planned, how
):
    requests = planned(28, api_base=provider.url)
    provider.answers_at_once = 20
    child = subprocess.Popen([sys.executable, "-c", CHILD, provider.url, database_url])

    def stored():
        with sessions() as session:
            return len(find_replies(session, requests))

    # Twenty calls are answered and stored; eight more are in flight, held by the server.
    latest = time.monotonic() + 120
    while not (len(provider.received) == 28 and stored() == 20):
        assert child.poll() is None
        assert time.monotonic() < latest, (len(provider.received), stored())
        time.sleep(0.02)
    child.send_signal(how)
    if how is not signal.SIGKILL:
        time.sleep(0.3)  # The signal arrives before the replies do.
        provider.released.set()
    child.wait()
    provider.released.set()
    in_flight = 8 if how is signal.SIGKILL else 0
    assert (len(provider.received), stored()) == (28, 28 - in_flight)

    asked = ask(sessions, requests, ModelClient(), rng=np.random.default_rng(2))
    assert asked.complete
    counts = Counter(json.dumps(body, sort_keys=True) for body in provider.received)
    assert sorted(counts.values()) == [1] * (56 - in_flight) + [2] * in_flight
