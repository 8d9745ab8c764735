from __future__ import annotations

import asyncio
import signal
import threading
from collections import Counter
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest

from llm_compare.asking import run as engine
from llm_compare.asking.attempts import ATTEMPTS, FailedCall
from llm_compare.asking.run import FAILURES_IN_A_ROW, Ending, ask
from llm_compare.asking.scripted import ScriptedRespondent
from llm_compare.asking.spending import Budget, Price
from llm_compare.errors import NoPrice, NotStored, UnsupportedSetting
from llm_compare.prompting.call import Settings
from llm_compare.replies.reply import Failure, Reply
from llm_compare.replies.store import add_replies, failures_of, find_replies
from survey.db import DatabaseUnavailable

NO_USE = FailedCall(failure=Failure(kind="BadRequestError", status=400, message="no"))
PASSING = FailedCall(failure=Failure(kind="InternalServerError", status=500, message="no"))


class Waits:
    """Sleep that takes no time, and the clock that goes with it."""

    def __init__(self):
        self.slept = []
        self.time = 0.0

    async def sleep(self, seconds):
        self.slept.append(seconds)
        self.time += seconds
        await asyncio.sleep(0)

    def clock(self):
        return self.time


class Respondent:
    """Answers with the request's own key, counts what it is asked, and does ``at`` upon the n-th call."""

    name = "a test"

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
    waits = Waits()
    arguments = {"sleep": waits.sleep, "clock": waits.clock, **options}
    return ask(sessions, requests, respondent, rng=np.random.default_rng(seed), **arguments)


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
    assert (stopped.ending, stopped.complete) == (Ending.CALLS, False)
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
            others = [(request, Reply(content="from the other run")) for request in requests]
            add_replies(session, others, client="another")
        return Reply(content="too late")

    respondent = Respondent(at={3: be_overtaken})
    asked = run(sessions, requests, respondent, concurrency=1)
    assert len(respondent.asked) == 3
    assert asked.complete
    # Of the first two, the other run's reply is the one that stays if it was stored first.
    assert Counter(r.reply.content for r in asked.replies)["from the other run"] >= len(requests) - 2


def test_an_interrupt_keeps_everything_that_arrived(sessions, requests, monkeypatch):
    monkeypatch.setattr(engine, "GRACE_SECONDS", 0.01)
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
    asked = run(sessions, requests, Respondent(at={3: lambda: NO_USE, 5: lambda: NO_USE}))
    assert (asked.failed, asked.complete, asked.ending) == (2, False, Ending.COMPLETE)
    assert len(asked.replies) == asked.planned == len(requests)
    again = Respondent()
    assert run(sessions, requests, again).complete
    assert len(again.asked) == 2


def test_calls_that_fail_one_after_another_end_the_run(sessions, requests):
    respondent = Respondent(at={n: lambda: NO_USE for n in range(1, 100)})
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
            others = [(request, Reply(content="from the other run")) for request in requests]
            add_replies(session, others, client="another")
        return Reply(content="too late")

    asked = run(sessions, requests[:1], Respondent(at={1: be_overtaken}))
    assert [r.reply.content for r in asked.replies] == ["from the other run"]


def test_progress_is_told_after_each_call(sessions, requests):
    told = Counter()
    run(
        sessions,
        requests,
        Respondent(at={2: lambda: NO_USE}),
        on_reply=lambda request, reply: told.update(["failed" if reply.error else "stored"]),
    )
    assert told == {"stored": len(requests) - 1, "failed": 1}


def test_a_scripted_respondent_goes_through_the_same_store(sessions, planned, kidney_8):
    requests = planned(28, model="scripted/always-left", settings=Settings(max_tokens=None, seed=0))
    asked = run(sessions, requests, ScriptedRespondent(kidney_8, "scripted/always-left"))
    assert {r.reply.content for r in asked.replies} == {"A"}
    with sessions() as session:
        assert len(find_replies(session, requests)) == 56


# --- attempts ---------------------------------------------------------------------------------------------


def test_what_may_pass_is_tried_again_and_every_attempt_is_kept(sessions, requests):
    respondent = Respondent(at={1: lambda: PASSING, 2: lambda: PASSING})
    waits = Waits()
    asked = run(sessions, requests[:1], respondent, sleep=waits.sleep, clock=waits.clock)
    assert (asked.complete, asked.failed_attempts) == (True, 2)
    assert asked.replies[0].reply.attempts == len(respondent.asked) == 3
    assert 0 <= waits.slept[0] <= 2
    assert 0 <= waits.slept[1] <= 4
    with sessions() as session:
        kept = failures_of(session, requests)
    assert [(f.request_key, f.repeat, f.attempt) for f in kept] == [
        (requests[0].key, requests[0].repeat, n) for n in (1, 2)
    ]
    assert [f.failure for f in kept] == [PASSING.failure] * 2


