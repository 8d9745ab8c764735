"""The price of priority: transplants given up against a baseline, and what they buy for whom. Pure.

A transplant given up within a run may only be put off: whoever has not left still waits at the end. The difference
in patients who left is among the outcomes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from exchange.outcomes.comparison import RunSummaries, paired_differences
from exchange.outcomes.outcome import EVERYBODY, Measure
from exchange.outcomes.run_mean import RunMean, mean_over_runs, ratio_over_runs, undefined
from exchange.outcomes.run_summary import Quantity
from exchange.outcomes.waiting import YEAR_DAYS


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupGain:
    """What a group gains from a condition, against the baseline; negative where it loses."""

    grouping: str
    group: str
    transplants_per_year: RunMean
    wait_days: RunMean
    """Days of waiting saved per patient within the first year (Kaplan-Meier); NaN where they cannot be told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceOfPriority:
    """What a condition costs and buys against a baseline, over the seeds that both have."""

    scenario: str
    condition: str
    baseline: str
    given_up_per_run: RunMean
    """Transplants; negative where the condition has more than the baseline."""
    given_up_per_year: RunMean
    given_up_percent: RunMean
    """Of the baseline's transplants."""
    gains: tuple[GroupGain, ...]
    """Of every group, that of everybody first."""
    n_unpaired: int
    """Seeds that only one of both conditions has; they are left out."""


def price_of_priority(
    summaries: RunSummaries, scenario: str, condition: str, baseline: str
) -> PriceOfPriority:
    """Return the price of a condition's priorities against a baseline without them.

    Raises
    ------
    BadRequest
        A condition without runs, or two without a seed in common.
    """
    pairs = paired_differences(summaries, scenario, condition, baseline)
    total = Quantity(EVERYBODY, EVERYBODY, Measure.TRANSPLANTED)
    ours = summaries.by_seed(scenario, condition, total)
    theirs = summaries.by_seed(scenario, baseline, total)
    both = [seed for seed in ours if seed in theirs]
    given_up = {seed: theirs[seed] - ours[seed] for seed in both}
    years = {
        seed: run.n_days / YEAR_DAYS for seed, run in summaries.of(scenario, baseline).items() if seed in both
    }
    waits = {
        (o.grouping, o.group): RunMean(value=o.value, low=o.low, high=o.high, n_runs=o.n_runs, sd=o.sd)
        for o in (pair.outcome for pair in pairs)
        if o.measure is Measure.MEAN_WAIT
    }
    return PriceOfPriority(
        scenario=scenario,
        condition=condition,
        baseline=baseline,
        given_up_per_run=mean_over_runs(list(given_up.values())),
        given_up_per_year=_per_year(given_up, years),
        given_up_percent=ratio_over_runs(list(given_up.values()), [theirs[seed] for seed in both]).scaled(
            100.0
        ),
        gains=tuple(
            GroupGain(
                grouping=quantity.grouping,
                group=quantity.group,
                transplants_per_year=_per_year(
                    _difference(summaries, scenario, condition, baseline, quantity), years
                ),
                wait_days=waits.get((quantity.grouping, quantity.group), undefined(0)).scaled(-1.0),
            )
            for quantity in summaries.quantities
            if quantity.measure is Measure.TRANSPLANTED
        ),
        n_unpaired=pairs[0].n_unpaired,
    )


def _difference(
    summaries: RunSummaries, scenario: str, condition: str, baseline: str, quantity: Quantity
) -> dict[int, float]:
    ours = summaries.by_seed(scenario, condition, quantity)
    theirs = summaries.by_seed(scenario, baseline, quantity)
    return {seed: ours[seed] - theirs[seed] for seed in ours if seed in theirs}


def _per_year(by_seed: Mapping[int, float], years: Mapping[int, float]) -> RunMean:
    return mean_over_runs([value / years[seed] for seed, value in by_seed.items()])
