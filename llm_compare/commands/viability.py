"""``equipoise compare viability``: ask whether kidneys suit candidates."""

from __future__ import annotations

from typing import Any

import click

from llm_compare.allocation.trials.trial import Task
from llm_compare.commands.allocation_options import AllocationOptions, viability_options


@click.command(
    "viability",
    epilog="\b\nExample:\n  equipoise compare viability problems.json "
    "--model scripted/criteria --out viability.jsonl",
)
@viability_options
@click.pass_context
def viability_command(ctx: click.Context, /, **given: Any) -> None:
    """Ask of each pair of PROBLEMS (problems.json) whether the kidney suits the candidate.

    The truth is known: blood type, height and weight. Replies are stored as they come: the same command again asks
    only what is missing.
    """
    from llm_compare.commands.allocation_asking import carry_out

    carry_out(ctx, Task.VIABILITY, AllocationOptions.of(given))
