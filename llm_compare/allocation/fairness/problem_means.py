"""Tests on one value per problem and group: repeats are averaged before anything is tested. Pure.

Problems are what is sampled; a trial more of the same problem is no more evidence on groups. The t tests hold where
problems are many and their values not too skewed. For a group of one or two candidates a pool they are skewed.
"""

from __future__ import annotations

import numpy as np
from scipy import special

from llm_compare.allocation.fairness.outcomes import Array, Estimate, Groups, Ints

FEWEST_PROBLEMS = 3
_SAME = 1e-12
"""Values that differ by less are equal: sums taken in another order."""


def problem_means(values: Array, problem: Ints, n_problems: int) -> Array:
    """Return the mean over each problem's trials.

    Parameters
    ----------
    values
        Shape (T, G).

    Returns
    -------
    Shape (P, G); NaN where no trial of the problem has a value.
    """
    known = np.isfinite(values)
    total, number = np.zeros((n_problems, values.shape[1])), np.zeros((n_problems, values.shape[1]))
    np.add.at(total, problem, np.where(known, values, 0.0))
    np.add.at(number, problem, known)
    mean: Array = np.divide(total, number, out=np.full_like(total, np.nan), where=number > 0)
    return mean


def group_means(exposure: Array, groups: Groups) -> Array:
    """Return the mean exposure of each group's candidates in each problem, shape (P, G); NaN without any."""
    member = groups.code[:, :, None] == np.arange(len(groups.names))
    number = member.sum(axis=1)
    total = (member * exposure[:, :, None]).sum(axis=1)
    mean: Array = np.divide(total, number, out=np.full(total.shape, np.nan), where=number > 0)
    return mean


def against_zero(excess: Array) -> Estimate:
    """Return the mean over problems with the one-sample t test of 0.

    Parameters
    ----------
    excess
        Shape (P,): one difference per problem; NaN where there is none.
    """
    given = excess[np.isfinite(excess)]
    n = len(given)
    if n == 0:
        return Estimate(value=None, reason="no problem tells the group from others")
    mean = float(given.mean())
    if n < FEWEST_PROBLEMS:
        return Estimate(
            value=mean, n=n, reason=f"fewer than {FEWEST_PROBLEMS} problems tell the group from others"
        )
    se = float(given.std(ddof=1) / np.sqrt(n))
    if se < _SAME:
        return Estimate(
            value=0.0 if abs(mean) < _SAME else mean,
            n=n,
            reason="the difference is the same in every problem",
        )
    half = float(special.stdtrit(n - 1, 0.975)) * se
    p = float(2 * special.stdtr(n - 1, -abs(mean) / se))
    return Estimate(value=mean, low=mean - half, high=mean + half, p=p, n=n)
