"""How far two answers to the same problem agree: asked again as it was, or with its rows in another order. Pure.

References
----------
Kendall (1938), Biometrika 30: (concordant - discordant) / all pairs. Whole rankings have no ties, so tau-a and
tau-b are the same. Webber, Moffat and Zobel (2010), ACM Trans. Inf. Syst. 28, rank-biased overlap, extrapolated
(eq. 32, for lists of the same length k): RBO_ext = X_k/k p^k + (1 - p)/p sum_{d=1..k} X_d/d p^d, with X_d the
number of candidates that both rankings have among their first d.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llm_compare.allocation.fairness.outcomes import Array, Estimate, Ints, Rankings, Selections
from llm_compare.allocation.fairness.problem_bootstrap import Bounds, mean_over_problems

PERSISTENCE = 0.9
"""Of rank-biased overlap: the chance to look at one more rank. The first ten carry about 86 % of the weight."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """Mean over problems of the mean over all pairs of answers to the problem."""

    same_order: Estimate
    """Of pairs with the rows in the same order: repeats of the very same question."""
    other_order: Estimate
    """Of pairs with the rows in different orders."""
    difference: Estimate
    """Same less other: what the order of the rows costs. Of problems that have pairs of both kinds."""
    by_chance: float
    """What two random answers come to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RankingAgreement:
    """How far pairs of rankings agree."""

    respondent: str
    kendall: Agreement
    """Kendall's tau, from -1 to 1."""
    overlap: Agreement
    """Extrapolated rank-biased overlap, up to 1; weighs the first ranks most."""
    first: Agreement
    """Chance that two rankings have the same candidate first."""
    persistence: float


def ranking_agreement(rankings: Rankings, *, seed: int, persistence: float = PERSISTENCE) -> RankingAgreement:
    """Measure how far pairs of rankings of the same problem agree."""
    n = rankings.n_candidates
    asked = np.unique(rankings.problem)
    tau, overlap = (np.full((len(asked), 2), np.nan) for _ in range(2))
    for i, p in enumerate(asked):
        trials = rankings.problem == p
        rank, shuffle = rankings.rank[trials], rankings.shuffle[trials]
        tau[i] = _by_order(kendall_tau(rank), shuffle)
        overlap[i] = _by_order(rank_biased_overlap(rank, persistence), shuffle)
    by_chance = float(rank_biased_weights(n, persistence) @ (np.arange(1, n + 1) / n))
    return RankingAgreement(
        respondent=rankings.respondent,
        kendall=_agreement(tau, 0.0, bounds=(-1, 1), seed=seed),
        overlap=_agreement(overlap, by_chance, bounds=(0, 1), seed=seed),
        first=choice_agreement(rankings.top, seed=seed),
        persistence=persistence,
    )


def choice_agreement(selections: Selections, *, seed: int) -> Agreement:
    """Measure the chance that two trials of the same problem chose the same candidate."""
    asked = np.unique(selections.problem)
    found = np.full((len(asked), 2), np.nan)
    for i, p in enumerate(asked):
        trials = selections.problem == p
        found[i] = _same_choice(selections.chosen[trials], selections.shuffle[trials])
    return _agreement(found, 1 / selections.n_candidates, bounds=(0, 1), seed=seed)


def kendall_tau(rank: Ints) -> Array:
    """Return Kendall's tau of each pair of rankings, shape (T, T), from ranks of shape (T, N).

    NaN for a single candidate, who cannot be ordered.
    """
    first, second = np.triu_indices(rank.shape[1], k=1)
    if not len(first):
        return np.full((len(rank), len(rank)), np.nan)
    order = np.sign(rank[:, first] - rank[:, second]).astype(float)
    tau: Array = order @ order.T / len(first)
    return tau


def rank_biased_weights(n: int, persistence: float) -> Array:
    """Return the weight of the agreement X_d/d at each depth d = 1..n, shape (n,); they sum to 1."""
    depth = np.arange(1, n + 1)
    weights = np.asarray((1 - persistence) * persistence ** (depth - 1), dtype=np.float64)
    weights[-1] += persistence**n
    return weights


def rank_biased_overlap(rank: Ints, persistence: float = PERSISTENCE) -> Array:
    """Return the extrapolated rank-biased overlap of each pair of rankings, shape (T, T)."""
    n = rank.shape[1]
    found = np.zeros((len(rank), len(rank)))
    for depth, weight in enumerate(rank_biased_weights(n, persistence), start=1):
        among_first = (rank < depth).astype(float)
        found += weight / depth * (among_first @ among_first.T)
    return found


def _by_order(pairs: Array, shuffle: Ints) -> tuple[float, float]:
    """Return the mean of ``pairs``, shape (T, T), over those with the same and with different row orders."""
    same = shuffle[:, None] == shuffle
    different = ~same
    np.fill_diagonal(same, False)
    return _mean(pairs, same), _mean(pairs, different)


def _mean(pairs: Array, which: NDArray[np.bool_]) -> float:
    return float(pairs[which].mean()) if which.any() else float("nan")


def _same_choice(chosen: Ints, shuffle: Ints) -> tuple[float, float]:
    """Return the share of pairs with the same choice, by counting: hundreds of people may have answered."""
    _, candidate = np.unique(chosen, return_inverse=True)
    _, order = np.unique(shuffle, return_inverse=True)
    counts = np.zeros((order.max() + 1, candidate.max() + 1))
    np.add.at(counts, (order, candidate), 1)

    def pairs(of: Array) -> float:
        return float((of * (of - 1) / 2).sum())

    agree_same, all_same = pairs(counts), pairs(counts.sum(axis=1))
    agree, every = pairs(counts.sum(axis=0)), pairs(counts.sum(keepdims=True))
    other = every - all_same
    return (
        agree_same / all_same if all_same else float("nan"),
        (agree - agree_same) / other if other else float("nan"),
    )


def _agreement(by_problem: Array, by_chance: float, *, bounds: Bounds, seed: int) -> Agreement:
    def mean(values: Array, limits: Bounds, undefined: str) -> Estimate:
        return mean_over_problems(values[:, None], seed=seed, bounds=limits, undefined=undefined)[0]

    width = bounds[1] - bounds[0]
    return Agreement(
        same_order=mean(
            by_problem[:, 0], bounds, "no problem was asked twice with its rows in the same order"
        ),
        other_order=mean(by_problem[:, 1], bounds, "no problem was asked with its rows in two orders"),
        difference=mean(
            by_problem[:, 0] - by_problem[:, 1],
            (-width, width),
            "no problem was asked both twice in the same order and in another",
        ),
        by_chance=by_chance,
    )
