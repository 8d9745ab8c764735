"""Random coefficients: every respondent has their own, normally distributed over the population."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from estimation.assembly import Assembled, assemble
from estimation.choice_model import PULL, maximize, parameter_scale
from estimation.dataset import ChoiceData
from estimation.effects import EffectKind
from estimation.errors import EstimationError, Separated
from estimation.existence import check_estimable
from estimation.heterogeneity.marginal_likelihood import Frozen, Population
from estimation.heterogeneity.panel import panel_of
from estimation.heterogeneity.population_search import Settled, fresh, settled
from estimation.heterogeneity.preferences import PreferenceDistribution
from estimation.heterogeneity.spread_intervals import SpreadIntervals, reported_covariance
from estimation.indecision.rao_kupper import RaoKupper
from estimation.specification import Regularize, Specification
from estimation.uncertainty import few_clusters_note, t_quantile
from estimation.weights import Estimate

Array = NDArray[np.float64]

MOST_VARYING = 12
"""More coefficients than this would have 90 and more variances and covariances, which no survey determines."""
FEWEST_DRAWS = 32
# Respondents further apart than this many log-odds answer by rules without exception.
_WIDEST = 40.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulationChecks:
    """Whether the integral and the maximum were reached."""

    draws: int
    """Per respondent."""
    rounds: int
    """Times that draws were placed anew around the respondents' likely coefficients."""
    gain_left: float
    """Log-likelihood units that one more Newton step would gain."""
    least_effective_draws: float
    """Of the respondent for whom fewest draws count: the integral is poor below about 10."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RandomCoefficients:
    """A population's distribution of coefficients, and every respondent's own as far as their answers tell."""

    specification: Specification
    names: tuple[str, ...]
    """What varies: profiles' log-strengths (centred) or attribute terms, then the pull if it varies."""
    n_strengths: int
    """The first so many of ``names`` are log-strengths or attribute coefficients."""
    mean: Array
    """Of the population, shape (n_varying,)."""
    mean_covariance: Array
    """Cluster-robust covariance of the estimated mean, shape (n_varying, n_varying)."""
    covariance: Array
    """Between respondents, shape (n_varying, n_varying)."""
    means: Mapping[str, Estimate]
    """The mean with 95 % intervals (sandwich over respondents, t quantiles)."""
    spreads: Mapping[str, Estimate]
    """Standard deviations between respondents, with intervals that are symmetric on the log scale; without
    interval where some combination of coefficients hardly varies."""
    correlations: Mapping[tuple[str, str], Estimate]
    """Between coefficients over respondents, with intervals by Fisher's z."""
    positive_shares: Mapping[str, Estimate]
    """Share of the population whose coefficient is above 0, P(beta > 0) of Freedman (2020)."""
    others: Mapping[str, Estimate]
    """Parameters that all respondents share: order effect, effect of distance, groups' contrasts."""
    respondents: tuple[str, ...]
    respondent_means: Array
    """Each respondent's coefficients given their answers (shrunk), shape (n_people, n_varying)."""
    respondent_spreads: Array
    """Their standard deviations, shape (n_people, n_varying)."""
    population: PreferenceDistribution
    """The same distribution without the pull, for the exchange."""
    log_likelihood: float
    """Marginal: averaged over the distribution of coefficients, by draws not used for the fit."""
    monte_carlo_error: float
    """Standard error of ``log_likelihood`` from using draws."""
    common_log_likelihood: float
    """If all respondents had the same coefficients."""
    n_parameters: int
    n_answers: int
    checks: SimulationChecks
    notes: tuple[str, ...]

    @property
    def n_respondents(self) -> int:
        """Respondents with an answer that the model uses."""
        return len(self.respondents)

    @property
    def aic(self) -> float:
        """Akaike's criterion."""
        return 2 * self.n_parameters - 2 * self.log_likelihood

    @property
    def bic(self) -> float:
        """Schwarz's criterion with respondents, the independent units, as the sample size."""
        return float(np.log(self.n_respondents) * self.n_parameters - 2 * self.log_likelihood)


