"""Does a respondent choose the same patient when the sides are exchanged?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from itertools import product

from llm_compare.rates import Rate, answer_clusters, clustered_rate
from survey.answers import Answer, Choice
from survey.design import Comparison


@dataclass(frozen=True, slots=True, kw_only=True)
class SideConsistency:
    """How much the side on which a patient stands matters."""

    same_choice: Rate | None
    """Share of pairs of answers to one comparison with exchanged sides that name the same patient, or are both
    indecision. None where no comparison was answered both ways round by one respondent."""
    left: Rate | None
    """Share of decided answers for the left patient; 1/2 without a preference for a side, if sides are balanced."""


def side_consistency(answers: Sequence[Answer]) -> SideConsistency:
    """Measure side consistency; intervals cluster by respondent where several are known, else by comparison.

    Of an unknown respondent nobody can say whether two answers are theirs, so these are not compared.
    """
    clusters, unit = answer_clusters(answers)
    by_comparison: defaultdict[tuple[str, Comparison], list[Answer]] = defaultdict(list)
    cluster_of: dict[tuple[str, Comparison], Hashable] = {}
    for answer, cluster in zip(answers, clusters, strict=True):
        if answer.left != answer.right and answer.respondent is not None:
            key = answer.respondent, answer.comparison
            by_comparison[key].append(answer)
            cluster_of[key] = cluster

    same: list[bool] = []
    same_clusters: list[Hashable] = []
    for key, group in by_comparison.items():
        first = group[0].left
        one_way = [a.choice for a in group if a.left == first]
        other_way = [a.choice.mirrored for a in group if a.left != first]
        for a, b in product(one_way, other_way):
            same.append(a is b)
            same_clusters.append(cluster_of[key])
    decided = [(a, c) for a, c in zip(answers, clusters, strict=True) if a.choice is not Choice.INDECISION]
    return SideConsistency(
        same_choice=clustered_rate(same, same_clusters, unit=unit),
        left=clustered_rate(
            [a.choice is Choice.LEFT for a, _ in decided], [c for _, c in decided], unit=unit
        ),
    )
