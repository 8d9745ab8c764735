"""Comparisons with a purpose of their own: where they stand among the main ones, and which they are. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import comb

import numpy as np

from survey.answers import Choice, Presentation, Role
from survey.design import (
    Comparison,
    ComparisonKind,
    DesignedRoles,
    ListedCheck,
    Profile,
    Sides,
    StudyDesign,
)
from survey.errors import BadDesign
from survey.pairing.comparisons import can_draw, profile_count
from survey.pairing.dominance import draw_dominated

INSTRUCTED = "instructed"
"""The note of a check that says what to answer; the words are the study's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What stands at one position of a respondent's sequence."""

    position: int
    role: Role
    check: ListedCheck | None = None
    """For the role ``check``: the listed one; None for an instructed one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnRole:
    """A comparison drawn for a role."""

    left: Profile
    right: Profile
    rule: str
    probability: float | None
    expected: Choice | None = None
    note: str = ""


def draw_places(roles: DesignedRoles, main: int, rng: np.random.Generator) -> tuple[Place, ...]:
    """Draw which role stands where among ``main`` main comparisons: one place per position, from 1.

    The sequence after position 1 is cut into equal stretches, as many as there are checks and dominated and
    identical comparisons, and each of these, in random order, stands at a random position of its stretch. Repeats
    are spread likewise over what is left after the first ``repeat_gap + 1`` positions, and move back where a repeat
    could not yet be far enough from what it repeats.

    Raises
    ------
    BadDesign
        No sequence has all repeats with so many comparisons between. There always is one where there are more main
        comparisons than ``repeat_gap`` and no fewer than repeats.
    """
    count = main + roles.count
    kinds = [
        *[(Role.DOMINATED, None)] * roles.dominated,
        *[(Role.IDENTICAL, None)] * roles.identical,
        *[(Role.CHECK, None)] * roles.instructed,
        *[(Role.CHECK, check) for check in roles.checks],
    ]
    at: dict[int, tuple[Role, ListedCheck | None]] = {}
    if kinds:
        positions = _one_per_stretch(range(2, count + 1), len(kinds), rng)
        for position, i in zip(positions, rng.permutation(len(kinds)), strict=True):
            at[position] = kinds[i]
    free = [position for position in range(1, count + 1) if position not in at]
    for position in _repeat_positions(roles, free, rng):
        at[position] = (Role.REPEAT, None)
    return tuple(
        Place(position=position, role=role, check=check)
        for position in range(1, count + 1)
        for role, check in [at.get(position, (Role.MAIN, None))]
    )


