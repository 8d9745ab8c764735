"""Pulls of indecision of their own: respondents share their strengths, but some flip coins and some never do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.polynomial.hermite import hermgauss
from numpy.typing import NDArray
from scipy import stats
from scipy.special import logsumexp

from estimation.assembly import assemble
from estimation.choice_model import PULL, maximize
from estimation.dataset import ChoiceData
from estimation.effects import EffectKind
from estimation.errors import DidNotConverge, EstimationError
from estimation.existence import check_estimable
from estimation.heterogeneity.panel import Panel, panel_of
from estimation.indecision.rao_kupper import RaoKupper
from estimation.specification import Regularize, Specification
from estimation.uncertainty import few_clusters_note, sandwich_intervals
from estimation.weights import Estimate

Array = NDArray[np.float64]

# Points at which each respondent's answers are averaged over their pull: exact to many digits for so smooth a
# curve.
_POINTS = 15
_MOST_STEPS = 100
_GAIN_TOLERANCE = 1e-10
# A spread below this many log-odds is none: its likelihood is flat there.
_LEAST_SPREAD = 0.01


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ParticipantPulls:
    """Common strengths, and each respondent's departure from the common pull of indecision."""

    specification: Specification
    names: tuple[str, ...]
    """Reported quantities as of a fit: log-strengths or coefficients, then the others with the mean pull."""
    n_strengths: int
    """The first so many of ``names`` are log-strengths or attribute coefficients."""
    values: Array
    """Shape (n_reported,)."""
    covariance: Array
    """Cluster-robust, shape (n_reported, n_reported)."""
    estimates: Mapping[str, Estimate]
    """The same with 95 % intervals."""
    spread: Estimate
    """Standard deviation of the pulls over respondents; without interval if it was given, or is 0."""
    is_spread_given: bool
    respondents: tuple[str, ...]
    departures: Array
    """Each respondent's pull less the common one, given their answers (shrunk to 0), shape (n_people,). The
    mean given the answers if the spread was estimated, the most likely value if it was given."""
    departure_spreads: Array
    """Their standard deviations given the answers, shape (n_people,)."""
    log_likelihood: float
    """Marginal: averaged over the distribution of pulls."""
    log_likelihood_at_departures: float
    """Of the answers, if the departures were known; its parameters are not counted."""
    common_log_likelihood: float
    """If all respondents had the same pull."""
    common_values: Array
    """What ``values`` would be then."""
    n_parameters: int
    """Of the marginal likelihood."""
    n_answers: int
    iterations: int
    notes: tuple[str, ...]

    @property
    def n_respondents(self) -> int:
        """Respondents with an answer that the model uses."""
        return len(self.respondents)

    @property
    def likelihood_ratio(self) -> float:
        """Twice what the marginal log-likelihood gains over a common pull."""
        return 2 * (self.log_likelihood - self.common_log_likelihood)

    @property
    def p_value(self) -> float:
        """Chance of so great a ratio if all had the same pull, for an estimated spread; 1 if the ratio is 0.

        Half of that of chi-squared with 1 degree, because a spread cannot be negative.
        """
        return 1.0 if self.likelihood_ratio <= 0 else float(stats.chi2.sf(self.likelihood_ratio, 1) / 2)

    @property
    def bic(self) -> float:
        """Schwarz's criterion of the marginal likelihood, with respondents as the sample size."""
        return float(np.log(self.n_respondents) * self.n_parameters - 2 * self.log_likelihood)