def fit_random_coefficients(
    data: ChoiceData,
    spec: Specification,
    *,
    seed: int = 0,
    draws: int = 256,
    random_pull: bool | None = None,
) -> RandomCoefficients:
    """Estimate how coefficients are distributed over respondents, by maximum marginal likelihood.

    A respondent's coefficients are normal with a mean and a free covariance; the likelihood of their answers is
    averaged over that distribution by importance sampling around their most likely coefficients (a t distribution
    with the curvature there). The draws are fixed by the seed, so the likelihood is a smooth function. It is
    maximized by the EM algorithm and finished by Newton steps. Respondents who always answer alike need no
    special care: the population holds their coefficients.

    Parameters
    ----------
    spec
        A model whose likelihood has one maximum: conditional-logit, bradley-terry, davidson, min-delta, min-u, or
        rao-kupper with a common threshold. Free profiles with up to 12 of them.
    draws
        Per respondent; even, at least 32.
    random_pull
        Whether respondents differ in their pull of indecision, too. None: yes, where the model has a pull that
        may be any number (the threshold of Rao and Kupper may not).

    Raises
    ------
    EstimationError
        The model has no random coefficients of this kind, or the answers do not name their respondents.
    NotIdentified, Separated
        As of :func:`estimation.existence.check_estimable`.
    DidNotConverge
        Respondents seem to answer by rules without exception, or the maximum was not reached.

    References
    ----------
    Freedman (2020), AISafety, CEUR 2640; Train (2009), Discrete Choice Methods with Simulation, chapters 6 and 14;
    Dempster, Laird and Rubin (1977), J. Roy. Statist. Soc. B 39; Louis (1982), same journal 44 (information).
    """
    if draws < FEWEST_DRAWS or draws % 2:
        raise EstimationError(f"give an even number of draws, {FEWEST_DRAWS} or more, not {draws}")
    assembled = _assembled(data, spec)
    cells = assembled.cells
    panel = panel_of(data, spec, assembled)
    varying = _varying(assembled, spec, random_pull)
    if len(varying) > MOST_VARYING:
        raise EstimationError(
            f"{len(varying)} coefficients that differ between respondents are too many to learn "
            f"{len(varying) * (len(varying) + 1) // 2} variances and covariances from; {MOST_VARYING} is the most. "
            "Fit attributes (--effects attributes) or fewer of them"
        )
    pooled = maximize(cells)
    scale = parameter_scale(cells)
    end = settled(
        panel.scaled(scale),
        varying,
        Population(
            mean=(pooled.values * scale)[varying],
            covariance=np.eye(len(varying)),
            common=np.delete(pooled.values * scale, varying),
        ),
        draws=draws,
        seed=seed,
        widest=_WIDEST,
    )
    return _result(
        data,
        spec,
        assembled,
        end=end,
        again=fresh(end.frozen, seed=seed),
        report=assembled.report / scale,
        common_log_likelihood=pooled.log_likelihood,
    )


def _assembled(data: ChoiceData, spec: Specification) -> Assembled:
    spec.check()
    n_attributes = 1 if spec.effect_kind is EffectKind.PROFILES else len(data.attributes)
    if not spec.rule(n_attributes).concave:
        raise EstimationError(
            f"{spec.model}{' with forced answers' if spec.forced else ''} may have several maxima for every "
            "respondent, so it has no random coefficients here; use min-delta, davidson, min-u or conditional-logit"
        )
    if spec.shape.monotone:
        raise EstimationError(
            "coefficients that are normal over respondents have both signs; leave out monotone effects"
        )
    if spec.regularize is Regularize.ALWAYS:
        raise EstimationError(
            "random coefficients are held by their distribution; prior answers are not added"
        )
    assembled = assemble(data, spec)
    try:
        check_estimable(assembled.cells)
    except Separated as error:
        raise Separated(
            "taken together, the answers follow a rule without exception in "
            f"{', '.join(error.involved)}, so no distribution of coefficients fits best; collect more answers",
            error.involved,
        ) from None
    return assembled


def _varying(assembled: Assembled, spec: Specification, random_pull: bool | None) -> NDArray[np.intp]:
    """Return the numbers of the parameters that differ between respondents."""
    cells = assembled.cells
    by_profile = not assembled.terms
    n_strengths = assembled.n_strengths - 1 if by_profile else len(assembled.terms)
    varying = list(range(n_strengths))
    pulls = [i for i, name in enumerate(cells.names) if name.startswith(PULL)]
    is_threshold = isinstance(cells.rule, RaoKupper)
    if random_pull is None:
        random_pull = cells.rule.has_pull and not is_threshold and not spec.pull_by_group
    if random_pull:
        if not cells.rule.has_pull:
            raise EstimationError(
                f"{spec.model} has no pull of indecision that could differ between respondents"
            )
        if is_threshold:
            raise EstimationError(
                "the threshold of rao-kupper must be above 0, so it cannot be normal over respondents; use "
                "davidson or min-delta, or a common threshold (random_pull=False)"
            )
        if spec.pull_by_group and len(pulls) > 1:
            raise EstimationError(
                "groups with pulls of their own and respondents with pulls of their own do not go together here; "
                "choose one of the two"
            )
        varying.append(cells.names.index(PULL))
    return np.array(varying, dtype=np.intp)


