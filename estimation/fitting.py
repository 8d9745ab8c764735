"""From counts and a specification to a fit: gate, estimate, gate again, intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from estimation.assembly import GHOST, Assembled, assemble
from estimation.bradley_terry import (
    MOST_FOR_CHOIX,
    Strengths,
    by_choix,
    information_rank,
    log_likelihood,
    pair_counts,
)
from estimation.bradley_terry_spread import answers_used, strength_spread
from estimation.choice_model import PULL, Maximum, Optima, maximize, parameter_scale, search
from estimation.connectivity import Connectivity, check_connected, connectivity
from estimation.dataset import ChoiceData
from estimation.effects import EffectKind, Term
from estimation.errors import DidNotConverge, EstimationError, NotConnected, NotIdentified, Separated
from estimation.existence import check_estimable, check_identified, check_settled
from estimation.large_bradley_terry import newton_by_gradients
from estimation.results import Checks, Fit, Gate, Outcome, indecision_note
from estimation.specification import Model, Regularize, Specification
from estimation.uncertainty import Intervals, Uncertainty, quasi_variances, uncertainty
from estimation.weights import AttributeWeights, Estimate, PriorityWeights, ProfileWeights

Array = NDArray[np.float64]

# A score further from zero than this share of the answers means that the maximum was not reached.
_RESIDUAL_SHARE = 1e-6
# Quasi-variances of more profiles than this would take longer than the fit.
_MOST_QUASI = 300


def fit(
    data: ChoiceData,
    model: Model | Specification,
    *,
    intervals: Intervals | None = None,
    executor: Executor | None = None,
) -> Fit:
    """Fit a model by maximum likelihood, checked before and after.

    Parameters
    ----------
    model
        A model with its usual choices, or a specification.
    executor
        Computes bootstraps, e.g. a process pool or a Dask cluster; same seed, same bytes. None: here.

    Raises
    ------
    NotConnected
        Free profiles that were never compared with the rest; ``islands`` names them.
    Separated
        The answers follow a rule without exception and may not be regularized; ``involved`` names what runs away.
    NotIdentified
        Attributes that never vary, or always vary together; ``involved`` names them.
    DidNotConverge
        The maximum was not reached, or choix and our own fit disagree.
    EstimationError
        The choices do not go together, or no answer is of use to the model.
    """
    spec = model if isinstance(model, Specification) else Specification(model=model)
    intervals = intervals or Intervals(seed=spec.seed)
    spec.check()
    if spec.model is Model.BRADLEY_TERRY and spec.effect_kind is EffectKind.PROFILES and not spec.has_order:
        return _fit_strengths(data, spec, intervals, executor)
    directed = _directed(data, spec)
    gate, assembled, prior = _gate(data, spec, directed)
    maximum, optima = _maximum(assembled, spec)
    try:
        _check_settled(assembled, maximum, prior)
    except Separated as error:
        if spec.regularize is not Regularize.IF_NEEDED:
            raise
        gate, assembled, prior = _gate(data, replace(spec, regularize=Regularize.ALWAYS), directed)
        gate = replace(gate, reason=_regularized_because(error.involved, spec, prior))
        maximum, optima = _maximum(assembled, spec)
        _check_settled(assembled, maximum, prior)
    checks = _checks(assembled, maximum, optima)
    spread = uncertainty(assembled.cells, maximum, assembled.report, intervals, executor)
    return _result(
        data,
        spec,
        gate,
        spread,
        names=assembled.names,
        values=assembled.report @ maximum.values,
        n_strengths=assembled.n_strengths,
        terms=assembled.terms,
        log_likelihood=maximum.log_likelihood,
        n_parameters=_n_free(assembled, maximum, data),
        n_answers=assembled.n_answers,
        n_clusters=assembled.cells.n_clusters,
        prior_answers=prior,
        checks=checks,
        notes=_optima_note(optima),
    )


def _fit_strengths(
    data: ChoiceData, spec: Specification, intervals: Intervals, executor: Executor | None
) -> Fit:
    """Fit Bradley and Terry's model of free profiles on its pairs alone, with no design."""
    answers = answers_used(data, half_wins=spec.half_wins)
    if not answers.n_answers:
        raise EstimationError(
            f"all {data.n_answers} answers are indecision, which this model leaves out; "
            "use --model min-delta or davidson, or collect decided answers"
        )
    gate, prior = _strengths_gate(data, spec)
    pairs = pair_counts(data.win_counts(half_wins=spec.half_wins))
    if not len(pairs.first):
        raise EstimationError("every comparison is of a profile with itself, so no strengths can be told")
    n = pairs.n_profiles
    whole = pairs.with_ghost(prior) if prior else pairs
    found = by_choix(whole) if n <= MOST_FOR_CHOIX else newton_by_gradients(whole)
    checks = _strengths_checks(found, information_rank(whole, found.values), answers.n_answers)
    spread = strength_spread(answers, pairs, found.values, intervals, ghost=prior, executor=executor)
    values = found.values[:n] - found.values[:n].mean()
    # A profile beside itself is chosen on either side alike.
    beside_itself = float(answers.times.reshape(-1, 3)[data.left == data.right].sum())
    return _result(
        data,
        spec,
        gate,
        spread,
        names=data.names,
        values=values,
        n_strengths=n,
        terms=(),
        log_likelihood=float(log_likelihood(pairs, values)) - beside_itself * float(np.log(2)),
        n_parameters=n - 1,
        n_answers=answers.n_answers,
        n_clusters=answers.n_clusters,
        prior_answers=prior,
        checks=checks,
        notes=[],
    )


