"""What a plan assumes: what people think, how much they differ, what a design would ask of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import log, prod

import numpy as np
from numpy.typing import NDArray

from estimation.assembly import Assembled, assemble
from estimation.connectivity import connectivity
from estimation.dataset import INDECISION, LEFT, RIGHT, ChoiceData, Clustering, Indices, tally
from estimation.effects import EffectKind, Term, term_matrix, term_named
from estimation.errors import EstimationError, NotConnected, NotIdentified, NoWeight
from estimation.existence import check_estimable
from estimation.planned_study import PlannedStudy
from estimation.specification import Model, Specification
from estimation.weights import AttributeWeights, Estimate, PriorityWeights, ProfileWeights
from survey.design import Attribute, CategoricalAttribute, ComparisonKind, Profile, StudyDesign

Array = NDArray[np.float64]

FREEDMAN_2020: Mapping[str, float] = {
    "YRH": 1.0,
    "YFH": 0.103243396,
    "YRC": 0.236280167,
    "YFC": 0.035722844,
    "ORH": 0.070045054,
    "OFH": 0.011349772,
    "ORC": 0.024072427,
    "OFC": 0.002769801,
}
"""Strengths of the eight profiles of Freedman et al. (2020), Artificial Intelligence 283, 103261, as in their
public code (EthicalVertexPair.java): young or old, drinks rarely or frequently, healthy or with cancer."""

PUBLISHED: Mapping[str, Mapping[str, float]] = {
    "freedman2020": {name: log(strength) for name, strength in FREEDMAN_2020.items()}
}
"""Published log-strengths that a plan can assume, by name."""

# Designs with more comparisons than this are planned with so many of them.
_MOST_COMPARISONS = 500
_POOL_SEED = 20_200_103


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumed:
    """What is assumed of the people to be asked."""

    weights: PriorityWeights | Mapping[str, float]
    """Weights, or a mapping of all profiles to log-strengths, or of attributes' terms (``age``, ``drinking=heavy``)
    to coefficients."""
    are_pooled: bool = True
    """Whether the weights are those of everybody's answers together, as published and estimated ones are. False:
    a typical person's; where people differ, everybody's answers together then say less."""
    source: str = "stated"
    """Where the weights come from, in words."""
    design_effect: float = 1.0
    """Variance of the estimate over that of as many independent answers; people differ as much as that takes."""
    at_answers: int | None = None
    """Answers per person at which the design effect holds. None: as many as the design asks."""
    spread: float | None = None
    """Standard deviation of people's log-strengths; states how much people differ in place of the design effect."""
    indecision_rate: float | None = None
    """Share of all answers that are indecision; None: everybody always decides."""


def check_assumed(design: StudyDesign, assumed: Assumed) -> None:
    """Raise :class:`EstimationError` if the assumptions contradict themselves or the design."""
    rate = assumed.indecision_rate
    if rate is not None and not 0 < rate < 1:
        raise EstimationError(f"an indecision rate of {rate:g} is no share; give more than 0 and less than 1")
    if rate is not None and not any(arm.indecision_offered for arm in design.arms):
        raise EstimationError(
            f"design '{design.slug}' offers indecision in no arm, so no share of answers can be; leave the "
            "indecision rate out"
        )
    if assumed.spread is not None and assumed.design_effect != 1:
        raise EstimationError(
            "state the design effect or the spread of people, not both: each follows from the other"
        )
    if assumed.spread is not None and not 0 <= assumed.spread < float("inf"):
        raise EstimationError(f"a spread of {assumed.spread:g} is no standard deviation; give 0 or more")
    if assumed.at_answers is not None and assumed.at_answers < 1:
        raise EstimationError("the design effect needs a number of answers of 1 or more to hold at")


def planned_study(
    design: StudyDesign, assumed: Assumed, effects: EffectKind | None
) -> tuple[PlannedStudy, list[str]]:
    """Return the study as if everybody agreed, and what a reader of its numbers must know.

    Parameters
    ----------
    effects
        What is fitted; None: as the weights are given.

    Raises
    ------
    EstimationError
        The weights do not say what every profile of the design is worth.
    NotConnected, NotIdentified
        However many answers there are, the design's comparisons do not determine what is to be fitted.
    """
    drawn_from, is_pool, notes = _comparisons(design)
    weights = _weights(assumed.weights, design)
    if effects is None:
        effects = EffectKind.PROFILES if isinstance(weights, ProfileWeights) else EffectKind.ATTRIBUTES
    profiles = tuple(dict.fromkeys(p for pair in drawn_from for p in pair))
    listed = design.profiles()
    if listed is not None:
        profiles = tuple(p for p in listed if p in set(profiles))
    number = {p: i for i, p in enumerate(profiles)}
    ends = np.array([sorted((number[one], number[other])) for one, other in drawn_from], dtype=np.intp)
    data = _once(design, profiles, ends)
    rate = assumed.indecision_rate
    spec = Specification(model=Model.BRADLEY_TERRY if rate is None else Model.DAVIDSON, effects=effects)
    assembled = assemble(data, spec)
    _check_determined(design, data, assembled, effects)
    cell_of = {(int(a), int(b)): k for k, (a, b) in enumerate(zip(data.left, data.right, strict=True))}
    values = np.array([_log_strength(weights, p) for p in profiles])
    attributes = {a.name: a for a in design.attributes}
    if effects is EffectKind.PROFILES:
        scale = np.ones(len(profiles))
        loading = np.eye(len(profiles))
    else:
        scale = np.array([_range(t, attributes) for t in assembled.terms])
        own = term_matrix(assembled.terms, profiles)
        # A person's effect of an attribute moves by the spread per standard deviation of its differences.
        loading = own.T / np.sqrt(((own[data.left] - own[data.right]) ** 2).mean(axis=0))[:, None]
    study = PlannedStudy(
        assembled=assembled,
        effects=effects,
        kind=design.comparison_kind,
        left=data.left,
        right=data.right,
        entries=np.array([cell_of[int(a), int(b)] for a, b in ends], dtype=np.intp),
        repeats=is_pool,
        middle=values[data.left] - values[data.right],
        deviation=loading[:, data.left] - loading[:, data.right],
        scale=scale,
    )
    return study, notes


