"""How well a fitted model describes the answers it was fitted to: deviance, residuals by pair, calibration."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse, stats

from estimation.assembly import Assembled, assemble
from estimation.choice_model import probabilities_at, score_rows
from estimation.dataset import INDECISION, LEFT, RIGHT, ChoiceData
from estimation.effects import EffectKind
from estimation.results import Fit, Outcome
from estimation.weights import AttributeWeights

Array = NDArray[np.float64]

# Below a mean expected count of 1 the deviance is nowhere near a chi-squared variable, so no p is given.
_FEWEST_ON_AVERAGE = 1.0
# Cochran's rule (1954, Biometrics 10): at most a fifth of the expected counts below 5, none below 1.
_SMALL, _TINY, _MOST_SMALL = 5.0, 1.0, 0.2
# With fewer answers than this, one improbable answer makes an enormous residual that says nothing.
_FEWEST_FOR_RESIDUAL = 5
_CALIBRATION_BINS = 10
# Adjusted residuals need a row of this many numbers per residual; beyond, only Pearson residuals are given.
_MOST_ROWS = 50_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class GoodnessOfFit:
    """A model against the saturated one, which gives every table of counts its own probabilities."""

    deviance: float
    """Twice the log-likelihood that the saturated model is ahead."""
    pearson: float
    """Sum of (observed - expected)^2 / expected."""
    df: int
    """Free probabilities of the saturated model, less the model's parameters."""
    n_tables: int
    """Pairs, or presentations, with answers; each is a table of its alternatives."""
    smallest_expected: float
    share_small: float
    """Share of the expected counts below 5."""
    p_deviance: float | None
    """Chance of a larger deviance if the model holds and answers are independent. None where expected counts are so
    small that the deviance has no chi-squared distribution, or no degrees of freedom are left."""
    p_pearson: float | None
    warning: str
    """Why the p values cannot be trusted; empty if nothing speaks against them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Residual:
    """One alternative of one pair: how often it was chosen, and how often the model expects it."""

    first: str
    second: str
    choice: str
    """The profile chosen, or ``indecision``."""
    group: str
    """The group of the answers; empty where there are no groups."""
    n: int
    """Answers to the pair."""
    observed: float
    expected: float
    pearson: float
    """(observed - expected) / sqrt(n p (1 - p))."""
    adjusted: float | None
    """The same over its own standard error, which is smaller because parameters were fitted to these answers;
    about standard normal. None where it cannot be computed (regularized or very large fits)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationBin:
    """Predictions of about the same probability: how often what they predict came true."""

    low: float
    high: float
    n: float
    """Predictions: each answer counts once for every alternative on offer."""
    predicted: float
    """Mean predicted probability."""
    observed: float
    """Share of them that came true."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelQuality:
    """What :func:`quality` finds."""

    as_shown: GoodnessOfFit
    """Against the saturated model of the presentations: which profile was left matters."""
    by_pair: GoodnessOfFit | None
    """Against the saturated model of the unordered pairs. None for a model that tells the sides apart."""
    residuals: tuple[Residual, ...]
    """The largest, greatest first."""
    n_residuals: int
    """So many were looked at."""
    calibration: tuple[CalibrationBin, ...]
    notes: tuple[str, ...]


def quality(data: ChoiceData, fit: Fit, *, most_residuals: int = 10) -> ModelQuality:
    """Describe how well a fit describes the answers.

    Parameters
    ----------
    data
        What the model was fitted to.
    most_residuals
        How many of the largest residuals to keep.

    References
    ----------
    Agresti (2013), Categorical Data Analysis, sections 4.5 (deviance), 3.3 (adjusted residuals).
    """
    assembled = refitted_cells(data, fit)
    values = parameters_of(assembled, fit)
    cells = assembled.cells
    counts = cells.counts[: cells.n_observed]
    probabilities = probabilities_at(cells, values)
    shown = _Tables.of(data, assembled, merged=False)
    pairs = _Tables.of(data, assembled, merged=True)
    tells_sides = fit.specification.has_order
    expected = counts.sum(axis=1, keepdims=True) * probabilities
    residuals, n_residuals = _residuals(
        data, shown if tells_sides else pairs, assembled, fit, values, counts, probabilities, most_residuals
    )
    notes = [
        "p values and residuals take answers as independent; answers of one respondent are alike, so true "
        "p values are larger"
    ]
    if fit.specification.half_wins and fit.n_indecisions:
        notes.append(
            "half wins are no answers: deviance and residuals only compare models fitted the same way"
        )
    if fit.gate.outcome is Outcome.REGULARIZED:
        notes.append("the fit is regularized, so its deviance is larger than the smallest possible")
    return ModelQuality(
        as_shown=_goodness(shown, counts, expected, fit.n_parameters),
        by_pair=None if tells_sides else _goodness(pairs, counts, expected, fit.n_parameters),
        residuals=residuals,
        n_residuals=n_residuals,
        calibration=calibration_table(probabilities, counts),
        notes=tuple(notes),
    )


def refitted_cells(data: ChoiceData, fit: Fit) -> Assembled:
    """Return the cells that a fit was made of."""
    return assemble(data, fit.specification, prior_answers=fit.prior_answers, directions=directions_of(fit))


def directions_of(fit: Fit) -> dict[str, int]:
    """Return the directions of a fit's monotone attributes, by name."""
    if not isinstance(fit.weights, AttributeWeights):
        return {}
    return {t.attribute: t.sign for t in fit.weights.terms if t.sign}


