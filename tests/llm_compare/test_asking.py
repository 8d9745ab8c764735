from __future__ import annotations

import asyncio
import signal
from collections import Counter

import numpy as np
import pytest

from llm_compare import asking
from llm_compare.asking import FAILURES_IN_A_ROW, Ending, ask
from llm_compare.errors import UnsupportedSetting
from llm_compare.plan import Settings
from llm_compare.reply import Failure, Reply
from llm_compare.scripted import ScriptedRespondent
from llm_compare.store import add_reply, find_replies

FAILED = Reply(content=None, error=Failure(kind="InternalServerError", status=500, message="no"))


class Respondent:
    """Answers with the request's own key, counts what it is asked, and does ``at`` upon the n-th call."""

    def __init__(self, at=None):
        self.asked = []
        self.closed = 0
        self.in_flight = self.most_in_flight = 0
        self.at = at or {}

    async def reply(self, request):
        self.asked.append(request.identity)
        number = len(self.asked)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await asyncio.sleep(0.001)
            if number in self.at:
                outcome = self.at[number]()
                if outcome is not None:
                    return outcome
                await asyncio.sleep(60)
            return Reply(content=f"{request.key} {request.repeat}")
        finally:
            self.in_flight -= 1

    async def close(self):
        self.closed += 1


def run(sessions, requests, respondent, *, seed=0, **options):
    return ask(sessions, requests, respondent, rng=np.random.default_rng(seed), **options)


def contents(asked):
    return [(r.request.identity, r.reply.content) for r in asked.replies]


@pytest.fixture
def requests(planned):
    return planned(5, repeats=2)


def test_every_call_of_the_plan_is_made_once_and_reported_in_its_order(sessions, requests):
    respondent = Respondent()
    asked = run(sessions, requests, respondent)
    assert contents(asked) == [(r.identity, f"{r.key} {r.repeat}") for r in requests]
    assert sorted(respondent.asked) == sorted(r.identity for r in requests)
    assert (asked.ending, asked.complete, asked.already_stored) == (Ending.COMPLETE, True, 0)
    assert respondent.closed == 1


def test_a_finished_plan_is_not_asked_again(sessions, requests):
    first = run(sessions, requests, Respondent())
    again = Respondent()
    second = run(sessions, requests, again)
    assert again.asked == []
    assert second.replies == first.replies
    assert (second.complete, second.already_stored) == (True, len(requests))


@pytest.mark.parametrize("k", [1, 7, 19])
def test_a_run_stopped_after_k_replies_resumes_with_exactly_the_rest(sessions, requests, k):
    before = Respondent()
    stopped = run(sessions, requests, before, max_calls=k)
    assert (len(before.asked), len(stopped.replies)) == (k, k)
    assert (stopped.ending, stopped.complete) == (Ending.BUDGET, False)
    after = Respondent()
    finished = run(sessions, requests, after, seed=1)
    assert sorted(before.asked + after.asked) == sorted(r.identity for r in requests)
    assert contents(finished) == [(r.identity, f"{r.key} {r.repeat}") for r in requests]
    assert (finished.complete, finished.already_stored) == (True, k)


def test_after_an_interrupt_paid_calls_in_flight_are_kept_and_no_more_are_made(sessions, requests):
    def interrupt():
        signal.raise_signal(signal.SIGINT)
        return Reply(content="was on its way")

    respondent = Respondent(at={9: interrupt})
    stopped = run(sessions, requests, respondent, concurrency=4)
    assert (stopped.ending, stopped.complete) == (Ending.INTERRUPTED, False)
    assert len(stopped.replies) == len(respondent.asked) < len(requests)
    assert "was on its way" in [content for _, content in contents(stopped)]
    with sessions() as session:
        assert len(find_replies(session, requests)) == len(respondent.asked)


def test_what_another_run_stored_meanwhile_is_not_asked_again(sessions, requests):
    def be_overtaken():
        with sessions() as session:
            for request in requests:
                add_reply(session, request, Reply(content="from the other run"))
        return Reply(content="too late")

    respondent = Respondent(at={3: be_overtaken})
    asked = run(sessions, requests, respondent, concurrency=1)
    assert len(respondent.asked) == 3
    assert asked.complete
    assert Counter(r.reply.content for r in asked.replies)["from the other run"] == len(requests) - 2


