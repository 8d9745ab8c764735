"""The model over the columns found so far: it grows while it is solved, and passes from stage to stage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from exchange.clearing.columns import Columns, no_columns
from exchange.clearing.exchange_values import ExchangeValues
from exchange.clearing.market import Market
from exchange.clearing.relaxation import Relaxation
from exchange.pool import FloatArray

_MOST_SHORTFALL = 1e-5
"""By so much, relative to the rule's limit, a solver may have let a match run fall short of a rule."""
_ROOM = 1e-8
"""So much a lowered rule leaves besides."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A side rule: the exchanges chosen are worth at least ``at_least`` under ``values``."""

    values: ExchangeValues
    at_least: float


class Master:
    """Columns with their relaxation, under the market's rows and side rules."""

    def __init__(self, market: Market, rules: Sequence[Rule], columns: Columns) -> None:
        self.market = market
        self.rows = market.rows
        self.rules: list[Rule] = list(rules)
        self.columns = no_columns(market.width)
        self.relaxation = Relaxation(self.limits)
        self._known: set[bytes] = set()
        self._values: ExchangeValues | None = None
        self.take(columns)

    @property
    def limits(self) -> FloatArray:
        """Right-hand sides of all rows, side rules last."""
        return np.concatenate([self.rows.limits, [-rule.at_least for rule in self.rules]])

    def matrix(self, columns: Columns) -> sparse.csc_array:
        """Return the coefficients of columns in all rows, side rules last."""
        blocks = [self.rows.matrix(columns)]
        blocks += [sparse.csc_array(-columns.values(rule.values)[None, :]) for rule in self.rules]
        return sparse.csc_array(sparse.vstack(blocks, format="csc"))

    def take(self, columns: Columns) -> int:
        """Let columns join that have not yet; return how many did."""
        fresh = []
        for i, key in enumerate(columns.keys()):
            if key not in self._known:
                self._known.add(key)
                fresh.append(i)
        if fresh:
            new = columns.take(np.array(fresh, dtype=np.intp))
            values = np.zeros(len(new)) if self._values is None else new.values(self._values)
            self.relaxation.add(values, self.matrix(new))
            self.columns = Columns(
                kind=np.concatenate([self.columns.kind, new.kind]),
                members=np.concatenate([self.columns.members, new.members]),
            )
        return len(fresh)

    def pursue(self, values: ExchangeValues) -> None:
        """Make ``values`` the objective."""
        self._values = values
        self.relaxation.set_values(self.columns.values(values))

    def admit(self, chosen: Columns) -> None:
        """Lower side rules to what a match run reaches that falls short of them by a solver's tolerance.

        Otherwise the next relaxation, whose tolerance is finer than an integer solver's, has no solution.
        """
        for k, rule in enumerate(self.rules):
            reached = float(np.sum(chosen.values(rule.values)))
            size = max(abs(rule.at_least), 1.0)
            if 0.0 < rule.at_least - reached <= _MOST_SHORTFALL * size:
                # At the very value HiGHS may call the relaxation infeasible.
                at_least = reached - _ROOM * size
                self.rules[k] = replace(rule, at_least=at_least)
                self.relaxation.set_limit(len(self.limits) - len(self.rules) + k, -at_least)

    def keep(self, rule: Rule) -> None:
        """Add a side rule."""
        self.rules.append(rule)
        self.relaxation.add_row(-self.columns.values(rule.values), -rule.at_least)
