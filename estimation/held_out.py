"""How well a model predicts people it has not seen: respondents are held out whole, never single answers."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from estimation.assembly import GHOST, Assembled, assemble
from estimation.choice_model import ModelCells, maximize, probabilities_at, search
from estimation.connectivity import connectivity
from estimation.dataset import INDECISION, ChoiceData, Clustering, of_clusters
from estimation.effects import EffectKind
from estimation.errors import DidNotConverge, EstimationError, NotIdentified, Separated
from estimation.existence import check_estimable
from estimation.fitting import fit
from estimation.model_quality import CalibrationBin, calibration_table, directions_of, parameters_of
from estimation.results import Fit
from estimation.specification import Model, Regularize, Specification
from estimation.uncertainty import Intervals

Array = NDArray[np.float64]

FOLDS = 5
"""Usual number of parts; each is predicted from the others."""
# A choice that no one has made so far is given this many answers, so that no prediction is impossible.
_HALF_ANSWER = 0.5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Score:
    """Predictions of held-out answers against what was chosen."""

    log_likelihood: float
    """Mean log-probability of the choice made; greater is better, 0 is certainty."""
    se: float
    """Its standard error over clusters."""
    brier: float
    """Mean squared distance of the predicted probabilities from the choice made, in [0, 2]; less is better."""
    brier_se: float
    n_answers: int
    by_cluster: Array
    """Sum of log-probabilities and number of answers of each cluster, shape (n_clusters, 2)."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HeldOut:
    """What :func:`held_out` finds."""

    everything: Score
    """On all answers. A model of decided answers is given a coin of constant weight, the share of indecisions where
    it was on offer among the answers it learned from."""
    decided: Score
    """On decided answers, given that they are: P(left) / (P(left) + P(right))."""
    calibration: tuple[CalibrationBin, ...]
    """Of the predictions of all answers."""
    uniform: Score
    """On all answers, if all alternatives on offer were equally likely."""
    frequencies: Score
    """On all answers, if left, right and indecision kept the shares they had among the answers learned from."""
    n_folds: int
    n_regularized: int
    """Folds without a finite estimate, predicted from one with prior answers."""
    seed: int
    notes: tuple[str, ...]


def held_out(
    data: ChoiceData,
    model: Model | Specification,
    *,
    n_folds: int = FOLDS,
    seed: int = 0,
    fitted: Fit | None = None,
    executor: Executor | None = None,
) -> HeldOut:
    """Predict each fold of respondents from a fit to the others.

    Folds depend on the clusters and the seed only, so that all models of one data set are held to the same answers.

    Parameters
    ----------
    n_folds
        At least 2; as many as there are clusters leaves one out at a time.
    fitted
        The fit to all answers, if there is one already. Models with several
        maxima are searched from it and from zero in every fold.
    executor
        Computes the folds; the result is the same whoever does. None: here.

    Raises
    ------
    EstimationError
        The source does not say who gave which answer, there are fewer clusters than folds, or the model cannot be
        made of the data at all.
    """
    spec = model if isinstance(model, Specification) else Specification(model=model)
    folds = folds_of(data, n_folds=n_folds, seed=seed)
    # Directions of monotone effects are those of all answers: a sign is little to know about those held out.
    if fitted is None and (spec.shape.monotone or not spec.rule(len(data.attributes)).concave):
        fitted = fit(data, spec, intervals=Intervals(draws=1))
    directions = directions_of(fitted) if fitted else {}
    bare = _all_cells(data, spec, prior=0.0, directions=directions)
    prior = spec.prior_answers
    if prior is None:
        prior = GHOST if spec.effect_kind is EffectKind.PROFILES else float(len(bare.names))
    regularized = _all_cells(data, spec, prior=prior, directions=directions)
    start = [parameters_of(a, fitted) if fitted else None for a in (bare, regularized)]
    prepared = _Prepared(spec, bare.cells, start[0], regularized.cells, start[1])
    learning = [np.flatnonzero(folds != k) for k in range(n_folds)]
    parts = [of_clusters(data, rest) for rest in learning]
    jobs = ([prepared] * n_folds, parts)
    predicted = list((executor.map if executor else map)(_predict, *jobs))
    return _scored(
        data, folds, parts, [p for p, _ in predicted], spec, seed, sum(was for _, was in predicted)
    )


