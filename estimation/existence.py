"""Whether a model has one finite maximum: asked of the data before a fit, or of its end where only that tells."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import linprog

from estimation.choice_model import PULL, Maximum, ModelCells, parameter_scale, score_rows
from estimation.dataset import INDECISION, LEFT, RIGHT
from estimation.errors import DidNotConverge, NotIdentified, Separated

Array = NDArray[np.float64]

# A recession direction is found by a linear programme with unknowns in [-1, 1]; solvers are exact to about 1e-7.
_DIRECTION_TOLERANCE = 1e-6
# A search has ended on a plain, not on a summit, if the log-likelihood bends by less than this many units along
# some direction in which predictors change by about 1: a standard error of a thousand.
_FLAT = 1e-6
# Random places at which a model that is not linear in its parameters is asked whether it can tell them apart.
_PLACES_TRIED = 8


def check_estimable(cells: ModelCells) -> None:
    """Return quietly if the model has exactly one maximum-likelihood estimate, else raise.

    Rules whose likelihood is not concave are only checked for parameters that cannot be told apart; whether their
    maximum is finite shows afterwards, see :func:`check_settled`.

    Raises
    ------
    NotIdentified
        Some parameters change no comparison's probabilities, or always change them together.
    Separated
        Along some direction of the parameters no observed choice ever becomes less likely, so the maximum lies
        at infinity (found by linear programming; Albert and Anderson 1984, Biometrika 71).
    """
    check_identified(cells)
    direction = _recession_direction(cells)
    if direction is not None:
        involved = [n for n, d in zip(cells.names, direction, strict=True) if abs(d) > _DIRECTION_TOLERANCE]
        answers = cells.counts[cells.offered].sum(axis=0)
        if cells.rule.has_pull and 0 in (answers[INDECISION], answers.sum() - answers[INDECISION]):
            involved = [name for name in involved if name.startswith(PULL)] or involved
            raise _without_both(involved, never=answers[INDECISION] == 0)
        raise _runs_away(involved)


def check_settled(cells: ModelCells, maximum: Maximum) -> None:
    """Return quietly if a maximum of a likelihood that is not concave is one, rather than a plain without end.

    Raises
    ------
    Separated
        The likelihood is flat along some direction at the end of the search: its maximum lies at infinity.
    """
    free = np.flatnonzero(~maximum.at_bound)
    scale = parameter_scale(cells)[free]
    curvature, axes = np.linalg.eigh(maximum.information[np.ix_(free, free)] / (scale[:, None] * scale))
    flat = np.abs(curvature) < _FLAT
    if not flat.any():
        return
    involved = [cells.names[free[i]] for i in np.flatnonzero(np.abs(axes[:, flat]).max(axis=1) > 0.1)]
    answers = cells.counts[cells.offered].sum(axis=0)
    if cells.rule.has_pull and 0 in (answers[INDECISION], answers.sum() - answers[INDECISION]):
        raise _without_both(involved, never=answers[INDECISION] == 0)
    raise _runs_away(involved)


def _without_both(involved: list[str], *, never: bool) -> Separated:
    """Say that answers are all indecision, or never."""
    if never:
        return Separated(
            "no answer is an indecision, so its pull has no finite estimate. Use a model of decided answers "
            "(--model bradley-terry or conditional-logit), or add prior answers (--regularize if-needed)",
            involved,
        )
    return Separated(
        "every answer that could be is an indecision, so its pull has no finite estimate. Collect more answers, or "
        "add prior answers (--regularize if-needed), which the result will say",
        involved,
    )


def _runs_away(involved: list[str]) -> Separated:
    return Separated(
        f"the answers follow a rule without exception in {_listed(involved)}, so no finite estimate fits "
        "best. Collect more answers, or add prior answers (--regularize if-needed), which the result will say",
        involved,
    )


def check_identified(cells: ModelCells) -> None:
    """Return quietly if the comparisons can tell all parameters apart, whatever the answers, else raise.

    Raises
    ------
    NotIdentified
        Some parameters change no comparison's probabilities, or always change them together.
    """
    if cells.rule.concave:
        rows = np.unique(np.round(_difference_rows(cells, seen_only=False), 12), axis=0)
        _check_rank(cells, rows)
        return
    # How probabilities depend on parameters differs from place to place: what no random place tells apart, none
    # does (Catchpole and Morgan 1997, Biometrika 84).
    rng = np.random.default_rng(0)
    for attempt in range(_PLACES_TRIED):
        try:
            _check_rank(
                cells, _slopes_at(cells, rng.standard_normal(cells.n_parameters) / parameter_scale(cells))
            )
        except NotIdentified:
            if attempt == _PLACES_TRIED - 1:
                raise
        else:
            return


def _slopes_at(cells: ModelCells, values: Array) -> Array:
    """Return the score of one answer of each possible kind, at values made possible, by parameter."""
    # A threshold of indecision, where a component has one, must be above 0.
    pulls = [i for i, name in enumerate(cells.names) if name.startswith(PULL)]
    values[pulls] = np.abs(values[pulls]) + 0.1
    rows = score_rows(replace(cells, n_observed=len(cells.counts)), values)
    possible = np.column_stack([np.ones((len(cells.counts), 2), dtype=bool), cells.offered]).ravel()
    dense = np.asarray(rows.toarray() if sparse.issparse(rows) else rows)[possible]
    return np.asarray(dense[np.isfinite(dense).all(axis=1)])


def _check_rank(cells: ModelCells, rows: Array) -> None:
    scaled = rows / np.where(
        np.abs(rows).max(axis=0, initial=0.0) == 0, 1.0, np.abs(rows).max(axis=0, initial=0.0)
    )
    # The triangular factor has the same null space, and no side as long as the data.
    triangle = np.linalg.qr(scaled, mode="r")
    _, singular, directions = np.linalg.svd(triangle, full_matrices=True)
    rank = int((singular > 1e-9 * max(1.0, singular.max(initial=0.0))).sum())
    if rank < scaled.shape[1]:
        loose = np.flatnonzero(np.abs(directions[rank:]).max(axis=0) > 1e-6)
        involved = [cells.names[i] for i in loose if i < len(cells.names)]
        raise NotIdentified(
            f"these comparisons cannot tell {_listed(involved)} apart or never vary them: ask comparisons "
            "in which they differ separately, or leave attributes out",
            involved,
        )


def _difference_rows(cells: ModelCells, *, seen_only: bool) -> Array:
    """Return what decides existence: a row per cell and choice, times the parameters' direction, must be >= 0."""
    m = cells.rule.n_predictors
    rows = []
    for offered in (False, True):
        of_kind = cells.offered == offered
        for choice in (LEFT, RIGHT, INDECISION):
            if choice == INDECISION and not offered:
                continue
            better = cells.rule.never_worse(choice, offered)
            seen = np.flatnonzero(of_kind & (cells.counts[:, choice] > 0) if seen_only else of_kind)
            if better is None or not len(seen):
                continue
            rows_seen = (seen[:, None] * m + np.arange(m)).ravel()
            whole = cells.design
            own = whole[rows_seen].toarray() if isinstance(whole, sparse.csr_array) else whole[rows_seen]
            design = np.asarray(own).reshape(len(seen), m, -1)
            rows.append(np.einsum("rm,kmp->krp", better, design).reshape(-1, cells.n_parameters))
    return np.vstack(rows) if rows else np.eye(cells.n_parameters)


def _recession_direction(cells: ModelCells) -> Array | None:
    """Return a direction along which the likelihood never falls and somewhere rises, or None."""
    if not cells.rule.concave:
        return None
    rows = _difference_rows(cells, seen_only=True)
    scale = parameter_scale(cells)
    constraints = np.unique(np.round(rows / scale, 12), axis=0)
    constraints = constraints[np.abs(constraints).sum(axis=1) > 0]
    n = cells.n_parameters
    if not len(constraints):
        return np.ones(n) if n else None
    bounds = [
        (0.0 if np.isfinite(lo) else -1.0, 0.0 if np.isfinite(hi) else 1.0)
        for lo, hi in zip(cells.lower, cells.upper, strict=True)
    ]
    result = linprog(
        -constraints.sum(axis=0), A_ub=-constraints, b_ub=np.zeros(len(constraints)), bounds=bounds
    )
    if not result.success or result.fun is None:
        raise DidNotConverge(f"the existence of the estimate could not be decided: {result.message}")
    return np.asarray(result.x) if -result.fun > _DIRECTION_TOLERANCE else None


def _listed(names: list[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
