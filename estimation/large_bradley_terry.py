"""Bradley-Terry for thousands of profiles: nothing here is ever as large as profiles times profiles.

Newton steps are solved by conjugate gradients on the sparse information, and instead of a covariance there are
joint draws, each of which costs one such solution.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from estimation.bradley_terry import PairCounts, Strengths, climb, pair_information, to_profiles
from estimation.errors import DidNotConverge

Array = NDArray[np.float64]

# A Newton step need not be exact: it is solved to a share of the score that shrinks with it, between these.
_FIRST_TOLERANCE = 1e-2
_LAST_TOLERANCE = 1e-4
# Draws carry a Monte Carlo error of several per cent, beside which this is nothing.
_DRAW_TOLERANCE = 1e-6
_MOST_ROUNDS = 10_000
# Draws solved at once: enough for the processor, and no more random numbers than fit in memory.
_BLOCK = 40
_MOST_NUMBERS = 4_000_000


def newton_by_gradients(pairs: PairCounts, *, start: Array | None = None) -> Strengths:
    """Find the maximum by Newton steps that conjugate gradients solve (truncated Newton).

    Parameters
    ----------
    pairs
        A maximum must exist, see :mod:`estimation.connectivity`.

    Raises
    ------
    DidNotConverge
        It was not reached.

    References
    ----------
    Nocedal and Wright (2006), Numerical Optimization, algorithm 7.1.
    """
    return climb(pairs, _gradient_step, start=start)


def _gradient_step(pairs: PairCounts, values: Array, gradient: Array) -> Array:
    """Step of a single table."""
    scale = float(np.abs(gradient).sum() / max(1.0, float(pairs.decided.sum())))
    tolerance = min(_FIRST_TOLERANCE, max(_LAST_TOLERANCE, scale))
    return SparseInformation(pairs.part(0), values[0]).solve(gradient.T, tolerance=tolerance).T


class SparseInformation:
    """The information on all strengths at some strengths, kept by pair."""

    def __init__(self, pairs: PairCounts, values: Array) -> None:
        n = pairs.n_profiles
        weight = pair_information(pairs, values)
        starts = np.searchsorted(pairs.first, np.arange(n + 1))
        # Pairs are sorted by their first profile, so they are a sparse matrix as they stand.
        self._upper = sparse.csr_array((weight, pairs.second, starts), shape=(n, n))
        self._diagonal = to_profiles(pairs, weight, weight)
        if not (self._diagonal > 0).all():
            raise DidNotConverge(
                "some profile's strength is not determined in these numbers; add prior answers "
                "(--regularize always)"
            )

    def __matmul__(self, vectors: Array) -> Array:
        """Multiply vectors of shape (n_profiles, n_vectors)."""
        product = self._diagonal[:, None] * vectors
        product -= np.asarray(self._upper @ vectors)
        product -= np.asarray(self._upper.T @ vectors)
        return np.asarray(product)

    def solve(self, right: Array, *, tolerance: float) -> Array:
        """Return x with information @ x = right, columns summing to zero, by conjugate gradients.

        Parameters
        ----------
        right
            Shape (n_profiles, n_vectors); a column's sum, which no strengths explain, is ignored.
        tolerance
            Of each column's remainder, as a share of the column, both in the norm of the preconditioner (the
            information's diagonal).

        Raises
        ------
        DidNotConverge
            The comparisons hang together too loosely.
        """
        inverse = 1 / self._diagonal[:, None]
        x = np.zeros_like(right)
        remainder = right - right.mean(axis=0)
        direction = inverse * remainder
        size = np.einsum("np,np->p", remainder, direction)
        enough = tolerance**2 * size
        for _ in range(_MOST_ROUNDS):
            if (size <= enough).all():
                return np.asarray(x - x.mean(axis=0))
            product = self @ direction
            bend = np.einsum("np,np->p", direction, product)
            # A column that is solved stands still; its direction may be zero.
            length = np.divide(size, bend, out=np.zeros_like(size), where=(bend > 0) & (size > enough))
            x += length * direction
            remainder -= length * product
            # Rounding would let a sum grow that no step can take away.
            remainder -= remainder.mean(axis=0)
            step = inverse * remainder
            before, size = size, np.einsum("np,np->p", remainder, step)
            direction *= np.divide(size, before, out=np.zeros_like(size), where=before > 0)
            direction += step
        raise DidNotConverge(
            f"the comparisons hang together so loosely that {_MOST_ROUNDS} rounds of conjugate gradients did not "
            "solve for the strengths; ask more pairs, or add prior answers (--regularize always)"
        )


def score_draws(
    information: SparseInformation, scores: sparse.csr_array, times: Array | None, *, n_draws: int, seed: int
) -> Array:
    """Return joint draws of the estimate's error, by one Newton step from randomly weighed clusters.

    Their covariance is the cluster sandwich, which is not formed: a draw is the inverse information times the
    clusters' scores, less their mean, times independent standard normal numbers.

    Parameters
    ----------
    scores
        Score of each cluster, shape (n_clusters, n_profiles), or of each kind of answer.
    times
        Of each kind of answer, how many there are; None if rows of ``scores`` are clusters.

    Returns
    -------
    Array
        Shape (n_draws, n_profiles).

    References
    ----------
    Kline and Santos (2012), J. Econometric Methods 1 (the score bootstrap).
    """
    rng = np.random.default_rng(seed)
    if times is not None:
        scores, times = sparse.csr_array(scores[np.flatnonzero(times)]), times[times > 0]
    counted = np.ones(scores.shape[0]) if times is None else times
    n = float(counted.sum())
    mean = counted @ scores / n
    turned = sparse.csr_array(scores.T)
    factor = np.sqrt(n / (n - 1))
    blocks = []
    block = max(1, min(_BLOCK, _MOST_NUMBERS // scores.shape[0]))
    for begin in range(0, n_draws, block):
        z = rng.standard_normal((min(block, n_draws - begin), scores.shape[0])) * np.sqrt(counted)
        right = factor * (turned @ z.T - mean[:, None] * z.sum(axis=1))
        blocks.append(information.solve(right, tolerance=_DRAW_TOLERANCE).T)
    return np.vstack(blocks)
