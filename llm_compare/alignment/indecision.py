"""Indecision of model and people: how often, on which comparisons, and whether in the same places. Pure.

Only answers to which indecision was on offer count. Every comparison counts alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from llm_compare.alignment.calibration import Calibration, calibration
from llm_compare.alignment.cells import (
    Cells,
    Tally,
    cells_of_people,
    cells_of_replies,
    mean_over,
    ratio,
    sums,
)
from llm_compare.alignment.choices import INDECISION, Array, Indices, Pairing
from llm_compare.alignment.halves import halvings
from llm_compare.alignment.resampling import Measured, Resampling, Weighted, measured_each

N_GROUPS = 5
_N_HALVINGS = 5
_ROUNDING = 1e-9
# Keeps chance in sorting apart from the halvings, whose seed has a 1 here.
_STREAM = 2

NOT_OFFERED = "indecision was not on offer to both sides in the same comparisons"


@dataclass(frozen=True, slots=True, kw_only=True)
class DifficultyGroup:
    """A fifth of the comparisons, by difficulty."""

    number: int
    """1 is the hardest fifth, 5 the easiest."""
    n_comparisons: int
    """Mean over sortings, where there are several."""
    people: Measured
    """People's rate of indecision."""
    model: Measured
    gap: Measured
    """Model minus people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Indecision:
    """Rates of indecision. None of them is a rate of refusals, which are no choices."""

    people: Measured
    """Mean over comparisons of the share of people's answers that are indecision."""
    model: Measured
    gap: Measured
    """Model minus people: positive where the model is undecided more often."""
    sorted_by: str
    """How comparisons were sorted by difficulty, in words."""
    by_difficulty: tuple[DifficultyGroup, ...]
    """From the hardest fifth to the easiest. Comparisons of equal difficulty stay together, so groups may differ in
    size, and one may be empty."""
    people_hard_minus_easy: Measured
    """People's rate in the hardest fifth minus that in the easiest."""
    model_hard_minus_easy: Measured
    calibration: Calibration


def indecision(
    pairing: Pairing, resampling: Resampling, *, strength_difference: Array | None = None
) -> Indecision:
    """Measure indecision of both sides.

    Parameters
    ----------
    strength_difference
        Of each comparison, the difference of its profiles' log-strengths by people's own fit; small is hard. The
        fit must not use indecision, or sorting by it is circular. None: comparisons are sorted by how evenly
        people who decide are split. Then one random half of the people sorts for the other half, whose answers are
        counted, and the other way round, so that no answer is counted where it put its comparison itself. Of each
        comparison the same number of deciders sorts: where people are often undecided few decide, and a split of
        few is more often extreme. Which comparisons are in a group is not resampled.
    """
    pairing = replace(
        pairing,
        people=pairing.people.only(pairing.people.offered),
        model=pairing.model.only(pairing.model.offered),
    )
    cells, replies = cells_of_people(pairing.people), cells_of_replies(pairing.model)
    if strength_difference is None:
        sortings = _by_split(cells, replies, resampling.seed)
        sorted_by = (
            "how evenly people who decide are split, as seen by the half of the people that is not counted"
        )
    else:
        known = (cells.once.size > 0) & (replies.once.size > 0)
        everyone = np.ones(len(cells.size))
        sortings = [(everyone, _groups(np.where(known, np.abs(strength_difference), np.nan)))]
        sorted_by = "difference of the profiles' log-strengths, from people's own fit"

    def in_draw(w: Weighted) -> list[float]:
        weights, theirs = w.person[cells.respondent], replies.tally(w.reply)
        people, model = _both(cells.tally(weights), theirs)
        mine, of_model = mean_over(people, w.comparison), mean_over(model, w.comparison)
        grouped = _over_sortings(
            [
                _rates_by_group(*_both(cells.tally(weights * counted), theirs), group, w.comparison)
                for counted, group in sortings
            ]
        )
        hard_minus_easy = grouped[:2, 0] - grouped[:2, -1]
        return [mine, of_model, of_model - mine, *hard_minus_easy.tolist(), *grouped.ravel().tolist()]

    share, difference = (0.0, 1.0), (-1.0, 1.0)
    empty = "no comparison in the group"
    people, model, gap, hard_people, hard_model, *grouped = measured_each(
        in_draw,
        pairing,
        resampling,
        bounds=[share, share, *([difference] * 3), *([share] * 2 * N_GROUPS), *([difference] * N_GROUPS)],
        undefined=[
            *([NOT_OFFERED] * 3),
            *(["the hardest or the easiest group is empty"] * 2),
            *([empty] * 3 * N_GROUPS),
        ],
    )
    rows = [grouped[k : k + N_GROUPS] for k in range(0, 3 * N_GROUPS, N_GROUPS)]
    return Indecision(
        people=people,
        model=model,
        gap=gap,
        sorted_by=sorted_by,
        by_difficulty=tuple(
            DifficultyGroup(
                number=k + 1,
                n_comparisons=round(float(np.mean([(group == k).sum() for _, group in sortings]))),
                people=rows[0][k],
                model=rows[1][k],
                gap=rows[2][k],
            )
            for k in range(N_GROUPS)
        ),
        people_hard_minus_easy=hard_people,
        model_hard_minus_easy=hard_model,
        calibration=calibration(pairing, resampling, cells=cells, replies=replies),
    )


