"""Two models on the same answers of people: both, and what differs, resampled together. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from llm_compare.alignment.choices import Array
from llm_compare.alignment.resampling import Resampling, Weighted, measured_each
from llm_compare.tuning.evaluation.curve import Values, shown
from llm_compare.tuning.evaluation.held_out_people import HeldOutPeople
from llm_compare.tuning.evaluation.measures import MEASURES, N_MEASURES, Key, Scored
from llm_compare.tuning.evaluation.share_table import ShareTable


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BeforeAfter:
    """Every measure before tuning and after, and its change; intervals over people and comparisons."""

    before: Values
    after: Values
    difference: Values

    def as_dict(self) -> dict[str, object]:
        """Return it as plain values for JSON."""
        return {
            name: {key.value: shown(found) for key, found in values.items()}
            for name, values in (
                ("before", self.before),
                ("after", self.after),
                ("difference", self.difference),
            )
        }

    def toward_people(self) -> str:
        """Say in a sentence whether the answers came nearer to people's, by the log score of their answers."""
        was, now, change = (values[Key.LOG_SCORE] for values in (self.before, self.after, self.difference))
        if was.value is None or now.value is None or change.value is None:
            return "It cannot be told whether the answers came nearer to people's: no reply could be read."
        numbers = f"log score of people's answers {was.value:.2f} bits before, {now.value:.2f} after"
        if change.low is None or change.high is None or change.low <= 0 <= change.high:
            return f"It cannot be told whether the answers came nearer to people's ({numbers})."
        return (
            f"The answers came nearer to people's ({numbers})."
            if change.value > 0
            else f"The answers went away from people's ({numbers})."
        )


def before_and_after(
    test: HeldOutPeople, before: ShareTable, after: ShareTable, resampling: Resampling
) -> BeforeAfter:
    """Measure both on people's answers, and their difference in the same draws."""
    scored = Scored.of([t.of(test.comparisons) for t in (before, after)], offered=test.offered)

    def statistic(w: Weighted) -> Sequence[float]:
        values = scored.measures(test.cells.tally(w.person[test.cells.respondent]), w.comparison)
        return [float(x) for x in np.concatenate([values[0], values[1], values[1] - values[0]])]

    bounds = [m.bounds for m in MEASURES]
    found = measured_each(
        statistic,
        test.pairing,
        resampling,
        bounds=[*bounds, *bounds, *([None] * N_MEASURES)],
        undefined=[m.undefined for m in MEASURES] * 3,
    )
    before_values, after_values, difference = (
        {m.key: value for m, value in zip(MEASURES, found[k : k + N_MEASURES], strict=True)}
        for k in (0, N_MEASURES, 2 * N_MEASURES)
    )
    return BeforeAfter(before=before_values, after=after_values, difference=difference)


def answers_alike(one: ShareTable, other: ShareTable) -> Array:
    """Return the chance that an answer of each names the same patient or both are indecision, by comparison.

    Sides as they stand, mean over both; NaN where one of them could not be read.
    """
    theirs = other.of(one.comparisons)
    return np.asarray((one.by_side * theirs.by_side).sum(axis=2).mean(axis=1))
