"""Weights of people and of models, estimated alike: what a pool is cleared and simulated with. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from estimation.dataset import choice_data
from estimation.effects import attribute_terms
from estimation.errors import EstimationError, Separated
from estimation.fitting import fit
from estimation.results import Fit
from estimation.specification import Model, Regularize, Specification
from estimation.uncertainty import Intervals
from estimation.weights import PriorityWeights
from llm_compare.alignment.sides import ModelSide, People
from llm_compare.errors import NotComparable
from survey.answers import Answer, AnswerSet
from survey.design import Attribute


@dataclass(frozen=True, slots=True, kw_only=True)
class AlikeFits:
    """Fits of one specification to people's and every model's answers."""

    people: Fit
    models: Mapping[str, Fit]
    """Label -> fit."""
    prior_answers: float
    """Weight of the prior answers that all were mixed with; 0 for none."""
    notes: tuple[str, ...]


def fit_alike(people: People, sides: Sequence[ModelSide], *, seed: int = 0) -> AlikeFits:
    """Fit attribute weights to each side's own answers, all in the same way.

    Where one side follows a rule without exception, its coefficients have no finite estimate. Then every fit, the
    people's included, is regularized by the same weight of prior answers (one per parameter), and the notes say so.

    Raises
    ------
    NotComparable
        A side's answers cannot tell the weights of all attributes.
    """
    try:
        return _fitted(people, sides, prior_answers=0.0, notes=(), seed=seed)
    except Separated as error:
        prior = float(len(attribute_terms(people.attributes)) + people.indecision_offered)
        note = (
            f"at least one respondent follows a rule without exception ({', '.join(error.involved)}): the "
            f"coefficients of all are regularized alike by {prior:g} prior answers. The size of a coefficient then "
            "also says how decisive a respondent is: compare signs and orders"
        )
        return _fitted(people, sides, prior_answers=prior, notes=(note,), seed=seed)


def decided_weights(people: People) -> PriorityWeights | None:
    """Return weights from people's decided answers alone, regularized if they need it; None if they tell none.

    How close two patients are by these says where a choice is hard; had indecisions made them, sorting indecisions
    by them would go in a circle.
    """
    answers = AnswerSet(attributes=people.attributes, answers=people.answers, source=people.source)
    try:
        return fit(
            choice_data(answers),
            Specification(model=Model.CONDITIONAL_LOGIT),
            intervals=Intervals(bootstrap=0, seed=0),
        ).weights
    except EstimationError:
        return None


def _fitted(
    people: People, sides: Sequence[ModelSide], *, prior_answers: float, notes: tuple[str, ...], seed: int
) -> AlikeFits:
    chosen = Specification(
        model=Model.MIN_DELTA if people.indecision_offered else Model.CONDITIONAL_LOGIT,
        regularize=Regularize.ALWAYS if prior_answers else Regularize.NEVER,
        prior_answers=prior_answers or None,
    )

    def fitted(answers: Sequence[Answer], attributes: tuple[Attribute, ...], source: str) -> Fit:
        answer_set = AnswerSet(attributes=attributes, answers=tuple(answers), source=source)
        try:
            return fit(choice_data(answer_set), chosen, intervals=Intervals(bootstrap=0, seed=seed))
        except Separated:
            raise
        except EstimationError as error:
            raise NotComparable(f"{source}: attribute weights cannot be estimated: {error}") from error

    return AlikeFits(
        people=fitted(people.answers, people.attributes, people.source),
        models={
            side.label: fitted(side.answers, people.attributes, f"replies of {side.label}") for side in sides
        },
        prior_answers=prior_answers,
        notes=notes,
    )
