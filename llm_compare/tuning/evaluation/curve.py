"""The learning curve: every measure before tuning and after, by the number of answers tuned on. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from llm_compare.alignment.choices import Array
from llm_compare.alignment.resampling import Measured, Resampling, Weighted, measured_each
from llm_compare.tuning.evaluation.held_out_people import HeldOutPeople
from llm_compare.tuning.evaluation.measures import MEASURES, N_MEASURES, Key, Scored
from llm_compare.tuning.evaluation.over_draws import Over, over_draws, with_draws
from llm_compare.tuning.evaluation.share_table import ShareTable

Values = Mapping[Key, Measured]


class Curve(StrEnum):
    """Who is measured."""

    TUNED = "tuned"
    """The language model: untuned at size 0."""
    WEIGHTS = "weights"
    """Attribute weights fitted to the very same answers."""
    CONSTANT = "constant"
    """People's rate of indecision among the same answers, the rest in halves."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Learned:
    """What was learned from one training set: an adapter, and plain models of the same answers."""

    group: str
    size: int
    draw: int
    tables: Mapping[Curve, ShareTable]
    """Those that could be made."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CurveRow:
    """One point of a curve."""

    test: str
    group: str
    respondent: Curve
    size: int
    n_draws: int
    n_comparisons: int
    over: Over
    values: Values
    by_draw: Mapping[Key, tuple[float | None, ...]]

    def as_dict(self) -> dict[str, object]:
        """Return the row as plain values for JSON."""
        return {
            "test": self.test,
            "group": self.group,
            "respondent": self.respondent.value,
            "size": self.size,
            "n_draws": self.n_draws,
            "n_comparisons": self.n_comparisons,
            "interval": self.over.value,
            "values": {
                key.value: shown(found) | {"by_draw": list(self.by_draw[key])}
                for key, found in self.values.items()
            },
        }


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DifferenceRow:
    """How much a tuned model differs from the base, from the plain model of the same answers, or from the model
    tuned on the fewest. Where both have draws, only draws that both have are compared, each with its own."""

    test: str
    group: str
    size: int
    minus: str
    """``base``, ``weights`` or ``smallest``."""
    values: Values

    def as_dict(self) -> dict[str, object]:
        """Return the row as plain values for JSON."""
        return {
            "test": self.test,
            "group": self.group,
            "size": self.size,
            "minus": self.minus,
            "values": {key.value: shown(found) for key, found in self.values.items()},
        }


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LearningCurve:
    """All points on one part of what was held out, and what differs."""

    rows: tuple[CurveRow, ...]
    differences: tuple[DifferenceRow, ...]


def learning_curve(
    test: HeldOutPeople,
    base: ShareTable,
    learned: Iterable[Learned],
    resampling: Resampling,
    *,
    group: str = "",
) -> LearningCurve:
    """Measure the base and everything learned on people's held-out answers.

    The base is one model: its interval is over people and comparisons. Points of a curve are means over training
    draws with an interval over these. Differences carry both.
    """
    sizes: dict[int, list[Learned]] = {}
    for one in sorted(learned, key=lambda x: (x.size, x.draw)):
        sizes.setdefault(one.size, []).append(one)
    tables: list[ShareTable] = [base.of(test.comparisons)]
    place: dict[tuple[Curve, int], dict[int, int]] = {}
    for size, several in sizes.items():
        for one in several:
            for curve, table in one.tables.items():
                place.setdefault((curve, size), {})[one.draw] = len(tables)
                tables.append(table.of(test.comparisons))
    scored = Scored.of(tables, offered=test.offered)
    compared = _compared(place)

    def statistic(w: Weighted) -> Sequence[float]:
        values = scored.measures(test.cells.tally(w.person[test.cells.respondent]), w.comparison)
        found = [values[0]]
        found += [values[mine].mean(axis=0) - values[other].mean(axis=0) for _, _, mine, other in compared]
        return [float(x) for x in np.concatenate(found)]

    bounds = [m.bounds for m in MEASURES]
    undefined = [m.undefined for m in MEASURES]
    resampled = measured_each(
        statistic,
        test.pairing,
        resampling,
        bounds=[*bounds, *([None] * N_MEASURES * len(compared))],
        undefined=undefined * (1 + len(compared)),
    )
    once = scored.measures(test.cells.once, np.ones(len(test.comparisons)))
    n_comparisons = scored.n_comparisons(test.cells.once)
    rows = [
        CurveRow(
            test=test.name,
            group=group,
            respondent=Curve.TUNED,
            size=0,
            n_draws=1,
            n_comparisons=n_comparisons[0],
            over=Over.PEOPLE,
            values=_keyed(resampled[:N_MEASURES]),
            by_draw=_by_draw(once[[0]]),
        )
    ]
    for (curve, size), by_draw in place.items():
        at = list(by_draw.values())
        rows.append(
            CurveRow(
                test=test.name,
                group=group,
                respondent=curve,
                size=size,
                n_draws=len(at),
                n_comparisons=min(n_comparisons[i] for i in at),
                over=Over.DRAWS if len(at) > 1 else Over.NOTHING,
                values={
                    m.key: over_draws(once[at, k].tolist(), bounds=m.bounds, undefined=m.undefined)
                    for k, m in enumerate(MEASURES)
                },
                by_draw=_by_draw(once[at]),
            )
        )
    clusters = min(test.pairing.people.n_respondents, len(test.comparisons))
    differences = [
        DifferenceRow(
            test=test.name,
            group=group,
            size=size,
            minus=minus,
            values=_keyed(
                [
                    with_draws(
                        resampled[(1 + number) * N_MEASURES + k],
                        (once[mine, k] - once[other, k]).tolist(),
                        n_clusters=clusters,
                    )
                    for k in range(N_MEASURES)
                ]
            ),
        )
        for number, (size, minus, mine, other) in enumerate(compared)
    ]
    return LearningCurve(rows=tuple(rows), differences=tuple(differences))


def shown(found: Measured) -> dict[str, object]:
    """Return a number with its interval as plain values for JSON."""
    return {"value": found.value, "low": found.low, "high": found.high, "reason": found.reason}


def _keyed(found: Sequence[Measured]) -> dict[Key, Measured]:
    return {m.key: value for m, value in zip(MEASURES, found, strict=True)}


def _by_draw(values: Array) -> dict[Key, tuple[float | None, ...]]:
    return {
        m.key: tuple(float(v) if math.isfinite(v) else None for v in values[:, k])
        for k, m in enumerate(MEASURES)
    }


def _compared(
    place: Mapping[tuple[Curve, int], Mapping[int, int]],
) -> list[tuple[int, str, list[int], list[int]]]:
    """Return size, what is subtracted, and the places of both, draw by draw; the base is at the first."""
    tuned = {size: at for (curve, size), at in place.items() if curve is Curve.TUNED}
    found = []
    for size, mine in tuned.items():
        found.append((size, "base", list(mine.values()), [0] * len(mine)))
        others = {"weights": place.get((Curve.WEIGHTS, size), {})}
        if size > min(tuned):
            others["smallest"] = tuned[min(tuned)]
        for minus, other in others.items():
            if both := [draw for draw in mine if draw in other]:
                found.append((size, minus, [mine[d] for d in both], [other[d] for d in both]))
    return found