def test_each_failed_attempt_is_told_of_as_it_happens(sessions, requests):
    told = []
    run(
        sessions,
        requests[:1],
        Respondent(at={1: lambda: PASSING, 2: lambda: PASSING}),
        on_failed_attempt=lambda request, failed: told.append((request.identity, failed)),
    )
    assert told == [(requests[0].identity, PASSING)] * 2


def test_attempts_are_bounded(sessions, requests):
    respondent = Respondent(at=dict.fromkeys(range(1, 50), lambda: PASSING))
    asked = run(sessions, requests[:1], respondent)
    assert len(respondent.asked) == asked.failed_attempts == asked.replies[0].reply.attempts == ATTEMPTS
    assert asked.replies[0].reply.error == PASSING.failure


def test_an_overload_of_one_call_makes_all_wait_as_long_as_the_provider_says(sessions, requests):
    limited = FailedCall(
        failure=Failure(kind="RateLimitError", status=429, message="slow down"), retry_after_seconds=7
    )
    waits = Waits()
    began = []

    class Noting(Respondent):
        async def reply(self, request):
            began.append(waits.time)
            return await super().reply(request)

    asked = run(
        sessions,
        requests,
        Noting(at={1: lambda: limited}),
        concurrency=2,
        sleep=waits.sleep,
        clock=waits.clock,
    )
    assert asked.complete
    assert waits.slept == [7]
    # Two had begun together; one of them was told to wait, and whatever begins later begins after the wait.
    assert Counter(began)[0.0] <= 3
    assert set(began) == {0.0, 7.0}


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_failure_that_concerns_all_calls_ends_the_run_at_once_and_is_named(sessions, requests, status):
    failed = FailedCall(failure=Failure(kind="NoAccess", status=status, message="no"))
    respondent = Respondent(at={3: lambda: failed})
    asked = run(sessions, requests, respondent, concurrency=1)
    assert (asked.ending, asked.stopped_by) == (Ending.FAILING, failed.failure)
    assert (len(respondent.asked), asked.failed, len(asked.replies)) == (3, 1, 3)


def test_sigterm_ends_a_run_like_an_interrupt(sessions, requests):
    def terminate():
        signal.raise_signal(signal.SIGTERM)
        return Reply(content="was on its way")

    before = signal.getsignal(signal.SIGTERM)
    stopped = run(sessions, requests, Respondent(at={5: terminate}), concurrency=2)
    assert stopped.ending is Ending.INTERRUPTED
    assert "was on its way" in [content for _, content in contents(stopped)]
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_second_interrupt_waits_for_nothing_and_what_was_given_up_is_accounted_for(sessions, requests):
    def twice():
        signal.raise_signal(signal.SIGINT)
        asyncio.get_running_loop().call_later(0.01, signal.raise_signal, signal.SIGINT)

    stopped = run(sessions, requests, Respondent(at={3: twice}), concurrency=1)
    assert (stopped.ending, len(stopped.replies)) == (Ending.INTERRUPTED, 2)
    with sessions() as session:
        (given_up,) = failures_of(session, requests)
    assert (given_up.failure.kind, given_up.failure.status) == ("Abandoned", None)


def test_two_runs_at_once_share_the_work(sessions, planned):
    requests = planned(28, repeats=3)
    other = Respondent()

    def in_between(request, reply):
        # The second run begins in the middle of the first; a thread has a loop of its own.
        if not threads:
            thread = threading.Thread(target=run, args=(sessions, requests, other), kwargs={"seed": 1})
            thread.start()
            threads.append(thread)

    threads = []
    mine = Respondent()
    asked = run(sessions, requests, mine, concurrency=4, on_reply=in_between)
    for thread in threads:
        thread.join()
    assert asked.complete
    assert other.asked
    assert {*mine.asked, *other.asked} == {r.identity for r in requests}
    assert len(mine.asked) + len(other.asked) < 2 * len(requests)
    with sessions() as session:
        assert len(find_replies(session, requests)) == len(requests)


# --- the database -----------------------------------------------------------------------------------------


class Failing:
    """Sessions of a database that fails to take what arrives, some times over."""

    def __init__(self, sessions, times):
        self.sessions = sessions
        self.times = times
        self.looked_up = False

    @contextmanager
    def __call__(self):
        with self.sessions() as session:
            yield session
            if session.info.pop("wrote", False) and self.times:
                self.times -= 1
                raise DatabaseUnavailable("the disk is full")