def _comparisons(design: StudyDesign) -> tuple[list[tuple[Profile, Profile]], bool, list[str]]:
    """Return what a person's comparisons are drawn from, whether that is a sample, and what to know about it."""
    notes = []
    if design.comparison_kind is ComparisonKind.ADAPTIVE:
        notes.append(
            "an adaptive design is planned as a balanced one, because simulating every draw would take hours; "
            "adaptive drawing needs about as many answers, or somewhat fewer"
        )
    if design.comparison_kind is ComparisonKind.LIST:
        return list(design.listed_comparisons), False, notes
    every = design.comparisons()
    profiles = design.profiles()
    if (
        every is None
        and profiles is not None
        and len(profiles) * (len(profiles) - 1) // 2 <= _MOST_COMPARISONS
    ):
        return [(a, b) for i, a in enumerate(profiles) for b in profiles[i + 1 :]], False, notes
    if every is not None and (
        len(every) <= _MOST_COMPARISONS
        or design.comparison_kind in (ComparisonKind.BALANCED, ComparisonKind.ADAPTIVE)
    ):
        return [(c.first, c.second) for c in every], False, notes
    pool = design.draw_pairs(_MOST_COMPARISONS, np.random.default_rng(_POOL_SEED))
    notes.append(f"{len(pool)} comparisons, drawn once as the design draws them, stand for all it could ask")
    return pool, True, notes


def _once(design: StudyDesign, profiles: tuple[Profile, ...], ends: Indices) -> ChoiceData:
    """Return choice data in which every comparison has every choice once: the cells of all data to come."""
    n = len(ends)
    return tally(
        attributes=design.attributes,
        profiles=profiles,
        left=np.repeat(ends[:, 0], 3),
        right=np.repeat(ends[:, 1], 3),
        choice=np.tile([LEFT, RIGHT, INDECISION], n),
        offered=True,
        cluster=None,
        clustering=Clustering.ANSWER,
    )


def _check_determined(
    design: StudyDesign, data: ChoiceData, assembled: Assembled, effects: EffectKind
) -> None:
    """Raise if even all choices to all comparisons would not determine what is to be fitted."""
    graph = connectivity(data)
    if effects is EffectKind.PROFILES and not graph.is_connected:
        shown = " | ".join(", ".join(island) for island in graph.islands[:4])
        raise NotConnected(
            f"design '{design.slug}' never compares {len(graph.islands)} groups of profiles with each other "
            f"({shown}{' | …' if len(graph.islands) > 4 else ''}), so their strengths would have no common scale; "
            "add comparisons between them, or plan for attributes (--effects attributes)",
            graph.islands,
        )
    if effects is EffectKind.ATTRIBUTES:
        try:
            check_estimable(assembled.cells)
        except NotIdentified as error:
            raise NotIdentified(f"design '{design.slug}': {error}", error.involved) from None


def _weights(given: PriorityWeights | Mapping[str, float], design: StudyDesign) -> PriorityWeights:
    """Return stated numbers as weights: log-strengths if they name all profiles, else coefficients."""
    if not isinstance(given, Mapping):
        return given
    profiles = design.profiles() or ()
    if profiles and all(p.id in given for p in profiles):
        return ProfileWeights(
            attributes=design.attributes,
            profiles=profiles,
            log_strengths=tuple(Estimate(value=float(given[p.id])) for p in profiles),
        )
    missing = [p.id for p in profiles if p.id not in given]
    if profiles and len(missing) < len(profiles):
        raise EstimationError(
            f"no log-strength is assumed for {', '.join(missing)}; state one for every profile"
        )
    try:
        terms = tuple(term_named(name, design.attributes) for name in given)
    except EstimationError as error:
        raise EstimationError(
            f"the assumed weights name neither the profiles of design '{design.slug}' nor its attributes "
            f"({error}); give weights that were estimated for this design (--weights weights.json)"
        ) from None
    return AttributeWeights(
        attributes=design.attributes,
        terms=terms,
        coefficients={name: Estimate(value=float(value)) for name, value in given.items()},
    )


def _log_strength(weights: PriorityWeights, profile: Profile) -> float:
    try:
        # Raises if the weights do not speak of the profile.
        weight = weights.weight(profile)
        return (
            weights.log_strength(profile.as_dict()) if isinstance(weights, AttributeWeights) else log(weight)
        )
    except NoWeight as error:
        raise EstimationError(f"the assumed weights do not fit the design: {error}") from None


def _range(term: Term, attributes: Mapping[str, Attribute]) -> float:
    """Return by how much a term can vary: 1 for a level or a step, the range of a number."""
    ranges = [1.0]
    for factor in term.factors:
        attribute = attributes[factor.attribute]
        if factor.kind == "number" and not isinstance(attribute, CategoricalAttribute):
            ranges.append(attribute.maximum - attribute.minimum)
    return prod(ranges)
