"""Adapters of one group of people, measured on the answers of each group. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from llm_compare.tuning.evaluation.curve import Values, shown
from llm_compare.tuning.evaluation.held_out_people import HeldOutPeople
from llm_compare.tuning.evaluation.measures import MEASURES, Scored
from llm_compare.tuning.evaluation.over_draws import Over, over_draws
from llm_compare.tuning.evaluation.share_table import ShareTable

NOBODY, EVERYBODY = "nobody", "all"
"""Stand for the untuned base, and for adapters of everybody's answers."""
SEPARATE, PERSONA = "separate", "persona"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TunedOn:
    """Models trained on the answers of one group, a table per draw."""

    trained_on: str
    asked_as: str
    """``separate``: asked as everybody is; ``persona``: asked to answer as one of the group that is tested."""
    size: int
    tables: Sequence[ShareTable]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GroupRow:
    """One entry of the matrix."""

    test: str
    trained_on: str
    tested_on: str
    asked_as: str
    size: int
    n_draws: int
    n_comparisons: int
    values: Values

    def as_dict(self) -> dict[str, object]:
        """Return the row as plain values for JSON."""
        return {
            "test": self.test,
            "trained_on": self.trained_on,
            "tested_on": self.tested_on,
            "as": self.asked_as,
            "size": self.size,
            "n_draws": self.n_draws,
            "n_comparisons": self.n_comparisons,
            "interval": (Over.DRAWS if self.n_draws > 1 else Over.NOTHING).value,
            "values": {key.value: shown(found) for key, found in self.values.items()},
        }


def group_rows(test: HeldOutPeople, tested_on: str, models: Sequence[TunedOn]) -> tuple[GroupRow, ...]:
    """Measure models on the answers of one group's people; means over draws."""
    rows = []
    for tuned in models:
        scored = Scored.of([t.of(test.comparisons) for t in tuned.tables], offered=test.offered)
        values = scored.measures(test.cells.once, np.ones(len(test.comparisons)))
        found = {
            m.key: over_draws(values[:, k].tolist(), bounds=m.bounds, undefined=m.undefined)
            for k, m in enumerate(MEASURES)
        }
        rows.append(
            GroupRow(
                test=test.name,
                trained_on=tuned.trained_on,
                tested_on=tested_on,
                asked_as=tuned.asked_as,
                size=tuned.size,
                n_draws=len(tuned.tables),
                n_comparisons=min(scored.n_comparisons(test.cells.once)),
                values=found,
            )
        )
    return tuple(rows)
