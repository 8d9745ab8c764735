"""Ties: several match runs may be equally good by every objective, and which is taken decides who receives.

An arbitrary choice among equals is a fairness matter. It can be left as found (which depends on the order of the
pool), drawn by lot, or made visible by listing the sets of patients among which the objectives do not choose.
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from exchange.clearing.clear import Clearing, Goal, Solved, Stage, kept_rule
from exchange.clearing.column_generation import is_proved
from exchange.clearing.columns import Columns, no_columns
from exchange.clearing.exchange_values import ExchangeValues
from exchange.clearing.master import Rule
from exchange.clearing.objectives import Objective, Policy
from exchange.errors import BadRequest
from exchange.match_run import MatchRun, SolveStatus
from exchange.pool import FloatArray
from exchange.priorities import Priorities


class TieRule(StrEnum):
    """Which of several equally good match runs is taken."""

    FIRST = "first"
    """The one found first: always the same for the same input, but nobody's choice."""
    RANDOM = "random"
    """Drawn by lot, see :func:`drawn_among_ties`."""
    ALL = "all"
    """The one found first, and the others beside it, see :func:`find_ties`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ties:
    """Equally good match runs that differ in who receives."""

    match_runs: tuple[MatchRun, ...]
    """The one taken first; every set of patients once, though it may be served by other exchanges, too."""
    is_complete: bool
    """Whether it is proved that there is no other set of patients."""

    @property
    def chosen_in(self) -> Mapping[str, int]:
        """In how many of the match runs each pair's patient receives, by pair id; pairs in none are absent."""
        counts = Counter(pair for run in self.match_runs for pair in sorted(run.recipients))
        return dict(counts)

    @property
    def always(self) -> tuple[str, ...]:
        """Pairs whose patient receives in every match run listed, sorted."""
        return tuple(sorted(p for p, n in self.chosen_in.items() if n == len(self.match_runs)))

    @property
    def sometimes(self) -> tuple[str, ...]:
        """Pairs whose patient receives in some, not all, of the match runs listed, sorted."""
        return tuple(sorted(p for p, n in self.chosen_in.items() if n < len(self.match_runs)))


def drawn_among_ties(clearing: Clearing, solved: Solved, *, seed: int) -> tuple[Solved, bool]:
    """Draw lots among the match runs that are as good as ``solved`` in every stage.

    Every patient draws a lot, uniform on (0, 1) and kept by seed and pair id, so that it does not depend on who
    else is in the pool. Among equally good match runs that with the greatest sum of its patients' lots is taken.
    Patients who could stand for each other thus have the same chance, in whichever order the file lists them. Match
    runs have not: of three, one that shares no patient with the others comes out more often than each of these.

    Returns
    -------
    tuple
        The match run drawn, with the stages of ``solved``; and whether the draw was finished in the time.
    """
    if seed < 0:
        raise BadRequest(f"seed {seed} is negative; give 0 or more")
    lots = np.array([lot(seed, pair) for pair in clearing.arrays.pair_ids])
    shape = clearing.arrays.arc_exists.shape
    drawn = clearing.solve(
        # The objective is a label only.
        [(Goal(objective=Objective.PRIORITY), ExchangeValues(arc=_by_recipient(lots, shape)))],
        rules=[kept_rule(stage) for stage in solved.stages],
        incumbent=solved.chosen,
    )
    settled = drawn.stages[-1].outcome.status is SolveStatus.OPTIMAL
    return Solved(chosen=drawn.chosen, stages=solved.stages), settled


def find_ties(
    clearing: Clearing, solved: Solved, priorities: Priorities, policy: Policy | None, *, most: int
) -> Ties:
    """Return up to ``most`` equally good match runs that differ in who receives.

    Each set of patients found is excluded and the stages are solved again. The first stage that falls short of its
    value proves that no other set is as good. The clearing's time limit holds for the whole search, since each set
    may take as long as the match run did.

    Parameters
    ----------
    solved
        Optimal in every stage; otherwise nothing can be said to be as good, and it alone is returned.
    most
        At least 1, ``solved`` counted.

    Raises
    ------
    BadRequest
        ``most`` is less than 1.
    """
    if most < 1:
        raise BadRequest(f"ties: at most {most} match runs cannot be listed; give 1 or more")
    found = [solved.chosen]
    is_complete = False
    if all(stage.outcome.status is SolveStatus.OPTIMAL for stage in solved.stages):
        search = _Search(clearing, solved)
        search.exclude(solved.chosen)
        while not is_complete and not clearing.is_stopped():
            chosen, is_complete = search.another()
            if chosen is None:
                break
            search.exclude(chosen)
            # A solver may let a stage fall short by its tolerance; such a match run is no equal.
            if search.is_equal(chosen):
                if len(found) == most:
                    break
                found.append(chosen)
    runs = tuple(clearing.match_run(replace(solved, chosen=chosen), priorities, policy) for chosen in found)
    return Ties(match_runs=runs, is_complete=is_complete)


