"""From trials to every test of every group: one table for each outcome. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from llm_compare.allocation.fairness.exposure import candidate_exposure
from llm_compare.allocation.fairness.mixed_model import MixedFit, fit_mixed
from llm_compare.allocation.fairness.outcomes import Array, Estimate, Groups, Ints, Rankings, Selections
from llm_compare.allocation.fairness.permutation import (
    Permuted,
    permuted_exposure,
    permuted_labels,
    permuted_rnd,
    permuted_shares,
)
from llm_compare.allocation.fairness.problem_means import against_zero, group_means, problem_means
from llm_compare.allocation.fairness.published_tests import (
    NOT_INDEPENDENT,
    REPEATS_COUNT,
    exposure_tests,
    rnd_mixed_model,
)
from llm_compare.allocation.fairness.rnd import RndVariant, group_rnd
from llm_compare.allocation.fairness.tested import (
    Against,
    GroupOutcome,
    GroupTest,
    Measure,
    MeasureTests,
    Method,
)

_OUTCOME = (
    "A small p says that outcomes differ between groups by more than chance. It does not say that the group itself "
    "was looked at: groups may differ in what ranks are given for, such as waiting time. Counterfactuals tell that."
)
MEANINGS = {
    Measure.SELECTED: f"How often a group is chosen, beside its share of the pools. {_OUTCOME}",
    Measure.FIRST: f"How often a group is ranked first, beside its share of the pools. {_OUTCOME}",
    Measure.RND: "How unevenly a group is spread over the first ranks, beside random rankings of the same pools: "
    f"above 0 it is more at one end than by chance, whichever end; below 0 it is spread more evenly. {_OUTCOME}",
    Measure.EXPOSURE: f"How much attention a group's ranks give it, beside the reference group. {_OUTCOME}",
}
_SKEWED = (
    "of a group of one or two candidates a pool the problem means are skewed, and t tests reject too often"
)
_FEW_CANDIDATES = 2.5
_OTHER_SIDE = "the reference is the other side of the only other group, and has no test of its own"


def measures_of(
    trials: Rankings | Selections,
    groups: Groups,
    chance: Array,
    *,
    rng: np.random.Generator,
    n_permutations: int,
    variant: RndVariant,
    with_intervals: bool,
) -> tuple[MeasureTests, ...]:
    """Return every outcome's tests, none adjusted.

    Parameters
    ----------
    chance
        Shape (P, G): :func:`rnd.chance_rnd` of the groups.
    with_intervals
        See :func:`published_tests.exposure_tests`.
    """
    labels = permuted_labels(groups, n_permutations, rng)
    if isinstance(trials, Selections):
        return (_shares(trials, groups, labels, Measure.SELECTED),)
    return (
        _shares(trials.top, groups, labels, Measure.FIRST),
        _rnd(trials, groups, chance, permuted_rnd(trials, groups, chance, labels, variant), variant),
        _exposure(trials, groups, labels, rng, with_intervals=with_intervals),
    )


def _shares(trials: Selections, groups: Groups, labels: Ints, measure: Measure) -> MeasureTests:
    n_problems, n = groups.code.shape
    number = np.bincount(trials.problem, minlength=n_problems)
    weights = np.zeros((n_problems, n))
    np.add.at(weights, (trials.problem, trials.chosen), 1.0)
    weights = np.divide(
        weights, number[:, None], out=np.full_like(weights, np.nan), where=number[:, None] > 0
    )
    asked = number > 0
    sizes = groups.sizes[asked]
    # A group that is absent, or the whole pool, gets its share whatever is chosen.
    tells = (sizes > 0) & (sizes < n)
    member = groups.code[asked][:, :, None] == np.arange(len(groups.names))
    share = (weights[asked][:, :, None] * member).sum(axis=1)
    excess = share - sizes / n
    permuted = permuted_shares(weights, groups, labels)
    pool = sizes.sum(axis=0) / (asked.sum() * n)
    rows = []
    for g in range(len(groups.names)):
        tests = [
            _permutation(permuted, g, int(tells[:, g].sum()), Against.POOL),
            GroupTest(
                method=Method.PROBLEM_MEANS,
                against=Against.POOL,
                effect=against_zero(excess[:, g] if tells[:, g].any() else np.full(1, np.nan)),
            ),
        ]
        rows.append(_row(groups, g, sizes, tells, float(share[:, g].mean()), float(pool[g]), tests))
    return _measure(measure, groups, rows, permuted, tells)


def _rnd(
    rankings: Rankings, groups: Groups, chance: Array, permuted: Permuted, variant: RndVariant
) -> MeasureTests:
    n_groups = len(groups.names)
    values = group_rnd(rankings, groups, variant)
    less_chance = values - chance[rankings.problem]
    mean = problem_means(values, rankings.problem, len(groups.code))
    excess = problem_means(less_chance, rankings.problem, len(groups.code))
    asked = np.bincount(rankings.problem, minlength=len(groups.code)) > 0
    tells = np.isfinite(excess)
    papers = rnd_mixed_model(values, rankings.problem)
    mixed = fit_mixed(
        less_chance.ravel(),
        np.repeat(rankings.problem, n_groups),
        np.tile(np.arange(n_groups), len(rankings.problem)),
        n_groups,
        with_problem_group=True,
    )
    rows = []
    for g in range(n_groups):
        tests = [
            _permutation(permuted, g, int(tells[:, g].sum()), Against.CHANCE),
            GroupTest(
                method=Method.PROBLEM_MEANS,
                against=Against.CHANCE,
                effect=against_zero(excess[:, g]),
                note=_small(groups, g),
            ),
        ]
        if g:
            tests.append(
                GroupTest(
                    method=Method.PAIRED,
                    against=Against.REFERENCE,
                    effect=against_zero(excess[:, g] - excess[:, 0]),
                    note=_small(groups, g),
                )
            )
        tests.append(_of_model(mixed, g, Method.MIXED, Against.CHANCE, _small(groups, g)))
        tests.append(_of_model(papers, g, Method.PAPER_MIXED, Against.NOTHING, REPEATS_COUNT))
        rows.append(
            _row(
                groups,
                g,
                groups.sizes[asked],
                tells,
                _mean(mean[:, g]),
                _mean(np.where(tells[:, g], chance[:, g], np.nan)),
                tests,
            )
        )
    notes = [f"{Method.MIXED}: {note}" for note in mixed.notes]
    notes += [f"{Method.PAPER_MIXED}: {note}" for note in papers.notes]
    return _measure(Measure.RND, groups, rows, permuted, tells, notes)


def _exposure(
    rankings: Rankings, groups: Groups, labels: Ints, rng: np.random.Generator, *, with_intervals: bool
) -> MeasureTests:
    exposure = candidate_exposure(rankings, len(groups.code))
    means = group_means(exposure, groups)
    asked = np.isfinite(exposure)[:, 0]
    permuted = permuted_exposure(exposure, groups, labels)
    papers = exposure_tests(exposure, groups, rng, with_intervals=with_intervals)
    tells = np.isfinite(means)
    chance = _mean(exposure.ravel())
    rows = []
    for g in range(len(groups.names)):
        tests = []
        if g:
            tests = [
                _permutation(
                    permuted,
                    g,
                    int((tells[:, g] & (groups.sizes[:, g] < groups.code.shape[1])).sum()),
                    Against.REFERENCE,
                ),
                GroupTest(
                    method=Method.PROBLEM_MEANS,
                    against=Against.REFERENCE,
                    effect=against_zero(means[:, g] - means[:, 0]),
                ),
                GroupTest(
                    method=Method.PAPER_WELCH if len(groups.names) == 2 else Method.PAPER_DUNNETT,
                    against=Against.REFERENCE,
                    effect=papers[g].effect,
                    se=papers[g].se,
                    note=NOT_INDEPENDENT,
                ),
            ]
        known = (groups.code == g) & asked[:, None]
        value = _mean(exposure[known])
        rows.append(
            _row(
                groups,
                g,
                groups.sizes[asked],
                tells & (groups.sizes < groups.code.shape[1]),
                value,
                chance,
                tests,
            )
        )
    return _measure(Measure.EXPOSURE, groups, rows, permuted, tells)


def _permutation(permuted: Permuted, g: int, n: int, against: Against) -> GroupTest:
    effect = _number(permuted.effect[g])
    reason = ""
    if effect is None:
        reason = "no problem tells the group from others"
    elif np.isnan(permuted.p[g]):
        reason = "the value is the same whoever belongs to the group"
    return GroupTest(
        method=Method.PERMUTATION,
        against=against,
        effect=Estimate(
            value=effect,
            low=_number(permuted.low[g]),
            high=_number(permuted.high[g]),
            p=_number(permuted.p[g]),
            n=n,
            reason=reason,
        ),
    )


def _of_model(fit: MixedFit, g: int, method: Method, level: Against, note: str) -> GroupTest:
    term = fit.differences[g] if g else fit.intercept
    effect = term.effect
    if not g and level is Against.NOTHING:
        # That a mean rND is above 0 is no finding: it always is.
        effect = replace(effect, p=None)
    return GroupTest(
        method=method, against=Against.REFERENCE if g else level, effect=effect, se=term.se, note=note
    )


def _row(
    groups: Groups,
    g: int,
    sizes: Ints,
    tells: NDArray[np.bool_],
    value: float | None,
    chance: float | None,
    tests: Sequence[GroupTest],
) -> GroupOutcome:
    if g == 0 and _two_sides(groups):
        tests = [t for t in tests if t.method is Method.PAPER_MIXED]
    return GroupOutcome(
        group=groups.names[g],
        is_reference=g == 0,
        size=int(sizes[:, g].sum()),
        n_problems=int(tells[:, g].sum()),
        value=value,
        chance=chance,
        tests=tuple(tests),
    )


def _measure(
    measure: Measure,
    groups: Groups,
    rows: Sequence[GroupOutcome],
    permuted: Permuted,
    tells: NDArray[np.bool_],
    notes: Sequence[str] = (),
) -> MeasureTests:
    p = _number(permuted.p_any)
    found = list(notes)
    if _two_sides(groups):
        found.append(_OTHER_SIDE)
    unknown = int(np.count_nonzero(groups.code < 0))
    if unknown:
        found.append(f"{unknown} candidates belong to no group that is known; they stay in the pools")
    return MeasureTests(
        measure=measure,
        meaning=MEANINGS[measure],
        groups=tuple(rows),
        any_difference=Estimate(
            value=None,
            p=p,
            n=int(tells.any(axis=1).sum()),
            reason="" if p is not None else "no problem tells groups apart",
        ),
        notes=tuple(found),
    )


def _two_sides(groups: Groups) -> bool:
    """Return whether two groups make up all pools; with candidates of neither they differ like any others."""
    return len(groups.names) == 2 and bool((groups.code >= 0).all())


def _small(groups: Groups, g: int) -> str:
    sizes = groups.sizes[:, g]
    occurs = np.count_nonzero(sizes)
    return _SKEWED if occurs and int(sizes.sum()) <= _FEW_CANDIDATES * occurs else ""


def _mean(values: Array) -> float | None:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else None


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
