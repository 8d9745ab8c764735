"""A model of indecision over counts: its likelihood and its maximum.

One code serves every rule of ``estimation.indecision``: a rule says how a comparison's predictors become
probabilities, and the design says how parameters become predictors. Many count tables (bootstraps) or many starts
are maximized at once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import minimize

from estimation.errors import DidNotConverge
from estimation.indecision.rule import Evaluated, Rule

Array = NDArray[np.float64]

_MOST_ITERATIONS = 100
# Newton on a concave likelihood converges quadratically; once the expected gain of a step is below this many
# log-likelihood units, the parameters are exact to many more digits than any answer set supports.
_GAIN_TOLERANCE = 1e-12
# Below so many numbers the information of all tables is one matrix product; above, one product per table.
_MOST_PRODUCTS = 4_000_000
# Numbers held at once while many tables are maximized.
_MOST_AT_ONCE = 20_000_000
# Ends of a search so close to the best, and at most so many, are polished where the likelihood has kinks.
_WORTH_POLISHING = 1.0
_MOST_POLISHED = 5
# Designs with more numbers than this are kept sparse: with free profiles nearly all are zero.
_MOST_DENSE = 5_000_000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ModelCells:
    """What the likelihood needs: one row per cell with an answer that the model uses."""

    rule: Rule
    design: Array | sparse.csr_array
    """Predictors by parameter, shape (n_cells * n_predictors, n_parameters)."""
    counts: Array
    """Left, right, indecision, shape (n_cells, 3)."""
    offered: NDArray[np.bool_]
    """Shape (n_cells,)."""
    names: tuple[str, ...]
    """One per parameter."""
    lower: Array
    """Least value of each parameter, minus infinity where there is none (monotone effects have 0)."""
    upper: Array
    by_cluster: sparse.csr_array | None
    """Each cluster's choices, shape (n_clusters, 3 * n_observed); None if every answer is its own cluster."""
    n_observed: int
    """So many cells, the first ones, hold answers; those after them hold prior answers, which no cluster gave."""

    @property
    def n_parameters(self) -> int:
        """Parameters, those of the regularization included."""
        return len(self.names)

    @property
    def n_clusters(self) -> int:
        """Clusters with an answer that the model uses: only they tell how much answers vary."""
        if self.by_cluster is None:
            return round(float(self.counts[: self.n_observed].sum()))
        return int(self.by_cluster.shape[0])

    @property
    def is_bounded(self) -> bool:
        """Whether a parameter has a bound."""
        return bool(np.isfinite(self.lower).any() or np.isfinite(self.upper).any())


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Maximum:
    """A maximum of the likelihood."""

    values: Array
    """Parameters in the order of ``names``, shape (n_parameters,)."""
    log_likelihood: float
    """Over all answers, prior answers excluded."""
    information: Array
    """Minus the second derivative of the log-likelihood, shape (n_parameters, n_parameters)."""
    iterations: int
    residual: float
    """Largest absolute score (observed minus expected choices, each weighed by a predictor of at most 1);
    parameters at a bound excepted."""
    at_bound: NDArray[np.bool_]
    """Parameters held by their bound, shape (n_parameters,)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Optima:
    """Where a search from many starts ended."""

    n_starts: int
    n_best: int
    """Starts that ended within 1e-4 log-likelihood units of the best."""
    log_likelihoods: tuple[float, ...]
    """Distinct optima, best first (to 1e-4)."""


# --- what is fitted at once: one table per row ----------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Ended:
    values: Array
    log_likelihood: Array
    iterations: NDArray[np.intp]
    stalled: NDArray[np.bool_]


def maximize(cells: ModelCells, *, start: Array | None = None) -> Maximum:
    """Find the maximum of the log-likelihood by Newton steps.

    Raises
    ------
    DidNotConverge
        The estimate does not exist (see :mod:`estimation.existence`) or numbers overflow.
    """
    begin = _begin(cells) if start is None else np.asarray(start, dtype=float)
    ended = _climb(cells, cells.counts[None], begin[None])
    if ended.stalled[0] and cells.rule.smooth:
        raise DidNotConverge(f"no step improves the fit after {int(ended.iterations[0])} iterations")
    return _maximum_at(cells, ended.values[0], int(ended.iterations[0]))


def search(cells: ModelCells, starts: Array) -> tuple[Maximum, Optima]:
    """Climb from several starts and return the best end, and how far the ends are apart.

    Parameters
    ----------
    starts
        Shape (n_starts, n_parameters).
    """
    ended = _climb(cells, np.broadcast_to(cells.counts, (len(starts), *cells.counts.shape)), starts)
    if not cells.rule.smooth:
        ended = _over_kinks(cells, ended)
    order = np.argsort(-ended.log_likelihood, kind="stable")
    best = int(order[0])
    if not np.isfinite(ended.log_likelihood[best]):
        raise DidNotConverge(
            "the model gives some answers no chance at all wherever it was tried; use another one"
        )
    reached = ended.log_likelihood[order]
    distinct = [float(reached[0])]
    for value in reached[1:]:
        if distinct[-1] - value > 1e-4:
            distinct.append(float(value))
    optima = Optima(
        n_starts=len(starts),
        n_best=int((reached[0] - reached <= 1e-4).sum()),
        log_likelihoods=tuple(distinct),
    )
    return _maximum_at(cells, ended.values[best], int(ended.iterations[best])), optima


def _over_kinks(cells: ModelCells, ended: _Ended) -> _Ended:
    """Improve the best ends by a search that needs no derivatives: Newton's steps stop at the ridge of a kink."""
    scale = parameter_scale(cells)
    values, log_likelihood = ended.values.copy(), ended.log_likelihood.copy()
    iterations = ended.iterations.copy()

    def loss(scaled: Array) -> float:
        found, *_ = _likelihood(cells, cells.counts[None], scaled[None], scale=scale)
        return -float(found[0])

    best = np.argsort(-log_likelihood, kind="stable")
    near = best[log_likelihood[best] >= log_likelihood[best[0]] - _WORTH_POLISHING][:_MOST_POLISHED]
    for i in near:
        found = minimize(
            loss,
            values[i] * scale,
            method="Nelder-Mead",
            options={"xatol": 1e-9, "fatol": 1e-9, "maxfev": 4_000},
        )
        iterations[i] += found.nit
        if -found.fun > log_likelihood[i]:
            values[i], log_likelihood[i] = found.x / scale, -found.fun
    return _Ended(values, log_likelihood, iterations, ended.stalled)


