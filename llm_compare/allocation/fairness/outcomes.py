"""Trials as arrays: who was chosen, who stood where, who belongs to which group. Pure.

T trials, P problems of N candidates each. A candidate's number is its place in the problem, from 0; ranks count
from 0 in arrays, from 1 in everything that is shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from llm_compare.allocation.problems.problem import Problem, groups_of

Ints = NDArray[np.intp]
Array = NDArray[np.float64]

NO_GROUP = -1
"""Code of a candidate of whom the registry does not say the group."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Groups:
    """The groups of one attribute, and who belongs to which."""

    grouping: str
    """``gender``, ``ethnicity`` …"""
    names: tuple[str, ...]
    """The largest group first: it is the reference of comparisons."""
    code: Ints
    """Shape (P, N): index into ``names``, or ``NO_GROUP``."""

    @classmethod
    def of(cls, problems: Sequence[Problem], grouping: str) -> Groups:
        """Group the candidates of ``problems``."""
        names = groups_of(problems, grouping)
        place: dict[str | None, int] = {name: i for i, name in enumerate(names)}
        code = [[place.get(c.group(grouping), NO_GROUP) for c in p.candidates] for p in problems]
        return cls(grouping=grouping, names=names, code=np.array(code, dtype=np.intp))

    @cached_property
    def sizes(self) -> Ints:
        """Candidates of each group in each problem, shape (P, G)."""
        return np.stack([(self.code == g).sum(axis=1) for g in range(len(self.names))], axis=1)

    @property
    def shares(self) -> Array:
        """Each group's share of all candidate slots, shape (G,). With unlabelled candidates they sum to less."""
        shares: Array = self.sizes.sum(axis=0) / self.code.size
        return shares


@dataclass(frozen=True, kw_only=True, eq=False)
class Selections:
    """Trials in which one candidate was chosen."""

    respondent: str
    problem: Ints
    """Shape (T,): index of the problem."""
    chosen: Ints
    """Shape (T,): the candidate."""
    shuffle: Ints
    """Shape (T,): which row order it was, from 0."""
    repeat: Ints
    """Shape (T,), from 0. For people: a different person each."""
    row: Ints
    """Shape (T,): the place in the list at which the chosen candidate stood, from 0."""
    n_candidates: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Rankings:
    """Trials in which all candidates were ranked."""

    respondent: str
    problem: Ints
    """Shape (T,)."""
    order: Ints
    """Shape (T, N): the candidate at each rank."""
    shuffle: Ints
    repeat: Ints
    row: Ints
    """Shape (T, N): the place in the list at which each candidate (not rank) stood."""

    @property
    def n_candidates(self) -> int:
        """N."""
        return int(self.order.shape[1])

    @cached_property
    def rank(self) -> Ints:
        """Shape (T, N): the rank of each candidate, from 0."""
        found = np.empty_like(self.order)
        np.put_along_axis(found, self.order, np.arange(self.n_candidates)[None, :], axis=1)
        return found

    @property
    def top(self) -> Selections:
        """Whoever was ranked first, as if chosen."""
        first = self.order[:, 0]
        return Selections(
            respondent=self.respondent,
            problem=self.problem,
            chosen=first,
            shuffle=self.shuffle,
            repeat=self.repeat,
            row=np.take_along_axis(self.row, first[:, None], axis=1)[:, 0],
            n_candidates=self.n_candidates,
        )


def codes_at_ranks(rankings: Rankings, groups: Groups) -> Ints:
    """Return the group of whoever stands at each rank, shape (T, N)."""
    return np.take_along_axis(groups.code[rankings.problem], rankings.order, axis=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A number with what is known of its chance."""

    value: float | None
    """None where it cannot be had; ``reason`` says why."""
    low: float | None = None
    high: float | None = None
    """95 % interval, by resampling problems unless said otherwise."""
    p: float | None = None
    """p-value, before any correction for several tests."""
    p_adjusted: float | None = None
    """After Holm's correction within its family of tests."""
    n: int = 0
    """Of independent units behind it, mostly problems."""
    reason: str = ""
