"""Two sides' answers to the same comparisons, as arrays: what every measure of alignment reads. Pure.

A side is all people, or one model in one variant of the prompt. Both are made from the same
:class:`survey.answers.Answer`; a model's replies may also spread an answer over the choices (an allocation of
points, probabilities of the first token), which people's answers never do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from survey.answers import Answer, Choice
from survey.design import Attribute, Comparison

Array = NDArray[np.float64]
Indices = NDArray[np.intp]

FIRST, SECOND, INDECISION = 0, 1, 2
"""Columns of choices: the comparison's first profile, its second, indecision. First and second do not depend on the
sides on which the profiles were shown."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Choices:
    """The answers of one side. Every array has a row per answer."""

    label: str
    comparisons: tuple[Comparison, ...]
    """What ``comparison`` counts; for two sides that are compared, the same."""
    comparison: Indices
    respondent: Indices
    """Index of who answered in ``respondents``. Answers of unknown respondents are each their own."""
    respondents: tuple[str, ...]
    choice: Array
    """Shape (n_answers, 3): 1 in the chosen column, or shares that sum to 1 where a reply spreads its answer."""
    first_left: NDArray[np.bool_]
    """Whether the comparison's first profile stood on the left."""
    offered: NDArray[np.bool_]
    """Whether indecision could be chosen."""
    repeat: Indices
    """Which of repeated answers this is: wave of a person, repeat of a model."""
    attribute_order: tuple[tuple[str, ...], ...] = ()
    """Order of the attributes as shown, of each answer; empty where it is not known."""

    @property
    def n_answers(self) -> int:
        """Number of answers."""
        return len(self.comparison)

    @property
    def n_respondents(self) -> int:
        """Number of respondents."""
        return len(self.respondents)

    @cached_property
    def counts(self) -> Array:
        """Answers by comparison and choice, shape (n_comparisons, 3)."""
        return self.weighted_counts(np.ones(self.n_answers))

    def weighted_counts(self, weights: Array) -> Array:
        """Return the sum of ``weights`` (one per answer) by comparison and choice, shape (n_comparisons, 3)."""
        n = len(self.comparisons)
        return np.column_stack(
            [
                np.bincount(self.comparison, weights=weights * self.choice[:, column], minlength=n)
                for column in range(3)
            ]
        )

    def only(self, kept: NDArray[np.bool_]) -> Choices:
        """Return the answers for which ``kept`` is true; comparisons and respondents keep their numbers."""
        return Choices(
            label=self.label,
            comparisons=self.comparisons,
            comparison=self.comparison[kept],
            respondent=self.respondent[kept],
            respondents=self.respondents,
            choice=self.choice[kept],
            first_left=self.first_left[kept],
            offered=self.offered[kept],
            repeat=self.repeat[kept],
            attribute_order=tuple(o for o, k in zip(self.attribute_order, kept, strict=True) if k)
            if self.attribute_order
            else (),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Pairing:
    """People and one model, on the comparisons that both answered."""

    attributes: tuple[Attribute, ...]
    people: Choices
    model: Choices

    @property
    def comparisons(self) -> tuple[Comparison, ...]:
        """The comparisons that both answered."""
        return self.people.comparisons


def choices_of(
    answers: Sequence[Answer],
    *,
    label: str,
    comparisons: Sequence[Comparison] | None = None,
    shares: Sequence[tuple[float, float, float] | None] | None = None,
    orders: Sequence[tuple[str, ...]] | None = None,
) -> Choices:
    """Return answers as arrays. A profile beside itself is no comparison and is left out.

    Parameters
    ----------
    comparisons
        Only answers to these, numbered in this order; None for all, in order of appearance.
    shares
        Of each answer, how it is spread over left, right, indecision; None for one that is not.
    orders
        Of each answer, the order in which the attributes were shown.
    """
    index = {c: i for i, c in enumerate(comparisons)} if comparisons is not None else {}
    rows: list[tuple[int, str, Array, bool, bool, int]] = []
    shown: list[tuple[str, ...]] = []
    for number, answer in enumerate(answers):
        if answer.left == answer.right:
            continue
        comparison = answer.comparison
        at = index.setdefault(comparison, len(index)) if comparisons is None else index.get(comparison)
        if at is None:
            continue
        first_left = comparison.first == answer.left
        spread = None if shares is None else shares[number]
        who = f"answer {number}" if answer.respondent is None else answer.respondent
        rows.append(
            (
                at,
                who,
                _row(answer.choice, spread, first_left),
                first_left,
                answer.indecision_offered,
                answer.wave,
            )
        )
        if orders is not None:
            shown.append(orders[number])
    number_of = {who: i for i, who in enumerate(dict.fromkeys(row[1] for row in rows))}
    return Choices(
        label=label,
        comparisons=tuple(index),
        comparison=np.array([row[0] for row in rows], dtype=np.intp),
        respondent=np.array([number_of[row[1]] for row in rows], dtype=np.intp),
        respondents=tuple(number_of),
        choice=np.array([row[2] for row in rows], dtype=float).reshape(-1, 3),
        first_left=np.array([row[3] for row in rows], dtype=bool),
        offered=np.array([row[4] for row in rows], dtype=bool),
        repeat=np.array([row[5] for row in rows], dtype=np.intp),
        attribute_order=tuple(shown),
    )


def _row(choice: Choice, spread: tuple[float, float, float] | None, first_left: bool) -> Array:
    left, right, undecided = spread or (
        float(choice is Choice.LEFT),
        float(choice is Choice.RIGHT),
        float(choice is Choice.INDECISION),
    )
    return np.array((left, right, undecided) if first_left else (right, left, undecided))
