"""How unequal the chances of groups are. Pure.

Small groups differ by chance alone: these numbers lie above 0 (the ratio below 1) even where the chances behind the
shares are equal. Compare conditions with each other, not with perfect equality.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike


def gini(shares: ArrayLike, sizes: ArrayLike) -> float:
    """Return the Gini coefficient of patients' chances, each patient having the share of their group.

    Half the mean difference between two patients drawn at random, over the mean. 0 if all shares are equal (also if
    all are 0); NaN without patients.

    Parameters
    ----------
    shares
        Of each group, 0 or more.
    sizes
        Patients in each group.

    References
    ----------
    Gini (1912); in this form Sen (1973), "On Economic Inequality".
    """
    x, n = np.asarray(shares, dtype=np.float64), np.asarray(sizes, dtype=np.float64)
    if n.sum() == 0:
        return float("nan")
    w = n / n.sum()
    mean = float(w @ x)
    return float(w @ np.abs(x[:, None] - x[None, :]) @ w) / (2.0 * mean) if mean > 0 else 0.0


def worst_to_best(shares: ArrayLike) -> float:
    """Return the smallest share over the greatest; NaN where there is no group, or all shares are 0."""
    x = np.asarray(shares, dtype=np.float64)
    return float(x.min() / x.max()) if len(x) and x.max() > 0 else float("nan")


def best_minus_worst(shares: ArrayLike) -> float:
    """Return the greatest share minus the smallest; NaN where there is no group."""
    x = np.asarray(shares, dtype=np.float64)
    return float(x.max() - x.min()) if len(x) else float("nan")
