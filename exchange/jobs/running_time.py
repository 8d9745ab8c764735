"""About how long an experiment takes, told before it is started. Pure.

Measured on one core of a small virtual machine: for each pair who arrives, a run of ``freedman2020-heterogeneous``
takes .5 to 1 ms, and one of ``unos-weekly``, whose match runs look for chains in a growing pool, about 5 to 17. It
depends on the machine, the policy and how many wait, so pages must say that it is rough.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from exchange.experiment.plan import ExperimentPlan
    from exchange.simulation.scenario import Scenario

_START_SECONDS = 5.0
_RUN_SECONDS = 0.2
"""Of a run, besides simulating: its files are written, and read again for the results."""
_PAIR_SECONDS = 0.001
_PAIR_SECONDS_WITH_CHAINS = 0.015


def rough_seconds(plan: ExperimentPlan, workers: int) -> float:
    """Return about how many seconds an experiment takes with so many processes."""
    n_each = len(plan.conditions) * len(plan.seeds)
    return _START_SECONDS + sum(n_each * (_RUN_SECONDS + _of_run(s)) for s in plan.scenarios) / workers


def roughly(seconds: float) -> str:
    """Return a duration in words that promise no more than is known."""
    if seconds < 45:
        return "less than a minute"
    unit, length = "day", 86_400
    if seconds < 50 * 60:
        unit, length = "minute", 60
    elif seconds < 40 * 3_600:
        unit, length = "hour", 3_600
    n = max(round(seconds / length), 1)
    return f"{n} {unit}{'s' * (n != 1)}"


def _of_run(scenario: Scenario) -> float:
    n_pairs = scenario.days * scenario.arrivals.expected
    if scenario.first_pool is not None:
        n_pairs += len(scenario.first_pool.pairs)
    return n_pairs * (_PAIR_SECONDS_WITH_CHAINS if scenario.chain_cap else _PAIR_SECONDS)
