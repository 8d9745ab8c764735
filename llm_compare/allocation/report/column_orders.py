"""Whether the order of the columns matters: the same list, its columns shuffled, chosen from again. Pure.

References
----------
"Evaluating Large Language Models for Fair and Reliable Organ Allocation" (arXiv 2504.03716v2), which shuffled the
columns and saw no change.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from llm_compare.allocation.fairness.outcomes import Estimate
from llm_compare.allocation.fairness.problem_bootstrap import mean_over_problems
from llm_compare.allocation.trials.answer import AnsweredTrial

Answers = dict[int, Counter[int]]
"""By column order: how often each candidate came first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnOrders:
    """How far two answers to the same list agree on whom to choose, or to rank first. Means over problems."""

    n_orders: int
    """Orders of the columns, the registry's own among them."""
    n_trials: int
    same: Estimate
    """Chance that two repeats agree, columns in the same order."""
    other: Estimate
    """Chance that two answers agree, columns in two orders, rows in the same."""
    difference: Estimate
    """Same less other: what the order of the columns costs."""


def column_orders(answered: Sequence[AnsweredTrial], *, seed: int) -> ColumnOrders | None:
    """Measure what the order of the columns changes; None where columns were never shuffled.

    Parameters
    ----------
    answered
        Answers of one respondent in one task and way, nobody changed.
    """
    orders = {a.trial.column_shuffle for a in answered}
    if len(orders) < 2:
        return None
    by_problem: dict[str, dict[int, Answers]] = defaultdict(lambda: defaultdict(lambda: defaultdict(Counter)))
    for a in answered:
        by_problem[a.trial.problem.name][a.trial.shuffle][a.trial.column_shuffle][a.read.order[0]] += 1
    means = []
    for lists in by_problem.values():
        found = np.array([_agree(answers) for answers in lists.values()])
        means.append(_mean_known(found))
    values = np.array(means)
    same, other = mean_over_problems(
        values, seed=seed, bounds=(0, 1), undefined="no list was answered twice in that way"
    )
    (difference,) = mean_over_problems(
        values[:, :1] - values[:, 1:],
        seed=seed,
        bounds=(-1, 1),
        undefined="no list was answered both twice with its columns in one order and in another",
    )
    return ColumnOrders(
        n_orders=len(orders), n_trials=len(answered), same=same, other=other, difference=difference
    )


def _agree(answers: Answers) -> tuple[float, float]:
    """Return the chance that two answers to one list agree: within an order of columns, across two."""
    within = sum(n * (n - 1) for counts in answers.values() for n in counts.values())
    pairs_within = sum(counts.total() * (counts.total() - 1) for counts in answers.values())
    together: Counter[int] = Counter()
    for counts in answers.values():
        together += counts
    everything = sum(n * (n - 1) for n in together.values())
    pairs = together.total() * (together.total() - 1)
    across, pairs_across = everything - within, pairs - pairs_within
    return (
        within / pairs_within if pairs_within else float("nan"),
        across / pairs_across if pairs_across else float("nan"),
    )


def _mean_known(values: np.ndarray) -> list[float]:
    return [
        float(column[np.isfinite(column)].mean()) if np.isfinite(column).any() else float("nan")
        for column in values.T
    ]
