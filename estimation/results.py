"""What a fit returns: numbers, and how they were made."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from estimation.dataset import ChoiceData, Clustering
from estimation.weights import Estimate, PriorityWeights


class Model(StrEnum):
    """The estimators, by the name used on the command line and in files."""

    BRADLEY_TERRY = "bradley-terry"
    """One strength per profile, from decided answers (choix)."""
    CONDITIONAL_LOGIT = "conditional-logit"
    """One coefficient per attribute, from decided answers."""
    MIN_DELTA = "min-delta"
    """One coefficient per attribute and the pull of indecision, from all answers."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fit:
    """Weights with everything that is needed to judge them."""

    model: Model
    weights: PriorityWeights
    indecision: Estimate | None
    """lambda: log of the pull of indecision against two equal profiles; None where the model has none."""
    names: tuple[str, ...]
    """The parameters: profiles or attribute terms, then ``indecision`` if the model has it."""
    values: NDArray[np.float64]
    """Shape (n_parameters,)."""
    covariance: NDArray[np.float64]
    """Cluster-robust, of shape (n_parameters, n_parameters)."""
    log_likelihood: float
    """Of the answers used."""
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
    iterations: int
    residual: float
    """Largest absolute score at the estimate: how far expected counts are from observed ones."""
    newton_difference: float | None
    """For Bradley-Terry: largest difference between choix and our own Newton fit, in log-strength."""
    notes: tuple[str, ...]
    """What was left out or regularized, in words."""

    @property
    def mean_log_likelihood(self) -> float:
        """Per answer used."""
        return self.log_likelihood / self.n_answers


def indecision_note(data: ChoiceData) -> tuple[str, ...]:
    """Say how many indecisions a model of decided answers leaves out."""
    if not data.n_indecisions:
        return ()
    return (
        f"{data.n_indecisions} of {data.n_answers} answers were indecision and are left out of this model",
    )


def prior_note(prior_answers: float) -> tuple[str, ...]:
    """Say that an estimate is regularized."""
    if not prior_answers:
        return ()
    return (
        f"regularized by {prior_answers:g} prior answers, spread evenly over comparisons and alternatives",
    )
