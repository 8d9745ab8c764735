"""Curves over the runs of each condition: the pool's size day by day, and how ranks are distributed. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np

from exchange.outcomes.run_mean import t_quantile
from exchange.outcomes.waiting import GroupCurves
from exchange.pool import FloatArray
from exchange.simulation.record import RunRecord


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Curve:
    """Values at ascending places, with a band. All of one length."""

    label: str
    """The condition's name, or that of a group."""
    x: FloatArray
    """Days, or ranks."""
    y: FloatArray
    """NaN where there is no value."""
    low: FloatArray
    """NaN where there is no band; likewise ``high``."""
    high: FloatArray


def waiting_curve(curves: GroupCurves, label: str) -> Curve:
    """Return the Kaplan-Meier curve of a group under a label; it has no band, see ``GroupCurves``."""
    none = np.full(len(curves.waiting.days), np.nan)
    return Curve(label=label, x=curves.waiting.days, y=curves.waiting.shares, low=none, high=none)


class RunCurves:
    """Gathers runs one by one, none of which is kept: add each, then ask."""

    def __init__(self) -> None:
        self._sizes: dict[tuple[str, str], _Sums] = {}
        self._ranks: dict[tuple[str, str], _Sums] = {}

    def add(self, record: RunRecord) -> None:
        """Take a run into account. Runs of a condition have the same number of days."""
        key = (record.scenario, record.condition)
        self._sizes.setdefault(key, _Sums()).add(np.asarray(record.days["waiting"], dtype=np.float64))
        ranks = np.asarray(record.patients["rank"])
        counts = np.bincount(ranks[ranks > 0])[1:]
        if counts.sum():
            self._ranks.setdefault(key, _Sums()).add(counts / counts.sum())

    def pool_sizes(self, scenario: str) -> list[Curve]:
        """Return the mean number of pairs waiting at the end of each day, from day 0, with a 95 % interval."""
        return [sums.curve(condition, 0) for (of, condition), sums in self._sizes.items() if of == scenario]

    def ranks(self, scenario: str) -> list[Curve]:
        """Return the mean share of matches at each rank, from rank 1, with a 95 % interval; none without ranks."""
        return [sums.curve(condition, 1) for (of, condition), sums in self._ranks.items() if of == scenario]


class _Sums:
    """Sums over runs, from which mean and spread follow. Shorter runs count 0 at the end."""

    def __init__(self) -> None:
        self._runs = 0
        self._mean = np.zeros(0)
        self._squares = np.zeros(0)

    def add(self, values: FloatArray) -> None:
        """Update mean and sum of squared deviations (Welford 1962, Technometrics 4)."""
        length = max(len(values), len(self._mean))
        values, mean, squares = (np.pad(a, (0, length - len(a))) for a in (values, self._mean, self._squares))
        self._runs += 1
        step = values - mean
        self._mean = mean + step / self._runs
        self._squares = squares + step * (values - self._mean)

    def curve(self, label: str, first: int) -> Curve:
        half = np.full(len(self._mean), np.nan)
        if self._runs > 1:
            half = t_quantile(self._runs - 1) * np.sqrt(self._squares / (self._runs - 1)) / sqrt(self._runs)
        return Curve(
            label=label,
            x=np.arange(first, first + len(self._mean), dtype=np.float64),
            y=self._mean,
            low=self._mean - half,
            high=self._mean + half,
        )
