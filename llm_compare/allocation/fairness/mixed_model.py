"""Linear mixed models of one value per trial and group: a random intercept per problem, and per problem and group.

Fitted by restricted maximum likelihood from what is sufficient for it: number, mean and sum of squares of each
problem's trials of each group. That takes milliseconds, so the fit can be repeated on hundreds of simulated
designs, and a variance of 0 is a result like any other. General fitters stumble there: statsmodels raises
``LinAlgError`` or returns effects of exactly 0 as converged (its issue 10239). Tests hold this fit against
statsmodels where that one works, and against the closed form of balanced designs.

References
----------
Patterson and Thompson (1971), Biometrika 58 (restricted maximum likelihood); Bates et al. (2015), J. Stat. Softw.
67, section 3 (variances relative to the residual's).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

from llm_compare.allocation.fairness.outcomes import Array, Estimate, Ints

ALIKE = 1e-10
"""Below this share of all variation there is none."""
_MOST_RATIO = 1e6
_STARTS = (1e-3, 1e-2, 0.1, 0.3, 1.0, 3.0, 10.0, 100.0)
"""Ratios of variances among which a search for two of them begins."""
_NO_ROWS = "no trial tells the group from others"


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """A fixed effect."""

    effect: Estimate
    se: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MixedFit:
    """A fitted model. Variances are None where nothing could be fitted."""

    intercept: Term
    """The reference group's mean."""
    differences: tuple[Term, ...]
    """Of each group from the reference, by code; the reference's own stands first and has no value."""
    residual_variance: float | None
    problem_variance: float | None
    problem_group_variance: float | None
    """None without that term."""
    n_rows: int
    n_left_out: int
    """Rows without a value: the group was absent or alone in the pool."""
    degrees: str
    """What p-values are taken from, in words."""
    notes: tuple[str, ...]
    """What was out of the ordinary, in words."""


@dataclass(frozen=True, slots=True)
class _Cells:
    """Trials of each problem and group, shape (P, G)."""

    number: Array
    mean: Array
    """0 where there is no trial."""
    within: float
    """Sum of squares about the cells' means."""

    @property
    def n_rows(self) -> int:
        return int(self.number.sum())


@dataclass(frozen=True, slots=True)
class _Fit:
    criterion: float
    means: Array
    covariance: Array
    residual: float
    problem: float
    """Relative to the residual variance."""
    cell: float
    """Relative to the residual variance."""


def fit_mixed(
    values: Array, problem: Ints, group: Ints, n_groups: int, *, with_problem_group: bool
) -> MixedFit:
    """Fit ``value ~ group + (1|problem)``, or with ``+ (1|problem:group)``.

    Parameters
    ----------
    values, problem, group
        Shape (R,): one row per trial and group. Rows whose value is NaN are left out and counted. Group 0 is the
        reference.
    with_problem_group
        Without the term, p-values are normal, as of statsmodels and most likely in the paper, and the repeats of a
        problem count as independent evidence on its groups. With it, they are Student's with one degree of freedom
        less than the problems in which the group occurs.

    Returns
    -------
    Terms that cannot be had are None and say why.
    """
    known = np.isfinite(values)
    left_out = int((~known).sum())
    cells = _cells(values[known], problem[known], group[known], n_groups)
    present = cells.number.sum(axis=0) > 0
    notes: list[str] = []
    reason = _why_not(cells, present)
    if reason:
        return _nothing(n_groups, cells.n_rows, left_out, reason)

    residual_df = cells.n_rows - int((cells.number > 0).sum())
    fitted_cells, with_cells = cells, with_problem_group
    if with_problem_group and cells.within <= ALIKE * _variation(cells):
        # Without variation within cells their own variance takes the residual's place.
        fitted_cells = _Cells((cells.number > 0).astype(float), cells.mean, 0.0)
        with_cells = False
        if residual_df:
            notes.append("the trials of a problem never differ, so the model is fitted to their means")
    fit = _without_variation(cells, present) or _best(fitted_cells, present, with_cells=with_cells)
    if fit.residual == 0:
        notes.append("the values vary only between groups, so there is nothing to judge differences by")
    elif fit.problem == 0:
        notes.append("the variance between problems is 0")
    if fit.residual and with_cells and fit.cell == 0:
        notes.append("the variance of problem:group is 0, so this is the model without that term")

    occurs = (cells.number > 0).sum(axis=0)
    columns = np.cumsum(present) - 1
    intercept_df = occurs[0] - 1.0 if with_problem_group else np.inf
    intercept = _term(
        fit.means[0], fit.covariance[0, 0], intercept_df, int(occurs[0]), cells_alike=_alike_means(cells, 0)
    )
    differences = [Term(effect=Estimate(value=None, reason="the reference"), se=None)]
    for g in range(1, n_groups):
        if not present[g]:
            differences.append(Term(effect=Estimate(value=None, reason=_NO_ROWS), se=None))
            continue
        c = columns[g]
        variance = fit.covariance[c, c] + fit.covariance[0, 0] - 2 * fit.covariance[c, 0]
        df = occurs[g] - 1.0 if with_problem_group else np.inf
        same = np.array_equal(cells.number[:, g], cells.number[:, 0]) and np.allclose(
            cells.mean[:, g], cells.mean[:, 0], rtol=0, atol=1e-12
        )
        differences.append(_term(fit.means[c] - fit.means[0], variance, df, int(occurs[g]), cells_alike=same))
    unit = fit.residual
    return MixedFit(
        intercept=intercept,
        differences=tuple(differences),
        residual_variance=0.0 if with_cells != with_problem_group else unit,
        problem_variance=unit * fit.problem,
        problem_group_variance=(unit * fit.cell if with_cells else unit) if with_problem_group else None,
        n_rows=cells.n_rows,
        n_left_out=left_out,
        degrees="Student's t; problems in which the group occurs, less one"
        if with_problem_group
        else "normal",
        notes=tuple(notes),
    )


