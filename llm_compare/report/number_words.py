"""Numbers of a record as a reader sees them: with interval, in one form, and a reason where there is none.

A measured number is read as it stands in ``alignment.json``: ``value``, ``low``, ``high``, ``reason`` and so on.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from exchange.outcomes.report_text import number, signed

Record = Mapping[str, Any]
"""A part of ``alignment.json``."""

NARROW = "\u202f"
"""A narrow space that does not break: between a number and its percent sign."""
_BRACKETS = re.compile(r"\([^()]*\d\)")
_SMALL_SHARE = 0.095
_OUTCOMES = {"choice": "choices", "indecision": "undecided", "refusal": "refused", "error": "failed"}
_LEAST_P = 0.001


class Reason(str):
    """Words in the place of a number, or of its interval; they may take several lines."""

    __slots__ = ()


def percent(value: float | None) -> str:
    """Return a share as percent: whole, or with one decimal below 10 %; "not known" for none."""
    if value is None:
        return Reason("not known")
    return f"{number(100 * value, _digits(value))}{NARROW}%"


def share(measured: Record) -> str:
    """Return a share with its interval: ``58 % (54 to 62)``."""
    return _with_interval(
        measured,
        lambda v, digits: number(100 * v, digits),
        unit=f"{NARROW}%",
        digits=_digits(measured["value"] or 0.0),
    )


def points(measured: Record, *, has_unit: bool = True) -> str:
    """Return a difference of shares with its interval: ``+4 points (−1 to +9)``."""
    return _with_interval(
        measured,
        lambda v, digits: signed(100 * v, digits),
        unit=" points" if has_unit else "",
        digits=_digits(measured["value"] or 0.0),
    )


def size(measured: Record, digits: int = 2) -> str:
    """Return a number that is no share, with its interval."""
    return _with_interval(measured, number, digits=digits)


def change(measured: Record, digits: int = 2) -> str:
    """Return a number with its sign and its interval."""
    return _with_interval(measured, signed, digits=digits)


def plain(value: float | None, digits: int = 2) -> str:
    """Return a number without interval; "not known" for none."""
    return Reason("not known") if value is None else number(value, digits)


def over_splits(halves: Record, form: Callable[[float | None], str] = plain) -> str:
    """Return a number that was measured on many halvings of the people, with its range over them."""
    if halves["mean"] is None:
        return Reason("not known: too few people answered the same comparisons")
    if halves["low"] is None or halves["high"] is None:
        return form(halves["mean"])
    ends = (form(halves[end]).removesuffix(f"{NARROW}%") for end in ("low", "high"))
    return f"{form(halves['mean'])} ({' to '.join(ends)})"


def p_words(p: float | None) -> str:
    """Return a p value."""
    if p is None:
        return Reason("not known")
    return "below 0.001" if p < _LEAST_P else f"{p:.3f}"


def whole(n: float | None) -> str:
    """Return a count with its thousands marked; sums of shares keep one decimal."""
    if n is None:
        return Reason("not known")
    return f"{n:,.0f}" if float(n).is_integer() else f"{n:,.1f}"


def counted(n: float, noun: str) -> str:
    """Return a number with its noun."""
    return f"{whole(n)} {noun}" if n == 1 else f"{whole(n)} {noun}s"


def outcomes_in_words(counts: Mapping[str, int], left_out: Sequence[str] = ()) -> str:
    """Return what calls came to: ``6 refused, 4 failed``."""
    told = [f"{whole(n)} {_OUTCOMES.get(k, k)}" for k, n in counts.items() if n and k not in left_out]
    return ", ".join(told) or "no replies"


def sample(measured: Record, *, people_are_known: bool = True) -> str:
    """Return how many people and comparisons stand behind a number.

    Parameters
    ----------
    people_are_known
        Whether it is known who answered; if not, answers are counted, not people.
    """
    n = measured["n_people"]
    people = "1 person" if n == 1 else f"{whole(n)} people"
    if not people_are_known:
        people = f"{counted(n, 'answer')} of people"
    return f"{people}, {counted(measured['n_comparisons'], 'comparison')}"


def unbroken(cell: str) -> str:
    """Return a cell of a table that may break before its interval, not within."""
    return _BRACKETS.sub(lambda found: found[0].replace(" ", "\u00a0"), cell)


def holds_zero(measured: Record) -> bool:
    """Return whether 0 is within the interval, or there is none, so that no difference may be claimed."""
    low, high = measured["low"], measured["high"]
    return low is None or high is None or low <= 0 <= high


def _digits(value: float) -> int:
    return 1 if 0 < abs(value) < _SMALL_SHARE else 0


def _with_interval(
    measured: Record, form: Callable[[float, int], str], *, digits: int, unit: str = ""
) -> str:
    value, low, high = measured["value"], measured["low"], measured["high"]
    if value is None:
        return Reason(f"not known: {measured['reason'] or 'not defined for these answers'}")
    if low is None or high is None:
        return Reason(f"{form(value, digits)}{unit} (no interval: {measured['reason'] or 'not known'})")
    return f"{form(value, digits)}{unit} ({form(low, digits)} to {form(high, digits)})"
