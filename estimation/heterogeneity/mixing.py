"""Likelihoods of respondents who follow one of several sets of parameters, nobody knows which."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import minimize
from scipy.special import logsumexp

from estimation.assembly import Assembled, assemble
from estimation.choice_model import ModelCells, Optima, parameter_scale
from estimation.dataset import ChoiceData, Clustering
from estimation.errors import DidNotConverge, EstimationError
from estimation.indecision.rule import Evaluated
from estimation.specification import Specification

Array = NDArray[np.float64]

# Numbers held at once while many sets of parameters are evaluated.
_MOST_AT_ONCE = 20_000_000
_MOST_ITERATIONS = 2000
# Where L-BFGS stops, in log-likelihood units per step of a parameter scaled to its largest predictor.
_GRADIENT_TOLERANCE = 1e-5
# Above this the surface was not flat where the ascent ended, and the result is refused.
_GRADIENT_REFUSED = 1e-2
# Ends of starts within so many log-likelihood units are the same maximum.
_SAME = 1e-2
# Stands for an infinite loss.
_CLIFF = 1e10
# Step of the differences that give the observed information, in scaled parameters.
_DIFFERENCE = 1e-4


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Respondents:
    """Answers by respondent, with cells that no parameter tells apart joined into one."""

    assembled: Assembled
    """The model as assembled, whose ``report`` turns parameters into reported quantities."""
    cells: ModelCells
    """The joined cells; all are observed, and prior answers are in ``prior``."""
    table: sparse.csr_array
    """Choices, shape (n_respondents, 3 * n_cells), column ``3 * cell + choice``."""
    prior: Array
    """Prior answers, shape (n_cells, 3)."""
    names: tuple[str, ...]
    """Of the respondents."""
    free: NDArray[np.bool_]
    """Parameters that answers depend on; a ghost profile's strength is none. Shape (n_parameters,)."""
    scale: Array
    """Each parameter's largest part in a predictor, shape (n_parameters,)."""

    @property
    def n(self) -> int:
        """Number of respondents with an answer that the model uses."""
        return int(self.table.shape[0])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Mixed:
    """The likelihood of a mixture and its slopes."""

    log_likelihood: float
    """Of the answers, prior answers excluded."""
    memberships: Array
    """Probability of each component given a respondent's answers, shape (n_respondents, n_components)."""
    slopes: Array
    """Derivatives of the log-likelihood by each component's parameters, shape (n_components, n_parameters)."""
    in_component: Array
    """Respondents expected in each component, shape (n_components,)."""
    prior: Array
    """Log-likelihood of the prior answers under each component, shape (n_components,)."""
    prior_slopes: Array
    """Shape (n_components, n_parameters)."""


def respondents(data: ChoiceData, spec: Specification, *, prior_answers: float) -> Respondents:
    """Arrange counts by respondent for a model with a concave likelihood.

    Raises
    ------
    EstimationError
        The answers do not name several respondents, or the model is none of those whose likelihood is concave.
    """
    check_concave(spec)
    if data.by_cluster is None or data.clustering is not Clustering.RESPONDENT:
        raise EstimationError(
            "how respondents differ can only be told from answers that name several respondents; fill in "
            "'respondent', or fit one model for all (equipoise estimate fit)"
        )
    assembled = assemble(data, spec, prior_answers=prior_answers)
    cells = assembled.cells
    table = cells.by_cluster
    assert table is not None  # noqa: S101 - the data's is not
    used = data.by_cluster @ np.repeat(np.isin(np.arange(len(data.left)), assembled.cell_of), 3)
    if not spec.uses_indecision and not spec.half_wins:
        used = data.by_cluster @ np.tile([1.0, 1.0, 0.0], len(data.left))
    names = tuple(name for name, n in zip(data.cluster_names, used, strict=True) if n > 0)
    rows = cells.design[: cells.n_observed * cells.rule.n_predictors]
    free = np.asarray(abs(sparse.csr_array(rows)).sum(axis=0)).ravel() > 0
    joined, place = _joined(cells)
    n = len(joined.offered)
    wide = sparse.csr_array(
        (
            np.ones(3 * cells.n_observed),
            (
                np.arange(3 * cells.n_observed),
                (3 * place[: cells.n_observed, None] + np.arange(3)).ravel(),
            ),
        ),
        shape=(3 * cells.n_observed, 3 * n),
    )
    prior = np.zeros((n, 3))
    np.add.at(prior, place[cells.n_observed :], cells.counts[cells.n_observed :])
    return Respondents(
        assembled=assembled,
        cells=joined,
        table=sparse.csr_array(table @ wide),
        prior=prior,
        names=names,
        free=free,
        scale=parameter_scale(joined),
    )


