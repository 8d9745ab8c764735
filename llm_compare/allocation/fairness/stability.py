"""How stable rankings and choices are over repeats and row orders: where each candidate stands, how often. Pure.

References
----------
"Evaluating Large Language Models for Fair and Reliable Organ Allocation" (arXiv 2504.03716v2), section 5.2.1 and
Fig. 2. Sorting candidates by the very ranks that are then counted makes a diagonal of nothing, surest at both ends:
so every number stands beside what random rankings in as many trials give.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from llm_compare.allocation.fairness.chance import BesideChance, beside_chance, random_orders
from llm_compare.allocation.fairness.outcomes import Array, Ints, Rankings, Selections
from llm_compare.allocation.fairness.problem_bootstrap import mean_over_problems

N_SIMULATED = 200
_NO_TRIALS = "no trials"


@dataclass(frozen=True, kw_only=True, eq=False)
class Stability:
    """Where candidates stand. Numbers are means over problems, every problem counting alike."""

    respondent: str
    n_trials: int
    n_problems: int
    """Problems with trials."""
    matrix: Array
    """Shape (N, N): chance that the candidate of each expected rank (row: by mean rank over the problem's trials,
    equal ones by number) stands at each rank (column), averaged over problems. Rows and columns sum to 1."""
    chance_matrix: Array
    """The same of random rankings."""
    diagonal: BesideChance
    """Chance that a candidate stands at its expected rank, mean over candidates; 1 if every ranking is the same."""
    upper: BesideChance
    """The same of the first third of expected ranks."""
    middle: BesideChance
    lower: BesideChance
    extremes_surer: BesideChance
    """Mean of upper and lower, less middle. Above chance it is no sign of being surer of the extremes: who ranks
    everybody with the same noise has it, too, for both ends have neighbors on one side only (.09 with 15 candidates
    evenly apart and Kendall's tau .69 between repeats)."""
    favorite_first: BesideChance
    """Share of trials in which the candidate most often ranked first is first."""
    expected_first: BesideChance
    """Share of trials in which the candidate of best mean rank is first: the matrix's upper left corner. In the
    paper 83 % (Claude) and 39 % (Gemini)."""
    rank_entropy: BesideChance
    """Entropy of a candidate's rank over trials, as a share of that of N equally likely ranks, mean over
    candidates: 0 if every ranking is the same. With few trials random rankings stay below 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoiceStability:
    """How often the same candidate is chosen, as means over problems."""

    respondent: str
    n_trials: int
    n_problems: int
    favorite: BesideChance
    """Share of trials that chose the candidate most often chosen."""
    entropy: BesideChance
    """Of the choice over trials, as a share of that of N equally likely candidates."""


def position_counts(rank: Ints, problem: Ints, n_problems: int) -> Ints:
    """Return how often each candidate stands at each rank, shape (P, N, N): problem, candidate, rank.

    Parameters
    ----------
    rank
        Shape (T, N): the rank of each candidate, from 0.
    problem
        Shape (T,).
    """
    n = rank.shape[1]
    flat = (problem[:, None] * n + np.arange(n)) * n + rank
    return np.bincount(flat.ravel(), minlength=n_problems * n * n).reshape(n_problems, n, n)


def by_expected_rank(counts: Ints) -> Ints:
    """Return the counts with each problem's candidates sorted by mean rank, equal ones by number."""
    total = counts @ np.arange(counts.shape[2])  # Whole numbers: equal mean ranks are exactly equal.
    order = np.argsort(total, axis=1, kind="stable")
    return np.take_along_axis(counts, order[:, :, None], axis=1)


def stability(rankings: Rankings, *, seed: int, n_simulated: int = N_SIMULATED) -> Stability:
    """Measure how stable the rankings are.

    Parameters
    ----------
    seed
        Of resampled problems and of simulated rankings.
    n_simulated
        Studies with random rankings, each with as many trials of each problem as there are.
    """
    n = rankings.n_candidates
    asked, problem = np.unique(rankings.problem, return_inverse=True)
    rng = np.random.default_rng(seed)
    matrix, by_problem = _measures(rankings.rank, problem, len(asked))
    simulated = np.empty((n_simulated, by_problem.shape[1]))
    chance_matrix = np.zeros((n, n))
    for i in range(n_simulated):
        one_matrix, ones = _measures(random_orders(len(problem), n, rng), problem, len(asked))
        chance_matrix += one_matrix / n_simulated
        simulated[i] = ones.sum(axis=0) / max(len(asked), 1)
    found = _beside(by_problem, simulated, seed=seed, signed=_EXTREMES)
    return Stability(
        respondent=rankings.respondent,
        n_trials=len(problem),
        n_problems=len(asked),
        matrix=matrix,
        chance_matrix=chance_matrix,
        diagonal=found[0],
        upper=found[1],
        middle=found[2],
        lower=found[3],
        extremes_surer=found[_EXTREMES],
        favorite_first=found[5],
        expected_first=found[6],
        rank_entropy=found[7],
    )


_EXTREMES = 4


def _measures(rank: Ints, problem: Ints, n_problems: int) -> tuple[Array, Array]:
    """Return the matrix, and each problem's numbers in the order of :class:`Stability`, shape (P, 8)."""
    counts = by_expected_rank(position_counts(rank, problem, n_problems))
    n = rank.shape[1]
    trials = counts[:, 0, :].sum(axis=1)
    standing = counts / trials[:, None, None]
    diagonal = np.diagonal(standing, axis1=1, axis2=2)
    upper, middle, lower = (diagonal[:, part].mean(axis=1) for part in thirds(n))
    first = standing[:, :, 0]
    measures = [
        diagonal.mean(axis=1),
        upper,
        middle,
        lower,
        (upper + lower) / 2 - middle,
        first.max(axis=1),
        first[:, 0],
        _entropy(standing).mean(axis=1),
    ]
    return standing.sum(axis=0) / max(n_problems, 1), np.stack(measures, axis=1)


def thirds(n: int) -> tuple[slice, slice, slice]:
    """Return the first, middle and last third of ``n``; the middle one takes what cannot be shared out."""
    third = max(n // 3, 1)
    return slice(0, third), slice(third, max(n - third, third + 1)), slice(n - third, n)


def choice_stability(selections: Selections, *, seed: int, n_simulated: int = N_SIMULATED) -> ChoiceStability:
    """Measure how often the same candidate is chosen, beside choices of which each is as likely as any other."""
    asked, problem = np.unique(selections.problem, return_inverse=True)
    rng = np.random.default_rng(seed)
    n = selections.n_candidates

    def measures(counts: Ints) -> Array:
        shares = counts / counts.sum(axis=1, keepdims=True)
        return np.stack([shares.max(axis=1), _entropy(shares)], axis=1)

    counts = np.zeros((len(asked), n), dtype=np.intp)
    np.add.at(counts, (problem, selections.chosen), 1)
    by_problem = measures(counts)
    trials = counts.sum(axis=1)
    simulated = [
        measures(rng.multinomial(trials, np.full(n, 1 / n))).sum(axis=0) / max(len(asked), 1)
        for _ in range(n_simulated)
    ]
    favorite, entropy = _beside(by_problem, np.array(simulated), seed=seed)
    return ChoiceStability(
        respondent=selections.respondent,
        n_trials=len(problem),
        n_problems=len(asked),
        favorite=favorite,
        entropy=entropy,
    )


def _beside(
    by_problem: Array, simulated: Array, *, seed: int, signed: int | None = None
) -> list[BesideChance]:
    """Put means over problems beside those of simulated studies; all are shares but column ``signed``."""
    found: list[BesideChance] = []
    for k in range(by_problem.shape[1]):
        bounds = (-1.0, 1.0) if k == signed else (0.0, 1.0)
        (observed,) = mean_over_problems(by_problem[:, [k]], seed=seed, bounds=bounds, undefined=_NO_TRIALS)
        found.append(beside_chance(observed, simulated[:, k]))
    return found


def _entropy(shares: Array) -> Array:
    """Return the entropy over the last axis, as a share of the greatest possible; 0 where there is one outcome."""
    n = shares.shape[-1]
    if n == 1:
        return np.zeros(shares.shape[:-1])
    logs = np.log(shares, out=np.zeros_like(shares), where=shares > 0)
    found: Array = -(shares * logs).sum(axis=-1) / np.log(n)
    return np.clip(found, 0, 1)
