"""What has happened in a run so far: everybody's time in the pool, and the counts of each day."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from exchange.clearing.objectives import HIGHLY_SENSITIZED_CPRA
from exchange.compatibility import BloodGroupClass, blood_group_class
from exchange.pool import BloodGroup
from exchange.simulation.population import Arrival
from exchange.simulation.record import DAY_COLUMNS, NEVER, PATIENT_COLUMNS, RunRecord
from exchange.simulation.scenario import Scenario
from survey.design import StudyDesign


@dataclass(slots=True, kw_only=True)
class Entry:
    """A pair's time in the pool: a patient who comes back has another one."""

    id: str
    arrival: Arrival
    number: int
    """1, or more for a patient who has come back."""
    day: int
    leaves: int
    cpra: float
    """Today; ``cpra_at_arrival`` stays."""
    cpra_at_arrival: float
    donor: BloodGroup
    place: int = NEVER
    planned: int = NEVER
    times_planned: int = 0
    transplanted: int = NEVER
    left: int = NEVER
    giver: str = ""
    rank: int = 0

    @property
    def group_class(self) -> BloodGroupClass:
        """By blood groups."""
        return blood_group_class(self.arrival.patient, self.donor)


@dataclass(slots=True, kw_only=True)
class Today:
    """What is counted on one day; see ``record.DAY_COLUMNS``."""

    arrived: int = 0
    left: int = 0
    planned: int = 0
    fell_through: int = 0
    failed: int = 0
    transplanted: int = 0


class Ledger:
    """Keeps the entries, and counts of those who wait, so that no day has to look at everybody."""

    def __init__(self) -> None:
        self.today = Today()
        self._day = 0
        self._entries: list[Entry] = []
        self._rows: list[tuple[float, ...]] = []
        self._waiting = self._highly_sensitized = self._arrival_days = 0
        self._by_class = dict.fromkeys(BloodGroupClass, 0)

    def begin_day(self, day: int) -> None:
        """Count from 0 again."""
        self._day, self.today = day, Today()

    def arrive(self, entry: Entry) -> None:
        """Note a patient who begins to wait."""
        self._entries.append(entry)
        self.today.arrived += 1
        self._count(entry, 1)

    def end(self, entry: Entry) -> None:
        """Note that a patient does not wait any longer."""
        self._count(entry, -1)

    def sensitize(self, entry: Entry, cpra: float) -> None:
        """Note the new cPRA of a patient who waits."""
        self._count(entry, -1)
        entry.cpra = cpra
        self._count(entry, 1)

    def end_day(self, *, n_ndds: int, n_bridge_donors: int) -> None:
        """Add the day's row."""
        today = self.today
        waited = self._day * self._waiting - self._arrival_days
        self._rows.append(
            (
                self._day,
                today.arrived,
                today.left,
                today.planned,
                today.fell_through,
                today.failed,
                today.transplanted,
                self._waiting,
                *(self._by_class[group_class] for group_class in BloodGroupClass),
                self._highly_sensitized,
                n_ndds,
                n_bridge_donors,
                waited / self._waiting if self._waiting else 0.0,
            )
        )

    def record(self, scenario: Scenario, design: StudyDesign, condition: str, seed: int) -> RunRecord:
        """Return the run as its tables."""
        entries = self._entries
        table = {
            "pair": [e.id for e in entries],
            "profile": [e.arrival.profile.id for e in entries],
            "patient_blood_group": [str(e.arrival.patient) for e in entries],
            "donor_blood_group": [str(e.donor) for e in entries],
            "cpra": [e.cpra_at_arrival for e in entries],
            "arrived": [e.day for e in entries],
            "planned": [e.planned for e in entries],
            "times_planned": [e.times_planned for e in entries],
            "transplanted": [e.transplanted for e in entries],
            "left": [e.left for e in entries],
            "giver": [e.giver for e in entries],
            "rank": [e.rank for e in entries],
        }
        for attribute in design.attributes:
            table[f"patient.{attribute.name}"] = [e.arrival.profile[attribute.name] for e in entries]
        by_day = np.array(self._rows, dtype=np.float64)
        kinds = {name: np.float64 if name == "mean_days_waited" else np.intp for name in DAY_COLUMNS}
        return RunRecord(
            scenario=scenario.name,
            condition=condition,
            seed=seed,
            n_days=scenario.days,
            patients={
                name: np.array(column, dtype=PATIENT_COLUMNS.get(name, None if column else object))
                for name, column in table.items()
            },
            days={name: by_day[:, i].astype(kinds[name]) for i, name in enumerate(DAY_COLUMNS)},
        )

    def _count(self, entry: Entry, change: int) -> None:
        self._waiting += change
        self._arrival_days += change * entry.day
        self._by_class[entry.group_class] += change
        if entry.cpra >= HIGHLY_SENSITIZED_CPRA:
            self._highly_sensitized += change
