"""``equipoise compare tune``: bring a model's answers near people's, and measure what else changes."""

from __future__ import annotations

import click

from llm_compare.commands.tune.base import base_command
from llm_compare.commands.tune.demo import demo_command
from llm_compare.commands.tune.evaluate import evaluate_command
from llm_compare.commands.tune.hosted import hosted_command
from llm_compare.commands.tune.prepare import prepare_command
from llm_compare.commands.tune.serve import serve_command
from llm_compare.commands.tune.train import train_command


@click.group("tune")
def group() -> None:
    """Tune models toward people's answers, their disagreement included, and measure what else changes."""


for command in (
    prepare_command,
    hosted_command,
    base_command,
    train_command,
    serve_command,
    evaluate_command,
    demo_command,
):
    group.add_command(command)