def _result(
    data: ChoiceData,
    spec: Specification,
    gate: Gate,
    spread: Uncertainty,
    *,
    names: tuple[str, ...],
    values: Array,
    n_strengths: int,
    terms: tuple[Term, ...],
    log_likelihood: float,
    n_parameters: int,
    n_answers: int,
    n_clusters: int,
    prior_answers: float,
    checks: Checks,
    notes: Sequence[str],
) -> Fit:
    """Put a fit together; see :class:`estimation.results.Fit` for the meaning of each part."""
    reported = list(map(Estimate.of, values, spread.low, spread.high))
    strengths, others = (
        reported[:n_strengths],
        dict(zip(names[n_strengths:], reported[n_strengths:], strict=True)),
    )
    weights: PriorityWeights
    quasi = None
    if spec.effect_kind is EffectKind.PROFILES:
        weights = ProfileWeights(
            attributes=data.attributes, profiles=data.profiles, log_strengths=tuple(strengths)
        )
        if n_strengths <= _MOST_QUASI and spread.covariance is not None:
            quasi = quasi_variances(spread.covariance[:n_strengths, :n_strengths])
    else:
        weights = AttributeWeights(
            attributes=data.attributes,
            terms=terms,
            coefficients=dict(zip(names[:n_strengths], strengths, strict=True)),
        )
    return Fit(
        specification=spec,
        weights=weights,
        indecision=others.get(PULL),
        others=others,
        names=names,
        values=values,
        covariance=spread.covariance,
        quasi_variances=quasi,
        draws=spread.draws,
        draws_from=spread.draws_from,
        log_likelihood=log_likelihood,
        n_parameters=n_parameters,
        n_answers=n_answers,
        n_indecisions=data.n_indecisions,
        clustering=data.clustering,
        n_clusters=n_clusters,
        interval_method=spread.method,
        prior_answers=prior_answers,
        gate=gate,
        checks=checks,
        notes=(
            *([gate.reason] if gate.reason else []),
            *data.notes,
            *(() if spec.uses_indecision else indecision_note(data, half_wins=spec.half_wins)),
            *notes,
            *spread.notes,
        ),
    )


def _strengths_gate(data: ChoiceData, spec: Specification) -> tuple[Gate, float]:
    """Decide by the graph alone whether the strengths exist."""
    graph = connectivity(data, half_wins=spec.half_wins)
    usual = _usual_prior(data, spec)
    if not graph.is_connected or (spec.regularize is Regularize.NEVER and not graph.is_strong):
        check_connected(graph)
    if spec.regularize is Regularize.ALWAYS:
        reason = f"regularized, as asked, by {_prior_words(spec, usual)}"
    elif graph.is_strong:
        return Gate(outcome=Outcome.FINE, reason="", graph=graph), 0.0
    else:
        reason = _regularized_because([*graph.never_lost, *graph.never_won], spec, usual)
    return Gate(outcome=Outcome.REGULARIZED, reason=reason, graph=graph), usual


