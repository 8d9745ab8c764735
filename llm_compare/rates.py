"""A share with an interval that does not count repeated answers as independent."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from survey.answers import Answer

# Residuals of shares are multiples of 1/n; what is smaller is rounding.
_NO_VARIATION = 1e-9


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
    all clusters have the same share, its width would be 0. Then the rule of three bounds it: among n clusters
    without an exception, up to 3/n of all clusters may be exceptions, with a share of 0 or of 1.

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
    residual = np.bincount(index, weights=hit - value)
    if np.abs(residual).max() < _NO_VARIATION:
        exceptions = min(1.0, 3 / n)
        low, high = value - exceptions * value, value + exceptions * (1 - value)
    else:
        variance = n / (n - 1) * float((residual**2).sum()) / len(hits) ** 2
        half = float(stats.t.ppf(0.975, n - 1)) * variance**0.5
        low, high = max(0.0, value - half), min(1.0, value + half)
    return Rate(
        value=value,
        low=low,
        high=high,
        n_answers=len(hits),
        n_clusters=n,
        unit=unit,
    )


def answer_clusters(answers: Sequence[Answer]) -> tuple[list[Hashable], str]:
    """Return what each answer belongs to, and the unit: respondents where several are known, else comparisons."""
    respondents = {a.respondent for a in answers}
    if len(respondents) > 1 and None not in respondents:
        return [a.respondent for a in answers], "respondent"
    return [frozenset((a.left, a.right)) for a in answers], "comparison"
