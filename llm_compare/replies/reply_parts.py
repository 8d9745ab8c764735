"""A reply as parts of a line of a file, and back: of ``replies.jsonl`` and ``trials.jsonl``. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

from llm_compare.replies.record import (
    MAYBE_NUMBER,
    MAYBE_TABLE,
    MAYBE_TEXT,
    MAYBE_WHOLE,
    TEXT,
    WHOLE,
    BadRecord,
    Kinds,
    checked,
    checked_items,
)
from llm_compare.replies.reply import Failure, Reply

REPLY_PARTS: Mapping[str, Kinds] = {
    "content": MAYBE_TEXT,
    "finish_reason": MAYBE_TEXT,
    "refusal": MAYBE_TEXT,
    "returned_model": MAYBE_TEXT,
    "system_fingerprint": MAYBE_TEXT,
    "tokens_in": MAYBE_WHOLE,
    "tokens_out": MAYBE_WHOLE,
    "tokens_reasoning": MAYBE_WHOLE,
    "reasoning": MAYBE_TEXT,
    "first_token": MAYBE_TABLE,
    "response": MAYBE_TEXT,
    "cost_usd": MAYBE_NUMBER,
    "seconds": MAYBE_NUMBER,
    "attempts": WHOLE,
    "asked_at": MAYBE_TEXT,
    "error": MAYBE_TABLE,
}
"""Every field of a reply, by its name."""

_FAILURE: Mapping[str, Kinds] = {"kind": TEXT, "status": MAYBE_WHOLE, "message": TEXT}


def parts_of(reply: Reply) -> dict[str, Any]:
    """Return every field of ``reply`` as JSON."""
    parts = {field.name: getattr(reply, field.name) for field in fields(reply)}
    if reply.first_token is not None:
        parts["first_token"] = dict(reply.first_token)
    if reply.asked_at is not None:
        parts["asked_at"] = reply.asked_at.isoformat(timespec="milliseconds")
    if reply.error is not None:
        parts["error"] = asdict(reply.error)
    return parts


def reply_of(parts: Mapping[str, Any], where: str = "") -> Reply:
    """Return the reply that checked parts describe; ``where`` is put before a part's name in complaints.

    Raises
    ------
    BadRecord
        A part of a part is missing, unknown or of the wrong kind.
    """
    given = {name: parts[name] for name in REPLY_PARTS}
    if given["error"] is not None:
        given["error"] = Failure(**checked(given["error"], _FAILURE, f"{where}error"))
    if given["first_token"] is not None:
        checked_items(list(given["first_token"].values()), (float, int), f"{where}first_token")
    if given["asked_at"] is not None:
        given["asked_at"] = _moment(given["asked_at"], f"{where}asked_at")
    return Reply(**given)


def _moment(text: str, where: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise BadRecord(f"{where}: '{text}' is no date and time") from None
    if moment.tzinfo is None:
        raise BadRecord(f"{where}: '{text}' does not say its time zone")
    return moment