def maximize_tables(cells: ModelCells, tables: Array, start: Array) -> Array:
    """Maximize the likelihood of many count tables, e.g. those of a bootstrap.

    Parameters
    ----------
    tables
        Shape (n_tables, n_cells, 3), prior answers included.
    start
        Where to begin, shape (n_parameters,), or (n_tables, n_parameters) for one each.

    Returns
    -------
    Array
        Shape (n_tables, n_parameters).
    """
    ended = _climb(cells, tables, np.broadcast_to(start, (len(tables), start.shape[-1])))
    if cells.rule.smooth and ended.stalled.any():
        raise DidNotConverge("a resample has no maximum near the estimate's")
    return ended.values


def _begin(cells: ModelCells) -> Array:
    """Return parameters at which every choice is possible: 0, but thresholds of Rao and Kupper must be above."""
    begin = np.clip(np.zeros(cells.n_parameters), cells.lower, cells.upper)
    value, *_ = _likelihood(cells, cells.counts[None], begin[None], scale=np.ones(cells.n_parameters))
    if not np.isfinite(value).all():
        begin[[i for i, name in enumerate(cells.names) if name == PULL]] = 0.5
    return begin


PULL = "indecision"
"""Name of the pull of indecision (lambda; for Rao and Kupper the threshold c) among parameters."""