def _cells(values: Array, problem: Ints, group: Ints, n_groups: int) -> _Cells:
    n_problems = int(problem.max()) + 1 if len(problem) else 0
    cell, size = problem * n_groups + group, n_problems * n_groups
    number = np.bincount(cell, minlength=size).astype(float)
    total = np.bincount(cell, weights=values, minlength=size)
    mean = np.divide(total, number, out=np.zeros(size), where=number > 0)
    within = float(((values - mean[cell]) ** 2).sum())
    shape = (n_problems, n_groups)
    used = number.reshape(shape).sum(axis=1) > 0
    return _Cells(number.reshape(shape)[used], mean.reshape(shape)[used], within)


def _variation(cells: _Cells) -> float:
    """Return the sum of squares about the overall mean."""
    grand = (cells.number * cells.mean).sum() / cells.number.sum()
    return cells.within + float((cells.number * (cells.mean - grand) ** 2).sum())


def _why_not(cells: _Cells, present: NDArray[np.bool_]) -> str:
    if not cells.n_rows:
        return "no trial tells groups apart"
    if not present[0]:
        return "no trial tells the reference group from others"
    if len(cells.number) < 3:
        return "fewer than three problems tell groups apart"
    if _variation(cells) <= 1e-20 * cells.n_rows:
        return "the values do not vary"
    return ""


def _alike_means(cells: _Cells, g: int) -> bool:
    means = cells.mean[cells.number[:, g] > 0, g]
    return bool((means == 0).all())


def _without_variation(cells: _Cells, present: NDArray[np.bool_]) -> _Fit | None:
    """Return the groups' means where the values do not vary within groups, else nothing."""
    number = cells.number.sum(axis=0)[present]
    means = (cells.number * cells.mean).sum(axis=0)[present] / number
    left = cells.within + float((cells.number[:, present] * (cells.mean[:, present] - means) ** 2).sum())
    if left > ALIKE * _variation(cells):
        return None
    return _Fit(0.0, means, np.zeros((len(means), len(means))), 0.0, 0.0, 0.0)


