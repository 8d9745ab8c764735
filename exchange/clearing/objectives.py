"""What a match run is asked to achieve, by name. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import numpy as np

from exchange.pool import FloatArray, PoolArrays


class Objective(StrEnum):
    """A number that one stage of clearing makes as great as it can be."""

    TRANSPLANTS = "transplants"
    """Patients of the pool who receive; a last donor's gift to the waiting list is not counted."""
    PRIORITY = "priority"
    """Sum of the priority weights of the patients who receive."""
    ARC_WEIGHT = "arc-weight"
    """Sum of the weights that the pool's source gives to the arcs used."""


class Policy(StrEnum):
    """A named rule: objectives in order, each one kept while the next is pursued."""

    PRIORITY_AFTER_CARDINALITY = "priority-after-cardinality"
    """Most transplants; among those the greatest total weight of the patients who receive. The rule that Freedman
    et al. (2020), Artificial Intelligence 283, 103261, describe."""
    GREATEST_WEIGHT = "greatest-weight"
    """Greatest total weight alone, whatever it costs in transplants. What the code released with that paper runs:
    its cycles keep the weights they were made with, so its cardinality step never binds."""
    EQUAL = "equal"
    """Most transplants, every patient counting the same."""
    GREATEST_ARC_WEIGHT = "greatest-arc-weight"
    """Greatest sum of the arcs' own weights; patients' profiles play no part."""


_STAGES = {
    Policy.PRIORITY_AFTER_CARDINALITY: (Objective.TRANSPLANTS, Objective.PRIORITY),
    Policy.GREATEST_WEIGHT: (Objective.PRIORITY,),
    Policy.EQUAL: (Objective.TRANSPLANTS,),
    Policy.GREATEST_ARC_WEIGHT: (Objective.ARC_WEIGHT,),
}


def stage_objectives(policy: Policy) -> tuple[Objective, ...]:
    """Return the objectives of a policy's stages, in order."""
    return _STAGES[policy]


def arc_values(objective: Objective, arrays: PoolArrays, priorities: Mapping[str, float]) -> FloatArray:
    """Return what each possible transplant adds to an objective, shape (n_pairs + n_ndds, n_pairs)."""
    shape = arrays.arc_exists.shape
    if objective is Objective.TRANSPLANTS:
        return np.ones(shape)
    if objective is Objective.ARC_WEIGHT:
        return arrays.arc_weight
    return np.tile([priorities[pair_id] for pair_id in arrays.pair_ids], (shape[0], 1)).reshape(shape)
