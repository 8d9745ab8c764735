"""A cleared pool in words and as plain data: the match run, its ties, its distribution under uncertain weights."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from exchange.match_run import MatchRun, Proof, SolveStatus, StageResult
from exchange.ties import Ties
from exchange.weight_draws import DrawnRun, MatchRunDistribution, Share

_SHOWN = 10


def summary(run: MatchRun, *, n_pairs: int, has_weights: bool) -> str:
    """Return a match run in words, for a terminal."""
    sizes = Counter(len(cycle.pairs) for cycle in run.cycles)
    cycles = ", ".join(f"{sizes[size]} of {size} pairs" for size in sorted(sizes) if size > 1) or "none"
    lengths = Counter(len(chain.pairs) for chain in run.chains)
    chains = ", ".join(f"{lengths[length]} of {length} pair(s)" for length in sorted(lengths)) or "none"
    asked = f"policy       {run.policy}"
    if run.policy is None:
        asked = f"objectives   {', '.join(stage.objective for stage in run.stages)}"
    lines = [
        f"{asked}, cycle cap {run.cycle_cap}, chain cap {run.chain_cap}",
        f"transplants  {run.transplants} of {n_pairs} patients",
        f"cycles       {cycles}",
        f"chains       {chains}",
    ]
    if sizes[1]:
        lines.append(f"compatible   {sizes[1]} pair(s) transplant within themselves")
    if has_weights:
        lines.append(f"priority     {run.total_priority:.8g} in total")
    lines += [f"stage        {_stage(stage)}" for stage in run.stages]
    return "\n".join(lines)


def _stage(stage: StageResult) -> str:
    limit = "no limit" if stage.time_limit_seconds is None else f"limit {stage.time_limit_seconds:g} s"
    value = f"{stage.value:.0f}" if stage.objective.is_whole else f"{stage.value:.8g}"
    far = "at least" if stage.objective.is_minimized else "at most"
    if stage.status is not SolveStatus.OPTIMAL:
        verdict = f"not proved: {far} {stage.bound:.8g}, gap {stage.gap:.3%}"
    elif stage.concession and stage.value != stage.bound:
        verdict = f"proved optimum {stage.bound:.8g}, of which {stage.concession:g} may be given up"
    elif stage.proof is Proof.PRICES:
        verdict = "proved optimal by prices alone"
    else:
        verdict = f"proved optimal by an integer solve over {stage.columns_used:,} columns"
    took = "" if stage.seconds is None else f"{stage.seconds:.1f} s, "
    # Where prices prove it, no integer solver took part.
    solver = (
        "" if stage.proof is Proof.PRICES and stage.status is SolveStatus.OPTIMAL else f"{stage.solver}, "
    )
    return f"{stage.objective} {value}: {verdict}; {stage.formulation}, {solver}{took}{limit}"


def ties_lines(ties: Ties) -> Iterator[str]:
    """Yield what is known about equally good match runs, in words."""
    n = len(ties.match_runs)
    if any(run.status is not SolveStatus.OPTIMAL for run in ties.match_runs):
        yield "ties         not looked for: what equals a match run can be told once it is proved optimal"
        return
    if n == 1 and ties.is_complete:
        yield "ties         none: every other set of patients is worse"
        return
    known = "and no others" if ties.is_complete else "there may be more"
    yield f"ties         {n} equally good match runs differ in who receives, {known}"
    yield f"             {len(ties.always)} patients receive in each of them, {len(ties.sometimes)} in some"
    counts = ties.chosen_in
    for pair in ties.sometimes[:_SHOWN]:
        yield f"             {pair} in {counts[pair]} of {n}"
    if len(ties.sometimes) > _SHOWN:
        yield f"             and {len(ties.sometimes) - _SHOWN} more, see --ties-out"


def ties_table(ties: Ties) -> dict[str, Any]:
    """Return equally good match runs as plain data."""
    return {
        "complete": ties.is_complete,
        "count": len(ties.match_runs),
        "in_all": list(ties.always),
        "in_some": list(ties.sometimes),
        "chosen_in": {pair: ties.chosen_in[pair] for pair in sorted(ties.chosen_in)},
        "match_runs": [
            {
                "transplants": run.transplants,
                "total_priority": run.total_priority,
                "patients": sorted(run.recipients),
                "cycles": [list(cycle.pairs) for cycle in run.cycles],
                "chains": [{"ndd": chain.ndd, "pairs": list(chain.pairs)} for chain in run.chains],
            }
            for run in ties.match_runs
        ],
    }


def draws_lines(found: MatchRunDistribution, spaced: DrawnRun) -> Iterator[str]:
    """Yield a distribution over match runs in words; ``spaced`` is the match run of order-only weights."""
    n = len(found.runs)
    if n < found.n_wanted:
        yield f"draws        stopped after {n} of {found.n_wanted}"
    if n:
        yield f"draws        other patients receive in {_share(found.changed)} of {n} draws of the weights"
        yield f"             on average {found.patients_replaced:.2f} of {len(found.point)} patients are replaced"
        spread = ", ".join(f"{size} in {count}" for size, count in found.transplants.items())
        yield f"             transplants: {spread} draws"
        yield (
            f"             weight that this match run loses under a draw: median {found.weight_lost(0.5):.2%}, "
            f"19 in 20 draws at most {found.weight_lost(0.95):.2%}"
        )
        wavering = [(pair, share) for pair, share in found.chosen.items() if 0 < share.count < n]
        wavering.sort(key=lambda item: (abs(item[1].value - 0.5), item[0]))
        for pair, share in wavering[:_SHOWN]:
            yield f"             {pair} receives in {_share(share)}"
        if len(wavering) > _SHOWN:
            yield f"             and {len(wavering) - _SHOWN} more patients in some draws, see --draws-out"
        if found.n_unproved:
            yield f"             {found.n_unproved} draw(s) are not proved optimal in the time"
    replaced = len(found.point - spaced.recipients)
    yield (
        f"order only   weights in the same order, evenly spaced, replace {replaced} of {len(found.point)} patients "
        f"and make {len(spaced.recipients)} transplants"
    )


def draws_table(found: MatchRunDistribution, spaced: DrawnRun) -> dict[str, Any]:
    """Return a distribution over match runs as plain data; ``spaced`` as for :func:`draws_lines`."""
    table: dict[str, Any] = {"count": len(found.runs), "wanted": found.n_wanted}
    if found.runs:
        table |= {
            "changed": _share_table(found.changed),
            "patients_replaced": found.patients_replaced,
            "transplants": {str(size): count for size, count in found.transplants.items()},
            "weight_lost": {str(q): found.weight_lost(q) for q in (0.05, 0.5, 0.95)},
            "not_proved": found.n_unproved,
            "chosen": {pair: _share_table(share) for pair, share in found.chosen.items()},
        }
    table["order_only"] = {
        "no_longer": sorted(found.point - spaced.recipients),
        "instead": sorted(spaced.recipients - found.point),
        "weight_lost": spaced.weight_lost,
        "proved": spaced.is_proved,
    }
    return table


def _share(share: Share) -> str:
    low, high = share.interval
    return f"{share.value:.1%} ({low:.1%} to {high:.1%})"


def _share_table(share: Share) -> Mapping[str, float]:
    low, high = share.interval
    return {"share": share.value, "low": low, "high": high}
