"""Saturation in the order of answering, by base size and run length. Pure.

The rule of Guest, Namey and Chen (2020), PLoS ONE 15, e0232076: the first people are the base; runs of people
after it bring so many new categories; once a run brings no more than 5 % (or none) of what the base brought,
saturation is reached by that rule. Runs overlap: the first run after a base of 4 are people 5 and 6, the next
are 6 and 7. It depends on the order in which people happened to answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

BASE, RUN = 4, 2
THRESHOLD = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestRuns:
    """When runs of people stopped to bring new categories."""

    base: int
    """People of the base."""
    run: int
    """People of a run."""
    base_categories: int
    """Categories that the base named; at least one."""
    new_of_runs: tuple[int, ...]
    """New categories of the run that ends with person base + run, of the next one, and so on."""
    at_five_percent: int | None
    """People up to the end of the first run that brought at most 5 % of the base's number; None: no run did."""
    at_zero: int | None
    """The same for the first run that brought none."""


def guest_runs(observed: Sequence[int], *, base: int = BASE, run: int = RUN) -> GuestRuns | None:
    """Return the runs; None: fewer people than a base and one run, or the base named nothing.

    Parameters
    ----------
    observed
        Categories named by the first 1, 2, … people.
    """
    if len(observed) < base + run or observed[base - 1] == 0:
        return None
    of_base = observed[base - 1]
    new = tuple(observed[end - 1] - observed[end - run - 1] for end in range(base + run, len(observed) + 1))

    def first(most: float) -> int | None:
        return next((base + run + i for i, n in enumerate(new) if n / of_base <= most), None)

    return GuestRuns(
        base=base,
        run=run,
        base_categories=of_base,
        new_of_runs=new,
        at_five_percent=first(THRESHOLD),
        at_zero=first(0.0),
    )
