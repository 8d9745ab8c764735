"""Drift of the weights from wave to wave, judged by the respondents that the waves share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, stats

from estimation.dataset import ChoiceData, choice_data
from estimation.diagnostics.fitted import estimates, influences, selection
from estimation.effects import term_matrix
from estimation.errors import EstimationError
from estimation.fitting import fit
from estimation.results import Fit
from estimation.specification import Specification
from estimation.uncertainty import LEVEL, Intervals, normal_draws, sandwich_intervals
from estimation.weights import Estimate, ProfileWeights, log_strengths
from survey.answers import AnswerSet, Role

Array = NDArray[np.float64]

_DRAWS = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftTest:
    """Wald test that nothing changed, with the cluster covariance of all waves together."""

    f: float
    """Hotelling's scaling of the Wald statistic."""
    df: int
    """Quantities that could have changed."""
    df_error: int
    """Clusters of the smallest wave, less ``df``."""
    p: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Drifted:
    """A reported quantity in two waves."""

    name: str
    first: Estimate
    second: Estimate
    difference: Estimate
    """Second less first; its interval knows that the same respondents are in both."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaveDrift:
    """What changed from one wave to another."""

    first: int
    second: int
    quantities: tuple[Drifted, ...]
    test: DriftTest | None
    """None with too few clusters for so many quantities."""
    distance: float
    """Between the two weight vectors, each of length 1: 0 the same direction, 2 the opposite. Log-strengths of
    profiles as they are; coefficients times the standard deviation of their term's differences over the comparisons
    asked, so that the unit of an attribute does not matter."""
    distance_by_chance: Estimate
    """Median and 95 % range of that distance if nothing had changed: estimates of one truth are never equal."""
    same_prediction: float
    """Share of answers given to comparisons for which both waves' weights prefer the same patient."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Drift:
    """Weights wave by wave."""

    fits: Mapping[int, Fit]
    """By wave."""
    steps: tuple[WaveDrift, ...]
    """From each wave to the next, and of three or more waves from the first to the last."""
    test: DriftTest | None
    """That nothing changed over all waves."""
    notes: tuple[str, ...]


