"""What a model's weights change against people's, over runs with the same people, and what may have made it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray

from exchange.outcomes.run_mean import mean_over_runs, t_quantile

_FEWEST_ALIKE = 6
"""Runs that must all differ by the same to show a difference: signs drawn by chance agree in one of 2^5."""


class Verdict(StrEnum):
    """What a difference shows."""

    SAME = "same"
    """There is none in any run. What the answers leave open about the weights may still make one."""
    MORE = "more"
    """More under the model's weights than under people's."""
    FEWER = "fewer"
    CHANCE = "chance"
    """Other patients might have turned it around: the interval over runs holds 0."""
    WEIGHT_NOISE = "weight-noise"
    """What the answers leave open about the weights might have turned it around: the interval that takes this into
    account holds 0."""
    UNKNOWN = "unknown"
    """Too few runs and no draws of the weights: nothing says what else it might have been."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A mean over runs of (model's weights - people's weights), the same people under both."""

    value: float
    low: float | None
    """Ends of the 95 % interval for the mean over all runs there could be, the weights taken as known; Student's t.
    None with fewer than two runs, or fewer than six that all differ alike: Student's t would call that certain."""
    high: float | None
    low_with_weights: float | None
    """The same with what the answers leave open about the weights; None without draws of the weights."""
    high_with_weights: float | None
    n_runs: int
    n_draws: int
    """Draws of the weights; 0 for none."""
    is_same: bool
    """Whether it is 0 in every run; under draws of the weights it need not be."""

    @property
    def verdict(self) -> Verdict:
        """What it shows."""
        ends = ((self.low, self.high), (self.low_with_weights, self.high_with_weights))
        holds_zero = [low <= 0 <= high for low, high in ends if low is not None and high is not None]
        if self.is_same:
            return Verdict.SAME
        if not holds_zero:
            return Verdict.UNKNOWN
        if self.low is not None and holds_zero[0]:
            return Verdict.CHANCE
        if holds_zero[-1]:
            return Verdict.WEIGHT_NOISE
        return Verdict.MORE if self.value > 0 else Verdict.FEWER

    @property
    def interval(self) -> tuple[float, float] | None:
        """The interval to show: with the weights' uncertainty where that is known; None for none."""
        if self.low_with_weights is not None and self.high_with_weights is not None:
            return self.low_with_weights, self.high_with_weights
        return None if self.low is None or self.high is None else (self.low, self.high)

    def scaled(self, factor: float) -> Difference:
        """Return the same in another unit, ``factor`` above 0."""

        def times(end: float | None) -> float | None:
            return None if end is None else end * factor

        return Difference(
            value=self.value * factor,
            low=times(self.low),
            high=times(self.high),
            low_with_weights=times(self.low_with_weights),
            high_with_weights=times(self.high_with_weights),
            n_runs=self.n_runs,
            n_draws=self.n_draws,
            is_same=self.is_same,
        )


def difference(by_run: Sequence[float], by_draw: ArrayLike | None = None) -> Difference:
    """Return the mean difference with its intervals.

    Two things may have made it: who happened to be in the runs, and what the answers leave open about the weights.
    Runs are independent, so that more of them take the first away; the weights are the same in all, so that no
    number of runs takes away the second. The variance of the mean over runs and the variance between draws of the
    weights are therefore added, only the first of them divided by the number of runs.

    Parameters
    ----------
    by_run
        One difference per run; at least one. A single run is taken as it is: only the weights are uncertain.
    by_draw
        The same under joint draws of the weights, shape (n_draws, n_runs), two draws or more; None for no draws.

    References
    ----------
    Searle, Casella, McCulloch (1992), "Variance Components", chapter 4: the component between draws in a balanced
    table of draws and runs, and Satterthwaite's degrees of freedom.
    """
    over_runs = mean_over_runs(list(by_run))
    n_runs = over_runs.n_runs
    has_interval = n_runs >= (_FEWEST_ALIKE if over_runs.sd == 0 and over_runs.value else 2)
    drawn: NDArray[np.float64] | None = None if by_draw is None else np.asarray(by_draw, dtype=np.float64)
    half = None
    if drawn is not None:
        within = over_runs.sd**2 / n_runs if n_runs > 1 else 0.0
        half = _half_width(within, n_runs, _between_draws(drawn), len(drawn))
    return Difference(
        value=over_runs.value,
        low=over_runs.low if has_interval else None,
        high=over_runs.high if has_interval else None,
        low_with_weights=None if half is None else over_runs.value - half,
        high_with_weights=None if half is None else over_runs.value + half,
        n_runs=n_runs,
        n_draws=0 if drawn is None else len(drawn),
        is_same=not any(by_run),
    )


def _between_draws(table: NDArray[np.float64]) -> float:
    """Return the variance between draws, what differs from run to run taken out."""
    n_draws, n_runs = len(table), int(table.shape[1])
    of_draws = table.mean(axis=1)
    variance = float(of_draws.var(ddof=1))
    if n_runs < 2:
        return variance
    rest = table - of_draws[:, None] - table.mean(axis=0)[None, :] + table.mean()
    return max(variance - float(np.sum(rest * rest)) / ((n_draws - 1) * (n_runs - 1) * n_runs), 0.0)


def _half_width(over_runs: float, n_runs: int, between_draws: float, n_draws: int) -> float:
    total = over_runs + between_draws
    if total == 0:
        return 0.0
    parts = between_draws**2 / (n_draws - 1)
    if n_runs > 1:
        parts += over_runs**2 / (n_runs - 1)
    return t_quantile(float(total**2 / parts)) * sqrt(total)
