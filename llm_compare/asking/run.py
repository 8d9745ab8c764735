"""Carry out a plan of calls: what is stored is not asked again, every reply is kept as it arrives."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import islice
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

import numpy as np

from llm_compare.asking.attempts import ABANDONED, ATTEMPTS, FailedCall, delay_before_next
from llm_compare.asking.keeper import Keeper
from llm_compare.asking.limiter import Limiter, Limits, Pace
from llm_compare.asking.spending import Budget, tokens_counted
from llm_compare.prompting.call import Call
from llm_compare.prompting.request import CallT
from llm_compare.replies.reply import Failure, RecordedReply, Reply
from llm_compare.replies.store import Sessions, find_replies

FAILURES_IN_A_ROW = 10
"""So many calls failing one after another (each after its retries) stop the run: the rest would fail too."""
GRACE_SECONDS = 30.0
"""After an interrupt, replies to calls in flight are waited for so long: they are paid for."""


Paces: TypeAlias = dict[tuple[str, str | None], Pace]
"""By model and address."""
AskedT = TypeVar("AskedT", bound=Call, contravariant=True)


class Answerer(Protocol[AskedT]):
    """Whatever answers requests: a model behind a network, or a script.

    What has a ``name``, such as ``litellm 1.106.2``, is stored under it with every reply; scripts need none.
    """

    async def reply(self, request: AskedT, /) -> Reply | FailedCall:
        """Make one attempt at a call. Whether and when there is another is decided here, not there."""
        ...

    async def close(self) -> None:
        """Release what is held open."""
        ...


class Ending(StrEnum):
    """Why a run ended."""

    COMPLETE = "complete"
    """Every call was made; some may have failed."""
    CALLS = "max-calls"
    """As many calls were made as this run was allowed."""
    BUDGET = "budget"
    """The next call could have cost more than is left of the budget."""
    INTERRUPTED = "interrupted"
    FAILING = "failing"
    """Calls failed one after another, or one failed for a reason that concerns all; ``stopped_by`` says which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked(Generic[CallT]):
    """What a run brought."""

    replies: tuple[RecordedReply[CallT], ...]
    """Stored before or asked now, and calls that failed; in the order of the plan."""
    planned: int
    already_stored: int
    ending: Ending
    stopped_by: Failure | None = None
    """The failure that ended a failing run."""
    failed_attempts: int = 0
    """Attempts of this run that brought no reply, also at calls that had one in the end."""

    @property
    def failed(self) -> int:
        """Number of calls that failed after all attempts."""
        return sum(r.reply.error is not None for r in self.replies)

    @property
    def complete(self) -> bool:
        """Whether every planned call has a reply."""
        return len(self.replies) == self.planned and self.failed == 0


