"""Response times: how long, how many are missing and why, how long pages were out of sight. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from survey.overview.quartiles import Quartiles, quartiles_of
from survey.overview.records import Given, Record


@dataclass(frozen=True, slots=True, kw_only=True)
class TimesAt:
    """Sound times of answers at some positions."""

    first: int
    last: int | None
    """None: to the end."""
    seconds: Quartiles | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """What is known of the time that answers took."""

    answers: int
    all: Quartiles | None
    by_position: Sequence[TimesAt]
    missing: Mapping[str, int]
    """Why no time is used -> answers, most frequent first."""
    told_hidden: int
    """Answers whose browser said how long the page was out of sight."""
    hidden: Quartiles | None
    """Seconds out of sight, of the answers whose page was out of sight at all."""
    inputs: Mapping[str, int]
    """Means of input -> answers, most frequent first; the empty one: not told."""

    @property
    def without_time(self) -> int:
        """Answers without a time that can be used."""
        return sum(self.missing.values())


# People are slow at first and then settle (survey of published studies: 14 s, 6 s, 4 s).
_GROUPS = ((1, 1), (2, 5), (6, None))


def times(records: Sequence[Record]) -> Times:
    """Return the times of all answered comparisons, whatever their role, the practice left out."""
    placed = [(shown.position, given) for record in records for shown, given in record.answered]
    every = [given for _, given in placed]
    hidden = [given.hidden_seconds for given in every if given.hidden_seconds is not None]
    return Times(
        answers=len(every),
        all=_quartiles(every),
        by_position=[
            TimesAt(
                first=first,
                last=last,
                seconds=_quartiles(
                    given
                    for position, given in placed
                    if first <= position and (last is None or position <= last)
                ),
            )
            for first, last in _GROUPS
        ],
        missing=dict(Counter(g.seconds_missing for g in every if g.seconds_missing).most_common()),
        told_hidden=len(hidden),
        hidden=quartiles_of([seconds for seconds in hidden if seconds > 0]),
        inputs=dict(Counter(g.input for g in every).most_common()),
    )


def _quartiles(given: Iterable[Given]) -> Quartiles | None:
    return quartiles_of([g.seconds for g in given if g.seconds is not None])
