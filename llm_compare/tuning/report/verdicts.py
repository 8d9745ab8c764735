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
    better: str,
    difference: Record,
    *,
    before: float | None = None,
    people: Record | None = None,
) -> Verdict:
    """Return what tuning did to a number.

    Parameters
    ----------
    better
        ``more``, ``less`` or ``as people``, as the record says of a measure.
    difference
        After less before, or than whatever the number is held against.
    before, people
        The number before, and people's own: without both nobody can tell what is nearer to people. Nearer, or
        farther, is only said where it holds for the whole interval of the difference and of people's number.
    """
    if not is_moved(difference):
        return Verdict.OPEN
    if better == "as people":
        return _toward_people(difference, before, people)
    rose = float(difference["value"]) > 0
    return Verdict.BETTER if rose is (better == "more") else Verdict.WORSE


def _toward_people(difference: Record, before: float | None, people: Record | None) -> Verdict:
    if before is None or people is None or people["value"] is None:
        return Verdict.OPEN
    theirs = [people[end] for end in ("value", "low", "high") if people[end] is not None]
    # How much nearer a change brings a number is concave in the change and monotone in people's number: the least
    # is at ends of the intervals, and so is the greatest, unless a change meets people.
    nearer = [
        abs(before - at) - abs(before + moved - at)
        for at in theirs
        for moved in (difference["low"], difference["high"])
    ]
    if min(nearer) > 0:
        return Verdict.BETTER
    meets = before + difference["low"] <= max(theirs) and min(theirs) <= before + difference["high"]
    return Verdict.WORSE if max(nearer) < 0 and not meets else Verdict.OPEN
