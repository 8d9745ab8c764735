"""What one simulated run leaves behind: a row for everybody who ever waited, and a row for every day. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Table: TypeAlias = Mapping[str, NDArray[Any]]
"""Columns of one length, by name."""

NEVER = -1
"""In a column of days: it did not happen before the end."""

PATIENT_COLUMNS: Mapping[str, type] = {
    "pair": str,
    "profile": str,
    "patient_blood_group": str,
    "donor_blood_group": str,
    "cpra": float,
    "arrived": int,
    "planned": int,
    "times_planned": int,
    "transplanted": int,
    "left": int,
    "giver": str,
    "rank": int,
}
"""Columns of the table of patients, and what is in them; one more, ``patient.<attribute>``, for each attribute.

pair: id; whoever comes back after a lost graft has another row, with the id ``<id>-2``. profile: its id. cpra: at
arrival. arrived, planned (for the first time), transplanted, left (without a transplant): days, :data:`NEVER` where
it did not happen. times_planned: more than 1 where plans fell through. giver: id of the pair or donor who gave or
will give; empty for none. rank: place of the patient's profile in the giver's own order of the study's profiles, 1
for the best; 0 where there is no giver, or no order.
"""

DAY_COLUMNS: tuple[str, ...] = (
    "day",
    "arrived",
    "left",
    "planned",
    "fell_through",
    "failed",
    "transplanted",
    "waiting",
    "waiting_over_demanded",
    "waiting_under_demanded",
    "waiting_self_demanded",
    "waiting_reciprocal",
    "waiting_highly_sensitized",
    "ndds",
    "bridge_donors",
    "mean_days_waited",
)
"""Columns of the table of days. arrived, left, planned (patients), fell_through (planned patients who did not
receive because somebody left or a transplant failed), failed (transplants), transplanted: on this day. waiting...:
pairs at the end of the day, in plans or not; highly sensitized: cPRA of 0.8 or more. ndds, bridge_donors: donors
waiting. mean_days_waited: of the pairs waiting; 0 for none."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RunRecord:
    """One run: a scenario under a condition with a seed."""

    scenario: str
    condition: str
    seed: int
    n_days: int
    patients: Table
    """Columns :data:`PATIENT_COLUMNS`; in the order of arrival."""
    days: Table
    """Columns :data:`DAY_COLUMNS`."""

    @property
    def n_patients(self) -> int:
        """Rows of ``patients``."""
        return len(self.patients["pair"])

    @property
    def waits(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """For each patient, the days waited until the transplant, the leaving or the last day; and which of these
        it was: 1 transplant, 2 left, 0 still waiting after the last day."""
        p = self.patients
        event = np.where(p["transplanted"] != NEVER, 1, np.where(p["left"] != NEVER, 2, 0))
        until = np.select([event == 1, event == 2], [p["transplanted"], p["left"]], self.n_days - 1)
        return (until - p["arrived"]).astype(np.intp), event.astype(np.intp)