def _criterion(cells: _Cells, present: NDArray[np.bool_]) -> Callable[[float, float], _Fit]:
    """Return the restricted likelihood's criterion as a function of variances relative to the residual's."""
    filled = cells.number > 0
    number = np.where(filled, cells.number, 1.0)
    mean, n_fixed = cells.mean[:, present], int(present.sum())
    df = cells.n_rows - n_fixed
    least = ALIKE * _variation(cells) / df

    def at(problem: float, cell: float) -> _Fit:
        variance = 1 / number + cell
        weight = np.where(filled, 1 / variance, 0.0)[:, present]
        shrink = problem / (1 + problem * weight.sum(axis=1))
        # X'V^-1 X and X'V^-1 y by Sherman and Morrison: within a problem V = diag(variance) + problem * 11'.
        information = np.diag(weight.sum(axis=0)) - (weight * shrink[:, None]).T @ weight
        seen = (weight * mean).sum(axis=1)
        target = (weight * mean).sum(axis=0) - weight.T @ (shrink * seen)
        inverse = np.linalg.inv(information)
        means = inverse @ target
        left = mean - means
        misfit = float((weight * left**2).sum() - (shrink * (weight * left).sum(axis=1) ** 2).sum())
        # Of values that problem and group determine there would be none, and its logarithm without bound.
        residual = max((cells.within + misfit) / df, least)
        log_determinant = float(
            np.log(number * variance)[filled].sum() + np.log1p(problem * weight.sum(axis=1)).sum()
        )
        sign, log_information = np.linalg.slogdet(information)
        criterion = df * float(np.log(residual)) + log_determinant + float(sign * log_information)
        return _Fit(criterion, means, inverse * residual, residual, problem, cell)

    return at


def _best(cells: _Cells, present: NDArray[np.bool_], *, with_cells: bool) -> _Fit:
    """Return the fit of the smallest criterion; variances of exactly 0 are tried by themselves."""
    at = _criterion(cells, present)
    top = float(np.log(_MOST_RATIO))

    def along(fit: Callable[[float], _Fit]) -> _Fit:
        found = optimize.minimize_scalar(
            lambda x: fit(float(np.exp(x))).criterion,
            bounds=(-top, top),
            method="bounded",
            options={"xatol": 1e-6},
        )
        return fit(float(np.exp(found.x)))

    tried = [at(0.0, 0.0), along(lambda ratio: at(ratio, 0.0))]
    if with_cells:
        tried.append(along(lambda ratio: at(0.0, ratio)))
        # The two alone do not tell where both are best: from there a search can end on the edge, at a worse fit.
        start = np.log(min(product(_STARTS, repeat=2), key=lambda ratios: at(*ratios).criterion))

        def both(x: Array) -> float:
            return at(float(np.exp(x[0])), float(np.exp(x[1]))).criterion

        found = optimize.minimize(
            both, start, method="L-BFGS-B", bounds=((-top, top), (-top, top)), options={"ftol": 1e-13}
        )
        tried.append(at(float(np.exp(found.x[0])), float(np.exp(found.x[1]))))
    # An inner optimum that is no better than a boundary is the boundary.
    return min(tried, key=lambda fit: (round(fit.criterion, 6), (fit.problem > 0) + (fit.cell > 0)))


def _term(value: float, variance: float, df: float, n: int, *, cells_alike: bool) -> Term:
    if cells_alike:
        return Term(effect=Estimate(value=0.0, n=n, reason="the values are the same in every trial"), se=None)
    se = float(np.sqrt(max(variance, 0.0)))
    if se == 0 or df < 1:
        reason = "the values do not vary" if se == 0 else "the group occurs in fewer than two problems"
        return Term(effect=Estimate(value=float(value), n=n, reason=reason), se=None)
    if np.isinf(df):
        quantile, tail = float(special.ndtri(0.975)), float(special.ndtr(-abs(value) / se))
    else:
        quantile, tail = float(special.stdtrit(df, 0.975)), float(special.stdtr(df, -abs(value) / se))
    half = quantile * se
    return Term(
        effect=Estimate(
            value=float(value),
            low=float(value) - half,
            high=float(value) + half,
            p=2 * tail,
            n=n,
        ),
        se=se,
    )


def _nothing(n_groups: int, n_rows: int, left_out: int, reason: str) -> MixedFit:
    missing = Term(effect=Estimate(value=None, reason=reason), se=None)
    return MixedFit(
        intercept=missing,
        differences=(missing,) * n_groups,
        residual_variance=None,
        problem_variance=None,
        problem_group_variance=None,
        n_rows=n_rows,
        n_left_out=left_out,
        degrees="",
        notes=(f"the model was not fitted: {reason}",),
    )
