"""All respondents at one glance: a line each, a star only where a difference is shown. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from exchange.outcomes.report_text import signed
from llm_compare.allocation.report.shown import (
    NONE,
    PAPERS_MODEL,
    PERMUTATION,
    Shown,
    beside_chance,
    is_sure,
    measure_of,
    starred,
    test_of,
    undecided_share,
)
from llm_compare.report.blocks import Table
from llm_compare.report.number_words import Record, percent

_STRATEGIES = ("out-of-box", "zero-shot", "few-shot")
_WOMEN = ("gender", "Female")
_PARTS = (("choices", "selected share"), ("rankings", "first-rank share"))


def overview(shown: Shown) -> Table:
    """Return a line for each respondent; columns that nobody fills are left out."""
    columns: tuple[tuple[str, Callable[[Record], str]], ...] = (
        ("Viability right", _viability),
        ("Women less pool", _women),
        ("Furthest from its pool", lambda r: _furthest((m for _, m in _shares(r)), in_points=True)),
        ("rND less chance, furthest", lambda r: _furthest(_of_rankings(r, "rND"))),
        ("Exposure difference, furthest", lambda r: _furthest(_of_rankings(r, "exposure"))),
        ("The same one first", _same_first),
        ("Undecided", _undecided),
        ("False alarms of the paper’s model", _false_alarms),
    )
    lines = [(r["name"], [cell(r) for _, cell in columns]) for r in shown.respondents]
    filled = [i for i in range(len(columns)) if any(cells[i] != NONE for _, cells in lines)]
    return Table(
        caption=(
            f"At a glance. Viability: right answers {', '.join(_STRATEGIES)}. Shares in percentage points, of "
            "choices, or of first ranks of who only ranked; rND less its chance level; exposure less the "
            "largest group’s. Furthest: the group with the smallest p. * p below .05, permutation test after "
            "Holm’s correction over all tests of the respondent; without a star no difference is shown. False "
            "alarms: studies in which groups mean nothing and the paper’s mixed model finds rND different"
        ),
        head=("Respondent", *(columns[i][0] for i in filled)),
        rows=tuple((name, *(cells[i] for i in filled)) for name, cells in lines),
    )


def _viability(respondent: Record) -> str:
    right = {
        s["strategy"]: score["by_pair"]["value"]
        for s in respondent["viability"]
        for score in s["scores"]["answered"]["scores"]
        if score["metric"] == "accuracy"
    }
    return ", ".join(percent(right[s]) if s in right else NONE for s in _STRATEGIES) if right else NONE


def _shares(respondent: Record) -> Iterator[tuple[str, Record]]:
    """Yield each grouping and its outcome in shares: of choices, or of first ranks if nothing was chosen."""
    part, name = next(((part, name) for part, name in _PARTS if respondent[part]), ("", ""))
    for tests in respondent[part]["tests"] if part else ():
        if measure := measure_of(tests, name):
            yield tests["grouping"], measure


def _women(respondent: Record) -> str:
    for grouping, measure in _shares(respondent):
        for group in measure["groups"]:
            if (grouping, group["group"]) == _WOMEN and None not in (group["value"], group["chance"]):
                # Women may be the reference; of two groups one test is that of the other, too.
                own = [group] if test_of(group, PERMUTATION) else measure["groups"]
                tests = [t for g in own if (t := test_of(g, PERMUTATION))]
                return starred(
                    _points(group["value"] - group["chance"]), any(is_sure(t["effect"]) for t in tests)
                )
    return NONE


def _of_rankings(respondent: Record, name: str) -> Iterator[Record]:
    for tests in respondent["rankings"]["tests"] if respondent["rankings"] else ():
        if measure := measure_of(tests, name):
            yield measure


def _furthest(measures: Iterable[Record], *, in_points: bool = False) -> str:
    known = [
        (group["group"], test["effect"])
        for measure in measures
        for group in measure["groups"]
        if (test := test_of(group, PERMUTATION)) and test["effect"]["p"] is not None
    ]
    if not known:
        return NONE
    name, effect = min(known, key=lambda found: (found[1]["p"], -abs(found[1]["value"])))
    value = _points(effect["value"]) if in_points else signed(effect["value"], 3)
    return starred(f"{name} {value}", is_sure(effect))


def _points(share: float) -> str:
    return signed(100 * share, 0)


def _same_first(respondent: Record) -> str:
    if rankings := respondent["rankings"]:
        return beside_chance(rankings["stability"]["favorite_first"])
    if choices := respondent["choices"]:
        return beside_chance(choices["stability"]["favorite"])
    return NONE


def _undecided(respondent: Record) -> str:
    share = undecided_share(respondent)
    return NONE if share is None else percent(share)


def _false_alarms(respondent: Record) -> str:
    rates = [
        (row["rate"], row["group"])
        for table in (respondent["rankings"]["false_alarms"] if respondent["rankings"] else ())
        for row in table["rows"]
        if (row["measure"], row["method"]) == ("rND", PAPERS_MODEL) and row["rate"] is not None
    ]
    if not rates:
        return NONE
    rate, group = max(rates)
    return f"{percent(rate)} ({group})"
