"""``equipoise compare``: ask models, and compare them with people."""

from __future__ import annotations

import click

from llm_compare.align_command import align_command
from llm_compare.answers_command import answers_command
from llm_compare.ask_command import ask


@click.group("compare")
def group() -> None:
    """Ask models the questions that people were asked, and measure how far apart they are."""


group.add_command(ask)
group.add_command(align_command)
group.add_command(answers_command)