def fit_participant_pulls(
    data: ChoiceData, spec: Specification, *, spread: float | None = None
) -> ParticipantPulls:
    """Estimate strengths that all respondents share, and a pull of indecision for each: normal around a common one.

    Parameters
    ----------
    spec
        davidson, min-delta or min-u: their pull may be any number.
    spread
        Standard deviation of the pulls. Given, all parameters and departures are found at once as the most likely
        ones (Newton's method; the departures are eliminated one by one, so that any number of respondents is fast).
        None: it is estimated with the other parameters by maximum marginal likelihood, in which each respondent's
        answers are averaged over their pull (Gauss-Hermite quadrature placed at their most likely pull).

    Raises
    ------
    EstimationError
        The model has no pull that may be any number, or the answers do not name their respondents.
    NotIdentified, Separated
        As of :func:`estimation.existence.check_estimable`.
    DidNotConverge
        The maximum was not reached.

    References
    ----------
    Davidson (1970), J. Amer. Statist. Assoc. 65; Liu and Pierce (1994), Biometrika 81 (quadrature); Self and Liang
    (1987), J. Amer. Statist. Assoc. 82 (the test at the edge).
    """
    _check(data, spec, spread)
    assembled = assemble(data, spec)
    cells = assembled.cells
    check_estimable(cells)
    # Groups may be called anything, so what distance adds is told by its whole name.
    own = [name == PULL or name.startswith(f"{PULL} in ") for name in cells.names]
    pulls = np.array(own, dtype=float)
    pooled = maximize(cells)
    panel = panel_of(data, spec, assembled)
    if spread is not None:
        ended = _most_likely(panel, pulls, pooled.values, spread)
        at_spread = _Averaged.of(panel, pulls, ended.values, spread)
        log_likelihood = float(at_spread.log_likelihoods.sum())
    else:
        ended, log_likelihood = _marginal(panel, pulls, pooled.values)
    values = assembled.report @ ended.values
    covariance = assembled.report @ ended.covariance @ assembled.report.T
    low, high, _ = sandwich_intervals(values, covariance, panel.n_people)
    at_departures = panel.log_likelihoods((ended.values + ended.departures[:, None] * pulls)[:, None])
    notes = [*data.notes]
    if spread is None and ended.spread == 0:
        notes.append("respondents do not differ measurably in their pull of indecision")
    notes += few_clusters_note(panel.n_people, cells.n_parameters + 1)
    half = sandwich_intervals(np.zeros(1), np.array([[ended.spread_variance]]), panel.n_people)[1][0]
    return ParticipantPulls(
        specification=spec,
        names=assembled.names,
        n_strengths=assembled.n_strengths,
        values=values,
        covariance=covariance,
        estimates={
            name: Estimate.of(v, lo, hi)
            for name, v, lo, hi in zip(assembled.names, values, low, high, strict=True)
        },
        spread=Estimate(value=ended.spread)
        if spread is not None or ended.spread == 0
        else Estimate(
            value=ended.spread,
            low=float(ended.spread * np.exp(-half / ended.spread)),
            high=float(ended.spread * np.exp(half / ended.spread)),
        ),
        is_spread_given=spread is not None,
        respondents=panel.names,
        departures=ended.departures,
        departure_spreads=ended.departure_spreads,
        log_likelihood=log_likelihood,
        log_likelihood_at_departures=float(at_departures.sum()),
        common_log_likelihood=pooled.log_likelihood,
        common_values=assembled.report @ pooled.values,
        n_parameters=cells.n_parameters + (spread is None),
        n_answers=assembled.n_answers,
        iterations=ended.iterations,
        notes=tuple(notes),
    )


def _check(data: ChoiceData, spec: Specification, spread: float | None) -> None:
    spec.check()
    rule = spec.rule(1 if spec.effect_kind is EffectKind.PROFILES else len(data.attributes))
    if not rule.has_pull or not rule.concave or isinstance(rule, RaoKupper):
        raise EstimationError(
            f"{spec.model} has no pull of indecision that may be any number, so respondents cannot have pulls that "
            "are normal around a common one; use davidson, min-delta or min-u"
        )
    if spec.shape.monotone or spec.regularize is Regularize.ALWAYS:
        raise EstimationError("pulls of respondents' own go with neither monotone effects nor prior answers")
    if spread is not None and not 0 < spread < np.inf:
        raise EstimationError(f"a spread of {spread} is not possible; give a standard deviation above 0")


@dataclass(frozen=True, slots=True)
class _Ended:
    values: Array
    covariance: Array
    spread: float
    spread_variance: float
    departures: Array
    departure_spreads: Array
    iterations: int


