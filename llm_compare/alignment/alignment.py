"""People against one model: every measure, on the comparisons that both answered. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from estimation.weights import PriorityWeights
from llm_compare.alignment.agreement import Agreement, agreement
from llm_compare.alignment.calls import Calls, Outcomes, calls_of, outcomes_of
from llm_compare.alignment.choices import Array, Pairing, choices_of
from llm_compare.alignment.coefficients import Coefficients, coefficients
from llm_compare.alignment.consistency import Consistency, consistency
from llm_compare.alignment.distance import Distance, distance
from llm_compare.alignment.dominance import Dominance, dominance
from llm_compare.alignment.effects import Effects, effects
from llm_compare.alignment.indecision import Indecision, indecision
from llm_compare.alignment.percentile import Percentile, percentile
from llm_compare.alignment.position import Position, position
from llm_compare.alignment.prompt_factors import PromptFactors, prompt_factors
from llm_compare.alignment.resampling import Measured, Resampling
from llm_compare.alignment.sides import AskedModel, ModelSide, People, pairing_of
from llm_compare.alignment.simple_rules import SimpleRules, simple_rules
from llm_compare.alignment.strategies import Strategies, strategies
from llm_compare.alignment.transitivity import Transitivity, transitivity
from survey.design import Attribute, Comparison, Profile
from survey.wording import value_words


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonWords:
    """One comparison in a few words, for tables and pictures."""

    first: str
    second: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Alignment:
    """Everything measured on the comparisons that people and a model both answered."""

    distance: Distance
    agreement: Agreement
    percentile: Percentile
    indecision: Indecision | None
    """None where indecision was not on offer."""
    consistency: Consistency
    position: Position
    transitivity: Transitivity
    dominance: Dominance
    simple_rules: SimpleRules
    effects: Effects
    coefficients: Coefficients
    strategies: Strategies


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantResult:
    """One other way of asking the same model, in short."""

    name: str
    outcomes: Outcomes
    n_comparisons: int
    with_random_person: Measured
    """Chance that an answer equals that of a random person."""
    indecision: Measured
    """Rate of indecision of the model, on these comparisons."""
    left: Measured
    """Share of decided answers for the left patient."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelAlignment:
    """One model beside the people."""

    label: str
    variant: str
    """Name of the headline variant: the one compared with people."""
    asks_as_people: bool
    """Whether it reads word for word what people read, and is offered what they are."""
    calls: Calls
    n_answers: int
    """Choices and indecisions of the headline."""
    n_people: int
    """People who answered any comparison in common."""
    n_people_answers: int
    comparisons: tuple[ComparisonWords, ...]
    """Those in common; measures name them by their place here, from 0."""
    alignment: Alignment | None
    """None where no comparison is in common."""
    variants: tuple[VariantResult, ...]
    """All variants, the headline first; empty where there is only one."""
    prompt_factors: PromptFactors | None
    notes: tuple[str, ...]


def align_model(
    people: People,
    asked: AskedModel,
    *,
    profiles: Sequence[Profile],
    people_weights: PriorityWeights | None,
    regularize: bool,
    resampling: Resampling,
    n_splits: int,
    progress: Callable[[str], None] = lambda _: None,
) -> ModelAlignment:
    """Measure how far a model's headline variant is from the people, and what other variants change.

    Parameters
    ----------
    people
        Under the headline's condition, see :func:`llm_compare.alignment.sides.people_under`.
    profiles
        Over which orders by weight are compared.
    people_weights
        From people's decided answers: a comparison is hard where they are nearly equal. None where the answers tell
        none: then it is hard where those who decide are split.
    regularize
        Whether coefficients of both sides are mixed with prior answers, as those of all models in a report.
    n_splits
        Random halvings of the people, for the ceilings.
    """
    side = asked.headline
    pairing = pairing_of(people, side)
    notes = [*people.notes, *_incomplete(asked)]
    if pairing is None:
        notes.append(
            "people and model answered no comparison in common, so agreement cannot be measured; ask the model the "
            "people's own comparisons (compare ask --from answers.csv)"
        )
    common = () if pairing is None else pairing.comparisons
    return ModelAlignment(
        label=asked.label,
        variant=side.variant.name,
        asks_as_people=side.variant.asks_as_people,
        calls=calls_of(asked, people.attributes),
        n_answers=len(side.answers),
        n_people=0 if pairing is None else pairing.people.n_respondents,
        n_people_answers=0 if pairing is None else pairing.people.n_answers,
        comparisons=tuple(_words(people.attributes, c) for c in common),
        alignment=None
        if pairing is None
        else _measured(
            pairing,
            profiles=profiles,
            difficulty=None if people_weights is None else _strength_difference(people_weights, common),
            offered=people.indecision_offered,
            regularize=regularize,
            resampling=resampling,
            n_splits=n_splits,
            progress=lambda measure: progress(f"{asked.label}: {measure}"),
        ),
        variants=_variants(people, asked, resampling) if len(asked.sides) > 1 else (),
        prompt_factors=_factors(asked) if len(asked.sides) > 1 else None,
        notes=tuple(notes),
    )


