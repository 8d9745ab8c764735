"""How far Bradley-Terry strengths could have been elsewhere, by cluster, from sparse scores.

What ``estimation.uncertainty`` does for every model, for the one whose scores have two numbers an answer.
"""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from estimation.bradley_terry import (
    MOST_FOR_CHOIX,
    PairCounts,
    centered_inverse,
    information,
    newton_of_tables,
    score_table,
)
from estimation.dataset import INDECISION, LEFT, RIGHT, ChoiceData
from estimation.large_bradley_terry import SparseInformation, newton_by_gradients, score_draws
from estimation.uncertainty import (
    Intervals,
    Uncertainty,
    bootstrap_blocks,
    bootstrap_intervals,
    check_intervals,
    few_clusters_note,
    normal_draws,
    resampled,
    sandwich_intervals,
    t_quantile,
)

Array = NDArray[np.float64]

# Standard errors from so many draws have a relative error of 5 %.
_FEWEST_DRAWS = 200
# Numbers of resampled tables held at once.
_MOST_AT_ONCE = 8_000_000
# Scores with at least this share of numbers that are not zero are multiplied faster as a full table.
_FULL_SHARE = 0.2


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Answers:
    """Answers a Bradley-Terry model uses, by who gave them."""

    data: ChoiceData
    half_wins: bool
    by_cluster: sparse.csr_array | None
    """Rows of the data's table with at least one answer used; None if every answer is its own cluster."""
    times: Array
    """Answers used of each kind ``3 * cell + choice``, shape (3 * n_cells,); an indecision is one answer."""

    @property
    def n_answers(self) -> int:
        """Number of answers used."""
        return round(float(self.times.sum()))

    @property
    def n_clusters(self) -> int:
        """Clusters with an answer used."""
        return self.n_answers if self.by_cluster is None else int(self.by_cluster.shape[0])


def answers_used(data: ChoiceData, *, half_wins: bool) -> Answers:
    """Return the answers used: the decided ones, and with ``half_wins`` the indecisions, too."""
    used = np.ones((len(data.counts), 3))
    used[:, INDECISION] = half_wins
    table = data.by_cluster
    if table is not None:
        # A respondent who only ever gave answers that the model leaves out says nothing about how answers vary.
        kept = table @ used.ravel() > 0
        table = table if kept.all() else sparse.csr_array(table[np.flatnonzero(kept)])
    return Answers(data=data, half_wins=half_wins, by_cluster=table, times=(data.counts * used).ravel())


def strength_spread(
    answers: Answers,
    pairs: PairCounts,
    values: Array,
    intervals: Intervals,
    *,
    ghost: float = 0.0,
    executor: Executor | None = None,
) -> Uncertainty:
    """Return intervals of centered log-strengths.

    Up to a thousand profiles from the cluster sandwich or, if asked, bootstraps; beyond, where a covariance would
    be too large to form, from joint draws of one Newton step each.

    Parameters
    ----------
    pairs
        Counts of the pairs, without the ghost.
    values
        The estimate, shape (n_profiles,), with the ghost's in the end if there is one.
    ghost
        Prior wins and losses of every profile against the ghost.

    Raises
    ------
    EstimationError
        Fewer than two clusters: nothing to learn variation from. Or too few bootstraps for an interval.
    """
    check_intervals(intervals, answers.n_clusters)
    n = pairs.n_profiles
    center = values[:n] - values[:n].mean()
    whole = pairs.with_ghost(ghost) if ghost else pairs
    covariance = None
    notes = few_clusters_note(answers.n_clusters, whole.n_profiles - 1)
    if n <= MOST_FOR_CHOIX:
        covariance = strength_covariance(answers, whole, values)[:n, :n]
        covariance = covariance - covariance.mean(axis=0)
        covariance -= covariance.mean(axis=1)[:, None]
    if intervals.bootstrap:
        draws = _centered(bootstrapped_strengths(answers, pairs, values, intervals, ghost, executor)[:, :n])
        low, high, method = bootstrap_intervals(draws, intervals, answers.n_clusters)
        draws_from = "Bayesian cluster bootstrap"
    elif covariance is not None:
        low, high, method = sandwich_intervals(center, covariance, answers.n_clusters)
        # Rounding leaves the draws a sum of their own, about 1e-8.
        draws = _centered(normal_draws(center, covariance, n_draws=intervals.n_draws(n), seed=intervals.seed))
        draws_from = "normal distribution with the cluster-sandwich covariance"
    else:
        errors = _centered(_error_draws(answers, whole, values, intervals)[:, :n])
        half = t_quantile(answers.n_clusters) * np.sqrt((errors**2).mean(axis=0))
        low, high = center - half, center + half
        method = (
            f"95 % cluster-sandwich intervals, their standard errors from {len(errors)} score draws of the "
            f"clusters (relative error about {100 / np.sqrt(2 * len(errors)):.0f} %), t quantile with "
            f"{answers.n_clusters - 1} degrees of freedom"
        )
        draws = center + errors[: intervals.n_draws(n)]
        draws_from = "one Newton step from clusters with random normal weights (score draws)"
    return Uncertainty(
        covariance=covariance,
        low=low,
        high=high,
        draws=draws,
        draws_from=draws_from,
        method=method,
        notes=tuple(notes),
    )


