"""Stores what arrives: all that came within a moment in one transaction, before anybody reads it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Generic

from llm_compare.asking.attempts import FailedCall
from llm_compare.errors import NotStored
from llm_compare.prompting.request import CallT
from llm_compare.replies.reply import Reply
from llm_compare.replies.store import FailedAttempt, Sessions, add_failures, add_replies, find_replies
from survey.errors import EquipoiseError

GATHERING_SECONDS = 0.05
"""A reply waits at most so long for others to be stored with, and then for the transaction before it."""
MOST_WAITING = 256
"""Replies that may wait for the database; with more, no further calls are made until it has caught up."""


@dataclass(frozen=True, slots=True)
class _Ended(Generic[CallT]):
    """A call that came to an end: with a reply to store, or with the failure of its last attempt."""

    request: CallT
    reply: Reply


class Keeper(Generic[CallT]):
    """Keeps replies and failed attempts in the store, in the order in which they arrived.

    Parameters
    ----------
    client
        What makes the calls; see ``add_replies``.
    on_kept
        Called after each call's reply, or failure, is stored. Where another run stored a reply to the same call
        first, that one is handed over.
    on_problem
        Called when the database does not take what arrived. It is offered once more by :meth:`finish`.
    """

    def __init__(
        self,
        sessions: Sessions,
        *,
        client: str,
        on_kept: Callable[[CallT, Reply], None],
        on_problem: Callable[[Exception], None],
    ) -> None:
        self._sessions = sessions
        self._client = client
        self._on_kept = on_kept
        self._on_problem = on_problem
        self._ended: list[_Ended[CallT]] = []
        self._failures: list[FailedAttempt] = []
        self._arrived = asyncio.Event()
        self._caught_up = asyncio.Event()
        self._caught_up.set()
        self._finishing = self._broken = False
        self._work = asyncio.create_task(self._store_as_it_comes())

    def keep(self, request: CallT, reply: Reply) -> None:
        """Take a reply to be stored, or the failure of a call that is not tried again."""
        self._ended.append(_Ended(request, reply))
        self._arrived.set()
        if len(self._ended) >= MOST_WAITING and not self._broken:
            self._caught_up.clear()

    def note(self, request: CallT, attempt: int, failed: FailedCall) -> None:
        """Take a failed attempt to be stored; the call itself may still be tried again."""
        self._failures.append(
            FailedAttempt(
                request_key=request.key,
                repeat=request.repeat,
                attempt=attempt,
                failure=failed.failure,
                at=failed.at,
            )
        )
        self._arrived.set()

    async def caught_up(self) -> None:
        """Wait until not too much waits for the database."""
        await self._caught_up.wait()

    async def finish(self) -> None:
        """Store what is left.

        Raises
        ------
        NotStored
            The database does not take it.
        """
        self._finishing = True
        self._arrived.set()
        try:
            await self._work
        except Exception as problem:
            try:
                await self._store()
            except Exception as error:
                arrived = sum(e.reply.error is None for e in self._ended)
                raise NotStored(
                    f"{arrived} replies arrived that could not be stored, and would be asked for again: {error}"
                ) from error
            if not isinstance(problem, EquipoiseError):
                raise  # Not the database's refusal, which has passed, but a mistake in what is told of a reply.

    async def _store_as_it_comes(self) -> None:
        try:
            while not self._finishing or self._ended or self._failures:
                await self._arrived.wait()
                if not self._finishing:
                    await asyncio.sleep(GATHERING_SECONDS)
                self._arrived.clear()
                await self._store()
        except Exception as error:
            self._broken = True
            self._caught_up.set()  # Nobody shall wait for what will not happen.
            self._on_problem(error)
            raise

    async def _store(self) -> None:
        ended, failures = list(self._ended), list(self._failures)
        kept = await asyncio.to_thread(self._write, ended, failures)
        # Only now: what could not be written stays, to be offered once more.
        del self._ended[: len(ended)], self._failures[: len(failures)]
        if len(self._ended) < MOST_WAITING:
            self._caught_up.set()
        for one in kept:
            self._on_kept(one.request, one.reply)

    def _write(
        self, ended: Sequence[_Ended[CallT]], failures: Sequence[FailedAttempt]
    ) -> list[_Ended[CallT]]:
        replies = [(e.request, e.reply) for e in ended if e.reply.error is None]
        if not replies and not failures:
            return list(ended)
        with self._sessions() as session:
            stored = add_replies(session, replies, client=self._client)
            add_failures(session, failures)
            if stored == len(replies):
                return list(ended)
            # Another run was faster with some of them; both report the one that is stored.
            first = find_replies(session, [request for request, _ in replies])
        return [replace(e, reply=first.get(e.request.identity, e.reply)) for e in ended]
