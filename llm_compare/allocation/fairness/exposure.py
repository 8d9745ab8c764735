"""Exposure: how much attention ranks give, to candidates and to groups. Pure.

References
----------
Singh and Joachims, Fairness of exposure in rankings, KDD 2018; arXiv 2504.03716v2, eq. 3 and 4.
"""

from __future__ import annotations

import numpy as np

from llm_compare.allocation.fairness.outcomes import Array, Groups, Rankings


def position_bias(n: int) -> Array:
    """Return what each rank r = 1..n is worth: 1/log2(1+r), shape (n,). For 15 ranks the mean is 0.390757."""
    worth: Array = 1 / np.log2(1 + np.arange(1, n + 1))
    return worth


def candidate_exposure(rankings: Rankings, n_problems: int, worth: Array | None = None) -> Array:
    """Return each candidate's mean worth of rank over the trials of the problem, shape (P, N).

    Parameters
    ----------
    worth
        Of each rank, shape (N,); :func:`position_bias` unless given. Or: the chance that an offer comes so far.

    Returns
    -------
    NaN in problems without a trial.
    """
    n = rankings.n_candidates
    each = (position_bias(n) if worth is None else worth)[rankings.rank]
    total = np.zeros((n_problems, n))
    np.add.at(total, rankings.problem, each)
    trials = np.bincount(rankings.problem, minlength=n_problems)[:, None]
    mean: Array = np.divide(total, trials, out=np.full_like(total, np.nan), where=trials > 0)
    return mean


def group_exposure(exposure: Array, groups: Groups) -> Array:
    """Return the mean exposure of each group's candidates, shape (G,); NaN of a group without any."""
    known = np.isfinite(exposure)
    found = [exposure[(groups.code == g) & known] for g in range(len(groups.names))]
    return np.array([each.mean() if each.size else np.nan for each in found])
