"""Which trials are put: problems, row orders, column orders, repeats, counterfactuals, ways of asking. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from math import factorial

import numpy as np

from llm_compare.allocation.problems.columns import GROUPINGS
from llm_compare.allocation.problems.problem import Problem, ProblemSet, Value
from llm_compare.allocation.trials.seeded import seeded
from llm_compare.allocation.trials.trial import ALL_COLUMNS, Change, Identity, Strategy, Task, Trial, Way
from llm_compare.errors import CannotAsk

STATES_DRAWN = 2
"""Other states that a counterfactual moves a candidate to; all fifty would be as many trials each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """How often, and in how many forms, each problem is put. The defaults are the paper's."""

    shuffles: int = 3
    """Row orders of each problem; viability has one row."""
    repeats: int = 5
    """Times that the very same question is put."""
    few_shot_repeats: int = 15
    """Repeats of few-shot viability, each with a set of examples of its own."""
    column_shuffles: int = 0
    """Column orders beside the registry's own, the same for all problems."""
    counterfactuals: tuple[str, ...] = ()
    """Groupings (``gender`` …) in which candidates are changed."""
    focal: int = 1
    """Candidates of each problem that are changed."""
    seed: int = 0
    ways: tuple[Way, ...] = (Way(),)

    def __post_init__(self) -> None:
        """Refuse numbers that plan nothing."""
        for name, least in (
            ("shuffles", 1), ("repeats", 1), ("few_shot_repeats", 1), ("column_shuffles", 0), ("focal", 1),
        ):  # fmt: skip
            if getattr(self, name) < least:
                raise ValueError(f"{name} = {getattr(self, name)}: write a number of {least} or more")
        if unknown := [name for name in self.counterfactuals if name not in GROUPINGS]:
            raise ValueError(
                f"no counterfactual changes {', '.join(unknown)}; there are {', '.join(GROUPINGS)}"
            )


def planned_trials(problems: ProblemSet, task: Task, design: Design) -> tuple[Trial, ...]:
    """Return every trial of a task: way by way, problem by problem.

    Row orders are drawn for each problem on its own, column orders once for all. A larger design with the same seed
    holds the smaller one, so what was paid for stays of use. Unchanged trials stand first: a counterfactual is
    compared with those of the same row order and repeat.

    Raises
    ------
    CannotAsk
        The problem set holds nothing for the task, too few sets of examples, or too few candidates for so many row
        orders; or a counterfactual would change nothing that is shown.
    """
    asked = problems.pairs if task is Task.VIABILITY else problems.problems
    if not asked:
        what = "pairs for viability" if task is Task.VIABILITY else "problems with several candidates"
        raise CannotAsk(
            f"'{problems.title}' holds no {what}; draw another set with 'equipoise compare problems'"
        )
    _check(problems, task, design)
    columns = _column_orders(design)
    trials: list[Trial] = []
    for way in _ways(task, design):
        unchanged = [
            replace(trial, column_order=column_order, column_shuffle=column_shuffle)
            for column_shuffle, column_order in enumerate(columns)
            for problem in asked
            for trial in _of_problem(problems, task, design, way, problem)
        ]
        changes = {p.name: tuple(_changes(p, problems, design)) for p in asked}
        trials += unchanged
        trials += [
            replace(trial, change=change) for trial in unchanged for change in changes[trial.problem.name]
        ]
    return tuple(trials)


