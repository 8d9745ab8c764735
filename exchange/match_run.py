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
    """A solver stopped before it found any. Never the status of a stage, whose fallback is no exchange at
    all."""


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
class Certificate:
    """Prices that prove a bound by themselves (duality), whoever found them.

    Every cycle is worth at most its pairs' prices, and every chain at most those of its non-directed donor
    and its pairs, up to ``excess`` in total; an exchange's worth is its value plus, for each earlier stage,
    that stage's price times its value there. So no match run that reaches the earlier stages' limits exceeds
    ``bound`` = all prices + excess - sum of stage price times limit. Where a stage is minimized, values and
    bound here have the opposite sign.
    """

    pair_prices: Mapping[str, float]
    """By pair id; pairs without one have price 0."""
    ndd_prices: Mapping[str, float]
    """By id of the non-directed donor, likewise."""
    stage_prices: tuple[float, ...]
    """One per earlier stage."""
    stage_limits: tuple[float, ...]
    """What the earlier stages may not fall below."""
    excess: float
    bound: float
    """Before rounding down, so it may lie above the stage's bound."""


class Proof(StrEnum):
    """What a stage's bound rests on."""

    PRICES = "prices"
    """The certificate alone, rounded down where values are whole numbers."""
    INTEGER_SOLVE = "integer-solve"
    """The certificate shows that few columns could make a better match run; the solver found none better
    among them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageResult:
    """One objective: what was reached, and what cannot be exceeded."""

    objective: Objective
    value: float
    """Of the whole match run in the end."""
    bound: float
    """No match run that is as good in the earlier stages exceeds this (falls below, where the objective is
    minimized); equal to ``value`` where optimal."""
    status: SolveStatus
    seconds: float | None
    """Wall-clock; None in a match run read from a file, which holds only what is the same for the same
    input."""
    solver: str
    """Engine of the integer models; relaxations are always solved by HiGHS."""
    formulation: str
    """How chains were modeled: ``picef`` or ``cycle``."""
    columns_used: int
    """Cycles, chains and position-indexed chain arcs that a solver was given; all others were priced."""
    time_limit_seconds: float | None
    """None for no limit."""
    concession: float = 0.0
    """How much of this stage's value later stages were allowed to give up."""
    proof: Proof = Proof.PRICES
    certificate: Certificate | None = None
    """None in a match run read from an older file."""

    @property
    def gap(self) -> float:
        """How far the bound lies from the value, as a fraction of the bound (of 1, if that is less); 0 where
        optimal."""
        return abs(self.bound - self.value) / max(abs(self.bound), 1.0 if self.objective.is_whole else 1e-300)


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchRun:
    """The exchanges chosen for one pool under one policy."""

    cycles: tuple[Cycle, ...]
    chains: tuple[Chain, ...]
    policy: Policy | None
    """None where the objectives were named one by one."""
    cycle_cap: int
    """Most pairs in a cycle; a compatible pair's own transplant is a cycle of one."""
    chain_cap: int
    """Most pairs in a chain, the non-directed donor not counted; 0 for no chains."""
    stages: tuple[StageResult, ...]
    transplants: int
    """Patients of the pool who receive."""
    total_priority: float
    """Sum of their priority weights."""
    pool_source: str
    pool_note: str = ""
    givers: Mapping[str, str] = field(default_factory=dict)
    """Who gives, by id of the pair, where a pair has several willing donors; the last pair of a chain, whose
    gift goes to the waiting list, is not in it."""
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