def check_concave(spec: Specification) -> None:
    """Raise :class:`EstimationError` unless the model has a single maximum and effects of any sign."""
    spec.check()
    if not spec.rule(1).concave or spec.components:
        raise EstimationError(
            f"{spec.model} may have several maxima even for alike respondents; tell respondents apart with "
            "min-delta, davidson, rao-kupper, min-u, conditional-logit or bradley-terry"
        )
    if spec.shape.monotone:
        raise EstimationError(
            "respondents may differ in the direction of an effect, so effects cannot be held monotone here; "
            "leave monotone effects out"
        )


def _joined(cells: ModelCells) -> tuple[ModelCells, NDArray[np.intp]]:
    """Join cells with the same predictors; return them, and each old cell's place among them."""
    n = len(cells.counts)
    if sparse.issparse(cells.design):
        return replace(cells, by_cluster=None, n_observed=n), np.arange(n)
    design = np.asarray(cells.design).reshape(n, -1)
    key = np.round(np.column_stack([design, cells.offered]), 12)
    _, at, place = np.unique(key, axis=0, return_index=True, return_inverse=True)
    place = np.asarray(place).ravel()
    counts = np.zeros((len(at), 3))
    np.add.at(counts, place, cells.counts)
    joined = replace(
        cells,
        design=design[at].reshape(len(at) * cells.rule.n_predictors, -1),
        counts=counts,
        offered=cells.offered[at],
        by_cluster=None,
        n_observed=len(at),
    )
    return joined, place


def evaluate(people: Respondents, values: Array) -> Evaluated:
    """Evaluate the model at sets of parameters, shape (n_components, n_parameters)."""
    cells = people.cells
    predictors = np.asarray((cells.design @ values.T).T)
    return cells.rule.evaluate(
        predictors.reshape(len(values), len(cells.offered), cells.rule.n_predictors), cells.offered
    )


def log_likelihoods(people: Respondents, values: Array) -> Array:
    """Return each respondent's log-likelihood under sets of parameters, shape (n_respondents, n_components)."""
    block = _block(people)
    parts = [
        people.table @ _counted_log_p(people, evaluate(people, values[i : i + block]))
        for i in range(0, len(values), block)
    ]
    return np.hstack(parts)


def mixed(
    people: Respondents, values: Array, log_shares: Array, *, respondent_weights: Array | None = None
) -> Mixed:
    """Return the likelihood of respondents who each follow one of several sets of parameters.

    Parameters
    ----------
    values
        Shape (n_components, n_parameters).
    log_shares
        Logarithms of the components' shares, shape (n_components,).
    respondent_weights
        Of a bootstrap, shape (n_respondents,); 1 each if None.
    """
    block = _block(people)
    # What fits in memory is evaluated once, for the memberships and for the slopes.
    whole = evaluate(people, values) if len(values) <= block else None
    found = log_likelihoods(people, values) if whole is None else people.table @ _counted_log_p(people, whole)
    joint = found + log_shares
    each = logsumexp(joint, axis=1)
    memberships = np.exp(joint - each[:, None])
    weights = np.ones(people.n) if respondent_weights is None else respondent_weights
    weighted = memberships * weights[:, None]
    n_cells = len(people.cells.offered)
    tables = np.asarray((people.table.T @ weighted).T).reshape(len(values), n_cells, 3)
    prior = np.empty(len(values))
    slopes, prior_slopes = np.empty_like(values), np.empty_like(values)
    for i in range(0, len(values), block):
        part = slice(i, i + block)
        evaluated = evaluate(people, values[part]) if whole is None else whole
        slopes[part] = _slopes(people, np.einsum("ckj,ckjm->ckm", tables[part], evaluated.first))
        prior_slopes[part] = _slopes(people, np.einsum("kj,ckjm->ckm", people.prior, evaluated.first))
        log_p = np.where(people.prior > 0, evaluated.log_p, 0.0)
        prior[part] = np.einsum("ckj,kj->c", log_p, people.prior)
    return Mixed(
        log_likelihood=float(weights @ each),
        memberships=memberships,
        slopes=slopes,
        in_component=weighted.sum(axis=0),
        prior=prior,
        prior_slopes=prior_slopes,
    )