def folds_of(data: ChoiceData, *, n_folds: int, seed: int) -> NDArray[np.intp]:
    """Return each cluster's fold, shape (n_clusters,): sizes differ by at most one.

    Raises
    ------
    EstimationError
        See :func:`held_out`.
    """
    if data.by_cluster is None:
        raise EstimationError(
            "the source does not say who gave which answer, so no respondent can be held out; "
            "compare models by AIC or BIC"
        )
    n = data.n_clusters
    if not 2 <= n_folds <= n:
        raise EstimationError(
            f"{n} respondents (or comparisons) cannot be split into {n_folds} folds; give 2 to {n}"
        )
    folds = np.empty(n, dtype=np.intp)
    folds[np.random.default_rng(seed).permutation(n)] = np.arange(n) % n_folds
    return folds


def difference(one: Score, other: Score) -> tuple[float, float]:
    """Return how much more log-likelihood per answer one has than the other, and the standard error of that.

    The same respondents are predicted by both, so the error is that of their paired differences, which is far
    smaller than those of the two scores suggest.
    """
    totals = one.by_cluster[:, 0] - other.by_cluster[:, 0]
    return _ratio(totals, one.by_cluster[:, 1])


# --- fitting and predicting -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Prepared:
    spec: Specification
    bare: ModelCells
    """One row per cell of the data."""
    bare_start: Array | None
    regularized: ModelCells
    """The same, and prior answers."""
    regularized_start: Array | None


def _all_cells(
    data: ChoiceData, spec: Specification, *, prior: float, directions: Mapping[str, int]
) -> Assembled:
    """Return the model's design for every cell of the data, whoever answered it."""
    possible = np.ones((len(data.left), 3))
    possible[:, INDECISION] = data.offered
    return assemble(
        replace(data, counts=possible, by_cluster=None), spec, prior_answers=prior, directions=directions
    )


def _predict(model: _Prepared, part: ChoiceData) -> tuple[Array, bool]:
    """Fit to a part of the answers; return the probabilities of all cells, and whether that took prior answers."""
    spec = model.spec
    counts = _taken(part.counts, spec)
    if spec.regularize is not Regularize.ALWAYS:
        cells = _answered(model.bare, counts)
        if _exists(cells, part, spec):
            return probabilities_at(model.bare, _best(cells, model.bare_start)), False
    cells = _answered(model.regularized, counts)
    return probabilities_at(model.regularized, _best(cells, model.regularized_start)), True


def _taken(counts: Array, spec: Specification) -> Array:
    """Return the choices as the model takes them."""
    if spec.uses_indecision:
        return counts
    taken = counts.copy()
    if spec.half_wins:
        taken[:, :INDECISION] += counts[:, [INDECISION]] / 2
    taken[:, INDECISION] = 0.0
    return taken


def _answered(cells: ModelCells, counts: Array) -> ModelCells:
    """Return the cells that these counts have answers in, and the prior answers."""
    observed = np.flatnonzero(counts.sum(axis=1) > 0)
    rows = np.concatenate([observed, np.arange(cells.n_observed, len(cells.counts))])
    m = cells.rule.n_predictors
    return replace(
        cells,
        design=cells.design[(rows[:, None] * m + np.arange(m)).ravel()],
        counts=np.vstack([counts[observed], cells.counts[cells.n_observed :]]),
        offered=cells.offered[rows],
        n_observed=len(observed),
        by_cluster=None,
    )


def _exists(cells: ModelCells, part: ChoiceData, spec: Specification) -> bool:
    if spec.effect_kind is EffectKind.PROFILES:
        graph = connectivity(part, by_indecision=spec.uses_indecision, half_wins=spec.half_wins)
        if not graph.is_connected:
            return False
    try:
        check_estimable(cells)
    except (Separated, NotIdentified):
        return False
    return True


def _best(cells: ModelCells, start: Array | None) -> Array:
    if cells.rule.concave:
        return maximize(cells).values
    zero = np.zeros(cells.n_parameters)
    starts = np.vstack([zero, zero if start is None else start])
    maximum, _ = search(cells, starts)
    if not np.isfinite(maximum.values).all():
        raise DidNotConverge("the estimate from a part of the respondents is not finite")
    return maximum.values


# --- scoring --------------------------------------------------------------------------------------------


