"""How sure a number is: over training draws, and over the people and comparisons it was tested on. Pure.

Several adapters trained on different samples of one size tell what the sample does, with the test held fixed. Which
people and comparisons are tested is another chance, which all of them share. A learning curve shows the first; a
difference between two models is only told with both.

References
----------
Satterthwaite (1946), Biometrics Bull. 2 (degrees of freedom of a sum of variances).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import StrEnum

import numpy as np
from scipy import stats

from llm_compare.alignment.resampling import LEVEL, Measured

ONE_DRAW = "one training draw: no interval over draws"
SAME = "the same in every draw"
_NO_VARIATION = 1e-12


class Over(StrEnum):
    """What an interval is over."""

    DRAWS = "draws"
    """Training samples and their order, with the test as it is."""
    PEOPLE = "people and comparisons"
    """Those tested on, with the model as it is."""
    NOTHING = ""


def over_draws(values: Sequence[float], *, bounds: tuple[float, float] | None, undefined: str) -> Measured:
    """Return the mean of one number per training draw with its 95 % t interval.

    Parameters
    ----------
    values
        NaN for a draw in which the number is not defined.
    undefined
        Why there is no number, where there is none.
    """
    found = np.array([v for v in values if math.isfinite(v)])
    if not len(found):
        return Measured(value=None, reason=undefined)
    value = float(found.mean())
    if len(found) == 1:
        return Measured(value=value, reason=ONE_DRAW)
    se = float(found.std(ddof=1)) / math.sqrt(len(found))
    if se < _NO_VARIATION:
        return Measured(value=value, low=value, high=value, se=0.0, reason=SAME)
    return _interval(value, se, len(found) - 1, bounds)


def with_draws(resampled: Measured, values: Sequence[float], *, n_clusters: int) -> Measured:
    """Return what was resampled over people and comparisons with the chance of the training draws added.

    The two are independent, so their variances sum.

    Parameters
    ----------
    resampled
        The mean over draws.
    values
        The same number of each draw.
    n_clusters
        People or comparisons, whichever are fewer.
    """
    if resampled.value is None or resampled.se is None:
        return resampled
    found = np.array([v for v in values if math.isfinite(v)])
    parts = [(resampled.se**2, n_clusters - 1)]
    if len(found) > 1:
        parts.append((float(found.var(ddof=1)) / len(found), len(found) - 1))
    total = sum(v for v, _ in parts)
    if total < _NO_VARIATION**2:
        return resampled
    freedom = total**2 / sum(v**2 / n for v, n in parts if v > 0)
    return _interval(resampled.value, math.sqrt(total), freedom, None)


def _interval(value: float, se: float, freedom: float, bounds: tuple[float, float] | None) -> Measured:
    half = float(stats.t.ppf((1 + LEVEL) / 2, freedom)) * se
    low, high = value - half, value + half
    if bounds is not None:
        low, high = max(low, bounds[0]), min(high, bounds[1])
    return Measured(value=value, low=low, high=high, se=se)
