"""How many calls may be under way, and how fast they may follow each other: adapted to what the provider takes.

No rate limit of litellm is relied on: its router makes calls above the limit fail instead of wait.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

START = 8
"""Calls under way at first; doubled with each round of successes until the provider says that it is too much."""
_MINUTE = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits that the researcher knows of. None means: not known, found out by asking."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    """Of prompts and replies together, a reply counted with the most tokens it may have."""

    def __post_init__(self) -> None:
        """Refuse limits that allow nothing."""
        for name in ("requests_per_minute", "tokens_per_minute"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} = {value}: allow at least 1, or leave it out")


@dataclass(slots=True)
class Pace:
    """When what comes next may begin at the earliest, by the clock. Runs in a row share it."""

    paused_until: float = float("-inf")
    next_request: float = float("-inf")
    next_tokens: float = float("-inf")


@dataclass(frozen=True, slots=True)
class Permit:
    """Leave to make one attempt; hand it back with :meth:`Limiter.leave`."""

    era: int
    """How often the limit had been halved when the attempt began."""


class Limiter:
    """Lets attempts at one provider's model begin, in the order in which they come.

    The number under way starts at :data:`START` and grows by one with each success (so it doubles each round) until
    the first overload (429, 503, 529); from then on by one each round. An overload halves it and makes all calls
    wait. Calls that were sent before a halving do not halve again.

    Parameters
    ----------
    most
        Most attempts under way, whatever the provider takes.
    limits
        Of requests and tokens per minute. Calls are spread evenly over the minute and wait for their turn; no
        minute sees more than the limit, but for one call where tokens are counted.
    pace
        Of earlier calls to the same model, if there were any; it is kept up.
    sleep, clock
        Waiting and the time waited by, in seconds.
    """

    def __init__(
        self,
        *,
        most: int,
        limits: Limits,
        sleep: Callable[[float], Awaitable[None]],
        clock: Callable[[], float],
        pace: Pace | None = None,
    ) -> None:
        self._most = most
        self._allowed = float(min(START, most))
        self._limits = limits
        self._sleep = sleep
        self._clock = clock
        self._under_way = 0
        self._era = 0
        self._pace = Pace() if pace is None else pace
        self._queue: deque[tuple[float, asyncio.Future[Permit]]] = deque()
        self._timer: asyncio.Task[None] | None = None

    @property
    def allowed(self) -> int:
        """Attempts that may be under way now."""
        return int(self._allowed)

    async def enter(self, tokens: float = 0.0) -> Permit:
        """Wait until an attempt with about so many tokens may begin."""
        turn: asyncio.Future[Permit] = asyncio.get_running_loop().create_future()
        self._queue.append((tokens, turn))
        self._admit()
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.leave(turn.result())  # Its turn had just come.
            raise

    def leave(
        self, permit: Permit, *, succeeded: bool = False, overload_seconds: float | None = None
    ) -> None:
        """Note that an attempt ended.

        Parameters
        ----------
        overload_seconds
            Where the provider said that it is overloaded: how long all calls now wait.
        """
        is_used = 2 * self._under_way >= self.allowed
        self._under_way -= 1
        if overload_seconds is not None:
            self._pace.paused_until = max(self._pace.paused_until, self._clock() + overload_seconds)
            if permit.era == self._era:
                self._allowed = max(1.0, self._allowed / 2)
                self._era += 1
        elif succeeded and is_used:
            # With few under way, success says nothing about whether more would be taken.
            step = 1.0 if self._era == 0 else 1.0 / self._allowed
            self._allowed = min(float(self._most), self._allowed + step)
        self._admit()

    def _admit(self) -> None:
        """Let in all whose turn it is, at once: handing on one by one would take a round of the loop for each."""
        while self._queue and self._under_way < self.allowed:
            tokens, turn = self._queue[0]
            now = self._clock()
            until = max(self._pace.paused_until, self._pace.next_request, self._pace.next_tokens)
            if turn.done():
                self._queue.popleft()  # Whoever waited was cancelled.
                continue
            if until > now:
                if self._timer is None:
                    self._timer = asyncio.create_task(self._admit_after(until - now))
                return
            self._queue.popleft()
            self._under_way += 1
            if self._limits.requests_per_minute is not None:
                self._pace.next_request = now + _MINUTE / self._limits.requests_per_minute
            if self._limits.tokens_per_minute is not None:
                self._pace.next_tokens = now + _MINUTE * tokens / self._limits.tokens_per_minute
            turn.set_result(Permit(era=self._era))

    async def _admit_after(self, seconds: float) -> None:
        await self._sleep(seconds)
        self._timer = None
        self._admit()
