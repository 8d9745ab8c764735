"""``equipoise exchange``: from weights to match runs."""

from __future__ import annotations

import click

from estimation.lazy_group import LazyGroup

_COMMANDS = {
    "generate": "Simulate a pool.",
    "convert": "Turn a pool of one format into another.",
    "clear": "Choose the exchanges for a pool, and say how far they are proved best.",
    "explain": "Say why a pair was not matched, and what priority costs.",
    "check": "Check a match run and its proofs against its pool.",
    "simulate": "Simulate a pool over years: one run.",
    "experiment": "Compare policies and weights over many simulated runs.",
}


@click.group("exchange", cls=LazyGroup, package="exchange.commands", summaries=_COMMANDS)
def group() -> None:
    """From weights to match runs: pools of pairs, which exchanges to make, and what they do to whom over years."""