class _Search:
    """Sets of patients excluded so far, and the search for one more."""

    def __init__(self, clearing: Clearing, solved: Solved) -> None:
        self.clearing, self.stages = clearing, solved.stages
        self.kept = [kept_rule(stage) for stage in solved.stages]
        # Where every further patient would gain something, no set as good contains another; that makes for tighter
        # rules.
        self.contains_no_other = any(_gains_by_anybody(stage) for stage in solved.stages)
        self.excluded: list[Rule] = []
        self.excludes_nobody = False
        limit = clearing.time_limit_seconds
        self.end = None if limit is None else time.monotonic() + limit

    def exclude(self, chosen: Columns) -> None:
        """Exclude the very set of patients who receive in a match run."""
        patients = recipients(chosen)
        if not len(patients):
            self.excludes_nobody = True
            return
        marks = np.zeros(self.clearing.arrays.n_pairs) if self.contains_no_other else self._ones()
        marks[patients] = -1.0
        self.excluded.append(Rule(values=self._values(marks), at_least=1.0 - len(patients)))

    def another(self) -> tuple[Columns | None, bool]:
        """Return another match run that is as good; and, if there is none, whether that is proved."""
        chosen = no_columns(self.clearing.market.width)
        rules = list(self.excluded)
        if self.excludes_nobody:
            goal = Goal(objective=Objective.TRANSPLANTS)
            anybody = self.solve(goal, self._values(self._ones()), rules, chosen)
            chosen = anybody.outcome.chosen
            if not len(chosen):
                return None, anybody.outcome.status is SolveStatus.OPTIMAL
            rules.append(Rule(values=self._values(self._ones()), at_least=1.0))
        for stage, rule in zip(self.stages, self.kept, strict=True):
            goal = replace(stage.goal, concession=0.0)
            again = self.solve(goal, stage.values, rules, chosen)
            # Each solve has a scale of its own.
            per_unit = again.scale / stage.scale
            if not is_proved(again.outcome.value * per_unit, rule.at_least):
                return None, not is_proved(again.outcome.bound * per_unit, rule.at_least)
            chosen = again.outcome.chosen
            rules.append(rule)
        return chosen, False

    def solve(self, goal: Goal, values: ExchangeValues, rules: Sequence[Rule], incumbent: Columns) -> Stage:
        """Pursue one goal in what is left of the time."""
        seconds = None if self.end is None else max(self.end - time.monotonic(), 0.0)
        solved = self.clearing.solve([(goal, values)], rules=rules, incumbent=incumbent, seconds=seconds)
        return solved.stages[0]

    def is_equal(self, chosen: Columns) -> bool:
        """Whether a match run reaches every stage's value."""
        return all(is_proved(float(np.sum(chosen.values(rule.values))), rule.at_least) for rule in self.kept)

    def _ones(self) -> FloatArray:
        return np.ones(self.clearing.arrays.n_pairs)

    def _values(self, marks: FloatArray) -> ExchangeValues:
        shape = self.clearing.arrays.arc_exists.shape
        return ExchangeValues(arc=_by_recipient(marks, shape), is_whole=True)


def recipients(chosen: Columns) -> list[int]:
    """Return the indices of the pairs whose patient receives, ascending."""
    cycles, chains = chosen.exchanges()
    return sorted([*(i for cycle in cycles for i in cycle), *(i for chain in chains for i in chain[1:])])


def _gains_by_anybody(stage: Stage) -> bool:
    """Whether a stage's value is a sum over the patients who receive, every one of whom adds more than rounding."""
    values = stage.values
    return (
        not stage.goal.concession
        and not values.factors
        and not values.constants
        and values.chain_ratio == 1.0
        and values.success is None
        and bool(np.all(values.arc == values.arc[:1]))
        and bool(np.all(values.arc > 1e-6 * max(stage.scale, 1.0)))
    )


def _by_recipient(marks: FloatArray, shape: Sequence[int]) -> FloatArray:
    return np.ascontiguousarray(np.broadcast_to(marks, tuple(shape)))


def lot(seed: int, pair_id: str) -> float:
    """Return a patient's lot, strictly between 0 and 1; it depends on the seed and the pair's id alone."""
    number = int.from_bytes(hashlib.sha256(f"{seed}:lot:{pair_id}".encode()).digest()[:8], "big")
    return ((number >> 12) + 0.5) / 2.0**52
