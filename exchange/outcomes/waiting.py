"""How long patients wait for a transplant, where some leave and some still wait at the end. Pure.

What is known of long waits comes from those who arrived early. In a pool that began empty they found fewer others,
so that curves of a short run mix times of different plenty; those of several years do so less.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from exchange.outcomes.groups import Grouping, IntArray, group_order, rows_of_groups
from exchange.pool import BoolArray, FloatArray
from exchange.simulation.record import RunRecord

YEAR_DAYS = 365
NEEDED_DAYS = ceil(0.95 * YEAR_DAYS)
"""A number about the first year is only given where somebody was observed this long. Beyond the last observation a
curve keeps its value, as in Gill (1980) and in R's package survival; without this limit a group of few patients who
left early would seem to wait for ever."""
MOST_OPEN_DAYS = 1.0
"""Unless those who still wait then are so few that they can move the mean wait by less than this."""
MOST_POINTS = 400
"""Of a curve for a picture."""

TRANSPLANTED, LEFT = 1, 2
"""Events, as in ``RunRecord.waits``; 0 is waiting at the end."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WaitingCurve:
    """A step function of the days waited: it has ``shares[i]`` from ``days[i]`` until ``days[i + 1]``."""

    days: FloatArray
    """Ascending, from 0 on; the last is the last observation."""
    shares: FloatArray

    def at(self, day: float) -> float:
        """Return the value on a day; after the last observation, the last value."""
        return float(self.shares[np.searchsorted(self.days, day, side="right") - 1])

    def thinned(self, most: int = MOST_POINTS) -> WaitingCurve:
        """Return the curve at no more than ``most`` of its days, evenly spread, the first and last included."""
        keep = np.unique(
            np.linspace(0, len(self.days) - 1, min(most, len(self.days))).round().astype(np.intp)
        )
        return WaitingCurve(days=self.days[keep], shares=self.shares[keep])

    @property
    def median(self) -> float:
        """First day on which half or fewer still wait; NaN where that was not reached."""
        # The tolerance takes a half that is off by rounding, as R's package survival does.
        reached = np.flatnonzero(self.shares <= 0.5 + 1e-9)
        return float(self.days[reached[0]]) if len(reached) else float("nan")

    @property
    def mean_within_year(self) -> float:
        """Area under the curve in the first 365 days: the days waited on average within the first year.

        NaN where nobody was observed for :data:`NEEDED_DAYS` days, unless so few wait at the curve's end that they
        change it by less than a day.
        """
        if not self._reaches_a_year:
            return float("nan")
        inside = self.days < YEAR_DAYS
        ends = np.append(self.days[inside], float(YEAR_DAYS))
        return float(np.sum(np.diff(ends) * self.shares[inside]))

    @property
    def _reaches_a_year(self) -> bool:
        open_days = float(self.shares[-1]) * (YEAR_DAYS - float(self.days[-1]))
        return bool(self.days[-1] >= NEEDED_DAYS or open_days < MOST_OPEN_DAYS)


def kaplan_meier(waits: NDArray[np.integer], transplanted: BoolArray) -> WaitingCurve:
    """Return the share still without a transplant by days waited, had nobody left.

    Leaving and the end of the run censor. In our simulations the day of leaving is drawn at arrival and does not
    look at what is planned, so that who leaves is not a special patient, as the estimator assumes. A patient
    censored on a day counts as waiting on it.

    Parameters
    ----------
    waits
        Days, 0 or more; at least one patient.
    transplanted
        Whether the wait ended with a transplant.

    References
    ----------
    Kaplan, Meier (1958), J. Am. Stat. Assoc. 53; ``scipy.stats.ecdf``.
    """
    until = waits.astype(np.float64)
    sample = stats.CensoredData(uncensored=until[transplanted], right=until[~transplanted])
    curve = stats.ecdf(sample).sf
    days, shares = np.asarray(curve.quantiles, np.float64), np.asarray(curve.probabilities, np.float64)
    if days[0] > 0:
        days, shares = np.append(0.0, days), np.append(1.0, shares)
    return WaitingCurve(days=days, shares=shares)


def cumulative_incidence(waits: NDArray[np.integer], events: NDArray[np.integer], event: int) -> WaitingCurve:
    """Return the share of patients to whom an event has happened by days waited, the other event being an end, too.

    This is the Aalen-Johansen estimate for two events that compete: with leaving counted as a way out and not as
    censoring, it says what really becomes of patients. The shares of both events and of those who still wait sum
    to 1.

    Parameters
    ----------
    waits
        Days, 0 or more; at least one patient.
    events
        What ended each wait: 1 transplant, 2 leaving, 0 the end of the run (censored).
    event
        Which of 1 and 2.

    References
    ----------
    Aalen, Johansen (1978), Scand. J. Statist. 5.
    """
    days = np.arange(int(waits.max()) + 1)
    ended = np.bincount(waits[events > 0], minlength=len(days))
    wanted = np.bincount(waits[events == event], minlength=len(days))
    at_risk = len(waits) - np.concatenate([[0], np.cumsum(np.bincount(waits))[:-1]])
    waiting = np.cumprod(1.0 - ended / at_risk)
    before = np.concatenate([[1.0], waiting[:-1]])
    return WaitingCurve(days=days.astype(np.float64), shares=np.cumsum(before * wanted / at_risk))


