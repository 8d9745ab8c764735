"""The same model asked again, or two of its versions: what changed between runs of one study. Pure.

Read from the records of ``alignment.json``. Where both runs asked a comparison, they are compared there: what the
comparison itself makes of the answers drops out of the difference. Changes are only claimed after Holm's adjustment
over all headline measures, since a page of differences that are truly 0 would show some that are not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import stats

from llm_compare.alignment.choices import Array
from llm_compare.alignment.effects import holm
from llm_compare.alignment.resampling import LEVEL, Measured
from llm_compare.errors import BadAlignment
from llm_compare.report.run_settings import Differs, differences, warnings_between

Record = Mapping[str, Any]

_NO_VARIATION = 1e-12
_SIGNIFICANT = 0.05
_BY_COMPARISON = "paired by comparison"
_APART = "runs apart"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One measure in an earlier and a later run."""

    measure: str
    """In words."""
    is_share: bool
    """Whether it is read in percent and its change in points."""
    earlier: float | None
    later: float | None
    difference: Measured
    """Later less earlier. Paired: Student's t over comparisons. Apart: from the intervals of both runs, as if they
    had nothing in common; with the same people and comparisons behind both that is rather too wide."""
    how: str
    """``paired by comparison`` or ``runs apart``."""
    p: float | None
    """Of no difference."""
    adjusted_p: float | None
    """The same after Holm's adjustment over the measures beside it."""

    @property
    def is_shown(self) -> bool:
        """Whether a change may be claimed."""
        return self.adjusted_p is not None and self.adjusted_p < _SIGNIFICANT


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedComparison:
    """One comparison that both runs asked; shares for the first patient, the second, indecision."""

    first: str
    second: str
    earlier: tuple[float, float, float]
    later: tuple[float, float, float]
    people: tuple[float, float, float]
    """As in the later run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelChange:
    """One model in two runs."""

    earlier_run: str
    later_run: str
    earlier_label: str
    later_label: str
    warnings: tuple[str, ...]
    """What forbids to read differences as changes of the model."""
    n_common: int
    """Comparisons that both runs asked."""
    n_only_one: int
    """Comparisons that only one of them asked: left out of what is paired."""
    distance: Change
    """Squared distance between the runs' shares of choices, corrected for the noise of repeats: 0 on average where
    nothing changed. Answers of exchanged sides count as repeats, so that a preference for a side makes the
    correction too large and the distance too small: it never claims too much for that."""
    same_across: Measured
    """Chance that an answer of one run and one of the other to the same comparison are the same choice."""
    same_within: Measured
    """The same for two answers of one run, the mean of both: what repeats alone lose."""
    headline: tuple[Change, ...]
    effects: tuple[Change, ...]
    """Of every level on the model's choices; adjusted among themselves."""
    differs: tuple[Differs, ...]
    """What else is not the same in both runs."""
    comparisons: tuple[ChangedComparison, ...]
    """All in common, the most different first."""

    @property
    def changes(self) -> tuple[Change, ...]:
        """The distance and all headline measures: adjusted together."""
        return (self.distance, *self.headline)


@dataclass(frozen=True, slots=True, kw_only=True)
class OverTime:
    """Every model that several runs have, each later run beside the first."""

    runs: tuple[str, ...]
    models: tuple[ModelChange, ...]


