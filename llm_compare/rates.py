"""A share with an interval that does not count repeated answers as independent."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A share of answers."""

    value: float
    low: float | None
    """Lower end of the 95 % interval; None with fewer than two clusters."""
    high: float | None
    n_answers: int
    n_clusters: int
    unit: str
    """What a cluster is: ``respondent`` or ``comparison``."""


def clustered_rate(hits: Sequence[bool], clusters: Sequence[Hashable], *, unit: str) -> Rate | None:
    """Return the share of hits, or None where there are no answers.

    The interval is that of a ratio of cluster totals with t quantiles (Cochran 1977, ch. 6), cut at 0 and 1. Where
    every answer agrees, its width would be 0; then the rule of three on the number of clusters bounds it.

    Parameters
    ----------
    hits
        One per answer.
    clusters
        The respondent or comparison each answer belongs to.
    unit
        Which of the two.
    """
    if not hits:
        return None
    number = {key: i for i, key in enumerate(dict.fromkeys(clusters))}
    index = np.array([number[key] for key in clusters])
    hit = np.array(hits, dtype=float)
    value, n = float(hit.mean()), len(number)
    if n < 2:
        return Rate(value=value, low=None, high=None, n_answers=len(hits), n_clusters=n, unit=unit)
    if value in (0.0, 1.0):
        half = min(1.0, 3 / n)
    else:
        residual = np.bincount(index, weights=hit - value)
        variance = n / (n - 1) * float((residual**2).sum()) / len(hits) ** 2
        half = float(stats.t.ppf(0.975, n - 1)) * variance**0.5
    return Rate(
        value=value,
        low=max(0.0, value - half),
        high=min(1.0, value + half),
        n_answers=len(hits),
        n_clusters=n,
        unit=unit,
    )
