"""A mean over independent runs with its 95 % interval. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import sqrt

import numpy as np
from scipy import stats

LEVEL = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class RunMean:
    """A mean over runs; its interval is for the mean over all seeds, by Student's t."""

    value: float
    """NaN without runs."""
    low: float
    """Ends of the interval; NaN with fewer than two runs."""
    high: float
    n_runs: int
    sd: float
    """Standard deviation over runs; NaN with fewer than two."""

    def scaled(self, factor: float) -> RunMean:
        """Return the same in another unit; a negative factor swaps the interval's ends."""
        ends = sorted((self.low * factor, self.high * factor))
        return RunMean(
            value=self.value * factor, low=ends[0], high=ends[1], n_runs=self.n_runs, sd=self.sd * abs(factor)
        )


@cache
def t_quantile(df: float) -> float:
    """Return how many standard errors a 95 % interval reaches to either side."""
    return float(stats.t.ppf((1.0 + LEVEL) / 2.0, df))


def mean_over_runs(values: Sequence[float]) -> RunMean:
    """Return the mean of one number per run; the runs must be independent, so each with its own seed."""
    n = len(values)
    mean = float(np.mean(values)) if n else float("nan")
    if n < 2:
        return RunMean(value=mean, low=float("nan"), high=float("nan"), n_runs=n, sd=float("nan"))
    sd = float(np.std(values, ddof=1))
    half = t_quantile(n - 1) * sd / sqrt(n)
    return RunMean(value=mean, low=mean - half, high=mean + half, n_runs=n, sd=sd)


def undefined(n_runs: int) -> RunMean:
    """Return a mean that cannot be told, although some runs have the number."""
    nan = float("nan")
    return RunMean(value=nan, low=nan, high=nan, n_runs=n_runs, sd=nan)


def ratio_over_runs(tops: Sequence[float], bottoms: Sequence[float]) -> RunMean:
    """Return the ratio of two means over the same runs, with the interval of its linear approximation.

    NaN where the mean below is 0.

    References
    ----------
    Cochran (1977), "Sampling Techniques", 3rd edition, section 6.4.
    """
    a, b = np.asarray(tops, dtype=np.float64), np.asarray(bottoms, dtype=np.float64)
    if not len(b) or b.mean() == 0:
        return undefined(0)
    ratio = float(a.mean() / b.mean())
    spread = mean_over_runs(((a - ratio * b) / b.mean()).tolist())
    half = (spread.high - spread.low) / 2.0
    return RunMean(value=ratio, low=ratio - half, high=ratio + half, n_runs=len(a), sd=spread.sd)
