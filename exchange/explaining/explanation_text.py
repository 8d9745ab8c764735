"""An explanation in words for people, and as plain data for files. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from exchange.clearing.objectives import Objective
from exchange.explaining.explanation import Explanation, PairExplanation, Reason, label
from exchange.explaining.needed_change import Change
from exchange.explaining.needed_weight import Range
from exchange.explaining.price_of_priority import PriceOfPriority, TradeOff
from exchange.match_run import MatchRun

FORMAT, FORMAT_VERSION = "equipoise-explanation", 1
_MOST_NAMES = 6

_WORDS = {
    Objective.TRANSPLANTS: "transplant(s)",
    Objective.PRIORITY: "priority weight",
    Objective.ARC_WEIGHT: "arc weight",
    Objective.TWO_WAY: "pair(s) in two-way cycles",
    Objective.FEWEST_THREE_WAY: "three-way cycle(s)",
    Objective.BACK_ARCS: "back-arc(s)",
    Objective.EXPECTED_TRANSPLANTS: "expected transplants",
    Objective.EXPECTED_PRIORITY: "expected priority weight",
    Objective.SENSITIZED: "highly sensitized patient(s)",
    Objective.WEIGHTED_FAIRNESS: "fairness-weighted patients",
}


def sentence(pair: PairExplanation, run: MatchRun, changes: Sequence[Change] = ()) -> str:
    """Return why one pair was not matched, or what its match rests on.

    Parameters
    ----------
    run
        The match run that is explained.
    changes
        Single changes of the patient's profile that would exceed the weight needed.
    """
    match pair.reason:
        case Reason.NO_ARC_IN:
            return _no_arc_in(pair)
        case Reason.NO_EXCHANGE:
            return _no_exchange(pair, run)
        case Reason.COSTS | Reason.LOST:
            return "; ".join(_worse(pair, run, changes))
        case Reason.TIE:
            return (
                "some match run with the pair is just as good: the choice among equals was arbitrary; "
                + _swap(pair)
            )
        case Reason.BETTER_EXISTS | Reason.BETTER_WITHOUT:
            side = "with" if pair.reason is Reason.BETTER_EXISTS else "without"
            return (
                f"a match run {side} the pair is better by {_amount(_gain(pair), pair.objective)}: this match "
                "run was not proved optimal; clear again with a longer --time-limit"
            )
        case Reason.IN_EVERY:
            return f"in every optimal match run: without the pair, {_loss(pair)}"
        case Reason.IN_SOME:
            return "in some optimal match runs, not in all; " + _swap(pair)
        case Reason.OPEN:
            side = "without" if pair.is_matched else "with"
            return (
                f"not settled in the time given: the best match run found {side} the pair is worse by "
                f"{_amount(pair.loss.high if pair.loss else 0.0, pair.objective)}; let it run longer (--time-limit)"
            )


def _no_arc_in(pair: PairExplanation) -> str:
    text = "nobody in the pool can give to the patient"
    out = pair.ruled_out
    if out is None:
        return text
    causes = [
        (out.blood_group, "ruled out by blood group"),
        (out.crossmatch, "by crossmatch or another rule of the pool"),
        (out.unknown, "of unknown blood group"),
    ]
    named = ", ".join(f"{count} {cause}" for count, cause in causes if count)
    return f"{text}: of the other donors {named}" if named else text


def _no_exchange(pair: PairExplanation, run: MatchRun) -> str:
    text = (
        f"{pair.donors_who_fit} donor(s) could give, but no exchange contains the pair at cycle cap "
        f"{run.cycle_cap} and chain cap {run.chain_cap}"
    )
    caps = []
    if pair.cycle_cap_needed is not None:
        caps.append(f"cycle cap {pair.cycle_cap_needed}")
    if pair.chain_cap_needed is not None:
        caps.append(f"chain cap {pair.chain_cap_needed}")
    if not caps:
        return text + ", nor at any other"
    return f"{text}; one would at {' or '.join(caps)}"


def _worse(pair: PairExplanation, run: MatchRun, changes: Sequence[Change]) -> Iterator[str]:
    objectives = [stage.objective for stage in run.stages]
    stage = objectives.index(pair.objective) if pair.objective in objectives else 0
    kept = f"keeping {', '.join(objectives[:stage])}, " if stage else ""
    yield f"{kept}every match run with the pair is worse: {_loss(pair)}"
    needed = pair.needed_weight
    if needed is not None:
        around = f"{needed.high:.6g}" if needed.is_exact else f"{needed.low:.6g} to {needed.high:.6g}"
        yield f"the patient weighs {pair.weight:.6g} and would have been matched above {around}"
        if changes:
            listed = [f"{c.attribute} {c.value} (weight {c.weight:.4g})" for c in changes[:_MOST_NAMES]]
            yield f"a weight above that comes with {', or '.join(listed)}"
    elif any(objective.needs_weights for objective in objectives[stage + 1 :]):
        yield "no weight would change that"


def _loss(pair: PairExplanation) -> str:
    loss = pair.loss or Range(low=0.0, high=0.0)
    verb = "more" if pair.objective is not None and pair.objective.is_minimized else "lost"
    if loss.is_exact:
        return f"{_amount(loss.high, pair.objective)} {verb}"
    return f"between {_number(loss.low, pair.objective)} and {_amount(loss.high, pair.objective)} {verb}"


def _gain(pair: PairExplanation) -> float:
    return -pair.loss.high if pair.loss else 0.0


def _swap(pair: PairExplanation) -> str:
    where = "in the one that changes least" if pair.is_nearest else "in one of them"
    out = f"{_listed(pair.gives_way)} would drop out" if pair.gives_way else "nobody would drop out"
    into = f" and {_listed(pair.comes_in)} come in" if pair.comes_in else ""
    return f"{where}, {out}{into}"


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMES
    shown = ", ".join(names[:_MOST_NAMES])
    return f"{shown} and {more} more" if more > 0 else shown


def _amount(value: float, objective: Objective | None) -> str:
    unit = "" if objective is None else f" {_WORDS[objective]}"
    return _number(value, objective) + unit


def _number(value: float, objective: Objective | None) -> str:
    return f"{value:.0f}" if objective is not None and objective.is_whole else f"{value:.6g}"


def price_lines(price: PriceOfPriority) -> Iterator[str]:
    """Yield the price of priority as lines for a terminal."""
    first, last = price.priority_after_cardinality, price.greatest_weight
    proved = "proved" if price.is_proved else "not all proved in the time given"
    yield f"price of priority ({proved})"
    yield (
        f"  most transplants alone       {first.transplants} transplants, priority between "
        f"{price.least_priority:.8g} and {first.total_priority:.8g}"
    )
    yield f"  priority after cardinality   {_point(first)}"
    yield f"  greatest weight alone        {_point(last)}"
    yield (
        f"  greatest weight loses {price.transplants_lost} transplant(s) to gain {price.priority_lost:.6g} in "
        "priority"
    )
    for point in price.frontier[1:-1]:
        given_up = first.transplants - point.transplants
        gained = point.total_priority - first.total_priority
        yield f"  {given_up} transplant(s) fewer: {_point(point)} (+{gained:.6g})"


def _point(point: TradeOff) -> str:
    note = "" if point.is_proved else f" (at most {point.bound:.8g})"
    return f"{point.transplants} transplants, priority {point.total_priority:.8g}{note}"


def explanation_table(
    explanation: Explanation,
    changes: Mapping[str, Sequence[Change]],
    price: PriceOfPriority | None,
    manifest: Mapping[str, object],
) -> dict[str, Any]:
    """Return all of it as plain data, in the layout of ``explanation.json``.

    Parameters
    ----------
    changes
        By pair id; pairs without any may be absent.
    """
    run = explanation.run
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "pool_source": run.pool_source,
        "pool_note": run.pool_note,
        "policy": run.policy,
        "objectives": [stage.objective for stage in run.stages],
        "cycle_cap": run.cycle_cap,
        "chain_cap": run.chain_cap,
        "pairs": [_pair_table(pair, run, changes.get(pair.pair, ())) for pair in explanation.pairs],
        "price_of_priority": None if price is None else _price_table(price),
        "manifest": dict(manifest),
    }


def _pair_table(pair: PairExplanation, run: MatchRun, changes: Sequence[Change]) -> dict[str, Any]:
    out = pair.ruled_out
    return {
        "pair": pair.pair,
        "is_matched": pair.is_matched,
        "reason": label(pair),
        "in_words": sentence(pair, run, changes),
        "objective": pair.objective,
        "loss": _range_table(pair.loss),
        "donors_who_fit": pair.donors_who_fit,
        "weight": pair.weight,
        "needed_weight": _range_table(pair.needed_weight),
        "changes_that_exceed_it": [
            {"attribute": c.attribute, "value": c.value, "weight": c.weight} for c in changes
        ],
        "ruled_out": None
        if out is None
        else {"blood_group": out.blood_group, "crossmatch": out.crossmatch, "unknown": out.unknown},
        "cycle_cap_needed": pair.cycle_cap_needed,
        "chain_cap_needed": pair.chain_cap_needed,
        "gives_way": list(pair.gives_way),
        "comes_in": list(pair.comes_in),
        "is_nearest": pair.is_nearest,
    }


def _range_table(found: Range | None) -> dict[str, float] | None:
    return None if found is None else {"low": found.low, "high": found.high}


def _price_table(price: PriceOfPriority) -> dict[str, Any]:
    return {
        "least_priority": price.least_priority,
        "least_is_proved": price.least_is_proved,
        "frontier": [_point_table(point) for point in price.frontier],
        "greatest_weight": _point_table(price.greatest_weight),
        "transplants_lost": price.transplants_lost,
        "priority_lost": price.priority_lost,
    }


def _point_table(point: TradeOff) -> dict[str, Any]:
    return {
        "transplants": point.transplants,
        "total_priority": point.total_priority,
        "bound": point.bound,
        "is_proved": point.is_proved,
    }
