"""What came of evolving lists: who was transplanted, after how long, at which rank; and how two differ. Pure.

Episodes are the independent units: kidneys of one list hang together. Intervals are by resampling episodes, so few
episodes give wide ones. Two respondents are compared on the same episodes, with the same people and refusals, which
cancels most of what chance does to either.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from llm_compare.allocation.fairness.outcomes import Array, Estimate
from llm_compare.allocation.fairness.problem_bootstrap import over_problems, ratio
from llm_compare.allocation.waiting_list.course import Course
from llm_compare.errors import NotMeasurable

DAYS_PER_YEAR = 365.25
NOT_STATED = "not stated"


class Quantity(StrEnum):
    """What is measured, of a group or of everybody."""

    LIST_SHARE = "share of time on the list"
    """The group's share of all who wait when a kidney comes."""
    SUITED_SHARE = "share of those offered a chance"
    """The group's mean share of those shown, over the kidneys that somebody accepted: what lots would give it."""
    ACCEPTED_SHARE = "share of accepted kidneys"
    SURPLUS = "accepted less suited share"
    """What the respondent's rankings give the group beyond lots; 0 under parity."""
    TRANSPLANT_RATE = "transplants per year on the list"
    DAYS_TO_TRANSPLANT = "mean days on the list at transplant"
    RANK_ACCEPTED = "mean rank of who accepts"
    OFFERS = "mean offers of a kidney that is offered"
    ACCEPTED = "share of kidneys that somebody accepts"


