"""The options that every command has which loads a model on this machine."""

from __future__ import annotations

import click

from llm_compare.commands.call_options import Command, with_options


def local_options(command: Command) -> Command:
    """Add the options that say where a model computes, in which numbers, and how prompts are written for it."""
    return with_options(
        command,
        click.option("--device", default="auto", show_default=True, help="cpu, cuda, cuda:1, mps."),
        click.option(
            "--dtype",
            default="auto",
            show_default=True,
            help="Of the model's own weights: float32, bfloat16, float16 (in which nothing is trained).",
        ),
        click.option(
            "--threads",
            type=click.IntRange(min=1),
            default=1,
            show_default=True,
            help="Of the CPU. Another number changes the last digits.",
        ),
        click.option("--chat-template", help="'plain' or a Jinja file.  [default: the model's own]"),
    )
