"""How far an estimate could have been elsewhere: by cluster, never by single answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy import sparse, stats

from estimation.choice_model import Maximum, ModelCells, maximize_tables, score_rows
from estimation.errors import EstimationError

Array = NDArray[np.float64]

LEVEL = 0.95
FEWEST_BOOTSTRAPS = 40
"""With fewer, the ends of a 95 % percentile interval are just the smallest and the greatest draw."""
# Beyond so many quantities, fewer draws are kept.
_MANY = 1_100
# Resamples are drawn in blocks with a seed each, so that the bytes do not depend on who computes which block.
_BLOCK = 100
# With a table of counts this full, a dense product is faster than a sparse one.
_DENSE_SHARE = 0.05
_MOST_QUASI_STEPS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Intervals:
    """How intervals and draws are made."""

    bootstrap: int = 0
    """0: cluster sandwich with t quantiles. n > 0: percentiles of n Bayesian cluster bootstraps."""
    draws: int | None = None
    """Joint draws kept with the result, if there is no bootstrap to keep. None: a thousand, or two hundred of more
    than a thousand profiles, which would otherwise fill the memory."""
    seed: int = 0

    def n_draws(self, n_reported: int) -> int:
        """Return how many joint draws to keep of so many quantities."""
        if self.draws is not None:
            return self.draws
        return 1_000 if n_reported <= _MANY else 200


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Uncertainty:
    """Covariance, intervals and joint draws of reported quantities."""

    covariance: Array | None
    """Shape (n_reported, n_reported); None of more free profiles than a covariance can be formed of."""
    low: Array
    """Lower ends of 95 % intervals of the reported quantities, shape (n_reported,)."""
    high: Array
    draws: Array
    """Shape (n_draws, n_reported)."""
    draws_from: str
    method: str
    notes: tuple[str, ...]
    """What a reader must know about the intervals."""


def uncertainty(
    cells: ModelCells,
    maximum: Maximum,
    report: Array,
    intervals: Intervals,
    executor: Executor | None = None,
) -> Uncertainty:
    """Return intervals of ``report @ parameters``.

    Parameters
    ----------
    report
        Shape (n_reported, n_parameters), e.g. from contrasts to centred log-strengths.
    executor
        Computes bootstraps; the same seed gives the same bytes whoever does. None: here.

    Raises
    ------
    EstimationError
        Fewer than two clusters: nothing to learn variation from. Or too few bootstraps for an interval.
    """
    check_intervals(intervals, cells.n_clusters)
    covariance = report @ sandwich(cells, maximum) @ report.T
    center = report @ maximum.values
    notes: list[str] = []
    if intervals.bootstrap:
        draws = bootstrap_draws(
            cells, maximum, n_draws=intervals.bootstrap, seed=intervals.seed, executor=executor
        )
        draws = draws @ report.T
        low, high, method = bootstrap_intervals(draws, intervals, cells.n_clusters)
        draws_from = "Bayesian cluster bootstrap"
    else:
        low, high, method = sandwich_intervals(center, covariance, cells.n_clusters)
        draws = normal_draws(center, covariance, n_draws=intervals.n_draws(len(center)), seed=intervals.seed)
        draws_from = "normal distribution with the cluster-sandwich covariance"
    notes += few_clusters_note(cells.n_clusters, len(cells.names))
    if maximum.at_bound.any():
        notes.append(
            "parameters held at a bound (monotone effects at zero, shares at 0 or 1) have no interval of their "
            "own; the others' are given that"
        )
    if not cells.rule.smooth:
        notes.append("the likelihood of this model has kinks, so its sandwich intervals are approximations")
    return Uncertainty(
        covariance=covariance,
        low=low,
        high=high,
        draws=draws,
        draws_from=draws_from,
        method=method,
        notes=tuple(notes),
    )


def check_intervals(intervals: Intervals, n_clusters: int) -> None:
    """Return quietly if intervals can be made of so many clusters.

    Raises
    ------
    EstimationError
        Fewer than two clusters: nothing to learn variation from. Or too few bootstraps for an interval.
    """
    if 0 < intervals.bootstrap < FEWEST_BOOTSTRAPS:
        raise EstimationError(
            f"{intervals.bootstrap} bootstraps are too few for a 95 % interval; ask for {FEWEST_BOOTSTRAPS} or "
            "more (--bootstrap), or 0 for the cluster sandwich"
        )
    if n_clusters < 2:
        raise EstimationError(
            "all answers that this model uses form one cluster, so no interval can be given; collect answers "
            "from more respondents or, for a single respondent, to more comparisons"
        )


def bootstrap_intervals(draws: Array, intervals: Intervals, n_clusters: int) -> tuple[Array, Array, str]:
    """Return lower and upper ends of 95 % intervals, and the method in words.

    Plain percentiles are too narrow with few clusters: draws vary as if the variance were divided by G + 1 where
    the sandwich has G - 1, and normal quantiles stand where t quantiles should. Percentiles further out are taken
    (Hesterberg 2015, American Statistician 69, "expanded percentiles"); with a hundred clusters they hardly differ.
    """
    reach = t_quantile(n_clusters) * np.sqrt((n_clusters + 1) / (n_clusters - 1))
    low, high = np.quantile(draws, stats.norm.cdf([-reach, reach]), axis=0)
    method = (
        f"95 % expanded percentile intervals of {intervals.bootstrap} Bayesian cluster bootstraps, "
        f"seed {intervals.seed}"
    )
    return low, high, method


def sandwich_intervals(center: Array, covariance: Array, n_clusters: int) -> tuple[Array, Array, str]:
    """Return lower and upper ends of 95 % intervals, and the method in words."""
    half = t_quantile(n_clusters) * np.sqrt(np.maximum(np.diag(covariance), 0.0))
    method = f"95 % cluster-sandwich intervals, t quantile with {n_clusters - 1} degrees of freedom"
    return center - half, center + half, method


def t_quantile(n_clusters: int) -> float:
    """Return how many standard errors a 95 % interval reaches to either side."""
    return float(stats.t.ppf((1 + LEVEL) / 2, n_clusters - 1))


def few_clusters_note(n_clusters: int, n_parameters: int) -> list[str]:
    """Say that a covariance of so few clusters is singular: their scores sum to zero."""
    if n_clusters > n_parameters:
        return []
    return [
        f"{n_clusters} clusters are too few for {n_parameters} parameters: "
        "the intervals are too narrow, some perhaps without any width"
    ]


def normal_draws(center: Array, covariance: Array, *, n_draws: int, seed: int) -> Array:
    """Return joint normal draws of shape (n_draws, n_reported); a singular covariance is fine."""
    z = np.random.default_rng(seed).standard_normal((n_draws, len(center)))
    return np.asarray(center + z @ _root(covariance).T)


def normal_draw_of_each(center: Array, covariance: Array, seeds: Sequence[int]) -> Array:
    """Return one joint normal draw per seed, shape (n_seeds, n_reported); each depends on its own seed alone."""
    z = np.array([np.random.default_rng(seed).standard_normal(len(center)) for seed in seeds])
    # Not by a product of matrices, whose last digits depend on how many rows there are.
    return np.asarray(center + np.einsum("ij,kj->ik", z.reshape(-1, len(center)), _root(covariance)))


def _root(covariance: Array) -> Array:
    """Return a matrix whose product with its own transpose is the covariance."""
    variances, axes = np.linalg.eigh(covariance)
    # An axis may point either way, which would let the draws depend on the linear algebra library.
    axes = axes * np.where(axes[np.abs(axes).argmax(axis=0), np.arange(len(axes))] < 0, -1.0, 1.0)
    return np.asarray(axes * np.sqrt(np.maximum(variances, 0.0)))


def sandwich(cells: ModelCells, maximum: Maximum) -> Array:
    """Return the cluster-robust covariance (Liang and Zeger 1986, Biometrika 73), times G/(G-1).

    Parameters held by a bound have none.
    """
    inverse = inverse_information(maximum)
    return np.asarray(inverse @ meat(cells, maximum.values) @ inverse)


def inverse_information(maximum: Maximum) -> Array:
    """Return the inverse information, shape (n_parameters, n_parameters), 0 for parameters held by a bound."""
    free = np.ix_(~maximum.at_bound, ~maximum.at_bound)
    inverse = np.zeros_like(maximum.information)
    inverse[free] = np.linalg.inv(maximum.information[free])
    return inverse


def meat(cells: ModelCells, values: Array) -> Array:
    """Return the clusters' scores' squares, summed, times G/(G-1); shape (n_parameters, n_parameters)."""
    rows = score_rows(cells, values)
    if cells.by_cluster is not None:
        scores = cluster_scores(cells.by_cluster, rows)
        product = scores.T @ scores
        n = len(scores)
    else:
        times = cells.counts[: cells.n_observed].ravel()
        n = round(float(times.sum()))
        dense = np.asarray(rows.toarray() if sparse.issparse(rows) else rows)
        mean = times @ dense / times.sum()
        product = (dense * times[:, None]).T @ dense - times.sum() * np.outer(mean, mean)
    return np.asarray(n / (n - 1) * product)


def cluster_scores(by_cluster: sparse.csr_array, rows: Array | sparse.csr_array) -> Array:
    """Return each cluster's score less their mean, shape (n_clusters, n_parameters).

    Parameters
    ----------
    by_cluster
        Answers of each kind of each cluster, shape (n_clusters, n_kinds).
    rows
        Score of one answer of each kind, see :func:`estimation.choice_model.score_rows`.
    """
    scores = by_cluster @ rows
    scores = np.asarray(scores.toarray() if sparse.issparse(scores) else scores)
    # They sum to zero without prior answers. With them, the sum is the prior's pull, which does not vary.
    return np.asarray(scores - scores.mean(axis=0))


def bootstrap_draws(
    cells: ModelCells,
    maximum: Maximum,
    *,
    n_draws: int,
    seed: int,
    executor: Executor | None = None,
) -> Array:
    """Refit under random cluster weights of mean 1; return draws of shape (n_draws, n_parameters).

    The weights are Dirichlet (Rubin 1981, Ann. Statist. 9), positive for every cluster, so that every resample is
    as estimable as the data.
    """
    return bootstrap_blocks(
        partial(_bootstrap_block, cells, maximum.values), n_draws=n_draws, seed=seed, executor=executor
    )


def bootstrap_blocks(
    block: Callable[[int, np.random.SeedSequence], Array],
    *,
    n_draws: int,
    seed: int,
    executor: Executor | None = None,
    size: int = _BLOCK,
) -> Array:
    """Return the draws of all blocks, one under the other.

    Parameters
    ----------
    block
        Given a number of draws and a seed, returns these draws, shape (n_draws, n_parameters).
    size
        Draws in a block. Another size gives other draws.
    """
    sizes = [min(size, n_draws - i) for i in range(0, n_draws, size)]
    seeds = np.random.SeedSequence(seed).spawn(len(sizes))
    blocks = executor.map(block, sizes, seeds) if executor else map(block, sizes, seeds)
    return np.vstack(list(blocks))


def _bootstrap_block(cells: ModelCells, start: Array, n_draws: int, seed: np.random.SeedSequence) -> Array:
    observed = cells.counts[: cells.n_observed].ravel()
    tables = resampled(observed, cells.by_cluster, np.random.default_rng(seed), n_draws)
    tables = tables.reshape(n_draws, cells.n_observed, 3)
    prior = cells.counts[cells.n_observed :]
    tables = np.concatenate([tables, np.broadcast_to(prior, (n_draws, *prior.shape))], axis=1)
    return maximize_tables(cells, tables, start)


def resampled(
    observed: Array, by_cluster: sparse.csr_array | None, rng: np.random.Generator, n_draws: int
) -> Array:
    """Return counts under random weights of mean 1, shape (n_draws, n_kinds).

    Parameters
    ----------
    observed
        Answers of each kind, shape (n_kinds,); used if every answer is its own cluster.
    by_cluster
        Answers of each kind of each cluster, shape (n_clusters, n_kinds), or None.
    """
    if by_cluster is None:
        # Independent answers: the exponential weights of a cell's n answers sum to a gamma variable.
        tables = rng.gamma(observed, size=(n_draws, len(observed)))
        tables *= (observed.sum() / tables.sum(axis=1))[:, None]
        return np.asarray(tables)
    weights = rng.standard_exponential((n_draws, by_cluster.shape[0]))
    weights /= weights.mean(axis=1, keepdims=True)
    if by_cluster.nnz > _DENSE_SHARE * by_cluster.shape[0] * by_cluster.shape[1]:
        return np.asarray(weights @ by_cluster.toarray())
    return np.asarray((by_cluster.T @ weights.T).T)


def quasi_variances(covariance: Array) -> Array:
    """Return numbers q with var(a - b) about q_a + q_b for all pairs, shape (n,).

    They let a reader compare any two profiles from one column. Fitted by least squares on the log scale, as in R's
    qvcalc; negative ones can occur with three profiles or fewer, where they are exact or undefined.

    References
    ----------
    Firth and de Menezes (2004), Biometrika 91.
    """
    n = len(covariance)
    first, second = np.triu_indices(n, 1)
    diagonal = np.diag(covariance)
    variance = diagonal[first] + diagonal[second] - 2 * covariance[first, second]
    if n < 3 or (variance <= 0).any():
        return np.full(n, np.nan)
    log_variance = np.zeros((n, n))
    log_variance[first, second] = log_variance[second, first] = np.log(variance)
    log_q = np.log(np.maximum(diagonal, diagonal.mean() * 1e-3))
    misfit, gradient, curvature = _quasi_misfit(log_q, log_variance)
    damping = 1e-3
    for _ in range(_MOST_QUASI_STEPS):
        # Levenberg and Marquardt's step. The misfits are small, so its matrix is nearly the second derivative.
        damped = curvature + damping * np.diag(np.diag(curvature) + 1e-12)
        step = np.clip(-np.linalg.solve(damped, gradient), -2.0, 2.0)
        trial = _quasi_misfit(log_q + step, log_variance)
        if trial[0] > misfit:
            damping *= 10
            if damping > 1e12:
                break
            continue
        log_q, (misfit, gradient, curvature) = log_q + step, trial
        damping = max(damping / 10, 1e-14)
        if np.abs(step).max() < 1e-11:
            break
    return np.asarray(np.exp(log_q))


def _quasi_misfit(log_q: Array, log_variance: Array) -> tuple[float, Array, Array]:
    """Return half the sum of squares over pairs, its gradient, and Gauss's approximation of its curvature."""
    q = np.exp(log_q)
    total = q[:, None] + q
    off = np.log(total) - log_variance
    np.fill_diagonal(off, 0.0)
    slope = q[:, None] / total
    np.fill_diagonal(slope, 0.0)
    curvature = slope * slope.T
    np.fill_diagonal(curvature, (slope**2).sum(axis=1))
    return float((off**2).sum() / 4), (slope * off).sum(axis=1), curvature