def _scored(
    data: ChoiceData,
    folds: NDArray[np.intp],
    parts: list[ChoiceData],
    predicted: list[Array],
    spec: Specification,
    seed: int,
    n_regularized: int,
) -> HeldOut:
    tables: dict[str, list[Array]] = {
        name: [] for name in ("everything", "decided", "uniform", "frequencies")
    }
    held: list[Array] = []
    for k, (part, p) in enumerate(zip(parts, predicted, strict=True)):
        tables["everything"].append(p if spec.uses_indecision else _with_coin(p, part))
        decided = p[:, :INDECISION] / p[:, :INDECISION].sum(axis=1, keepdims=True)
        tables["decided"].append(np.pad(decided, ((0, 0), (0, 1))))
        tables["uniform"].append(_alternatives(data))
        tables["frequencies"].append(_frequencies(part))
        held.append(of_clusters(data, np.flatnonzero(folds == k)).counts)
    scores = {
        name: _score(data, folds, made, decided_only=name == "decided") for name, made in tables.items()
    }
    notes = []
    if n_regularized:
        notes.append(
            f"{n_regularized} of {len(parts)} folds had no finite estimate and were predicted with prior answers"
        )
    if data.clustering is Clustering.COMPARISON:
        notes.append("a single respondent: comparisons are held out, not respondents")
    return HeldOut(
        everything=scores["everything"],
        decided=scores["decided"],
        calibration=calibration_table(np.vstack(tables["everything"]), np.vstack(held)),
        uniform=scores["uniform"],
        frequencies=scores["frequencies"],
        n_folds=len(parts),
        n_regularized=n_regularized,
        seed=seed,
        notes=tuple(notes),
    )


def _alternatives(data: ChoiceData) -> Array:
    possible = np.ones((len(data.left), 3))
    possible[:, INDECISION] = data.offered
    return np.asarray(possible / possible.sum(axis=1, keepdims=True))


def _with_coin(p: Array, part: ChoiceData) -> Array:
    """Let indecision take its share, whatever the comparison, where it was on offer."""
    share = np.where(part.offered, _share_undecided(part), 0.0)[:, None]
    return np.hstack([p[:, :INDECISION] * (1 - share), share])


def _share_undecided(part: ChoiceData) -> float:
    total = part.counts[part.offered].sum(axis=0)
    return float((total[INDECISION] + _HALF_ANSWER) / (total.sum() + 2 * _HALF_ANSWER))


def _frequencies(part: ChoiceData) -> Array:
    p = np.zeros((len(part.left), 3))
    for offered in (False, True):
        n = 3 if offered else 2
        total = part.counts[part.offered == offered, :n].sum(axis=0) + _HALF_ANSWER
        p[part.offered == offered, :n] = total / total.sum()
    return p


def _score(data: ChoiceData, folds: NDArray[np.intp], tables: list[Array], *, decided_only: bool) -> Score:
    by_cluster = data.by_cluster
    if by_cluster is None:  # folds_of has refused such data.
        raise EstimationError("answers that do not name their respondents cannot be scored by respondent")
    counted = np.ones((len(data.left), 3))
    counted[:, INDECISION] = not decided_only
    totals = np.zeros((data.n_clusters, 3))
    for k, p in enumerate(tables):
        mine = np.flatnonzero(folds == k)
        with np.errstate(divide="ignore"):
            log_p = np.where(counted > 0, np.log(p), 0.0)
        log_p[~np.isfinite(log_p)] = _LEAST
        brier = (p**2).sum(axis=1, keepdims=True) - 2 * p + 1
        columns = np.column_stack([log_p.ravel(), counted.ravel(), (counted * brier).ravel()])
        totals[mine] = by_cluster[mine] @ columns
    mean, se = _ratio(totals[:, 0], totals[:, 1])
    brier_mean, brier_se = _ratio(totals[:, 2], totals[:, 1])
    return Score(
        log_likelihood=mean,
        se=se,
        brier=brier_mean,
        brier_se=brier_se,
        n_answers=round(float(totals[:, 1].sum())),
        by_cluster=totals[:, :2],
    )


_LEAST = float(np.log(np.finfo(float).tiny))
"""Log-probability of a choice that underflows to impossible: some 700 units of loss, but finite."""


def _ratio(totals: Array, answers: Array) -> tuple[float, float]:
    """Return the mean per answer and its cluster standard error (ratio estimator)."""
    n = len(totals)
    mean = totals.sum() / answers.sum()
    spread = totals - mean * answers
    return float(mean), float(np.sqrt(n / (n - 1) * (spread**2).sum()) / answers.sum())