def parameters_of(assembled: Assembled, fit: Fit) -> Array:
    """Return the parameters behind a fit's reported values; a ghost profile, in no answer, stands at 0."""
    if fit.specification.effect_kind is EffectKind.ATTRIBUTES:
        return fit.values
    # What is reported determines every parameter but the ghost's, which the shortest solution puts at 0.
    return np.asarray(np.linalg.lstsq(assembled.report, fit.values, rcond=None)[0])


def calibration_table(probabilities: Array, counts: Array) -> tuple[CalibrationBin, ...]:
    """Compare predicted probabilities with how often they came true, in ten bins of equal width; no empty ones.

    Parameters
    ----------
    probabilities
        Of the alternatives, shape (n_cells, 3); 0 for one that was not on offer.
    counts
        Choices, same shape.
    """
    n_bins = _CALIBRATION_BINS
    n = np.repeat(counts.sum(axis=1), 3)
    p = probabilities.ravel()
    place = np.minimum((p * n_bins).astype(np.intp), n_bins - 1)
    taken = (p > 0) & (n > 0)
    total = np.bincount(place[taken], weights=n[taken], minlength=n_bins)
    predicted = np.bincount(place[taken], weights=(n * p)[taken], minlength=n_bins)
    observed = np.bincount(place[taken], weights=counts.ravel()[taken], minlength=n_bins)
    return tuple(
        CalibrationBin(
            low=int(b) / n_bins,
            high=(int(b) + 1) / n_bins,
            n=float(total[b]),
            predicted=float(predicted[b] / total[b]),
            observed=float(observed[b] / total[b]),
        )
        for b in np.flatnonzero(total > 0)
    )


def quality_record(found: ModelQuality) -> dict[str, object]:
    """Return the quality as JSON holds it."""
    return asdict(found)


def quality_lines(found: ModelQuality) -> Iterator[str]:
    """Yield the quality as lines for the terminal."""
    for name, of in (("by presentation", found.as_shown), ("by pair", found.by_pair)):
        if of is None:
            continue
        p = "" if of.p_deviance is None else f", p {of.p_deviance:.3g}"
        yield (
            f"deviance {name} {of.deviance:.2f} on {of.df} df{p}; Pearson {of.pearson:.2f} "
            f"({of.n_tables} tables of counts)"
        )
        if of.warning:
            yield f"  {of.warning}"
    if found.residuals:
        yield f"largest of {found.n_residuals} residuals (observed and expected choices)"
        for r in found.residuals:
            z = r.pearson if r.adjusted is None else r.adjusted
            group = f" in {r.group}" if r.group else ""
            yield (
                f"  {r.first} / {r.second}{group}: {r.choice} {r.observed:g} of {r.n}, "
                f"expected {r.expected:.1f}  ({z:+.2f})"
            )
    yield "predicted probability   mean   came true   predictions"
    for b in found.calibration:
        yield f"  {b.low:.1f} to {b.high:.1f}            {b.predicted:.3f}   {b.observed:.3f}       {b.n:.0f}"
    for note in found.notes:
        yield f"Note: {note}"


# --- tables of counts -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Tables:
    """Which cells make one table: a presentation, or an unordered pair with its two presentations merged."""

    first: NDArray[np.intp]
    second: NDArray[np.intp]
    offered: NDArray[np.bool_]
    group: NDArray[np.intp]
    gather: sparse.csr_array
    """Sums the cells' alternatives into the tables', shape (3 * n_tables, 3 * n_cells)."""

    @classmethod
    def of(cls, data: ChoiceData, assembled: Assembled, *, merged: bool) -> _Tables:
        cell = assembled.cell_of
        left, right = data.left[cell], data.right[cell]
        offered = assembled.cells.offered[: assembled.cells.n_observed]
        turned = (left > right) & merged
        first, second = np.where(turned, right, left), np.where(turned, left, right)
        key = np.column_stack([first, second, offered, data.group[cell]])
        found, place = np.unique(key, axis=0, return_inverse=True)
        place = place.reshape(-1)
        n = len(cell)
        target = np.tile([LEFT, RIGHT, INDECISION], (n, 1))
        target[turned] = [RIGHT, LEFT, INDECISION]
        row = (3 * place[:, None] + target).ravel()
        gather = sparse.coo_array((np.ones(3 * n), (row, np.arange(3 * n))), shape=(3 * len(found), 3 * n))
        return cls(found[:, 0], found[:, 1], found[:, 2].astype(bool), found[:, 3], sparse.csr_array(gather))

    def gathered(self, by_cell: Array) -> Array:
        return np.asarray(self.gather @ by_cell.ravel()).reshape(-1, 3)