def respondent_slopes(people: Respondents, values: Array) -> Array:
    """Return the derivatives of each respondent's log-likelihood, shape (n_respondents, n_parameters).

    Parameters
    ----------
    values
        One set of parameters, shape (n_parameters,).
    """
    first = evaluate(people, values[None]).first[0]
    n, _, m = first.shape
    row = np.repeat(np.arange(3 * n), m)
    column = np.repeat(np.arange(n * m).reshape(n, 1, m), 3, axis=1).ravel()
    by_predictor = people.table @ sparse.csr_array((first.ravel(), (row, column)), shape=(3 * n, n * m))
    slopes = by_predictor @ people.cells.design
    return np.asarray(slopes.toarray() if sparse.issparse(slopes) else slopes)


def _counted_log_p(people: Respondents, evaluated: Evaluated) -> Array:
    """Return log-probabilities by column of the table, shape (3 * n_cells, n_components)."""
    # Indecision that was not offered has probability 0 and no answers; nobody counts it.
    possible = people.cells.offered[:, None] | np.array([True, True, False])
    log_p = np.where(possible, evaluated.log_p, 0.0)
    return np.asarray(log_p.reshape(len(log_p), -1).T)


def _slopes(people: Respondents, by_predictor: Array) -> Array:
    return np.asarray((people.cells.design.T @ by_predictor.reshape(len(by_predictor), -1).T).T)


def _block(people: Respondents) -> int:
    m = people.cells.rule.n_predictors
    return max(1, _MOST_AT_ONCE // (len(people.cells.offered) * 3 * (m * m + m + 1)))


Objective = Callable[[Array], tuple[float, Array]]
"""From parameters to a log-likelihood and its derivatives."""


@dataclass(frozen=True, slots=True, eq=False)
class Ascent:
    """Where an ascent ended."""

    at: Array
    value: float
    residual: float
    """Largest absolute derivative there."""


def ascend(objective: Objective, start: Array) -> Ascent:
    """Climb to a maximum by L-BFGS.

    Raises
    ------
    DidNotConverge
        The surface is not flat where it ended.
    """

    def downhill(at: Array) -> tuple[float, Array]:
        with np.errstate(invalid="ignore"):
            value, slopes = objective(at)
        if not np.isfinite(value):
            # Beyond a wall, such as a threshold of 0: the search turns back from a cliff, but not from infinity.
            return _CLIFF, np.zeros_like(at)
        return -value, -slopes

    ended = minimize(
        downhill,
        start,
        jac=True,
        method="L-BFGS-B",
        options={
            "maxiter": _MOST_ITERATIONS,
            "maxfun": 2 * _MOST_ITERATIONS,
            "maxcor": 30,
            "ftol": 1e-14,
            "gtol": _GRADIENT_TOLERANCE,
        },
    )
    residual = float(np.abs(ended.jac).max(initial=0.0))
    if ended.fun >= _CLIFF or residual > _GRADIENT_REFUSED:
        raise DidNotConverge(
            f"expected and observed choices still differ by {residual:.2g} after {ended.nit} steps; "
            "use fewer classes or attributes, or collect more answers"
        )
    return Ascent(np.asarray(ended.x), -float(ended.fun), residual)


def optima_of(reached: Sequence[float]) -> Optima:
    """Say how far the ends of several starts are apart.

    Parameters
    ----------
    reached
        Log-likelihoods at the ends, the greatest first.
    """
    distinct = [reached[0]]
    for value in reached[1:]:
        if distinct[-1] - value > _SAME:
            distinct.append(value)
    n_best = sum(reached[0] - value <= _SAME for value in reached)
    return Optima(n_starts=len(reached), n_best=n_best, log_likelihoods=tuple(distinct))


def observed_information(objective: Objective, at: Array) -> Array:
    """Return minus the second derivatives at a maximum, by central differences of the first ones."""
    information = np.empty((len(at), len(at)))
    for i in range(len(at)):
        step = np.zeros(len(at))
        step[i] = _DIFFERENCE
        information[i] = (objective(at - step)[1] - objective(at + step)[1]) / (2 * _DIFFERENCE)
    return (information + information.T) / 2


def clustered_covariance(information: Array, slopes: Array) -> Array | None:
    """Return the sandwich covariance by respondents, times N/(N-1); None where the information is singular.

    Parameters
    ----------
    information
        Minus the second derivatives, shape (n, n).
    slopes
        Each respondent's derivatives, shape (n_respondents, n).
    """
    size = np.sqrt(np.maximum(np.abs(np.diag(information)), 1e-300))
    curvature = np.linalg.eigvalsh(information / size / size[:, None])
    if curvature[0] < 1e-10 * len(information):
        return None
    inverse = np.linalg.inv(information)
    centered = slopes - slopes.mean(axis=0)
    n = len(slopes)
    return np.asarray(inverse @ (centered.T @ centered) @ inverse * (n / (n - 1)))
