"""``equipoise compare choose-one``: ask which candidate shall get the kidney."""

from __future__ import annotations

from typing import Any

import click

from llm_compare.allocation.trials.trial import Task
from llm_compare.commands.allocation_options import AllocationOptions, choice_options


@click.command(
    "choose-one",
    epilog="\b\nExample:\n  equipoise compare choose-one problems.json "
    "--model scripted/random --out choose_one.jsonl",
)
@choice_options
@click.pass_context
def choose_one_command(ctx: click.Context, /, **given: Any) -> None:
    """Ask of each of PROBLEMS (problems.json) which candidate shall get the kidney.

    Replies are stored as they come: the same command again asks only what is missing.
    """
    from llm_compare.commands.allocation_asking import carry_out

    carry_out(ctx, Task.CHOOSE_ONE, AllocationOptions.of(given))