def over_time(runs: Mapping[str, Record], *, pairs: Sequence[tuple[str, str]] = ()) -> OverTime:
    """Compare every later run with the first.

    Parameters
    ----------
    runs
        Name of the file -> its record; the first is the earliest.
    pairs
        Labels of a model in the first run and in a later one, where they differ; none for equal labels.

    Raises
    ------
    BadAlignment
        Fewer than two runs, no model that a later run shares with the first, or a pair that is not there.
    """
    if len(runs) < 2:
        raise BadAlignment("a comparison over time needs two alignment.json or more; name another run")
    (first_name, first), *others = runs.items()
    earlier = _models(first)
    found = []
    for name, record in others:
        later = _models(record)
        wanted = [(a, b) for a, b in pairs if b in later] or [(x, x) for x in earlier if x in later]
        for a, b in wanted:
            if a not in earlier:
                raise BadAlignment(
                    f"{first_name}: has no model {a}; it has {', '.join(earlier) or 'none with choices'}"
                )
            found.append(_model_change((first_name, first, earlier[a]), (name, record, later[b])))
        if not wanted:
            raise BadAlignment(
                f"{name}: has no model in common with {first_name} ({', '.join(later) or 'none'} there, "
                f"{', '.join(earlier) or 'none'} here); name which belong together with --pair EARLIER=LATER"
            )
    missing = [b for _, b in pairs if all(b not in _models(record) for _, record in others)]
    if missing:
        raise BadAlignment(
            f"no later run has a model {', '.join(missing)}; --pair takes labels as the report shows"
        )
    return OverTime(runs=tuple(runs), models=tuple(found))


def _models(record: Record) -> dict[str, Record]:
    measured = [model["measured"] for model in record["models"]]
    return {m["label"]: m for m in measured if m["alignment"] is not None}


_Run = tuple[str, Record, Record]
"""Name, record, and what was measured of the model."""


def _model_change(one: _Run, other: _Run) -> ModelChange:
    counts = [_counts(model) for _, _, model in (one, other)]
    common = [key for key in counts[0] if key in counts[1]]
    n_only_one = len(counts[0].keys() ^ counts[1].keys())
    earlier, later = (np.array([side[key][1] for key in common]).reshape(-1, 3) for side in counts)
    of_people = [np.array([side[key][0] for key in common]).reshape(-1, 3) for side in counts]
    distance, across, within = _between(earlier, later)
    changes = _adjusted([distance, *_paired(earlier, later, *of_people), *_unpaired(one[2], other[2])])
    shares = [_shares(x) for x in (earlier, later, of_people[1])]
    apart = np.abs(shares[0] - shares[1]).sum(axis=1)
    order = sorted(range(len(common)), key=lambda i: (-round(float(apart[i]), 9), common[i]))
    return ModelChange(
        earlier_run=one[0],
        later_run=other[0],
        earlier_label=one[2]["label"],
        later_label=other[2]["label"],
        warnings=warnings_between(
            one[1:],
            other[1:],
            same_people=bool(np.array_equal(of_people[0], of_people[1])),
            n_common=len(common),
        ),
        n_common=len(common),
        n_only_one=n_only_one,
        distance=changes[0],
        same_across=across,
        same_within=within,
        headline=tuple(changes[1:]),
        effects=tuple(_adjusted(_effects(one[2], other[2]))),
        differs=differences(one[1:], other[1:]),
        comparisons=tuple(
            ChangedComparison(
                first=common[i][0],
                second=common[i][1],
                earlier=_triple(shares[0][i]),
                later=_triple(shares[1][i]),
                people=_triple(shares[2][i]),
            )
            for i in order
        ),
    )


def _counts(model: Record) -> dict[tuple[str, str], tuple[list[float], list[float]]]:
    """Return people's and the model's counts by comparison; it is unordered, so its words are sorted."""
    found: dict[tuple[str, str], tuple[list[float], list[float]]] = {}
    for c in model["alignment"]["distance"]["comparisons"]:
        words = model["comparisons"][c["comparison"]]
        key, people, of_model = (words["first"], words["second"]), list(c["people"]), list(c["model"])
        if key[0] > key[1]:
            key = (key[1], key[0])
            people, of_model = ([x[1], x[0], x[2]] for x in (people, of_model))
        if sum(of_model) > 0:
            found[key] = (people, of_model)
    return found


