"""Latent classes: respondents of a few kinds, each with weights of its own, nobody knows who is of which kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from estimation.choice_model import Optima
from estimation.dataset import ChoiceData
from estimation.effects import EffectKind
from estimation.errors import EstimationError
from estimation.fitting import fit
from estimation.heterogeneity.class_search import (
    ClassSolution,
    class_objective,
    packed,
    search_classes,
)
from estimation.heterogeneity.mixing import (
    Respondents,
    check_concave,
    clustered_covariance,
    mixed,
    observed_information,
    optima_of,
    respondent_slopes,
    respondents,
)
from estimation.specification import Specification
from estimation.uncertainty import t_quantile
from estimation.weights import AttributeWeights, Estimate, PriorityWeights, ProfileWeights, log_strengths
from survey.design import Profile

Array = NDArray[np.float64]

DEFAULT_STARTS = 10
PRIOR_OF_ATTRIBUTES = 1.0
"""Prior answers of each class of an attribute model, in all."""
PRIOR_OF_PROFILES = 0.1
"""Wins, and losses, of every profile against a ghost profile in each class of a free-profile model."""
MOST_PARAMETERS = 100
"""Of one class: more than this, and no survey tells them class by class."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RespondentClass:
    """Respondents of one kind."""

    share: Estimate
    """Of all respondents, in [0, 1]."""
    weights: PriorityWeights
    others: Mapping[str, Estimate]
    """The pull of indecision, order effect and the like."""
    expected_members: float
    """Sum of the respondents' membership probabilities."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LatentClasses:
    """Respondents of a given number of kinds, the most frequent first."""

    specification: Specification
    classes: tuple[RespondentClass, ...]
    log_likelihood: float
    """Of the answers, prior answers excluded."""
    n_parameters: int
    """Free ones: those of all classes, and the shares but one."""
    n_answers: int
    respondents: tuple[str, ...]
    memberships: Array
    """Probability of each class given a respondent's answers, shape (n_respondents, n_classes)."""
    names: tuple[str, ...]
    """Of the reported quantities."""
    values: Array
    """Reported quantities by class, shape (n_classes, n_reported)."""
    optima: Optima
    """Where the starts ended: log-likelihoods with the prior answers' pull included; ends within 0.01 are one."""
    residual: float
    """Largest absolute derivative at the estimate."""
    prior_answers: float
    """Of each class; 0 is maximum likelihood."""
    interval_method: str
    notes: tuple[str, ...]

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return len(self.classes)

    @property
    def shares(self) -> Array:
        """Shape (n_classes,)."""
        return np.array([c.share.value for c in self.classes])

    @property
    def aic(self) -> float:
        """Akaike's criterion; less is better."""
        return 2 * self.n_parameters - 2 * self.log_likelihood

    @property
    def bic(self) -> float:
        """Schwarz's criterion with respondents, the independent units, as the sample size; less is better."""
        return float(np.log(len(self.respondents)) * self.n_parameters - 2 * self.log_likelihood)

    @property
    def entropy(self) -> float:
        """How clearly respondents belong to one class: 1 for certain, 0 for all classes alike (1 for one class).

        References
        ----------
        Ramaswamy et al. (1993), Marketing Science 12.
        """
        if self.n_classes == 1:
            return 1.0
        p = self.memberships
        doubt = -np.sum(p * np.log(np.where(p > 0, p, 1.0)))
        return float(1 - doubt / (len(p) * np.log(self.n_classes)))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClassTable:
    """Fits with one class, two, and so on."""

    fits: tuple[LatentClasses, ...]

    @property
    def best(self) -> LatentClasses:
        """The fit with the least BIC on respondents."""
        return min(self.fits, key=lambda f: f.bic)


def compare_classes(
    data: ChoiceData,
    spec: Specification,
    *,
    most: int = 5,
    n_starts: int = DEFAULT_STARTS,
    prior_answers: float | None = None,
) -> ClassTable:
    """Fit 1, 2, … classes, each number also from the classes of the one before it.

    Parameters
    ----------
    most
        Greatest number of classes.
    n_starts, prior_answers
        See :func:`fit_classes`.

    Raises
    ------
    EstimationError
        As :func:`fit_classes`.
    """
    fits: list[LatentClasses] = []
    before: ClassSolution | None = None
    people = _checked(data, spec, most, n_starts, prior_answers)
    for n_classes in range(1, most + 1):
        one, before = _fit(data, spec, people, n_classes, n_starts, before)
        fits.append(one)
    return ClassTable(fits=tuple(fits))


