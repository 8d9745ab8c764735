"""What giving priority costs in transplants, and what keeping every transplant costs in priority."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from exchange.clearing.clear import Clearing, Goal, Solved
from exchange.clearing.columns import Columns
from exchange.clearing.exchange_values import ExchangeValues
from exchange.clearing.master import Rule
from exchange.clearing.objectives import Objective
from exchange.match_run import SolveStatus
from exchange.priorities import Priorities

MOST_POINTS = 50
"""Beyond this many transplants given up, the frontier leaps to the greatest weight."""

_TRANSPLANTS, _PRIORITY = Goal(objective=Objective.TRANSPLANTS), Goal(objective=Objective.PRIORITY)


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeOff:
    """The greatest priority among match runs with at least so many transplants."""

    transplants: int
    total_priority: float
    """Sum of the weights of the patients who receive."""
    bound: float
    """What no such match run exceeds; equal to ``total_priority`` where proved."""
    is_proved: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceOfPriority:
    """The two policies that weigh transplants against priority, and every compromise between them."""

    least_priority: float
    """Smallest total priority of any match run with most transplants: what the policy ``equal`` may end up with."""
    least_is_proved: bool
    frontier: tuple[TradeOff, ...]
    """First ``priority-after-cardinality``; then the greatest priority where 1, 2, ... up to :data:`MOST_POINTS`
    transplants may be given up, each only if that gains priority; last ``greatest-weight``, if that costs any."""
    greatest_weight: TradeOff
    """The greatest priority whatever it costs; the most transplants at which it is reached."""

    @property
    def priority_after_cardinality(self) -> TradeOff:
        """Most transplants; the greatest priority among those."""
        return self.frontier[0]

    @property
    def transplants_lost(self) -> int:
        """What the policy ``greatest-weight`` gives up."""
        return self.priority_after_cardinality.transplants - self.greatest_weight.transplants

    @property
    def priority_lost(self) -> float:
        """What the policy ``priority-after-cardinality`` gives up."""
        return self.greatest_weight.total_priority - self.priority_after_cardinality.total_priority

    @property
    def is_proved(self) -> bool:
        """Whether no time limit left anything open."""
        return self.least_is_proved and all(p.is_proved for p in (*self.frontier, self.greatest_weight))


def price_of_priority(clearing: Clearing, priorities: Priorities) -> PriceOfPriority:
    """Return what priority costs in this pool, under the clearing's caps.

    Each point of the frontier is a clearing of its own, proved as far as the clearing's time limit allows.
    """
    transplants = clearing.values(Objective.TRANSPLANTS, priorities)
    priority = clearing.values(Objective.PRIORITY, priorities)
    first = clearing.solve([(_TRANSPLANTS, transplants), (_PRIORITY, priority)])
    goals = [(_PRIORITY, priority), (_TRANSPLANTS, transplants)]
    last = clearing.solve(goals, incumbent=first.chosen)
    start, end = _trade_off(first, 1, transplants, priority), _trade_off(last, 0, transplants, priority)
    frontier = [start]
    chosen = first.chosen
    for given_up in range(1, min(start.transplants - end.transplants, MOST_POINTS + 1)):
        rule = Rule(values=transplants, at_least=start.transplants - given_up)
        solved = clearing.solve(goals, rules=(rule,), incumbent=chosen)
        chosen = solved.chosen
        point = _trade_off(solved, 0, transplants, priority)
        if point.transplants < frontier[-1].transplants:
            frontier.append(point)
    if end.transplants < frontier[-1].transplants:
        frontier.append(end)
    least, least_is_proved = _least(clearing, first, transplants, priority)
    return PriceOfPriority(
        least_priority=least,
        least_is_proved=least_is_proved,
        frontier=tuple(frontier),
        greatest_weight=end,
    )


def _least(
    clearing: Clearing, first: Solved, transplants: ExchangeValues, priority: ExchangeValues
) -> tuple[float, bool]:
    """Return the smallest priority at most transplants: what each patient lacks to the greatest weight, maximized.

    With the number of transplants held, that is the same as minimizing, and keeps values at least 0.
    """
    exists = clearing.arrays.arc_exists
    greatest = float(np.max(priority.arc[exists], initial=0.0))
    lacks = ExchangeValues(arc=np.where(exists, greatest - priority.arc, 0.0))
    most = round(_sum(first.chosen, transplants))
    solved = clearing.solve(
        [(_PRIORITY, lacks)],
        rules=(Rule(values=transplants, at_least=most),),
        incumbent=first.chosen,
    )
    statuses = (first.stages[0].outcome.status, solved.stages[0].outcome.status)
    return _sum(solved.chosen, priority), all(status is SolveStatus.OPTIMAL for status in statuses)


def _trade_off(solved: Solved, stage: int, transplants: ExchangeValues, priority: ExchangeValues) -> TradeOff:
    outcome, scale = solved.stages[stage].outcome, solved.stages[stage].scale
    value = _sum(solved.chosen, priority)
    is_proved = all(s.outcome.status is SolveStatus.OPTIMAL for s in solved.stages)
    return TradeOff(
        transplants=round(_sum(solved.chosen, transplants)),
        total_priority=value,
        bound=value if is_proved else max(outcome.bound * scale, value),
        is_proved=is_proved,
    )


def _sum(chosen: Columns, values: ExchangeValues) -> float:
    return float(np.sum(chosen.values(values)))