def test_an_interrupt_keeps_everything_that_arrived(sessions, requests, monkeypatch):
    monkeypatch.setattr(asking, "GRACE_SECONDS", 0.01)
    respondent = Respondent(at={9: lambda: signal.raise_signal(signal.SIGINT)})
    stopped = run(sessions, requests, respondent, concurrency=1)
    assert (stopped.ending, stopped.complete, len(stopped.replies)) == (Ending.INTERRUPTED, False, 8)
    assert respondent.closed == 1
    with sessions() as session:
        assert len(find_replies(session, requests)) == 8
    after = Respondent()
    assert run(sessions, requests, after).complete
    assert len(after.asked) == len(requests) - 8


def test_failed_calls_are_counted_and_made_again_by_the_next_run(sessions, requests):
    asked = run(sessions, requests, Respondent(at={3: lambda: FAILED, 5: lambda: FAILED}))
    assert (asked.failed, asked.complete, asked.ending) == (2, False, Ending.COMPLETE)
    assert len(asked.replies) == asked.planned == len(requests)
    again = Respondent()
    assert run(sessions, requests, again).complete
    assert len(again.asked) == 2


def test_calls_that_fail_one_after_another_end_the_run(sessions, requests):
    respondent = Respondent(at={n: lambda: FAILED for n in range(1, 100)})
    asked = run(sessions, requests, respondent, concurrency=1)
    assert len(respondent.asked) == FAILURES_IN_A_ROW < len(requests)
    assert (asked.ending, asked.failed) == (Ending.FAILING, FAILURES_IN_A_ROW)


def test_an_error_that_concerns_every_call_ends_the_run_and_keeps_what_came_before(sessions, requests):
    def refuse():
        raise UnsupportedSetting("temperature")

    respondent = Respondent(at={4: refuse})
    with pytest.raises(UnsupportedSetting):
        run(sessions, requests, respondent, concurrency=1)
    assert respondent.closed == 1
    with sessions() as session:
        assert len(find_replies(session, requests)) == 3


def test_no_more_calls_are_in_flight_than_allowed(sessions, requests):
    respondent = Respondent()
    run(sessions, requests, respondent, concurrency=3)
    assert respondent.most_in_flight == 3


def test_the_order_of_calls_is_random_and_reproducible(sessions, planned):
    plans = [planned(5, model=f"openai/{n}") for n in range(3)]

    def order(requests, seed):
        respondent = Respondent()
        run(sessions, requests, respondent, seed=seed, concurrency=1)
        place = {r.identity: n for n, r in enumerate(requests)}
        return [place[identity] for identity in respondent.asked]

    orders = [order(plans[0], 1), order(plans[1], 1), order(plans[2], 2)]
    assert orders[0] == orders[1] != orders[2]
    assert orders[0] != sorted(orders[0])


def test_the_same_call_twice_in_a_plan_is_paid_for_once(sessions, requests):
    respondent = Respondent()
    asked = run(sessions, requests + requests, respondent)
    assert len(respondent.asked) == len(requests)
    assert len(asked.replies) == asked.planned == 2 * len(requests)


def test_where_another_run_was_faster_its_reply_is_the_one_reported(sessions, requests):
    def be_overtaken():
        with sessions() as session:
            for request in requests:
                add_reply(session, request, Reply(content="from the other run"))
        return Reply(content="too late")

    asked = run(sessions, requests[:1], Respondent(at={1: be_overtaken}))
    assert [r.reply.content for r in asked.replies] == ["from the other run"]


def test_progress_is_told_after_each_call(sessions, requests):
    told = Counter()
    run(
        sessions,
        requests,
        Respondent(at={2: lambda: FAILED}),
        on_reply=lambda request, reply: told.update(["failed" if reply.error else "stored"]),
    )
    assert told == {"stored": len(requests) - 1, "failed": 1}


def test_a_scripted_respondent_goes_through_the_same_store(sessions, planned, kidney_8):
    requests = planned(28, model="scripted/always-left", settings=Settings(max_tokens=None, seed=0))
    asked = run(sessions, requests, ScriptedRespondent(kidney_8, "scripted/always-left"))
    assert {r.reply.content for r in asked.replies} == {"A"}
    with sessions() as session:
        assert len(find_replies(session, requests)) == 56