def _shares(counts: Array) -> Array:
    size = counts.sum(axis=1, keepdims=True)
    return np.where(size > 0, counts / np.where(size > 0, size, 1), np.nan)


def _squares(counts: Array) -> Array:
    """Return the unbiased sum of squared shares; NaN with a single answer."""
    size = counts.sum(axis=1)
    pairs = size * (size - 1)
    sums = (counts * (counts - 1)).sum(axis=1)
    return np.where(size > 1, sums / np.where(pairs > 0, pairs, 1), np.nan)


def _between(earlier: Array, later: Array) -> tuple[Change, Measured, Measured]:
    a, b = _shares(earlier), _shares(later)
    across = (a * b).sum(axis=1)
    within = (_squares(earlier) + _squares(later)) / 2
    few = "no comparison was answered twice or more in both runs"
    distance = _mean(2 * (within - across), few)
    p = _p(distance)
    if p is not None and distance.value is not None and distance.value <= 0:
        p = 1.0  # Below 0 is nearer than repeats are to each other: no change.
    change = Change(
        measure="distance between the runs’ shares of choices (squared, corrected for chance)",
        is_share=False,
        earlier=None,
        later=None,
        difference=distance,
        how=_BY_COMPARISON,
        p=p,
        adjusted_p=None,
    )
    return change, _mean(across, few, bounds=(0.0, 1.0)), _mean(within, few, bounds=(0.0, 1.0))


def _paired(earlier: Array, later: Array, people_earlier: Array, people_later: Array) -> list[Change]:
    a, b, h, k = (_shares(x) for x in (earlier, later, people_earlier, people_later))
    few = "no comparison was answered twice or more by people and in both runs"
    nothing = "no comparison is in both runs"
    far = [
        _squares(people) + _squares(model) - 2 * (_shares(people) * _shares(model)).sum(axis=1)
        for people, model in ((people_earlier, earlier), (people_later, later))
    ]
    return [
        _paired_change("same answer as a random person", (a * h).sum(axis=1), (b * k).sum(axis=1), nothing),
        _paired_change("share of answers that are indecision", a[:, 2], b[:, 2], nothing),
        replace(
            _paired_change("squared distance from people", far[0], far[1], few, bounds=None),
            is_share=False,
        ),
    ]


def _paired_change(
    measure: str,
    earlier: Array,
    later: Array,
    undefined: str,
    *,
    bounds: tuple[float, float] | None = (-1.0, 1.0),
) -> Change:
    difference = later - earlier
    known = np.isfinite(difference)
    measured = _mean(difference, undefined, bounds=bounds)
    return Change(
        measure=measure,
        is_share=True,
        earlier=float(earlier[known].mean()) if known.any() else None,
        later=float(later[known].mean()) if known.any() else None,
        difference=measured,
        how=_BY_COMPARISON,
        p=_p(measured),
        adjusted_p=None,
    )


def _mean(values: Array, undefined: str, *, bounds: tuple[float, float] | None = None) -> Measured:
    """Return the mean over comparisons with Student's t; where none differs, see the rule of three."""
    found = values[np.isfinite(values)]
    n = len(found)
    if n == 0:
        return Measured(value=None, reason=undefined)
    value = float(found.mean())
    if n < 2:
        return Measured(value=value, n_comparisons=n, reason="too few comparisons for an interval")
    se = float(found.std(ddof=1)) / float(np.sqrt(n))
    if se < _NO_VARIATION:
        rare = min(1.0, 3 / n)
        low, high = bounds if bounds is not None else (value, value)
        low, high = value - rare * (value - low), value + rare * (high - value)
    else:
        half = float(stats.t.ppf((1 + LEVEL) / 2, n - 1)) * se
        low, high = value - half, value + half
    if bounds is not None:
        low, high = max(low, bounds[0]), min(high, bounds[1])
    return Measured(value=value, low=low, high=high, se=se, n_comparisons=n)


