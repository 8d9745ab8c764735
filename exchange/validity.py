"""Check a match run against its pool, knowing nothing of how it was found. Pure.

Everything is recomputed from the pool's own arcs, plainly, so that a mistake in a formulation or a solver cannot
hide.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from math import fsum, isclose

from exchange.clearing.objectives import Objective, stage_objectives
from exchange.errors import InvalidMatchRun
from exchange.match_run import Chain, Cycle, MatchRun, SolveStatus
from exchange.pool import Pool

_RELATIVE_TOLERANCE = 1e-9  # No absolute one: all weights may be tiny.
_BOUND_TOLERANCE = 1e-6


def check_match_run(pool: Pool, run: MatchRun, priorities: Mapping[str, float]) -> None:
    """Raise unless the match run could be carried out in ``pool`` and its numbers are true.

    Raises
    ------
    InvalidMatchRun
        ``violations`` lists all: someone unknown or used twice, a transplant without an arc, a cycle or chain over
        its cap, a count or sum that is not what the exchanges add up to, a claim of optimality below the bound.
    """
    violations = [*_membership(pool, run), *_caps(run), *_arcs(pool, run)]
    if not violations:
        violations = list(_numbers(pool, run, priorities))
    if violations:
        raise InvalidMatchRun(violations, f"match run on {pool.source}")


def _membership(pool: Pool, run: MatchRun) -> Iterator[str]:
    pairs = {p.id for p in pool.pairs}
    ndds = {d.id for d in pool.ndds}
    exchanges: tuple[Cycle | Chain, ...] = (*run.cycles, *run.chains)
    uses = Counter(pair for exchange in exchanges for pair in exchange.pairs)
    starts = Counter(chain.ndd for chain in run.chains)
    for pair, count in uses.items():
        if pair not in pairs:
            yield f"the pool has no pair '{pair}'"
        if count > 1:
            yield f"pair '{pair}' takes part {count} times"
    for ndd, count in starts.items():
        if ndd not in ndds:
            yield f"the pool has no non-directed donor '{ndd}'"
        if count > 1:
            yield f"non-directed donor '{ndd}' starts {count} chains"


def _caps(run: MatchRun) -> Iterator[str]:
    for cycle in run.cycles:
        if not 2 <= len(cycle.pairs) <= run.cycle_cap:
            yield f"cycle {' -> '.join(cycle.pairs)} has {len(cycle.pairs)} pair(s); the cap is {run.cycle_cap}"
    for chain in run.chains:
        if not 1 <= len(chain.pairs) <= run.chain_cap:
            yield (
                f"chain {' -> '.join((chain.ndd, *chain.pairs))} has {len(chain.pairs)} pair(s); "
                f"the cap is {run.chain_cap}"
            )


def _arcs(pool: Pool, run: MatchRun) -> Iterator[str]:
    existing = {(arc.donor, arc.recipient) for arc in pool.arcs}
    for donor, recipient in run.arcs:
        if (donor, recipient) not in existing:
            yield f"the pool has no arc {donor} -> {recipient}"


def _numbers(pool: Pool, run: MatchRun, priorities: Mapping[str, float]) -> Iterator[str]:
    recipients = [recipient for _, recipient in run.arcs]
    unknown = sorted(set(recipients) - set(priorities))
    if unknown:
        yield f"no priority is known for {', '.join(unknown)}"
        return
    weight = {(arc.donor, arc.recipient): arc.weight for arc in pool.arcs}
    true_values = {
        Objective.TRANSPLANTS: float(len(recipients)),
        Objective.PRIORITY: fsum(priorities[pair] for pair in recipients),
        Objective.ARC_WEIGHT: fsum(weight[arc] for arc in run.arcs),
    }
    if run.transplants != len(recipients):
        yield f"it claims {run.transplants} transplants, but its exchanges add up to {len(recipients)}"
    if not _equal(run.total_priority, true_values[Objective.PRIORITY]):
        yield (
            f"it claims a total priority of {run.total_priority:.12g}, but its patients' add up to "
            f"{true_values[Objective.PRIORITY]:.12g}"
        )
    objectives = tuple(stage.objective for stage in run.stages)
    if objectives != stage_objectives(run.policy):
        yield (
            f"its stages are {', '.join(objectives) or 'none'}, but policy {run.policy} has "
            f"{', '.join(stage_objectives(run.policy))}"
        )
    for stage in run.stages:
        true_value = true_values[stage.objective]
        if not _equal(stage.value, true_value):
            yield f"stage {stage.objective} claims {stage.value:.12g}, but the exchanges give {true_value:.12g}"
        slack = _BOUND_TOLERANCE * abs(stage.bound)
        if stage.value > stage.bound + slack:
            yield f"stage {stage.objective} claims {stage.value:.12g}, above its own bound {stage.bound:.12g}"
        if stage.status is SolveStatus.OPTIMAL and stage.value < stage.bound - slack:
            yield f"stage {stage.objective} is called optimal, but its bound is {stage.bound:.12g}"
        if stage.status is SolveStatus.NO_SOLUTION:
            yield f"stage {stage.objective} is said to have no solution, yet there is a match run"


def _equal(claimed: float, true: float) -> bool:
    return isclose(claimed, true, rel_tol=_RELATIVE_TOLERANCE)
