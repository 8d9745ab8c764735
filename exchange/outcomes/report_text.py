"""What a report says in words: who gains and who loses under each condition, and by how much. Pure.

A sentence claims a difference only where the 95 % interval does not hold 0; where it does, the sentence says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite

from exchange.outcomes.groups import OWN_GROUPINGS, PROFILE
from exchange.outcomes.outcome import EVERYBODY, Measure, Outcome

YEAR_DAYS = 365.0
_MOST_NAMED = 8
"""Groups in one sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a condition does, against the baseline."""

    condition: str
    sentences: tuple[str, ...]


def findings(
    outcomes: Iterable[Outcome],
    conditions: Sequence[str],
    *,
    baseline: str,
    n_days: int,
    measure: Measure = Measure.TRANSPLANTED_SHARE,
    words: Mapping[str, str] | None = None,
) -> list[Finding]:
    """Return sentences about each condition but the baseline.

    Parameters
    ----------
    outcomes
        Of one scenario; used are the differences from the baseline about all patients and about profiles, or
        about the levels of attributes where there are too many profiles to name.
    n_days
        Length of a run: counts are told per year.
    measure
        The share that says who gains and who loses.
    words
        Of profiles, in place of their names.
    """
    differences = [o for o in outcomes if o.baseline == baseline]
    found = []
    for condition in conditions:
        own = [o for o in differences if o.condition == condition]
        sentences = (
            *_transplants(own, baseline, n_days),
            *_groups(_told_apart([o for o in own if o.measure is measure], words or {}), measure),
            *_wait(own),
            *_days_in_pool(own),
        )
        if condition != baseline and sentences:
            found.append(Finding(condition=condition, sentences=sentences))
    return found


def seen_words(outcomes: Iterable[Outcome], condition: str, n_runs: int, n_days: int) -> str:
    """Say how many runs there are, and what one of them is about, under one condition."""
    values = {
        o.measure: o
        for o in outcomes
        if (o.condition, o.baseline, o.grouping) == (condition, "", EVERYBODY) and isfinite(o.value)
    }
    runs = "One run" if n_runs == 1 else f"{n_runs:,} runs for each condition,"
    text = f"{runs} of {n_days:,} days ({n_days / YEAR_DAYS:.1f} years)"
    if Measure.SEEN in values:
        text += f"; about {values[Measure.SEEN].value:,.0f} patients arrive in a run"
    if Measure.TRANSPLANTED in values:
        text += f", of whom {values[Measure.TRANSPLANTED].value:,.0f} are transplanted under {condition}"
    return f"{text}."


def order_words(
    outcomes: Iterable[Outcome], kinds: Mapping[str, str], measure: Measure, words: Mapping[str, str]
) -> list[str]:
    """Say how far the shares of profiles are apart among conditions whose weights are of one kind.

    Parameters
    ----------
    kinds
        What each condition's weights are, by condition: same order, other order, equal.
    """
    own = [
        o
        for o in outcomes
        if (o.grouping, o.measure, o.baseline) == ("profile", measure, "")
        and o.condition in kinds
        and isfinite(o.value)
    ]
    said = []
    for kind in dict.fromkeys(kinds.values()):
        rows = [o for o in own if kinds[o.condition] == kind]
        n = len({o.condition for o in rows})
        if n < 2:
            continue
        spread = {g: _spread(o.value for o in rows if o.group == g) for g in {o.group for o in rows}}
        widest = max(sorted(spread), key=lambda group: spread[group])
        halves = sorted((o.high - o.low) / 2 for o in rows if isfinite(o.high - o.low))
        chance = f"; a mean is uncertain by about ±{100 * halves[len(halves) // 2]:.1f}" if halves else ""
        said.append(
            f"Among the {n} conditions of kind “{kind}” the mean share of a profile differs by at most "
            f"{100 * spread[widest]:.1f} points ({words.get(widest, widest)}){chance}."
        )
    spread = {g: _spread(o.value for o in own if o.group == g) for g in {o.group for o in own}}
    if said and len(set(kinds.values())) > 1:
        widest = max(sorted(spread), key=lambda group: spread[group])
        said.append(
            f"Over all {len({o.condition for o in own})} conditions it differs by up to "
            f"{100 * spread[widest]:.1f} points ({words.get(widest, widest)})."
        )
    return said


def _spread(values: Iterable[float]) -> float:
    known = list(values)
    return max(known) - min(known)


def _transplants(own: Sequence[Outcome], baseline: str, n_days: int) -> Iterator[str]:
    row = _all(own, Measure.TRANSPLANTED)
    if row is None:
        return
    per_year = YEAR_DAYS / n_days
    value, low, high = (per_year * x for x in (row.value, row.low, row.high))
    much = f"{number(abs(value))} {'more' if value > 0 else 'fewer'}"
    if not isfinite(low + high):
        yield (
            f"{much} transplants a year than under {baseline} in the only run; one run has no interval, so "
            "nothing is claimed."
        )
    elif low == high == 0:
        yield f"Exactly as many transplants as under {baseline} in every run."
    elif holds_zero(row):
        yield (
            f"No difference in transplants is shown: {signed(value)} a year against {baseline}, with a 95 % "
            f"interval of {signed(low)} to {signed(high)} that holds 0."
        )
    else:
        low, high = sorted((abs(low), abs(high)))
        yield (
            f"{much} transplants a year than under {baseline} (95 % interval {number(low)} to {number(high)})."
        )


def _told_apart(rows: Sequence[Outcome], words: Mapping[str, str]) -> list[Outcome]:
    """Return the rows about profiles, or about attributes' levels, under the names that people know."""
    profiles = [o for o in rows if o.grouping == PROFILE]
    if len(profiles) <= _MOST_NAMED:
        return [replace(o, group=words.get(o.group, o.group)) for o in profiles]
    others = [o for o in rows if o.grouping not in OWN_GROUPINGS]
    return [replace(o, group=f"{o.grouping} {o.group}") for o in others]