def drift(
    answer_set: AnswerSet,
    spec: Specification,
    *,
    arm: str | None = None,
    intervals: Intervals | None = None,
) -> Drift | None:
    """Fit a model wave by wave and test whether its quantities changed.

    The covariance of a difference comes from each respondent's influences on both fits (stacked estimating
    equations), so respondents who took part in both waves make it as precise as it is.

    Returns
    -------
    Drift or None
        None if there is only one wave.

    Raises
    ------
    EstimationError
        A wave cannot be fitted (the message says which), or its quantities are not those of the others.

    References
    ----------
    Weesie (1999), Seemingly unrelated estimation and the cluster-adjusted sandwich estimator, Stata Technical
    Bulletin 52; Keswani et al. (2026), Moral Change or Noise?, AAAI, for the distance of unit-length vectors.
    """
    waves = sorted(
        {a.wave for a in answer_set.answers if a.role is Role.MAIN and (arm is None or a.arm == arm)}
    )
    if len(waves) < 2:
        return None
    data = {wave: choice_data(answer_set, arm=arm, wave=wave) for wave in waves}
    if len({d.clustering for d in data.values()}) > 1:
        raise EstimationError(
            f"{answer_set.source}: some waves have a single respondent and others several, so they have no common "
            "unit to vary; compare waves of the same respondents"
        )
    fits = {}
    for wave in waves:
        try:
            fits[wave] = fit(data[wave], spec, intervals=intervals)
        except EstimationError as error:
            raise EstimationError(f"wave {wave} cannot be fitted: {error}") from error
    joint = _joint(data, fits)
    pooled = choice_data(answer_set, arm=arm)
    steps = [(a, b) for a, b in pairwise(waves)]
    if len(waves) > 2:
        steps.append((waves[0], waves[-1]))
    notes = [f"wave {w}: {f.gate.reason}" for w, f in fits.items() if f.gate.reason]
    if len(joint.names) < max(len(f.names) for f in fits.values()):
        notes.append(
            "profiles that were not compared in every wave are left out of what is compared between waves"
        )
    return Drift(
        fits=fits,
        steps=tuple(_step(a, b, fits, joint, pooled, spec.seed) for a, b in steps),
        test=joint.test([(waves[0], w) for w in waves[1:]]),
        notes=tuple(notes),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Joint:
    """The quantities that all waves share, with the covariance of all of them together."""

    waves: tuple[int, ...]
    names: tuple[str, ...]
    n_strengths: int
    free: NDArray[np.intp]
    """Quantities that could change by themselves: one log-strength of several follows from the others."""
    values: Array
    """Shape (n_waves, n_names)."""
    covariance: Array
    """Shape (n_waves * n_names, n_waves * n_names)."""
    fewest_clusters: int

    def contrast(self, first: int, second: int) -> Array:
        """Return the differences second less first by all quantities, shape (n_names, n_waves * n_names)."""
        n = len(self.names)
        block = np.zeros((n, len(self.waves) * n))
        block[:, n * self.waves.index(second) :][:, :n] += np.eye(n)
        block[:, n * self.waves.index(first) :][:, :n] -= np.eye(n)
        return block

    def test(self, steps: Sequence[tuple[int, int]]) -> DriftTest | None:
        """Test that no step changed anything."""
        contrast = np.vstack([self.contrast(a, b)[self.free] for a, b in steps])
        df = len(contrast)
        df_error = self.fewest_clusters - df
        if df_error < 1:
            return None
        change = contrast @ self.values.ravel()
        covariance = contrast @ self.covariance @ contrast.T
        if np.linalg.matrix_rank(_correlation(covariance), hermitian=True, tol=1e-10) < df:
            return None
        wald = float(change @ np.linalg.solve(covariance, change))
        f = wald / df * df_error / (self.fewest_clusters - 1)
        return DriftTest(f=f, df=df, df_error=df_error, p=float(stats.f.sf(f, df, df_error)))


def _correlation(covariance: Array) -> Array:
    scale = 1 / np.sqrt(np.maximum(np.diag(covariance), np.finfo(float).tiny))
    return np.asarray(covariance * scale[:, None] * scale)


def _joint(data: Mapping[int, ChoiceData], fits: Mapping[int, Fit]) -> _Joint:
    waves = tuple(fits)
    names = [name for name in fits[waves[0]].names if all(name in f.names for f in fits.values())]
    by_profile = isinstance(fits[waves[0]].weights, ProfileWeights)
    n_strengths = sum(name in names for name in _strength_names(fits[waves[0]]))
    if n_strengths < 2 if by_profile else any(len(f.names) != len(names) for f in fits.values()):
        raise EstimationError(
            "the waves do not share what is estimated, so nothing can be compared between them; fit attributes "
            "(--model conditional-logit or min-delta) without steps that depend on the profiles"
        )
    selections = {wave: selection(f, names) for wave, f in fits.items()}
    values = np.array([selections[w] @ fits[w].values for w in waves])
    n = len(names)
    if all(d.by_cluster is not None for d in data.values()):
        own = {w: influences(data[w], fits[w]) for w in waves}
        clusters = {c: i for i, c in enumerate(dict.fromkeys(c for w in waves for c in own[w].clusters))}
        moved = np.zeros((len(clusters), len(waves), n))
        for i, w in enumerate(waves):
            moved[[clusters[c] for c in own[w].clusters], i] = own[w].moved @ selections[w].T
        flat = moved.reshape(len(clusters), -1)
        covariance = len(clusters) / (len(clusters) - 1) * flat.T @ flat
    else:
        # Without respondents every answer is its own cluster, and no two waves share any.
        blocks = [_own_covariance(w, fits[w], selections[w]) for w in waves]
        covariance = linalg.block_diag(*blocks)
    free = np.arange(n)
    if by_profile:
        free = np.delete(free, n_strengths - 1)
    return _Joint(
        waves=waves,
        names=tuple(names),
        n_strengths=n_strengths,
        free=free,
        values=values,
        covariance=np.asarray(covariance),
        fewest_clusters=min(f.n_clusters for f in fits.values()),
    )


def _own_covariance(wave: int, fit: Fit, selected: Array) -> Array:
    if fit.covariance is None:
        raise EstimationError(
            f"wave {wave} has too many profiles to keep a covariance, so drift cannot be tested"
        )
    return np.asarray(selected @ fit.covariance @ selected.T)


def _strength_names(fit: Fit) -> tuple[str, ...]:
    weights = fit.weights
    n = len(weights.profiles) if isinstance(weights, ProfileWeights) else len(weights.terms)
    return fit.names[:n]


def _step(
    first: int, second: int, fits: Mapping[int, Fit], joint: _Joint, pooled: ChoiceData, seed: int
) -> WaveDrift:
    contrast = joint.contrast(first, second)
    change = contrast @ joint.values.ravel()
    low, high, _ = sandwich_intervals(change, contrast @ joint.covariance @ contrast.T, joint.fewest_clusters)
    n = len(joint.names)
    i, j = joint.waves.index(first), joint.waves.index(second)
    one, other = (estimates(fits[w], joint.names) for w in (first, second))
    scale = _scale(fits[first], joint, pooled)
    both = np.r_[n * i : n * i + joint.n_strengths, n * j : n * j + joint.n_strengths]
    covariance = joint.covariance[np.ix_(both, both)]
    strengths = joint.values[[i, j], : joint.n_strengths]
    middle = np.tile(strengths.mean(axis=0), 2)
    draws = normal_draws(middle, covariance, n_draws=_DRAWS, seed=seed).reshape(_DRAWS, 2, -1)
    by_chance = np.quantile(_distances(draws * scale), [0.5, (1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return WaveDrift(
        first=first,
        second=second,
        quantities=tuple(
            Drifted(
                name=name,
                first=one[k],
                second=other[k],
                difference=Estimate.of(change[k], low[k], high[k]),
            )
            for k, name in enumerate(joint.names)
        ),
        test=joint.test([(first, second)]),
        distance=float(_distances(strengths[None] * scale)[0]),
        distance_by_chance=Estimate.of(*by_chance),
        same_prediction=_same_prediction(fits[first], fits[second], pooled),
    )


def _scale(fit: Fit, joint: _Joint, pooled: ChoiceData) -> Array:
    """Return what makes coefficients comparable: how much their terms differ within comparisons."""
    if isinstance(fit.weights, ProfileWeights):
        return np.ones(joint.n_strengths)
    terms = term_matrix(fit.weights.terms, pooled.profiles)
    difference = terms[pooled.left] - terms[pooled.right]
    times = pooled.counts.sum(axis=1)
    # Sides are exchangeable, so differences are centred at zero by right, not by sample.
    return np.asarray(np.sqrt(times @ difference**2 / times.sum()))


def _distances(vectors: Array) -> Array:
    """Return the distance of pairs of vectors brought to length 1; shape (n, 2, p) -> (n,)."""
    length = np.linalg.norm(vectors, axis=2, keepdims=True)
    unit = vectors / np.where(length == 0, 1.0, length)
    return np.asarray(np.linalg.norm(unit[:, 1] - unit[:, 0], axis=1))


def _same_prediction(one: Fit, other: Fit, pooled: ChoiceData) -> float:
    first, second = (log_strengths(f.weights, pooled.profiles) for f in (one, other))
    a = np.sign(np.round(first[pooled.left] - first[pooled.right], 9))
    b = np.sign(np.round(second[pooled.left] - second[pooled.right], 9))
    known = ~(np.isnan(a) | np.isnan(b))
    times = pooled.counts.sum(axis=1)[known]
    return float(times @ (a == b)[known] / times.sum())