def _measured(
    pairing: Pairing,
    *,
    profiles: Sequence[Profile],
    difficulty: Array | None,
    offered: bool,
    regularize: bool,
    resampling: Resampling,
    n_splits: int,
    progress: Callable[[str], None],
) -> Alignment:
    def told(measure: str) -> Pairing:
        progress(measure)
        return pairing

    return Alignment(
        distance=distance(told("distance"), resampling, n_splits=n_splits),
        agreement=agreement(told("agreement"), resampling, n_splits=n_splits),
        percentile=percentile(told("percentile"), resampling),
        indecision=indecision(told("indecision"), resampling, strength_difference=difficulty)
        if offered
        else None,
        consistency=consistency(told("consistency"), resampling),
        position=position(told("position"), resampling),
        transitivity=transitivity(told("transitivity"), resampling),
        dominance=dominance(told("dominance"), resampling),
        simple_rules=simple_rules(told("simple rules"), resampling),
        effects=effects(told("effects of attributes"), resampling),
        coefficients=coefficients(
            told("coefficients"), resampling, profiles=profiles, regularize=regularize or None
        ),
        strategies=strategies(told("models of indecision")),
    )


def _strength_difference(weights: PriorityWeights, comparisons: Sequence[Comparison]) -> Array:
    sides = [[np.log(weights.weight(p)) for p in (c.first, c.second)] for c in comparisons]
    both = np.array(sides, dtype=float).reshape(-1, 2)
    return np.asarray(both[:, 0] - both[:, 1])


def _variants(people: People, asked: AskedModel, resampling: Resampling) -> tuple[VariantResult, ...]:
    return tuple(_variant(people, side, resampling) for side in asked.sides if side.replies)


def _variant(people: People, side: ModelSide, resampling: Resampling) -> VariantResult:
    pairing = pairing_of(people, side)
    outcomes = outcomes_of(side.replies)
    if pairing is None:
        nothing = Measured(value=None, reason="no comparison in common with people")
        return VariantResult(
            name=side.variant.name,
            outcomes=outcomes,
            n_comparisons=0,
            with_random_person=nothing,
            indecision=nothing,
            left=nothing,
        )
    return VariantResult(
        name=side.variant.name,
        outcomes=outcomes,
        n_comparisons=len(pairing.comparisons),
        with_random_person=agreement(pairing, resampling, n_splits=1).with_random_person.model,
        indecision=indecision(pairing, resampling).model
        if side.indecision_offered
        else Measured(value=None, reason="indecision was not on offer"),
        left=position(pairing, resampling).model.left,
    )


def _factors(asked: AskedModel) -> PromptFactors:
    comparisons = tuple(
        dict.fromkeys(a.comparison for side in asked.sides for a in side.answers if a.left != a.right)
    )
    return prompt_factors(
        {
            side.variant.name: (
                side.factors(),
                choices_of(
                    side.answers,
                    label=side.variant.name,
                    comparisons=comparisons,
                    shares=side.shares,
                    orders=side.orders,
                ),
            )
            for side in asked.sides
            if side.answers
        }
    )


def _incomplete(asked: AskedModel) -> tuple[str, ...]:
    missing = asked.file.planned - len(asked.file.replies)
    if not missing:
        return ()
    return (
        f"the run of {asked.label} was stopped: {missing} of {asked.file.planned} planned calls were not made",
    )


def _words(attributes: Sequence[Attribute], comparison: Comparison) -> ComparisonWords:
    first, second = (profile_words(attributes, p) for p in (comparison.first, comparison.second))
    return ComparisonWords(first=first, second=second)


def profile_words(attributes: Sequence[Attribute], profile: Profile) -> str:
    """Return a profile in a few words, one attribute after the other."""
    return ", ".join(value_words(a, profile[a.name]) for a in attributes)