def _most_likely(panel: Panel, pulls: Array, start: Array, spread: float) -> _Ended:
    """Find parameters and departures together, each departure's log-density -b^2 / (2 spread^2) included."""
    values, own = start.copy(), np.zeros(panel.n_people)

    def objective(values: Array, own: Array) -> float:
        answers = panel.log_likelihoods((values + own[:, None] * pulls)[:, None])
        return float(answers.sum() - (own**2).sum() / 2 / spread**2)

    for iteration in range(1, _MOST_STEPS + 1):
        _, score, information = panel.derivatives((values + own[:, None] * pulls)[:, None])
        score, information = score[:, 0], information[:, 0]
        # The information is an arrow: a block of the common parameters, and each departure beside it alone.
        beside = information @ pulls
        own_information = beside @ pulls + spread**-2
        own_score = score @ pulls - own / spread**2
        reduced = information.sum(axis=0) - (beside / own_information[:, None]).T @ beside
        total = score.sum(axis=0) - beside.T @ (own_score / own_information)
        step = np.linalg.solve(reduced, total)
        own_step = (own_score - beside @ step) / own_information
        gain = float(score.sum(axis=0) @ step + own_score @ own_step)
        if gain < _GAIN_TOLERANCE:
            # Departures follow the common parameters; a respondent's part of the profile's score is their own
            # score.
            profile = score - beside * (own_score / own_information)[:, None]
            covariance = _sandwich(reduced, profile)
            return _Ended(values, covariance, spread, 0.0, own, own_information**-0.5, iteration)
        reached, length = objective(values, own), 1.0
        while length > 1e-8:
            new, new_own = values + length * step, own + length * own_step
            if objective(new, new_own) >= reached + 1e-4 * length * gain or gain < 1e-6:
                break
            length /= 2
        values, own = new, new_own
    raise DidNotConverge(f"no maximum after {_MOST_STEPS} Newton steps; a greater spread may help")


def _marginal(panel: Panel, pulls: Array, start: Array) -> tuple[_Ended, float]:
    """Climb the marginal likelihood in the common parameters and the spread; return where it ends."""
    here = _Averaged.of(panel, pulls, start, 1.0)
    n = len(start)
    for iteration in range(1, _MOST_STEPS + 1):
        score, information, without_loss = here.curvature()
        total = score.sum(axis=0)
        # Far from the maximum the likelihood may bend upward; what it would be without the uncertainty never does.
        for bend in (information, without_loss):
            if np.linalg.eigvalsh(bend).min() > 0:
                break
        step = np.linalg.solve(bend, total)
        gain = float(total @ step)
        if here.spread < _LEAST_SPREAD:
            # The spread's score is 0 at 0 whatever the data: no step leads away from there.
            still = _Averaged.of(panel, pulls, start, 0.0)
            score, information, _ = still.curvature()
            covariance = _sandwich(information[:n, :n], score[:, :n])
            zero = np.zeros(panel.n_people)
            ended = _Ended(start, covariance, 0.0, 0.0, zero, zero, iteration)
            return ended, float(still.log_likelihoods.sum())
        if gain < _GAIN_TOLERANCE:
            full = _sandwich(information, score)
            own, own_spread = here.departures()
            ended = _Ended(
                here.values, full[:n, :n], here.spread, float(full[n, n]), own, own_spread, iteration
            )
            return ended, float(here.log_likelihoods.sum())
        reached, length = float(here.log_likelihoods.sum()), 1.0
        while length > 1e-8:
            new_spread = here.spread + length * float(step[n])
            if new_spread > 0:
                there = _Averaged.of(panel, pulls, here.values + length * step[:n], new_spread)
                if there.log_likelihoods.sum() >= reached + 1e-4 * length * gain or gain < 1e-6:
                    break
            length /= 2
        here = there
    raise DidNotConverge(f"the spread of pulls was not found in {_MOST_STEPS} Newton steps; give one")


def _sandwich(information: Array, score: Array) -> Array:
    inverse = np.linalg.inv(information)
    off = score - score.mean(axis=0)
    n = len(off)
    return np.asarray(n / (n - 1) * inverse @ (off.T @ off) @ inverse)