def _climb(cells: ModelCells, tables: Array, starts: Array) -> _Ended:
    """Climb in blocks that fit in memory."""
    m = cells.rule.n_predictors
    per_table = len(cells.counts) * 3 * (m * m + m + 1)
    block = max(1, _MOST_AT_ONCE // per_table)
    parts = [
        _climb_block(cells, tables[i : i + block], starts[i : i + block])
        for i in range(0, len(tables), block)
    ]
    return _Ended(
        np.concatenate([p.values for p in parts]),
        np.concatenate([p.log_likelihood for p in parts]),
        np.concatenate([p.iterations for p in parts]),
        np.concatenate([p.stalled for p in parts]),
    )


def _climb_block(cells: ModelCells, tables: Array, starts: Array) -> _Ended:
    scale = parameter_scale(cells)
    lower, upper = cells.lower * scale, cells.upper * scale
    values = starts * scale
    n = len(tables)
    iterations = np.zeros(n, dtype=np.intp)
    stalled = np.zeros(n, dtype=bool)
    log_likelihood, *_ = _likelihood(cells, tables, values, scale=scale)
    going = np.arange(n)
    for _ in range(_MOST_ITERATIONS):
        iterations[going] += 1
        _, score, information = _likelihood(
            cells, tables[going], values[going], scale=scale, derivatives=True
        )
        held = ((values[going] <= lower) & (score < 0)) | ((values[going] >= upper) & (score > 0))
        score = np.where(held, 0.0, score)
        step = _step(cells.rule, information, score, held)
        gain = np.einsum("bp,bp->b", score, step)
        arrived = gain < _GAIN_TOLERANCE
        length = np.ones(len(going))
        trying = ~arrived
        proposed = values[going].copy()
        # Newton's last step costs nothing and doubles the digits.
        proposed[arrived] += step[arrived]
        reached = log_likelihood[going].copy()
        while trying.any():
            at = np.flatnonzero(trying)
            new = np.clip(values[going[at]] + length[at, None] * step[at], lower, upper)
            trial, *_ = _likelihood(cells, tables[going[at]], new, scale=scale)
            # Armijo's rule; near the maximum rounding makes the comparison meaningless, and the full step is right.
            good = trial >= reached[at] + 1e-4 * length[at] * gain[at]
            good |= (gain[at] < 1e-6) & (trial >= reached[at] - 1e-9 * np.abs(reached[at]))
            proposed[at[good]] = new[good]
            reached[at[good]] = trial[good]
            trying[at[good]] = False
            length[at[~good]] /= 2
            lost = trying & (length < 1e-10)
            stalled[going[lost]] = True
            trying[lost] = False
        values[going] = np.clip(proposed, lower, upper)
        log_likelihood[going] = reached
        going = going[~arrived & ~stalled[going]]
        if not len(going):
            return _Ended(values / scale, log_likelihood, iterations, stalled)
    if cells.rule.concave:
        raise DidNotConverge(
            f"not converged after {_MOST_ITERATIONS} Newton steps; the estimate probably does not exist"
        )
    stalled[going] = True
    return _Ended(values / scale, log_likelihood, iterations, stalled)


def _step(rule: Rule, information: Array, score: Array, held: NDArray[np.bool_]) -> Array:
    """Return Newton steps in which parameters held by a bound stay."""
    information = np.where(held[:, :, None] | held[:, None, :], 0.0, information)
    diagonal = np.arange(information.shape[1])
    information[:, diagonal, diagonal] += held
    if rule.concave:
        try:
            return np.asarray(np.linalg.solve(information, score[..., None])[..., 0])
        except np.linalg.LinAlgError:
            raise DidNotConverge("the information matrix is singular: the estimate does not exist") from None
    # Downhill curvature is turned uphill, so that saddles push away instead of drawing in.
    curvature, axes = np.linalg.eigh(information)
    floor = 1e-8 * np.maximum(1.0, np.abs(curvature).max(axis=1, keepdims=True))
    along = np.einsum("bpk,bp->bk", axes, score) / np.maximum(np.abs(curvature), floor)
    return np.asarray(np.einsum("bpk,bk->bp", axes, along))


def _likelihood(
    cells: ModelCells, tables: Array, values: Array, *, scale: Array, derivatives: bool = False
) -> tuple[Array, Array, Array]:
    """Return log-likelihood, score and information by scaled parameters, one row per table."""
    evaluated = _evaluate(cells, values / scale)
    with np.errstate(invalid="ignore"):
        terms = np.where(tables > 0, tables * evaluated.log_p, 0.0)
    log_likelihood = np.where(np.isnan(terms), -np.inf, terms).sum(axis=(1, 2))
    if not derivatives:
        return log_likelihood, np.empty(0), np.empty(0)
    pull = np.einsum("bkj,bkjm->bkm", tables, evaluated.first)
    bend = -np.einsum("bkj,bkjmn->bkmn", tables, evaluated.second)
    n = len(tables)
    score = np.asarray((cells.design.T @ pull.reshape(n, -1).T).T) / scale
    information = (
        _products(cells, bend) if _is_small(cells) else np.stack([_information(cells, b) for b in bend])
    )
    return log_likelihood, score, information / (scale[:, None] * scale)


def _is_small(cells: ModelCells) -> bool:
    m, p = cells.rule.n_predictors, cells.n_parameters
    return not sparse.issparse(cells.design) and len(cells.counts) * (m * p) ** 2 <= _MOST_PRODUCTS


def _products(cells: ModelCells, bend: Array) -> Array:
    """Return the information of all tables as one product with the outer products of the design's rows."""
    m, p = cells.rule.n_predictors, cells.n_parameters
    design = np.asarray(cells.design).reshape(-1, m, p)
    outer = np.einsum("kmp,knq->kmnpq", design, design).reshape(-1, p * p)
    return np.asarray(bend.reshape(len(bend), -1) @ outer).reshape(-1, p, p)


def _information(cells: ModelCells, bend: Array) -> Array:
    """Return the information of one table; ``bend`` has shape (n_cells, n_predictors, n_predictors)."""
    n_cells, m, _ = bend.shape
    row = np.repeat(np.arange(n_cells * m).reshape(n_cells, m, 1), m, axis=2)
    column = np.repeat(np.arange(n_cells * m).reshape(n_cells, 1, m), m, axis=1)
    weight = sparse.csr_array((bend.ravel(), (row.ravel(), column.ravel())), shape=(n_cells * m, n_cells * m))
    product = cells.design.T @ (weight @ cells.design)
    return np.asarray(product.toarray() if sparse.issparse(product) else product)


def _evaluate(cells: ModelCells, values: Array) -> Evaluated:
    """Evaluate the rule at rows of parameters, shape (n_tables, n_parameters)."""
    predictors = np.asarray((cells.design @ values.T).T)
    return cells.rule.evaluate(
        predictors.reshape(len(values), len(cells.counts), cells.rule.n_predictors), cells.offered
    )


def parameter_scale(cells: ModelCells) -> Array:
    """Return each parameter's largest part in a predictor, so that years and drinks are alike to the solver."""
    if isinstance(cells.design, sparse.csr_array):
        largest = np.asarray(abs(cells.design).max(axis=0).toarray()).ravel()
    else:
        largest = np.abs(cells.design).max(axis=0)
    return np.where(largest == 0, 1.0, largest)


def _maximum_at(cells: ModelCells, values: Array, iterations: int) -> Maximum:
    scale = parameter_scale(cells)
    _, score, information = _likelihood(
        cells, cells.counts[None], values[None] * scale, scale=scale, derivatives=True
    )
    at_bound = ((values <= cells.lower) & (score[0] < 0)) | ((values >= cells.upper) & (score[0] > 0))
    return Maximum(
        values=values,
        log_likelihood=log_likelihood_at(cells, values),
        information=information[0] * scale[:, None] * scale,
        iterations=iterations,
        residual=float(np.abs(np.where(at_bound, 0.0, score[0])).max(initial=0.0)),
        at_bound=at_bound,
    )


def log_likelihood_at(cells: ModelCells, values: Array, counts: Array | None = None) -> float:
    """Return the log-likelihood of the observed answers (prior answers excluded) at some parameters.

    Parameters
    ----------
    counts
        Other answers in the same cells, e.g. those held out, shape (n_observed, 3).
    """
    observed = cells.counts[: cells.n_observed] if counts is None else counts
    log_p = _evaluate(cells, values[None]).log_p[0, : cells.n_observed]
    return float((observed[observed > 0] * log_p[observed > 0]).sum())


def probabilities_at(cells: ModelCells, values: Array) -> Array:
    """Return the probabilities of left, right, indecision in the observed cells, shape (n_observed, 3)."""
    return np.asarray(np.exp(_evaluate(cells, values[None]).log_p[0, : cells.n_observed]))


def score_rows(cells: ModelCells, values: Array) -> Array | sparse.csr_array:
    """Return the score of one answer of each kind, shape (3 * n_observed, n_parameters), row 3 * cell + choice."""
    first = _evaluate(cells, values[None]).first[0, : cells.n_observed]
    n, _, m = first.shape
    if not sparse.issparse(cells.design):
        design = np.asarray(cells.design)[: n * m].reshape(n, m, -1)
        return np.asarray(np.einsum("kjm,kmp->kjp", first, design).reshape(3 * n, -1))
    row = np.repeat(np.arange(3 * n), m)
    column = np.repeat(np.arange(n * m).reshape(n, 1, m), 3, axis=1).ravel()
    block = sparse.csr_array((first.ravel(), (row, column)), shape=(3 * n, n * m))
    return sparse.csr_array(block @ cells.design[: n * m])


def with_counts(cells: ModelCells, counts: Array) -> ModelCells:
    """Return the same model of other answers in the same cells, each its own cluster; prior answers stay.

    Parameters
    ----------
    counts
        Shape (n_observed, 3).
    """
    return replace(cells, counts=np.vstack([counts, cells.counts[cells.n_observed :]]), by_cluster=None)


def compact(design: Array) -> Array | sparse.csr_array:
    """Return a design of shape (n_cells, n_predictors, n_parameters) as :attr:`ModelCells.design`."""
    flat = design.reshape(-1, design.shape[-1])
    return sparse.csr_array(flat) if flat.size > _MOST_DENSE else flat
