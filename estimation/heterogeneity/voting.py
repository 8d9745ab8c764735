"""What people's predicted orders would elect, beside the order that pooled weights give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse, stats
from scipy.sparse.csgraph import connected_components

from estimation.errors import EstimationError
from survey.design import Profile

Array = NDArray[np.float64]

MOST_PROFILES = 200
"""Of studies with more profiles, a sample of this size is voted on."""
# Log-strengths closer than this are a tie: their difference is rounding.
_TIED = 1e-9
# So many pairs are named in the sentence about disagreement.
_MOST_NAMED = 3
# Profiles voted on at once, so that (respondents, profiles, profiles) is never held whole.
_BLOCK = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Disagreement:
    """Two profiles that pooled weights and the majority of people's predicted orders put in opposite orders."""

    pooled_prefers: str
    majority_prefers: str
    share: float
    """Of people who prefer the majority's profile, ties counted half; above 1/2."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Votes:
    """What voting rules make of people's predicted orders."""

    names: tuple[str, ...]
    """Of the profiles."""
    n_people: int
    pooled: Array
    """Log-strengths of the pooled fit, centred, shape (n_profiles,)."""
    pooled_rank: Array
    """1 for the first; tied profiles share the mean of their ranks. Shape (n_profiles,)."""
    majority: Array
    """Share of people who put the row's profile above the column's, ties counted half, shape (n_profiles,
    n_profiles); 1/2 on the diagonal."""
    borda: Array
    """Share of the other profiles that a person puts below, ties counted half, averaged over people; in [0, 1]."""
    copeland: Array
    """Share of the other profiles that the majority puts below, ties counted half; in [0, 1]."""
    borda_rank: Array
    copeland_rank: Array
    condorcet_winner: str | None
    """The profile that the majority prefers to every other one; None if there is none."""
    cycles: tuple[tuple[str, ...], ...]
    """Sets of profiles that majorities prefer to each other in a circle, so that they have no order."""
    borda_correlation: float | None
    """Kendall's tau-b between the pooled and Borda's order; None where one of them ties everything."""
    copeland_correlation: float | None
    disagreements: tuple[Disagreement, ...]
    """Pairs that pooled weights and majority put in opposite orders, the greatest majority first."""
    borda_disagreements: tuple[tuple[str, str], ...]
    """Pairs (pooled prefers, Borda prefers)."""

    @property
    def n_pairs(self) -> int:
        """Number of pairs of profiles."""
        return len(self.names) * (len(self.names) - 1) // 2

    @property
    def sentence(self) -> str:
        """Where pooling and voting disagree, in a sentence or three."""
        words = [self._majority_words(), self._borda_words()]
        if self.cycles:
            largest = self.cycles[0]
            among = ", ".join(largest) if len(largest) <= 4 else f"{len(largest)} of the profiles"
            more = f" (and {len(self.cycles) - 1} smaller circles)" if len(self.cycles) > 1 else ""
            words.append(f"Majorities run in a circle among {among}{more}, so they give no order there.")
        return " ".join(words)

    def _majority_words(self) -> str:
        if not self.disagreements:
            return f"Pooled weights and the majority order no pair of the {self.n_pairs} differently."
        named = "; ".join(
            f"{d.pooled_prefers} above {d.majority_prefers}, which {100 * d.share:.0f} % put first"
            for d in self.disagreements[:_MOST_NAMED]
        )
        rest = len(self.disagreements) - _MOST_NAMED
        more = f"; and {rest} more" if rest > 0 else ""
        return (
            f"Pooled weights and the majority order {len(self.disagreements)} of {self.n_pairs} pairs differently: "
            f"pooling puts {named}{more}."
        )

    def _borda_words(self) -> str:
        if np.ptp(self.borda_rank) == 0:
            return "Borda ties all profiles."
        if not self.borda_disagreements:
            return "Borda's order agrees with the pooled one."
        named = ", ".join(f"{other} above {one}" for one, other in self.borda_disagreements[:_MOST_NAMED])
        rest = len(self.borda_disagreements) - _MOST_NAMED
        return f"Borda puts {named}{f' (and {rest} more pairs)' if rest > 0 else ''}, where pooling does not."