def ask(
    sessions: Sessions,
    requests: Sequence[CallT],
    answerer: Answerer[CallT],
    *,
    rng: np.random.Generator,
    concurrency: int = 8,
    limits: Limits = Limits(),  # noqa: B008 - frozen
    paces: Paces | None = None,
    budget: Budget | None = None,
    max_calls: int | None = None,
    on_reply: Callable[[CallT, Reply], None] = lambda request, reply: None,
    on_failed_attempt: Callable[[CallT, FailedCall], None] = lambda request, failed: None,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Asked[CallT]:
    """Make the calls that the store has no reply to, and return all replies of the plan.

    The calls are made in random order, so that a provider's drift over the run is not taken for a difference
    between comparisons. They are looked up in the store once more, some at a time, just before they are made: of
    two runs at once, one does not ask what the other has a reply to. Failed attempts are stored as well; what may
    pass is tried again, up to ``ATTEMPTS`` times.

    An interrupt (Ctrl-C, SIGTERM) ends the run: no more calls are made, those in flight get :data:`GRACE_SECONDS`
    to arrive (a second interrupt gives them none), everything that arrived is stored. Should the process be killed
    outright, calls whose reply had not arrived, or had arrived a moment ago, are asked again by the next run.

    Parameters
    ----------
    rng
        For the order of calls and the waits between attempts.
    concurrency
        Most calls in flight at a time. There may be fewer: see :class:`Limiter`.
    limits
        Requests and tokens per minute, for each model.
    paces
        How far earlier runs went into the limits, which is kept up: give runs in a row the same, empty at first.
    budget
        Most money for this run. It holds one price, so all requests must be to the same model; afterwards its
        ``spent_usd`` says what the run took. Several models share a budget by giving each what is left.
    max_calls
        Most calls in this run; the retries of one call count once.
    on_reply
        Called after each reply is stored, or its call failed.
    on_failed_attempt
        Called after each attempt that brought no reply.
    sleep, clock
        Waiting and the time waited by, in seconds.

    Raises
    ------
    NoPrice
        There is a budget, but the settings do not limit the length of replies.
    NotStored
        The database did not take replies that arrived.
    CompareError
        As the answerer raises where no call of the run can succeed.
    """
    replies: dict[tuple[str, int], Reply] = {}
    with sessions() as session:
        replies.update(find_replies(session, requests))
    stored = len({r.identity for r in requests} & replies.keys())
    missing = list({r.identity: r for r in requests if r.identity not in replies}.values())
    todo = [missing[i] for i in rng.permutation(len(missing))][:max_calls]
    # Before any call, so that a budget that cannot be kept costs nothing.
    worst_cases = {r.identity: budget.worst_case(r) for r in todo} if budget is not None else {}

    def keep(request: CallT, reply: Reply) -> None:
        replies[request.identity] = reply
        on_reply(request, reply)

    run = _Run(
        sessions,
        todo,
        answerer,
        rng=rng,
        concurrency=concurrency,
        limits=limits,
        paces={} if paces is None else paces,
        budget=budget,
        worst_cases=worst_cases,
        on_kept=keep,
        on_failed_attempt=on_failed_attempt,
        sleep=sleep,
        clock=clock,
    )
    if todo:
        asyncio.run(run.carry_out())
    if run.ending is not Ending.COMPLETE:
        with sessions() as session:
            # What another run stored meanwhile, of the calls that this one did not come to.
            replies = find_replies(session, [r for r in missing if r.identity not in replies]) | replies
    return Asked(
        replies=tuple(
            RecordedReply(request=r, reply=replies[r.identity]) for r in requests if r.identity in replies
        ),
        planned=len(requests),
        already_stored=stored,
        ending=Ending.CALLS if run.ending is Ending.COMPLETE and len(todo) < len(missing) else run.ending,
        stopped_by=run.stopped_by,
        failed_attempts=run.failed_attempts,
    )


class _Run(Generic[CallT]):
    """The state of one run: who works, what is under way, and why it ends."""

    def __init__(
        self,
        sessions: Sessions,
        todo: Sequence[CallT],
        answerer: Answerer[CallT],
        *,
        rng: np.random.Generator,
        concurrency: int,
        limits: Limits,
        paces: Paces,
        budget: Budget | None,
        worst_cases: dict[tuple[str, int], float],
        on_kept: Callable[[CallT, Reply], None],
        on_failed_attempt: Callable[[CallT, FailedCall], None],
        sleep: Callable[[float], Awaitable[None]],
        clock: Callable[[], float],
    ) -> None:
        self.ending = Ending.COMPLETE
        self.stopped_by: Failure | None = None
        self.failed_attempts = 0
        self._sessions = sessions
        self._waiting = iter(todo)
        self._answerer = answerer
        self._rng = rng
        self._concurrency = min(concurrency, len(todo))
        self._limits = limits
        self._paces = paces
        self._limiters: dict[tuple[str, str | None], Limiter] = {}
        self._budget = budget
        self._worst_cases = worst_cases
        self._on_kept = on_kept
        self._on_failed_attempt = on_failed_attempt
        self._sleep = sleep
        self._clock = clock
        self._failures_in_a_row = 0
        self._workers: list[asyncio.Task[None]] = []
        self._under_way: set[asyncio.Task[Any] | None] = set()
        self._is_stopping = False
        self._look_up: asyncio.Task[None] | None = None
        self._looked_up: deque[CallT] = deque()
        self._settled = asyncio.Event()

    async def carry_out(self) -> None:
        """Make the calls until there are no more or the run is stopped; store what arrived."""
        self._keeper = Keeper(
            self._sessions,
            client=getattr(self._answerer, "name", "scripted"),
            on_kept=self._on_kept,
            on_problem=lambda error: self._fail(
                Failure(kind=type(error).__name__, status=None, message=str(error))
            ),
        )
        self._workers = [asyncio.create_task(self._work()) for _ in range(self._concurrency)]
        loop = asyncio.get_running_loop()
        try:
            with _interrupts_to(lambda: loop.call_soon_threadsafe(self._interrupt)):
                finished, others = await asyncio.wait(self._workers, return_when=asyncio.FIRST_EXCEPTION)
                if others:
                    self._stop(Ending.FAILING)
                    # What is in flight is paid for.
                    await asyncio.wait(others, timeout=GRACE_SECONDS)
                for worker in finished:
                    if not worker.cancelled():
                        worker.result()
        finally:
            self._abandon()
            await asyncio.gather(*self._workers, return_exceptions=True)
            try:
                await self._keeper.finish()
            finally:
                await self._answerer.close()

    # --- one worker: it takes a call, carries it through its attempts, and takes the next -------------------

    async def _work(self) -> None:
        while (request := await self._take()) is not None:
            reply = await self._call(request)
            if reply is not None:
                self._keeper.keep(request, reply)
                self._heed(reply)
            await self._keeper.caught_up()

    async def _take(self) -> CallT | None:
        """Return the next call that the store has no reply to; None when there are no more."""
        while not self._is_stopping:
            found = self._look_up
            if found is not None and found.done():
                self._look_up = None
                found.result()  # Raises what went wrong.
            if self._look_up is None and len(self._looked_up) <= self._concurrency // 2:
                # Ahead of need: under load, a round trip to the database takes as long as many calls.
                some = list(islice(self._waiting, self._concurrency))
                self._look_up = asyncio.create_task(self._look_up_ahead(some)) if some else None
            if self._looked_up:
                return self._looked_up.popleft()
            if self._look_up is None:
                return None
            await asyncio.wait({self._look_up})
        return None

    async def _look_up_ahead(self, some: Sequence[CallT]) -> None:
        found = await asyncio.to_thread(self._find, some)
        for request in some:
            if request.identity in found:
                self._on_kept(request, found[request.identity])
            else:
                self._looked_up.append(request)

    def _find(self, requests: Sequence[CallT]) -> dict[tuple[str, int], Reply]:
        with self._sessions() as session:
            return find_replies(session, requests)

    async def _call(self, request: CallT) -> Reply | None:
        """Return the reply, or the failure of the last attempt; None where the run stopped before either."""
        limiter = self._limiter(request)
        for attempt in range(1, ATTEMPTS + 1):
            permit = await limiter.enter(tokens_counted(request))
            reply = overload_seconds = None
            try:
                if not await self._set_aside(request):
                    return None
                outcome = await self._attempt(request, attempt)
                if isinstance(outcome, Reply):
                    reply = replace(outcome, attempts=attempt)
                    return reply
                delay = delay_before_next(outcome, attempt, self._rng)
                if outcome.is_overload and outcome.may_pass:
                    # The limit is the account's, not this call's: everyone waits.
                    overload_seconds = delay
            finally:
                limiter.leave(permit, succeeded=reply is not None, overload_seconds=overload_seconds)
            if outcome.concerns_all:
                self._fail(outcome.failure)
            if not outcome.may_pass or attempt == ATTEMPTS:
                return Reply(content=None, error=outcome.failure, attempts=attempt, asked_at=outcome.at)
            if self._is_stopping:
                return None
            if overload_seconds is None:
                await self._sleep(delay)
        return None

    async def _attempt(self, request: CallT, attempt: int) -> Reply | FailedCall:
        """Make one attempt, and account for it whatever happens: its cost, and its failure."""
        own = asyncio.current_task()
        self._under_way.add(own)
        outcome: Reply | FailedCall | None = None
        try:
            outcome = await self._answerer.reply(request)
        except asyncio.CancelledError:
            outcome = _GIVEN_UP
            raise
        finally:
            self._under_way.discard(own)
            if isinstance(outcome, FailedCall):
                self.failed_attempts += 1
                self._keeper.note(request, attempt, outcome)
                self._on_failed_attempt(request, outcome)
            self._settle(request, outcome)
        return outcome

    async def _set_aside(self, request: CallT) -> bool:
        """Set aside what an attempt can cost at worst, once there is room for it; False where there is none."""
        if self._budget is None:
            return True
        while not self._budget.set_aside(self._worst_cases[request.identity]):
            if self._budget.is_settled:
                self._stop(Ending.BUDGET)
                return False
            self._settled.clear()
            await self._settled.wait()
        return True

    def _settle(self, request: CallT, outcome: Reply | FailedCall | None) -> None:
        if self._budget is None:
            return
        if isinstance(outcome, Reply):
            cost = outcome.cost_usd
        else:
            cost = None if outcome is not None and outcome.may_be_charged else 0.0
        self._budget.settle(self._worst_cases[request.identity], cost)
        self._settled.set()

    def _limiter(self, request: CallT) -> Limiter:
        asked = (request.model, request.api_base)
        if asked not in self._limiters:
            self._limiters[asked] = Limiter(
                most=self._concurrency,
                limits=self._limits,
                pace=self._paces.setdefault(asked, Pace()),
                sleep=self._sleep,
                clock=self._clock,
            )
        return self._limiters[asked]

    # --- why a run ends before its plan does ----------------------------------------------------------------

    def _heed(self, reply: Reply) -> None:
        """Stop the run where one failure after another says that the rest would fail too."""
        self._failures_in_a_row = self._failures_in_a_row + 1 if reply.error is not None else 0
        if reply.error is not None and self._failures_in_a_row >= FAILURES_IN_A_ROW:
            self._fail(reply.error)

    def _fail(self, failure: Failure) -> None:
        if not self._is_stopping:
            self.stopped_by = failure
            self._stop(Ending.FAILING)

    def _interrupt(self) -> None:
        if self._is_stopping:
            self._abandon()
            return
        self._stop(Ending.INTERRUPTED)
        asyncio.get_running_loop().call_later(GRACE_SECONDS, self._abandon)

    def _stop(self, ending: Ending) -> None:
        """Let what is in flight arrive, and begin nothing more."""
        if self._is_stopping:
            return
        self._is_stopping = True
        self.ending = ending
        own = asyncio.current_task()
        for worker in self._workers:
            if worker is not own and worker not in self._under_way:
                worker.cancel()

    def _abandon(self) -> None:
        """Wait for nothing more."""
        self._is_stopping = True
        for worker in self._workers:
            worker.cancel()


_GIVEN_UP = FailedCall(
    failure=Failure(kind=ABANDONED, status=None, message="the run was stopped before a reply arrived")
)


@contextmanager
def _interrupts_to(handle: Callable[[], object]) -> Iterator[None]:
    """Call ``handle`` on Ctrl-C and on SIGTERM, in place of what happened so far; only the main thread can."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {
        number: handler
        for number in (signal.SIGINT, signal.SIGTERM)
        # What is ignored, as Ctrl-C is by a job in the background, stays so.
        if (handler := signal.getsignal(number)) not in (signal.SIG_IGN, None)
    }
    for number in before:
        signal.signal(number, lambda *_: handle())
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
