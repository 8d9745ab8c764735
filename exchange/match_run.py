"""A match run: the exchanges chosen, and how far they are proved best. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise

from exchange.clearing.objectives import Objective, Policy


class SolveStatus(StrEnum):
    """What is known about a value."""

    OPTIMAL = "optimal"
    """Proved: no match run is better by more than one part in ten million of the value."""
    FEASIBLE = "feasible"
    """A match run was found; a better one may exist, up to the bound."""
    NO_SOLUTION = "no-solution"
    """A solver stopped before it found any. Never the status of a stage, whose fallback is no exchange at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cycle:
    """Pairs that give to each other in a ring."""

    pairs: tuple[str, ...]
    """Ids: each pair's donor gives to the next pair's patient, the last to the first."""

    @property
    def arcs(self) -> tuple[tuple[str, str], ...]:
        """(donor, recipient) of every transplant."""
        return tuple(zip(self.pairs, self.pairs[1:] + self.pairs[:1], strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """Pairs that pass on the gift of a non-directed donor; the last pair's donor gives to the waiting list."""

    ndd: str
    pairs: tuple[str, ...]
    """Ids, in the order in which they receive."""

    @property
    def arcs(self) -> tuple[tuple[str, str], ...]:
        """(donor, recipient) of every transplant within the pool."""
        return tuple(pairwise((self.ndd, *self.pairs)))


@dataclass(frozen=True, slots=True, kw_only=True)
class StageResult:
    """One objective: what was reached, and what cannot be exceeded."""

    objective: Objective
    value: float
    """Of the whole match run in the end."""
    bound: float
    """No match run that is as good in the earlier stages exceeds this; equal to ``value`` where optimal."""
    status: SolveStatus
    seconds: float | None
    """Wall-clock; None in a match run read from a file, which holds only what is the same for the same input."""
    solver: str
    """Engine of the integer models; relaxations are always solved by HiGHS."""
    columns_total: int
    """Cycles and position-indexed chain arcs that the caps allow."""
    columns_used: int
    """Those that the solver was given; the others are proved to be of no use, or were not reached in time."""
    time_limit_seconds: float | None
    """None for no limit."""

    @property
    def gap(self) -> float:
        """How far the bound lies above the value, as a fraction of the bound; 0 where optimal."""
        return (self.bound - self.value) / self.bound if self.bound > 0 else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchRun:
    """The exchanges chosen for one pool under one policy."""

    cycles: tuple[Cycle, ...]
    chains: tuple[Chain, ...]
    policy: Policy
    cycle_cap: int
    """Most pairs in a cycle."""
    chain_cap: int
    """Most pairs in a chain, the non-directed donor not counted; 0 for no chains."""
    stages: tuple[StageResult, ...]
    transplants: int
    """Patients of the pool who receive."""
    total_priority: float
    """Sum of their priority weights."""
    pool_source: str
    pool_note: str = ""
    manifest: Mapping[str, object] = field(default_factory=dict)
    """What the match run was made from and with, as ``estimation.manifest`` gives it; empty if not written."""

    @property
    def status(self) -> SolveStatus:
        """Optimal only if every stage is."""
        proved = all(stage.status is SolveStatus.OPTIMAL for stage in self.stages)
        return SolveStatus.OPTIMAL if proved else SolveStatus.FEASIBLE

    @property
    def arcs(self) -> tuple[tuple[str, str], ...]:
        """(donor, recipient) of every transplant within the pool."""
        exchanges: tuple[Cycle | Chain, ...] = (*self.cycles, *self.chains)
        return tuple(arc for exchange in exchanges for arc in exchange.arcs)

    @property
    def recipients(self) -> frozenset[str]:
        """Ids of the pairs whose patient receives."""
        return frozenset(recipient for _, recipient in self.arcs)
