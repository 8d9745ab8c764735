"""Batch files of ``compare ask``: missing calls written to files, and replies from files stored."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from llm_compare.asking.batch_file import Result
    from llm_compare.asking.imported import Matched
    from llm_compare.commands.plan_shown import ModelPlan
    from llm_compare.prompting.request import Request
    from llm_compare.replies.store import Sessions

_CLIENT = "import"
_SHOWN = 5


def export_batches(
    plans: Sequence[ModelPlan], path_for: Callable[[ModelPlan], Path], *, as_json: bool
) -> None:
    """Write the missing calls of every model to a batch file of its own.

    Raises
    ------
    click.UsageError
        A scripted respondent is among the models.
    BadBatch
        A model's provider takes no such files.
    """
    from llm_compare.asking.batch_file import batch_line, write_batches

    if scripted := [p.asked.model for p in plans if p.scripted]:
        raise click.UsageError(
            f"--export-batch: {', '.join(scripted)} is scripted and answers at once; just ask"
        )
    for plan in plans:
        # All models are tried before the first file is written.
        [batch_line(request) for request in plan.missing[:1]]
    summary = []
    for plan in plans:
        paths = write_batches(path_for(plan), plan.missing[: plan.to_ask])
        summary.append(
            {"model": plan.asked.model, "calls": plan.to_ask, "batch_files": [str(path) for path in paths]}
        )
        if not as_json:
            where = ", ".join(str(path) for path in paths) or "no file, since nothing is missing"
            click.echo(f"{plan.asked.model}: {plan.to_ask} calls written to {where}")
    if as_json:
        click.echo(json.dumps({"exported": summary}, indent=1))
    else:
        click.echo("Import the results with the same command and --import-batch in place of --export-batch.")


def import_results(
    sessions: Sessions,
    requests: Sequence[Request],
    *,
    batches: Sequence[Path],
    replies: Sequence[Path],
) -> dict[str, int]:
    """Store the replies that files hold to calls of the plan, and say on standard error what they were.

    A call that has a reply keeps it. Return how many results were what, and how many calls are still missing.

    Raises
    ------
    BadBatch, BadReplies
        A file cannot be read; then nothing of any file is stored.
    """
    from llm_compare.asking.batch_file import read_results
    from llm_compare.asking.imported import match
    from llm_compare.replies.store import find_replies

    files = {path: read_results(path) for path in batches} | {
        path: _results_of_replies(path) for path in replies
    }
    totals: Counter[str] = Counter()
    with sessions() as session:
        for path, results in files.items():
            matched = match(results, requests, find_replies(session, requests))
            _store(session, matched, path)
            counts = {
                "stored": len(matched.new),
                "already_stored": matched.already_stored,
                "failed": len(matched.failed),
                "unknown": len(matched.unknown),
            }
            totals.update(counts)
            _say(path, matched, counts)
        stored = find_replies(session, requests)
    missing = len({r.identity for r in requests} - stored.keys())
    click.echo(
        "1 call still has no reply" if missing == 1 else f"{missing} calls still have no reply", err=True
    )
    return {**totals, "missing": missing}


def _results_of_replies(path: Path) -> tuple[Result, ...]:
    from llm_compare.asking.batch_file import Result, custom_id
    from llm_compare.replies.replies_file import read_replies

    return tuple(
        Result(custom_id=custom_id(recorded.request), reply=recorded.reply)
        for recorded in read_replies(path).replies
    )


def _store(session: Any, matched: Matched, path: Path) -> None:
    from llm_compare.replies.store import FailedAttempt, add_failures, add_replies, failures_of

    add_replies(session, [(r.request, r.reply) for r in matched.new], client=_CLIENT, source=path.name)
    # A file may be imported twice; what failed in it failed once.
    known = {
        (f.request_key, f.repeat, f.failure.kind, f.failure.message)
        for f in failures_of(session, [r.request for r in matched.failed])
    }
    add_failures(
        session,
        [
            FailedAttempt(
                request_key=r.request.key,
                repeat=r.request.repeat,
                attempt=1,
                failure=r.reply.error,
                at=r.reply.asked_at,
            )
            for r in matched.failed
            if r.reply.error is not None
            and (*r.request.identity, r.reply.error.kind, r.reply.error.message) not in known
        ],
    )


def _say(path: Path, matched: Matched, counts: Mapping[str, int]) -> None:
    words = {
        "stored": "replies stored",
        "already_stored": "for calls that have a reply, which stays",
        "failed": "failed",
        "unknown": "of no call in this plan",
    }
    said = [f"{n} {words[what]}" for what, n in counts.items() if n or what == "stored"]
    click.echo(f"{path}: {', '.join(said)}", err=True)
    failures = Counter(f"{e.kind}: {e.message}" for r in matched.failed if (e := r.reply.error) is not None)
    for failure, n in failures.most_common(_SHOWN):
        click.echo(f"  failed {'once' if n == 1 else f'{n} times'}: {failure}", err=True)
    for name in matched.unknown[:_SHOWN]:
        click.echo(f"  unknown: {name}", err=True)
    if matched.unknown:
        click.echo(
            "  A call is known by exactly what is sent: check model, address, settings, repeats and design.",
            err=True,
        )
