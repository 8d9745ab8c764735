"""The tables of a report: numbers as text, a row for each group, a column for each condition. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, sqrt

from exchange.outcomes.budget import half_width_of, seed_budget
from exchange.outcomes.groups import BLOOD_GROUP_CLASS as CLASS
from exchange.outcomes.groups import PROFILE
from exchange.outcomes.marginal_effects import MarginalEffect
from exchange.outcomes.outcome import EVERYBODY, Measure, Outcome
from exchange.outcomes.outcome_plots import (
    MEASURE_WORDS,
    SHARES,
    effect_words,
    first_upper,
    grouping_words,
    shown_interval,
)
from exchange.outcomes.price import PriceOfPriority
from exchange.outcomes.published import PublishedTest
from exchange.outcomes.report_text import number, signed
from exchange.outcomes.run_curves import Curve

CROSS = " x "
"""Between the two names of a group of ``CROSSED``."""
_BUDGET_POINTS = (1.0, 0.5, 0.2)
"""Half-widths, in points, for which seeds are told."""
_SHOWN_DAYS = 12
"""Rows of a table about days."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataTable:
    """Numbers as text. The first column names the rows."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    is_words: bool = False
    """Whether the cells are words rather than numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What a report's sections are about."""

    conditions: Sequence[str]
    drawn: Sequence[str]
    """Those that pictures show."""
    baseline: str
    measure: Measure
    words: Mapping[str, str]
    order_kinds: Mapping[str, str]


def outcome_table(
    shown: Shown,
    outcomes: Iterable[Outcome],
    grouping: str,
    measure: Measure,
    *,
    baseline: str = "",
    only: Sequence[str] | None = None,
) -> DataTable:
    """Return a measure with a row for each group and a column for each condition."""
    conditions = [c for c in shown.conditions if c != baseline and (only is None or c in only)]
    own = [o for o in outcomes if (o.grouping, o.measure, o.baseline) == (grouping, measure, baseline)]
    cells = {(o.group, o.condition): outcome_words(o) for o in own}
    difference = f": difference from {baseline}" if baseline else ""
    unit = ", points" if baseline and measure in SHARES else ""
    name = MEASURE_WORDS[measure]
    by = grouping_words(grouping)
    return DataTable(
        caption=f"{first_upper(name)}{difference}{unit}, by {by}; means over runs, 95 % intervals",
        head=("All patients" if grouping == EVERYBODY else first_upper(by), *conditions),
        rows=tuple(
            (
                _group_words(shown, group),
                *(cells.get((group, condition), "–") for condition in conditions),
            )
            for group in dict.fromkeys(o.group for o in own)
        ),
    )


def waits_table(
    shown: Shown, outcomes: Sequence[Outcome], grouping: str, conditions: Sequence[str]
) -> DataTable:
    """Return waits, with a row for each condition or, under one condition, for each profile."""
    measures = (Measure.MEDIAN_WAIT, Measure.MEAN_WAIT, Measure.WITHIN_YEAR)
    own = [o for o in outcomes if o.grouping == grouping and not o.baseline and o.condition in conditions]
    cells = {(o.condition, o.group, o.measure): outcome_words(o) for o in own}
    rows = list(dict.fromkeys((o.condition, o.group) for o in own if o.measure in measures))
    is_all = grouping == EVERYBODY
    return DataTable(
        caption=f"Waiting by {grouping_words(grouping)}{'' if is_all else f', under {conditions[0]}'}; "
        "means over runs, 95 % intervals; – where not all runs have the number",
        head=(
            "Condition" if is_all else "Profile",
            "Median days",
            "Mean days within the first year",
            "Transplanted within a year",
        ),
        rows=tuple(
            (c if is_all else shown.words.get(g, g), *(cells.get((c, g, m), "–") for m in measures))
            for c, g in rows
        ),
    )