def _strengths_checks(found: Strengths, rank: int, n_answers: int) -> Checks:
    n_parameters = len(found.values) - 1
    if found.residual > _RESIDUAL_SHARE * n_answers:
        raise DidNotConverge(
            f"expected and observed wins still differ by {found.residual:.2g} at the estimate"
        )
    if rank < n_parameters:
        raise EstimationError(
            f"only {rank} of {n_parameters} differences of strengths are determined by these answers: collect "
            "more, or add prior answers (--regularize always)"
        )
    return Checks(
        iterations=found.iterations,
        residual=found.residual,
        rank=rank,
        n_parameters=n_parameters,
        newton_difference=found.newton_difference,
        optima=None,
        at_bound=(),
    )


def _gate(
    data: ChoiceData, spec: Specification, directions: Mapping[str, int]
) -> tuple[Gate, Assembled, float]:
    """Decide whether the estimate exists; regularize if that is needed and allowed."""
    graph = connectivity(data, by_indecision=spec.uses_indecision, half_wins=spec.half_wins)
    usual = _usual_prior(data, spec)
    if spec.effect_kind is EffectKind.PROFILES and not graph.is_connected:
        check_connected(graph)
    if spec.regularize is Regularize.ALWAYS:
        assembled = assemble(data, spec, prior_answers=usual, directions=directions)
        _check_exists(assembled, spec, graph)
        reason = f"regularized, as asked, by {_prior_words(spec, usual)}"
        return Gate(outcome=Outcome.REGULARIZED, reason=reason, graph=graph), assembled, usual
    assembled = assemble(data, spec, directions=directions)
    try:
        _check_exists(assembled, spec, graph)
    except Separated as error:
        if spec.regularize is Regularize.NEVER:
            raise
        assembled = assemble(data, spec, prior_answers=usual, directions=directions)
        _check_exists(assembled, spec, graph)
        reason = _regularized_because(error.involved, spec, usual)
        return Gate(outcome=Outcome.REGULARIZED, reason=reason, graph=graph), assembled, usual
    return Gate(outcome=Outcome.FINE, reason="", graph=graph), assembled, 0.0


def _regularized_because(involved: Sequence[str], spec: Specification, prior: float) -> str:
    named = ", ".join(involved[:6]) + (", …" if len(involved) > 6 else "")
    return (
        f"regularized by {_prior_words(spec, prior)}, because the answers follow a rule without exception "
        f"({named}) and no finite estimate fits best. Sizes then depend on the prior answers: trust signs and "
        "orders more than sizes"
    )


def _check_exists(assembled: Assembled, spec: Specification, graph: Connectivity) -> None:
    """Ask the graph where it decides, else the linear programme."""
    plain = not spec.has_order and not spec.by_distance and not spec.pull_by_group
    if spec.effect_kind is EffectKind.PROFILES and plain and graph.is_strong and _has_both(assembled):
        # Wins in both directions hold all strengths; an indecision and a decided answer hold its pull.
        return
    try:
        check_estimable(assembled.cells)
    except NotIdentified as error:
        if spec.effect_kind is EffectKind.PROFILES and not graph.is_connected:
            raise NotConnected(str(error), graph.islands) from None
        raise


def _has_both(assembled: Assembled) -> bool:
    cells = assembled.cells
    if not cells.rule.concave:
        return False
    offered = cells.counts[cells.offered]
    return bool(offered[:, 2].sum() > 0 and offered[:, :2].sum() > 0)


def _usual_prior(data: ChoiceData, spec: Specification) -> float:
    if spec.prior_answers is not None:
        return spec.prior_answers
    if spec.effect_kind is EffectKind.PROFILES:
        return GHOST
    return float(len(assemble(data, spec).names))


def _prior_words(spec: Specification, prior: float) -> str:
    if spec.effect_kind is EffectKind.PROFILES:
        ghost = f"{prior:g} wins and {prior:g} losses of every profile against a ghost profile"
        if not spec.uses_indecision and not spec.has_order:
            return ghost
        others = f"{2 * prior:g} for every further parameter, spread evenly over comparisons and alternatives"
        return f"{ghost} and {others}"
    return f"{prior:g} prior answers, spread evenly over comparisons and alternatives"


