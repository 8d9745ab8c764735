"""Check a match run against its pool, knowing nothing of how it was found. Pure.

Everything is recomputed from the pool's own arcs, plainly, so that a mistake in a formulation or a solver cannot
hide.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from math import fsum, isclose, prod

from exchange.clearing.objectives import Fairness, Objective, stage_objectives
from exchange.errors import InvalidMatchRun
from exchange.match_run import Chain, Cycle, MatchRun, SolveStatus
from exchange.pool import Pool
from exchange.priorities import DonorPriorities, Priorities, priority_of

_RELATIVE_TOLERANCE = 1e-9  # No absolute one: all weights may be tiny.
_BOUND_TOLERANCE = 1e-6


def check_match_run(
    pool: Pool, run: MatchRun, priorities: Priorities, *, fairness: Fairness | None = None
) -> None:
    """Raise unless the match run could be carried out in ``pool`` and its numbers are true.

    Raises
    ------
    InvalidMatchRun
        ``violations`` lists all: someone unknown or used twice, a transplant without an arc, a cycle or chain over
        its cap, a donor named who is not the one to give, a count or sum that is not what the exchanges add up to,
        a claim of optimality below the bound. Whether the bounds are true is for
        ``certificates.check_certificates`` to say.
    """
    violations = [*_membership(pool, run), *_caps(run), *_arcs(pool, run), *_givers(pool, run)]
    if not violations:
        violations = list(_numbers(pool, run, priorities, Fairness() if fairness is None else fairness))
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
        if len(cycle.pairs) != 1 and not 2 <= len(cycle.pairs) <= run.cycle_cap:
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


def _givers(pool: Pool, run: MatchRun) -> Iterator[str]:
    true = givers_of(pool, run)
    for pair, giver in run.givers.items():
        if true.get(pair) != giver:
            yield f"pair '{pair}' is to give by donor '{giver}', but the pool says {_quoted(true.get(pair))}"
    if run.givers:
        for pair in true.keys() - run.givers.keys():
            yield f"it does not say which of the donors of pair '{pair}' gives; the pool says '{true[pair]}'"


def givers_of(pool: Pool, run: MatchRun) -> dict[str, str]:
    """Return who gives for each pair with several willing donors, by id of the pair, as the arcs used say."""
    givers = {(arc.donor, arc.recipient): arc.giver for arc in pool.arcs if arc.giver}
    return {donor: givers[donor, recipient] for donor, recipient in run.arcs if (donor, recipient) in givers}


def _quoted(giver: str | None) -> str:
    return "that it has one donor or gives nothing" if giver is None else f"'{giver}'"


def _numbers(pool: Pool, run: MatchRun, priorities: Priorities, fairness: Fairness) -> Iterator[str]:
    if not isinstance(priorities, DonorPriorities):
        unknown = sorted(run.recipients - set(priorities))
        if unknown:
            yield f"no priority is known for {', '.join(unknown)}"
            return
    if run.transplants != len(run.arcs):
        yield f"it claims {run.transplants} transplants, but its exchanges add up to {len(run.arcs)}"
    total = fsum(priority_of(priorities, *arc) for arc in run.arcs)
    if not _equal(run.total_priority, total):
        yield (
            f"it claims a total priority of {run.total_priority:.12g}, but its patients' add up to {total:.12g}"
        )
    objectives = tuple(stage.objective for stage in run.stages)
    if run.policy is not None and objectives != stage_objectives(run.policy):
        yield (
            f"its stages are {', '.join(objectives) or 'none'}, but policy {run.policy} has "
            f"{', '.join(stage_objectives(run.policy))}"
        )
    for stage in run.stages:
        true_value = objective_value(pool, run, stage.objective, priorities, fairness)
        if not _equal(stage.value, true_value):
            yield f"stage {stage.objective} claims {stage.value:.12g}, but the exchanges give {true_value:.12g}"
        # A minimized objective has its bound below.
        value, bound = (
            (-stage.value, -stage.bound) if stage.objective.is_minimized else (stage.value, stage.bound)
        )
        slack = _BOUND_TOLERANCE * abs(bound)
        if value > bound + slack:
            yield f"stage {stage.objective} claims {stage.value:.12g}, beyond its own bound {stage.bound:.12g}"
        if stage.status is SolveStatus.OPTIMAL and value < bound - slack - stage.concession:
            yield f"stage {stage.objective} is called optimal, but its bound is {stage.bound:.12g}"
        if stage.status is SolveStatus.NO_SOLUTION:
            yield f"stage {stage.objective} is said to have no solution, yet there is a match run"


def objective_value(
    pool: Pool, run: MatchRun, objective: Objective, priorities: Priorities, fairness: Fairness
) -> float:
    """Return what a match run achieves under an objective, by adding up its exchanges plainly."""
    arcs = {(arc.donor, arc.recipient): arc for arc in pool.arcs}
    if objective in (Objective.EXPECTED_TRANSPLANTS, Objective.EXPECTED_PRIORITY):
        is_weighted = objective is Objective.EXPECTED_PRIORITY
        expected = []
        for cycle in run.cycles:
            together = prod(arcs[arc].success_probability for arc in cycle.arcs)
            expected += [
                together * (priority_of(priorities, *arc) if is_weighted else 1.0) for arc in cycle.arcs
            ]
        for chain in run.chains:
            so_far = 1.0
            for arc in chain.arcs:
                so_far *= arcs[arc].success_probability
                expected.append(so_far * (priority_of(priorities, *arc) if is_weighted else 1.0))
        return fsum(expected)
    if objective is Objective.TRANSPLANTS:
        return float(len(run.arcs))
    if objective is Objective.PRIORITY:
        return fsum(priority_of(priorities, *arc) for arc in run.arcs)
    if objective is Objective.ARC_WEIGHT:
        return fsum(arcs[arc].weight for arc in run.arcs)
    if objective is Objective.TWO_WAY:
        return float(sum(2 for cycle in run.cycles if len(cycle.pairs) == 2))
    if objective is Objective.FEWEST_THREE_WAY:
        return float(sum(1 for cycle in run.cycles if len(cycle.pairs) == 3))
    if objective is Objective.BACK_ARCS:
        longer = [arc for cycle in run.cycles if len(cycle.pairs) > 2 for arc in cycle.arcs]
        longer += [arc for chain in run.chains for arc in chain.arcs]
        return float(sum(1 for donor, recipient in longer if (recipient, donor) in arcs))
    cpra = {pair.id: pair.cpra or 0.0 for pair in pool.pairs}
    sensitized = sum(1 for _, recipient in run.arcs if cpra[recipient] >= fairness.threshold)
    if objective is Objective.SENSITIZED:
        return float(sensitized)
    return len(run.arcs) + fairness.bonus * sensitized


def _equal(claimed: float, true: float) -> bool:
    return isclose(claimed, true, rel_tol=_RELATIVE_TOLERANCE)
