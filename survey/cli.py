"""The command ``equipoise``: one group per package, each loaded only when it is used."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version

import click

from survey.errors import EquipoiseError

EXIT_FAILED = 1
EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 130


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """Where a command lives and what it is for, known without importing it."""

    module: str
    attribute: str
    help: str


COMMANDS = {
    "demo": _Entry(
        module="survey.commands.demo",
        attribute="demo",
        help="The whole way, from published answers to a report.",
    ),
    "serve": _Entry(
        module="survey.commands.serve", attribute="serve", help="Serve the survey and the researcher's pages."
    ),
    "survey": _Entry(
        module="survey.commands.studies",
        attribute="group",
        help="Check, add, open, preregister, rehearse, export studies.",
    ),
    "estimate": _Entry(module="estimation.cli", attribute="group", help="Turn answers into weights."),
    "exchange": _Entry(module="exchange.cli", attribute="group", help="Generate, convert and clear pools."),
    "compare": _Entry(module="llm_compare.cli", attribute="group", help="Ask models the same and compare."),
    "db": _Entry(
        module="survey.commands.database",
        attribute="group",
        help="Migrate, check, examine, back up the database.",
    ),
    "account": _Entry(
        module="survey.commands.accounts",
        attribute="group",
        help="Add and change researchers' accounts and API tokens.",
    ),
    "config": _Entry(module="survey.commands.settings", attribute="config", help="Show every setting."),
}


class _LazyGroup(click.Group):
    """Imports a command's module when the command is used, not for the list of commands."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for name, entry in COMMANDS.items() if _exists(entry.module)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        entry = COMMANDS.get(cmd_name)
        if entry is None or not _exists(entry.module):
            return None
        command = getattr(importlib.import_module(entry.module), entry.attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{entry.module}.{entry.attribute} must be a click command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name].help) for name in self.list_commands(ctx)])


def _exists(module: str) -> bool:
    package = module.partition(".")[0]
    return bool(importlib.util.find_spec(package) and importlib.util.find_spec(module))


@click.command(
    cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(version("equipoise"), prog_name="equipoise")
def root() -> None:
    """Ask people and models who should get a scarce organ, and see what their answers do in a kidney exchange.

    \b
    Start here:
      equipoise demo
      equipoise serve
    """


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code: 0 done, 1 failed, 2 bad input, 130 interrupted."""
    try:
        code = root.main(args=list(arguments), prog_name="equipoise", standalone_mode=False)
    except EquipoiseError as error:
        click.echo(f"equipoise: {error}", err=True)
        return EXIT_BAD_INPUT
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except OSError as error:
        if error.filename is None:
            raise
        # A file that could not be written (no such folder, disk full, no permission); readers name their own.
        click.echo(f"equipoise: {error.filename}: {error.strerror}; name another file or folder", err=True)
        return EXIT_BAD_INPUT
    except (click.Abort, KeyboardInterrupt) as stopped:
        # A command that kept something says so in the exception it raises.
        cause = stopped.__cause__ if isinstance(stopped, click.Abort) else stopped
        kept = f": {cause}" if cause is not None and str(cause) else ""
        click.echo(f"equipoise: stopped{kept}", err=True)
        return EXIT_INTERRUPTED
    return code if isinstance(code, int) else 0


def main() -> None:
    """Entry point of the installed command."""
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
