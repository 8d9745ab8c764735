"""Outcomes over runs: means with intervals, and differences between conditions, seed by seed. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from exchange.errors import BadRequest
from exchange.outcomes.groups import group_order, groupings
from exchange.outcomes.outcome import Measure, Outcome
from exchange.outcomes.run_mean import RunMean, mean_over_runs, undefined
from exchange.outcomes.run_summary import Quantity, RunSummary, summarize_run
from exchange.simulation.record import RunRecord
from survey.design import StudyDesign

BY_CURVE = frozenset((Measure.MEDIAN_WAIT, Measure.MEAN_WAIT, Measure.WITHIN_YEAR))
"""Measures that are undefined in a run where waits are long or few. Runs in which they are defined are no fair
sample of all runs, so their mean is only given if all runs have it."""

_Runs = Mapping[int, RunSummary]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummaries:
    """The numbers of all runs of an experiment."""

    runs: Mapping[tuple[str, str], _Runs]
    """By scenario and condition, in the order of their first run; then by seed, ascending."""
    quantities: tuple[Quantity, ...]
    """What there are numbers about in any run: groupings, groups and measures in their order."""

    @property
    def scenarios(self) -> tuple[str, ...]:
        """Names, in the order of their first run."""
        return tuple(dict.fromkeys(scenario for scenario, _ in self.runs))

    def conditions(self, scenario: str) -> tuple[str, ...]:
        """Return the names of a scenario's conditions, in the order of their first run."""
        return tuple(condition for of, condition in self.runs if of == scenario)

    def of(self, scenario: str, condition: str) -> _Runs:
        """Return a condition's runs by seed.

        Raises
        ------
        BadRequest
            It has none.
        """
        if (scenario, condition) not in self.runs:
            known = ", ".join(f"'{name}'" for name in self.conditions(scenario)) or "no condition"
            raise BadRequest(f"condition '{condition}' has no runs in scenario '{scenario}'; {known} has")
        return self.runs[scenario, condition]

    def by_seed(self, scenario: str, condition: str, quantity: Quantity) -> dict[int, float]:
        """Return a number in each run by seed; without the runs in which it is undefined for want of patients."""
        return _by_seed(self.of(scenario, condition), quantity)


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedDifference:
    """A condition's difference from another over the seeds that both have."""

    outcome: Outcome
    variance_ratio: float
    """How many times smaller the variance of the difference is than it would be with other seeds for each
    condition: the sum of both variances over that of the difference. Infinite where every run has the same
    difference; NaN where the number never varies, or with fewer than two runs."""
    n_unpaired: int
    """Seeds that only one of both conditions has; they are left out."""


def summarize(records: Iterable[RunRecord], design: StudyDesign | None = None) -> RunSummaries:
    """Return the numbers of all runs. Records are read one by one, and none is kept.

    Parameters
    ----------
    design
        The study that the profiles belong to; see :func:`exchange.outcomes.groups.groupings` for what it changes.

    Raises
    ------
    BadRequest
        No records, the same run twice, or another study's patients.
    """
    runs: dict[tuple[str, str], dict[int, RunSummary]] = {}
    split = None
    for record in records:
        split = split or groupings(record, design)
        mine = runs.setdefault((record.scenario, record.condition), {})
        if record.seed in mine:
            raise BadRequest(
                f"scenario '{record.scenario}', condition '{record.condition}' has two runs with seed "
                f"{record.seed}; give each run once"
            )
        mine[record.seed] = summarize_run(record, split)
    if split is None:
        raise BadRequest("there are no runs; give at least one")
    found: dict[str, dict[str, None]] = {}
    for summary in (s for mine in runs.values() for s in mine.values()):
        for quantity in summary.values:
            found.setdefault(quantity.grouping, {}).setdefault(quantity.group)
    return RunSummaries(
        runs={key: {seed: mine[seed] for seed in sorted(mine)} for key, mine in runs.items()},
        quantities=tuple(
            Quantity(grouping.name, group, measure)
            for grouping in split
            for group in _between_last(group_order(grouping, list(found.get(grouping.name, ()))))
            for measure in _measures(group)
        ),
    )