def _result(
    data: ChoiceData,
    spec: Specification,
    assembled: Assembled,
    *,
    end: Settled,
    again: Frozen,
    report: Array,
    common_log_likelihood: float,
) -> RandomCoefficients:
    frozen = end.frozen
    panel, varying, population = frozen.panel, frozen.varying, frozen.population
    common = np.delete(np.arange(panel.n_parameters), varying)
    rows = np.flatnonzero(np.abs(report[:, varying]).max(axis=1) > 0)
    other_rows = np.setdiff1d(np.arange(len(report)), rows)
    turn = report[np.ix_(rows, varying)]
    names = tuple(assembled.names[i] for i in rows)
    n_strengths = int((rows < assembled.n_strengths).sum())

    flat = end.curvature.is_flat
    estimated = end.curvature.robust_covariance(end.curvature.is_free)
    k, g = len(varying), len(common)
    v = k * (k + 1) // 2
    mean = turn @ population.mean
    covariance = turn @ population.covariance @ turn.T
    mean_covariance = turn @ estimated[:k, :k] @ turn.T
    quantile = t_quantile(panel.n_people)
    half = quantile * np.sqrt(np.diag(mean_covariance))
    interval = SpreadIntervals(
        mean=mean,
        covariance=covariance,
        # Of (mean, covariance's lower triangle) as reported, by (mean, triangle) as estimated.
        estimated=None if flat else reported_covariance(turn, estimated[: k + v, : k + v]),
        quantile=quantile,
    )
    turn_common = report[np.ix_(other_rows, common)]
    common_values = turn_common @ population.common
    common_covariance = turn_common @ estimated[k + v :, k + v :] @ turn_common.T
    common_half = quantile * np.sqrt(np.diag(common_covariance))

    own_mean, own_covariance = again.respondents()
    notes = list(data.notes)
    if flat:
        notes.append(
            "these answers hardly tell how respondents differ in some combination of these coefficients, so "
            "standard deviations, correlations and shares have no intervals; a model with common "
            "coefficients may do as well"
        )
    notes += few_clusters_note(panel.n_people, k + v + g)
    strengths = slice(0, n_strengths)
    least = float(again.effective_draws().min())
    if least < 10:
        notes.append(
            f"for one respondent only {least:.0f} of {again.n_draws} draws count; take more draws and compare"
        )
    return RandomCoefficients(
        specification=spec,
        names=names,
        n_strengths=n_strengths,
        mean=mean,
        mean_covariance=mean_covariance,
        covariance=covariance,
        means={name: Estimate.of(m, m - h, m + h) for name, m, h in zip(names, mean, half, strict=True)},
        spreads={name: interval.spread(i) for i, name in enumerate(names)},
        correlations={
            (names[i], names[j]): interval.correlation(i, j) for i in range(len(names)) for j in range(i)
        },
        positive_shares={name: interval.positive_share(i) for i, name in enumerate(names)},
        others={
            assembled.names[row]: Estimate.of(c, c - h, c + h)
            for row, c, h in zip(other_rows, common_values, common_half, strict=True)
        },
        respondents=panel.names,
        respondent_means=own_mean @ turn.T,
        respondent_spreads=np.sqrt(np.maximum(np.einsum("ik,pkl,il->pi", turn, own_covariance, turn), 0.0)),
        population=PreferenceDistribution(
            attributes=data.attributes,
            terms=assembled.terms,
            profiles=() if assembled.terms else data.profiles,
            mean=mean[strengths],
            covariance=covariance[strengths, strengths],
        ),
        log_likelihood=again.log_likelihood(),
        monte_carlo_error=again.monte_carlo_error(),
        common_log_likelihood=common_log_likelihood,
        n_parameters=k + v + g,
        n_answers=assembled.n_answers,
        checks=SimulationChecks(
            draws=frozen.n_draws, rounds=end.rounds, gain_left=end.gain_left, least_effective_draws=least
        ),
        notes=tuple(notes),
    )
