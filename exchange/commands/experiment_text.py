"""What an experiment found, in lines of text."""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite, isnan

from exchange.experiment.plan import ExperimentPlan
from exchange.experiment.results import PublishedCheck, Results
from exchange.outcomes.outcome import EVERYBODY, Measure, Outcome
from exchange.outcomes.outcome_plots import shown_interval

_COLUMNS = (
    (Measure.TRANSPLANTED_SHARE, "transplanted, %", 100.0, 1),
    (Measure.TRANSPLANTED, "transplants per run", 1.0, 0),
    (Measure.MEAN_WAIT, "days of first year", 1.0, 1),
    (Measure.AVERAGE_RANK, "average rank", 1.0, 3),
)
_GAP = "   "
_LEAST_P = 1e-4


def result_lines(plan: ExperimentPlan, results: Results) -> Iterator[str]:
    """Yield the results of an experiment for the terminal."""
    seeds = (
        f"{len(plan.seeds)} seeds, {plan.seeds[0]} to {plan.seeds[-1]}" if len(plan.seeds) > 1 else "1 seed"
    )
    yield f"{plan.name}: {plan.title}"
    yield f"{seeds}; 95 % intervals over seeds; differences are from {plan.baseline}, seed by seed"
    for scenario in results.summaries.scenarios:
        own = [o for o in results.outcomes if o.scenario == scenario and o.grouping == EVERYBODY]
        yield ""
        yield f"scenario {scenario}"
        yield from _table([o for o in own if not o.baseline])
        differences = [o for o in own if o.baseline]
        if differences:
            yield ""
            yield from _table(differences, minus=plan.baseline)
        for check in results.checks:
            if check.scenario == scenario:
                yield _check_line(check)


def _table(outcomes: list[Outcome], *, minus: str = "") -> Iterator[str]:
    """Yield a row for each condition; measures that none has are left out."""
    values = {(o.condition, o.measure): o for o in outcomes}
    names = list(dict.fromkeys(o.condition for o in outcomes))
    columns = [
        column
        for column in _COLUMNS
        if any(isfinite(values[name, column[0]].value) for name in names if (name, column[0]) in values)
    ]
    rows = [[f"minus {minus}" if minus else "", *(title for _, title, _, _ in columns)]]
    for name in names:
        cells = [
            _cell(values.get((name, measure)), scale, digits, is_difference=bool(minus))
            for measure, _, scale, digits in columns
        ]
        rows.append([name, *cells])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        yield _GAP.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _cell(outcome: Outcome | None, scale: float, digits: int, *, is_difference: bool) -> str:
    if outcome is None or isnan(outcome.value):
        return ""
    # A difference is smaller than what it is of.
    digits += is_difference

    def said(value: float) -> str:
        sign = "+" if is_difference else ""
        return f"{scale * value:{sign},.{digits}f}"

    if isnan(outcome.low):
        return said(outcome.value)
    low, high = shown_interval(outcome)
    return f"{said(outcome.value)} ({said(low)} to {said(high)})"


def _check_line(check: PublishedCheck) -> str:
    test = check.test
    p = f"p {test.p:.4f}" if test.p >= _LEAST_P else f"p < {_LEAST_P}"
    if len(test.agreements) == 1:
        one = test.agreements[0]
        return (
            f"published, {check.condition}: {one.published.measure} {one.published.mean:g}, here "
            f"{one.ours.value:.6g}; z {one.z:+.2f}, p {one.p:.4f}"
        )
    what = f"{test.df} numbers by {check.grouping.replace('_', ' ')}"
    return f"published, {check.condition}: {what}, chi-square {test.chi_square:.1f}, {p}"
