"""The choice model that all estimators here share, its likelihood, and its maximum.

With d the difference of two profiles' log-strengths and lambda the pull of indecision, the choice left, right,
indecision has probability proportional to exp(d/2), exp(-d/2), exp(lambda). This is Davidson's tie model and, with
d = 2u, McElfresh's Min-delta model (scores u, -u, lambda). Where indecision was not offered, or is left out, it is
the Bradley-Terry model (conditional logit). d is linear in the parameters, so the log-likelihood is concave.

References
----------
Davidson (1970), J. Amer. Statist. Assoc. 65; McElfresh et al. (2021), Indecision Modeling, AAAI.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog

from estimation.dataset import INDECISION, LEFT, RIGHT, ChoiceData
from estimation.errors import DidNotConverge, EstimationError, NotIdentified, Separated

Array = NDArray[np.float64]

LAMBDA = "indecision"
"""Name of the parameter lambda in results."""

_MOST_ITERATIONS = 100
# Newton on a concave likelihood converges quadratically; once the expected gain of a step is below this many
# log-likelihood units, the parameters are exact to many more digits than any answer set supports.
_GAIN_TOLERANCE = 1e-12
# A recession direction is found by a linear programme with unknowns in [-1, 1]; solvers are exact to about 1e-7.
_DIRECTION_TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ModelCells:
    """What the likelihood needs of the data: one row per cell with an answer that the model uses."""

    difference: Array
    """Left minus right, shape (n_cells, n_terms)."""
    counts: Array
    """Left, right, indecision, shape (n_cells, 3)."""
    offered: NDArray[np.bool_]
    """Whether indecision is one of the cell's alternatives, shape (n_cells,)."""
    cluster: NDArray[np.intp]
    """Shape (n_cells,); -1 for prior answers, which no cluster gave."""
    n_clusters: int
    """Clusters with an answer that the model uses: only they tell how much answers vary."""
    names: tuple[str, ...]
    """One per term, then :data:`LAMBDA` if any cell offers indecision."""

    @property
    def has_lambda(self) -> bool:
        """Whether lambda is one of the parameters."""
        return len(self.names) > int(self.difference.shape[1])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Maximum:
    """A maximum-likelihood fit."""

    values: Array
    """Parameters in the order of ``names``, shape (n_parameters,)."""
    log_likelihood: float
    """Over all answers, prior answers excluded."""
    information: Array
    """Minus the second derivative of the log-likelihood, shape (n_parameters, n_parameters)."""
    iterations: int
    residual: float
    """Largest absolute score (observed minus expected choices, each weighed by a difference of at most 1)."""


def model_cells(
    data: ChoiceData,
    difference: Array,
    terms: tuple[str, ...],
    *,
    with_indecision: bool,
    prior_answers: float,
) -> ModelCells:
    """Join choice counts with the design of a model.

    Parameters
    ----------
    difference
        Shape (n_cells, n_terms): the terms of the left profile minus those of the right one.
    with_indecision
        False leaves indecisions out, as the Bradley-Terry model does.
    prior_answers
        So many answers in all, spread evenly over the comparisons asked and over the alternatives of each. They
        keep estimates finite when the data follow a rule without exception (Clogg et al. 1991, J. Amer. Statist.
        Assoc. 86, for logistic regression) and pull equally on every alternative. 0 is maximum likelihood.

    Raises
    ------
    EstimationError
        No answer is of use to the model, or ``prior_answers`` is no number of answers.
    """
    if not 0 <= prior_answers < np.inf:
        raise EstimationError(f"prior answers: {prior_answers} is no number of answers; give 0 or more")
    offered = data.offered & with_indecision
    counts = np.where(offered[:, None], data.counts, data.counts * [1.0, 1.0, 0.0])
    names = (*terms, LAMBDA) if offered.any() else terms
    used = counts.sum(axis=1) > 0
    if not used.any():
        raise EstimationError(
            f"all {data.n_answers} answers are indecision, which this model leaves out; "
            "use --model min-delta, or collect decided answers"
        )
    # A respondent who only ever answered indecision says nothing about how decided answers vary.
    counted, cluster = np.unique(data.cluster[used], return_inverse=True)
    counts, difference_used, offered_used = counts[used], difference[used], offered[used]
    if prior_answers > 0:
        shown = np.unique(
            np.column_stack([np.minimum(data.left, data.right), np.maximum(data.left, data.right), offered]),
            axis=0,
            return_index=True,
        )[1]
        alternatives = np.where(offered[shown, None], [1.0, 1.0, 1.0], [1.0, 1.0, 0.0])
        prior = alternatives / alternatives.sum(axis=1, keepdims=True) * (prior_answers / len(shown))
        difference_used = np.vstack([difference_used, difference[shown]])
        counts = np.vstack([counts, prior])
        offered_used = np.concatenate([offered_used, offered[shown]])
        cluster = np.concatenate([cluster, np.full(len(shown), -1, dtype=np.intp)])
    return ModelCells(
        difference=difference_used,
        counts=counts,
        offered=offered_used,
        cluster=cluster,
        n_clusters=len(counted),
        names=names,
    )


