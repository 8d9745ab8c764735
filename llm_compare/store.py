"""The questions we ask the database about replies. Functions take the session and never commit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import TypeAlias

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from llm_compare.plan import Request, is_scripted
from llm_compare.reply import Reply
from llm_compare.tables import ModelReplyRow
from survey.config import load_settings
from survey.db import open_database, writing

Sessions: TypeAlias = Callable[[], AbstractContextManager[Session]]
"""Makes a session in a transaction of its own, committed at the end of the ``with``."""

_KEYS_PER_SELECT = 500  # Databases limit the number of parameters in a statement.


@contextmanager
def open_store() -> Iterator[Sessions]:
    """Open the database that the environment names, and yield the maker of sessions on it."""
    engine = open_database(load_settings())
    try:
        yield partial(writing, engine)
    finally:
        engine.dispose()


def find_replies(session: Session, requests: Iterable[Request]) -> dict[tuple[str, int], Reply]:
    """Return the stored replies to ``requests``, by identity (request key, repeat)."""
    wanted = {request.identity for request in requests}
    keys = sorted({key for key, _ in wanted})
    found = {}
    for some in _in_batches(keys):
        for row in session.scalars(select(ModelReplyRow).where(ModelReplyRow.request_key.in_(some))):
            identity = (row.request_key, row.repeat)
            if identity in wanted:
                found[identity] = _reply(row)
    return found


def add_reply(session: Session, request: Request, reply: Reply) -> bool:
    """Store a reply verbatim, before anything is read from it. Return False where the call has one already.

    The first reply stays: it is the one that earlier results were made from.
    """
    if reply.error is not None:
        raise ValueError("a failed call has no reply to store")
    row = ModelReplyRow(
        request_key=request.key,
        repeat=request.repeat,
        model=request.model,
        scripted=is_scripted(request.model),
        api_base=request.api_base,
        messages=[{"role": m.role.value, "content": m.content} for m in request.messages],
        settings=request.settings.sent(),
        template=request.template,
        design_hash=request.design_hash,
        arm=request.arm,
        left_values=request.left.as_dict(),
        right_values=request.right.as_dict(),
        side_order=request.side_order.value,
        attribute_order=list(request.attribute_order),
        indecision_offered=request.indecision_offered,
        content=reply.content,
        refusal=reply.refusal,
        finish_reason=reply.finish_reason,
        returned_model=reply.returned_model,
        system_fingerprint=reply.system_fingerprint,
        tokens_in=reply.tokens_in,
        tokens_out=reply.tokens_out,
        cost_usd=reply.cost_usd,
        seconds=reply.seconds,
        attempts=reply.attempts,
        asked_at=reply.asked_at,
    )
    try:
        with session.begin_nested():
            session.add(row)
    except IntegrityError:
        if request.identity not in find_replies(session, [request]):
            raise
        return False
    return True


def _reply(row: ModelReplyRow) -> Reply:
    return Reply(
        content=row.content,
        finish_reason=row.finish_reason,
        refusal=row.refusal,
        returned_model=row.returned_model,
        system_fingerprint=row.system_fingerprint,
        tokens_in=row.tokens_in,
        tokens_out=row.tokens_out,
        cost_usd=row.cost_usd,
        seconds=row.seconds,
        attempts=row.attempts,
        asked_at=row.asked_at,
    )


def _in_batches(keys: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(keys), _KEYS_PER_SELECT):
        yield keys[start : start + _KEYS_PER_SELECT]