def strength_covariance(answers: Answers, pairs: PairCounts, values: Array) -> Array:
    """Return the cluster sandwich of log-strengths, shape (n_profiles, n_profiles), times G/(G-1).

    References
    ----------
    Liang and Zeger (1986), Biometrika 73.
    """
    scores, times = _scores(answers, values)
    n = answers.n_clusters
    mean = times @ scores / n
    # A single answer's score enters as often as it was given.
    weighed = (
        sparse.csr_array(sparse.diags_array(np.sqrt(times)) @ scores)
        if answers.by_cluster is None
        else scores
    )
    if weighed.nnz > _FULL_SHARE * weighed.shape[0] * weighed.shape[1]:
        full = weighed.toarray()
        product = full.T @ full
    else:
        product = (weighed.T @ weighed).toarray()
    # Scores sum to zero without prior answers. With them, the sum is the prior's pull, which does not vary.
    meat = n / (n - 1) * (product - n * np.outer(mean, mean))
    inverse = centered_inverse(information(pairs, values))
    return np.asarray(inverse @ meat @ inverse)


def _scores(answers: Answers, values: Array) -> tuple[sparse.csr_array, Array]:
    """Return scores by cluster, or by kind of answer, and how often each counts."""
    table = score_table(answers.data, values, half_wins=answers.half_wins)
    if answers.by_cluster is None:
        return table, answers.times
    return sparse.csr_array(answers.by_cluster @ table), np.ones(answers.by_cluster.shape[0])


def _error_draws(answers: Answers, pairs: PairCounts, values: Array, intervals: Intervals) -> Array:
    scores, times = _scores(answers, values)
    return score_draws(
        SparseInformation(pairs, values),
        scores,
        times if answers.by_cluster is None else None,
        n_draws=max(intervals.n_draws(pairs.n_profiles), _FEWEST_DRAWS),
        seed=intervals.seed,
    )


def _centered(draws: Array) -> Array:
    return np.asarray(draws - draws.mean(axis=1, keepdims=True))


# --- bootstrap ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Resampling:
    """What a block of resamples needs, small enough to send to another process."""

    pairs: PairCounts
    start: Array
    ghost: float
    by_cluster: sparse.csr_array | None
    """Wins of each cluster, shape (n_clusters, 2 * n_pairs): those of the firsts, then those of the seconds."""
    times: Array
    to_pairs: sparse.csr_array
    """From kinds of answers to wins, shape (3 * n_cells, 2 * n_pairs); used if every answer is its own cluster."""


def bootstrapped_strengths(
    answers: Answers,
    pairs: PairCounts,
    start: Array,
    intervals: Intervals,
    ghost: float,
    executor: Executor | None,
) -> Array:
    """Refit under random cluster weights; return draws of shape (n_draws, n_profiles), the ghost's last."""
    to_pairs = _to_pairs(answers, pairs)
    by_cluster = answers.by_cluster
    resampling = _Resampling(
        pairs=pairs,
        start=start,
        ghost=ghost,
        by_cluster=None if by_cluster is None else sparse.csr_array(by_cluster @ to_pairs),
        times=answers.times,
        to_pairs=to_pairs,
    )
    return bootstrap_blocks(
        partial(_resampled_strengths, resampling),
        n_draws=intervals.bootstrap,
        seed=intervals.seed,
        executor=executor,
    )


def _to_pairs(answers: Answers, pairs: PairCounts) -> sparse.csr_array:
    data = answers.data
    n = pairs.n_profiles
    low, high = np.minimum(data.left, data.right), np.maximum(data.left, data.right)
    cell = np.flatnonzero((low != high) & (answers.times.reshape(-1, 3).sum(axis=1) > 0))
    pair = np.searchsorted(pairs.first * n + pairs.second, (low * n + high)[cell])
    left = pair + len(pairs.first) * (data.left[cell] != low[cell])
    right = pair + len(pairs.first) * (data.right[cell] != low[cell])
    entries = [(3 * cell + LEFT, left, 1.0), (3 * cell + RIGHT, right, 1.0)]
    if answers.half_wins:
        entries += [(3 * cell + INDECISION, left, 0.5), (3 * cell + INDECISION, right, 0.5)]
    row = np.concatenate([r for r, _, _ in entries])
    column = np.concatenate([c for _, c, _ in entries])
    value = np.concatenate([np.full(len(r), v) for r, _, v in entries])
    shape = (3 * len(data.counts), 2 * len(pairs.first))
    return sparse.csr_array(sparse.coo_array((value, (row, column)), shape=shape))


def _resampled_strengths(given: _Resampling, n_draws: int, seed: np.random.SeedSequence) -> Array:
    rng = np.random.default_rng(seed)
    n_pairs = len(given.pairs.first)
    at_once = max(1, _MOST_AT_ONCE // (2 * n_pairs))
    parts = []
    for begin in range(0, n_draws, at_once):
        wins = resampled(given.times, given.by_cluster, rng, min(at_once, n_draws - begin))
        if given.by_cluster is None:
            wins = np.asarray((given.to_pairs.T @ wins.T).T)
        tables = given.pairs.of(wins[:, :n_pairs], wins[:, n_pairs:])
        tables = tables.with_ghost(given.ghost) if given.ghost else tables
        if given.pairs.n_profiles <= MOST_FOR_CHOIX:
            parts.append(newton_of_tables(tables, start=given.start))
        else:
            alone = [tables.part(i) for i in range(len(wins))]
            parts += [newton_by_gradients(table, start=given.start).values[None] for table in alone]
    return np.vstack(parts)
