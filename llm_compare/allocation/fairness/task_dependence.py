"""Whether a respondent chooses whom it ranks first: the same problems, asked in two ways. Pure.

References
----------
"Evaluating Large Language Models for Fair and Reliable Organ Allocation" (arXiv 2504.03716v2), section 6.2, which
compares groups' shares by eye.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from llm_compare.allocation.fairness.chance import BesideChance, beside_chance
from llm_compare.allocation.fairness.outcomes import Array, Estimate, Groups, Ints, Selections
from llm_compare.allocation.fairness.parity import choice_counts
from llm_compare.allocation.fairness.problem_bootstrap import mean_over_problems, ratio

_NOTHING_SHARED = "no problem has trials of both tasks"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskDependence:
    """How far the two tasks give the kidney to the same candidates. Of problems with trials of both."""

    respondent: str
    n_problems: int
    distance: BesideChance
    """Total variation distance between the shares of choices and of first ranks, mean over problems; 0 if they are
    the same. Chance: trials of the same problem and row order dealt anew between the tasks."""
    favorites_coincide: Estimate
    """Share of problems with the same candidate most often chosen and most often first; of several equally frequent
    ones the chance that one drawn from each is the same."""
    agreement: Estimate
    """Chance that a trial of choose-one and one of rank-all pick the same candidate."""
    ceiling_choose_one: Estimate
    """Chance that two trials of choose-one do."""
    ceiling_rank_all: Estimate
    """Chance that two trials of rank-all do."""
    shortfall: Estimate
    """Mean of both ceilings less the agreement: 0 if only chance tells the tasks apart."""
    by_chance: float
    """Agreement of random choices, 1/N."""


class Verdict(StrEnum):
    """What two deviations from a group's pool share say together."""

    INVERTS = "inverts"
    """One task favors the group and the other disfavors it, each beyond its interval."""
    SAME = "same direction"
    """Both favor it, or both disfavor it, each beyond its interval."""
    OPEN = "not told apart from parity in both tasks"
    """At least one interval holds 0, or there is none: trials do not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupInTasks:
    """One group in both tasks."""

    group: str
    choose_one: Estimate
    """Selected share less pool share."""
    rank_all: Estimate
    """Share of first ranks less pool share."""
    difference: Estimate
    """Choose-one less rank-all, paired by problem."""
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupsInTasks:
    """All groups in both tasks."""

    respondent: str
    grouping: str
    groups: tuple[GroupInTasks, ...]
    n_problems: int


def task_dependence(
    choose_one: Selections, rank_all: Selections, n_problems: int, *, seed: int, n_permutations: int = 1000
) -> TaskDependence:
    """Compare choices with first ranks (:attr:`Rankings.top`) over the problems that have both."""
    both = [choice_counts(side, n_problems) for side in (choose_one, rank_all)]
    shared = np.flatnonzero((both[0].sum(axis=1) > 0) & (both[1].sum(axis=1) > 0))
    counts = [of[shared] for of in both]
    shares = [of / of.sum(axis=1, keepdims=True) for of in counts]
    agreement = (shares[0] * shares[1]).sum(axis=1)
    ceilings = [_two_trials_agree(of) for of in counts]
    columns = np.stack([_distance(*shares), _favorites_coincide(*counts), agreement, *ceilings], axis=1)
    distance, coincide, agree, first, second = mean_over_problems(
        columns, seed=seed, bounds=(0, 1), undefined=_NOTHING_SHARED
    )
    shortfall = (ceilings[0] + ceilings[1]) / 2 - agreement
    (short,) = mean_over_problems(
        shortfall[:, None],
        seed=seed,
        bounds=(-1, 1),
        undefined="no problem has two trials of both tasks",
    )
    dealt = _distances_when_dealt_anew(choose_one, rank_all, n_problems, shared, seed, n_permutations)
    return TaskDependence(
        respondent=choose_one.respondent,
        n_problems=len(shared),
        distance=beside_chance(distance, dealt),
        favorites_coincide=coincide,
        agreement=agree,
        ceiling_choose_one=first,
        ceiling_rank_all=second,
        shortfall=short,
        by_chance=1 / choose_one.n_candidates,
    )


def groups_in_tasks(
    choose_one: Selections, rank_all: Selections, groups: Groups, *, seed: int
) -> GroupsInTasks:
    """Compare each group's share of choices with its share of first ranks, over the problems that have both."""
    both = [choice_counts(side, len(groups.code)) for side in (choose_one, rank_all)]
    shared = (both[0].sum(axis=1) > 0) & (both[1].sum(axis=1) > 0)
    code = groups.code[shared]
    shares = [of[shared] / of[shared].sum(axis=1, keepdims=True) for of in both]
    found = []
    for g, name in enumerate(groups.names):
        pool = (code == g).mean(axis=1)
        first, second = (np.where(code == g, of, 0).sum(axis=1) - pool for of in shares)
        deviations = np.stack([first, second, first - second], axis=1)
        chosen, ranked, difference = mean_over_problems(
            deviations, seed=seed, bounds=(-1, 1), undefined=_NOTHING_SHARED
        )
        found.append(
            GroupInTasks(
                group=name,
                choose_one=chosen,
                rank_all=ranked,
                difference=difference,
                verdict=_verdict(chosen, ranked),
            )
        )
    return GroupsInTasks(
        respondent=choose_one.respondent,
        grouping=groups.grouping,
        groups=tuple(found),
        n_problems=int(shared.sum()),
    )


