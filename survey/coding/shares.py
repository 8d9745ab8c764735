"""Shares of people, and differences of shares, with their intervals. Pure.

Newcombe's intervals are made from Wilson's: they stay between -1 and 1, and hold for small numbers, too.

References
----------
Wilson (1927), J. Am. Stat. Assoc. 22, 209-212.
Newcombe (1998), Stat. Med. 17, 873-890: difference of independent proportions, method 10.
Newcombe (1998), Stat. Med. 17, 2635-2650: difference of paired proportions, method 10.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

Z_95 = 1.959963984540054
"""Of the standard normal distribution: 95 % lie within so many standard deviations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """So many of so many, with the 95 % interval. ``of`` is never 0: a share of nobody is None, not 0."""

    count: int
    of: int
    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One share minus another, with the 95 % interval; all in [-1, 1]."""

    value: float
    low: float
    high: float


def share_of(count: int, of: int) -> Share | None:
    """Return a share with Wilson's 95 % interval; None of nobody."""
    if not 0 <= count <= of:
        raise ValueError(f"{count} of {of} is no share")
    if of == 0:
        return None
    low, high = wilson(count, of)
    return Share(count=count, of=of, value=count / of, low=low, high=high)


def wilson(count: int, of: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a share of ``of`` > 0."""
    z2 = Z_95**2
    middle = (count + z2 / 2) / (of + z2)
    half = Z_95 * sqrt(count * (of - count) / of + z2 / 4) / (of + z2)
    # Exact at the ends, where rounding would leave 1e-17.
    return 0.0 if count == 0 else middle - half, 1.0 if count == of else middle + half


def independent_difference(first: Share, second: Share) -> Difference:
    """Return the difference of the shares of two groups without a common member."""
    below = sqrt((first.value - first.low) ** 2 + (second.high - second.value) ** 2)
    above = sqrt((first.high - first.value) ** 2 + (second.value - second.low) ** 2)
    value = first.value - second.value
    return Difference(value=value, low=value - below, high=value + above)


def paired_difference(*, both: int, only_first: int, only_second: int, neither: int) -> Difference | None:
    """Return the difference of two shares of the same people; None of nobody.

    Parameters
    ----------
    both, only_first, only_second, neither
        How many people said both things, one of them, or neither.
    """
    n = both + only_first + only_second + neither
    first, second = share_of(both + only_first, n), share_of(both + only_second, n)
    if first is None or second is None:
        return None
    phi = _phi(both, only_first, only_second, neither)
    value = (only_first - only_second) / n
    return Difference(
        value=value,
        low=value - _combined(first.value - first.low, second.high - second.value, phi),
        high=value + _combined(first.high - first.value, second.value - second.low, phi),
    )


def _combined(one: float, other: float, phi: float) -> float:
    # Never below 0 but by rounding: phi is at most 1.
    return sqrt(max(one**2 - 2 * phi * one * other + other**2, 0.0))


def _phi(a: int, b: int, c: int, d: int) -> float:
    """Return the correlation that Newcombe's method 10 uses: continuity-corrected where it is positive."""
    n = a + b + c + d
    product = (a + b) * (c + d) * (a + c) * (b + d)
    if product == 0:
        return 0.0
    excess = float(a * d - b * c)
    if excess > 0:
        excess = max(excess - n / 2, 0.0)
    return excess / sqrt(product)
