"""What a fit returns: numbers, and how they were made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from estimation.choice_model import Optima
from estimation.connectivity import Connectivity
from estimation.dataset import ChoiceData, Clustering
from estimation.specification import Model, Specification
from estimation.weights import Estimate, PriorityWeights


class Outcome(StrEnum):
    """What the gate before a fit decided; data that it refuses raise an error instead."""

    FINE = "fine"
    """A unique finite maximum-likelihood estimate exists."""
    REGULARIZED = "regularized"
    """Prior answers were added, because none exists or because they were asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """Whether the data determine the estimate, decided before the fit."""

    outcome: Outcome
    reason: str
    """Why it is regularized; empty if it is not."""
    graph: Connectivity


@dataclass(frozen=True, slots=True, kw_only=True)
class Checks:
    """Whether the numbers are the maximum, checked after the fit."""

    iterations: int
    residual: float
    """Largest absolute score at the estimate: how far expected counts are from observed ones."""
    rank: int
    """Of the information matrix; the number of parameters if all are determined."""
    n_parameters: int
    newton_difference: float | None
    """For Bradley-Terry: largest difference between choix and our own Newton fit, in log-strength."""
    optima: Optima | None
    """Where the starts ended, for models whose likelihood may have several maxima."""
    at_bound: tuple[str, ...]
    """Parameters held by a bound: monotone effects at zero, log-odds of a share that is 0 or 1."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fit:
    """Weights with everything that is needed to judge them."""

    specification: Specification
    weights: PriorityWeights
    indecision: Estimate | None
    """The pull of indecision: lambda, or for Rao and Kupper the threshold c; None where the model has none, or more
    than one."""
    others: Mapping[str, Estimate]
    """Parameters beyond strengths or coefficients: order effect, pulls, log-odds."""
    names: tuple[str, ...]
    """The reported quantities: profiles or attribute terms, then the others."""
    values: NDArray[np.float64]
    """Shape (n_reported,)."""
    covariance: NDArray[np.float64] | None
    """Cluster-robust, of shape (n_reported, n_reported). None of more than a thousand free profiles, where it is
    too large to form: take what depends on several strengths from ``draws``."""
    quasi_variances: NDArray[np.float64] | None
    """Of free profiles: numbers whose sum for two profiles is about the variance of their difference (Firth and
    de Menezes 2004), shape (n_profiles,). None where there is no covariance."""
    draws: NDArray[np.float64]
    """Joint draws of the reported quantities, shape (n_draws, n_reported), to carry the uncertainty on."""
    draws_from: str
    """How they were drawn."""
    log_likelihood: float
    """Of the answers used."""
    n_parameters: int
    """Free parameters of the model."""
    n_answers: int
    """Answers used; indecisions count only where the model uses them."""
    n_indecisions: int
    """Indecisions in the data, used or not."""
    clustering: Clustering
    n_clusters: int
    """Clusters with answers used."""
    interval_method: str
    prior_answers: float
    """Weight of the prior answers; 0 is maximum likelihood."""
    gate: Gate
    checks: Checks
    notes: tuple[str, ...]
    """What was left out or regularized, in words."""

    @property
    def model(self) -> Model:
        """The model fitted."""
        return self.specification.model

    @property
    def mean_log_likelihood(self) -> float:
        """Per answer used."""
        return self.log_likelihood / self.n_answers

    @property
    def aic(self) -> float:
        """Akaike's criterion. Comparable between models of the same answers only."""
        return 2 * self.n_parameters - 2 * self.log_likelihood

    @property
    def bic(self) -> float:
        """Schwarz's criterion with the number of clusters, the independent units, as the sample size."""
        return float(np.log(self.n_clusters) * self.n_parameters - 2 * self.log_likelihood)


def indecision_note(data: ChoiceData, *, half_wins: bool) -> tuple[str, ...]:
    """Say what a model of decided answers does with indecisions."""
    if not data.n_indecisions:
        return ()
    done = "counted as half a win for each" if half_wins else "left out of this model"
    return (f"{data.n_indecisions} of {data.n_answers} answers were indecision and are {done}",)
