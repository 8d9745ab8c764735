"""How far the curve of categories by people would be elsewhere with other people like these. Pure.

The curve is a mean over all choices of t of the n people. Two such choices have K people in common, K
hypergeometric with mean t²/n, and that makes them alike. So a category that a share p of people name adds to the
variance of the curve s^2t (E[s^-K] - 1), where s = 1 - p. With K drawn with replacement, which is never less
(Hoeffding 1963), it is s^2t ((1 + t p / (n s))^t - 1): at t = n the s^n (1 - s^n) of a category that is met or not,
and not 0 where every category was met. Shares are those of the population estimated by Chao et al. (2014): smaller
than observed for categories that few named, with as many unseen ones as Chao2 says.

Who names many categories meets many at once: covariances of categories named by the same person are added to first
order, where they widen the band; that they would narrow it is not concluded from so few.

References
----------
Chao et al. (2014), Ecol. Monogr. 84, 45-67, appendix G: the estimated population, of which they draw samples.
Hoeffding (1963), J. Am. Stat. Assoc. 58, 13-30: drawing without replacement varies less, also for convex functions.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]


def half_widths(
    sets: Sequence[frozenset[str]], people: NDArray[np.int64], *, unseen: float, coverage: float | None
) -> Numbers:
    """Return half the width of the 95 % band of the curve, at each of ``people``.

    Parameters
    ----------
    sets
        The categories that each of the n people named, shape (n,).
    people
        Numbers from 1 to n, shape (n_points,).
    unseen
        Estimated number of categories that nobody named (Chao2).
    coverage
        Share of all that people would name which belongs to categories named already; None: not known, and
        ``unseen`` is 0 then.

    Returns
    -------
    NDArray
        Shape (n_points,); 0 where samples of such people would not differ.
    """
    from scipy.special import stdtrit

    n = len(sets)
    together = _named_together(sets)
    if n < 2 or not len(together):
        return np.zeros(len(people))
    named = np.diag(together)
    shares, rest = _shares(named, n, unseen, coverage)
    t = people[:, None].astype(float)
    variance = _alone(shares, t, n).sum(axis=1)
    if unseen:
        # As many as make a whole number, each as often.
        variance += np.ceil(unseen) * _alone(np.array([rest / np.ceil(unseen)]), t, n)[:, 0]
    covariance = together / n - np.outer(named, named) / n**2
    np.fill_diagonal(covariance, 0.0)
    missed = (1 - shares) ** (t - 1)
    variance += np.maximum(people.astype(float) ** 2 / n * ((missed @ covariance) * missed).sum(axis=1), 0.0)
    return np.asarray(stdtrit(n - 1, 0.975) * np.sqrt(np.maximum(variance, 0.0)))


def _named_together(sets: Sequence[frozenset[str]]) -> Numbers:
    """Return how many people named both of two categories, shape (n_categories, n_categories)."""
    from scipy.sparse import csr_array

    place = {category: i for i, category in enumerate(sorted(frozenset().union(*sets)))}
    rows = [row for row, own in enumerate(sets) for _ in own]
    columns = [place[category] for own in sets for category in own]
    named = csr_array((np.ones(len(rows)), (rows, columns)), shape=(len(sets), len(place)))
    return np.asarray((named.T @ named).toarray())


def _shares(named: Numbers, n: int, unseen: float, coverage: float | None) -> tuple[Numbers, float]:
    """Return the estimated share of people who name each category, and those of all unseen ones together."""
    observed = named / n
    if not unseen or coverage is None:
        return observed, 0.0
    rest = (1 - coverage) * float(observed.sum())
    missed = (1 - observed) ** n
    # Taken from the rare ones above all, and together as much as the unseen ones get.
    taken = rest / float((observed * missed).sum())
    return np.maximum(observed * (1 - taken * missed), 0.0), rest


def _alone(shares: Numbers, t: Numbers, n: int) -> Numbers:
    """Return the variance that each category adds by itself, shape (n_points, n_categories)."""
    s = 1 - shares
    # What everybody names is never missed.
    log_s = np.log(np.where(s > 0, s, 1.0))
    odds = np.where(s > 0, shares / np.where(s > 0, s, 1.0), 0.0)
    # As a difference of numbers below 1: the factor alone would be too large to be written.
    return np.asarray(np.exp(2 * t * log_s + t * np.log1p(t / n * odds)) - np.exp(2 * t * log_s))