def fit_classes(
    data: ChoiceData,
    spec: Specification,
    n_classes: int,
    *,
    n_starts: int = DEFAULT_STARTS,
    prior_answers: float | None = None,
) -> LatentClasses:
    """Fit a given number of classes by expectation and maximization, from several starts.

    Every class has its own log-strengths or coefficients, pull of indecision and order effect. The start of a class
    is one respondent, drawn with ``spec.seed``. After some rounds of expectation and maximization, a quasi-Newton
    ascent of the same likelihood finishes. The likelihood has several maxima: ``optima`` says how the starts ended.

    Parameters
    ----------
    n_classes
        With 1, the estimate is that of :func:`estimation.fitting.fit`.
    prior_answers
        Weight of the prior answers in each of several classes, which keep a class finite whose members answer by a
        rule without exception; see :func:`estimation.assembly.assemble`. None: 1 answer in all for attributes, 0.1
        wins and losses of each profile for free profiles.

    Raises
    ------
    EstimationError
        The answers do not name several respondents, there are more classes than respondents or more than 100
        parameters in each, or the model's likelihood is not concave.
    DidNotConverge
        No start reached a maximum.

    References
    ----------
    Dempster, Laird and Rubin (1977), J. R. Statist. Soc. B 39; Bhat (1997), Transportation Science 31 (classes in
    choice models); Huber (1967) for the intervals.
    """
    people = _checked(data, spec, n_classes, n_starts, prior_answers)
    return _fit(data, spec, people, n_classes, n_starts, None)[0]


def class_log_strengths(result: LatentClasses, profiles: Sequence[Profile]) -> Array:
    """Return each class's log-strengths of some profiles, centred, shape (n_classes, n_profiles).

    Raises
    ------
    EstimationError
        A free-profile model knows nothing of a profile.
    """
    return np.array([centred_log_strengths(c.weights, profiles) for c in result.classes])


def respondent_log_strengths(result: LatentClasses, profiles: Sequence[Profile]) -> Array:
    """Return each respondent's expected log-strengths, shape (n_respondents, n_profiles).

    They are the classes' log-strengths, weighted by the respondent's membership probabilities.
    """
    return np.asarray(result.memberships @ class_log_strengths(result, profiles))


def centred_log_strengths(weights: PriorityWeights, profiles: Sequence[Profile]) -> Array:
    """Return log-strengths of some profiles under given weights, centred on those profiles, shape (n_profiles,).

    Raises
    ------
    EstimationError
        A free-profile model knows nothing of a profile.
    """
    found = log_strengths(weights, profiles)
    missing = [p.id for p, value in zip(profiles, found, strict=True) if np.isnan(value)]
    if missing:
        raise EstimationError(
            f"the fit has no log-strength of profile '{missing[0]}'; fit attributes to predict profiles that "
            "nobody was asked about"
        )
    return np.asarray(found - found.mean())


# --- the fit ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _People:
    alone: Respondents
    """As fitted with one class."""
    split: Respondents
    """As fitted with several, with the classes' prior answers."""
    prior_alone: float
    prior_split: float
    notes: tuple[str, ...]


def _checked(
    data: ChoiceData, spec: Specification, n_classes: int, n_starts: int, prior_answers: float | None
) -> _People:
    if n_classes < 1 or n_starts < 1:
        raise EstimationError(
            f"{n_classes} classes from {n_starts} starts make no sense; give at least 1 of each"
        )
    if prior_answers is not None and not 0 < prior_answers < np.inf:
        raise EstimationError(
            f"prior answers of a class: {prior_answers} is no number of answers; give more than 0, because classes "
            "whose members never contradict each other have no finite estimate"
        )
    by_profile = spec.effect_kind is EffectKind.PROFILES
    usual = PRIOR_OF_PROFILES if by_profile else PRIOR_OF_ATTRIBUTES
    prior = usual if prior_answers is None else prior_answers
    check_concave(spec)
    split = respondents(data, spec, prior_answers=prior)
    if split.cells.n_parameters > MOST_PARAMETERS:
        raise EstimationError(
            f"{split.cells.n_parameters} parameters are too many to be told class by class; {MOST_PARAMETERS} are "
            "the most. Fit attributes (--effects attributes), or fewer profiles"
        )
    if n_classes > split.n:
        raise EstimationError(
            f"{n_classes} classes of {split.n} respondents: ask for fewer classes, or more respondents"
        )
    # The ordinary fit says whether there is an estimate at all, and regularizes if need be and allowed.
    single = fit(data, spec)
    return _People(
        alone=respondents(data, spec, prior_answers=single.prior_answers),
        split=split,
        prior_alone=single.prior_answers,
        prior_split=prior,
        notes=single.notes,
    )


def _fit(
    data: ChoiceData,
    spec: Specification,
    both: _People,
    n_classes: int,
    n_starts: int,
    before: ClassSolution | None,
) -> tuple[LatentClasses, ClassSolution]:
    people = both.split if n_classes > 1 else both.alone
    found, n_failed = search_classes(people, n_classes, n_starts=n_starts, seed=spec.seed, before=before)
    best = found[0]
    return _result(data, spec, both, people, best, optima_of([f.objective for f in found]), n_failed), best


# --- the result -------------------------------------------------------------------------------------------


