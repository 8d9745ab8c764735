"""``equipoise estimate``: from answers to weights, and how far to trust them."""

from __future__ import annotations

import click

from estimation.lazy_group import LazyGroup

_COMMANDS = {
    "fit": "Estimate weights and write weights.json.",
    "compare": "Fit every model the answers allow and say which to prefer.",
    "diagnose": "Examine respondents, pairs and waves; flag, never drop.",
    "people": "How people differ: classes, distributions, what does not count.",
    "plan": "How many people and answers a study needs.",
}


@click.group("estimate", cls=LazyGroup, package="estimation.commands", summaries=_COMMANDS)
def group() -> None:
    """Turn answers into weights."""