def check_estimable(cells: ModelCells) -> None:
    """Return quietly if the model has exactly one maximum-likelihood estimate, else raise.

    Raises
    ------
    NotIdentified
        Some terms never differ within a comparison, or always differ together.
    Separated
        Along some direction of the parameters no observed choice ever becomes less likely, so the maximum lies
        at infinity (found by linear programming; Albert and Anderson 1984, Biometrika 71).
    """
    terms = cells.names[: cells.difference.shape[1]]
    if terms:
        # The triangular factor has the same null space, and no side as long as the data.
        triangle = np.linalg.qr(_scaled(cells.difference)[0], mode="r")
        _, singular, directions = np.linalg.svd(triangle, full_matrices=True)
        rank = int((singular > 1e-9 * max(1.0, singular.max(initial=0.0))).sum())
        if rank < len(terms):
            loose = np.flatnonzero(np.abs(directions[rank:]).max(axis=0) > 1e-6)
            involved = [terms[i] for i in loose]
            raise NotIdentified(
                f"these comparisons cannot tell {_listed(involved)} apart or never vary them: ask comparisons "
                "in which they differ separately, or leave attributes out",
                involved,
            )
    direction = _recession_direction(cells)
    if direction is not None:
        involved = [n for n, d in zip(cells.names, direction, strict=True) if abs(d) > _DIRECTION_TOLERANCE]
        raise Separated(
            f"the answers follow a rule without exception in {_listed(involved)}, so no finite estimate fits "
            "best. Collect more answers, or add prior answers (--prior-answers), which the result will say",
            involved,
        )


def maximize(cells: ModelCells, weights: Array | None = None, start: Array | None = None) -> Maximum:
    """Find the maximum of the log-likelihood by Newton steps.

    Parameters
    ----------
    weights
        One weight per cluster (bootstrap), shape (n_clusters,). None for 1 each.
    start
        Where to begin, e.g. the estimate that a bootstrap perturbs.

    Raises
    ------
    DidNotConverge
        The estimate does not exist (see :func:`check_estimable`) or numbers overflow.
    """
    scaled, scale = _scaled(cells.difference)
    if cells.has_lambda:
        scale = np.append(scale, 1.0)
    counts = cells.counts
    if weights is not None:
        counts = counts * np.append(weights, 1.0)[cells.cluster][:, None]  # Cluster -1 picks the appended 1.
    values = np.zeros(len(cells.names)) if start is None else start * scale
    log_likelihood = _log_likelihood(scaled, cells, counts, values)
    for iteration in range(1, _MOST_ITERATIONS + 1):
        score, information = _derivatives(scaled, cells, counts, values)
        try:
            step = np.linalg.solve(information, score)
        except np.linalg.LinAlgError:
            raise DidNotConverge("the information matrix is singular: the estimate does not exist") from None
        gain = float(score @ step)
        if gain < _GAIN_TOLERANCE:
            own = np.zeros_like(counts)
            observed = cells.cluster >= 0
            own[observed] = counts[observed]
            return Maximum(
                values=values / scale,
                log_likelihood=_log_likelihood(scaled, cells, own, values),
                information=information * np.outer(scale, scale),
                iterations=iteration,
                residual=float(np.abs(score).max(initial=0.0)),
            )
        length = 1.0
        while True:
            trial = _log_likelihood(scaled, cells, counts, values + length * step)
            # Armijo's rule; near the maximum rounding makes the comparison meaningless and the full step is right.
            if trial >= log_likelihood + 1e-4 * length * gain or gain < 1e-6:
                break
            length /= 2
            if length < 1e-10:
                raise DidNotConverge(f"no step improves the fit after {iteration} iterations")
        values = values + length * step
        log_likelihood = trial
    raise DidNotConverge(
        f"not converged after {_MOST_ITERATIONS} Newton steps; the estimate probably does not exist"
    )


