"""Solve one objective over all cycles and chains to proof, or as far as the time allows.

1. A linear relaxation over few columns is priced against all cycles and chains (``pricing``) until none outside
   could improve it. Its duals bound every match run from above.
2. A plunge looks for a match run that reaches that bound among the columns at hand. It mostly exists.
3. Otherwise an integer solver is given the columns that lose little at those duals: first few, then, if need be,
   every one that a better match run than the best known could have. What it finds among these is optimal over all.

The bound is recomputed from the duals of pairs and non-directed donors alone and holds for any non-negative
duals, so neither a wrong sign nor loose tolerances of a solver can make a result look proved by it: they
would only leave a gap. What an integer solve proves about the columns it was given is the solver's word,
within :data:`PROOF_TOLERANCE`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from exchange.clearing.columns import Columns, Kind, joined
from exchange.clearing.exchange_values import ExchangeValues
from exchange.clearing.market import Market
from exchange.clearing.master import Master
from exchange.clearing.pricing import Priced, Terms, TooManyColumns, price
from exchange.clearing.relaxation import RelaxedSolution, plunge
from exchange.clearing.solver import Program, Solver, solve_integer
from exchange.match_run import Proof, SolveStatus
from exchange.pool import FloatArray

PROOF_TOLERANCE = 1e-7
"""Values this close (times the value, if above 1) count as equal. Values come scaled so that the optimum is at
least 1, so this is the relative difference below which better is not told from worse."""
_PRICE_TOLERANCE = 1e-8
_PER_START_AT_FIRST = 3
_PER_START = 10
_ROUNDS = 500
_MOST_CLOSING = 300_000
"""Columns that an integer solver is given at most to close a gap; more would take gigabytes."""
_FIRST_CLOSING = 3_000
_PLUNGE_SOLVES = 60
_PLUNGE_WORK, _PLUNGE_ITERATIONS = 2, 2_000
"""A plunge may take so many times the simplex steps that pricing out took, and so many more."""
_SECONDS_PER_COLUMN = 2e-4
"""An integer solve over so many columns is not begun with fewer seconds left: building it takes about a third
of that."""
_GOOD_ENOUGH = 0.02
"""How far below the bound a match run may be that is looked for when none at the bound was found."""
_RULE_ROOM = 1e-7
"""So much of its limit an integer solve leaves a side rule."""
_FORBIDDING = 1e6
"""Price that no exchange is worth."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One objective over all cycles and chains of a market."""

    master: Master
    """Its rules are kept, its columns are where the search starts; it grows."""
    values: ExchangeValues
    """Scaled so that the optimum is about 1 or more."""
    unit: float = 1.0
    """What a value of 1 stands for; for progress only."""
    incumbent: Columns
    """A known match run that keeps the rules; may be empty if that does."""

    @property
    def market(self) -> Market:
        """What may be exchanged."""
        return self.master.market

    def value(self, chosen: Columns) -> float:
        """Return the objective's value of chosen columns."""
        return float(np.sum(chosen.values(self.values)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """Prices that bound every match run: no exchange is worth more than its members' prices, but for
    ``excess``.

    For every match run that keeps the rules, value <= sum of prices + excess - sum of rule price times limit.
    """

    pair_prices: FloatArray
    ndd_prices: FloatArray
    rule_prices: FloatArray
    excess: float
    bound: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The best match run found for a task."""

    chosen: Columns
    value: float
    bound: float
    status: SolveStatus
    columns_used: int
    """Columns that a solver was given."""
    certificate: Certificate
    proof: Proof
    """What the bound rests on."""


def is_proved(value: float, bound: float) -> bool:
    """Return whether a value equals its upper bound within :data:`PROOF_TOLERANCE`."""
    return value >= bound - _slack(bound)


def solve_exactly(
    task: Task,
    *,
    solver: Solver,
    left: Callable[[], float | None],
    progress: Callable[[str], None] = lambda _: None,
) -> Outcome:
    """Return the best match run for ``task``: proved optimal, or the best found in the time with its bound.

    Parameters
    ----------
    left
        Seconds left, 0 if none or if the caller wants the best so far; None for no limit.
    """
    return _Solve(task, solver, left, progress).run()


class _Solve:
    """The state of one solve."""

    def __init__(
        self,
        task: Task,
        solver: Solver,
        left: Callable[[], float | None],
        progress: Callable[[str], None],
    ) -> None:
        self.task, self.solver, self.left, self.progress = task, solver, left, progress
        self.master, self.market, self.relaxation = task.master, task.market, task.master.relaxation
        self.limits = self.master.limits
        self.chosen, self.value = task.incumbent, task.value(task.incumbent)
        self.bound, self.proof = np.inf, Proof.PRICES
        self.certificate = self.plain_certificate()
        self.seed = self.iterations_of_pricing = 0
        self.master.take(task.incumbent)
        self.master.pursue(task.values)

    def run(self) -> Outcome:
        before = self.relaxation.iterations
        solution = self.price_out()
        self.iterations_of_pricing = self.relaxation.iterations - before
        if solution is not None and not self.is_done():
            self.search(solution)
            if not self.is_done() and not self.is_over():
                self.close()
        if self.is_done():
            self.bound = self.value
        return Outcome(
            chosen=self.chosen,
            value=self.value,
            bound=self.bound,
            status=SolveStatus.OPTIMAL if self.is_done() else SolveStatus.FEASIBLE,
            columns_used=len(self.master.columns),
            certificate=self.certificate,
            proof=self.proof,
        )

    def search(self, solution: RelaxedSolution) -> None:
        """Look for a match run as good as the bound, then for any good one."""
        if solution.is_integral:
            self.improve(self.master.columns.take(np.flatnonzero(solution.levels > 0.5)))
        if self.is_done():
            return
        slack = 1e-6 if self.task.values.is_whole else _slack(self.bound)
        self.plunge(solution, self.bound - slack, _PLUNGE_SOLVES)
        if self.is_done() or self.is_over():
            return
        again = self.relaxation.solve(self.left())
        better = self.value + (1.0 - 1e-6 if self.task.values.is_whole else _slack(self.value))
        if again is not None and better <= self.bound:
            self.plunge(again, max(better, self.bound * (1 - _GOOD_ENOUGH)), _PLUNGE_SOLVES)

    def is_done(self) -> bool:
        return is_proved(self.value, self.bound)

    def is_over(self) -> bool:
        return self.left() == 0

    def improve(self, chosen: Columns) -> None:
        """Keep a match run if it is the best so far, and breaks no side rule by more than rounding."""
        value = self.task.value(chosen)
        if value > self.value and self.keeps_rules(chosen):
            self.chosen, self.value = chosen, value

    def keeps_rules(self, chosen: Columns) -> bool:
        """Return whether the side rules hold, up to what solvers let them be broken by."""
        return all(
            float(np.sum(chosen.values(rule.values))) >= rule.at_least - 2 * _slack(rule.at_least)
            for rule in self.master.rules
        )

    def certify(
        self,
        duals: FloatArray,
        *,
        threshold: float,
        per_start: int | None = None,
        most: int | None = None,
        seed: int = 0,
    ) -> tuple[Certificate, Priced]:
        """Price all exchanges at ``duals``: what passes the threshold, and the bound that the duals give."""
        task, market, rules = self.task, self.market, self.master.rules
        n, m = market.n_pairs, market.n_ndds
        rule_prices = duals[len(duals) - len(rules) :]
        terms = Terms(
            weights=(1.0, *rule_prices.tolist()), values=(task.values, *(rule.values for rule in rules))
        )
        priced = price(
            market,
            terms,
            duals[:n],
            duals[n : n + m],
            threshold=threshold,
            per_start=per_start,
            most=most,
            seed=seed,
        )
        limits = np.array([rule.at_least for rule in rules])
        bound = float(np.sum(duals[: n + m]) + priced.excess - rule_prices @ limits)
        return (
            Certificate(
                pair_prices=duals[:n],
                ndd_prices=duals[n : n + m],
                rule_prices=rule_prices,
                excess=priced.excess,
                bound=bound,
            ),
            priced,
        )

    def plain_certificate(self) -> Certificate:
        """Price each pair at the best arc into it: a bound before anything is solved.

        No exchange is worth more than its arcs (factors and probabilities are at most 1, constants at most 0).
        """
        market = self.market
        arcs, m = self.task.values.arc, market.n_ndds
        n = market.n_pairs
        into = np.where(market.pair_arcs, arcs[:n], 0.0).max(axis=0, initial=0.0)
        into = np.maximum(into, np.where(market.ndd_arcs, arcs[n : n + m], 0.0).max(axis=0, initial=0.0))
        own = np.zeros(n)
        own[market.compatible] = arcs[market.compatible, market.compatible]
        prices = np.maximum(into, np.maximum(own, 0.0))
        return Certificate(
            pair_prices=prices,
            ndd_prices=np.zeros(m),
            rule_prices=np.zeros(len(self.master.rules)),
            excess=0.0,
            bound=float(np.sum(prices)),
        )

    def note_bound(self, certificate: Certificate) -> None:
        if certificate.bound <= self.certificate.bound:
            self.certificate = certificate
            self.bound = min(self.bound, self.rounded(certificate.bound))

    def rounded(self, bound: float) -> float:
        return float(np.floor(bound + 1e-6)) if self.task.values.is_whole and np.isfinite(bound) else bound

    def price_out(self) -> RelaxedSolution | None:
        """Grow the columns until none outside improves the relaxation; None if the time did not suffice."""
        solution: RelaxedSolution | None = None
        self.note_bound(self.certificate)
        if not len(self.master.columns):
            # Nothing to start from: at prices of 0 every exchange is profitable; a few of each pair's will do.
            certificate, priced = self.certify(
                np.zeros(len(self.limits)), threshold=_PRICE_TOLERANCE, per_start=_PER_START_AT_FIRST
            )
            self.note_bound(certificate)
            if not self.master.take(priced.columns):
                return None
        for round_ in range(_ROUNDS):
            if self.is_over():
                return None
            solution = self.relaxation.solve(self.left())
            if solution is None:
                return None
            self.round_down(solution)
            if self.is_over():
                return None
            certificate, priced = self.certify(
                solution.duals, threshold=_PRICE_TOLERANCE, per_start=_PER_START, seed=round_
            )
            self.note_bound(certificate)
            self.report(f"relaxation {solution.value * self.task.unit:.8g}, ")
            if self.is_done() or not self.master.take(priced.columns):
                break
        return solution

    def round_down(self, solution: RelaxedSolution) -> None:
        """Make a match run of the relaxation's largest levels, so that there is one whenever time runs out."""
        columns, market = self.master.columns, self.market
        order = np.flatnonzero(solution.levels > 1e-6)
        order = order[np.argsort(-solution.levels[order], kind="stable")]
        taken = np.zeros(market.n_pairs + market.n_ndds, dtype=np.bool_)
        chosen: list[int] = []
        onward: dict[tuple[int, int], list[int]] = {}
        arcs = columns.kind == Kind.CHAIN_ARC
        for k in order.tolist():
            members = columns.members[k][columns.members[k] >= 0]
            if arcs[k]:
                onward.setdefault((int(members[0]), int(members[1])), []).append(k)
            elif not taken[members].any():
                taken[members] = True
                chosen.append(k)
        for ndd in range(market.n_pairs, market.n_pairs + market.n_ndds):
            position, donor = 1, ndd
            while True:
                possible = [k for k in onward.get((position, donor), ()) if not taken[columns.members[k, 2]]]
                if not possible:
                    break
                chosen.append(possible[0])
                donor = int(columns.members[possible[0], 2])
                taken[donor] = True
                position += 1
        rounded = columns.take(np.array(chosen, dtype=np.intp))
        kept = (float(np.sum(rounded.values(rule.values))) - rule.at_least for rule in self.master.rules)
        if all(margin >= 0 for margin in kept):
            self.improve(rounded)

    def plunge(self, solution: RelaxedSolution, target: float, most_solves: int) -> None:
        """Look for a match run worth ``target``, depth first."""
        self.seed = 0
        found = plunge(
            self.relaxation,
            solution,
            target=target,
            most_solves=most_solves,
            grow=self.grow,
            most_iterations=_PLUNGE_WORK * self.iterations_of_pricing + _PLUNGE_ITERATIONS,
            is_over=self.is_over,
        )
        if found is not None:
            self.improve(self.master.columns.take(found))

    def grow(self, solution: RelaxedSolution, held: list[int]) -> bool:
        """Let columns join that improve the relaxation while some are held at 1: none that takes up their
        pairs."""
        self.seed += 1
        duals = solution.duals.copy()
        n = self.market.n_pairs
        held_columns = self.master.columns.take(np.array(held, dtype=np.intp))
        for kind, _, members in held_columns.groups():
            taken = members[:, 2] if kind is Kind.CHAIN_ARC else members[members < n]
            duals[taken.ravel()] += _FORBIDDING
        _, priced = self.certify(duals, threshold=_PRICE_TOLERANCE, per_start=_PER_START, seed=self.seed)
        return self.master.take(priced.columns) > 0

    def close(self) -> None:
        """Give an integer solver what may hold a better match run: first a little, then all that may."""
        reach = self.reach()
        needed = self.columns_within(reach, most=_FIRST_CLOSING)
        while needed is None and reach > PROOF_TOLERANCE * max(abs(self.bound), 1.0):
            # A part of what may be of use holds the best match run more often than not, and then proves it, too.
            reach /= 2
            needed = self.columns_within(reach, most=_FIRST_CLOSING)
        if needed is None:
            self.integer_solve(self.master.columns, reach=None)
        else:
            self.integer_solve(needed, reach=reach)
        if self.is_done() or self.is_over() or reach >= self.reach():
            return
        needed = self.columns_within(self.reach(), most=_MOST_CLOSING)
        seconds = self.left()
        if needed is not None and seconds is not None and len(needed) * _SECONDS_PER_COLUMN > seconds:
            self.report(f"too little time for an integer solve over {len(needed):,} columns; ")
            return
        if needed is None:
            self.report(f"more than {_MOST_CLOSING:,} columns may hold a better match run; ")
            return
        self.integer_solve(needed, reach=self.reach())

    def reach(self) -> float:
        """Return how unprofitable a column of a better match run can be at the certificate's prices."""
        better = self.value + (1.0 if self.task.values.is_whole else 0.0)
        # More than the rounding of whole bounds forgives: what lies beyond must round down to less than better.
        slack = 2e-6 if self.task.values.is_whole else _slack(better)
        return max(self.certificate.bound - better + slack, 0.0)

    def columns_within(self, reach: float, *, most: int) -> Columns | None:
        """Return every column that loses at most ``reach`` at the certificate's prices; None if more than
        ``most``."""
        certificate = self.certificate
        duals = np.zeros(len(self.limits))
        n = self.market.n_pairs
        duals[:n] = certificate.pair_prices
        duals[n : n + self.market.n_ndds] = certificate.ndd_prices
        duals[len(duals) - len(self.master.rules) :] = certificate.rule_prices
        try:
            return self.certify(duals, threshold=-reach - _PRICE_TOLERANCE, most=most)[1].columns
        except TooManyColumns:
            return None

    def integer_solve(self, columns: Columns, *, reach: float | None) -> None:
        """Solve over ``columns``; with ``reach``, these are all that lose no more, which then proves
        something."""
        given = joined(self.chosen, columns)
        self.master.take(given)
        self.report(f"integer solve over {len(given):,} columns; ")
        # At a rule's very limit solvers may find no solution.
        n_market = len(self.limits) - len(self.master.rules)
        limits = self.limits.copy()
        limits[n_market:] += _RULE_ROOM * np.maximum(np.abs(limits[n_market:]), 1.0)
        program = Program(
            values=given.values(self.task.values), matrix=self.master.matrix(given), limits=limits
        )
        found = solve_integer(program, solver=self.solver, seconds=self.left(), is_over=self.is_over)
        if found.status is not SolveStatus.NO_SOLUTION:
            self.improve(given.take(found.chosen))
        if reach is not None:
            inside = found.bound
            if found.status is SolveStatus.OPTIMAL:
                # More than the best kept only if what was found breaks a rule; then it proves that much less.
                inside = max(self.value, self.task.value(given.take(found.chosen)))
            outside = self.certificate.bound - reach
            if inside is not None:
                bound = max(self.rounded(inside), self.rounded(outside), self.value)
                if bound < self.bound:
                    self.bound, self.proof = bound, Proof.INTEGER_SOLVE

    def report(self, text: str) -> None:
        self.progress(text + self.state())

    def state(self) -> str:
        unit = self.task.unit
        return f"best {self.value * unit:.8g}, bound {self.bound * unit:.8g}, {len(self.master.columns):,} columns"


def _slack(value: float) -> float:
    return PROOF_TOLERANCE * max(1.0, abs(value))