def _one_per_stretch(positions: Sequence[int], stretches: int, rng: np.random.Generator) -> list[int]:
    edges = [len(positions) * i // stretches for i in range(stretches + 1)]
    return [positions[int(rng.integers(start, end))] for start, end in pairwise(edges)]


def _repeat_positions(roles: DesignedRoles, free: Sequence[int], rng: np.random.Generator) -> list[int]:
    """Return which of the ``free`` positions hold repeats; main comparisons take the others."""
    if not roles.repeats:
        return []
    if not _can_finish(roles, [], [], free):
        raise BadDesign(
            [
                f"roles.repeats = {roles.repeats} with roles.repeat_gap = {roles.repeat_gap} do not fit "
                f"{len(free) - roles.repeats} main comparisons; ask for fewer repeats or a smaller gap"
            ]
        )
    late_enough = [position for position in free if position > roles.repeat_gap + 1]
    wished = set(_one_per_stretch(late_enough, roles.repeats, rng))
    mains: list[int] = []
    repeats: list[int] = []
    wishes = 0
    for i, position in enumerate(free):
        wishes += position in wished
        # A repeat that would leave no way for the rest comes one or more main comparisons later. There always stays
        # a way, because main comparisons first, repeats last is the best of all orders.
        if wishes > len(repeats) and _can_finish(roles, mains, [*repeats, position], free[i + 1 :]):
            repeats.append(position)
        else:
            mains.append(position)
    return repeats


def _can_finish(
    roles: DesignedRoles, mains: Sequence[int], repeats: Sequence[int], following: Sequence[int]
) -> bool:
    """Whether each repeat can have a main comparison of its own far enough before it: main ones first from here."""
    mains_first = len(following) - (roles.repeats - len(repeats))
    if mains_first < 0 or len(repeats) > roles.repeats:
        return False
    all_mains = [*mains, *following[:mains_first]]
    all_repeats = [*repeats, *following[mains_first:]]
    return all(
        bisect_right(all_mains, position - roles.repeat_gap - 1) >= number
        for number, position in enumerate(all_repeats, start=1)
    )


def draw_role(
    design: StudyDesign,
    place: Place,
    rng: np.random.Generator,
    *,
    avoid: Collection[Comparison],
    identical: Collection[Profile],
) -> DrawnRole:
    """Draw what stands at the place of a check or of a dominated or identical comparison.

    Parameters
    ----------
    avoid
        Comparisons that the respondent sees elsewhere; used only where no others are left.
    identical
        Profiles that the respondent sees beside themselves elsewhere; likewise.
    """
    if place.check is not None:
        return _listed_check(design, place.check, rng)
    if place.role is Role.DOMINATED:
        better, worse, probability = draw_dominated(design, rng, avoid=avoid)
        left_better = rng.random() < 0.5
        return DrawnRole(
            left=better if left_better else worse,
            right=worse if left_better else better,
            expected=Choice.LEFT if left_better else Choice.RIGHT,
            rule="designed role: any dominated pair, those shown elsewhere only if no other is left",
            probability=probability,
        )
    if place.role is Role.IDENTICAL:
        return _identical(design, rng, identical)
    if place.role is Role.CHECK:
        return _instructed(design, rng, avoid)
    raise ValueError(f"position {place.position} holds a {place.role} comparison, which is drawn elsewhere")


def _listed_check(design: StudyDesign, check: ListedCheck, rng: np.random.Generator) -> DrawnRole:
    expected = Choice(check.expected)
    left, right = check.left, check.right
    rule = "designed role: a listed check"
    if design.sides is not Sides.FIXED:
        rule += ", sides at random"
        if rng.random() < 0.5:
            left, right, expected = right, left, expected.mirrored
    return DrawnRole(left=left, right=right, expected=expected, rule=rule, probability=None)


def _identical(design: StudyDesign, rng: np.random.Generator, avoid: Collection[Profile]) -> DrawnRole:
    count = profile_count(design)
    avoided = set(avoid) if len(set(avoid)) < count else set()
    profile = design.draw_profile(rng)
    while profile in avoided:
        profile = design.draw_profile(rng)
    return DrawnRole(
        left=profile,
        right=profile,
        rule="designed role: any profile beside itself, none twice before all",
        probability=1 / (count - len(avoided)),
    )


def _instructed(design: StudyDesign, rng: np.random.Generator, avoid: Collection[Comparison]) -> DrawnRole:
    if design.comparison_kind is ComparisonKind.LIST:
        every = dict.fromkeys(Comparison.of(*pair) for pair in design.listed_comparisons)
        among = [c for c in every if c not in avoid] or list(every)
        comparison, probability = among[int(rng.integers(len(among)))], 1 / len(among)
    else:
        count = comb(profile_count(design), 2)
        avoided = {c for c in avoid if can_draw(design, c.first) and can_draw(design, c.second)}
        if len(avoided) == count:
            avoided = set()
        comparison = _any_comparison(design, rng)
        while comparison in avoided:
            comparison = _any_comparison(design, rng)
        probability = 1 / (count - len(avoided))
    left, right = comparison.first, comparison.second
    if rng.random() < 0.5:
        left, right = right, left
    return DrawnRole(
        left=left,
        right=right,
        expected=Choice.LEFT if rng.random() < 0.5 else Choice.RIGHT,
        note=INSTRUCTED,
        rule="designed role: any comparison of the design with an answer to give, left or right at random; "
        "those shown elsewhere only if no other is left",
        probability=probability,
    )


def _any_comparison(design: StudyDesign, rng: np.random.Generator) -> Comparison:
    ((one, other),) = design.draw_pairs(1, rng)
    return Comparison.of(one, other)


def draw_repeat(
    roles: DesignedRoles, position: int, earlier: Sequence[Presentation], rng: np.random.Generator
) -> tuple[Presentation, float]:
    """Draw which main comparison is repeated at ``position``: any that is far enough back and not repeated yet.

    Returns
    -------
    tuple
        The presentation to repeat, as it was first shown, and the probability of the draw.

    Raises
    ------
    ValueError
        There is none among ``earlier``, the respondent's presentations so far.
    """
    repeated = {p.repeat_of for p in earlier if p.role is Role.REPEAT}
    among = sorted(
        (
            p
            for p in earlier
            if p.role is Role.MAIN and p.position not in repeated and p.position < position - roles.repeat_gap
        ),
        key=lambda p: p.position,
    )
    if not among:
        raise ValueError(
            f"no main comparison stands {roles.repeat_gap} comparisons before position {position} that is not "
            "repeated already; pass every presentation of the respondent so far"
        )
    return among[int(rng.integers(len(among)))], 1 / len(among)
