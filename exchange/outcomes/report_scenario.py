"""What was simulated, in words: a scenario's parameters, and what its conditions are. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from exchange.outcomes.report_text import YEAR_DAYS
from exchange.simulation.condition import Condition
from exchange.simulation.scenario import ArrivalLaw, Arrivals, Scenario, Stay, StayLaw
from survey.design import Profile

_ARRIVAL_WORDS: Mapping[ArrivalLaw, str] = {
    ArrivalLaw.POISSON: "Poisson",
    ArrivalLaw.FLOOR_EXPONENTIAL: "an exponential number rounded down",
    ArrivalLaw.NEGATIVE_BINOMIAL: "negative binomial",
    ArrivalLaw.REGULAR: "as evenly as whole people allow",
    ArrivalLaw.LISTED: "the listed numbers",
}


def scenario_rows(scenario: Scenario) -> list[tuple[str, str]]:
    """Return what a scenario says: (what, in words)."""
    s = scenario
    delay = "carried out at once" if s.delay_days == 0 else f"carried out {_days(s.delay_days)} later"
    cycles = f"cycles of at most {s.cycle_cap} pairs" if s.cycle_cap else "no cycles"
    chains = f"chains of at most {s.chain_cap} pairs" if s.chain_cap else "no chains"
    rows = [
        ("Time simulated", f"{_days(s.days)} ({s.days / YEAR_DAYS:.1f} years)"),
        ("Pairs arriving", _arrivals(s.arrivals)),
        ("Non-directed donors arriving", _arrivals(s.ndd_arrivals)),
        ("Pairs stay", _stay(s.stay)),
    ]
    if s.ndd_arrivals.expected:
        rows.append(("Non-directed and bridge donors stay", _stay(s.ndd_stay)))
    rows += [
        *_same_day(s),
        ("Match runs", f"every {_days(s.match_every_days)}, {delay}".replace("every 1 day,", "every day,")),
        ("Exchanges", f"{cycles}; {chains}"),
    ]
    if s.chain_cap:
        ends = f"the last donor begins another chain, and reneges with probability {s.renege:g}"
        rows.append(
            ("Ends of chains", ends if s.has_bridge_donors else "the last donor gives to the waiting list")
        )
    rows.append(("Planned transplants", s.success.description))
    if s.sensitization.yearly_rate:
        rows.append(
            (
                "Sensitization while waiting",
                f"{s.sensitization.yearly_rate:g} events per patient and year; each rules out "
                f"{100 * s.sensitization.increase:g} % of the donors that were still possible",
            )
        )
    if s.graft_failure.yearly_rate:
        rows.append(
            (
                "Lost grafts",
                f"{s.graft_failure.yearly_rate:g} per graft and year; {100 * s.graft_failure.returns:g} % of these "
                f"patients come back with another donor, and {100 * s.graft_failure.increase:g} % of the donors "
                "that were still possible ruled out",
            )
        )
    if s.imported_profiles:
        rows.append(("Profiles", f"drawn from {len(s.imported_profiles):,} imported patients"))
    if s.first_pool is not None:
        rows.append(
            ("Waiting on the first day", f"{len(s.first_pool.pairs):,} pairs of {s.first_pool.source}")
        )
    rows += [("People drawn from", s.model.description), ("Source", s.source)]
    return rows


def policy_words(condition: Condition) -> str:
    """Return the policy's name, or the goals one by one."""
    return str(condition.policy) if condition.policy else ", ".join(str(g.objective) for g in condition.goals)


def weights_words(condition: Condition) -> str:
    """Return where a condition's weights are from."""
    if condition.weights is None and condition.preferences is None:
        return "none: every patient counts the same"
    whose = "of donors" if condition.preferences is not None else "of patients"
    return condition.words or f"weights {whose}"


def order_kinds(conditions: Sequence[Condition], profiles: Sequence[Profile]) -> dict[str, str]:
    """Return of which kind each condition's weights are, to see whether anything but their order matters.

    Kinds are equal weights, the order of the first condition with unequal weights, and another order; with the
    policy where weights are used under several. Conditions in which donors have their own preferences have no kind.
    Empty where fewer than two different sets of unequal weights are compared.

    Parameters
    ----------
    profiles
        Of the study; all conditions' weights cover them.
    """
    weights = {
        c.name: tuple(c.weights.weight(profile) for profile in profiles)
        for c in conditions
        if c.weights is not None
    }
    orders = {name: _order(own) for name, own in weights.items()}
    unequal = [name for name, order in orders.items() if len(set(order)) > 1]
    if len({weights[name] for name in unequal}) < 2:
        return {}
    policies = {c.name: policy_words(c) for c in conditions}
    several = len({policies[name] for name in unequal}) > 1
    kinds = {}
    for condition in conditions:
        name = condition.name
        if name in unequal:
            kind = "same order" if orders[name] == orders[unequal[0]] else "another order"
            kinds[name] = f"{kind}, {policies[name]}" if several else kind
        elif condition.preferences is None:
            kinds[name] = "equal weights"
    return kinds


def _order(weights: Sequence[float]) -> tuple[int, ...]:
    """Return each weight's place among the different ones, the greatest first; rounding makes no difference."""
    close = [float(f"{weight:.9g}") for weight in weights]
    places = sorted(set(close), reverse=True)
    return tuple(places.index(weight) for weight in close)


def _arrivals(arrivals: Arrivals) -> str:
    if not arrivals.expected:
        return "none"
    return f"{arrivals.expected:.3g} a day on average ({_ARRIVAL_WORDS[arrivals.law]})"


def _stay(stay: Stay) -> str:
    if stay.law is StayLaw.FOREVER:
        return "until they are transplanted or the time is over"
    if stay.law is StayLaw.CONSTANT_RISK:
        yearly = 1 - (1 - stay.daily_risk) ** YEAR_DAYS
        return (
            f"until transplanted; each day {stay.daily_risk:.6g} of them leave ({100 * yearly:.1f} % a year)"
        )
    law = {StayLaw.EXPONENTIAL: "exponential", StayLaw.WEIBULL: f"Weibull, shape {stay.shape:g}"}.get(
        stay.law
    )
    return f"until transplanted, or {stay.mean_days:g} days{f' on average ({law})' if law else ''}"


def _days(n: int) -> str:
    return f"{n:,} day{'s' * (n != 1)}"


def _same_day(scenario: Scenario) -> list[tuple[str, str]]:
    tests = scenario.same_day_crossmatch_tests
    if tests == 1:
        return []
    words = f"{tests} crossmatches between two that arrive on the same day, of which one negative is enough"
    return [("Pairs that arrive together", words)]