BOUNDS: Mapping[Quantity, tuple[float, float]] = {
    Quantity.LIST_SHARE: (0, 1),
    Quantity.SUITED_SHARE: (0, 1),
    Quantity.ACCEPTED_SHARE: (0, 1),
    Quantity.SURPLUS: (-1, 1),
    Quantity.ACCEPTED: (0, 1),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One number."""

    quantity: Quantity
    grouping: str | None
    group: str | None
    """None for everybody."""
    estimate: Estimate
    """``n`` counts episodes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What became of every kidney, and of everybody."""

    kidneys: int
    accepted: int
    suited_nobody: int
    declined_by_all: int
    without_ranking: int
    """The respondent's ranking could not be used: offered to nobody."""
    persons: int
    transplanted: int
    left: int
    waiting: int
    """At the end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListOutcomes:
    """What came of one respondent's lists."""

    respondent: str
    counts: Counts
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListDifference:
    """One respondent less another, on the same episodes."""

    respondent: str
    baseline: str
    rows: tuple[Row, ...]


_Key = tuple[Quantity, str | None, str | None]
"""Quantity, grouping, group."""
_Sums = Mapping[_Key, tuple[Array, Array]]
"""Numerator and denominator of each episode, shape (E,) each."""
_UNDEFINED = "nobody of the group waited or was transplanted"


def list_outcomes(course: Course, groupings: tuple[str, ...], *, seed: int) -> ListOutcomes:
    """Measure what came of the lists.

    Parameters
    ----------
    groupings
        By which groups are told apart: ``gender`` …
    seed
        Of the intervals' draws.

    Raises
    ------
    NotMeasurable
        No kidney has come yet.
    """
    rows = tuple(
        _row(key, lambda times, a=a, b=b: ratio(times @ a, times @ b), BOUNDS.get(key[0]), len(a), seed)  # type: ignore[misc]
        for key, (a, b) in _sums(course, groupings).items()
    )
    return ListOutcomes(respondent=course.respondent, counts=_counts(course), rows=rows)


def list_difference(
    course: Course, baseline: Course, groupings: tuple[str, ...], *, seed: int
) -> ListDifference:
    """Measure what is different under another respondent; parameters as of :func:`list_outcomes`.

    Raises
    ------
    NotMeasurable
        They were not carried through the same episodes, or not as far.
    """
    if course.episodes is not baseline.episodes or len(course.steps) != len(baseline.steps):
        raise NotMeasurable(
            f"{course.respondent} and {baseline.respondent} were not carried through the same kidneys; put the "
            "same episodes to both, to their end"
        )
    ours, theirs = _sums(course, groupings), _sums(baseline, groupings)
    rows = []
    for key, (a, b) in ours.items():

        def less(times: Array, a: Array = a, b: Array = b, other: tuple[Array, Array] = theirs[key]) -> Array:
            return ratio(times @ a, times @ b) - ratio(times @ other[0], times @ other[1])

        bounds = BOUNDS.get(key[0])
        width = 0.0 if bounds is None else bounds[1] - bounds[0]
        rows.append(_row(key, less, None if bounds is None else (-width, width), len(a), seed))
    return ListDifference(respondent=course.respondent, baseline=baseline.respondent, rows=tuple(rows))


def _row(
    key: _Key, statistic: Callable[[Array], Array], bounds: tuple[float, float] | None, n: int, seed: int
) -> Row:
    (estimate,) = over_problems(
        lambda times: statistic(times)[:, None], n, seed=seed, bounds=bounds, undefined=_UNDEFINED
    )
    if n == 1 and estimate.value is not None:
        estimate = replace(estimate, reason="a single episode leaves no interval")
    return Row(quantity=key[0], grouping=key[1], group=key[2], estimate=estimate)


def _sums(course: Course, groupings: tuple[str, ...]) -> _Sums:
    if not course.steps:
        raise NotMeasurable(
            f"{course.respondent}: no kidney has been allotted yet; go on with the same command"
        )
    sums: dict[_Key, tuple[Array, Array]] = {}
    everybody = _Tally(course, None)
    accepted = everybody.transplants
    sums[Quantity.ACCEPTED, None, None] = accepted, everybody.kidneys
    sums[Quantity.TRANSPLANT_RATE, None, None] = accepted, everybody.years
    sums[Quantity.DAYS_TO_TRANSPLANT, None, None] = everybody.days, accepted
    sums[Quantity.RANK_ACCEPTED, None, None] = everybody.ranks, accepted
    sums[Quantity.OFFERS, None, None] = everybody.offers, everybody.offered
    for grouping in groupings:
        for group in _groups(course, grouping):
            own = _Tally(course, {p for p in _persons(course) if _group(course, p, grouping) == group})
            sums[Quantity.LIST_SHARE, grouping, group] = own.listed, everybody.listed
            sums[Quantity.SUITED_SHARE, grouping, group] = own.suited, accepted
            sums[Quantity.ACCEPTED_SHARE, grouping, group] = own.transplants, accepted
            sums[Quantity.SURPLUS, grouping, group] = own.transplants - own.suited, accepted
            sums[Quantity.TRANSPLANT_RATE, grouping, group] = own.transplants, own.years
            sums[Quantity.DAYS_TO_TRANSPLANT, grouping, group] = own.days, own.transplants
    return sums


_Id = tuple[int, int]
"""Episode and person."""


class _Tally:
    """Sums by episode, over some of the people or all."""

    def __init__(self, course: Course, people: set[_Id] | None) -> None:
        n = len(course.episodes)
        self.kidneys, self.offered, self.offers, self.ranks = (
            np.zeros(n),
            np.zeros(n),
            np.zeros(n),
            np.zeros(n),
        )
        self.listed, self.suited, self.transplants, self.days = (
            np.zeros(n),
            np.zeros(n),
            np.zeros(n),
            np.zeros(n),
        )
        between = course.scenario.days_between_kidneys
        for step in course.steps:
            e = step.episode - 1

            def those(ids: tuple[int, ...], episode: int = step.episode) -> int:
                return len(ids) if people is None else sum((episode, id_) in people for id_ in ids)

            self.kidneys[e] += 1
            self.offered[e] += bool(step.offers)
            self.offers[e] += len(step.offers)
            self.listed[e] += those(step.waiting)
            if step.accepted_by is None:
                continue
            self.suited[e] += those(step.shown) / len(step.shown)
            if those((step.accepted_by,)):
                self.transplants[e] += 1
                self.ranks[e] += len(step.offers)
                person = course.episodes[e].person(step.accepted_by)
                self.days[e] += person.days_waited(step.kidney, between)
        self.years = self.listed * between / DAYS_PER_YEAR


def _persons(course: Course) -> Iterator[_Id]:
    return ((e.number, p.id) for e in course.episodes for p in e.persons if p.arrives <= course.n_kidneys)


def _group(course: Course, person: _Id, grouping: str) -> str:
    return course.episodes[person[0] - 1].person(person[1]).candidate.group(grouping) or NOT_STATED


def _groups(course: Course, grouping: str) -> list[str]:
    """Return the groups of all who were ever listed, the largest first."""
    found: dict[str, int] = {}
    for person in _persons(course):
        group = _group(course, person, grouping)
        found[group] = found.get(group, 0) + 1
    return sorted(found, key=lambda group: (-found[group], group))


def _counts(course: Course) -> Counts:
    steps = course.steps
    persons = list(_persons(course))
    transplanted = {(s.episode, s.accepted_by) for s in steps if s.accepted_by is not None}
    last = course.n_kidneys
    left = sum(
        (e.number, p.id) not in transplanted and p.leaves is not None and p.leaves <= last
        for e in course.episodes
        for p in e.persons
    )
    return Counts(
        kidneys=len(steps),
        accepted=sum(s.accepted_by is not None for s in steps),
        suited_nobody=sum(not s.shown for s in steps),
        declined_by_all=sum(bool(s.offers) and s.accepted_by is None for s in steps),
        without_ranking=sum(bool(s.shown) and not s.offers for s in steps),
        persons=len(persons),
        transplanted=len(transplanted),
        left=left,
        waiting=len(persons) - len(transplanted) - left,
    )
