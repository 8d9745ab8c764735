"""The same outcome under draws of the weights: what their uncertainty adds to that of chance. Pure.

Conditions that are draws of the same weights are called ``<name> #1``, ``<name> #2`` and so on, and have the same
seeds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np

from exchange.errors import BadRequest
from exchange.outcomes.comparison import BY_CURVE, RunSummaries
from exchange.outcomes.run_mean import t_quantile
from exchange.outcomes.run_summary import Quantity
from exchange.pool import FloatArray

_DRAW = re.compile(r"(.+) #([0-9]+)")
"""No other condition may be called so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnOutcome:
    """A number over draws of the weights and seeds, each draw with each seed, and where its variance is from.

    The variances are those of a model with random draws, random seeds and a rest: the number of draw d and seed s
    is the mean + draw(d) + seed(s) + rest(d, s). One that comes out negative is given as 0.
    """

    scenario: str
    weights: str
    """Name of the conditions, without the number of the draw."""
    baseline: str
    """The condition that is subtracted, seed by seed; empty where none is."""
    quantity: Quantity
    value: float
    """Mean; NaN where the number is not defined in every run."""
    low: float
    """Ends of the 95 % interval for the mean over all draws and all seeds."""
    high: float
    sd_draws: float
    """Between draws: how much the number moves with the weights."""
    sd_seeds: float
    """Between seeds: how much it moves with who arrives."""
    sd_rest: float
    """What is left: how differently draws act on different arrivals."""
    n_draws: int
    n_seeds: int
    n_left_out: int
    """Seeds that not all draws (and the baseline) have, or in which nobody is in the group."""

    @property
    def share_of_draws(self) -> float:
        """Part of one run's variance that is due to the weights; NaN where nothing varies."""
        variance = self.sd_draws**2 + self.sd_seeds**2 + self.sd_rest**2
        return self.sd_draws**2 / variance if variance > 0 else float("nan")


def is_draw(condition: str) -> bool:
    """Return whether a condition's name says that it is a draw of some weights."""
    return _DRAW.fullmatch(condition) is not None


def drawn_conditions(conditions: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
    """Return the conditions that are draws of the same weights, in their order, by their common name."""
    found: dict[str, dict[int, str]] = {}
    for condition in conditions:
        match = _DRAW.fullmatch(condition)
        if match:
            found.setdefault(match[1], {})[int(match[2])] = condition
    return {name: tuple(draws[i] for i in sorted(draws)) for name, draws in found.items()}


def outcomes_under_draws(
    summaries: RunSummaries, scenario: str, weights: str, *, baseline: str | None = None
) -> list[DrawnOutcome]:
    """Return every number over the draws of some weights.

    Parameters
    ----------
    weights
        Name of the conditions, without the number of the draw.
    baseline
        Condition to subtract from every draw, seed by seed; None for none.

    Raises
    ------
    BadRequest
        Fewer than two draws, or fewer than two seeds that all of them have.
    """
    draws = drawn_conditions(summaries.conditions(scenario)).get(weights, ())
    if len(draws) < 2:
        raise BadRequest(
            f"scenario '{scenario}': '{weights}' has {len(draws)} drawn condition(s), named like '{weights} #1'; "
            "simulate 2 or more"
        )
    everyone = [*draws, baseline] if baseline is not None else list(draws)
    seeds_of = [set(summaries.of(scenario, condition)) for condition in everyone]
    seeds = sorted(set.intersection(*seeds_of))
    if len(seeds) < 2:
        raise BadRequest(
            f"scenario '{scenario}': only {len(seeds)} seed(s) were run with all of {', '.join(everyone)}; "
            "simulate 2 or more with each"
        )
    found = []
    for quantity in summaries.quantities:
        table = _table(summaries, scenario, draws, seeds, quantity)
        if baseline is not None:
            table = table - _table(summaries, scenario, [baseline], seeds, quantity)
        # Some seeds have nobody in the group, whatever the weights; the others still make a full table.
        if quantity.measure not in BY_CURVE:
            table = table[:, ~np.isnan(table).all(axis=0)]
        value, half, sds = _components(table)
        if table.shape[1] < 2 and quantity.measure not in BY_CURVE:
            continue
        found.append(
            DrawnOutcome(
                scenario=scenario,
                weights=weights,
                baseline=baseline or "",
                quantity=quantity,
                value=value,
                low=value - half,
                high=value + half,
                sd_draws=sds[0],
                sd_seeds=sds[1],
                sd_rest=sds[2],
                n_draws=len(draws),
                n_seeds=table.shape[1],
                n_left_out=len(set.union(*seeds_of)) - table.shape[1],
            )
        )
    return found


def _table(
    summaries: RunSummaries,
    scenario: str,
    conditions: Sequence[str],
    seeds: Sequence[int],
    quantity: Quantity,
) -> FloatArray:
    by_seed = [summaries.by_seed(scenario, condition, quantity) for condition in conditions]
    return np.array([[values.get(seed, np.nan) for seed in seeds] for values in by_seed], dtype=np.float64)


def _components(table: FloatArray) -> tuple[float, float, tuple[float, float, float]]:
    """Return the mean of a (draws, seeds) table, half its interval's width, and the three standard deviations.

    Balanced two-way random effects without replicates; the interval has Satterthwaite's degrees of freedom: Searle,
    Casella, McCulloch (1992), "Variance Components", chapter 4.
    """
    n_draws, n_seeds = table.shape
    if n_seeds < 2 or np.isnan(table).any():
        nan = float("nan")
        return nan, nan, (nan, nan, nan)
    mean = float(table.mean())
    draws, seeds = table.mean(axis=1), table.mean(axis=0)
    rest = table - draws[:, None] - seeds[None, :] + mean
    ms_draws = n_seeds * float(draws.var(ddof=1))
    ms_seeds = n_draws * float(seeds.var(ddof=1))
    ms_rest = float((rest**2).sum()) / ((n_draws - 1) * (n_seeds - 1))
    # A negative component is taken as 0: the mean square is then the rest's.
    ms_draws, ms_seeds = max(ms_draws, ms_rest), max(ms_seeds, ms_rest)
    sds = (sqrt((ms_draws - ms_rest) / n_seeds), sqrt((ms_seeds - ms_rest) / n_draws), sqrt(ms_rest))
    sum_ms = ms_draws + ms_seeds - ms_rest
    if sum_ms == 0:
        return mean, 0.0, sds
    df = sum_ms**2 / (
        ms_draws**2 / (n_draws - 1)
        + ms_seeds**2 / (n_seeds - 1)
        + ms_rest**2 / ((n_draws - 1) * (n_seeds - 1))
    )
    return mean, t_quantile(df) * sqrt(sum_ms / (n_draws * n_seeds)), sds
