"""``equipoise exchange``: from weights to match runs."""

from __future__ import annotations

import importlib

import click

_COMMANDS = {
    "generate": "Simulate a pool.",
    "convert": "Turn a pool of one format into another.",
    "clear": "Choose the exchanges for a pool, and say how far they are proved best.",
    "explain": "Say why a pair was not matched, and what priority costs.",
    "check": "Check a match run and its proofs against its pool.",
}


class _LazyGroup(click.Group):
    """Imports a command's module when the command is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        found = importlib.import_module(f"exchange.commands.{cmd_name}").command
        if not isinstance(found, click.Command):
            raise TypeError(f"exchange.commands.{cmd_name}.command must be a click command")
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.group("exchange", cls=_LazyGroup)
def group() -> None:
    """From weights to match runs: pools of pairs, and which exchanges to make."""
