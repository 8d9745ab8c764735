"""Weights of attributes: log-strength as a sum of attribute effects, with or without indecision."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from estimation.choice_model import LAMBDA, Array, check_estimable, maximize, model_cells
from estimation.dataset import ChoiceData
from estimation.results import Fit, Model, indecision_note, prior_note
from estimation.uncertainty import uncertainty
from estimation.weights import AttributeWeights, Estimate
from survey.design import Attribute, CategoricalAttribute, Profile


def attribute_terms(attributes: Sequence[Attribute]) -> tuple[str, ...]:
    """Return the names of the coefficients: ``age``, or ``drinking=heavy`` for each level but the first."""
    terms: list[str] = []
    for attribute in attributes:
        if isinstance(attribute, CategoricalAttribute):
            terms += [f"{attribute.name}={level}" for level in attribute.level_names[1:]]
        else:
            terms.append(attribute.name)
    return tuple(terms)


def attribute_matrix(attributes: Sequence[Attribute], profiles: Sequence[Profile]) -> Array:
    """Return the profiles' attribute values, shape (n_profiles, n_terms): numbers as they are, levels as 0/1."""
    columns: list[list[float]] = []
    for attribute in attributes:
        if isinstance(attribute, CategoricalAttribute):
            columns += [
                [float(p[attribute.name] == level) for p in profiles] for level in attribute.level_names[1:]
            ]
        else:
            columns.append([float(p[attribute.name]) for p in profiles])
    return np.array(columns).T.reshape(len(profiles), len(columns))


def fit_conditional_logit(
    data: ChoiceData, *, prior_answers: float = 0.0, bootstrap: int = 0, seed: int = 0
) -> Fit:
    """Estimate one coefficient per attribute from the decided comparisons.

    The log-odds of choosing left over right are the coefficients times the difference of attribute values, in
    raw units (per year, per drink); a categorical attribute has one per level beyond its first. Parameters and
    errors as in :func:`fit_attribute_model`.

    References
    ----------
    McFadden (1974), Conditional logit analysis of qualitative choice behavior.
    """
    return fit_attribute_model(
        data, Model.CONDITIONAL_LOGIT, prior_answers=prior_answers, bootstrap=bootstrap, seed=seed
    )


def fit_attribute_model(
    data: ChoiceData, model: Model, *, prior_answers: float = 0.0, bootstrap: int = 0, seed: int = 0
) -> Fit:
    """Fit an attribute model by maximum likelihood, checked for existence first.

    Parameters
    ----------
    model
        ``CONDITIONAL_LOGIT`` leaves indecisions out; ``MIN_DELTA`` explains them, too.
    prior_answers
        Weight of prior answers, see :func:`estimation.choice_model.model_cells`. 0 is maximum likelihood.
    bootstrap, seed
        See :func:`estimation.uncertainty.uncertainty`.

    Raises
    ------
    NotIdentified
        Attributes that never vary, or always vary together; ``involved`` names them.
    Separated
        The answers follow a rule without exception; ``involved`` names the terms.
    """
    terms = attribute_terms(data.attributes)
    matrix = attribute_matrix(data.attributes, data.profiles)
    cells = model_cells(
        data,
        matrix[data.left] - matrix[data.right],
        terms,
        with_indecision=model is Model.MIN_DELTA,
        prior_answers=prior_answers,
    )
    check_estimable(cells)
    maximum = maximize(cells)
    spread = uncertainty(cells, maximum, np.eye(len(cells.names)), bootstrap=bootstrap, seed=seed)
    estimates = {
        name: Estimate(value=float(v), low=float(lo), high=float(hi))
        for name, v, lo, hi in zip(cells.names, maximum.values, spread.low, spread.high, strict=True)
    }
    uses_indecision = model is Model.MIN_DELTA
    return Fit(
        model=model,
        weights=AttributeWeights(attributes=data.attributes, coefficients={t: estimates[t] for t in terms}),
        indecision=estimates.get(LAMBDA),
        names=cells.names,
        values=maximum.values,
        covariance=spread.covariance,
        log_likelihood=maximum.log_likelihood,
        n_answers=data.n_answers - (0 if uses_indecision else data.n_indecisions),
        n_indecisions=data.n_indecisions,
        clustering=data.clustering,
        n_clusters=cells.n_clusters,
        interval_method=spread.method,
        prior_answers=prior_answers,
        iterations=maximum.iterations,
        residual=maximum.residual,
        newton_difference=None,
        notes=(
            *data.notes,
            *(() if uses_indecision else indecision_note(data)),
            *prior_note(prior_answers),
            *spread.notes,
        ),
    )
