"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from exchange.clearing.objectives import HIGHLY_SENSITIZED_CPRA, SENSITIZED_BONUS

Command = TypeVar("Command", bound=Callable[..., Any])


def fairness_options(command: Command) -> Command:
    """Add who is highly sensitized, and how much more they count."""
    bonus = click.option(
        "--sensitized-bonus",
        type=float,
        default=SENSITIZED_BONUS,
        show_default=True,
        help="How much more than 1 such a patient counts under weighted-fairness.",
    )
    threshold = click.option(
        "--sensitized-from",
        type=float,
        default=HIGHLY_SENSITIZED_CPRA,
        show_default=True,
        help="Smallest cPRA, a fraction, of a highly sensitized patient.",
    )
    return threshold(bonus(command))