def gains_table(shown: Shown, prices: Sequence[PriceOfPriority]) -> DataTable:
    """Return the transplants that each profile gains or loses under each condition."""
    gains = {
        (g.group, p.condition): g.transplants_per_year
        for p in prices
        for g in p.gains
        if g.grouping == PROFILE
    }
    return DataTable(
        caption=f"Transplants gained per year against {shown.baseline}, by profile; 95 % intervals",
        head=("Profile", *(p.condition for p in prices)),
        rows=tuple(
            (
                shown.words.get(group, group),
                *(
                    interval_words(m.value, m.low, m.high, digits=1, plus=True) if m else "–"
                    for m in (gains.get((group, p.condition)) for p in prices)
                ),
            )
            for group in dict.fromkeys(group for group, _ in gains)
        ),
    )


def effects_table(shown: Shown, effects: Sequence[MarginalEffect], measure: Measure) -> DataTable:
    """Return marginal effects on one measure with a row for each level."""
    factor = 100.0 if measure in SHARES else 1.0
    cells = {
        (effect_words(e), e.condition): interval_words(
            factor * e.value, factor * e.low, factor * e.high, digits=1, plus=True
        )
        for e in effects
    }
    unit = "points" if measure in SHARES else "days"
    return DataTable(
        caption=f"Change of the {MEASURE_WORDS[measure]}, {unit}; 95 % intervals",
        head=("Level", *shown.conditions),
        rows=tuple(
            (level, *(cells.get((level, c), "–") for c in shown.conditions))
            for level in dict.fromkeys(map(effect_words, effects))
        ),
    )


def price_table(shown: Shown, prices: Sequence[PriceOfPriority]) -> DataTable:
    """Return the transplants that each condition gives up."""
    return DataTable(
        caption=f"Transplants given up against {shown.baseline}; 95 % intervals",
        head=("Condition", "Per year", "Per run", "% of the baseline’s"),
        rows=tuple(
            (
                p.condition,
                *(
                    interval_words(m.value, m.low, m.high, digits=2, plus=True)
                    for m in (p.given_up_per_year, p.given_up_per_run, p.given_up_percent)
                ),
            )
            for p in prices
        ),
    )


def equality_table(shown: Shown, outcomes: Sequence[Outcome]) -> DataTable:
    """Return the measures between groups with a row for each grouping and measure."""
    measures = (Measure.RANGE, Measure.RATIO, Measure.GINI)
    groupings = (PROFILE, CLASS, "cpra_band")
    own = [o for o in outcomes if o.measure in measures and o.grouping in groupings and not o.baseline]
    cells = {(o.grouping, o.measure, o.condition): outcome_words(o) for o in own}
    return DataTable(
        caption="Inequality of the chances of a transplant between groups; 95 % intervals",
        head=("Measure", *shown.conditions),
        rows=tuple(
            (
                f"{first_upper(MEASURE_WORDS[measure])}, by {grouping_words(grouping)}",
                *(cells.get((grouping, measure, c), "–") for c in shown.conditions),
            )
            for grouping in dict.fromkeys(o.grouping for o in own)
            for measure in measures
            if any((grouping, measure, c) in cells for c in shown.conditions)
        ),
    )


def seeds_table(shown: Shown, outcomes: Sequence[Outcome]) -> DataTable:
    """Return how many seeds differences in the share transplanted need: of everybody, and of the profile whose
    difference varies most."""
    rows = []
    for condition in shown.conditions:
        own = [
            o
            for o in outcomes
            if (o.condition, o.baseline, o.measure) == (condition, shown.baseline, Measure.TRANSPLANTED_SHARE)
            and o.n_runs > 1
            and isfinite(o.sd)
        ]
        of_all = [o for o in own if o.grouping == EVERYBODY]
        of_profiles = sorted((o for o in own if o.grouping == PROFILE), key=lambda o: o.sd)
        for outcome in (*of_all, *of_profiles[-1:]):
            whom = (
                "everybody"
                if outcome.grouping == EVERYBODY
                else shown.words.get(outcome.group, outcome.group)
            )
            budgets = [seed_budget(outcome, points / 100) for points in _BUDGET_POINTS]
            rows.append(
                (
                    f"{condition}, {whom}",
                    f"±{number(100 * half_width_of(outcome.sd, outcome.n_runs), 2)}",
                    *(f"{b.n_seeds:,} ({b.n_seeds_cautious:,})" for b in budgets),
                )
            )
    return DataTable(
        caption=f"Seeds for a 95 % interval of the difference from {shown.baseline} in the share transplanted",
        head=("Difference", "Points now", *(f"for ±{points:g} points" for points in _BUDGET_POINTS)),
        rows=tuple(rows),
    )