def _maximum(assembled: Assembled, spec: Specification) -> tuple[Maximum, Optima | None]:
    cells = assembled.cells
    if cells.rule.concave:
        return maximize(cells), None
    rng = np.random.default_rng(spec.seed)
    starts = rng.standard_normal((spec.n_starts, cells.n_parameters)) * 2 / parameter_scale(cells)
    starts[0] = 0.0
    # A threshold of indecision, where a component has one, must be above 0 for its choices to be possible.
    pulls = [i for i, name in enumerate(cells.names) if name.startswith(PULL)]
    starts[:, pulls] = np.abs(starts[:, pulls]) + 0.1
    return search(cells, starts)


def _check_settled(assembled: Assembled, maximum: Maximum, prior: float) -> None:
    """Ask the end of a search whether the estimate exists, where the gate could not know."""
    if assembled.cells.rule.concave:
        return
    try:
        check_settled(assembled.cells, maximum)
    except Separated as error:
        if not prior:
            raise
        named = ", ".join(f"'{name}'" for name in error.involved[:6])
        raise NotIdentified(
            f"even with prior answers the fit does not depend on {named}: fit a model with fewer parameters, or a "
            "mixture of fewer components",
            error.involved,
        ) from None


def _checks(assembled: Assembled, maximum: Maximum, optima: Optima | None) -> Checks:
    cells = assembled.cells
    scale = 1 / np.sqrt(np.maximum(np.diag(maximum.information), 1e-300))
    rank = int(np.linalg.matrix_rank(maximum.information * scale[:, None] * scale, hermitian=True, tol=1e-10))
    if not np.isfinite(maximum.values).all():
        raise DidNotConverge("the estimate is not finite; add prior answers (--regularize always)")
    if cells.rule.smooth and maximum.residual > _RESIDUAL_SHARE * assembled.n_answers:
        raise DidNotConverge(
            f"expected and observed choices still differ by {maximum.residual:.2g} at the estimate"
        )
    if rank < cells.n_parameters - maximum.at_bound.sum():
        raise EstimationError(
            f"only {rank} of {cells.n_parameters} parameters are determined by these answers: collect more, or "
            "fit a model with fewer parameters"
        )
    return Checks(
        iterations=maximum.iterations,
        residual=maximum.residual,
        rank=rank,
        n_parameters=cells.n_parameters,
        newton_difference=None,
        optima=optima,
        at_bound=tuple(n for n, held in zip(cells.names, maximum.at_bound, strict=True) if held),
    )


def _n_free(assembled: Assembled, maximum: Maximum, data: ChoiceData) -> int:
    ghost = assembled.cells.n_parameters - (len(assembled.names) - (0 if assembled.terms else 1))
    return int(assembled.cells.n_parameters - max(0, ghost) - maximum.at_bound.sum())


def _optima_note(optima: Optima | None) -> list[str]:
    if optima is None:
        return []
    best = optima.log_likelihoods[0]
    words = f"{optima.n_best} of {optima.n_starts} starts ended at the best maximum found ({best:.2f})"
    if len(optima.log_likelihoods) > 1:
        words += f"; the next best end is {best - optima.log_likelihoods[1]:.3g} log-likelihood units below"
    return [words]


def _directed(data: ChoiceData, spec: Specification) -> dict[str, int]:
    """Return the directions of monotone attributes that fit best: with few of them, all are tried."""
    monotone = spec.shape.monotone
    if not monotone:
        return {}
    if len(monotone) > 6:
        raise EstimationError("give at most six monotone attributes")
    best: tuple[float, dict[str, int]] | None = None
    for signs in product((1, -1), repeat=len(monotone)):
        directions = dict(zip(monotone, signs, strict=True))
        prior = float(len(monotone))
        without = replace(spec, prior_answers=None)
        cells = assemble(data, without, prior_answers=prior, directions=directions).cells
        if best is None:
            check_identified(cells)
        trial = maximize(cells)
        if best is None or trial.log_likelihood > best[0]:
            best = (trial.log_likelihood, directions)
    assert best is not None  # noqa: S101 - there is at least one combination
    return best[1]
