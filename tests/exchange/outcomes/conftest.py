"""Records of runs that were never simulated: by hand, and at random."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from exchange.simulation.record import DAY_COLUMNS, NEVER, RunRecord

MakeRecord = Callable[..., RunRecord]


@pytest.fixture(scope="session")
def make_record() -> MakeRecord:
    """Return a function: columns of patients, those left out filled in; by default all arrived on day 0."""

    def make(
        *,
        condition: str = "equal",
        seed: int = 1,
        scenario: str = "s",
        n_days: int = 1000,
        attributes: dict[str, Sequence[Any]] | None = None,
        **columns: Sequence[Any],
    ) -> RunRecord:
        n = len(next(iter(columns.values()))) if columns else 0
        filled: dict[str, Sequence[Any]] = {
            "pair": [f"P{i}" for i in range(n)],
            "profile": ["p"] * n,
            "patient_blood_group": ["O"] * n,
            "donor_blood_group": ["A"] * n,
            "cpra": [0.05] * n,
            "arrived": [0] * n,
            "planned": columns.get("transplanted", [NEVER] * n),
            "times_planned": [int(day != NEVER) for day in columns.get("transplanted", [NEVER] * n)],
            "transplanted": [NEVER] * n,
            "left": [NEVER] * n,
            "giver": [""] * n,
            "rank": [0] * n,
        }
        filled.update(columns)
        filled.update({f"patient.{name}": values for name, values in (attributes or {}).items()})
        texts = {"pair", "profile", "patient_blood_group", "donor_blood_group", "giver"}
        patients = {
            name: np.array(values, dtype=str if name in texts else None) if len(values) else np.array([], int)
            for name, values in filled.items()
        }
        return RunRecord(
            scenario=scenario,
            condition=condition,
            seed=seed,
            n_days=n_days,
            patients=patients,
            days={name: np.zeros(0, dtype=np.intp) for name in DAY_COLUMNS},
        )

    return make


@pytest.fixture(scope="session")
def random_record(make_record: MakeRecord) -> MakeRecord:
    """Return a function: a run in which chances depend on age and drinking, and drinking on age.

    The same seed brings the same people under every condition; ``boost`` raises the chance of the young.
    """

    def draw(
        seed: int, *, condition: str = "equal", boost: float = 0.0, n: int = 200, n_days: int = 1000
    ) -> RunRecord:
        rng = np.random.default_rng((7, seed))
        young = rng.random(n) < 0.3
        rare = rng.random(n) < np.where(young, 0.8, 0.5)
        arrived = np.sort(rng.integers(0, n_days, n))
        chance = 0.4 + 0.1 * rare + (0.1 + boost) * young
        done = rng.random(n) < chance
        wait = rng.integers(0, 400, n)
        leaves = ~done & (rng.random(n) < 0.5)
        day = arrived + wait
        inside = day < n_days
        ages, drinks = np.where(young, "young", "old"), np.where(rare, "rare", "frequent")
        return make_record(
            condition=condition,
            seed=seed,
            n_days=n_days,
            arrived=arrived.tolist(),
            transplanted=np.where(done & inside, day, NEVER).tolist(),
            left=np.where(leaves & inside, day, NEVER).tolist(),
            profile=[f"{a[0]}{b[0]}".upper() for a, b in zip(ages, drinks, strict=True)],
            patient_blood_group=rng.choice(["O", "A", "B", "AB"], n).tolist(),
            donor_blood_group=rng.choice(["O", "A", "B", "AB"], n).tolist(),
            cpra=rng.choice([0.05, 0.45, 0.9, 0.97], n).tolist(),
            rank=np.where(done & inside, rng.integers(1, 9, n), 0).tolist(),
            attributes={"age": ages, "drinking": drinks},
        )

    return draw
