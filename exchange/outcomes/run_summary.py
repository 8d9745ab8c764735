"""What a run did to each group of its patients: every measure as one number. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from exchange.outcomes.groups import Grouping, IntArray, rows_of_groups
from exchange.outcomes.inequality import best_minus_worst, gini, worst_to_best
from exchange.outcomes.outcome import EVERYBODY, Measure
from exchange.outcomes.waiting import LEFT, TRANSPLANTED, kaplan_meier, transplanted_within_year
from exchange.simulation.record import RunRecord

COUNTS = frozenset((Measure.SEEN, Measure.MATCHED, Measure.TRANSPLANTED, Measure.LEFT, Measure.WAITING))
"""Measures that are 0, and not undefined, for a group without patients."""


class Quantity(NamedTuple):
    """What a number is about."""

    grouping: str
    group: str
    """Empty for measures between groups."""
    measure: Measure


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """The numbers of one run."""

    scenario: str
    condition: str
    seed: int
    n_days: int
    values: Mapping[Quantity, float]
    """NaN where a measure is not defined. Groups without patients are left out."""

    def value(self, quantity: Quantity) -> float:
        """Return a number; of a group without patients 0 if it is a count, otherwise NaN."""
        return self.values.get(quantity, 0.0 if quantity.measure in COUNTS else float("nan"))

    def has_patients(self, quantity: Quantity) -> bool:
        """Return whether the group that a number is about has patients in this run."""
        return quantity in self.values


def summarize_run(record: RunRecord, groupings: Sequence[Grouping]) -> RunSummary:
    """Return every measure of every group that has patients in a run."""
    waits, events = record.waits
    values: dict[Quantity, float] = {}
    for grouping in groupings:
        name, shares, sizes = grouping.name, [], []
        for group, rows in rows_of_groups(*grouping.split(record.patients)).items():
            found = dict(_of_group(record, rows, waits[rows], events[rows]))
            values.update({Quantity(name, group, measure): value for measure, value in found.items()})
            shares.append(found[Measure.TRANSPLANTED_SHARE])
            sizes.append(found[Measure.SEEN])
        if name != EVERYBODY and shares:
            values[Quantity(name, "", Measure.GINI)] = gini(shares, sizes)
            values[Quantity(name, "", Measure.RATIO)] = worst_to_best(shares)
            values[Quantity(name, "", Measure.RANGE)] = best_minus_worst(shares)
    return RunSummary(
        scenario=record.scenario,
        condition=record.condition,
        seed=record.seed,
        n_days=record.n_days,
        values=values,
    )


def _of_group(
    record: RunRecord, rows: IntArray, waits: IntArray, events: IntArray
) -> Iterator[tuple[Measure, float]]:
    seen = len(rows)
    transplanted = events == TRANSPLANTED
    matched = float(record.patients["times_planned"][rows].sum())
    n_left = float(np.count_nonzero(events == LEFT))
    n_transplanted = float(np.count_nonzero(transplanted))
    ranks = record.patients["rank"][rows]
    ranks = ranks[ranks > 0]
    curve = kaplan_meier(waits, transplanted)
    yield Measure.SEEN, float(seen)
    yield Measure.MATCHED, matched
    yield Measure.TRANSPLANTED, n_transplanted
    yield Measure.LEFT, n_left
    yield Measure.WAITING, seen - n_transplanted - n_left
    yield Measure.MATCHED_PER_SEEN, matched / seen
    yield Measure.MATCHED_SHARE, float(np.mean(record.patients["times_planned"][rows] > 0))
    yield Measure.TRANSPLANTED_SHARE, n_transplanted / seen
    yield Measure.LEFT_SHARE, n_left / seen
    yield Measure.MEDIAN_WAIT, curve.median
    yield Measure.MEAN_WAIT, curve.mean_within_year
    yield Measure.WAIT_OF_TRANSPLANTED, _mean(waits[transplanted])
    yield Measure.DAYS_IN_POOL, float(np.mean(waits))
    yield Measure.WITHIN_YEAR, transplanted_within_year(waits, events)
    yield Measure.AVERAGE_RANK, _mean(ranks)
    yield Measure.FIRST_RANK_SHARE, _mean(ranks == 1)


def _mean(values: NDArray[Any]) -> float:
    return float(np.mean(values)) if len(values) else float("nan")