def cluster_scores(cells: ModelCells, values: Array) -> Array:
    """Return each cluster's score at ``values``, shape (n_clusters, n_parameters)."""
    left, right, indecision = _probabilities(cells.difference, cells, values)
    total = cells.counts.sum(axis=1)
    pull = 0.5 * (cells.counts[:, LEFT] - cells.counts[:, RIGHT] - total * (left - right))
    per_cell = cells.difference * pull[:, None]
    if cells.has_lambda:
        per_cell = np.column_stack([per_cell, cells.counts[:, INDECISION] - total * indecision])
    scores = np.zeros((cells.n_clusters, len(cells.names)))
    observed = cells.cluster >= 0
    np.add.at(scores, cells.cluster[observed], per_cell[observed])
    return scores


def _scaled(difference: Array) -> tuple[Array, Array]:
    """Divide each term by its largest difference, so that years and drinks are alike to the solver."""
    scale = np.abs(difference).max(axis=0, initial=0.0)
    scale[scale == 0] = 1.0
    return difference / scale, scale


def _log_probabilities(difference: Array, cells: ModelCells, values: Array) -> Array:
    half = 0.5 * difference @ values[: difference.shape[1]]
    pull = np.where(cells.offered, values[-1], -np.inf) if cells.has_lambda else np.full(len(half), -np.inf)
    scores = np.column_stack([half, -half, pull])
    top = scores.max(axis=1, keepdims=True)
    return np.asarray(scores - top - np.log(np.exp(scores - top).sum(axis=1, keepdims=True)))


def _probabilities(difference: Array, cells: ModelCells, values: Array) -> tuple[Array, Array, Array]:
    probabilities = np.exp(_log_probabilities(difference, cells, values))
    return probabilities[:, LEFT], probabilities[:, RIGHT], probabilities[:, INDECISION]


def _log_likelihood(difference: Array, cells: ModelCells, counts: Array, values: Array) -> float:
    terms = _log_probabilities(difference, cells, values)
    return float((counts[counts > 0] * terms[counts > 0]).sum())


def _derivatives(difference: Array, cells: ModelCells, counts: Array, values: Array) -> tuple[Array, Array]:
    left, right, indecision = _probabilities(difference, cells, values)
    total = counts.sum(axis=1)
    lead = left - right
    score = difference.T @ (0.5 * (counts[:, LEFT] - counts[:, RIGHT] - total * lead))
    information = difference.T @ (difference * (total * 0.25 * (left + right - lead**2))[:, None])
    if not cells.has_lambda:
        return score, information
    cross = difference.T @ (-0.5 * total * lead * indecision)
    own = float((total * indecision * (1 - indecision)).sum())
    score = np.append(score, float((counts[:, INDECISION] - total * indecision).sum()))
    return score, np.block([[information, cross[:, None]], [cross[None, :], np.array([[own]])]])


def _recession_direction(cells: ModelCells) -> Array | None:
    """Return a direction along which the likelihood never falls and somewhere rises, or None."""
    n_terms = cells.difference.shape[1]
    half = 0.5 * _scaled(cells.difference)[0]
    zero = np.zeros_like(half)
    if cells.has_lambda:
        left = np.column_stack([half, np.zeros(len(half))])
        right = np.column_stack([-half, np.zeros(len(half))])
        indecision = np.column_stack([zero, np.ones(len(half))])
    else:
        left, right, indecision = half, -half, zero
    features = (left, right, indecision)
    rows = []
    for chosen in (LEFT, RIGHT, INDECISION):
        seen = cells.counts[:, chosen] > 0
        for other in (LEFT, RIGHT, INDECISION):
            if other != chosen:
                possible = seen & cells.offered if INDECISION in (chosen, other) else seen
                rows.append(features[chosen][possible] - features[other][possible])
    constraints = np.unique(np.round(np.vstack(rows), 12), axis=0)
    constraints = constraints[np.abs(constraints).sum(axis=1) > 0]
    n = n_terms + cells.has_lambda
    if not len(constraints):
        return np.ones(n) if n else None
    result = linprog(
        -constraints.sum(axis=0), A_ub=-constraints, b_ub=np.zeros(len(constraints)), bounds=[(-1, 1)] * n
    )
    if not result.success or result.fun is None:
        raise DidNotConverge(f"the existence of the estimate could not be decided: {result.message}")
    return np.asarray(result.x) if -result.fun > _DIRECTION_TOLERANCE else None


def _listed(names: list[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
