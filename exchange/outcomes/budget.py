"""How many seeds a simulation needs for intervals of a given width, judged from a pilot. Pure.

The pilot's standard deviation is itself uncertain: with 10 runs the true one may well be half as great again. Every
answer therefore comes twice: for the pilot's standard deviation, and for its upper 90 % bound.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite, sqrt

from scipy import stats

from exchange.errors import BadRequest
from exchange.outcomes.outcome import Outcome
from exchange.outcomes.run_mean import t_quantile

SD_CONFIDENCE = 0.90
MOST_RUNS = 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedBudget:
    """Seeds for an interval that reaches ``half_width`` to either side."""

    outcome: Outcome
    """Of the pilot."""
    half_width: float
    n_seeds: int
    """If the pilot's standard deviation is the true one."""
    n_seeds_cautious: int
    """If the true one is at its upper bound."""
    sd_upper: float
    """Upper 90 % bound of the standard deviation."""


def seed_budget(pilot: Outcome, half_width: float) -> SeedBudget:
    """Return how many seeds one outcome needs.

    Give an outcome that is a difference from a baseline to plan for that difference: run with the same seeds under
    both conditions, it needs far fewer.

    Raises
    ------
    BadRequest
        A half-width that is not above 0 or cannot be reached, or a pilot with fewer than two runs.
    """
    if not (isfinite(half_width) and half_width > 0):
        raise BadRequest(f"a half-width of {half_width:g} cannot be; give a number above 0")
    upper = sd_upper_bound(_sd(pilot), pilot.n_runs)
    return SeedBudget(
        outcome=pilot,
        half_width=half_width,
        n_seeds=seeds_needed(pilot.sd, half_width),
        n_seeds_cautious=seeds_needed(upper, half_width),
        sd_upper=upper,
    )


def half_width_of(sd: float, n_runs: int) -> float:
    """Return how far the 95 % interval of a mean over runs reaches to either side, by Student's t.

    Raises
    ------
    BadRequest
        Fewer than two runs.
    """
    if n_runs < 2:
        raise BadRequest(f"{n_runs} run(s) give no interval; give 2 or more")
    return t_quantile(n_runs - 1) * sd / sqrt(n_runs)


def seeds_needed(sd: float, half_width: float) -> int:
    """Return the fewest runs, at least 2, whose 95 % interval reaches no further than ``half_width``.

    Student's t quantile depends on the number of runs itself, so the number is searched for.

    Raises
    ------
    BadRequest
        More than a billion runs would be needed.
    """
    most = 2
    while half_width_of(sd, most) > half_width:
        if most >= MOST_RUNS:
            raise BadRequest(
                f"a half-width of {half_width:g} with a standard deviation of {sd:g} needs more than a billion "
                "runs; give a greater half-width"
            )
        most *= 2
    fewest = most // 2
    while most - fewest > 1:
        middle = (fewest + most) // 2
        if half_width_of(sd, middle) > half_width:
            fewest = middle
        else:
            most = middle
    return most


def sd_upper_bound(sd: float, n_runs: int) -> float:
    """Return the one-sided upper 90 % bound of a standard deviation over normal runs, by chi-square."""
    df = n_runs - 1
    return sd * sqrt(df / float(stats.chi2.ppf(1.0 - SD_CONFIDENCE, df)))


def _sd(pilot: Outcome) -> float:
    if not isfinite(pilot.sd) or pilot.n_runs < 2:
        raise BadRequest(
            f"condition '{pilot.condition}', {pilot.measure.value} of {pilot.group or pilot.grouping}: the pilot "
            f"has {pilot.n_runs} run(s) that define it, and no standard deviation; simulate 2 or more"
        )
    return pilot.sd
