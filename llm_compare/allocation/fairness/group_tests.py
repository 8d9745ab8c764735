"""Do groups fare differently: every test beside every other, by name, and the one to believe. Pure.

The default is the permutation of labels within pools, corrected by Holm's method over all groups and outcomes of a
respondent. Other tests stand beside it: the paper's own, for comparison with the paper; problem means and a mixed
model with problem:group, which other researchers may expect. ``false_alarms`` tells how often each of them rejects
on the very design when nobody's group matters.

Two groups that make up the whole pool are two sides of one coin: rND is the same for both in every ranking, and
what one gains in shares the other loses. The reference then has no test of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from llm_compare.alignment.effects import holm
from llm_compare.allocation.fairness.measure_tests import measures_of
from llm_compare.allocation.fairness.outcomes import Groups, Rankings, Selections
from llm_compare.allocation.fairness.rnd import PAPER, RndVariant, chance_rnd
from llm_compare.allocation.fairness.tested import GroupTest, GroupTests, MeasureTests, Method
from llm_compare.errors import NotMeasurable


def group_tests(
    trials: Rankings | Selections,
    groups: Groups,
    *,
    seed: int,
    n_permutations: int = 2_000,
    variant: RndVariant = PAPER,
) -> GroupTests:
    """Test every outcome of a respondent's trials in one grouping.

    P-values are adjusted over these outcomes and groups; for several tasks and groupings of one respondent together
    see :func:`adjusted`.

    Parameters
    ----------
    n_permutations
        No p is smaller than 1 / (1 + n_permutations). Adjusted over m tests nothing can be significant at .05
        unless there are 20 m of them.
    variant
        Of rND.

    Raises
    ------
    NotMeasurable
        There is no trial, or there are no groups to tell apart.
    """
    if not len(trials.problem):
        raise NotMeasurable(
            f"{trials.respondent}: no trial has an answer, so groups cannot be compared. The counts of outcomes "
            "tell why; ask again, or leave this respondent out."
        )
    if len(groups.names) < 2:
        raise NotMeasurable(
            f"{groups.grouping}: all candidates belong to {' '.join(groups.names) or 'no group that is known'}, so "
            "there is nothing to compare. Draw other problems or leave this grouping out."
        )
    found = GroupTests(
        respondent=trials.respondent,
        grouping=groups.grouping,
        reference=groups.names[0],
        n_trials=len(trials.problem),
        n_problems=len(np.unique(trials.problem)),
        rnd_variant=variant.name,
        n_permutations=n_permutations,
        seed=seed,
        measures=measures_of(
            trials,
            groups,
            chance_rnd(groups, variant),
            rng=np.random.default_rng(seed),
            n_permutations=n_permutations,
            variant=variant,
            with_intervals=True,
        ),
    )
    return adjusted([found])[0]


def adjusted(tests: Sequence[GroupTests]) -> tuple[GroupTests, ...]:
    """Return the tests of one respondent, all tasks and groupings, with Holm's adjustment over all together.

    Each method is a family of its own, and so are the questions whether any group differs. The paper's tests stay
    as they are.
    """
    every = [t for found in tests for m in found.measures for g in m.groups for t in g.tests]
    corrected: dict[int, float | None] = {}
    for method in Method:
        family = [t for t in every if t.method is method and not method.is_papers]
        for test, p in zip(family, holm([t.effect.p for t in family]), strict=True):
            corrected[id(test)] = p
    questions = [m for found in tests for m in found.measures]
    for measure, p in zip(questions, holm([m.any_difference.p for m in questions]), strict=True):
        corrected[id(measure)] = p

    def test_with(test: GroupTest) -> GroupTest:
        return replace(test, effect=replace(test.effect, p_adjusted=corrected.get(id(test))))

    def measure_with(measure: MeasureTests) -> MeasureTests:
        return replace(
            measure,
            any_difference=replace(measure.any_difference, p_adjusted=corrected[id(measure)]),
            groups=tuple(replace(g, tests=tuple(map(test_with, g.tests))) for g in measure.groups),
        )

    return tuple(replace(found, measures=tuple(map(measure_with, found.measures))) for found in tests)
