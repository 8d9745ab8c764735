"""What the commands about coding share: their options, the coding that they work on, and codes in words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from survey.coding.coding import Coding, Outcome

_Function = TypeVar("_Function", bound=Callable[..., Any])

slug_argument = click.argument("slug")
simulated_option = click.option(
    "--simulated", is_flag=True, help="Of the simulated participants of rehearsals instead of people."
)
category_option = click.option(
    "--category", "categories", multiple=True, metavar="NAME", help="A category; repeat it for several."
)
NO_CATEGORY = "(no category)"
UNUSABLE = "(unusable)"
_LONGEST_SHOWN = 100


def outcome_options(function: _Function) -> _Function:
    """Add ``--no-category`` and ``--unusable`` to a command."""
    function = click.option(
        "--unusable", is_flag=True, help="It names nothing: empty, abusive, or beside the question."
    )(function)
    return click.option(
        "--no-category", is_flag=True, help="It names something that none of the categories holds."
    )(function)


def outcome_given(categories: Sequence[str], no_category: bool, unusable: bool) -> Outcome | None:
    """Return what the options say; None: nothing.

    Raises
    ------
    click.UsageError
        They say two things that exclude each other.
    """
    if bool(categories) + no_category + unusable > 1:
        raise click.UsageError("--category, --no-category and --unusable exclude each other")
    if no_category:
        return Outcome.NO_CATEGORY
    if unusable:
        return Outcome.UNUSABLE
    return Outcome.CATEGORY if categories else None


def hint_at_simulated(coding: Coding, *, simulated: bool) -> None:
    """Say what may be the matter where there are no suggestions."""
    if not coding.suggestions:
        way = (
            "participants of 'equipoise survey rehearse' make some"
            if simulated
            else "participants make them, 'equipoise survey coding import' brings them in, and --simulated shows "
            "those of rehearsals"
        )
        click.echo(f"no suggestion yet: {way}", err=True)


def words_for(outcome: Outcome, categories: Sequence[str]) -> str:
    """Return all that somebody says of a suggestion, in a line."""
    return {Outcome.NO_CATEGORY: NO_CATEGORY, Outcome.UNUSABLE: UNUSABLE}.get(outcome) or ", ".join(
        categories
    )


def one_line(text: str) -> str:
    """Return a suggestion's text in one line of a terminal, shortened."""
    flat = " ".join(text.split())
    return flat if len(flat) <= _LONGEST_SHOWN else f"{flat[: _LONGEST_SHOWN - 1]}…"


def require_file(path: Path | None, option: str, *endings: str) -> None:
    """Raise :class:`click.UsageError` unless a path that was given ends as its content demands."""
    if path is not None and path.suffix.lower() not in endings:
        raise click.UsageError(f"{option}: {path} must end in {' or '.join(endings)}")