def test_replies_that_the_database_refuses_for_a_moment_are_stored_in_the_end(
    sessions, requests, monkeypatch
):
    failing = Failing(sessions, times=1)
    monkeypatch.setattr("llm_compare.asking.keeper.add_replies", _marking(add_replies))
    respondent = Respondent()
    asked = run(failing, requests, respondent, concurrency=2)
    assert failing.times == 0
    with sessions() as session:
        assert len(find_replies(session, requests)) == len(asked.replies) == len(respondent.asked) > 0


def test_replies_that_cannot_be_stored_are_said_to_be_lost(sessions, requests, monkeypatch):
    monkeypatch.setattr("llm_compare.asking.keeper.add_replies", _marking(add_replies))
    with pytest.raises(NotStored, match=r"\d+ replies arrived that could not be stored.*the disk is full"):
        run(Failing(sessions, times=99), requests, Respondent(), concurrency=2)


def test_a_run_ends_where_the_database_fails_while_many_replies_wait(sessions, planned, monkeypatch):
    monkeypatch.setattr("llm_compare.asking.keeper.add_replies", _marking(add_replies))
    monkeypatch.setattr("llm_compare.asking.keeper.MOST_WAITING", 2)
    respondent = Slow()
    asked = run(Failing(sessions, times=1), planned(10), respondent, concurrency=8)
    assert asked.ending is Ending.FAILING
    assert len(asked.replies) == len(respondent.asked)


class Slow(Respondent):
    """Takes the longer for a call, the later it comes."""

    async def reply(self, request):
        await asyncio.sleep(0.02 * len(self.asked))
        return await super().reply(request)


def test_a_mistake_in_what_is_told_of_a_reply_loses_none(sessions, requests):
    respondent = Respondent()

    def tell(request, reply):
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        run(sessions, requests, respondent, concurrency=4, on_reply=tell)
    with sessions() as session:
        assert len(find_replies(session, requests)) == len(respondent.asked) > 0


def _marking(real):
    def add(session, replies, **more):
        session.info["wrote"] = True
        return real(session, replies, **more)

    return add


# --- money ------------------------------------------------------------------------------------------------

PRICE = Price(
    usd_per_million_in=0, usd_per_million_out=1e6, source="given"
)  # One USD for a token of a reply.


class Charging(Respondent):
    """Charges ``usd`` for every reply, and notes how much money was at risk at most."""

    def __init__(self, usd, budget, at=None):
        super().__init__(at)
        self.usd = usd
        self.budget = budget

    async def reply(self, request):
        found = await super().reply(request)
        return found if isinstance(found, FailedCall) else replace(found, cost_usd=self.usd)


@pytest.mark.parametrize("concurrency", [1, 4])
@pytest.mark.parametrize(("usd", "calls"), [(16, 3), (1, 39)])
def test_a_budget_stops_before_the_call_that_could_exceed_it(sessions, planned, usd, calls, concurrency):
    # A reply has at most 16 tokens, so a call costs at most 16 USD. 54 USD allow three such calls, or as many of
    # 1 USD as leave 16 for the next: after 38 are spent 16 are left, after 39 no more.
    requests = planned(28)
    budget = Budget(54, PRICE)
    respondent = Charging(usd, budget)
    asked = run(sessions, requests, respondent, budget=budget, concurrency=concurrency)
    assert asked.ending is Ending.BUDGET
    assert len(respondent.asked) == len(asked.replies) == calls
    assert budget.spent_usd == usd * calls <= 54
    assert respondent.most_in_flight <= 54 // 16


def test_an_attempt_that_may_have_been_charged_counts_with_its_worst_case(sessions, requests):
    cut = FailedCall(failure=Failure(kind="Timeout", status=408, message="slow"))
    free = FailedCall(failure=Failure(kind="RateLimitError", status=429, message="slow down"))
    budget = Budget(1000, PRICE)
    respondent = Charging(2, budget, at={1: lambda: cut, 2: lambda: free})
    asked = run(sessions, requests[:1], respondent, budget=budget)
    assert asked.complete
    assert budget.spent_usd == 16 + 0 + 2


def test_a_budget_for_replies_of_any_length_is_refused_before_any_call(sessions, planned):
    respondent = Respondent()
    with pytest.raises(NoPrice, match="max_tokens"):
        run(sessions, planned(settings=Settings(max_tokens=None)), respondent, budget=Budget(1, PRICE))
    assert respondent.asked == []
