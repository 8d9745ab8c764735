"""From an experiment's runs to what they say: means, differences, prices, effects, tests, curves."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from exchange.experiment.plan import ExperimentPlan
from exchange.experiment.run_store import RunStore
from exchange.outcomes.comparison import RunSummaries, outcomes_of, summarize
from exchange.outcomes.groups import PROFILE, Grouping, attribute_groupings, groupings
from exchange.outcomes.marginal_effects import MarginalEffect, RunCells, marginal_effects, run_cells
from exchange.outcomes.outcome import EVERYBODY, Outcome
from exchange.outcomes.price import PriceOfPriority, price_of_priority
from exchange.outcomes.published import PublishedTest, PublishedValue, published_test
from exchange.outcomes.run_curves import RunCurves
from exchange.outcomes.waiting import GroupCurves, PooledWaits
from exchange.outcomes.weight_uncertainty import DrawnOutcome, drawn_conditions, outcomes_under_draws
from exchange.simulation.condition import Condition
from exchange.simulation.record import RunRecord
from survey.design import StudyDesign


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedCheck:
    """Published numbers of one condition and grouping beside those of a scenario."""

    scenario: str
    condition: str
    grouping: str
    test: PublishedTest


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Results:
    """Everything that an experiment's runs say."""

    conditions: tuple[Condition, ...]
    """Those that were compared, the baseline among them."""
    summaries: RunSummaries
    outcomes: tuple[Outcome, ...]
    """Means, and differences from the baseline."""
    prices: tuple[PriceOfPriority, ...]
    effects: tuple[MarginalEffect, ...]
    """Empty where patients have no attributes."""
    checks: tuple[PublishedCheck, ...]
    drawn: tuple[DrawnOutcome, ...]
    """About all patients, under draws of the weights."""
    waiting: tuple[GroupCurves, ...]
    """Of everybody, and by profile."""
    curves: RunCurves


def analyze(plan: ExperimentPlan, store: RunStore, *, only: Collection[str] = ()) -> Results:
    """Return the results of the runs in a folder. Each run is read once, and none is kept.

    Parameters
    ----------
    only
        Names of conditions, the baseline among them; empty for all.

    Raises
    ------
    MissingRuns
        The folder does not hold all runs.
    """
    watch = _Watch(design=plan.design)
    summaries = summarize(watch.passing(store.records(plan.runs(only))), plan.design)
    outcomes = tuple(outcomes_of(summaries, plan.baseline))
    prices = tuple(
        price_of_priority(summaries, scenario, condition, plan.baseline)
        for scenario in summaries.scenarios
        for condition in summaries.conditions(scenario)
        if condition != plan.baseline
    )
    effects = tuple(marginal_effects(watch.cells)) if watch.cells else ()
    checks = tuple(_checks(plan, summaries, outcomes))
    drawn = tuple(_drawn(summaries))
    waiting = tuple(curve for waits in watch.waits for curve in waits.curves())
    return Results(
        conditions=tuple(c for c in plan.conditions if not only or c.name in only),
        summaries=summaries,
        outcomes=outcomes,
        prices=prices,
        effects=effects,
        checks=checks,
        drawn=drawn,
        waiting=waiting,
        curves=watch.curves,
    )


@dataclass(slots=True, kw_only=True)
class _Watch:
    """Notes what is needed of each run besides its summary as it passes, so that it is read once."""

    design: StudyDesign
    curves: RunCurves = field(default_factory=RunCurves)
    cells: list[RunCells] = field(default_factory=list)
    waits: tuple[PooledWaits, ...] = ()
    """Of everybody, and by profile."""

    def passing(self, records: Iterable[RunRecord]) -> Iterator[RunRecord]:
        attributes: tuple[Grouping, ...] = ()
        for record in records:
            if not self.waits:
                split = groupings(record, self.design)
                self.waits = tuple(PooledWaits(g) for g in split if g.name in (EVERYBODY, PROFILE))
                attributes = attribute_groupings(record, self.design)
            self.curves.add(record)
            for waits in self.waits:
                waits.add(record)
            if attributes:
                self.cells.append(run_cells(record, attributes))
            yield record


def _checks(
    plan: ExperimentPlan, summaries: RunSummaries, outcomes: Sequence[Outcome]
) -> Iterator[PublishedCheck]:
    """Yield a test for each condition and grouping; of numbers about all patients, one each: they are not
    independent."""
    for scenario in summaries.scenarios:
        present = summaries.conditions(scenario)
        own = [o for o in outcomes if o.scenario == scenario]
        together: dict[tuple[object, ...], list[PublishedValue]] = {}
        for value in plan.published:
            if value.condition in present and len(plan.seeds) > 1:
                alone = value.measure if value.grouping == EVERYBODY else None
                together.setdefault((value.condition, value.grouping, alone), []).append(value)
        for values in together.values():
            yield PublishedCheck(
                scenario=scenario,
                condition=values[0].condition,
                grouping=values[0].grouping,
                test=published_test(own, values),
            )


def _drawn(summaries: RunSummaries) -> Iterator[DrawnOutcome]:
    for scenario in summaries.scenarios:
        for weights, draws in drawn_conditions(summaries.conditions(scenario)).items():
            seeds = set.intersection(*(set(summaries.of(scenario, draw)) for draw in draws))
            if len(draws) > 1 and len(seeds) > 1:
                for outcome in outcomes_under_draws(summaries, scenario, weights):
                    if outcome.quantity.grouping == EVERYBODY:
                        yield outcome
