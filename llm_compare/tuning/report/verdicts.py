"""Whether a number is shown to have moved, and whether for the better. Pure.

Where the interval of a difference includes 0, or there is none, nothing is claimed.
"""

from __future__ import annotations

from enum import StrEnum

from llm_compare.report.number_words import Record, holds_zero


class Verdict(StrEnum):
    """What tuning did to a number, as far as the interval of the difference tells."""

    BETTER = "better"
    WORSE = "worse"
    OPEN = "not told"


def is_moved(difference: Record) -> bool:
    """Return whether a difference is known and its interval excludes 0."""
    return difference["value"] is not None and not holds_zero(difference)


def verdict(
    better: str, difference: Record, *, before: float | None = None, people: float | None = None
) -> Verdict:
    """Return what tuning did to a number.

    Parameters
    ----------
    better
        ``more``, ``less`` or ``as people``, as the record says of a measure.
    difference
        After less before, or than whatever the number is held against.
    before, people
        The number before, and people's own: without both nobody can tell what is nearer to people.
    """
    if not is_moved(difference):
        return Verdict.OPEN
    gain = float(difference["value"])
    if better == "less":
        gain = -gain
    elif better == "as people":
        if before is None or people is None:
            return Verdict.OPEN
        gain = abs(before - people) - abs(before + gain - people)
    return Verdict.BETTER if gain > 0 else Verdict.WORSE if gain < 0 else Verdict.OPEN