def _verdict(first: Estimate, second: Estimate) -> Verdict:
    signs = _direction(first) * _direction(second)
    return Verdict.OPEN if signs == 0 else Verdict.SAME if signs > 0 else Verdict.INVERTS


def _direction(estimate: Estimate) -> int:
    """Return the sign of an estimate whose interval excludes 0, else 0."""
    if estimate.low is None or estimate.high is None:
        return 0
    return int(estimate.low > 0) - int(estimate.high < 0)


def _distance(first: Array, second: Array) -> Array:
    distance: Array = np.abs(first - second).sum(axis=-1) / 2
    return distance


def _favorites_coincide(first: Ints, second: Ints) -> Array:
    favorites = [of == of.max(axis=1, keepdims=True) for of in (first, second)]
    shared = (favorites[0] & favorites[1]).sum(axis=1)
    coincide: Array = shared / (favorites[0].sum(axis=1) * favorites[1].sum(axis=1))
    return coincide


def _two_trials_agree(counts: Ints) -> Array:
    """Return the chance that two different trials of a problem agree, shape (P,); NaN of a single trial."""
    trials = counts.sum(axis=1)
    pairs = trials * (trials - 1)
    return ratio((counts * (counts - 1)).sum(axis=1), pairs)


def _distances_when_dealt_anew(
    choose_one: Selections, rank_all: Selections, n_problems: int, shared: Ints, seed: int, n_draws: int
) -> Array:
    """Return the mean distance over ``shared`` problems in each deal, shape (D,)."""
    if not len(shared):
        return np.zeros(0)
    n = choose_one.n_candidates
    problem, shuffle, chosen = (
        np.concatenate([getattr(choose_one, name), getattr(rank_all, name)])
        for name in ("problem", "shuffle", "chosen")
    )
    is_choice = np.arange(len(problem)) < len(choose_one.problem)
    _, stratum = np.unique(np.stack([problem, shuffle], axis=1), axis=0, return_inverse=True)
    cell = problem * n + chosen
    # Sorted by stratum, places belong to a task, and trials are dealt to places of their stratum.
    in_order = np.argsort(stratum, kind="stable")
    choice_places = is_choice[in_order]
    rng = np.random.default_rng(seed)
    found = np.empty(n_draws)
    for i in range(n_draws):
        dealt = cell[np.lexsort((rng.random(len(cell)), stratum))]
        counts = [
            np.bincount(dealt[places], minlength=n_problems * n).reshape(n_problems, n)[shared]
            for places in (choice_places, ~choice_places)
        ]
        found[i] = _distance(*(of / of.sum(axis=1, keepdims=True) for of in counts)).mean()
    return found
