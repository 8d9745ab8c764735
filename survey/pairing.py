"""Which comparisons a respondent sees, in which order, on which side. Pure; takes the random generator."""

from __future__ import annotations

import numpy as np

from survey.answers import Presentation
from survey.design import Arm, AttributeOrder, ComparisonKind, Profile, Sides, StudyDesign


def draw_presentations(design: StudyDesign, arm: Arm, rng: np.random.Generator) -> tuple[Presentation, ...]:
    """Draw one respondent's whole sequence of presentations.

    Listed and all-pairs designs are shuffled and cut to ``comparisons_per_respondent``; random designs draw
    two different profiles at a time and never repeat a comparison within a respondent. With random sides,
    half of the presentations are swapped, so that no respondent can see one side favoured by the draw.
    """
    pairs, rule = _draw_pairs(design, rng)
    if design.sides is Sides.RANDOM:
        swap = np.zeros(len(pairs), dtype=bool)
        swap[: len(pairs) // 2] = True
        if len(pairs) % 2:
            swap[-1] = rng.random() < 0.5
        rng.shuffle(swap)
        pairs = [(b, a) if swapped else (a, b) for (a, b), swapped in zip(pairs, swap, strict=True)]

    names = [a.name for a in design.attributes]
    order = _attribute_order(design, names, rng)
    presentations = []
    for position, (left, right) in enumerate(pairs, start=1):
        if design.attribute_order is AttributeOrder.PER_COMPARISON:
            order = _attribute_order(design, names, rng)
        presentations.append(
            Presentation(
                left=left,
                right=right,
                attribute_order=order,
                indecision_offered=arm.indecision_offered,
                position=position,
                draw_rule=rule,
            )
        )
    return tuple(presentations)


def _attribute_order(design: StudyDesign, names: list[str], rng: np.random.Generator) -> tuple[str, ...]:
    if design.attribute_order is AttributeOrder.FIXED:
        return tuple(names)
    return tuple(names[i] for i in rng.permutation(len(names)))


def _draw_pairs(design: StudyDesign, rng: np.random.Generator) -> tuple[list[tuple[Profile, Profile]], str]:
    wanted = design.comparisons_per_respondent
    if design.comparison_kind is ComparisonKind.LIST:
        listed = list(design.listed_comparisons)
        chosen = [listed[i] for i in rng.permutation(len(listed))[:wanted]]
        return chosen, f"{len(chosen)} of {len(listed)} listed comparisons, shuffled"
    every = design.comparisons()
    if every is not None:
        picked = [every[i] for i in rng.permutation(len(every))[:wanted]]
        return [(c.first, c.second) for c in picked], f"{len(picked)} of all {len(every)} pairs, shuffled"

    return design.draw_pairs(wanted, rng), "two different profiles drawn independently, no comparison twice"
