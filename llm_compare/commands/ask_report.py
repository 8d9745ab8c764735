"""What a run of ``compare ask`` did, while it goes on and at its end."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from click._termui_impl import ProgressBar

    from llm_compare.asking.protocol import Protocol
    from llm_compare.asking.run import Asked
    from llm_compare.commands.plan_shown import ModelPlan
    from llm_compare.replies.reply import Reply
    from llm_compare.replies.respondents import ReplyTally


class Progress:
    """Counts replies as they come.

    Parameters
    ----------
    clock
        Time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._started = clock()
        self._calls = self._failed = 0
        self._usd = 0.0
        self._is_priced = False

    def note(self, reply: Reply) -> None:
        """Count a reply or a failed call."""
        self._calls += 1
        self._failed += reply.error is not None
        if reply.cost_usd is not None:
            self._usd += reply.cost_usd
            self._is_priced = True

    def words(self) -> str:
        """Return calls per second, failures and what was spent, for a progress bar."""
        seconds = self._clock() - self._started
        rate = f"{self._calls / seconds:.1f}/s, " if seconds > 0 else ""
        spent = f", {self._usd:.2f} USD" if self._is_priced else ""
        return f"{rate}{self._failed} failed{spent}"


@contextmanager
def progress_shown(asked: str, to_ask: int) -> Iterator[Callable[[Reply], None]]:
    """Show how far a run has come on standard error, where anything is asked; give what notes a reply."""
    progress = Progress()
    bar: ProgressBar[int]
    with click.progressbar(
        length=to_ask,
        label=f"Asking {asked}",
        file=sys.stderr,
        hidden=to_ask == 0,
        item_show_func=lambda _: progress.words(),
    ) as bar:

        def note(reply: Reply) -> None:
            progress.note(reply)
            bar.update(1)

        yield note


def report(
    written: Sequence[tuple[ModelPlan, Asked, Path | None]],
    *,
    protocol: Protocol,
    imported: Mapping[str, Any] | None,
    as_json: bool,
) -> None:
    """Say what came of every model: for people, or as JSON on standard output.

    Parameters
    ----------
    imported
        What files from elsewhere brought, if that is what was done; then nothing was asked.
    """
    from llm_compare.replies.respondents import tally

    summaries = []
    for plan, asked, path in written:
        counts = tally(asked.replies)
        if as_json:
            summaries.append(_summary(plan, asked, path, counts, protocol, imported))
        else:
            _say(plan, asked, path, counts)
        if not asked.complete and imported is None:
            _say_why(asked)
    if as_json:
        # One model's summary stands alone.
        document = summaries[0] if len(protocol.models) == 1 else {"models": summaries}
        click.echo(json.dumps(document, indent=1))


def _summary(
    plan: ModelPlan,
    asked: Asked,
    path: Path | None,
    counts: ReplyTally,
    protocol: Protocol,
    imported: Mapping[str, Any] | None,
) -> dict[str, Any]:
    known = [r.reply.cost_usd for r in asked.replies if r.reply.cost_usd is not None]
    return {
        "model": plan.asked.model,
        "label": plan.asked.name,
        "scripted": plan.scripted,
        "design_hash": plan.requests[0].design_hash if plan.requests else None,
        "protocol_sha256": protocol.sha256,
        "planned": asked.planned,
        "already_stored": asked.already_stored,
        "imported": None if imported is None else dict(imported),
        "failed": asked.failed,
        "failed_attempts": asked.failed_attempts,
        "ending": asked.ending.value,
        "complete": asked.complete,
        "outcomes": {outcome.value: n for outcome, n in counts.counts.items()},
        "cost_usd": sum(known) if known else None,
        "cost_known_for": len(known),
        "out": None if path is None else str(path),
    }


def _say(plan: ModelPlan, asked: Asked, path: Path | None, counts: ReplyTally) -> None:
    from llm_compare.commands.plan_shown import SCRIPTED_NOTE

    note = f" ({SCRIPTED_NOTE})" if plan.scripted else ""
    click.echo(f"{plan.asked.model}{note}: {len(asked.replies)} of {asked.planned} calls")
    for outcome, n in counts.counts.items():
        click.echo(f"  {outcome.value:<11}{n:>7}")
    if path is not None:
        click.echo(f"Written to {path}" + ("" if asked.complete else ", incomplete"))


def _say_why(asked: Asked) -> None:
    from llm_compare.commands.failures import calls_left_words, say_why

    say_why(
        asked.ending,
        asked.stopped_by,
        [error for r in asked.replies if (error := r.reply.error) is not None],
        left_words=calls_left_words(asked.failed, asked.planned - len(asked.replies)),
    )
