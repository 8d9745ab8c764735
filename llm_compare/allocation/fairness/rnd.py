"""rND: how far a group's share among the first k departs from its share of the pool, at several cut-offs. Pure.

References
----------
Yang and Stoyanovich, Measuring fairness in ranked outputs, SSDBM 2017, eq. 1; "Evaluating Large Language Models for
Fair and Reliable Organ Allocation" (arXiv 2504.03716v2), eq. 2, cut-offs 3, 5 and 10.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from scipy.stats import hypergeom

from llm_compare.allocation.fairness.outcomes import Array, Groups, Rankings, codes_at_ranks


@dataclass(frozen=True, slots=True, kw_only=True)
class RndVariant:
    """One of the ways in which rND is computed in publications and public code."""

    name: str
    cutoffs: tuple[int, ...] | None
    """None for every rank from the second on."""
    adds_one: bool = False
    """Whether the discount is 1/log2(k+1), as in FairRank's code, rather than 1/log2 k."""

    def cutoffs_for(self, n: int) -> tuple[int, ...]:
        """Return the cut-offs that a ranking of ``n`` has: a whole ranking departs from nothing."""
        wanted = range(2, n) if self.cutoffs is None else self.cutoffs
        return tuple(k for k in wanted if k < n and (k > 1 or self.adds_one))

    def discounts_for(self, n: int) -> Array:
        """Return the discount of each cut-off."""
        cutoffs = np.array(self.cutoffs_for(n), dtype=float)
        discounts: Array = 1 / np.log2(cutoffs + self.adds_one)
        return discounts


VARIANTS: Mapping[str, RndVariant] = MappingProxyType(
    {
        variant.name: variant
        for variant in (
            RndVariant(name="paper", cutoffs=(3, 5, 10)),
            RndVariant(name="every-rank", cutoffs=None),
            RndVariant(name="every-fifth", cutoffs=tuple(range(5, 1000, 5))),
            RndVariant(name="every-tenth", cutoffs=tuple(range(10, 1000, 10))),
            RndVariant(name="paper-plus-one", cutoffs=(3, 5, 10), adds_one=True),
            RndVariant(name="every-rank-plus-one", cutoffs=None, adds_one=True),
        )
    }
)
"""By name. ``every-tenth`` is the original's; ``plus-one`` marks the discount 1/log2(k+1)."""
PAPER = VARIANTS["paper"]


def rnd(member: NDArray[np.bool_], variant: RndVariant = PAPER) -> Array:
    """Return the rND of one group in each ranking.

    Parameters
    ----------
    member
        Shape (T, N): whether whoever stands at a rank belongs to the group.

    Returns
    -------
    Shape (T,), from 0 (proportional at every cut-off) to 1 (as far from it as a ranking can be); NaN where the
    group is absent or alone, so that nothing can depart from anything.
    """
    n = member.shape[1]
    sizes = member.sum(axis=1)
    cutoffs = np.array(variant.cutoffs_for(n), dtype=np.intp)
    if not len(cutoffs):
        return np.full(len(member), np.nan)
    among_first = member.cumsum(axis=1)[:, cutoffs - 1] / cutoffs
    raw = (variant.discounts_for(n) * np.abs(among_first - sizes[:, None] / n)).sum(axis=1)
    most = np.array([maximum(m, n, variant) for m in range(n + 1)])[sizes]
    found: Array = np.divide(raw, most, out=np.full(len(raw), np.nan), where=most > 0)
    return found


def maximum(n_group: int, n: int, variant: RndVariant = PAPER) -> float:
    """Return the greatest sum that any ranking of ``n`` reaches, before normalizing; 0 where a group is alone.

    It is reached with the whole group first or last: |m/k - M/N| is convex in m, and both ends of m are reached at
    every cut-off at once by one of these two (checked against all rankings in the tests).
    """
    if not 0 < n_group < n:
        return 0.0
    cutoffs, discounts = variant.cutoffs_for(n), variant.discounts_for(n)
    share = n_group / n
    first = sum(d * abs(min(k, n_group) / k - share) for k, d in zip(cutoffs, discounts, strict=True))
    last = sum(
        d * abs(max(0, n_group - (n - k)) / k - share) for k, d in zip(cutoffs, discounts, strict=True)
    )
    return float(max(first, last))


def expected_rnd(n_group: int, n: int, variant: RndVariant = PAPER) -> float:
    """Return the mean rND of random rankings, exactly: at each cut-off the group's number is hypergeometric.

    It is far from 0 and differs between groups of different size, so an rND above 0 is no bias and groups of
    different size cannot be compared without it. NaN where the group is absent or alone.
    """
    most = maximum(n_group, n, variant)
    if most == 0:
        return float("nan")
    share, total = n_group / n, 0.0
    for k, discount in zip(variant.cutoffs_for(n), variant.discounts_for(n), strict=True):
        m = np.arange(max(0, n_group - (n - k)), min(k, n_group) + 1)
        total += discount * float((hypergeom.pmf(m, n, n_group, k) * np.abs(m / k - share)).sum())
    return total / most


def group_rnd(rankings: Rankings, groups: Groups, variant: RndVariant = PAPER) -> Array:
    """Return the rND of each group in each ranking, shape (T, G)."""
    codes = codes_at_ranks(rankings, groups)
    return np.stack([rnd(codes == g, variant) for g in range(len(groups.names))], axis=1)


def chance_rnd(groups: Groups, variant: RndVariant = PAPER) -> Array:
    """Return the mean rND of random rankings for each problem and group, shape (P, G)."""
    n = groups.code.shape[1]
    by_size = np.array([expected_rnd(m, n, variant) for m in range(n + 1)])
    expected: Array = by_size[groups.sizes]
    return expected