def outcomes(
    records: Iterable[RunRecord], baseline: str | None = None, design: StudyDesign | None = None
) -> list[Outcome]:
    """Return every measure of every group under every condition, and its difference from a baseline.

    Parameters
    ----------
    baseline
        Name of the condition to subtract in each scenario; None for no differences.
    design
        The study that the profiles belong to.

    Raises
    ------
    BadRequest
        No records, the same run twice, another study's patients, or a scenario without runs of the baseline.
    """
    return outcomes_of(summarize(records, design), baseline)


def outcomes_of(summaries: RunSummaries, baseline: str | None = None) -> list[Outcome]:
    """Return :func:`outcomes` of runs that were summarized already.

    Measures that no run has are left out, except those of :data:`BY_CURVE`. A condition that has no seed in common
    with the baseline gets no differences.
    """
    found = []
    for (scenario, condition), runs in summaries.runs.items():
        for quantity in summaries.quantities:
            mean = _mean(quantity.measure, list(_by_seed(runs, quantity).values()))
            if mean.n_runs or (quantity.measure in BY_CURVE and _any_patients(runs, quantity)):
                found.append(_outcome(scenario, condition, "", quantity, mean))
    if baseline is not None:
        for scenario in summaries.scenarios:
            base = summaries.of(scenario, baseline)
            for condition in summaries.conditions(scenario):
                if condition != baseline and base.keys() & summaries.of(scenario, condition).keys():
                    found += [p.outcome for p in paired_differences(summaries, scenario, condition, baseline)]
    return found


def paired_differences(
    summaries: RunSummaries, scenario: str, condition: str, baseline: str
) -> list[PairedDifference]:
    """Return the differences between any two conditions of a scenario, run by run with the same seed.

    Raises
    ------
    BadRequest
        A condition without runs, or two without a seed in common.
    """
    ours, theirs = summaries.of(scenario, condition), summaries.of(scenario, baseline)
    if not ours.keys() & theirs.keys():
        raise BadRequest(
            f"scenario '{scenario}': conditions '{condition}' and '{baseline}' have no seed in common, so nothing "
            "can be paired; run them with the same seeds"
        )
    found = []
    for quantity in summaries.quantities:
        a, b = _by_seed(ours, quantity), _by_seed(theirs, quantity)
        both = [seed for seed in a if seed in b]
        differences = [a[seed] - b[seed] for seed in both]
        mean = _mean(quantity.measure, differences)
        if not mean.n_runs and not (quantity.measure in BY_CURVE and both):
            continue
        found.append(
            PairedDifference(
                outcome=_outcome(scenario, condition, baseline, quantity, mean),
                variance_ratio=_variance_ratio([a[s] for s in both], [b[s] for s in both]),
                n_unpaired=len(ours.keys() ^ theirs.keys()),
            )
        )
    return found


def _between_last(groups: Sequence[str]) -> list[str]:
    return [group for group in groups if group] + [group for group in groups if not group]


def _measures(group: str) -> Iterator[Measure]:
    between = (Measure.GINI, Measure.RATIO, Measure.RANGE)
    yield from between if not group else (m for m in Measure if m not in between)


def _by_seed(runs: _Runs, quantity: Quantity) -> dict[int, float]:
    values = {seed: run.value(quantity) for seed, run in runs.items()}
    return {seed: v for seed, v in values.items() if v == v or runs[seed].has_patients(quantity)}


def _any_patients(runs: _Runs, quantity: Quantity) -> bool:
    return any(run.has_patients(quantity) for run in runs.values())


def _mean(measure: Measure, values: Sequence[float]) -> RunMean:
    defined = [value for value in values if value == value]
    if measure in BY_CURVE and len(defined) < len(values):
        return undefined(len(defined))
    return mean_over_runs(defined)


def _variance_ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    a, b = np.asarray(ours), np.asarray(theirs)
    defined = ~np.isnan(a - b)
    a, b = a[defined], b[defined]
    if len(a) < 2:
        return float("nan")
    apart = float(np.var(a, ddof=1) + np.var(b, ddof=1))
    paired = float(np.var(a - b, ddof=1))
    if paired > 0:
        return apart / paired
    return float("inf") if apart > 0 else float("nan")


def _outcome(scenario: str, condition: str, baseline: str, quantity: Quantity, mean: RunMean) -> Outcome:
    return Outcome(
        scenario=scenario,
        condition=condition,
        baseline=baseline,
        grouping=quantity.grouping,
        group=quantity.group,
        measure=quantity.measure,
        value=mean.value,
        low=mean.low,
        high=mean.high,
        n_runs=mean.n_runs,
        sd=mean.sd,
    )