def _check(problems: ProblemSet, task: Task, design: Design) -> None:
    few_shot = [way for way in design.ways if way.strategy is Strategy.FEW_SHOT]
    if task is Task.VIABILITY and few_shot and len(problems.example_sets) < design.few_shot_repeats:
        raise CannotAsk(
            f"few-shot trials need {design.few_shot_repeats} sets of examples, one for each repeat, and "
            f"'{problems.title}' holds {len(problems.example_sets)}; ask fewer repeats, or draw a set with more"
        )
    if not design.counterfactuals:
        return
    if task is Task.VIABILITY:
        raise CannotAsk(
            "questions of viability show nothing of who a candidate is, so a counterfactual would change nothing; "
            "ask choose-one or rank-all"
        )
    if any(way.identity is Identity.HIDDEN for way in design.ways):
        raise CannotAsk(
            "with hidden identities a counterfactual would change nothing that is shown; show columns or names, or "
            "leave the counterfactuals out"
        )
    for grouping in design.counterfactuals:
        if len(_values(problems, grouping)) < 2:
            raise CannotAsk(
                f"no candidate of '{problems.title}' can be changed in {grouping}: fewer than two values occur; "
                "leave it out, or draw a larger set"
            )


def _ways(task: Task, design: Design) -> tuple[Way, ...]:
    """Return the ways that differ in this task: strategies are of viability alone."""
    if task is Task.VIABILITY:
        return tuple(dict.fromkeys(design.ways))
    return tuple(dict.fromkeys(replace(way, strategy=Way().strategy) for way in design.ways))


def _of_problem(
    problems: ProblemSet, task: Task, design: Design, way: Way, problem: Problem
) -> Iterator[Trial]:
    if task is Task.VIABILITY and way.strategy is Strategy.FEW_SHOT:
        for repeat in range(design.few_shot_repeats):
            yield Trial(
                task=task,
                way=way,
                problem=problem,
                row_order=(0,),
                repeat=repeat,
                examples=repeat,
                example_pairs=problems.example_sets[repeat],
            )
        return
    orders = [(0,)] if task is Task.VIABILITY else _row_orders(problem, design)
    for (shuffle, order), repeat in product(enumerate(orders), range(design.repeats)):
        yield Trial(task=task, way=way, problem=problem, row_order=order, shuffle=shuffle, repeat=repeat)


def _row_orders(problem: Problem, design: Design) -> list[tuple[int, ...]]:
    """Return different random orders; the set's own is not among them unless it is drawn."""
    if design.shuffles > factorial(problem.size):
        raise CannotAsk(
            f"problem {problem.name}: {problem.size} candidates have no {design.shuffles} different row orders; "
            "ask for fewer"
        )
    return _permutations(problem.size, design.shuffles, seeded(design.seed, "rows", problem.name))


def _column_orders(design: Design) -> list[tuple[str, ...]]:
    drawn = _permutations(len(ALL_COLUMNS), design.column_shuffles, seeded(design.seed, "columns"))
    return [ALL_COLUMNS, *(tuple(ALL_COLUMNS[i] for i in order) for order in drawn)]


def _permutations(n: int, count: int, rng: np.random.Generator) -> list[tuple[int, ...]]:
    found: dict[tuple[int, ...], None] = {}
    while len(found) < count:
        found.setdefault(tuple(int(i) for i in rng.permutation(n)))
    return list(found)


def _changes(problem: Problem, problems: ProblemSet, design: Design) -> Iterator[Change]:
    """Yield the changes made in a problem; fewer where the registry does not say what a candidate is."""
    order = [int(i) for i in seeded(design.seed, "focal", problem.name).permutation(problem.size)]
    for grouping in design.counterfactuals:
        known = [i for i in order if problem.candidates[i][GROUPINGS[grouping]] is not None]
        for candidate in sorted(known[: design.focal]):
            own = problem.candidates[candidate][GROUPINGS[grouping]]
            others = [value for value in _values(problems, grouping) if value != own]
            if grouping == "state" and len(others) > STATES_DRAWN:
                rng = seeded(design.seed, "state", problem.name, candidate)
                others = [others[int(i)] for i in sorted(rng.permutation(len(others))[:STATES_DRAWN])]
            for value in others:
                yield Change(candidate=candidate, grouping=grouping, value=value)


def _values(problems: ProblemSet, grouping: str) -> list[Value]:
    """Return the values that occur among the candidates of the problems, in a fixed order."""
    found = {c[GROUPINGS[grouping]] for p in problems.problems for c in p.candidates}
    return sorted(found - {None}, key=str)
