"""Choosing one of many: who of several candidates gets the one thing that there is. Pure.

A study may ask this besides comparisons of two. Problems are listed in the design; a respondent is drawn some of
them, each with the candidates in a random order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from survey.questionnaire import Option

Value = str | int | float
"""A word, the name of one of the column's values, or a number; the empty text where nothing is known."""
INDECISION = "indecision"
"""Stands for the answer "I cannot say" where others are candidates' ids."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AllocationColumn:
    """Something that is told of every candidate, or of what is given."""

    name: str
    label: str
    """What a respondent reads, e.g. ``Days on the waiting list``."""
    values: tuple[Option, ...] = ()
    """The values and their words; none: a value stands as it is, in every language."""

    def words(self, value: Value) -> str:
        """Return what a respondent reads for ``value``; empty where nothing is known."""
        if not self.values or value == "":
            return str(value)
        return next(option.words for option in self.values if option.name == value)

    def takes(self, value: Value) -> bool:
        """Tell whether ``value`` can stand in this column."""
        return not self.values or value == "" or value in {option.name for option in self.values}


@dataclass(frozen=True, slots=True, kw_only=True)
class AllocationProblem:
    """One thing to give, and the candidates for it."""

    name: str
    resource: tuple[Value, ...]
    """In the order of ``ChooseOne.resource``."""
    ids: tuple[int, ...]
    """What the candidates are called; different."""
    candidates: tuple[tuple[Value, ...], ...]
    """In the order of the ids; each in the order of ``ChooseOne.columns``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChooseOne:
    """The part of a design that asks for one of many."""

    problems_per_respondent: int
    question: str
    explanation: str
    """Stands above each problem; may be empty."""
    resource_label: str
    """Heading of what is given, e.g. ``The kidney``."""
    candidate_label: str
    """What a candidate is called, with ``{id}`` in the place of the id."""
    indecision: bool
    """Whether those who are offered indecision in comparisons are offered it here, too, in the same words."""
    set_sha256: str
    """Of the problem set that the problems are from, so that answers find their problems again; may be empty."""
    resource: tuple[AllocationColumn, ...]
    columns: tuple[AllocationColumn, ...]
    problems: tuple[AllocationProblem, ...]

    def problem(self, name: str) -> AllocationProblem | None:
        """Return the problem called ``name``, if there is one."""
        return next((problem for problem in self.problems if problem.name == name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnTask:
    """A problem as drawn for one respondent."""

    problem: str
    row_order: tuple[int, ...]
    """The candidates' ids from the top."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownCandidate:
    """A candidate in words."""

    id: int
    label: str
    facts: tuple[str, ...]
    """In the order of the columns; empty where nothing is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownProblem:
    """Everything that a respondent reads of one problem."""

    question: str
    explanation: str
    resource_label: str
    resource: tuple[tuple[str, str], ...]
    """(label, words) of what is known."""
    columns: tuple[str, ...]
    candidates: tuple[ShownCandidate, ...]
    indecision: str | None
    """Label of the indecision answer; None where it is not offered."""


def draw_tasks(asked: ChooseOne, shown: Mapping[str, int], rng: np.random.Generator) -> tuple[DrawnTask, ...]:
    """Draw a respondent's problems, those shown least often so far first, and the order of the rows of each.

    Parameters
    ----------
    shown
        Problem -> how often it was shown to others.
    """
    by_chance = [asked.problems[int(i)] for i in rng.permutation(len(asked.problems))]
    least_shown = sorted(by_chance, key=lambda problem: shown.get(problem.name, 0))
    own = least_shown[: asked.problems_per_respondent]
    return tuple(
        DrawnTask(problem=own[int(i)].name, row_order=_shuffled(own[int(i)].ids, rng))
        for i in rng.permutation(len(own))
    )


def _shuffled(ids: Sequence[int], rng: np.random.Generator) -> tuple[int, ...]:
    return tuple(ids[int(i)] for i in rng.permutation(len(ids)))


def in_words(
    asked: ChooseOne, problem: AllocationProblem, row_order: Sequence[int], *, indecision: str | None
) -> ShownProblem:
    """Return a problem as a respondent reads it; ``asked`` is worded in the respondent's language."""
    values = dict(zip(problem.ids, problem.candidates, strict=True))
    return ShownProblem(
        question=asked.question,
        explanation=asked.explanation,
        resource_label=asked.resource_label,
        resource=tuple(
            (column.label, column.words(value))
            for column, value in zip(asked.resource, problem.resource, strict=True)
            if value != ""
        ),
        columns=tuple(column.label for column in asked.columns),
        candidates=tuple(
            ShownCandidate(
                id=id_,
                label=asked.candidate_label.replace("{id}", str(id_)),
                facts=tuple(c.words(value) for c, value in zip(asked.columns, values[id_], strict=True)),
            )
            for id_ in row_order
        ),
        indecision=indecision,
    )
