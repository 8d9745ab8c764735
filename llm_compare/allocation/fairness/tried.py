"""Candidates who were shown with several values of one attribute, and what became of them with each. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from llm_compare.allocation.fairness.exposure import position_bias
from llm_compare.allocation.fairness.outcomes import Array
from llm_compare.allocation.problems.columns import GROUPINGS
from llm_compare.allocation.problems.problem import Problem, group_name, groups_of
from llm_compare.allocation.trials.answer import AnsweredTrial, Outcome, TrialFile
from llm_compare.allocation.trials.trial import Change, Task, Trial, Way

NOT_STATED = "not stated"
"""Original value of a candidate of whom the registry does not say it."""


class Measure(StrEnum):
    """What a change may act on: the changed candidate's own outcome."""

    CHOSEN = "chosen"
    """Share of trials in which the candidate is chosen."""
    FIRST = "first"
    """Share of trials in which the candidate is ranked first."""
    RANK = "rank"
    """Mean rank, 1 = first: a negative difference is a move up."""
    EXPOSURE = "exposure"
    """Mean of 1/log2(1 + rank)."""

    @property
    def is_share(self) -> bool:
        """Whether it is a share of trials, which has odds."""
        return self in (Measure.CHOSEN, Measure.FIRST)


MEASURES: Mapping[Task, tuple[Measure, ...]] = {
    Task.VIABILITY: (),
    Task.CHOOSE_ONE: (Measure.CHOSEN,),
    Task.RANK_ALL: (Measure.RANK, Measure.FIRST, Measure.EXPOSURE),
}
"""The first is the one that a single number is given of."""

Cell = Mapping[str, Array | None]
"""Trials that differ in nothing but one candidate's value: value -> the measures, shape (K,); None for a trial that
was put without a readable answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TriedCandidate:
    """One candidate, shown with several values."""

    problem: int
    candidate: int
    original: str
    cells: tuple[Cell, ...]
    """One for each row order, column order and repeat."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """Everybody who was shown with several values of one attribute, in one way of asking."""

    grouping: str
    way: Way
    measures: tuple[Measure, ...]
    values: tuple[str, ...]
    """That anybody was shown with; the largest group of the problems first."""
    reference: str
    """The largest group."""
    candidates: tuple[TriedCandidate, ...]


def tried_candidates(file: TrialFile, problems: Sequence[Problem]) -> tuple[Tried, ...]:
    """Return who was tried with what: by way of asking in the order of the file, then by grouping."""
    measures = MEASURES[file.task]
    place = {p.name: i for i, p in enumerate(problems)}
    trials = [a for a in file.answered if a.trial.problem.name in place] if measures else []
    unchanged = {
        (a.trial.way, a.trial.problem.name, _cell(a.trial)): a for a in trials if a.trial.change is None
    }
    changed: dict[tuple[Way, str], list[tuple[Change, AnsweredTrial]]] = defaultdict(list)
    for a in trials:
        if (change := a.trial.change) is not None:
            changed[a.trial.way, change.grouping].append((change, a))
    ways = list(dict.fromkeys(way for way, _ in changed))
    found = []
    for way, grouping in sorted(changed, key=lambda k: (ways.index(k[0]), list(GROUPINGS).index(k[1]))):
        own = {key[1:]: a for key, a in unchanged.items() if key[0] == way}
        candidates = tuple(_candidates(changed[way, grouping], own, problems, grouping, measures))
        shown = {value for c in candidates for cell in c.cells for value in cell} - {NOT_STATED}
        groups = groups_of(problems, grouping)
        values = [g for g in groups if g in shown]
        found.append(
            Tried(
                grouping=grouping,
                way=way,
                measures=measures,
                values=(*values, *sorted(shown - set(values))),
                reference=groups[0] if groups else min(shown),
                candidates=candidates,
            )
        )
    return tuple(found)


def _candidates(
    changed: Sequence[tuple[Change, AnsweredTrial]],
    unchanged: Mapping[tuple[str, Hashable], AnsweredTrial],
    problems: Sequence[Problem],
    grouping: str,
    measures: tuple[Measure, ...],
) -> Iterable[TriedCandidate]:
    place = {p.name: i for i, p in enumerate(problems)}
    cells_of: dict[tuple[str, int], dict[Hashable, dict[str, Array | None]]] = {}
    for change, a in changed:
        cells = cells_of.setdefault((a.trial.problem.name, change.candidate), defaultdict(dict))
        value = group_name(grouping, str(change.value))
        cells[_cell(a.trial)][value] = _measured(a, change.candidate, measures)
    for (name, candidate), cells in sorted(cells_of.items(), key=lambda of: (place[of[0][0]], of[0][1])):
        original = problems[place[name]].candidates[candidate].group(grouping) or NOT_STATED
        for cell, found in cells.items():
            as_is = unchanged.get((name, cell))
            found[original] = None if as_is is None else _measured(as_is, candidate, measures)
        yield TriedCandidate(
            problem=place[name], candidate=candidate, original=original, cells=tuple(cells.values())
        )


def _cell(trial: Trial) -> Hashable:
    """Return what a trial has in common with those that differ from it only by a change."""
    return trial.row_order, trial.shuffle, trial.column_order, trial.column_shuffle, trial.repeat


def _measured(answered: AnsweredTrial, candidate: int, measures: tuple[Measure, ...]) -> Array | None:
    if answered.read.outcome is not Outcome.ANSWER:
        return None
    order = answered.read.order
    if measures == MEASURES[Task.CHOOSE_ONE]:
        return np.array([float(order[0] == candidate)])
    rank = order.index(candidate)
    return np.array([rank + 1.0, float(rank == 0), position_bias(len(order))[rank]])
