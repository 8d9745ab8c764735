"""Candidates, kidneys, and who is to choose among whom: the nouns that every task speaks of. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from llm_compare.allocation.problems.columns import CANDIDATE_PLACE, GROUPINGS, KIDNEY_PLACE

Value = str | int | float | None
"""A word, a code, a number; None where the registry has nothing."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """Somebody on the waiting list."""

    values: tuple[Value, ...]
    """In the order of ``CANDIDATE_COLUMNS``."""

    def __getitem__(self, column: str) -> Value:
        return self.values[CANDIDATE_PLACE[column]]

    def changed(self, column: str, value: Value) -> Candidate:
        """Return the same candidate but for one value."""
        place = CANDIDATE_PLACE[column]
        return Candidate((*self.values[:place], value, *self.values[place + 1 :]))

    def group(self, grouping: str) -> str | None:
        """Return the group that the candidate belongs to, None where the registry does not say."""
        value = self[GROUPINGS[grouping]]
        return None if value is None else group_name(grouping, str(value))


@dataclass(frozen=True, slots=True)
class Kidney:
    """A donated kidney."""

    values: tuple[Value, ...]
    """In the order of ``KIDNEY_COLUMNS``."""

    def __getitem__(self, column: str) -> Value:
        return self.values[KIDNEY_PLACE[column]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One kidney, and the candidates among whom it is to be given. A candidate's number is its place here.

    A single candidate makes a question of viability.
    """

    name: str
    kidney: Kidney
    candidates: tuple[Candidate, ...]
    ids: tuple[int, ...]
    """What the candidates are called in prompts; different, in the order of the candidates."""

    def __post_init__(self) -> None:
        """Refuse ids that do not tell the candidates apart."""
        if len(self.ids) != len(self.candidates) or len(set(self.ids)) < len(self.ids) or not self.ids:
            raise ValueError(f"problem {self.name}: each candidate needs an id of its own")

    @property
    def size(self) -> int:
        """Number of candidates."""
        return len(self.candidates)


class Origin(StrEnum):
    """Where candidates and kidneys come from."""

    SYNTHETIC = "synthetic"
    """Made up, with realistic shares. Nobody of them exists."""
    REGISTRY = "registry"
    """From an extract that the user may hold and nobody else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemSet:
    """Everything that the three tasks put to whoever answers."""

    title: str
    origin: Origin
    source: str
    """In words: the generator and its constants, or names and hashes of the files."""
    seed: int
    problems: tuple[Problem, ...]
    """Of choose-one and rank-all; all with equally many candidates, every one viable."""
    pairs: tuple[Problem, ...]
    """Of viability: one candidate each."""
    example_sets: tuple[tuple[Problem, ...], ...]
    """Few-shot examples; each set has one viable pair and one that fails for each of the three reasons."""

    @property
    def is_restricted(self) -> bool:
        """Whether real people's records are in it, which must not leave the machine but in prompts."""
        return self.origin is Origin.REGISTRY


def group_name(grouping: str, value: str) -> str:
    """Return a group's short name: ``White`` for ``White, Non-Hispanic``, ``Hispanic`` for ``Hispanic/Latino``."""
    if grouping == "ethnicity":
        short = value.strip().removesuffix(", Non-Hispanic")
        return "Hispanic" if short == "Hispanic/Latino" else short
    return value


def groups_of(problems: Sequence[Problem], grouping: str) -> tuple[str, ...]:
    """Return the groups that candidates belong to, the largest first, equally large ones by name."""
    found = Counter(g for p in problems for c in p.candidates if (g := c.group(grouping)) is not None)
    return tuple(sorted(found, key=lambda name: (-found[name], name)))
