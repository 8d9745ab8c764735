"""A fit's model beside the answers it was fitted to: what it predicts, and what each cluster contributed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from estimation.assembly import Assembled
from estimation.choice_model import Maximum, maximize, probabilities_at, score_rows
from estimation.dataset import INDECISION, ChoiceData
from estimation.errors import EstimationError
from estimation.model_quality import parameters_of, refitted_cells
from estimation.results import Fit
from estimation.uncertainty import cluster_scores, inverse_information, sandwich_intervals
from estimation.weights import Estimate, ProfileWeights

Array = NDArray[np.float64]

# The log-likelihood of the same answers under the same parameters may differ by so much per answer.
_SAME = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fitted:
    """A model of given answers with its parameters."""

    assembled: Assembled
    maximum: Maximum

    @property
    def probabilities(self) -> Array:
        """Probabilities of left, right and indecision, shape (n_observed, 3), in the order of ``cell_of``."""
        return probabilities_at(self.assembled.cells, self.maximum.values)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Influences:
    """How far each cluster moved the reported quantities, to first order."""

    names: tuple[str, ...]
    """Of the reported quantities."""
    clusters: tuple[str, ...]
    moved: Array
    """Shape (n_clusters, n_reported); columns sum to zero."""

    @property
    def covariance(self) -> Array:
        """The cluster sandwich: their outer products summed, times G/(G-1)."""
        n = len(self.moved)
        return np.asarray(n / (n - 1) * self.moved.T @ self.moved)


def fitted(data: ChoiceData, fit: Fit) -> Fitted:
    """Return the model behind a fit, which keeps its numbers only.

    Parameters
    ----------
    data
        The answers that the fit was made of.

    Raises
    ------
    EstimationError
        The fit was made of other answers.
    """
    assembled = refitted_cells(data, fit)
    other = EstimationError(
        f"this {fit.model} fit of {fit.n_answers} answers was not made of these {data.n_answers} answers; "
        "give the answers it was fitted to"
    )
    if assembled.names != fit.names or assembled.n_answers != fit.n_answers:
        raise other
    maximum = maximize(assembled.cells, start=parameters_of(assembled, fit))
    if abs(maximum.log_likelihood - fit.log_likelihood) > _SAME * fit.n_answers:
        raise other
    return Fitted(assembled=assembled, maximum=maximum)


def influences(data: ChoiceData, fit: Fit) -> Influences:
    """Return each cluster's influence on a fit: its score times the inverse information.

    Two fits that share respondents are compared through these: the covariance of their difference is that of the
    differences of influences, cluster by cluster.

    Raises
    ------
    EstimationError
        The source does not say which answers belong together, or the fit was made of other answers.
    """
    if data.by_cluster is None:
        raise EstimationError("influences need answers that name their respondents")
    model = fitted(data, fit)
    cells, maximum = model.assembled.cells, model.maximum
    assert cells.by_cluster is not None  # noqa: S101 - it is made of data.by_cluster
    scores = cluster_scores(cells.by_cluster, score_rows(cells, maximum.values))
    return Influences(
        names=model.assembled.names,
        clusters=clusters_used(data, fit, model.assembled),
        moved=scores @ inverse_information(maximum) @ model.assembled.report.T,
    )


def difference_covariance(one: Influences, other: Influences) -> Array:
    """Return the covariance of ``other - one``, whose clusters may be the same, others, or some of each.

    Parameters
    ----------
    one, other
        Of the same reported quantities; a cluster that is in one only did not move the other.
    """
    clusters = list(dict.fromkeys((*one.clusters, *other.clusters)))
    place = {name: i for i, name in enumerate(clusters)}
    moved = np.zeros((len(clusters), one.moved.shape[1]))
    moved[[place[c] for c in other.clusters]] += other.moved
    moved[[place[c] for c in one.clusters]] -= one.moved
    n = len(clusters)
    return np.asarray(n / (n - 1) * moved.T @ moved)


def selection(fit: Fit, names: Sequence[str]) -> Array:
    """Return named quantities by reported ones: log-strengths centred over those profiles that are named.

    Fits of other answers may lack profiles; over those that both have, their log-strengths are comparable.
    """
    chosen = np.array([[float(own == name) for own in fit.names] for name in names])
    if isinstance(fit.weights, ProfileWeights):
        strengths = chosen[:, : len(fit.weights.profiles)].sum(axis=1) > 0
        chosen[strengths] -= chosen[strengths].mean(axis=0)
    return chosen


def estimates(fit: Fit, names: Sequence[str]) -> tuple[Estimate, ...]:
    """Return named quantities with their intervals, log-strengths centred as in :func:`selection`."""
    if set(names) == set(fit.names):
        weights = fit.weights
        known = dict(fit.others)
        if isinstance(weights, ProfileWeights):
            known |= dict(zip((p.id for p in weights.profiles), weights.log_strengths, strict=True))
        else:
            known |= weights.coefficients
        return tuple(known[name] for name in names)
    chosen = selection(fit, names)
    values = chosen @ fit.values
    if fit.covariance is None:
        return tuple(Estimate(value=float(v)) for v in values)
    low, high, _ = sandwich_intervals(values, chosen @ fit.covariance @ chosen.T, fit.n_clusters)
    return tuple(map(Estimate.of, values, low, high))


def clusters_used(data: ChoiceData, fit: Fit, assembled: Assembled) -> tuple[str, ...]:
    """Return the names of the clusters with an answer that the model uses."""
    if data.by_cluster is None:
        return ()
    counts = np.zeros((len(data.counts), 3))
    counts[assembled.cell_of] = 1.0
    if not fit.specification.uses_indecision and not fit.specification.half_wins:
        counts[:, INDECISION] = 0.0
    used = np.asarray(data.by_cluster @ counts.ravel()) > 0
    return tuple(name for name, u in zip(data.cluster_names, used, strict=True) if u)
