"""Measures of agreement with the interval of other respondents like these. Pure.

Suggestions of one respondent are more alike than others, so whole respondents are drawn again, with all that each
of them said (cluster bootstrap); coders stay the same ones. Such samples vary less than respondents do where these
are few, and are skewed near 1. So the interval is made from their standard deviation, times the root of
n / (n - 1), with Student's quantile of n - 1 degrees of freedom, on Fisher's scale, which has no end at 1.

References
----------
Hesterberg (2015), Am. Stat. 69, 371-386: bootstrap intervals of few are too narrow, and by how much.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log, sqrt

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]

LEAST_DEFINED = 0.9
"""An interval is given where the measure can be computed in so large a share of the samples."""
FEWEST_DRAWN = 10
"""An interval is given of so many respondents or more: drawn from fewer, samples vary much less than respondents
do (of five people, percentiles that should hold 95 % hold about 80 %), and what holds 95 % tells little."""
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


def measure(
    samples: Numbers, reason: str, *, respondents: int, least: float = -1.0, lowest: float = -1.0
) -> Measure:
    """Return a measure, at most 1, with its interval.

    Parameters
    ----------
    samples
        The measure of the sample that there is, followed by those of the samples drawn; NaN where it cannot be
        computed.
    reason
        Why it is NaN where it is.
    respondents
        How many there are to draw from.
    least
        What the measure would be were it as low as can be: 0 for a share.
    lowest
        What it could be with categories as frequent as they are here: the interval ends there, though its scale
        goes on. Of a rare category, agreement cannot come near to -1 whatever coders say.
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
    if not least < value < 1:
        return Measure(value=value, reason="no interval: it is the least or the most that can be")
    low, high = _interval(value, float(known.std(ddof=1)), respondents, least)
    return Measure(value=value, low=max(low, lowest), high=high)


def _interval(value: float, deviation: float, n: int, least: float) -> tuple[float, float]:
    """Return the interval, from the standard deviation of the samples; inside of ``least`` and 1."""
    from scipy.special import expit, stdtrit

    z = log((value - least) / (1 - value))
    # The slope of z turns one deviation into the other.
    slope = (1 - least) / ((value - least) * (1 - value))
    half = float(stdtrit(n - 1, 0.975)) * deviation * sqrt(n / (n - 1)) * slope
    low, high = (least + (1 - least) * float(expit(end)) for end in (z - half, z + half))
    return low, high
