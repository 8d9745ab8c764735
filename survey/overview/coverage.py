"""How often profiles and comparisons were shown in main comparisons that were answered. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from survey.answers import Choice
from survey.design import StudyDesign
from survey.overview.records import Record


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileCount:
    """How often a profile was in an answered main comparison, and what became of it."""

    profile: str
    left: int
    right: int
    chosen: int
    indecisions: int
    """Times that neither was chosen; the other profile was in the rest."""

    @property
    def appearances(self) -> int:
        """Left and right together."""
        return self.left + self.right


@dataclass(frozen=True, slots=True, kw_only=True)
class PairCount:
    """How evenly comparisons were asked, whichever profile was left."""

    different: int
    """Comparisons that were asked at least once."""
    possible: int | None
    """Comparisons of the design; None where they are drawn at random or too many to list."""
    fewest: int
    """Answers to the comparison with the fewest; 0 where one of the possible ones was never asked."""
    most: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """What was asked of the design so far."""

    profiles: Sequence[ProfileCount] | None
    """None where the design's profiles are too many to list."""
    pairs: PairCount | None
    """None as long as nothing was answered."""


MOST_PROFILES = 100
"""A design with more is drawn from so thinly that a line per profile says nothing."""


def coverage(design: StudyDesign, records: Sequence[Record]) -> Coverage:
    """Count the profiles and comparisons of answered main comparisons."""
    left, right, chosen, undecided = (Counter[str]() for _ in range(4))
    pairs: Counter[frozenset[str]] = Counter()
    for record in records:
        for shown, given in record.main:
            one, other = shown.left.name, shown.right.name
            left[one] += 1
            right[other] += 1
            pairs[frozenset((one, other))] += 1
            if given.choice is Choice.INDECISION:
                undecided.update((one, other))
            else:
                chosen[one if given.choice is Choice.LEFT else other] += 1
    listed = design.profiles()
    profiles = None
    if listed is not None and len(listed) <= MOST_PROFILES:
        profiles = [
            ProfileCount(
                profile=p.id,
                left=left[p.id],
                right=right[p.id],
                chosen=chosen[p.id],
                indecisions=undecided[p.id],
            )
            for p in listed
        ]
    return Coverage(profiles=profiles, pairs=_pairs(design, pairs))


def _pairs(design: StudyDesign, asked: Counter[frozenset[str]]) -> PairCount | None:
    if not asked:
        return None
    possible = design.comparisons()
    never = possible is not None and len(asked) < len(possible)
    return PairCount(
        different=len(asked),
        possible=None if possible is None else len(possible),
        fewest=0 if never else min(asked.values()),
        most=max(asked.values()),
    )