def _goodness(tables: _Tables, counts: Array, expected: Array, n_parameters: int) -> GoodnessOfFit:
    seen, fitted = tables.gathered(counts), tables.gathered(expected)
    possible = np.column_stack([np.ones((len(seen), 2), dtype=bool), tables.offered])
    ratio = np.where(seen > 0, seen, 1.0) / np.where(seen > 0, fitted, 1.0)
    deviance = float(2 * (seen * np.log(ratio)).sum())
    gap = (seen - fitted)[possible]
    e = np.maximum(fitted[possible], np.finfo(float).tiny)
    pearson = float((gap**2 / e).sum())
    df = int(possible.sum() - len(seen) - n_parameters)
    small = float((e < _SMALL).mean())
    known = df > 0 and e.mean() >= _FEWEST_ON_AVERAGE
    warning = ""
    if df <= 0:
        warning = "the model has as many parameters as the saturated one: there is nothing to test"
    elif not known:
        warning = (
            f"{e.mean():.2g} choices are expected on average: with so few answers per comparison the deviance "
            "has no chi-squared distribution, and no p value is given; judge by held-out answers and calibration"
        )
    elif small > _MOST_SMALL or e.min() < _TINY:
        warning = (
            f"{small:.0%} of the expected counts are below 5, the smallest is {e.min():.2g}: "
            "the p values are rough"
        )
    return GoodnessOfFit(
        deviance=deviance,
        pearson=pearson,
        df=df,
        n_tables=len(seen),
        smallest_expected=float(e.min()),
        share_small=small,
        p_deviance=float(stats.chi2.sf(deviance, df)) if known else None,
        p_pearson=float(stats.chi2.sf(pearson, df)) if known else None,
        warning=warning,
    )


def _residuals(
    data: ChoiceData,
    tables: _Tables,
    assembled: Assembled,
    fit: Fit,
    values: Array,
    counts: Array,
    probabilities: Array,
    most: int,
) -> tuple[tuple[Residual, ...], int]:
    """Return the largest residuals, and how many there are."""
    n = counts.sum(axis=1, keepdims=True)
    expected = tables.gathered(n * probabilities)
    observed = tables.gathered(counts)
    variance = tables.gathered(n * probabilities * (1 - probabilities))
    answers = observed.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        pearson = (observed - expected) / np.sqrt(variance)
        lost = _fitted_away(tables, assembled, fit, values, n * probabilities)
        left = np.full_like(variance, np.nan) if lost is None else variance - lost
        # A pair that the parameters fit exactly has no residual; rounding would make one of it.
        adjusted = np.where(left > 1e-8 * variance, (observed - expected) / np.sqrt(np.abs(left)), np.nan)
    rank = np.where(np.isnan(adjusted), pearson if lost is None else np.nan, adjusted)
    usable = (answers[:, None] >= _FEWEST_FOR_RESIDUAL) & (variance > 0) & np.isfinite(rank)
    size = np.where(usable, np.abs(rank), -1.0).ravel()
    # Where only two alternatives are on offer, the second is the first with the other sign.
    size[np.flatnonzero(~tables.offered) * 3 + RIGHT] = -1.0
    largest = np.argsort(-size, kind="stable")[:most]
    names = data.names
    found = []
    for at in largest[size[largest] >= 0]:
        t, choice = divmod(int(at), 3)
        first, second = names[tables.first[t]], names[tables.second[t]]
        found.append(
            Residual(
                first=first,
                second=second,
                choice=(first, second, "indecision")[choice],
                group=data.groups[tables.group[t]],
                n=round(float(answers[t])),
                observed=float(observed[t, choice]),
                expected=float(expected[t, choice]),
                pearson=float(pearson[t, choice]),
                adjusted=None if np.isnan(adjusted[t, choice]) else float(adjusted[t, choice]),
            )
        )
    return tuple(found), int((size >= 0).sum())


def _fitted_away(
    tables: _Tables, assembled: Assembled, fit: Fit, values: Array, expected: Array
) -> Array | None:
    """Return how much of the counts' variance the fitted parameters take up, shape (n_tables, 3); None if unknown.

    Counts less fitted ones have the variance n p (1 - p) - g' I^-1 g, where g is the derivative of the expected
    count and I the expected information, both by the parameters.
    """
    cells = assembled.cells
    if fit.gate.outcome is Outcome.REGULARIZED or 3 * len(tables.first) * cells.n_parameters > _MOST_ROWS:
        return None
    rows = score_rows(cells, values)
    e = expected.ravel()
    weighed = sparse.csr_array(sparse.diags_array(e)) @ rows
    information = rows.T @ weighed
    slopes = tables.gather @ weighed
    dense_slopes = np.asarray(slopes.toarray() if sparse.issparse(slopes) else slopes)
    dense = np.asarray(information.toarray() if sparse.issparse(information) else information)
    free = ~np.isin(np.array(cells.names), fit.checks.at_bound)
    try:
        taken = np.linalg.solve(dense[np.ix_(free, free)], dense_slopes[:, free].T).T
    except np.linalg.LinAlgError:
        return None
    return np.asarray((taken * dense_slopes[:, free]).sum(axis=1)).reshape(-1, 3)
