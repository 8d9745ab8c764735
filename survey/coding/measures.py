"""Measures of agreement with the interval of other respondents like these. Pure.

Suggestions of one respondent are more alike than others, so whole respondents are drawn again, with all that each
of them said (cluster bootstrap); coders stay the same ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]

LEAST_DEFINED = 0.9
"""An interval is given where the measure can be computed in so large a share of the samples."""
FEWEST_DRAWN = 10
"""An interval is given of so many respondents or more: drawn from fewer, samples vary much less than respondents
do (of five people, an interval that should hold 95 % holds about 80 %)."""
_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A number with its 95 % interval."""

    value: float | None
    """None: it cannot be said."""
    low: float | None = None
    high: float | None = None
    reason: str = ""
    """Why the number, or its interval, cannot be said; empty if both can."""


def draw_weights(n: int, draws: int, seed: int) -> Numbers:
    """Return how often each of ``n`` respondents is in each sample, of shape (1 + draws, n).

    The first row is the sample that there is: everybody once.
    """
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(n, np.full(n, 1 / n), size=draws) if n and draws else np.zeros((draws, n))
    return np.vstack([np.ones((1, n)), drawn])


def measure(samples: Numbers, reason: str, *, respondents: int) -> Measure:
    """Return a measure with its percentile interval.

    Parameters
    ----------
    samples
        The measure of the sample that there is, followed by those of the samples drawn; NaN where it cannot be
        computed.
    reason
        Why it is NaN where it is.
    respondents
        How many there are to draw from.
    """
    value, drawn = float(samples[0]), samples[1:]
    if np.isnan(value):
        return Measure(value=None, reason=reason)
    if respondents < 2:
        return Measure(value=value, reason="no interval: all suggestions are of one respondent")
    if respondents < FEWEST_DRAWN:
        return Measure(
            value=value, reason=f"no interval: {respondents} respondents are too few to draw samples from"
        )
    known = drawn[~np.isnan(drawn)]
    if len(known) < LEAST_DEFINED * len(drawn) or len(known) == 0:
        return Measure(
            value=value,
            reason=f"no interval: in {len(drawn) - len(known)} of {len(drawn)} samples of respondents there is "
            "no variation",
        )
    if float(np.ptp(known)) < _ROUNDING:
        # Where all agree every sample does, too; that is no certainty that all others would.
        return Measure(value=value, reason="no interval: it is the same in every sample of respondents")
    low, high = np.quantile(known, (0.025, 0.975))
    return Measure(value=value, low=float(low), high=float(high))
