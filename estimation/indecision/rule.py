"""What every model of indecision is: from a few numbers about a comparison to three probabilities.

A rule sees a comparison through its *predictors*, numbers that are linear in the parameters: the difference of two
log-strengths, say, and the pull of indecision. It returns log-probabilities with their first and second derivatives
by the predictors; everything else (likelihood, score, information, clusters, bootstraps) follows from these.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CellTerms:
    """What a comparison's two profiles are made of; one row per cell."""

    left: Array
    """Terms of the left profile, shape (n_cells, n_terms)."""
    right: Array
    """Terms of the right profile, shape (n_cells, n_terms)."""
    attribute: NDArray[np.intp]
    """Number of the attribute that each term belongs to, shape (n_terms,)."""
    first: Array
    """What being shown first (left) adds, shape (n_cells, n_orders): no column, one, or one per group."""
    pull: Array
    """What the pull of indecision depends on, shape (n_cells, n_pulls): a constant, then covariates."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evaluated:
    """Log-probabilities of left, right, indecision with their derivatives by the predictors."""

    log_p: Array
    """Shape (..., n_cells, 3); minus infinity for indecision where it was not offered."""
    first: Array
    """Shape (..., n_cells, 3, n_predictors)."""
    second: Array
    """Shape (..., n_cells, 3, n_predictors, n_predictors), perhaps a read-only view."""


class Rule(Protocol):
    """A model of indecision."""

    @property
    def concave(self) -> bool:
        """Whether the log-likelihood is concave, so that a maximum is the maximum."""

    @property
    def smooth(self) -> bool:
        """Whether the log-likelihood has a derivative everywhere."""

    @property
    def has_pull(self) -> bool:
        """Whether the pull of indecision is among the parameters."""

    @property
    def n_predictors(self) -> int:
        """How many numbers about a comparison the rule reads."""

    @property
    def extra(self) -> tuple[str, ...]:
        """Names of parameters beyond terms, order and pull."""

    def predictors(self, cells: CellTerms) -> Array:
        """Return the predictors by parameter, shape (n_cells, n_predictors, n_parameters).

        Parameters are in the order terms, first, pull, extra.
        """

    def evaluate(self, predictors: Array, offered: Mask) -> Evaluated:
        """Return log-probabilities and derivatives.

        Parameters
        ----------
        predictors
            Shape (..., n_cells, n_predictors).
        offered
            Whether indecision could be chosen, shape (n_cells,).
        """

    def never_worse(self, choice: int, offered: bool) -> Array | None:
        """Return directions of the predictors' differences that decide whether an estimate exists.

        A change of the predictors never makes ``choice`` less likely, however far it goes, exactly when its product
        with every row is at least 0. Shape (n_rows, n_predictors); None if the rule has no such description.
        """


def difference_design(cells: CellTerms) -> Array:
    """Return the design of predictors (d, pull): difference of log-strengths, left minus right, then the pull."""
    zero = np.zeros_like
    d = np.hstack([cells.left - cells.right, cells.first, zero(cells.pull)])
    pull = np.hstack([zero(cells.left), zero(cells.first), cells.pull])
    return np.stack([d, pull], axis=1)


def utility_design(cells: CellTerms) -> Array:
    """Return the design of predictors (left utility, right utility, pull)."""
    zero = np.zeros_like
    left = np.hstack([cells.left, cells.first, zero(cells.pull)])
    right = np.hstack([cells.right, zero(cells.first), zero(cells.pull)])
    pull = np.hstack([zero(cells.left), zero(cells.first), cells.pull])
    return np.stack([left, right, pull], axis=1)


def softmax(scores: Array, slopes: Array, offered: Mask) -> Evaluated:
    """Evaluate a rule in which the choices' probabilities are proportional to exp(score).

    Parameters
    ----------
    scores
        Shape (..., n_cells, 3). Where indecision was not offered, the first two share the probability.
    slopes
        Derivatives of the scores by the predictors, piecewise constant; broadcasts to
        (..., n_cells, 3, n_predictors).
    """
    scores = np.where(np.append([True, True], False) | offered[:, None], scores, -np.inf)
    top = scores.max(axis=-1, keepdims=True)
    log_p = scores - top - np.log(np.exp(scores - top).sum(axis=-1, keepdims=True))
    p = np.exp(log_p)
    slopes = np.broadcast_to(slopes, (*p.shape, slopes.shape[-1]))
    mean = np.einsum("...j,...jm->...m", p, slopes)
    first = slopes - mean[..., None, :]
    spread = np.einsum("...j,...jm,...jn->...mn", p, first, first)
    second = np.broadcast_to(-spread[..., None, :, :], (*first.shape, first.shape[-1]))
    return Evaluated(log_p=log_p, first=first, second=second)


def score_differences(slopes: Array, choice: int, offered: bool) -> Array:
    """Return :meth:`Rule.never_worse` of a softmax rule whose scores are linear: slopes of shape (3, m)."""
    others = [j for j in range(3 if offered else 2) if j != choice]
    return np.asarray(slopes[choice] - slopes[others])
