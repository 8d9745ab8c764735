"""Clear a pool: stage after stage, each objective kept while the next is pursued."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from math import fsum, inf, isfinite

import numpy as np
from scipy import sparse

from exchange.clearing.columns import build_columns
from exchange.clearing.exact import Task, is_proved, solve_exactly
from exchange.clearing.objectives import Objective, Policy, arc_values, stage_objectives
from exchange.clearing.solver import Program, Solver
from exchange.errors import BadRequest, MissingPriorities
from exchange.match_run import Chain, Cycle, MatchRun, SolveStatus, StageResult
from exchange.pool import FloatArray, Pool, pool_arrays
from exchange.validity import check_match_run

FASTER: Mapping[Objective, Solver] = {
    Objective.TRANSPLANTS: Solver.CBC,
    Objective.PRIORITY: Solver.HIGHS,
    Objective.ARC_WEIGHT: Solver.HIGHS,
}
"""Which solver a stage uses unless told otherwise. Timed per stage on eight generated pools of 128 and 256 pairs
(seeds 1 to 4, cycle cap 3, chain cap 4; weights as in ``benchmarks/clearing.py``); both proved the same optima.
Transplants at 256 pairs: CBC 1.5-2.1 s, HiGHS 2.5-6.1 s. Priority after transplants at 256 pairs: CBC 6.4-19 s,
HiGHS 6.1-10 s; at 128: CBC 0.9-2.3 s, HiGHS 1.2-5.6 s. HiGHS is taken there because its slowest case is the faster.
Arc weights were not timed and follow priority."""


def clear_pool(
    pool: Pool,
    priorities: Mapping[str, float],
    *,
    policy: Policy,
    cycle_cap: int = 3,
    chain_cap: int = 0,
    solver: Solver | None = None,
    time_limit_seconds: float | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> MatchRun:
    """Choose the exchanges that the policy asks for, and prove the choice as far as the time allows.

    The result has been through :func:`exchange.validity.check_match_run`.

    Parameters
    ----------
    priorities
        Weight of every pair's patient, at least 0; see ``exchange.priorities``.
    cycle_cap
        Most pairs in a cycle, at least 2; 0 for no cycles.
    chain_cap
        Most pairs in a chain; the non-directed donor and the gift to the waiting list are not counted. 0 for no
        chains.
    solver
        For the integer models of every stage; None for the one that :data:`FASTER` names for the stage's objective.
    time_limit_seconds
        Per stage; None for none. When it runs out, the best match run found is returned with status ``feasible``
        and the bound that was reached.
    progress
        Called with a line of text now and then.

    Raises
    ------
    BadRequest
        A cap, a time limit or a priority that cannot be.
    MissingPriorities
        Pairs without a priority.
    SolverFailed
        The solver is missing or broke down.
    """
    _check_request(pool, priorities, time_limit_seconds)
    arrays = pool_arrays(pool)
    columns = build_columns(arrays, cycle_cap=cycle_cap, chain_cap=chain_cap)
    matrix, limits = columns.matrix, columns.limits
    chosen = first_columns = np.empty(0, dtype=np.intp)
    stages: list[_Stage] = []
    for objective in stage_objectives(policy):
        began = time.monotonic()
        engine = FASTER[objective] if solver is None else solver
        weights = arc_values(objective, arrays, priorities)
        values = columns.values(weights)
        is_counting = objective is Objective.TRANSPLANTS
        # Tolerances are absolute, so weights are brought to the size of the best cycle or chain arc: whatever their
        # unit and however precious the patients nobody can give to, the optimum is then at least 1.
        scale = 1.0 if is_counting else float(np.max(values, initial=0.0)) or 1.0
        values = values / scale
        outcome = solve_exactly(
            Task(
                program=Program(values=values, matrix=matrix, limits=limits),
                unit=scale,
                is_counting=is_counting,
                incumbent=chosen,
                first_columns=first_columns,
            ),
            solver=engine,
            seconds=time_limit_seconds,
            progress=partial(_report, progress, objective),
        )
        stages.append(
            _Stage(
                objective=objective,
                weights=weights,
                scale=scale,
                bound=outcome.bound * scale,
                status=outcome.status,
                solver=engine,
                columns_used=len(outcome.columns),
                seconds=time.monotonic() - began,
            )
        )
        chosen, first_columns = outcome.chosen, outcome.columns
        matrix, limits = _kept(matrix, limits, values, outcome.value)

    cycles, chains = columns.exchanges(chosen)
    names = (*arrays.pair_ids, *arrays.ndd_ids)
    run = MatchRun(
        cycles=tuple(Cycle(pairs=tuple(names[i] for i in cycle)) for cycle in cycles),
        chains=tuple(
            Chain(ndd=names[chain[0]], pairs=tuple(names[i] for i in chain[1:])) for chain in chains
        ),
        policy=policy,
        cycle_cap=cycle_cap,
        chain_cap=chain_cap,
        stages=(),
        transplants=0,
        total_priority=0.0,
        pool_source=pool.source,
        pool_note=pool.note,
    )
    index = {name: i for i, name in enumerate(names)}
    used = [(index[donor], index[recipient]) for donor, recipient in run.arcs]
    run = replace(
        run,
        stages=tuple(_result(stage, used, columns.count, time_limit_seconds) for stage in stages),
        transplants=len(used),
        total_priority=fsum(priorities[names[recipient]] for _, recipient in used),
    )
    check_match_run(pool, run, priorities)
    return run


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stage:
    objective: Objective
    weights: FloatArray
    scale: float
    """Value that the solver saw as 1; tolerances are relative to it."""
    bound: float
    status: SolveStatus
    solver: Solver
    columns_used: int
    seconds: float


def _result(
    stage: _Stage,
    used: list[tuple[int, int]],
    columns_total: int,
    time_limit_seconds: float | None,
) -> StageResult:
    """Value the final match run under one stage's objective: a later stage may have improved an unproved one."""
    value = fsum(float(stage.weights[arc]) for arc in used)
    proved = stage.status is SolveStatus.OPTIMAL or is_proved(value / stage.scale, stage.bound / stage.scale)
    return StageResult(
        objective=stage.objective,
        value=value,
        bound=value if proved else stage.bound,
        status=SolveStatus.OPTIMAL if proved else SolveStatus.FEASIBLE,
        seconds=stage.seconds,
        solver=str(stage.solver),
        columns_total=columns_total,
        columns_used=stage.columns_used,
        time_limit_seconds=time_limit_seconds,
    )


def _kept(
    matrix: sparse.csc_array, limits: FloatArray, values: FloatArray, reached: float
) -> tuple[sparse.csc_array, FloatArray]:
    """Return the rules with one more: no less than ``reached`` of the objective just solved.

    The only objective that another follows counts transplants. Its coefficients are whole numbers, so the limit can
    be exact; anything below it would weaken the relaxation, and with it the proof.
    """
    row = sparse.csc_array(-values[None, :])
    stacked = sparse.csc_array(sparse.vstack([matrix, row], format="csc"))
    return stacked, np.append(limits, -round(reached))


def _report(progress: Callable[[str], None], objective: Objective, text: str) -> None:
    progress(f"{objective}: {text}")


def _check_request(pool: Pool, priorities: Mapping[str, float], time_limit_seconds: float | None) -> None:
    if time_limit_seconds is not None and not 0 < time_limit_seconds < inf:
        raise BadRequest(f"time limit {time_limit_seconds:g} s: give a positive number of seconds, or none")
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