def _p(measured: Measured) -> float | None:
    """Return the p of a mean over comparisons."""
    if measured.value is None or measured.se is None:
        return None
    if measured.se < _NO_VARIATION:
        return _all_alike(measured.value, measured.n_comparisons)
    return float(2 * stats.t.sf(abs(measured.value) / measured.se, measured.n_comparisons - 1))


def _all_alike(value: float, n: int) -> float:
    """Return the p of a change that is the same in all of ``n``: signs drawn by chance agree in one of 2^(n-1).

    Student's t would call it certain, of two comparisons as of two hundred.
    """
    return 1.0 if abs(value) < _NO_VARIATION else float(2.0 ** (1 - n))


_UNPAIRED: tuple[tuple[str, Callable[[Record], Record]], ...] = (
    ("percentile among people", lambda a: dict(a["percentile"]["percentile"])),
    ("same answer with sides exchanged", lambda a: dict(a["consistency"]["model"]["sides_exchanged"])),
    ("share of decided answers for the left", lambda a: dict(a["position"]["model"]["left"])),
)


def _unpaired(one: Record, other: Record) -> list[Change]:
    return [_apart(words, take(one["alignment"]), take(other["alignment"])) for words, take in _UNPAIRED]


def _effects(one: Record, other: Record) -> list[Change]:
    def levels(model: Record) -> dict[str, tuple[str, Record]]:
        return {
            level["name"]: (f"{at['label']}: {level['contrast']}", level["model"])
            for at in model["alignment"]["effects"]["attributes"]
            for level in at["levels"]
        }

    earlier, later = levels(one), levels(other)
    return [_apart(earlier[name][0], earlier[name][1], later[name][1]) for name in earlier if name in later]


def _apart(measure: str, earlier: Record, later: Record) -> Change:
    difference, p = Measured(value=None, reason=earlier["reason"] or later["reason"]), None
    if earlier["value"] is not None and later["value"] is not None:
        value = later["value"] - earlier["value"]
        clusters = min(n for side in (earlier, later) for n in (side["n_people"], side["n_comparisons"]))
        n_people = min(earlier["n_people"], later["n_people"])
        n_comparisons = min(earlier["n_comparisons"], later["n_comparisons"])
        difference = Measured(
            value=value,
            n_people=n_people,
            n_comparisons=n_comparisons,
            reason="no standard error in one of the runs",
        )
        if earlier["se"] is not None and later["se"] is not None and clusters > 1:
            se = float(np.hypot(earlier["se"], later["se"]))
            low, high = _ends_apart(earlier, later, value)
            difference = replace(difference, low=low, high=high, se=se, reason="")
            if se > _NO_VARIATION:
                p = float(2 * stats.t.sf(abs(value) / se, clusters - 1))
            else:
                p = _all_alike(value, clusters)
    return Change(
        measure=measure,
        is_share=True,
        earlier=earlier["value"],
        later=later["value"],
        difference=difference,
        how=_APART,
        p=p,
        adjusted_p=None,
    )


def _ends_apart(earlier: Record, later: Record, value: float) -> tuple[float, float]:
    """Return an interval for the difference of two numbers from their own (Zou and Donner 2008, Stat. Med. 27).

    So it stays within what can be, and is not a point where neither run's answers vary: there the intervals of the
    runs come from the rule of three.
    """
    down = np.hypot(later["value"] - later["low"], earlier["high"] - earlier["value"])
    up = np.hypot(later["high"] - later["value"], earlier["value"] - earlier["low"])
    return float(value - down), float(value + up)


def _adjusted(changes: Sequence[Change]) -> list[Change]:
    """Return the changes with Holm's adjusted p."""
    adjusted = holm([c.p for c in changes])
    return [replace(c, adjusted_p=p) for c, p in zip(changes, adjusted, strict=True)]


def _triple(row: Array) -> tuple[float, float, float]:
    return float(row[0]), float(row[1]), float(row[2])
