"""Failed calls in words: what the provider or server said, and what to do about it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from llm_compare.asking.attempts import FailedCall
    from llm_compare.prompting.request import Request
    from llm_compare.replies.reply import Failure, RecordedReply

_SHOWN = 5
_PREFIX = re.compile(r"^(?:(?:litellm\.)?\w+Error: |\w+Exception - )+")
"""litellm names the kind of an error up to three times before it says what happened."""
_WAYS_OUT = {
    401: "check the key in the provider's environment variable",
    403: "check what the key may do, and the name of the model",
    404: "check the name of the model and the address (--api-base)",
    429: "the provider wants fewer calls, or the account is used up: try again later, or use --concurrency",
}


def failure_words(failure: Failure) -> str:
    """Return what happened and, where it is known, the way out."""
    said = _PREFIX.sub("", failure.message).strip()
    words = f"{failure.kind}: {said}" if said else failure.kind
    way_out = _way_out(failure)
    return words if way_out is None else f"{words} ({way_out})"


def _way_out(failure: Failure) -> str | None:
    said = failure.message.lower()
    if "connection error" in said or "cannot connect" in said:
        return "nothing answers there: check that the server runs, and its address"
    if failure.status == 400 and "response_format" in said:
        return "the server takes no JSON schema: use --no-schema"
    return None if failure.status is None else _WAYS_OUT.get(failure.status)


class FailureNotes:
    """Tells of each kind of failed attempt once, as it happens: waits between attempts can be long."""

    def __init__(self) -> None:
        self._told: set[tuple[str, int | None]] = set()

    def note(self, _: Request, failed: FailedCall) -> None:
        """Say what failed if nothing of its kind was said before."""
        kind = (failed.failure.kind, failed.failure.status)
        if kind in self._told or not failed.may_pass:
            return
        self._told.add(kind)
        wait = failed.retry_after_seconds
        again = "" if not wait else f" after the {wait:.0f} s that the provider asks for"
        # The bar stands on the line before, without an end.
        click.echo(
            f"\n  an attempt failed and is made again{again}: {failure_words(failed.failure)}", err=True
        )


def say_failures(replies: Iterable[RecordedReply]) -> None:
    """Say on standard error why calls failed, each reason once."""
    failures = {failure_words(e) for r in replies if (e := r.reply.error) is not None}
    for failure in sorted(failures)[:_SHOWN]:
        click.echo(f"  {failure}", err=True)
    if len(failures) > _SHOWN:
        click.echo(f"  and {len(failures) - _SHOWN} more reasons; replies.jsonl has all", err=True)


def calls_left_words(failed: int, not_made: int) -> str:
    """Return how many calls have no reply, and how to go on."""
    calls = "1 call" if failed == 1 else f"{failed:,} calls"
    were = "1 was" if not_made == 1 else f"{not_made:,} were"
    return (
        f"{calls} failed, {were} not made. Everything that arrived is stored: "
        "the same command again asks only the rest."
    )
