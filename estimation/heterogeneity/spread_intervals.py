"""Intervals of standard deviations, correlations and shares of signs between respondents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from estimation.weights import Estimate

Array = NDArray[np.float64]


def reported_covariance(turn: Array, estimated: Array) -> Array:
    """Return the covariance of the reported mean and of all entries of the reported covariance, row by row."""
    n, k = turn.shape
    row, column = np.tril_indices(k)
    # An entry of the reported covariance by the entries of the estimated one, which stands for its mirror
    # image too.
    both = np.einsum("ia,jb->ijab", turn, turn)
    entries = both[:, :, row, column] + np.where(row == column, 0.0, both[:, :, column, row])
    jacobian = np.zeros((n + n * n, k + len(row)))
    jacobian[:n, :k] = turn
    jacobian[n:, k:] = entries.reshape(n * n, -1)
    return np.asarray(jacobian @ estimated @ jacobian.T)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SpreadIntervals:
    """Intervals of functions of a mean and a covariance, by the delta method where they are symmetric."""

    mean: Array
    """Shape (n,)."""
    covariance: Array
    """Shape (n, n)."""
    estimated: Array | None
    """Of :func:`reported_covariance`; None if the covariance is at the edge of what is possible."""
    quantile: float
    """Half an interval in standard errors."""

    def spread(self, i: int) -> Estimate:
        """Return a standard deviation; its interval is symmetric on the log scale."""
        value = float(np.sqrt(self.covariance[i, i]))
        slope = {(i, i): 0.5 / self.covariance[i, i]}
        half = self._half({}, slope)
        if half is None:
            return Estimate(value=value)
        return Estimate(value=value, low=float(value * np.exp(-half)), high=float(value * np.exp(half)))

    def correlation(self, i: int, j: int) -> Estimate:
        """Return a correlation; its interval is symmetric in Fisher's z."""
        c = self.covariance
        size = np.sqrt(c[i, i] * c[j, j])
        value = float(np.clip(c[i, j] / size, -1.0, 1.0))
        room = 1 - value**2
        if room < 1e-9:
            return Estimate(value=value)
        slope = {
            (i, j): 1 / size / room,
            (i, i): -value / 2 / c[i, i] / room,
            (j, j): -value / 2 / c[j, j] / room,
        }
        half = self._half({}, slope)
        if half is None:
            return Estimate(value=value)
        z = np.arctanh(value)
        return Estimate(value=value, low=float(np.tanh(z - half)), high=float(np.tanh(z + half)))

    def positive_share(self, i: int) -> Estimate:
        """Return the share above 0; its interval is symmetric in standard deviations from 0."""
        spread = np.sqrt(self.covariance[i, i])
        z = self.mean[i] / spread
        half = self._half({i: 1 / spread}, {(i, i): -z / 2 / self.covariance[i, i]})
        value = float(stats.norm.cdf(z))
        if half is None:
            return Estimate(value=value)
        return Estimate(
            value=value, low=float(stats.norm.cdf(z - half)), high=float(stats.norm.cdf(z + half))
        )

    def _half(
        self, by_mean: Mapping[int, float], by_covariance: Mapping[tuple[int, int], float]
    ) -> float | None:
        if self.estimated is None:
            return None
        n = len(self.mean)
        slope = np.zeros(len(self.estimated))
        for i, value in by_mean.items():
            slope[i] = value
        for (i, j), value in by_covariance.items():
            slope[n + i * n + j] = value
        return float(self.quantile * np.sqrt(max(0.0, float(slope @ self.estimated @ slope))))
