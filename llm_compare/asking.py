"""Carry out a plan of calls: what is stored is not asked again, every reply is kept the moment it arrives."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import numpy as np

from llm_compare.plan import Request
from llm_compare.reply import RecordedReply, Reply
from llm_compare.store import Sessions, add_reply, find_replies

FAILURES_IN_A_ROW = 10
"""So many calls failing one after another (each after its retries) stop the run: the rest would fail too."""
GRACE_SECONDS = 10.0
"""After an interrupt, replies to calls in flight are waited for so long: they are paid for."""


class Answerer(Protocol):
    """Whatever answers requests: a model behind a network, or a script."""

    async def reply(self, request: Request) -> Reply:
        """Return the reply, or a reply with an error once trying again is no use."""
        ...

    async def close(self) -> None:
        """Release what is held open."""
        ...


class Ending(StrEnum):
    """Why a run ended."""

    COMPLETE = "complete"
    """Every call was made; some may have failed."""
    BUDGET = "budget"
    INTERRUPTED = "interrupted"
    FAILING = "failing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a run brought."""

    replies: tuple[RecordedReply, ...]
    """Stored before or asked now, and calls that failed; in the order of the plan."""
    planned: int
    already_stored: int
    ending: Ending

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
    requests: Sequence[Request],
    answerer: Answerer,
    *,
    rng: np.random.Generator,
    concurrency: int = 8,
    max_calls: int | None = None,
    on_reply: Callable[[Request, Reply], None] = lambda request, reply: None,
) -> Asked:
    """Make the calls that the store has no reply to, and return all replies of the plan.

    The calls are made in random order, so that a provider's drift over the run is not taken for a difference
    between comparisons. Each call is looked up in the store once more before it is made: of two runs at once, one
    does not ask what the other has a reply to. An interrupt (Ctrl-C) ends the run: no more calls are made, those in
    flight get :data:`GRACE_SECONDS` to arrive (a second interrupt gives them none), everything that arrived is
    stored.

    Parameters
    ----------
    concurrency
        Most calls in flight at a time.
    max_calls
        Most calls in this run; the retries of one call count once.
    on_reply
        Called after each reply is stored, or its call failed.
    """
    replies: dict[tuple[str, int], Reply] = {}
    with sessions() as session:
        replies.update(find_replies(session, requests))
    stored = len({r.identity for r in requests} & replies.keys())
    missing = list({r.identity: r for r in requests if r.identity not in replies}.values())
    todo = [missing[i] for i in rng.permutation(len(missing))][:max_calls]

    def find(request: Request) -> Reply | None:
        with sessions() as session:
            return find_replies(session, [request]).get(request.identity)

    def keep(request: Request, reply: Reply) -> None:
        if reply.error is None:
            with sessions() as session:
                if not add_reply(session, request, reply):
                    # Another run was faster with this call; both report the one that is stored.
                    reply = find_replies(session, [request])[request.identity]
        replies[request.identity] = reply
        on_reply(request, reply)

    ending = asyncio.run(_carry_out(todo, answerer, find, keep, concurrency)) if todo else Ending.COMPLETE
    if ending is Ending.COMPLETE and len(todo) < len(missing):
        ending = Ending.BUDGET
    return Asked(
        replies=tuple(
            RecordedReply(request=r, reply=replies[r.identity]) for r in requests if r.identity in replies
        ),
        planned=len(requests),
        already_stored=stored,
        ending=ending,
    )


async def _carry_out(
    todo: Sequence[Request],
    answerer: Answerer,
    find: Callable[[Request], Reply | None],
    keep: Callable[[Request, Reply], None],
    concurrency: int,
) -> Ending:
    waiting = iter(todo)
    failures_in_a_row = 0
    interrupted = False

    async def work() -> None:
        nonlocal failures_in_a_row
        for request in waiting:
            if interrupted or failures_in_a_row >= FAILURES_IN_A_ROW:
                return
            reply = find(request)
            if reply is None:
                reply = await answerer.reply(request)
                failures_in_a_row = failures_in_a_row + 1 if reply.error is not None else 0
            keep(request, reply)

    workers = [asyncio.create_task(work()) for _ in range(min(concurrency, len(todo)))]
    try:
        # Unlike gather, wait leaves the workers alone when it is cancelled itself.
        finished, _ = await asyncio.wait(workers, return_when=asyncio.FIRST_EXCEPTION)
        for worker in finished:
            worker.result()
    except asyncio.CancelledError:
        # asyncio.run turns Ctrl-C into the cancellation of this task, between two steps and never within one.
        interrupted = True
        await asyncio.wait(workers, timeout=GRACE_SECONDS)
        return Ending.INTERRUPTED
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
        await answerer.close()
    return Ending.FAILING if failures_in_a_row >= FAILURES_IN_A_ROW else Ending.COMPLETE
