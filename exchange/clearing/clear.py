"""Clear a pool: stage after stage, each objective kept while the next is pursued."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from math import fsum, inf, isclose, isfinite

import numpy as np

from exchange.clearing.column_generation import Outcome, Task, is_proved, solve_exactly
from exchange.clearing.columns import Columns, joined, no_columns
from exchange.clearing.exchange_values import ExchangeValues
from exchange.clearing.market import Formulation, Market, make_market
from exchange.clearing.master import Master, Rule
from exchange.clearing.objectives import (
    Fairness,
    Objective,
    Policy,
    PoolFacts,
    objective_values,
    stage_objectives,
)
from exchange.clearing.pricing import Terms, price
from exchange.clearing.solver import Solver
from exchange.errors import BadRequest, MissingPriorities
from exchange.match_run import Certificate, Chain, Cycle, MatchRun, SolveStatus, StageResult
from exchange.pool import FloatArray, Pool, PoolArrays, pool_arrays
from exchange.priorities import DonorPriorities, Priorities, priority_of
from exchange.validity import check_match_run, givers_of

FASTER = Solver.CBC
"""Which solver an integer solve uses unless told otherwise. Most stages need none, see ``column_generation``;
where one does, the few thousand columns that are left were solved in 0.9 to 4.7 s by CBC and in 0.7 to 18 s
by HiGHS (donors' weights, 128 and 256 pairs, five pools; CBC faster in four), and in 1.5 to 24 s against 1.4
to 62 s (unequal success probabilities, three pools; CBC faster in one, and three times so)."""

_KEPT = 1e-9
"""How far below its value an earlier stage that is no whole number may fall for rounding, relative to the
value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """One stage: an objective, and how much of it the later stages may give up."""

    objective: Objective
    concession: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One stage as solved."""

    goal: Goal
    values: ExchangeValues
    """Larger is better; in the objective's own unit."""
    scale: float
    """Value that the solver saw as 1; tolerances are relative to it."""
    outcome: Outcome
    limits: tuple[float, ...]
    """What the earlier stages could not fall below, in their own units; then the limits of other rules."""
    scales: tuple[float, ...]
    """Scales of the earlier stages and other rules."""
    solver: Solver
    seconds: float


def kept_rule(stage: Stage) -> Rule:
    """Return what a stage asks of all later ones: its value, less what it concedes and less rounding."""
    reached = stage.outcome.value
    slack = 0.0 if stage.values.is_whole else _KEPT * abs(reached)
    return Rule(
        values=stage.values.scaled(1.0 / stage.scale),
        at_least=reached - stage.goal.concession / stage.scale - slack,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Solved:
    """The exchanges chosen, and each stage on the way."""

    chosen: Columns
    stages: tuple[Stage, ...]


@dataclass(slots=True, kw_only=True)
class Clearing:
    """A pool made ready for match runs that share their caps: one, or many that differ in rules or weights.

    Columns found by one solve serve the next.
    """

    pool: Pool
    arrays: PoolArrays
    market: Market
    cycle_cap: int
    chain_cap: int
    fairness: Fairness
    solver: Solver | None
    time_limit_seconds: float | None
    is_stopped: Callable[[], bool]
    progress: Callable[[str], None]
    columns: Columns = field(init=False)

    def __post_init__(self) -> None:
        self.columns = no_columns(self.market.width)

    def values(self, objective: Objective, priorities: Priorities) -> ExchangeValues:
        """Return what each exchange adds to an objective; negative for one that is minimized."""
        facts = PoolFacts(pool=self.pool, arrays=self.arrays, priorities=priorities, fairness=self.fairness)
        return objective_values(objective, facts, cycle_cap=self.market.cycle_cap, fairness=self.fairness)

    def solve(
        self,
        goals: Sequence[tuple[Goal, ExchangeValues]],
        *,
        rules: Sequence[Rule] = (),
        incumbent: Columns | None = None,
        seconds: float | None = None,
    ) -> Solved:
        """Pursue one goal after the other, each kept.

        Parameters
        ----------
        rules
            Further rules that no exchange at all (or ``incumbent``) keeps.
        incumbent
            A match run that keeps the rules; None for no exchange.
        seconds
            Per stage; None for the clearing's own limit.
        """
        limit = self.time_limit_seconds if seconds is None else seconds
        chosen = no_columns(self.market.width) if incumbent is None else incumbent
        scales = [1.0] * len(rules)
        stages: list[Stage] = []
        master = Master(self.market, rules, joined(self.columns, chosen))
        for goal, values in goals:
            began = time.monotonic()
            master.admit(chosen)
            scale = 1.0 if values.is_whole else self._scale(values, master.columns)
            engine = FASTER if self.solver is None else self.solver
            outcome = solve_exactly(
                Task(master=master, values=values.scaled(1.0 / scale), unit=scale, incumbent=chosen),
                solver=engine,
                left=_countdown(limit, self.is_stopped),
                progress=partial(self._report, goal.objective),
            )
            stages.append(
                Stage(
                    goal=goal,
                    values=values,
                    scale=scale,
                    outcome=outcome,
                    limits=tuple(rule.at_least * s for rule, s in zip(master.rules, scales, strict=True)),
                    scales=tuple(scales),
                    solver=engine,
                    seconds=time.monotonic() - began,
                )
            )
            chosen = outcome.chosen
            scales.append(scale)
            master.keep(kept_rule(stages[-1]))
        self.columns = master.columns
        return Solved(chosen=chosen, stages=tuple(stages))

    def _scale(self, values: ExchangeValues, known: Columns) -> float:
        """Return the value of the best exchange known, which the solver will see as 1.

        Tolerances are absolute, so values are brought to one size: whatever their unit and however precious the
        patients nobody can give to, the optimum is then at least 1.
        """
        if len(known):
            best = float(np.max(known.values(values)))
            if best > 0:
                return best
        prices = np.zeros(self.market.n_pairs), np.zeros(self.market.n_ndds)
        priced = price(
            self.market, Terms(weights=(1.0,), values=(values,)), *prices, threshold=0.0, per_start=1
        )
        return float(np.max(priced.profits, initial=0.0)) or 1.0

    def _report(self, objective: Objective, text: str) -> None:
        self.progress(f"{objective}: {text}")

    def match_run(self, solved: Solved, priorities: Priorities, policy: Policy | None) -> MatchRun:
        """Return a solved clearing as a match run that has been through :func:`check_match_run`."""
        names = (*self.arrays.pair_ids, *self.arrays.ndd_ids)
        cycles, chains = solved.chosen.exchanges()
        run = MatchRun(
            cycles=tuple(Cycle(pairs=tuple(names[i] for i in cycle)) for cycle in cycles),
            chains=tuple(
                Chain(ndd=names[chain[0]], pairs=tuple(names[i] for i in chain[1:])) for chain in chains
            ),
            policy=policy,
            cycle_cap=self.cycle_cap,
            chain_cap=self.chain_cap,
            stages=tuple(self._result(stage, solved.chosen) for stage in solved.stages),
            transplants=0,
            total_priority=0.0,
            pool_source=self.pool.source,
            pool_note=self.pool.note,
        )
        run = replace(
            run,
            givers=givers_of(self.pool, run),
            transplants=len(run.arcs),
            total_priority=fsum(priority_of(priorities, *arc) for arc in run.arcs),
        )
        check_match_run(self.pool, run, priorities, fairness=self.fairness)
        return run

    def _result(self, stage: Stage, chosen: Columns) -> StageResult:
        """Value the final match run under one stage's objective: a later stage may have improved an unproved
        one, or given up what it was allowed to."""
        outcome, scale, objective = stage.outcome, stage.scale, stage.goal.objective
        value = float(np.sum(chosen.values(stage.values)))
        if stage.values.is_whole:
            value = float(round(value))
        reached = max(value, outcome.value * scale)
        proved = outcome.status is SolveStatus.OPTIMAL or is_proved(reached / scale, outcome.bound)
        bound = outcome.bound * scale
        if proved:
            # Scaling there and back may cost the last digit.
            bound = value if isclose(value, reached, rel_tol=1e-12) else reached
        sign = -1.0 if objective.is_minimized else 1.0
        return StageResult(
            objective=objective,
            value=sign * value + 0.0,
            bound=sign * bound + 0.0,
            status=SolveStatus.OPTIMAL if proved else SolveStatus.FEASIBLE,
            seconds=stage.seconds,
            solver=str(stage.solver),
            formulation=str(self.market.formulation),
            columns_used=outcome.columns_used,
            time_limit_seconds=self.time_limit_seconds,
            concession=stage.goal.concession,
            proof=outcome.proof,
            certificate=self._certificate(stage),
        )

    def _certificate(self, stage: Stage) -> Certificate:
        prices, scale = stage.outcome.certificate, stage.scale
        return Certificate(
            pair_prices=_named(self.arrays.pair_ids, prices.pair_prices * scale),
            ndd_prices=_named(self.arrays.ndd_ids, prices.ndd_prices * scale),
            # A rule's price is per unit of its own scale.
            stage_prices=tuple(
                float(rule_price) * scale / own
                for rule_price, own in zip(prices.rule_prices, stage.scales, strict=True)
            ),
            stage_limits=stage.limits,
            excess=prices.excess * scale,
            bound=prices.bound * scale,
        )


def make_clearing(
    pool: Pool,
    objectives: Sequence[Objective],
    *,
    cycle_cap: int = 3,
    chain_cap: int = 0,
    fairness: Fairness | None = None,
    formulation: Formulation | None = None,
    solver: Solver | None = None,
    time_limit_seconds: float | None = None,
    is_stopped: Callable[[], bool] = lambda: False,
    progress: Callable[[str], None] = lambda _: None,
    arrays: PoolArrays | None = None,
    n_starts: int | None = None,
) -> Clearing:
    """Make a pool ready for match runs under these objectives; parameters and errors as for
    :func:`clear_pool`.

    Parameters
    ----------
    arrays
        The pool's arcs, for a caller who has them as matrices; ``pool.arcs`` is then not looked at.
    n_starts
        See :class:`exchange.clearing.market.Market`.
    """
    if time_limit_seconds is not None and not 0 < time_limit_seconds < inf:
        raise BadRequest(f"time limit {time_limit_seconds:g} s: give a positive number of seconds, or none")
    if arrays is None:
        arrays = pool_arrays(pool)
    has_risk = any(o in (Objective.EXPECTED_TRANSPLANTS, Objective.EXPECTED_PRIORITY) for o in objectives)
    needs_whole_chains = has_risk and len(np.unique(arrays.success_probability[arrays.arc_exists])) > 1
    if formulation is Formulation.PICEF and needs_whole_chains and chain_cap:
        raise BadRequest(
            "formulation picef cannot value chains whose arcs differ in their probability of success; use "
            "cycle, or leave the choice open"
        )
    chosen = formulation
    if chosen is None:
        # A chain of one pair is a single arc either way.
        chosen = Formulation.CYCLE if needs_whole_chains or chain_cap <= 1 else Formulation.PICEF
    return Clearing(
        pool=pool,
        arrays=arrays,
        market=make_market(
            arrays, cycle_cap=cycle_cap, chain_cap=chain_cap, formulation=chosen, n_starts=n_starts
        ),
        cycle_cap=cycle_cap,
        chain_cap=chain_cap,
        fairness=Fairness() if fairness is None else fairness,
        solver=solver,
        time_limit_seconds=time_limit_seconds,
        is_stopped=is_stopped,
        progress=progress,
    )


def clear_pool(
    pool: Pool,
    priorities: Priorities,
    *,
    policy: Policy | None = None,
    goals: Sequence[Goal] = (),
    cycle_cap: int = 3,
    chain_cap: int = 0,
    fairness: Fairness | None = None,
    formulation: Formulation | None = None,
    solver: Solver | None = None,
    time_limit_seconds: float | None = None,
    is_stopped: Callable[[], bool] = lambda: False,
    progress: Callable[[str], None] = lambda _: None,
) -> MatchRun:
    """Choose the exchanges that the policy asks for, and prove the choice as far as the time allows.

    The result has been through :func:`exchange.validity.check_match_run`.

    Parameters
    ----------
    priorities
        Weight of every pair's patient, or of every donor and patient, at least 0; see ``exchange.priorities``.
    policy, goals
        Either a named policy, or one goal per stage.
    cycle_cap
        Most pairs in a cycle, at least 2; 0 for no cycles.
    chain_cap
        Most pairs in a chain; the non-directed donor and the gift to the waiting list are not counted. 0 for no
        chains.
    fairness
        Who counts as highly sensitized, and how much more.
    formulation
        How chains are modeled; None for what suits the objectives.
    solver
        For integer solves; None for :data:`FASTER`.
    time_limit_seconds
        Per stage; None for none. When it runs out, the best match run found is returned with status
        ``feasible`` and the bound that was reached.
    is_stopped
        Asked now and then; once True, the best found so far is returned in the same way.
    progress
        Called with a line of text now and then.

    Raises
    ------
    BadRequest
        A cap, a time limit, a goal or a priority that cannot be.
    MissingPriorities
        Pairs without a priority.
    SolverFailed
        The solver is missing or broke down.
    """
    chosen = goals_of(policy, goals)
    check_priorities(pool, priorities)
    clearing = make_clearing(
        pool,
        [goal.objective for goal in chosen],
        cycle_cap=cycle_cap,
        chain_cap=chain_cap,
        fairness=fairness,
        formulation=formulation,
        solver=solver,
        time_limit_seconds=time_limit_seconds,
        is_stopped=is_stopped,
        progress=progress,
    )
    solved = clearing.solve([(goal, clearing.values(goal.objective, priorities)) for goal in chosen])
    return clearing.match_run(solved, priorities, policy)


def goals_of(policy: Policy | None, goals: Sequence[Goal]) -> tuple[Goal, ...]:
    """Return the goals of a policy, or those given one by one.

    Raises
    ------
    BadRequest
        Both or neither, an objective twice, or a concession that cannot be.
    """
    if (policy is None) == (not goals):
        raise BadRequest("give either a policy or objectives")
    chosen = (
        tuple(Goal(objective=o) for o in stage_objectives(policy)) if policy is not None else tuple(goals)
    )
    names = [goal.objective for goal in chosen]
    for goal in chosen:
        if names.count(goal.objective) > 1:
            raise BadRequest(f"objective {goal.objective} is given twice; each can be kept once")
        if not 0 <= goal.concession < inf:
            raise BadRequest(
                f"objective {goal.objective} may give up {goal.concession:g}; give a number of at least 0"
            )
    return chosen


def check_priorities(pool: Pool, priorities: Priorities) -> None:
    """Raise unless every patient has a priority that can be.

    Raises
    ------
    MissingPriorities, BadRequest
        See :func:`clear_pool`.
    """
    if isinstance(priorities, DonorPriorities):
        priorities.matrix(
            [*(pair.id for pair in pool.pairs), *(ndd.id for ndd in pool.ndds)], [p.id for p in pool.pairs]
        )
        if not np.all(np.isfinite(priorities.weights)) or np.any(priorities.weights < 0):
            raise BadRequest("a donor's priority is negative or no number; give numbers of at least 0")
        return
    missing = [pair.id for pair in pool.pairs if pair.id not in priorities]
    if missing:
        raise MissingPriorities(
            f"{len(missing)} pair(s) have no priority, among them {', '.join(missing[:5])}; give every pair one",
            missing,
        )
    for pair in pool.pairs:
        if not isfinite(priorities[pair.id]) or priorities[pair.id] < 0:
            raise BadRequest(
                f"pair '{pair.id}' has priority {priorities[pair.id]:g}; give a number of at least 0"
            )


def _countdown(seconds: float | None, is_stopped: Callable[[], bool]) -> Callable[[], float | None]:
    """Return a function giving the seconds left, 0 when stopped; None for no limit."""
    end = None if seconds is None else time.monotonic() + seconds

    def left() -> float | None:
        if is_stopped():
            return 0.0
        return None if end is None else max(end - time.monotonic(), 0.0)

    return left


def _named(ids: Sequence[str], prices: FloatArray) -> dict[str, float]:
    return {name: float(value) for name, value in zip(ids, prices, strict=False) if value > 0}
