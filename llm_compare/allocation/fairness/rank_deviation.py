"""Where in rankings a group stands more or less often than in the pool: one curve over ranks for each group. Pure.

References
----------
"Evaluating Large Language Models for Fair and Reliable Organ Allocation" (arXiv 2504.03716v2), section 6.1, Fig. 3,
which has no bands: with 20 problems a curve of a small group leaves 0 by chance at most ranks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llm_compare.allocation.fairness.chance import relabelings
from llm_compare.allocation.fairness.outcomes import Array, Estimate, Groups, Rankings
from llm_compare.allocation.fairness.problem_bootstrap import mean_of, over_problems
from llm_compare.allocation.fairness.stability import position_counts

# Labels dealt anew are counted in pieces, so that many problems do not need much memory.
_AT_ONCE = 250


@dataclass(frozen=True, slots=True, kw_only=True)
class RankCurve:
    """One group over ranks."""

    group: str
    pool_share: float
    deviation: tuple[Estimate, ...]
    """At each rank from the first on: the group's share of whoever stands there, less its share of the pool. The
    intervals hold for one rank at a time."""
    envelope: tuple[float, ...]
    """At each rank: curves of labels dealt anew stay within ± this at *all* ranks in 95 % of deals."""
    outside: tuple[int, ...]
    """Ranks, from 1, at which the curve leaves the envelope."""
    p: float | None
    """How rarely labels dealt anew leave 0 as far, at their most extreme rank. None of a group that is alone or
    absent in every problem: its curve cannot move."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RankDeviation:
    """The curves of all groups."""

    respondent: str
    grouping: str
    curves: tuple[RankCurve, ...]
    """The largest group first."""
    n_trials: int
    n_problems: int
    """Problems with trials."""
    n_permutations: int


def rank_deviation(
    rankings: Rankings, groups: Groups, *, seed: int, n_permutations: int = 1000
) -> RankDeviation:
    """Measure each group's share at each rank against its share of the pool, every problem counting alike."""
    n_problems, n = groups.code.shape
    counts = position_counts(rankings.rank, rankings.problem, n_problems)
    trials = counts[:, 0, :].sum(axis=1)
    asked = Groups(grouping=groups.grouping, names=groups.names, code=groups.code[trials > 0])
    standing = counts[trials > 0] / trials[trials > 0][:, None, None]  # (P, candidate, rank)
    n_asked = len(standing)
    dealt = relabelings(asked, seed=seed, n=n_permutations)
    curves = []
    for g, name in enumerate(groups.names):
        member = (asked.code == g).astype(float)
        own = np.einsum("pc,pcr->pr", member, standing) - member.mean(axis=1, keepdims=True)
        share = float(member.mean()) if n_asked else 0.0
        deviation = over_problems(mean_of(own), n_asked, seed=seed, bounds=(-1, 1), undefined="no trials")
        by_chance = _by_chance(dealt == g, standing) - share
        envelope, p = _envelope(own.mean(axis=0) if n_asked else np.zeros(n), by_chance)
        curves.append(
            RankCurve(
                group=name,
                pool_share=share,
                deviation=deviation,
                envelope=tuple(float(e) for e in envelope),
                outside=tuple(
                    r + 1
                    for r, (d, e) in enumerate(zip(deviation, envelope, strict=True))
                    if d.value is not None and abs(d.value) > e + 1e-12
                ),
                p=p,
            )
        )
    return RankDeviation(
        respondent=rankings.respondent,
        grouping=groups.grouping,
        curves=tuple(curves),
        n_trials=len(rankings.problem),
        n_problems=n_asked,
        n_permutations=n_permutations,
    )


def _by_chance(member: NDArray[np.bool_], standing: Array) -> Array:
    """Return the share at each rank in each deal, shape (D, N)."""
    n_deals, n_problems, n = member.shape
    flat = standing.reshape(n_problems * n, n)
    parts = [
        member[i : i + _AT_ONCE].reshape(-1, n_problems * n).astype(float) @ flat
        for i in range(0, n_deals, _AT_ONCE)
    ]
    found: Array = np.concatenate(parts) / max(n_problems, 1)
    return found


def _envelope(curve: Array, by_chance: Array) -> tuple[Array, float | None]:
    """Return the half-width at each rank that 95 % of chance curves keep to at all ranks, and the curve's p.

    Ranks count by their own standard deviation under chance; its mean is 0 at each rank.
    """
    spread = np.sqrt((by_chance**2).mean(axis=0))
    moves = spread > 1e-12
    if not moves.any():
        return np.zeros_like(curve), None
    furthest = (np.abs(by_chance[:, moves]) / spread[moves]).max(axis=1)
    own = float((np.abs(curve[moves]) / spread[moves]).max())
    # The smallest width that at least 95 % of curves keep to.
    kept: Array = np.quantile(furthest, 0.95, method="higher") * spread
    p = (1 + (furthest >= own - 1e-12).sum()) / (1 + len(furthest))
    return kept, float(p)
