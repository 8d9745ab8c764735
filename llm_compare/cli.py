"""``equipoise compare``: ask models, and compare them with people."""

from __future__ import annotations

import click

from llm_compare.commands.align import align_command
from llm_compare.commands.answers import answers_command
from llm_compare.commands.ask import ask
from llm_compare.commands.report import report_command
from llm_compare.commands.take import take_command


@click.group("compare")
def group() -> None:
    """Ask models the questions that people were asked, and measure how far apart they are."""


group.add_command(ask)
group.add_command(align_command)
group.add_command(answers_command)
group.add_command(report_command)
group.add_command(take_command)
