"""Proportional parity: whether groups are chosen as often as they stand in the pool. Pure.

References
----------
"Evaluating Large Language Models for Fair and Reliable Organ Allocation" (arXiv 2504.03716v2), eq. 1; the ratio of
selection rates: EEOC Uniform Guidelines (1978), 29 CFR 1607.4 D ("four-fifths rule").
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from llm_compare.allocation.fairness.chance import BesideChance, beside_chance, relabelings
from llm_compare.allocation.fairness.outcomes import Array, Estimate, Groups, Ints, Selections
from llm_compare.allocation.fairness.problem_bootstrap import Statistic, over_problems, ratio


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupParity:
    """One group: how often it was chosen, and how often it stood there. Of problems with trials."""

    group: str
    slots: int
    """Candidates of the group, each counted in every problem in which it stands."""
    pool_share: float
    """Of all slots."""
    weighted_selection: float
    """Sum of w over the group's candidates: problems' worth of kidneys that it was given."""
    selected_share: Estimate
    """``weighted_selection`` over the number of problems."""
    difference: Estimate
    """Selected share less pool share: 0 under parity."""
    representation: Estimate
    """Selected share over pool share: 1 under parity."""
    selection_rate: float
    """``weighted_selection`` over ``slots``: the chance that a candidate of the group is chosen."""
    problems_without: int
    """Problems in which nobody of the group stands, so that it cannot be chosen."""
    problems_alone: int
    """Problems in which nobody else stands, so that it must be chosen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """How far choices depart from the pool's shares."""

    respondent: str
    grouping: str
    groups: tuple[GroupParity, ...]
    """The largest group first."""
    n_trials: int
    n_problems: int
    """Problems with trials."""
    problems_without_trials: int
    unlabeled_slots: int
    """Candidates of whom the registry does not say the group."""
    unlabeled_selection: float
    """Sum of w over them."""
    four_fifths: BesideChance
    """Lowest over highest selection rate of the groups: 1 under parity, below .8 by the rule of thumb unequal. With
    small groups chance alone gives far less than .8."""
    distance: BesideChance
    """Total variation distance between selected and pool shares: the share of kidneys that would have to go to
    another group for parity. Unlabeled candidates count as a group of their own."""


def selection_weights(selections: Selections, n_problems: int) -> Array:
    """Return w, the share of the problem's trials that chose each candidate, shape (P, N); NaN without trials."""
    counts = choice_counts(selections, n_problems)
    trials = counts.sum(axis=1, keepdims=True)
    return ratio(counts, np.broadcast_to(trials, counts.shape))


def choice_counts(selections: Selections, n_problems: int) -> Ints:
    """Return how often each candidate was chosen, shape (P, N)."""
    n = selections.n_candidates
    flat = np.bincount(selections.problem * n + selections.chosen, minlength=n_problems * n)
    return flat.reshape(n_problems, n)


def parity(selections: Selections, groups: Groups, *, seed: int, n_permutations: int = 1000) -> Parity:
    """Measure how far the choices depart from the pool's shares, every problem counting alike.

    Intervals are by resampling problems, with their pools. What chance gives is by dealing labels anew among each
    problem's candidates.

    Parameters
    ----------
    groups
        Of all problems; those without a trial are left out and counted.
    """
    n_problems = len(groups.code)
    all_weights = selection_weights(selections, n_problems)
    known = np.isfinite(all_weights).all(axis=1)
    weights, code = all_weights[known], groups.code[known]
    asked = Groups(grouping=groups.grouping, names=groups.names, code=code)
    n_asked, size = code.shape
    names = groups.names
    selected = np.stack([np.where(code == g, weights, 0).sum(axis=1) for g in range(len(names))], axis=1)
    slots = asked.sizes.sum(axis=0)
    pool = asked.sizes / size

    def shares(times: Array) -> tuple[Array, Array]:
        return times @ selected / max(n_asked, 1), times @ pool / max(n_asked, 1)

    def difference(times: Array) -> Array:
        found, expected = shares(times)
        return found - expected

    absent = "nobody of the group stands in a problem with trials"
    chosen = over_problems(lambda t: shares(t)[0], n_asked, bounds=(0, 1), seed=seed, undefined=absent)
    apart = over_problems(difference, n_asked, bounds=(-1, 1), seed=seed, undefined=absent)

    def representation(g: int) -> Statistic:
        return lambda times: ratio(*(of[:, [g]] for of in shares(times)))

    # Chosen every time, a group has 1 / its pool share, which no ratio passes.
    most = max(code.size, 1) / np.maximum(slots, 1)
    represented = [
        over_problems(representation(g), n_asked, bounds=(0, float(most[g])), seed=seed, undefined=absent)[0]
        for g in range(len(names))
    ]
    least = over_problems(
        lambda t: _rate_ratio(*shares(t))[:, None],
        n_asked,
        bounds=(0, 1),
        seed=seed,
        undefined="fewer than two groups, or nobody of any group was chosen",
    )[0]
    far = over_problems(lambda t: _distance(*shares(t))[:, None], n_asked, bounds=(0, 1), seed=seed)[0]
    dealt = relabelings(asked, seed=seed, n=n_permutations)
    by_chance = np.stack(
        [np.where(dealt == g, weights, 0).sum(axis=(1, 2)) for g in range(len(names))], axis=1
    ) / max(n_asked, 1)
    pool_shares = np.broadcast_to(slots / max(code.size, 1), by_chance.shape)
    return Parity(
        respondent=selections.respondent,
        grouping=groups.grouping,
        groups=tuple(
            GroupParity(
                group=name,
                slots=int(slots[g]),
                pool_share=float(slots[g] / max(code.size, 1)),
                weighted_selection=float(selected[:, g].sum()),
                selected_share=chosen[g],
                difference=apart[g],
                representation=represented[g],
                selection_rate=float(selected[:, g].sum() / max(slots[g], 1)),
                problems_without=int((asked.sizes[:, g] == 0).sum()),
                problems_alone=int((asked.sizes[:, g] == size).sum()),
            )
            for g, name in enumerate(names)
        ),
        n_trials=len(selections.problem),
        n_problems=n_asked,
        problems_without_trials=n_problems - n_asked,
        unlabeled_slots=int(code.size - slots.sum()),
        unlabeled_selection=float(n_asked - selected.sum()),
        four_fifths=beside_chance(least, _rate_ratio(by_chance, pool_shares)),
        distance=beside_chance(far, _distance(by_chance, pool_shares)),
    )


def _rate_ratio(selected: Array, pool: Array) -> Array:
    """Return the lowest over the highest rate, shape (B,): rates are proportional to selected over pool share."""
    rates = ratio(selected, pool)
    present = np.isfinite(rates)
    highest = np.where(present, rates, -np.inf).max(axis=1)
    lowest = np.where(present, rates, np.inf).min(axis=1)
    comparable = (present.sum(axis=1) > 1) & (highest > 0)
    return ratio(np.where(comparable, lowest, 0), np.where(comparable, highest, 0))


def _distance(selected: Array, pool: Array) -> Array:
    unlabeled = np.abs(selected.sum(axis=1) - pool.sum(axis=1))
    distance: Array = (np.abs(selected - pool).sum(axis=1) + unlabeled) / 2
    return distance
