"""Batch files: missing calls written to files, and replies from files stored."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from llm_compare.prompting.call import is_scripted
from llm_compare.prompting.request import CallT

if TYPE_CHECKING:
    from llm_compare.asking.batch_file import Result
    from llm_compare.asking.imported import Matched
    from llm_compare.prompting.call import Call
    from llm_compare.replies.store import Sessions

_CLIENT = "import"
_SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """The calls of one model that go into a batch file."""

    model: str
    calls: Sequence[Call]
    path: Path


def export_batches(exports: Sequence[Export], *, as_json: bool, owner_only: bool = False) -> None:
    """Write the calls of every model to a batch file of its own.

    Parameters
    ----------
    owner_only
        Whether nobody but the file's owner may read it.

    Raises
    ------
    click.UsageError
        A scripted respondent is among the models.
    BadBatch
        A model's provider takes no such files.
    """
    from llm_compare.asking.batch_file import batch_line, write_batches

    if scripted := [e.model for e in exports if is_scripted(e.model)]:
        raise click.UsageError(
            f"--export-batch: {', '.join(scripted)} is scripted and answers at once; just ask"
        )
    for export in exports:
        # All models are tried before the first file is written.
        [batch_line(call) for call in export.calls[:1]]
    summary = []
    for export in exports:
        n_calls = len(export.calls)
        paths = write_batches(export.path, export.calls, owner_only=owner_only)
        summary.append(
            {"model": export.model, "calls": n_calls, "batch_files": [str(path) for path in paths]}
        )
        if not as_json:
            where = ", ".join(str(path) for path in paths) or "no file, since nothing is missing"
            click.echo(f"{export.model}: {n_calls} calls written to {where}")
    if as_json:
        click.echo(json.dumps({"exported": summary}, indent=1))
    else:
        click.echo("Import the results with the same command and --import-batch in place of --export-batch.")


def import_results(
    sessions: Sessions,
    requests: Sequence[CallT],
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


def _store(session: Any, matched: Matched[CallT], path: Path) -> None:
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


def _say(path: Path, matched: Matched[CallT], counts: Mapping[str, int]) -> None:
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
