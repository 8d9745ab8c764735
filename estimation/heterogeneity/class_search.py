"""The search for latent classes: starts, expectation and maximization, and the last ascent."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from estimation.choice_model import maximize, maximize_tables
from estimation.errors import DidNotConverge
from estimation.heterogeneity.mixing import Ascent, Objective, Respondents, ascend, log_likelihoods, mixed

Array = NDArray[np.float64]

# A start lends a class one respondent's answers and so many average ones, so that it begins at a finite place.
_AVERAGE_ANSWERS = 10.0
# Rounds of expectation and maximization before the faster ascent takes over.
_ROUNDS = 12
_LEAST_SHARE = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class ClassSolution:
    """Where a start ended: classes by share, the largest first."""

    values: Array
    """Parameters by class, shape (n_classes, n_parameters)."""
    log_shares: Array
    """Shape (n_classes,)."""
    objective: float
    """Log-likelihood, prior answers included."""
    residual: float
    """Largest absolute derivative."""

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return len(self.values)


def search_classes(
    people: Respondents,
    n_classes: int,
    *,
    n_starts: int,
    seed: int,
    before: ClassSolution | None = None,
) -> tuple[list[ClassSolution], int]:
    """Climb from several starts; return where they ended, the best first, and how many starts ended nowhere.

    Parameters
    ----------
    before
        A solution with one class less, from which the first start begins.

    Raises
    ------
    DidNotConverge
        Every start ended where the likelihood is not flat.
    """
    if n_classes == 1:
        # The likelihood of one class is concave: there is one maximum.
        return [_finish(people, maximize(people.cells).values[None], np.zeros(1))], 0
    rng = np.random.default_rng([seed, n_classes])
    values, log_shares = _starts(people, rng, n_classes, n_starts, before)
    values, log_shares = _rounds(people, values, log_shares)
    found: list[ClassSolution] = []
    failures: list[DidNotConverge] = []
    for v, shares in zip(values, log_shares, strict=True):
        try:
            found.append(_finish(people, v, shares))
        except DidNotConverge as error:
            failures.append(error)
    if not found:
        raise failures[0]
    return sorted(found, key=lambda solution: -solution.objective), len(failures)


def _starts(
    people: Respondents, rng: np.random.Generator, n_classes: int, n_starts: int, before: ClassSolution | None
) -> tuple[Array, Array]:
    """Return parameters of shape (n_starts, n_classes, n_parameters) and log-shares (n_starts, n_classes)."""
    pooled = people.cells.counts - people.prior
    pooled = pooled * (_AVERAGE_ANSWERS / pooled.sum())
    chosen = np.array([rng.choice(people.n, size=n_classes, replace=False) for _ in range(n_starts)])
    tables = people.table[chosen.ravel()].toarray().reshape(n_starts * n_classes, -1, 3)
    values = maximize_tables(people.cells, tables + pooled + people.prior, maximize(people.cells).values)
    values = values.reshape(n_starts, n_classes, -1)
    log_shares = np.full((n_starts, n_classes), -np.log(n_classes))
    if before is not None and before.n_classes == n_classes - 1 and before.values.shape[1] == values.shape[2]:
        # So that more classes hardly ever end at a worse fit than fewer.
        values[0, :-1] = before.values
        log_shares[0, :-1] = before.log_shares + np.log1p(-1 / n_classes)
    return values, log_shares


def _rounds(people: Respondents, values: Array, log_shares: Array) -> tuple[Array, Array]:
    """Do some rounds of expectation and maximization for all starts at once."""
    n_starts, n_classes, n_parameters = values.shape
    for _ in range(_ROUNDS):
        joint = log_likelihoods(people, values.reshape(-1, n_parameters)).reshape(-1, n_starts, n_classes)
        joint += log_shares
        memberships = np.exp(joint - logsumexp(joint, axis=2, keepdims=True))
        shares = np.maximum(memberships.mean(axis=0), _LEAST_SHARE)
        log_shares = np.log(shares / shares.sum(axis=1, keepdims=True))
        flat = memberships.reshape(len(memberships), -1)
        tables = np.asarray((people.table.T @ flat).T).reshape(flat.shape[1], -1, 3) + people.prior
        flat_values = maximize_tables(people.cells, tables, values.reshape(-1, n_parameters))
        values = flat_values.reshape(n_starts, n_classes, n_parameters)
    return values, log_shares


def _finish(people: Respondents, values: Array, log_shares: Array) -> ClassSolution:
    ended: Ascent = ascend(class_objective(people, len(values)), packed(people, values, log_shares))
    values, log_shares = unpacked(people, ended.at, len(values))
    order = np.argsort(-log_shares, kind="stable")
    return ClassSolution(values[order], log_shares[order], ended.value, ended.residual)


def class_objective(people: Respondents, n_classes: int) -> Objective:
    """Return the log-likelihood, prior answers included, as a function of :func:`packed` parameters."""

    def objective(at: Array) -> tuple[float, Array]:
        values, log_shares = unpacked(people, at, n_classes)
        state = mixed(people, values, log_shares)
        slopes = (state.slopes + state.prior_slopes) / people.scale
        shares = state.in_component - people.n * np.exp(log_shares)
        return state.log_likelihood + float(state.prior.sum()), np.concatenate([slopes.ravel(), shares[1:]])

    return objective


def packed(people: Respondents, values: Array, log_shares: Array) -> Array:
    """Return one vector: scaled parameters class by class, then log-odds of the shares against the first."""
    return np.concatenate([(values * people.scale).ravel(), log_shares[1:] - log_shares[0]])


def unpacked(people: Respondents, at: Array, n_classes: int) -> tuple[Array, Array]:
    """Return parameters by class and log-shares; inverse of :func:`packed`."""
    n = n_classes * people.cells.n_parameters
    odds = np.concatenate([[0.0], at[n:]])
    return at[:n].reshape(n_classes, -1) / people.scale, odds - logsumexp(odds)
