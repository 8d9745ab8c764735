from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from limits import parse
from limits.storage import storage_from_string
from limits.strategies import FixedWindowRateLimiter

from survey.web import limit_storage
from survey.web.limit_storage import MemoryCounts


class Clock:
    """Stands in for the module ``time``."""

    now = 1_000.0

    def time(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(limit_storage, "time", found)
    return found


def test_the_library_finds_it_by_its_scheme() -> None:
    assert isinstance(storage_from_string(f"{limit_storage.SCHEME}://"), MemoryCounts)


def test_counts_start_anew_when_the_window_is_over(clock: Clock) -> None:
    counts = MemoryCounts()
    assert [counts.incr("a", 60), counts.incr("a", 60), counts.incr("b", 60)] == [1, 2, 1]
    assert (counts.get("a"), counts.get_expiry("a")) == (2, 1_060.0)
    clock.now += 59
    assert counts.get("a") == 2
    clock.now += 1
    assert counts.get("a") == 0
    assert counts.incr("a", 60) == 1


def test_what_is_over_is_forgotten(clock: Clock) -> None:
    counts = MemoryCounts()
    for key in range(1_000):
        counts.incr(str(key), 30)
    clock.now += 61
    counts.incr("new", 30)
    assert counts.reset() == 1
    assert counts.get("new") == 0


def test_one_key_can_be_forgotten() -> None:
    counts = MemoryCounts()
    counts.incr("a", 60)
    counts.incr("b", 60)
    counts.clear("a")
    assert (counts.get("a"), counts.get("b")) == (0, 1)


def test_a_limit_lets_through_as_many_as_it_says_however_many_come_at_once() -> None:
    limiter = FixedWindowRateLimiter(MemoryCounts())
    rule = parse("100 per hour")
    start = threading.Barrier(8)

    def hit(_: int) -> int:
        start.wait()
        return sum(limiter.hit(rule, "somebody") for _ in range(50))

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(hit, range(8))) == 100
    assert limiter.hit(rule, "somebody else")


def test_counting_starts_no_threads() -> None:
    before = threading.active_count()
    counts = MemoryCounts()
    for _ in range(100):
        counts.incr("a", 60)
    assert threading.active_count() == before
