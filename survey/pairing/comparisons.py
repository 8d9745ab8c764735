"""Drawing main comparisons: shuffled, at random, or balanced over what a study has asked so far. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import comb, prod
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from survey.design import (
    Comparison,
    ComparisonKind,
    NumericAttribute,
    Profile,
    ProfileKind,
    StudyDesign,
    Value,
    plain_number,
)
from survey.errors import BadDesign, BadProfile

Ints: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What a study has asked of one comparison so far, as a main comparison. Other roles are not counted."""

    first: int = 0
    """Answers that chose ``comparison.first``."""
    second: int = 0
    """Answers that chose ``comparison.second``."""
    indecision: int = 0
    pending: int = 0
    """Shown or drawn, not answered yet by somebody who is still active."""

    @property
    def shown(self) -> int:
        """How often the comparison was asked, answered or not."""
        return self.first + self.second + self.indecision + self.pending


Asked: TypeAlias = Mapping[Comparison, Tally]
"""What a study has asked so far; comparisons that it never asked may be absent."""
NOTHING_ASKED: Asked = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """A comparison as it was drawn, before sides are."""

    pair: tuple[Profile, Profile]
    """As listed in the design, as drawn, or first and second of the comparison."""
    rule: str
    """How it was drawn, in words."""
    probability: float
    """With which the rule drew this comparison, whichever the sides, given all that was drawn before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """Every comparison of a design as arrays, so that a draw among thousands takes milliseconds."""

    profiles: tuple[Profile, ...]
    comparisons: tuple[Comparison, ...]
    place: Mapping[Comparison, int]
    """Where a comparison stands among ``comparisons``."""
    first: Ints
    """Per comparison, where its first profile stands among ``profiles``."""
    second: Ints

    def tallies(self, asked: Asked) -> Ints:
        """Return one row per comparison: chose the first, chose the second, indecision, pending.

        Raises
        ------
        BadProfile
            ``asked`` holds a comparison that the design cannot ask.
        """
        rows = np.zeros((len(self.comparisons), 4), dtype=np.int64)
        for comparison, tally in asked.items():
            place = self.place.get(comparison)
            if place is None:
                raise BadProfile(
                    f"'{comparison.first.id}' and '{comparison.second.id}' are no comparison of this design; "
                    "count only what the same version of the study asked"
                )
            rows[place] = tally.first, tally.second, tally.indecision, tally.pending
        return rows

    def appearances(self, shown: Ints) -> Ints:
        """Return how often each profile appeared when each comparison was shown ``shown`` times."""
        counted = np.zeros(len(self.profiles), dtype=np.int64)
        np.add.at(counted, self.first, shown)
        np.add.at(counted, self.second, shown)
        return counted


@lru_cache(maxsize=32)
def pairs_of(design: StudyDesign) -> Pairs:
    """Return every comparison of a balanced or adaptive design.

    Raises
    ------
    BadDesign
        The comparisons are too many to list.
    """
    profiles, comparisons = design.profiles(), design.comparisons()
    if profiles is None or comparisons is None:
        raise BadDesign(
            [
                f"comparisons.kind = '{design.comparison_kind}' needs comparisons that can be listed; "
                "list fewer profiles, or use kind = 'random'"
            ],
            f"study '{design.slug}'",
        )
    profile_place = {profile: i for i, profile in enumerate(profiles)}
    return Pairs(
        profiles=profiles,
        comparisons=comparisons,
        place={comparison: i for i, comparison in enumerate(comparisons)},
        first=np.array([profile_place[c.first] for c in comparisons], dtype=np.int64),
        second=np.array([profile_place[c.second] for c in comparisons], dtype=np.int64),
    )


def draw_comparisons(design: StudyDesign, rng: np.random.Generator, *, asked: Asked) -> list[Drawn]:
    """Draw one respondent's main comparisons in the order in which they are shown.

    Listed and all-pairs designs are shuffled and cut to ``comparisons_per_respondent``; random designs draw two
    different profiles at a time and never repeat a comparison within a respondent; balanced designs take what was
    asked least. Adaptive designs are drawn one by one, see ``survey.pairing.adaptive``.

    Raises
    ------
    BadDesign
        The design cannot yield as many comparisons as it asks of a respondent.
    """
    wanted = design.comparisons_per_respondent
    if design.comparison_kind is ComparisonKind.BALANCED:
        drawn = _balanced(pairs_of(design), wanted, rng, asked=asked)
    elif design.comparison_kind is ComparisonKind.LIST:
        listed = design.listed_comparisons
        drawn = _shuffled(listed, wanted, rng, f"{wanted} of {len(listed)} listed comparisons, shuffled")
    elif (every := design.comparisons()) is not None:
        pairs = [(c.first, c.second) for c in every]
        drawn = _shuffled(pairs, wanted, rng, f"{wanted} of all {len(every)} pairs, shuffled")
    else:
        drawn = _random(design, wanted, rng)
    if len(drawn) < wanted:
        raise BadDesign(
            [f"comparisons.per_respondent = {wanted}, but the design yields only {len(drawn)} comparisons"],
            f"study '{design.slug}'",
        )
    return drawn


def _shuffled(
    pairs: Sequence[tuple[Profile, Profile]], wanted: int, rng: np.random.Generator, rule: str
) -> list[Drawn]:
    chosen = [pairs[i] for i in rng.permutation(len(pairs))]
    # A list may hold a comparison more than once, as the 15 tasks of a published study do.
    left = Counter(frozenset(pair) for pair in chosen)
    drawn = []
    for already, pair in enumerate(chosen[:wanted]):
        copies = left[frozenset(pair)]
        drawn.append(Drawn(pair=pair, rule=rule, probability=copies / (len(pairs) - already)))
        left[frozenset(pair)] = copies - 1
    return drawn


def _random(design: StudyDesign, wanted: int, rng: np.random.Generator) -> list[Drawn]:
    # Two profiles drawn independently and uniformly, equal ones and earlier comparisons drawn again, are a uniform
    # draw among the comparisons that are left.
    every = comb(profile_count(design), 2)
    return [
        Drawn(
            pair=pair,
            rule="two different profiles drawn independently, no comparison twice",
            probability=1 / (every - already),
        )
        for already, pair in enumerate(design.draw_pairs(wanted, rng))
    ]


def _balanced(pairs: Pairs, wanted: int, rng: np.random.Generator, *, asked: Asked) -> list[Drawn]:
    shown = pairs.tallies(asked).sum(axis=1)
    everyone = pairs.appearances(shown)
    own = np.zeros(len(pairs.profiles), dtype=np.int64)
    free = np.ones(len(pairs.comparisons), dtype=bool)
    drawn: list[Drawn] = []
    while len(drawn) < min(wanted, len(pairs.comparisons)):
        among = np.flatnonzero(free)
        ties = least_shown(pairs, among, shown=shown, own=own, everyone=everyone)
        i = int(rng.choice(ties))
        free[i] = False
        for profile in (pairs.first[i], pairs.second[i]):
            own[profile] += 1
            everyone[profile] += 1
        comparison = pairs.comparisons[i]
        drawn.append(
            Drawn(
                pair=(comparison.first, comparison.second),
                rule=f"balanced: one of the {len(ties)} shown least, by comparison, respondent and study",
                probability=1 / len(ties),
            )
        )
    return drawn


def least_shown(pairs: Pairs, among: Ints, *, shown: Ints, own: Ints, everyone: Ints) -> Ints:
    """Return those of the comparisons ``among`` that a balanced draw chooses between.

    First those that the study has shown least; among these, those whose two profiles this respondent has seen
    least; among these, those whose two profiles the study has shown least.

    Over a study whose participants are drawn one after another, every comparison is therefore shown as often as
    every other, or once more or less. Profiles follow: within a respondent and over the study, their appearances
    differed by at most 2 in more than 99 of 100 simulated studies of 3-12 profiles, and never by more than 3.

    Parameters
    ----------
    among
        Places of comparisons, at least one.
    shown
        Per comparison, how often the study has shown it.
    own, everyone
        Per profile, how often this respondent, and the study as a whole, has shown it.
    """
    for count in (
        shown,
        own[pairs.first] + own[pairs.second],
        everyone[pairs.first] + everyone[pairs.second],
    ):
        among = among[count[among] == count[among].min()]
    return among


def profile_count(design: StudyDesign) -> int:
    """Return how many different profiles a design can draw."""
    if design.profile_kind is ProfileKind.LIST:
        return len(design.listed_profiles)
    return prod(a.value_count for a in design.attributes)


def can_draw(design: StudyDesign, profile: Profile) -> bool:
    """Whether a design draws this profile: a listed check or practice may show others."""
    if design.profile_kind is ProfileKind.LIST:
        return any(listed.profile == profile for listed in design.listed_profiles)
    return all(
        not isinstance(attribute, NumericAttribute) or _is_drawn(attribute, profile[attribute.name])
        for attribute in design.attributes
    )


def _is_drawn(attribute: NumericAttribute, value: Value) -> bool:
    if attribute.points:
        return value in attribute.points
    steps = round((float(value) - attribute.minimum) / attribute.step)
    return plain_number(attribute.minimum + steps * attribute.step) == value