def days_table(sizes: Sequence[Curve]) -> DataTable:
    """Return the pool's size under each condition on some days, evenly spread."""
    last = min(len(curve.x) for curve in sizes) - 1
    days = sorted({round(i * last / (_SHOWN_DAYS - 1)) for i in range(_SHOWN_DAYS)})
    return DataTable(
        caption="Pairs waiting at the end of some days; 95 % intervals",
        head=("Day", *(curve.label for curve in sizes)),
        rows=tuple(
            (
                f"{int(sizes[0].x[day]):,}",
                *(
                    interval_words(float(c.y[day]), float(c.low[day]), float(c.high[day]), digits=0)
                    for c in sizes
                ),
            )
            for day in days
        ),
    )


def ranks_table(ranks: Sequence[Curve]) -> DataTable:
    """Return the share of matches at each rank with a column for each condition."""
    n = max(len(curve.x) for curve in ranks)
    return DataTable(
        caption="Share of matches at each rank of the recipient in the giver’s own order",
        head=("Rank", *(curve.label for curve in ranks)),
        rows=tuple(
            (
                str(rank + 1),
                *(f"{number(100 * float(c.y[rank]), 1)} %" if rank < len(c.y) else "–" for c in ranks),
            )
            for rank in range(n)
        ),
    )


def published_table(shown: Shown, tests: Sequence[PublishedTest]) -> DataTable:
    """Return published means beside ours."""
    rows = []
    for agreement in (a for test in tests for a in test.agreements):
        ours, published = agreement.ours, agreement.published
        is_share = published.measure in SHARES
        factor, digits = (100.0, 2) if is_share else (1.0, 3)
        group = "" if published.grouping == EVERYBODY else f", {_group_words(shown, published.group)}"
        rows.append(
            (
                f"{published.condition}: {MEASURE_WORDS[published.measure]}{group}{', %' * is_share}",
                f"{number(factor * ours.value, digits)} ± {number(factor * ours.sd / sqrt(ours.n_runs), 3)}",
                f"{number(factor * published.mean, digits)} ± "
                f"{number(factor * published.sd / sqrt(published.n_runs), 3)}",
                signed(agreement.z, 2),
                p_words(agreement.p),
            )
        )
    return DataTable(
        caption="Ours and published: mean ± standard error over runs",
        head=("Number", "Ours", "Published", "z", "p"),
        rows=tuple(rows),
    )


def _group_words(shown: Shown, group: str) -> str:
    return ": ".join(shown.words.get(part, part) for part in group.split(CROSS, 1))


def outcome_words(o: Outcome) -> str:
    """Return a number with its interval, in the unit in which its measure is read."""
    if o.measure in SHARES and not o.baseline:
        low, high = shown_interval(o)
        return interval_words(100 * o.value, 100 * low, 100 * high, digits=1, unit=" %")
    if o.measure in SHARES:
        return interval_words(100 * o.value, 100 * o.low, 100 * o.high, digits=1, plus=True)
    digits = 3 if abs(o.value) < 10 else 1
    return interval_words(o.value, o.low, o.high, digits=digits, plus=bool(o.baseline))


def interval_words(
    value: float, low: float, high: float, *, digits: int, unit: str = "", plus: bool = False
) -> str:
    """Return a number with its interval; – for none."""
    if not isfinite(value):
        return "–"
    written = signed if plus else number
    between = f" ({written(low, digits)} to {written(high, digits)})" if isfinite(low + high) else ""
    return f"{written(value, digits)}{unit}{between}"


def p_words(p: float) -> str:
    """Return a p value."""
    return "–" if p != p else "below 0.001" if p < 0.001 else f"{p:.3f}"
