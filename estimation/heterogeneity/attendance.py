"""Which attributes do not count: the share of respondents who answer as if an attribute were not there."""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, log_expit

from estimation.choice_model import Optima, maximize
from estimation.dataset import ChoiceData
from estimation.effects import EffectKind
from estimation.errors import EstimationError
from estimation.fitting import fit
from estimation.heterogeneity.mixing import (
    Ascent,
    Objective,
    Respondents,
    ascend,
    clustered_covariance,
    mixed,
    observed_information,
    optima_of,
    respondent_slopes,
    respondents,
)
from estimation.specification import Specification
from estimation.uncertainty import (
    FEWEST_BOOTSTRAPS,
    Intervals,
    bootstrap_blocks,
    bootstrap_intervals,
    t_quantile,
)
from estimation.weights import Estimate

Array = NDArray[np.float64]

MOST_ATTRIBUTES = 10
"""There are 2 to the power of so many patterns of attributes that count."""
PRIOR_ANSWERS = 1.0
"""Prior answers in all, which keep the coefficients finite of those whom an attribute decides without exception."""
WARNING = (
    "read the shares for whom an attribute does not count as upper bounds: respondents who care little look like "
    "respondents who do not care at all, so differences in taste inflate them (Hess et al. 2013)"
)
# Shares at which an ascent starts, one each; coefficients start larger by what those who do not care took away.
_START_SHARES = (0.3, 0.1, 0.6)
# With more patterns than this, an ascent takes long and only the first is made.
_MOST_PATTERNS = 64
# Log-odds beyond which a share is 0 or 1 to six digits, so that its interval by log-odds means nothing.
_EDGE = 9.0
# A refit takes long, so fewer are handed out at once than of a model with one maximum.
_BLOCK = 20


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Attendance:
    """Shares of respondents for whom each attribute does not count, and what counts for the others."""

    specification: Specification
    does_not_count: dict[str, Estimate]
    """Attribute -> share in [0, 1]."""
    coefficients: dict[str, Estimate]
    """Term -> coefficient among those for whom its attribute counts."""
    others: dict[str, Estimate]
    """The pull of indecision and the order effect, the same for all."""
    log_likelihood: float
    """Of the answers, prior answers excluded."""
    pooled_log_likelihood: float
    """Of the model in which everything counts for everybody."""
    n_parameters: int
    respondents: tuple[str, ...]
    does_not_count_for: Array
    """Probability, given a respondent's answers, that an attribute does not count; shape (n_respondents,
    n_attributes)."""
    optima: Optima
    """Where the starts ended: log-likelihoods with the prior answers' pull included; ends within 0.01 are one."""
    residual: float
    """Largest absolute derivative at the estimate."""
    prior_answers: float
    """In all."""
    interval_method: str
    notes: tuple[str, ...]

    @property
    def bic(self) -> float:
        """Schwarz's criterion with respondents as the sample size; less is better."""
        return float(np.log(len(self.respondents)) * self.n_parameters - 2 * self.log_likelihood)