def transplanted_within_year(waits: NDArray[np.integer], events: NDArray[np.integer]) -> float:
    """Return the share transplanted within 365 days of arrival, leaving being an end, too.

    NaN where nobody was observed for :data:`NEEDED_DAYS` days, unless nobody waits any longer.
    """
    last = waits.max()
    if last < NEEDED_DAYS and np.any(events[waits == last] == 0):
        return float("nan")
    return cumulative_incidence(waits, events, TRANSPLANTED).at(YEAR_DAYS)


def mean_within_year_of_counts(transplanted: FloatArray, censored: FloatArray, n: FloatArray) -> FloatArray:
    """Return :attr:`WaitingCurve.mean_within_year` of many groups at once, from counts by day.

    Parameters
    ----------
    transplanted, censored
        Patients whose wait ended on each day from 0 to 365 with a transplant, or otherwise: shape (groups, 366).
    n
        Patients in each group, those included who waited longer.
    """
    ended = np.cumsum(transplanted + censored, axis=1)
    at_risk = n[:, None] - np.concatenate([np.zeros((len(n), 1)), ended[:, :-1]], axis=1)
    curve = np.cumprod(1.0 - transplanted / np.maximum(at_risk, 1.0), axis=1)
    last_day = np.count_nonzero(at_risk[:, :YEAR_DAYS] > 0, axis=1) - 1
    open_days = curve[:, -1] * (YEAR_DAYS - last_day)
    reaches = (at_risk[:, NEEDED_DAYS] > 0) | ((n > 0) & (open_days < MOST_OPEN_DAYS))
    return np.asarray(np.where(reaches, curve[:, :YEAR_DAYS].sum(axis=1), np.nan), dtype=np.float64)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GroupCurves:
    """Curves of a group under a condition, all runs' patients together, for pictures.

    They carry no interval: patients of a run share a pool, and the same people come under every condition, so that
    intervals and log-rank tests for independent patients would be wrong. Differences between conditions and their
    intervals are in the outcomes, by seed.
    """

    scenario: str
    condition: str
    grouping: str
    group: str
    n_patients: int
    waiting: WaitingCurve
    """Kaplan-Meier: the share without a transplant, had nobody left."""
    transplanted: WaitingCurve
    """Aalen-Johansen: share transplanted."""
    left: WaitingCurve
    """Aalen-Johansen: share who left."""
    median: float
    """Of ``waiting``; NaN where it was not reached."""


class PooledWaits:
    """Gathers the waits of a grouping's groups run by run: add each, then ask for the curves."""

    def __init__(self, grouping: Grouping) -> None:
        self._grouping = grouping
        self._parts: dict[tuple[str, str], dict[str, list[tuple[IntArray, IntArray]]]] = {}

    def add(self, record: RunRecord) -> None:
        """Take a run into account; only its waits are kept."""
        waits, events = record.waits
        mine = self._parts.setdefault((record.scenario, record.condition), {})
        for group, rows in rows_of_groups(*self._grouping.split(record.patients)).items():
            mine.setdefault(group, []).append((waits[rows], events[rows]))

    def curves(self) -> list[GroupCurves]:
        """Return the curves of each group under each condition, at no more than :data:`MOST_POINTS` days.

        Conditions come in the order of their first run.
        """
        return [
            _curves(scenario, condition, self._grouping.name, group, groups[group])
            for (scenario, condition), groups in self._parts.items()
            for group in group_order(self._grouping, list(groups))
        ]


def _curves(
    scenario: str, condition: str, grouping: str, group: str, parts: Sequence[tuple[IntArray, IntArray]]
) -> GroupCurves:
    waits = np.concatenate([part[0] for part in parts])
    events = np.concatenate([part[1] for part in parts])
    waiting = kaplan_meier(waits, events == TRANSPLANTED)
    return GroupCurves(
        scenario=scenario,
        condition=condition,
        grouping=grouping,
        group=group,
        n_patients=len(waits),
        waiting=waiting.thinned(),
        transplanted=cumulative_incidence(waits, events, TRANSPLANTED).thinned(),
        left=cumulative_incidence(waits, events, LEFT).thinned(),
        median=waiting.median,
    )
