from __future__ import annotations

import asyncio

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_compare.asking.attempts import (
    LONGEST_DELAY_SECONDS,
    FailedCall,
    delay_before_next,
    retry_after_seconds,
)
from llm_compare.asking.limiter import START, Limiter, Limits
from llm_compare.replies.reply import Failure


class Time:
    """A clock that only sleeping moves."""

    def __init__(self):
        self.now = 0.0

    async def sleep(self, seconds):
        self.now += seconds

    def clock(self):
        return self.now


def make(most=64, **limits):
    time = Time()
    return Limiter(most=most, limits=Limits(**limits), sleep=time.sleep, clock=time.clock), time


async def admitted(limiter, count, tokens=0.0):
    """Let so many try to enter; return the permits of those who could, and the tasks of the others."""
    tasks = [asyncio.create_task(limiter.enter(tokens)) for _ in range(count)]
    for _ in range(5):
        await asyncio.sleep(0)
    return [t.result() for t in tasks if t.done()], [t for t in tasks if not t.done()]


def rounds_of(most, outcomes):
    """Return how many are under way in round after round, all of a round ending alike, with ``most`` who ask."""

    async def go():
        limiter, _ = make(most)
        seen = []
        waiting = []
        for succeeded in outcomes:
            waiting += [asyncio.create_task(limiter.enter()) for _ in range(most - len(waiting))]
            for _ in range(5):
                await asyncio.sleep(0)
            permits = [t.result() for t in waiting if t.done()]
            waiting = [t for t in waiting if not t.done()]
            seen.append(len(permits))
            for permit in permits:
                limiter.leave(permit, succeeded=succeeded, overload_seconds=None if succeeded else 1.0)
        return seen

    return asyncio.run(go())


def test_the_start_doubles_up_to_the_most_allowed():
    assert rounds_of(64, [True] * 5) == [START, 2 * START, 4 * START, 64, 64]
    assert rounds_of(3, [True] * 3) == [3, 3, 3]


def test_an_overload_halves_once_for_all_that_were_under_way_and_growth_is_by_one_a_round_after_it():
    seen = rounds_of(64, [True] * 3 + [False] + [True] * 9)
    assert seen[:5] == [8, 16, 32, 64, 32]
    assert 32 + 6 <= seen[-1] <= 32 + 8


def test_a_limit_that_is_not_used_up_does_not_grow():
    async def go():
        limiter, _ = make(64)
        for _ in range(100):
            limiter.leave(await limiter.enter(), succeeded=True)
        return limiter.allowed

    assert asyncio.run(go()) == START


def test_at_least_one_call_is_let_in_however_often_there_is_an_overload():
    assert rounds_of(8, [False] * 6) == [8, 4, 2, 1, 1, 1]


def test_calls_are_let_in_in_the_order_in_which_they_come():
    async def go():
        limiter, _ = make(1)
        order = []

        async def call(number):
            permit = await limiter.enter()
            order.append(number)
            await asyncio.sleep(0)
            limiter.leave(permit, succeeded=True)

        await asyncio.gather(*(call(n) for n in range(20)))
        return order

    assert asyncio.run(go()) == list(range(20))


def test_who_is_cancelled_while_waiting_or_just_let_in_keeps_no_place():
    async def go():
        limiter, _ = make(1)
        (first,), (second, third) = await admitted(limiter, 3)
        limiter.leave(first)  # The second is let in, and cancelled before it learns of it.
        second.cancel()
        await asyncio.gather(second, return_exceptions=True)
        return await third

    assert asyncio.run(asyncio.wait_for(go(), 10)).era == 0


def test_a_pause_holds_everybody_until_it_is_over():
    async def go():
        limiter, time = make(4)
        permits, _ = await admitted(limiter, 4)
        limiter.leave(permits[0], overload_seconds=7.0)
        limiter.leave(permits[1], overload_seconds=3.0)  # A shorter pause does not shorten the longer.
        for permit in permits[2:]:
            limiter.leave(permit)
        await limiter.enter()
        return time.now

    assert asyncio.run(go()) == 7.0


@given(st.integers(1, 90), st.integers(1, 120))
def test_no_minute_sees_more_requests_than_allowed(per_minute, calls):
    async def go():
        limiter, time = make(8, requests_per_minute=per_minute)
        began = []
        for _ in range(calls):
            permit = await limiter.enter()
            began.append(time.now)
            limiter.leave(permit, succeeded=True)
        return began

    began = np.array(asyncio.run(go()))
    # A hair less than a minute, for the rounding of sums of fractions.
    most = max(int(np.sum((began >= t) & (began < t + 60 - 1e-6))) for t in began)
    assert most <= per_minute
    assert began[-1] == pytest.approx((calls - 1) * 60 / per_minute)


@given(st.lists(st.integers(1, 400), min_size=1, max_size=60))
def test_no_minute_sees_more_tokens_than_allowed_but_for_its_last_call(tokens):
    async def go():
        limiter, time = make(8, tokens_per_minute=1000)
        began = []
        for n in tokens:
            permit = await limiter.enter(n)
            began.append(time.now)
            limiter.leave(permit, succeeded=True)
        return began

    began = asyncio.run(go())
    for start in range(len(tokens)):
        inside = [
            n for n, t in zip(tokens, began, strict=True) if began[start] <= t < began[start] + 60 - 1e-6
        ]
        assert sum(inside[:-1]) <= 1000


@pytest.mark.parametrize("limits", [{"requests_per_minute": 0}, {"tokens_per_minute": -1}])
def test_limits_that_allow_nothing_are_refused(limits):
    with pytest.raises(ValueError, match="allow at least 1"):
        Limits(**limits)


# --- one attempt ------------------------------------------------------------------------------------------


def failed(status, retry_after=None):
    failure = Failure(kind="X", status=status, message="")
    return FailedCall(failure=failure, retry_after_seconds=retry_after)


def test_the_wait_is_what_the_provider_asks_for_or_random_below_a_bound_that_doubles():
    rng = np.random.default_rng(0)
    assert delay_before_next(failed(429, 7.0), 1, rng) == 7.0
    for attempt in range(1, 12):
        drawn = [delay_before_next(failed(500), attempt, rng) for _ in range(300)]
        bound = min(LONGEST_DELAY_SECONDS, 2.0**attempt)
        assert 0 <= min(drawn) < 0.1 * bound
        assert 0.9 * bound < max(drawn) <= bound


@pytest.mark.parametrize("header", [None, "", "soon", "Wed, 99 Foo 2026"])
def test_an_unreadable_retry_after_is_none(header, now):
    assert retry_after_seconds(header, now) is None


def test_a_retry_after_in_the_past_is_no_wait(now):
    assert retry_after_seconds("-3", now) == 0
    assert retry_after_seconds(f"Mon, 01 Jan {'9' * 20} 00:00:00 GMT", now) is None
    assert retry_after_seconds("Wed, 21 Oct 2015 07:28:00 GMT", now) == 0


@pytest.fixture
def now():
    from datetime import UTC, datetime

    return datetime(2026, 11, 22, tzinfo=UTC)