@dataclass(frozen=True, slots=True)
class _Averaged:
    """Answers averaged over each respondent's pull ``common + spread * u``, u standard normal."""

    panel: Panel
    pulls: Array
    values: Array
    spread: float
    points: Array
    """Values of u, shape (n_people, n_points)."""
    log_weights: Array
    """Logarithm of each point's part in the integral over u, answers included, shape (n_people, n_points)."""

    @classmethod
    def of(cls, panel: Panel, pulls: Array, values: Array, spread: float) -> _Averaged:
        mode, width = _most_likely_points(panel, pulls, values, spread)
        roots, weights = hermgauss(_POINTS)
        points = mode[:, None] + np.sqrt(2) * width[:, None] * roots
        given = values + spread * points[..., None] * pulls
        density = -0.5 * points**2 - 0.5 * np.log(2 * np.pi)
        measure = np.log(weights) + roots**2 + np.log(np.sqrt(2) * width)[:, None]
        return cls(panel, pulls, values, spread, points, panel.log_likelihoods(given) + density + measure)

    @property
    def log_likelihoods(self) -> Array:
        """Each respondent's marginal log-likelihood, shape (n_people,)."""
        return np.asarray(logsumexp(self.log_weights, axis=1))

    def shares(self) -> Array:
        """How much each point counts, rows summing to 1."""
        return np.asarray(np.exp(self.log_weights - self.log_likelihoods[:, None]))

    def departures(self) -> tuple[Array, Array]:
        """Each respondent's mean departure given their answers, and its standard deviation."""
        shares = self.shares()
        mean = (shares * self.points).sum(axis=1)
        variance = (shares * (self.points - mean[:, None]) ** 2).sum(axis=1)
        return self.spread * mean, self.spread * np.sqrt(variance)

    def curvature(self) -> tuple[Array, Array, Array]:
        """Return scores by respondent, observed information, and what it would be if the pulls were known.

        Of the common parameters and the spread: at a given u, the spread is a coefficient like any other, with
        u times the pull as its predictor (Louis 1982, J. Roy. Statist. Soc. B 44).
        """
        given = self.values + self.spread * self.points[..., None] * self.pulls
        _, score, information = self.panel.derivatives(given)
        u, shares = self.points, self.shares()
        n = len(self.values)
        full_score = np.concatenate([score, (u * (score @ self.pulls))[..., None]], axis=2)
        beside = information @ self.pulls
        known = np.zeros((n + 1, n + 1))
        known[:n, :n] = np.einsum("pr,prab->ab", shares, information)
        known[:n, n] = known[n, :n] = np.einsum("pr,pra->a", shares * u, beside)
        known[n, n] = float((shares * u**2 * (beside @ self.pulls)).sum())
        mean = np.einsum("pr,pra->pa", shares, full_score)
        weighted = full_score * shares[..., None]
        lost = full_score.reshape(-1, n + 1).T @ weighted.reshape(-1, n + 1) - mean.T @ mean
        return mean, known - lost, known


def _most_likely_points(panel: Panel, pulls: Array, values: Array, spread: float) -> tuple[Array, Array]:
    """Return each respondent's most likely u and the width of its distribution, shape (n_people,) each."""
    u = np.zeros(panel.n_people)

    def given(u: Array) -> Array:
        return np.asarray((values + spread * u[:, None] * pulls)[:, None])

    for _ in range(_MOST_STEPS):
        log_likelihood, score, information = panel.derivatives(given(u))
        slope = spread * (score[:, 0] @ pulls) - u
        bend = spread**2 * (information[:, 0] @ pulls @ pulls) + 1
        step = slope / bend
        gain = slope * step
        if gain.max() < 1e-12:
            return u, bend**-0.5
        reached = log_likelihood[:, 0] - u**2 / 2
        length = np.ones(panel.n_people)
        for _ in range(40):
            new = u + length * step
            trial = panel.log_likelihoods(given(new))[:, 0] - new**2 / 2
            bad = (trial < reached + 1e-4 * length * gain) & (gain > 1e-8)
            if not bad.any():
                break
            length[bad] /= 2
        u = new
    raise DidNotConverge("a respondent's most likely pull was not found; numbers overflow")