def vote(
    log_strengths: ArrayLike,
    pooled: ArrayLike,
    names: Sequence[str],
    *,
    people: ArrayLike | None = None,
) -> Votes:
    """Let people vote by the orders that their log-strengths predict.

    Predicted orders are shrunk towards everybody's, so that they understate how often people differ.

    Parameters
    ----------
    log_strengths
        Each person's predicted log-strengths, shape (n_people, n_profiles); only their order matters.
    pooled
        Log-strengths of the fit to everybody's answers, shape (n_profiles,).
    names
        Of the profiles.
    people
        How many people, or what share, a row stands for, shape (n_people,); None for 1 each.

    Raises
    ------
    EstimationError
        Shapes do not match, a number is not finite, or there are fewer than two profiles.

    References
    ----------
    Noothigattu et al. (2018), A Voting-Based System for Ethical Decision Making, AAAI; Brandt et al. (2016),
    Handbook of Computational Social Choice, chapters 2-4.
    """
    each = np.asarray(log_strengths, dtype=float)
    together = np.asarray(pooled, dtype=float)
    n = len(names)
    if each.ndim != 2 or each.shape[1] != n or together.shape != (n,) or len(each) < 1:
        raise EstimationError(
            f"votes on {n} profiles need log-strengths of shape (people, {n}) and {n} pooled ones, not "
            f"{each.shape} and {together.shape}"
        )
    if n < 2:
        raise EstimationError("a vote needs two profiles or more")
    if not (np.isfinite(each).all() and np.isfinite(together).all()):
        raise EstimationError("a log-strength to vote by is not finite; shrink people's own fits")
    weights = np.ones(len(each)) if people is None else np.asarray(people, dtype=float)
    if weights.shape != (len(each),) or not (weights >= 0).all() or weights.sum() <= 0:
        raise EstimationError("numbers of people must be one per row, none negative, and not all zero")
    weights = weights / weights.sum()
    majority = _majority(each, weights)
    others = ~np.eye(n, dtype=bool)
    borda = np.where(others, majority, 0.0).sum(axis=1) / (n - 1)
    margin = majority - 0.5
    wins = np.where(margin > _TIED, 1.0, np.where(margin < -_TIED, 0.0, 0.5))
    copeland = np.where(others, wins, 0.0).sum(axis=1) / (n - 1)
    beats = (margin > _TIED) & others
    winner = np.flatnonzero(beats.sum(axis=1) == n - 1)
    centered = together - together.mean()
    return Votes(
        names=tuple(names),
        n_people=len(each),
        pooled=centered,
        pooled_rank=_ranks(centered),
        majority=majority,
        borda=borda,
        copeland=copeland,
        borda_rank=_ranks(borda),
        copeland_rank=_ranks(copeland),
        condorcet_winner=names[winner[0]] if len(winner) else None,
        cycles=_cycles(beats, names),
        borda_correlation=_tau(centered, borda),
        copeland_correlation=_tau(centered, copeland),
        disagreements=_disagreements(centered, majority, names),
        borda_disagreements=_opposed(centered, borda, names),
    )


def profiles_to_vote_on(profiles: Sequence[Profile], *, seed: int) -> tuple[Profile, ...]:
    """Return all profiles of a study, or a seeded sample of them where there are too many to compare each pair."""
    if len(profiles) <= MOST_PROFILES:
        return tuple(profiles)
    chosen = np.sort(np.random.default_rng(seed).choice(len(profiles), size=MOST_PROFILES, replace=False))
    return tuple(profiles[i] for i in chosen)


def _majority(each: Array, weights: Array) -> Array:
    """Return the share of people who put the row's profile above the column's, ties counted half."""
    n = each.shape[1]
    majority = np.empty((n, n))
    for i in range(0, n, _BLOCK):
        difference = each[:, i : i + _BLOCK, None] - each[:, None, :]
        above = np.where(difference > _TIED, 1.0, np.where(difference < -_TIED, 0.0, 0.5))
        majority[i : i + _BLOCK] = np.einsum("p,pij->ij", weights, above)
    # Both triangles are sums of the same numbers in another order; made one, so that ties are ties.
    return (majority + 1 - majority.T) / 2


def _ranks(values: Array) -> Array:
    return np.asarray(stats.rankdata(-np.round(values / _TIED) * _TIED, method="average"))


def _tau(one: Array, other: Array) -> float | None:
    first, second = _ranks(one), _ranks(other)
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return None
    return float(stats.kendalltau(first, second).statistic)


def _cycles(beats: NDArray[np.bool_], names: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """Return strongly connected sets of the majority's strict preferences, the largest first."""
    n_sets, label = connected_components(
        sparse.coo_array(beats.astype(float)), directed=True, connection="strong"
    )
    sets = [tuple(name for name, own in zip(names, label, strict=True) if own == k) for k in range(n_sets)]
    return tuple(sorted((s for s in sets if len(s) > 1), key=lambda s: (-len(s), s)))


def _disagreements(pooled: Array, majority: Array, names: Sequence[str]) -> tuple[Disagreement, ...]:
    opposed = (pooled[:, None] - pooled > _TIED) & (majority < 0.5 - _TIED)
    found = [
        Disagreement(pooled_prefers=names[i], majority_prefers=names[j], share=float(majority[j, i]))
        for i, j in np.argwhere(opposed)
    ]
    return tuple(sorted(found, key=lambda d: -d.share))


def _opposed(pooled: Array, score: Array, names: Sequence[str]) -> tuple[tuple[str, str], ...]:
    first, second = pooled[:, None] - pooled, score[:, None] - score
    pairs = np.argwhere((first > _TIED) & (second < -_TIED))
    widest = sorted(pairs, key=lambda pair: float(second[pair[0], pair[1]]))
    return tuple((names[i], names[j]) for i, j in widest)
