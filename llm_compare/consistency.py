"""Does a respondent choose the same patient when the sides are exchanged?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from llm_compare.rates import Rate, clustered_rate
from survey.answers import Answer, Choice


@dataclass(frozen=True, slots=True, kw_only=True)
class SideConsistency:
    """How much the side on which a patient stands matters."""

    same_choice: Rate | None
    """Share of pairs of answers to one comparison with exchanged sides that name the same patient, or are both
    indecision. None where no comparison was answered both ways round by one respondent."""
    left: Rate | None
    """Share of decided answers for the left patient; 1/2 without a preference for a side, if sides are balanced."""


def side_consistency(answers: Sequence[Answer]) -> SideConsistency:
    """Measure side consistency; intervals cluster by comparison."""
    by_comparison: defaultdict[tuple[object, object], list[Answer]] = defaultdict(list)
    for answer in answers:
        if answer.left != answer.right:
            by_comparison[answer.respondent, answer.comparison].append(answer)

    same: list[bool] = []
    clusters: list[object] = []
    for key, group in by_comparison.items():
        first = group[0].left
        one_way = [a.choice for a in group if a.left == first]
        other_way = [a.choice.mirrored for a in group if a.left != first]
        for a, b in product(one_way, other_way):
            same.append(a is b)
            clusters.append(key)
    decided = [a for a in answers if a.choice is not Choice.INDECISION]
    return SideConsistency(
        same_choice=clustered_rate(same, clusters, unit="comparison"),
        left=clustered_rate(
            [a.choice is Choice.LEFT for a in decided],
            [frozenset((a.left, a.right)) for a in decided],
            unit="comparison",
        ),
    )
