"""Failed calls in words: what the provider or server said, and what to do about it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from llm_compare.asking.attempts import FailedCall
    from llm_compare.asking.run import Ending
    from llm_compare.prompting.call import Call
    from llm_compare.replies.reply import Failure

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

    def note(self, _: Call, failed: FailedCall) -> None:
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


def say_why(
    ending: Ending, stopped_by: Failure | None, failures: Iterable[Failure], *, left_words: str
) -> None:
    """Say on standard error why a run did not bring all replies, and how to go on.

    Parameters
    ----------
    failures
        Of the calls that failed.
    left_words
        How much is left; see :func:`calls_left_words`.
    """
    from llm_compare.asking.run import Ending

    failures = tuple(failures)
    # Said below where a call failed with it.
    because = "" if stopped_by is None or stopped_by in failures else f" ({failure_words(stopped_by)})"
    why = {
        Ending.CALLS: "Stopped at --max-calls.",
        Ending.BUDGET: "Stopped at the budget.",
        Ending.INTERRUPTED: "Stopped by an interrupt.",
        Ending.FAILING: f"Stopped because calls failed{because}.",
        Ending.COMPLETE: "",
    }[ending]
    click.echo(f"{why} {left_words}".strip(), err=True)
    say_failures(failures)


def say_failures(failures: Iterable[Failure]) -> None:
    """Say on standard error why calls failed, each reason once."""
    said = {failure_words(failure) for failure in failures}
    for words in sorted(said)[:_SHOWN]:
        click.echo(f"  {words}", err=True)
    if len(said) > _SHOWN:
        click.echo(f"  and {len(said) - _SHOWN} more reasons; the file that is written has all", err=True)


def calls_left_words(failed: int, not_made: int, *, what: str = "call") -> str:
    """Return how many calls, or ``what`` is made of them, have no reply, and how to go on."""
    calls = f"1 {what}" if failed == 1 else f"{failed:,} {what}s"
    were = "1 was" if not_made == 1 else f"{not_made:,} were"
    return (
        f"{calls} failed, {were} not made. Everything that arrived is stored: "
        "the same command again asks only the rest."
    )