def _by_split(cells: Cells, replies: Cells, seed: int) -> list[tuple[Array, Indices]]:
    """Return, for several halvings, the cells that are counted and the group of each comparison."""
    rng = np.random.default_rng((seed, 0, 0, _STREAM))
    sortings = []
    for first in halvings(cells, n_splits=_N_HALVINGS, seed=seed):
        for sorting in (first, ~first):
            counted = cells.tally((~sorting).astype(float))
            alike = _decided_alike(cells, sorting, rng)
            known = (counted.size > 0) & (replies.once.size > 0)
            # Few deciders make few different values: chance decides between equal ones, so that fifths are fifths.
            broken = alike + _ROUNDING * rng.permutation(len(alike))
            sortings.append(((~sorting).astype(float), _groups(np.where(known, broken, np.nan))))
    return sortings


def _decided_alike(cells: Cells, sorting: NDArray[np.bool_], rng: np.random.Generator) -> Array:
    """Return how often two deciders pick the same profile, by comparison, from the same number of deciders in each.

    NaN with fewer deciders: at most a fifth of the comparisons that have two.
    """
    decider = np.flatnonzero(sorting & (cells.mean[:, :INDECISION].sum(axis=1) > 0))
    decider = decider[rng.permutation(len(decider))]
    decider = decider[np.argsort(cells.comparison[decider], kind="stable")]
    of = cells.comparison[decider]
    number = np.bincount(of, minlength=cells.n_comparisons)
    enough = number[number >= 2]
    taken = int(np.quantile(enough, 1 / N_GROUPS, method="lower")) if len(enough) else 2
    chosen = decider[np.arange(len(of)) - np.searchsorted(of, of) < taken]
    votes = np.zeros((len(cells.size), 2))
    votes[chosen] = cells.total[chosen, :INDECISION]
    votes[chosen] /= votes[chosen].sum(axis=1)[:, None]
    counts = cells.by_comparison(votes)
    alike: Array = np.where(number >= taken, np.abs(counts[:, 0] - counts[:, 1]) / taken, np.nan)
    return alike


def _groups(easiness: Array) -> Indices:
    """Return the fifth of each comparison, 0 the hardest, −1 where easiness is unknown; equal values together."""
    group = np.full(len(easiness), -1, dtype=np.intp)
    known = np.isfinite(easiness)
    if known.any():
        middle = (stats.rankdata(easiness[known]) - 0.5) / known.sum()
        group[known] = np.minimum((middle * N_GROUPS).astype(np.intp), N_GROUPS - 1)
    return group


def _both(people: Tally, model: Tally) -> tuple[Array, Array]:
    """Return the shares of indecision, NaN in comparisons that one side did not answer."""
    mine, theirs = people.indecision, model.indecision
    known = np.isfinite(mine) & np.isfinite(theirs)
    return np.where(known, mine, np.nan), np.where(known, theirs, np.nan)


def _rates_by_group(people: Array, model: Array, group: Indices, weights: Array) -> Array:
    """Return mean shares by group, shape (3, N_GROUPS): people's, the model's, their difference."""
    weights = np.where(np.isfinite(people), weights, 0.0) * (group >= 0)
    place = np.maximum(group, 0)
    total = sums(weights, place, N_GROUPS)
    rates = np.array(
        [ratio(sums(weights * np.nan_to_num(s), place, N_GROUPS), total) for s in (people, model)]
    )
    return np.vstack([rates, rates[1] - rates[0]])


def _over_sortings(rates: Sequence[Array]) -> Array:
    """Return the mean over sortings, of those in which a group is not empty."""
    stacked = np.array(rates)
    known = np.isfinite(stacked)
    return ratio(np.where(known, stacked, 0.0).sum(axis=0), known.sum(axis=0).astype(float))
