"""Whether the place in the list matters: who stands near the top of it may be chosen for that alone. Pure.

The test needs no model: row orders were drawn, so if the order means nothing, the answers would be the same under
any other draw. What the order costs in agreement is in ``repeat_agreement``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from llm_compare.allocation.fairness.chance import two_sided_p
from llm_compare.allocation.fairness.outcomes import Array, Estimate, Ints, Rankings, Selections
from llm_compare.allocation.fairness.problem_bootstrap import mean_over_problems
from llm_compare.allocation.fairness.stability import thirds

# Numbers drawn at once for new row orders.
_AT_ONCE = 2_000_000
_NO_TRIALS = "no trials"


@dataclass(frozen=True, slots=True, kw_only=True)
class RowEffect:
    """Where in the list those stood who were chosen. Means over problems, every problem counting alike."""

    respondent: str
    n_trials: int
    n_problems: int
    shares: tuple[Estimate, ...]
    """Share of choices at each row from the top; 1/N each if the order means nothing."""
    upper: Estimate
    """Share of choices in the first third of the rows."""
    middle: Estimate
    lower: Estimate
    mean_row: Estimate
    """From 1; ``p`` by drawing the row orders anew."""
    chance_row: float
    """(N + 1) / 2: the mean row if the order means nothing."""


def row_effect(selections: Selections, *, seed: int, n_permutations: int = 1000) -> RowEffect:
    """Measure where in the list the chosen stood. For rankings pass :attr:`Rankings.top`."""
    n = selections.n_candidates
    asked, problem = np.unique(selections.problem, return_inverse=True)
    counts = np.zeros((len(asked), n))
    np.add.at(counts, (problem, selections.row), 1)
    at_row = counts / counts.sum(axis=1, keepdims=True)
    in_third = np.stack([at_row[:, part].sum(axis=1) for part in thirds(n)], axis=1)
    upper, middle, lower = mean_over_problems(in_third, seed=seed, bounds=(0, 1), undefined=_NO_TRIALS)
    (mean_row,) = mean_over_problems(
        at_row @ np.arange(1, n + 1)[:, None], seed=seed, bounds=(1, n), undefined=_NO_TRIALS
    )
    weight = 1 / np.bincount(problem, minlength=1)[problem] / max(len(asked), 1)
    chosen = np.zeros((len(problem), n))
    chosen[np.arange(len(problem)), selections.chosen] = weight
    drawn = _with_rows_drawn_anew(chosen, problem, selections.shuffle, seed, n_permutations)
    return RowEffect(
        respondent=selections.respondent,
        n_trials=len(problem),
        n_problems=len(asked),
        shares=mean_over_problems(at_row, seed=seed, bounds=(0, 1), undefined=_NO_TRIALS),
        upper=upper,
        middle=middle,
        lower=lower,
        mean_row=_with_p(mean_row, drawn + 1),
        chance_row=(n + 1) / 2,
    )


def rank_on_row(rankings: Rankings, *, seed: int, n_permutations: int = 1000) -> Estimate:
    """Return the slope of rank on row: by how many ranks a candidate falls for each row further down the list.

    Mean over trials, then problems; ``p`` by drawing the row orders anew. Ranks and rows are the same numbers in
    two orders, so the slope is also their correlation: 1 where the list is copied, 0 where it means nothing.
    """
    n = rankings.n_candidates
    asked, problem = np.unique(rankings.problem, return_inverse=True)
    if n == 1:
        return Estimate(value=None, reason="a single candidate has one rank")
    trials = np.bincount(problem, minlength=1)
    middle = (n - 1) / 2
    # Sum of squares of 0..n-1 about their mean.
    centered = (rankings.rank - middle) / (n * (n * n - 1) / 12)
    slope = (centered * (rankings.row - middle)).sum(axis=1)
    by_problem = np.bincount(problem, weights=slope, minlength=len(asked)) / trials[: len(asked)]
    (found,) = mean_over_problems(by_problem[:, None], seed=seed, bounds=(-1, 1), undefined=_NO_TRIALS)
    weighted = centered / trials[problem][:, None] / max(len(asked), 1)
    drawn = _with_rows_drawn_anew(weighted, problem, rankings.shuffle, seed, n_permutations)
    return _with_p(found, drawn)


def _with_p(found: Estimate, drawn: Array) -> Estimate:
    return found if found.value is None else replace(found, p=two_sided_p(found.value, drawn))


def _with_rows_drawn_anew(weights: Array, problem: Ints, shuffle: Ints, seed: int, n_draws: int) -> Array:
    """Return the sum of ``weights``, shape (T, N), times rows from 0, in each draw of row orders, shape (D,).

    Trials of a problem that shared a row order share the new one.
    """
    if not len(problem):
        return np.zeros(0)
    _, order = np.unique(np.stack([problem, shuffle], axis=1), axis=0, return_inverse=True)
    by_order = np.zeros((int(order.max()) + 1, weights.shape[1]))
    np.add.at(by_order, order, weights)
    rng = np.random.default_rng(seed)
    at_once = max(1, _AT_ONCE // by_order.size)
    rows = np.arange(weights.shape[1])
    found = []
    for done in range(0, n_draws, at_once):
        shape = (min(at_once, n_draws - done), *by_order.shape)
        found.append((rng.permuted(np.broadcast_to(rows, shape), axis=2) * by_order).sum(axis=(1, 2)))
    return np.concatenate(found)