def _result(
    data: ChoiceData,
    spec: Specification,
    both: _People,
    people: Respondents,
    best: ClassSolution,
    optima: Optima,
    n_failed: int,
) -> LatentClasses:
    n_classes = best.n_classes
    assembled = people.assembled
    state = mixed(people, best.values, best.log_shares)
    values = best.values @ assembled.report.T
    low, high, share_low, share_high, method, notes = _intervals(people, best, state.memberships)
    shares = np.exp(best.log_shares)
    n = assembled.n_strengths
    classes = []
    for k in range(n_classes):
        estimates = {
            name: Estimate.of(values[k, r], low[k, r], high[k, r]) for r, name in enumerate(assembled.names)
        }
        strengths = [estimates[name] for name in assembled.names[:n]]
        weights: PriorityWeights
        if spec.effect_kind is EffectKind.PROFILES:
            weights = ProfileWeights(
                attributes=data.attributes, profiles=data.profiles, log_strengths=tuple(strengths)
            )
        else:
            weights = AttributeWeights(
                attributes=data.attributes,
                terms=assembled.terms,
                coefficients=dict(zip(assembled.names[:n], strengths, strict=True)),
            )
        classes.append(
            RespondentClass(
                share=Estimate.of(shares[k], share_low[k], share_high[k]),
                weights=weights,
                others={name: estimates[name] for name in assembled.names[n:]},
                expected_members=float(state.memberships[:, k].sum()),
            )
        )
    prior = both.prior_split if n_classes > 1 else both.prior_alone
    if n_classes > 1:
        notes = (_prior_note(spec, prior), *notes, *_start_notes(optima, n_failed))
    return LatentClasses(
        specification=spec,
        classes=tuple(classes),
        log_likelihood=state.log_likelihood,
        n_parameters=int(n_classes * people.free.sum() + n_classes - 1),
        n_answers=assembled.n_answers,
        respondents=people.names,
        memberships=state.memberships,
        names=assembled.names,
        values=values,
        optima=optima,
        residual=best.residual,
        prior_answers=prior,
        interval_method=method,
        notes=(*notes, *both.notes),
    )


def _intervals(
    people: Respondents, best: ClassSolution, memberships: Array
) -> tuple[Array, Array, Array, Array, str, tuple[str, ...]]:
    """Return ends of the intervals of reported quantities and of shares, the method, and notes."""
    n_classes, n_parameters = best.values.shape
    report = people.assembled.report
    values = best.values @ report.T
    size = n_classes * n_parameters
    none = np.full_like(values, np.nan)
    if people.n <= size + n_classes - 1:
        why = f"{people.n} respondents are too few for intervals of {size + n_classes - 1} parameters"
        return none, none, none[:, 0], none[:, 0], "no intervals", (why,)
    objective = class_objective(people, n_classes)
    information = observed_information(objective, packed(people, best.values, best.log_shares))
    slopes = [
        memberships[:, [k]] * respondent_slopes(people, best.values[k]) / people.scale
        for k in range(n_classes)
    ]
    shares = np.exp(best.log_shares)
    covariance = clustered_covariance(information, np.hstack([*slopes, (memberships - shares)[:, 1:]]))
    if covariance is None:
        why = "some parameters of some class hang on no answers, so there are no intervals"
        return none, none, none[:, 0], none[:, 0], "no intervals", (why,)
    t = t_quantile(people.n)
    spread = np.empty_like(values)
    for k in range(n_classes):
        part = slice(k * n_parameters, (k + 1) * n_parameters)
        own = covariance[part, part] / people.scale / people.scale[:, None]
        spread[k] = np.sqrt(np.maximum(np.diag(report @ own @ report.T), 0.0))
    # Of log-odds against the first class to each class's own log-odds, which no interval leaves [0, 1] on.
    to_own = (np.eye(n_classes) - shares)[:, 1:] / np.maximum(1 - shares, 1e-300)[:, None]
    odds = np.sqrt(np.maximum(np.diag(to_own @ covariance[size:, size:] @ to_own.T), 0.0))
    at = logit(np.clip(shares, 1e-12, 1 - 1e-12))
    share_low, share_high = expit(at - t * odds), expit(at + t * odds)
    if n_classes == 1:
        share_low, share_high = np.ones(1), np.ones(1)
    method = (
        f"95 % intervals by the sandwich of the respondents' scores, t quantile with {people.n - 1} degrees of "
        "freedom; the number of classes is taken as known"
    )
    return values - t * spread, values + t * spread, share_low, share_high, method, ()


def _prior_note(spec: Specification, prior: float) -> str:
    if spec.effect_kind is EffectKind.PROFILES:
        what = f"{prior:g} wins and {prior:g} losses of every profile against a ghost profile"
        if spec.uses_indecision or spec.has_order:
            what += f" and {2 * prior:g} prior answers for every further parameter"
    else:
        what = f"prior answers of weight {prior:g} in all, spread evenly over comparisons and alternatives"
    return f"each class is kept finite by {what}; where its members never contradict it, its sizes depend on them"


def _start_notes(optima: Optima, n_failed: int) -> tuple[str, ...]:
    words = f"{optima.n_best} of {optima.n_starts} starts ended at the best maximum found"
    if len(optima.log_likelihoods) > 1:
        gap = optima.log_likelihoods[0] - optima.log_likelihoods[1]
        words += f"; the next best end is {gap:.3g} log-likelihood units below"
    if optima.n_best == 1:
        words += "; more starts might find a better one"
    if n_failed:
        words += f"; {n_failed} more starts reached no maximum"
    return (words,)
