"""The questions we ask the database about replies. Functions take the session and never commit."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, fields
from datetime import datetime
from functools import partial
from typing import Any, TypeAlias, cast

from sqlalchemy import CursorResult, insert, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from llm_compare.prompting.call import Call, is_scripted
from llm_compare.prompting.request import CallT, Request
from llm_compare.replies.reply import Failure, Reply
from llm_compare.replies.tables import ModelFailureRow, ModelReplyRow
from survey.config import load_settings
from survey.db import open_database, writing

Sessions: TypeAlias = Callable[[], AbstractContextManager[Session]]
"""Makes a session in a transaction of its own, committed at the end of the ``with``."""

LONGEST_MESSAGE = 500
"""Characters kept of what a failed attempt said."""

_GREATEST_COUNT = 2**31 - 1  # Of an integer column in PostgreSQL.
_KEYS_PER_SELECT = 500  # Databases limit the number of parameters in a statement.


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedAttempt:
    """One attempt at a call that brought no reply."""

    request_key: str
    repeat: int
    attempt: int
    """From 1 in each run."""
    failure: Failure
    at: datetime | None
    """When it was made; aware UTC."""


@contextmanager
def open_store() -> Iterator[Sessions]:
    """Open the database that the environment names, and yield the maker of sessions on it."""
    engine = open_database(load_settings())
    try:
        yield partial(writing, engine)
    finally:
        engine.dispose()


def find_replies(session: Session, requests: Iterable[Call]) -> dict[tuple[str, int], Reply]:
    """Return the stored replies to ``requests``, by identity (request key, repeat)."""
    wanted = {request.identity for request in requests}
    found = {}
    for some in _in_batches(wanted):
        for row in session.execute(select(*_READ).where(ModelReplyRow.request_key.in_(some))):
            identity = (row.request_key, row.repeat)
            if identity in wanted:
                found[identity] = Reply(**{name: getattr(row, name) for name in _REPLY_FIELDS})
    return found


def add_replies(
    session: Session,
    replies: Sequence[tuple[CallT, Reply]],
    *,
    client: str,
    source: str | None = None,
) -> int:
    """Store replies verbatim, before anything is read from them. Return how many were stored.

    Where a call has a reply already, the first one stays: it is the one that earlier results were made from.

    Parameters
    ----------
    client
        What made the calls, e.g. ``litellm 1.106.2``, ``scripted``, ``import``.
    source
        Name of the file that the replies were read from, where they were made elsewhere.

    Raises
    ------
    ValueError
        One of them is of a failed call, which has no reply to store.
    """
    if not replies:
        return 0
    # Both databases know this statement, but SQLAlchemy has one for each.
    own = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    statement = own(ModelReplyRow).on_conflict_do_nothing(index_elements=["request_key", "repeat"])
    done = session.connection().execute(
        statement,
        [_row(request, reply, client, source) for request, reply in replies],
        execution_options={"preserve_rowcount": True},
    )
    return cast("CursorResult[Any]", done).rowcount


def add_failures(session: Session, failures: Sequence[FailedAttempt]) -> None:
    """Store failed attempts."""
    if not failures:
        return
    session.connection().execute(
        insert(ModelFailureRow),
        [
            {
                "request_key": f.request_key,
                "repeat": f.repeat,
                "attempt": f.attempt,
                "kind": f.failure.kind[:100],
                "status": f.failure.status,
                "message": f.failure.message[:LONGEST_MESSAGE],
                "at": f.at,
            }
            for f in failures
        ],
    )


def failures_of(session: Session, requests: Iterable[Call]) -> tuple[FailedAttempt, ...]:
    """Return every failed attempt at ``requests``, in the order in which they were stored.

    Calls that had a reply in the end are among them.
    """
    wanted = {request.identity for request in requests}
    found = []
    for some in _in_batches(wanted):
        for row in session.scalars(select(ModelFailureRow).where(ModelFailureRow.request_key.in_(some))):
            if (row.request_key, row.repeat) in wanted:
                found.append(row)
    return tuple(
        FailedAttempt(
            request_key=row.request_key,
            repeat=row.repeat,
            attempt=row.attempt,
            failure=Failure(kind=row.kind, status=row.status, message=row.message),
            at=row.at,
        )
        for row in sorted(found, key=lambda row: row.id)
    )


_REPLY_FIELDS = tuple(f.name for f in fields(Reply) if f.name != "error")
# Columns, not rows of the mapper: a hundred thousand replies are read at once.
_READ = [getattr(ModelReplyRow, name) for name in ("request_key", "repeat", *_REPLY_FIELDS)]


def _row(request: Call, reply: Reply, client: str, source: str | None) -> dict[str, Any]:
    if reply.error is not None:
        raise ValueError("a failed call has no reply to store")
    values = {name: getattr(reply, name) for name in _REPLY_FIELDS}
    # What a server says beside its answer may be garbage that a database does not take, and one such reply would
    # keep those stored with it out. The answer itself is in columns that take any text.
    for name in ("finish_reason", "returned_model", "system_fingerprint"):
        values[name] = _storable(values[name])
    for name in ("tokens_in", "tokens_out", "tokens_reasoning"):
        count = values[name]
        values[name] = count if count is not None and abs(count) <= _GREATEST_COUNT else None
    if reply.first_token is not None:
        # A token that cannot come has log-probability -inf, which JSON has no word for; it need not be named.
        values["first_token"] = {t: p for t, p in reply.first_token.items() if math.isfinite(p)}
    return values | {
        "request_key": request.key,
        "repeat": request.repeat,
        "model": request.model,
        "scripted": is_scripted(request.model),
        "api_base": request.api_base,
        "messages": request.kept_messages,
        "settings": request.settings.sent(),
        "task": request.task,
        **_standing_for(request),
        "client": client,
        "source": source,
    }


def _storable(text: str | None) -> str | None:
    """Return ``text`` without what a text column may not hold: NUL and half a surrogate pair."""
    return None if text is None else text.replace("\0", "\ufffd").encode(errors="replace").decode()


_OF_A_COMPARISON = (
    "template", "design_hash", "arm", "left_values", "right_values", "side_order", "attribute_order",
    "indecision_offered", "variant", "language", "labels", "sends_schema",
)  # fmt: skip
"""Columns that only a comparison of two patients fills."""


def _standing_for(request: Call) -> dict[str, Any]:
    """Return the columns that say what a call stands for: a comparison has its own, other tasks share one."""
    if isinstance(request, Request):
        return {**request.stands_for, "about": None}
    return {**dict.fromkeys(_OF_A_COMPARISON), "about": dict(request.stands_for)}


def _in_batches(identities: Iterable[tuple[str, int]]) -> Iterator[list[str]]:
    keys = sorted({key for key, _ in identities})
    for start in range(0, len(keys), _KEYS_PER_SELECT):
        yield keys[start : start + _KEYS_PER_SELECT]
