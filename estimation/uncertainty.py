"""How far an estimate could have been elsewhere: by cluster, never by single answer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from estimation.choice_model import Maximum, ModelCells, cluster_scores, maximize
from estimation.errors import EstimationError

LEVEL = 0.95
FEWEST_BOOTSTRAPS = 40
"""With fewer, the ends of a 95 % percentile interval are just the smallest and the greatest draw."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Uncertainty:
    """Covariance and intervals of a fit's parameters."""

    covariance: NDArray[np.float64]
    low: NDArray[np.float64]
    """Lower ends of 95 % intervals of the reported quantities, shape (n_quantities,)."""
    high: NDArray[np.float64]
    method: str
    notes: tuple[str, ...]
    """What a reader must know about the intervals."""


def uncertainty(
    cells: ModelCells, maximum: Maximum, transform: NDArray[np.float64], *, bootstrap: int, seed: int
) -> Uncertainty:
    """Return intervals of ``transform @ parameters``.

    Parameters
    ----------
    transform
        Shape (n_quantities, n_parameters), e.g. from contrasts to centred log-strengths.
    bootstrap
        0: cluster sandwich with t quantiles. n > 0: percentiles of n Bayesian cluster bootstraps (Dirichlet
        weights on clusters, Rubin 1981), whose positive weights keep every resample estimable.

    Raises
    ------
    EstimationError
        Fewer than two clusters: nothing to learn variation from. Or too few bootstraps for an interval.
    """
    if 0 < bootstrap < FEWEST_BOOTSTRAPS:
        raise EstimationError(
            f"{bootstrap} bootstraps are too few for a 95 % interval; ask for {FEWEST_BOOTSTRAPS} or more "
            "(--bootstrap), or 0 for the cluster sandwich"
        )
    if cells.n_clusters < 2:
        raise EstimationError(
            "all answers that this model uses form one cluster, so no interval can be given; collect answers "
            "from more respondents or, for a single respondent, to more comparisons"
        )
    covariance = transform @ sandwich(cells, maximum) @ transform.T
    center = transform @ maximum.values
    if bootstrap:
        draws = bootstrap_draws(cells, maximum, n_draws=bootstrap, seed=seed) @ transform.T
        low, high = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
        method = f"95 % percentile intervals of {bootstrap} Bayesian cluster bootstraps, seed {seed}"
    else:
        half = stats.t.ppf((1 + LEVEL) / 2, cells.n_clusters - 1) * np.sqrt(np.diag(covariance))
        low, high = center - half, center + half
        method = f"95 % cluster-sandwich intervals, t quantile with {cells.n_clusters - 1} degrees of freedom"
    notes: tuple[str, ...] = ()
    if cells.n_clusters <= len(cells.names):
        # The scores of G clusters sum to zero and span at most G - 1 directions, so the covariance is singular.
        notes = (
            f"{cells.n_clusters} clusters are too few for {len(cells.names)} parameters: "
            "the intervals are too narrow, some perhaps without any width",
        )
    return Uncertainty(covariance=covariance, low=low, high=high, method=method, notes=notes)


def sandwich(cells: ModelCells, maximum: Maximum) -> NDArray[np.float64]:
    """Return the cluster-robust covariance (Liang and Zeger 1986, Biometrika 73), times G/(G-1)."""
    inverse = np.linalg.inv(maximum.information)
    scores = cluster_scores(cells, maximum.values)
    # They sum to zero without prior answers. With them, the sum is the prior's pull, which does not vary.
    scores -= scores.mean(axis=0)
    factor = cells.n_clusters / (cells.n_clusters - 1)
    return np.asarray(factor * inverse @ (scores.T @ scores) @ inverse)


def bootstrap_draws(cells: ModelCells, maximum: Maximum, *, n_draws: int, seed: int) -> NDArray[np.float64]:
    """Refit under random cluster weights of mean 1; return draws of shape (n_draws, n_parameters)."""
    rng = np.random.default_rng(seed)
    draws = np.empty((n_draws, len(cells.names)))
    for i in range(n_draws):
        weights = rng.exponential(size=cells.n_clusters)
        draws[i] = maximize(cells, weights / weights.mean(), start=maximum.values).values
    return draws
