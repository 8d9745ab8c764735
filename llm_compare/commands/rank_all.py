"""``equipoise compare rank-all``: ask in which order candidates shall be offered the kidney."""

from __future__ import annotations

from typing import Any

import click

from llm_compare.allocation.trials.trial import Task
from llm_compare.commands.allocation_options import AllocationOptions, choice_options


@click.command(
    "rank-all",
    epilog="\b\nExample:\n  equipoise compare rank-all problems.json "
    "--model scripted/waiting-time --out rank_all.jsonl",
)
@choice_options
@click.pass_context
def rank_all_command(ctx: click.Context, /, **given: Any) -> None:
    """Ask of each of PROBLEMS (problems.json) to rank all candidates.

    A ranking that leaves somebody out is counted as incomplete, and made whole only if --repair says how. Replies
    are stored as they come: the same command again asks only what is missing.
    """
    from llm_compare.commands.allocation_asking import carry_out

    carry_out(ctx, Task.RANK_ALL, AllocationOptions.of(given))