def fit_attendance(
    data: ChoiceData,
    spec: Specification,
    *,
    bootstrap: int = 0,
    executor: Executor | None = None,
    prior_answers: float = PRIOR_ANSWERS,
) -> Attendance:
    """Estimate the share of respondents for whom each attribute does not count.

    Each respondent leaves attribute k out of account with probability pi_k, independently of the others; then its
    coefficients (interactions included) are 0 for all the respondent's answers. Coefficients are otherwise common.
    The likelihood is summed over all patterns and climbed by quasi-Newton steps, from several shares if there are
    at most six attributes. Every further attribute doubles the work: eight take a minute, ten some minutes.

    A warning belongs to every such number: people differ in how much an attribute counts, and the model can call
    "little" only "not at all". Differences in taste therefore inflate the shares (Hess et al. 2013). Compare with
    latent classes or random coefficients before saying that people ignore anything.

    Parameters
    ----------
    bootstrap
        0: intervals by the sandwich of the respondents' scores, on the scale of log-odds. n > 0: percentiles of n
        Bayesian bootstraps of respondents (at least 40), seeded by ``spec.seed``; the better choice for shares near
        0 or 1.
    executor
        Computes bootstraps; same seed, same bytes.
    prior_answers
        In all, spread evenly over comparisons and alternatives.

    Raises
    ------
    EstimationError
        Free profiles, more than ten attributes, or answers that do not name several respondents.
    DidNotConverge
        No maximum was reached.

    References
    ----------
    Scarpa, Gilbride, Campbell and Hensher (2009), European Review of Agricultural Economics 36; Hess, Stathopoulos,
    Campbell, O'Neill and Caussade (2013), Transportation 40.
    """
    if spec.effect_kind is EffectKind.PROFILES:
        raise EstimationError(
            "whether attributes count can only be told with attribute effects; use min-delta or conditional-logit "
            "(or --effects attributes)"
        )
    if 0 < bootstrap < FEWEST_BOOTSTRAPS:
        raise EstimationError(
            f"{bootstrap} bootstraps are too few for 95 % intervals; use {FEWEST_BOOTSTRAPS} or more"
        )
    if not 0 < prior_answers < np.inf:
        raise EstimationError(f"prior answers: {prior_answers} is no number of answers; give more than 0")
    people = respondents(data, spec, prior_answers=prior_answers)
    single = fit(data, spec)
    patterns = _patterns(people, data)
    few = len(patterns.counts) <= _MOST_PATTERNS
    starts = [_start(people, patterns, share) for share in (_START_SHARES if few else _START_SHARES[:1])]
    ends = sorted((ascend(_objective(people, patterns), s) for s in starts), key=lambda e: -e.value)
    best = ends[0]
    values, logits = _unpacked(people, best.at)
    state = _state(people, patterns, best.at)
    low, high, method, notes = _intervals(people, patterns, best, spec.seed, bootstrap, executor)
    n_terms = len(people.assembled.terms)
    names = people.assembled.names
    estimates = [Estimate.of(v, lo, hi) for v, lo, hi in zip(values, low, high, strict=False)]
    shares = [
        Estimate.of(expit(v), lo, hi)
        for v, lo, hi in zip(logits, low[len(values) :], high[len(values) :], strict=True)
    ]
    return Attendance(
        specification=spec,
        does_not_count=dict(zip(patterns.attributes, shares, strict=True)),
        coefficients=dict(zip(names[:n_terms], estimates[:n_terms], strict=True)),
        others=dict(zip(names[n_terms:], estimates[n_terms:], strict=True)),
        log_likelihood=state.log_likelihood,
        pooled_log_likelihood=single.log_likelihood,
        n_parameters=len(best.at),
        respondents=people.names,
        does_not_count_for=state.memberships @ ~patterns.counts,
        optima=optima_of([e.value for e in ends]),
        residual=best.residual,
        prior_answers=prior_answers,
        interval_method=method,
        notes=(WARNING, *notes, *_edge_notes(patterns, logits), *single.notes),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Patterns:
    attributes: tuple[str, ...]
    counts: NDArray[np.bool_]
    """Whether an attribute counts, shape (n_patterns, n_attributes)."""
    mask: Array
    """1 where a parameter is at work, shape (n_patterns, n_parameters)."""


def _patterns(people: Respondents, data: ChoiceData) -> _Patterns:
    terms = people.assembled.terms
    used = {f.attribute for t in terms for f in t.factors}
    attributes = tuple(a.name for a in data.attributes if a.name in used)
    if len(attributes) > MOST_ATTRIBUTES:
        raise EstimationError(
            f"{len(attributes)} attributes have {2 ** len(attributes)} patterns of what counts; keep the "
            f"{MOST_ATTRIBUTES} that matter, or fit latent classes"
        )
    counts = np.array(list(product([True, False], repeat=len(attributes))))
    mask = np.ones((len(counts), people.cells.n_parameters))
    place = {name: k for k, name in enumerate(attributes)}
    for i, term in enumerate(terms):
        # An interaction is at work only where both its attributes count.
        mask[:, i] = counts[:, [place[f.attribute] for f in term.factors]].all(axis=1)
    for i, name in enumerate(people.cells.names[len(terms) :], start=len(terms)):
        # Effects by group follow the plain ones, and are named for the same terms.
        for j, term in enumerate(terms):
            if name.startswith(f"{term.name} in "):
                mask[:, i] = mask[:, j]
    return _Patterns(attributes, counts, mask)


def _start(people: Respondents, patterns: _Patterns, share: float) -> Array:
    pooled = maximize(people.cells).values
    n_terms = len(people.assembled.terms)
    pooled[:n_terms] /= 1 - share
    odds = np.log(share) - np.log1p(-share)
    return np.concatenate([pooled * people.scale, np.full(len(patterns.attributes), odds)])


def _unpacked(people: Respondents, at: Array) -> tuple[Array, Array]:
    """Return the parameters, and the log-odds of not counting."""
    n = people.cells.n_parameters
    return at[:n] / people.scale, at[n:]


@dataclass(frozen=True, slots=True, eq=False)
class _State:
    log_likelihood: float
    memberships: Array
    objective: float
    slopes: Array


def _state(people: Respondents, patterns: _Patterns, at: Array, weights: Array | None = None) -> _State:
    values, logits = _unpacked(people, at)
    log_shares = np.where(patterns.counts, log_expit(-logits), log_expit(logits)).sum(axis=1)
    state = mixed(people, values * patterns.mask, log_shares, respondent_weights=weights)
    everything = np.zeros(len(log_shares))
    everything[0] = 1.0  # Prior answers are given by somebody for whom everything counts.
    slopes = ((state.slopes + state.prior_slopes * everything[:, None]) * patterns.mask).sum(axis=0)
    total = state.in_component.sum()
    share_slopes = state.in_component @ ~patterns.counts - total * expit(logits)
    return _State(
        log_likelihood=state.log_likelihood,
        memberships=state.memberships,
        objective=state.log_likelihood + float(state.prior[0]),
        slopes=np.concatenate([slopes / people.scale, share_slopes]),
    )


def _objective(people: Respondents, patterns: _Patterns, weights: Array | None = None) -> Objective:
    def objective(at: Array) -> tuple[float, Array]:
        state = _state(people, patterns, at, weights)
        return state.objective, state.slopes

    return objective


def _intervals(
    people: Respondents,
    patterns: _Patterns,
    best: Ascent,
    seed: int,
    bootstrap: int,
    executor: Executor | None,
) -> tuple[Array, Array, str, tuple[str, ...]]:
    """Return ends of the intervals of parameters and shares, the method, and notes."""
    n = people.cells.n_parameters
    if bootstrap:
        draws = _bootstraps(people, patterns, best.at, seed, bootstrap, executor)
        drawn = np.hstack([draws[:, :n] / people.scale, expit(draws[:, n:])])
        low, high, method = bootstrap_intervals(drawn, Intervals(bootstrap=bootstrap, seed=seed), people.n)
        return low, high, method, ()
    information = observed_information(_objective(people, patterns), best.at)
    edge = np.concatenate([np.zeros(n, dtype=bool), np.abs(best.at[n:]) > _EDGE])
    kept = np.flatnonzero(~edge)
    state = _state(people, patterns, best.at)
    values, logits = _unpacked(people, best.at)
    slopes = np.zeros((people.n, n))
    for c, mask in enumerate(patterns.mask):
        slopes += state.memberships[:, [c]] * respondent_slopes(people, values * mask) * mask
    each = np.hstack([slopes / people.scale, state.memberships @ ~patterns.counts - expit(logits)])
    low, high = np.full(len(best.at), np.nan), np.full(len(best.at), np.nan)
    covariance = clustered_covariance(information[np.ix_(kept, kept)], each[:, kept])
    if covariance is None or people.n <= len(kept):
        why = "some parameters hang on no answers, or on too few respondents, so there are no intervals"
        return low, high, "no intervals", (why,)
    half = t_quantile(people.n) * np.sqrt(np.maximum(np.diag(covariance), 0.0))
    low[kept], high[kept] = best.at[kept] - half, best.at[kept] + half
    low[:n], high[:n] = low[:n] / people.scale, high[:n] / people.scale
    low[n:], high[n:] = expit(low[n:]), expit(high[n:])
    method = (
        f"95 % intervals by the sandwich of the respondents' scores, t quantile with {people.n - 1} degrees of "
        "freedom; shares on the scale of log-odds"
    )
    return low, high, method, ()


def _bootstraps(
    people: Respondents, patterns: _Patterns, at: Array, seed: int, n: int, executor: Executor | None
) -> Array:
    """Refit under random weights of respondents of mean 1; return shape (n, n_parameters + n_attributes)."""
    return bootstrap_blocks(
        partial(_bootstrap_block, people, patterns, at), n_draws=n, seed=seed, executor=executor, size=_BLOCK
    )


def _bootstrap_block(
    people: Respondents, patterns: _Patterns, at: Array, n: int, seed: np.random.SeedSequence
) -> Array:
    rng = np.random.default_rng(seed)
    # Away from the edge, where the surface is flat and an ascent would never leave.
    start = np.clip(at, np.where(np.arange(len(at)) < people.cells.n_parameters, -np.inf, -3.0), np.inf)
    start[people.cells.n_parameters :] = np.minimum(start[people.cells.n_parameters :], 3.0)
    draws = []
    for _ in range(n):
        weights = rng.standard_exponential(people.n)
        weights /= weights.mean()
        draws.append(ascend(_objective(people, patterns, weights), start).at)
    return np.array(draws)


def _edge_notes(patterns: _Patterns, logits: Array) -> tuple[str, ...]:
    notes = []
    for name, odds in zip(patterns.attributes, logits, strict=True):
        if odds < -_EDGE:
            notes.append(f"'{name}' counts for everybody, as far as these answers tell: its share is at 0")
        if odds > _EDGE:
            notes.append(f"'{name}' counts for nobody: its share is at 1, and its coefficient means nothing")
    return tuple(notes)