def _groups(rows: Sequence[Outcome], measure: Measure) -> Iterator[str]:
    known = [o for o in rows if isfinite(o.value)]
    sure = [o for o in known if isfinite(o.low + o.high) and not holds_zero(o)]
    what = {Measure.MATCHED_SHARE: "Matched", Measure.WITHIN_YEAR: "Transplanted within a year"}
    done = what.get(measure, "Transplanted")
    more = sorted((o for o in sure if o.value > 0), key=lambda o: -o.value)
    less = sorted((o for o in sure if o.value < 0), key=lambda o: o.value)
    open_ = [o for o in known if o not in sure and isfinite(o.low + o.high)]
    if more:
        yield f"{done} more often: {_listed(more)}."
    if less:
        yield f"{done} less often: {_listed(less)}."
    if open_:
        yield f"No difference is shown for {_and([o.group for o in open_])}: the {_intervals(len(open_))} 0."


def _intervals(n: int) -> str:
    return "interval holds" if n == 1 else "intervals hold"


def _listed(rows: Sequence[Outcome]) -> str:
    parts = [
        f"{o.group} ({signed(100 * o.value, 1)} points, {signed(100 * o.low, 1)} to "
        f"{signed(100 * o.high, 1)})"
        for o in rows[:_MOST_NAMED]
    ]
    if len(rows) > _MOST_NAMED:
        parts.append(f"{len(rows) - _MOST_NAMED} more in the table")
    return "; ".join(parts)


def _wait(own: Sequence[Outcome]) -> Iterator[str]:
    row = _all(own, Measure.MEAN_WAIT)
    if row is None or not isfinite(row.value + row.low + row.high):
        return
    if holds_zero(row):
        yield (
            f"No difference in waiting is shown: had nobody left, {signed(row.value)} of the first 365 days, "
            f"{signed(row.low)} to {signed(row.high)}."
        )
        return
    low, high = sorted((abs(row.low), abs(row.high)))
    yield (
        f"Of the first 365 days after arrival, patients wait {number(abs(row.value))} "
        f"{'more' if row.value > 0 else 'fewer'} on average ({number(low)} to {number(high)}), had nobody left; "
        "those who wait longer than a year are not in this number."
    )


def _days_in_pool(own: Sequence[Outcome]) -> Iterator[str]:
    """Say what everybody's waiting comes to, long waits included."""
    row = _all(own, Measure.DAYS_IN_POOL)
    if row is None or not isfinite(row.low + row.high) or holds_zero(row):
        return
    low, high = sorted((abs(row.low), abs(row.high)))
    yield (
        f"All days in the pool counted, until a transplant, leaving or the end, a patient spends "
        f"{number(abs(row.value))} {'more' if row.value > 0 else 'fewer'} on average "
        f"({number(low)} to {number(high)})."
    )


def _all(own: Sequence[Outcome], measure: Measure) -> Outcome | None:
    rows = (o for o in own if (o.grouping, o.measure) == (EVERYBODY, measure) and isfinite(o.value))
    return next(rows, None)


def holds_zero(outcome: Outcome) -> bool:
    """Return whether an interval holds 0, so that no difference may be claimed; also where there is no interval."""
    return not (outcome.low > 0 or outcome.high < 0)


def number(value: float, digits: int | None = None) -> str:
    """Return a number for a sentence: three digits that count, or so many behind the point; – for none."""
    if not isfinite(value):
        return "–"
    if digits is None:
        digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    text = f"{value:,.{digits}f}".replace("-", "−")
    return text.removeprefix("−") if not text.strip("−0.,") else text


def signed(value: float, digits: int | None = None) -> str:
    """Return :func:`number` with its sign, + included."""
    text = number(value, digits)
    return f"+{text}" if value > 0 and text.strip("0.,") else text


def _and(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
