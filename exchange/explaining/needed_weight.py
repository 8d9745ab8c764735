"""The smallest weight at which a patient would have been matched, all else as it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import fsum

from exchange.clearing.objectives import Objective
from exchange.clearing.probe import Finding, Prober, Verdict
from exchange.priorities import DonorPriorities, Priorities

_MOST_STEPS = 20
"""Solves of the search under failure; one or two are the rule."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """A number known up to a range; both ends are equal where it is proved."""

    low: float
    high: float

    @property
    def is_exact(self) -> bool:
        """Whether nothing is left open."""
        return self.low == self.high


def needed_weight(prober: Prober, pair: int, finding: Finding, priorities: Priorities) -> Range | None:
    """Return the smallest weight that would have matched a patient; None where no weight would, or none is proved.

    The best match run with the pair gains as its patient's weight grows; all without stay what they are. Where the
    stage is the sum of weights, the weight needed is the patient's own plus what is lost. Where transplants may
    fail, it gains only the probability that this one succeeds, and which match run is best may change on the way:
    the value is convex in the weight, so Newton's method comes down to the root from above in finitely many steps.

    Parameters
    ----------
    finding
        About the match runs with the pair.
    """
    stage = finding.stage
    if isinstance(priorities, DonorPriorities) or stage is None:
        return None
    if finding.verdict not in (Verdict.WORSE, Verdict.OPEN):
        return None
    objectives = [level.goal.objective for level in prober.levels]
    level = prober.levels[stage]
    # With a concession it would be allowed in, not needed; an earlier stage that looks at weights moves too.
    if level.goal.concession or any(objective.needs_weights for objective in objectives[:stage]):
        return None
    own = priorities[prober.clearing.arrays.pair_ids[pair]]
    if level.goal.objective is Objective.PRIORITY:
        unproved = level.bound - level.reached
        return Range(low=own + finding.loss_at_least, high=own + finding.loss_at_most + unproved)
    is_settled = finding.loss_at_least == finding.loss_at_most and level.is_proved
    if level.goal.objective is Objective.EXPECTED_PRIORITY and is_settled:
        return _under_failure(prober, pair, finding, priorities)
    return None


def _under_failure(
    prober: Prober, pair: int, finding: Finding, priorities: Mapping[str, float]
) -> Range | None:
    stage = finding.stage or 0
    level, clearing = prober.levels[stage], prober.clearing
    objective, name = level.goal.objective, clearing.arrays.pair_ids[pair]
    alone = {**dict.fromkeys(priorities, 0.0), name: 1.0}
    success = clearing.values(objective, alone)
    weight, chosen = priorities[name], finding.chosen
    value = level.value(chosen)
    for _ in range(_MOST_STEPS):
        chance = fsum(chosen.values(success))
        if chance <= 0:
            return None
        weight += (level.kept - value) / chance
        values = clearing.values(objective, {**priorities, name: weight})
        found = prober.best_with(pair, stage, values, chosen)
        if found is None:
            return None
        chosen, value = found, fsum(found.values(values))
        if value <= level.kept + level.tolerance:
            return Range(low=weight, high=weight)
    return None
