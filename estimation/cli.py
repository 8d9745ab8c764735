"""``equipoise estimate``: from answers to weights, and how far to trust them."""

from __future__ import annotations

import importlib

import click

_COMMANDS = {
    "fit": "Estimate weights and write weights.json.",
    "compare": "Fit every model the answers allow and say which to prefer.",
    "diagnose": "Examine respondents, pairs and waves; flag, never drop.",
    "people": "How people differ: classes, distributions, what does not count.",
    "plan": "How many people and answers a study needs.",
}


class _LazyGroup(click.Group):
    """Imports a command's module when the command is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        found = importlib.import_module(f"estimation.commands.{cmd_name}").command
        if not isinstance(found, click.Command):
            raise TypeError(f"estimation.commands.{cmd_name}.command must be a click command")
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.group("estimate", cls=_LazyGroup)
def group() -> None:
    """Turn answers into weights."""
