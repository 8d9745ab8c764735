"""Which profile of a comparison stands on the left. Pure; takes the random generator."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TypeAlias

import numpy as np

from survey.design import Comparison, Profile, Sides

Sided: TypeAlias = tuple[Profile, Profile]
"""(left, right)."""


def draw_sides(kind: Sides, pairs: Sequence[Sided], rng: np.random.Generator) -> list[Sided]:
    """Return one respondent's ``pairs`` with sides drawn; fixed sides stay as they are.

    Random sides swap half of the pairs (of an odd number, half rounded up or down at random). Balanced sides put
    every profile on the left as often as on the right, or once more or less. Either way each pair, taken alone,
    is equally likely to stand in either order.
    """
    if kind is Sides.FIXED:
        return list(pairs)
    swap = _balanced_swaps(pairs, rng) if kind is Sides.BALANCED else _half_swapped(len(pairs), rng)
    return [(b, a) if swapped else (a, b) for (a, b), swapped in zip(pairs, swap, strict=True)]


def draw_next_sides(
    kind: Sides, comparison: Comparison, earlier: Iterable[Sided], count: int, rng: np.random.Generator
) -> Sided:
    """Return the sides of a comparison that is drawn when the respondent reaches it.

    Random sides swap as many of the ``count`` comparisons as :func:`draw_sides` does, with the same probabilities.
    Balanced sides cannot be exact here, because what follows is unknown: left goes to the profile with fewer
    lefts less rights so far, in a tie to either.
    """
    straight, swapped = (comparison.first, comparison.second), (comparison.second, comparison.first)
    if kind is Sides.FIXED:
        return straight
    earlier = list(earlier)
    if kind is Sides.RANDOM:
        # An odd number is the even one after it with its last comparison never shown: half up or down at random.
        even = count + count % 2
        swaps = sum(left != Comparison.of(left, right).first for left, right in earlier)
        swap_probability = (even / 2 - swaps) / (even - len(earlier))
    else:
        surplus: Counter[Profile] = Counter()
        for left, right in earlier:
            surplus[left] += 1
            surplus[right] -= 1
        ahead = surplus[comparison.first] - surplus[comparison.second]
        swap_probability = 0.5 if ahead == 0 else float(ahead > 0)
    return swapped if rng.random() < swap_probability else straight


def _half_swapped(count: int, rng: np.random.Generator) -> list[bool]:
    swap = np.zeros(count, dtype=bool)
    swap[: count // 2] = True
    if count % 2:
        swap[-1] = rng.random() < 0.5
    rng.shuffle(swap)
    return [bool(s) for s in swap]


def _balanced_swaps(pairs: Sequence[Sided], rng: np.random.Generator) -> list[bool]:
    """Return which pairs to swap so that lefts and rights of every profile differ by at most one.

    Profiles are the points of a graph and pairs its edges. Points of odd degree are joined to one point more, so
    that all degrees are even; then the edges fall into closed walks, and walking along puts a profile on the left
    each time the walk leaves it and on the right each time it enters. Each walk goes either way with probability
    one half.
    """
    edges: list[tuple[Profile | None, Profile | None]] = list(pairs)
    degree = Counter(profile for pair in pairs for profile in pair)
    edges += [(profile, None) for profile, number in degree.items() if number % 2]
    at: dict[Profile | None, list[int]] = {}
    for i in rng.permutation(len(edges)):
        for point in edges[i]:
            at.setdefault(point, []).append(int(i))

    forward: dict[int, bool] = {}  # Edge -> whether its walk goes from the first profile named to the second.
    for start in list(at):
        while walk := _closed_walk(start, edges, at, forward):
            if rng.random() < 0.5:
                for edge in walk:
                    forward[edge] = not forward[edge]
    return [not forward[i] for i in range(len(pairs))]


def _closed_walk(
    start: Profile | None,
    edges: Sequence[tuple[Profile | None, Profile | None]],
    at: dict[Profile | None, list[int]],
    forward: dict[int, bool],
) -> list[int]:
    """Walk unused edges from ``start`` until none leaves; with even degrees that is back at ``start``."""
    walk: list[int] = []
    point = start
    while at[point]:
        edge = at[point].pop()
        if edge in forward:  # Walked before, from its other end.
            continue
        one, other = edges[edge]
        forward[edge] = one == point
        walk.append(edge)
        point = other if one == point else one
    return walk
