"""What if a patient were described differently: the effect of each level of an attribute. Pure.

The effect of a level is the difference it makes to a patient's chance of a transplant, or to their wait, against
the attribute's first level, with the other attributes as they occur among all patients (standardization: Robins
1986, Mathematical Modelling 7; elsewhere "average marginal effect"). Plain differences between levels would mix
attributes: in the published shares, drinking depends on age.

This is causal, and no mere association, because the simulation draws profiles at random, imported ones too: they
are independent of blood groups, cPRA, arrival and stay, so that patients of different profiles differ in nothing
else. Three limits. One patient is described differently, not all of them, which would change the pool. Patients of
a first pool brought their profiles along: if these go with their blood groups or cPRA, so does the effect. And
numbers are told apart by bands: where two attributes go together, as age and drinking may among imported patients,
those in a higher band of one have more of the other, too, within its band, and some of its effect is taken along.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np

from exchange.errors import BadRequest
from exchange.outcomes.groups import Grouping, IntArray, group_order
from exchange.outcomes.outcome import Measure
from exchange.outcomes.run_mean import t_quantile
from exchange.outcomes.waiting import TRANSPLANTED, YEAR_DAYS, mean_within_year_of_counts
from exchange.pool import FloatArray
from exchange.simulation.record import RunRecord

_Cell = tuple[str, ...]
"""A level of each attribute."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CellCounts:
    """Patients of one cell of a run, a cell being those who have the same level of every attribute."""

    seen: int
    n_transplanted: int
    transplanted: IntArray
    """After how many days, from 0 to 365: patients by day."""
    censored: IntArray
    """Patients by the day on which their wait ended otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RunCells:
    """What marginal effects need of one run; small, so that runs need not be kept."""

    scenario: str
    condition: str
    seed: int
    attributes: tuple[Grouping, ...]
    cells: Mapping[_Cell, CellCounts]


@dataclass(frozen=True, slots=True, kw_only=True)
class MarginalEffect:
    """What it makes for a patient to have a level in place of the attribute's first one."""

    scenario: str
    condition: str
    attribute: str
    level: str
    reference: str
    """The attribute's first level that occurs."""
    measure: Measure
    """``TRANSPLANTED_SHARE``, or ``MEAN_WAIT`` in days within the first year."""
    value: float
    """NaN where no patients can be compared."""
    low: float
    """Ends of the 95 % interval, by a jackknife over runs with Student's t; NaN with fewer than two runs."""
    high: float
    n_runs: int
    share_compared: float
    """Share of all patients whose other attributes occur with both levels. The effect is that among them; below 1
    some combinations do not occur."""


def run_cells(record: RunRecord, attributes: Sequence[Grouping]) -> RunCells:
    """Return what marginal effects need of a run; ``attributes`` as from ``groups.attribute_groupings``."""
    waits, events = record.waits
    splits = [attribute.split(record.patients) for attribute in attributes]
    places = np.array([codes for _, codes in splits], dtype=np.intp).reshape(len(splits), record.n_patients)
    keys, cell_of = np.unique(places, axis=1, return_inverse=True)
    done = events == TRANSPLANTED
    days = YEAR_DAYS + 1
    cells = {}
    for i, key in enumerate(keys.T):
        mine = cell_of.ravel() == i
        early = mine & (waits < days)
        cells[tuple(groups[place] for (groups, _), place in zip(splits, key, strict=True))] = CellCounts(
            seen=int(np.count_nonzero(mine)),
            n_transplanted=int(np.count_nonzero(mine & done)),
            transplanted=np.bincount(waits[early & done], minlength=days),
            censored=np.bincount(waits[early & ~done], minlength=days),
        )
    return RunCells(
        scenario=record.scenario,
        condition=record.condition,
        seed=record.seed,
        attributes=tuple(attributes),
        cells=cells,
    )


def marginal_effects(runs: Sequence[RunCells]) -> list[MarginalEffect]:
    """Return the effect of every level of every attribute under each condition.

    Patients of a cell are counted over all runs of the condition together before shares are taken, so that a cell
    that is empty in some runs needs no special care. Intervals come from leaving out one run at a time, because
    patients of a run share a pool and are not independent.

    Raises
    ------
    BadRequest
        No runs, or patients without attributes.
    """
    if not runs or not runs[0].attributes:
        raise BadRequest(
            "marginal effects need runs whose patients have attributes; simulate a study's profiles"
        )
    mine: dict[tuple[str, str], dict[int, RunCells]] = {}
    for run in runs:
        mine.setdefault((run.scenario, run.condition), {})[run.seed] = run
    return [
        effect
        for (scenario, condition), by_seed in mine.items()
        for effect in _of_condition(scenario, condition, [by_seed[seed] for seed in sorted(by_seed)])
    ]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Contrast:
    """A level against the reference, with the cells that hold all else equal."""

    attribute: str
    level: str
    reference: str
    weights: IntArray
    """(others, cells): 1 for the cells that share their other attributes."""
    with_level: IntArray
    """Cell that has the level, for each combination of the others."""
    with_reference: IntArray


def _of_condition(scenario: str, condition: str, runs: Sequence[RunCells]) -> list[MarginalEffect]:
    cells = sorted({cell for run in runs for cell in run.cells})
    contrasts = _contrasts(runs[0].attributes, cells)
    total = _totals(runs, cells)
    full = [_estimates(contrast, *total) for contrast in contrasts]
    left_out = []
    for run in runs if len(runs) > 1 else ():
        rest = [a - b for a, b in zip(total, _totals([run], cells), strict=True)]
        left_out.append([_estimates(contrast, *rest) for contrast in contrasts])
    found = []
    for i, contrast in enumerate(contrasts):
        for k, measure in enumerate((Measure.TRANSPLANTED_SHARE, Measure.MEAN_WAIT)):
            value, share = full[i][k]
            half = _jackknife_half_width([replicate[i][k][0] for replicate in left_out])
            found.append(
                MarginalEffect(
                    scenario=scenario,
                    condition=condition,
                    attribute=contrast.attribute,
                    level=contrast.level,
                    reference=contrast.reference,
                    measure=measure,
                    value=value,
                    low=value - half,
                    high=value + half,
                    n_runs=len(runs),
                    share_compared=share,
                )
            )
    return found


def _contrasts(attributes: Sequence[Grouping], cells: Sequence[_Cell]) -> list[_Contrast]:
    found = []
    index = {cell: i for i, cell in enumerate(cells)}
    for a, attribute in enumerate(attributes):
        levels = group_order(attribute, [cell[a] for cell in cells])
        others = sorted({cell[:a] + cell[a + 1 :] for cell in cells})
        weights = np.array([[cell[:a] + cell[a + 1 :] == other for cell in cells] for other in others])
        # A cell that never occurs is the place after the last, which holds nobody.
        at = {
            level: np.array([index.get((*other[:a], level, *other[a:]), len(cells)) for other in others])
            for level in levels
        }
        for level in levels[1:]:
            found.append(
                _Contrast(
                    attribute=attribute.name,
                    level=level,
                    reference=levels[0],
                    weights=weights.astype(np.intp),
                    with_level=at[level],
                    with_reference=at[levels[0]],
                )
            )
    return found


def _totals(runs: Sequence[RunCells], cells: Sequence[_Cell]) -> tuple[FloatArray, ...]:
    """Return patients seen and transplanted in each cell, and by day those transplanted and censored."""
    n = len(cells)
    seen, done = np.zeros(n), np.zeros(n)
    transplanted, censored = np.zeros((n, YEAR_DAYS + 1)), np.zeros((n, YEAR_DAYS + 1))
    for run in runs:
        for i, cell in enumerate(cells):
            counts = run.cells.get(cell)
            if counts is not None:
                seen[i] += counts.seen
                done[i] += counts.n_transplanted
                transplanted[i] += counts.transplanted
                censored[i] += counts.censored
    return seen, done, transplanted, censored


def _estimates(
    contrast: _Contrast, seen: FloatArray, done: FloatArray, transplanted: FloatArray, censored: FloatArray
) -> tuple[tuple[float, float], ...]:
    """Return the effect on the share transplanted and on the wait, each with the share of patients compared."""
    shares = np.divide(done, seen, out=np.full(len(seen), np.nan), where=seen > 0)
    waits = mean_within_year_of_counts(transplanted, censored, seen)
    n = contrast.weights @ seen
    found = []
    for values in (shares, waits):
        padded = np.append(values, np.nan)
        differences = padded[contrast.with_level] - padded[contrast.with_reference]
        known = ~np.isnan(differences)
        compared = float(n[known].sum())
        value = float(n[known] @ differences[known]) / compared if compared else float("nan")
        found.append((value, compared / float(n.sum())))
    return tuple(found)


def _jackknife_half_width(left_out: Sequence[float]) -> float:
    """Return half the width of the interval from the estimates without one run each (Tukey 1958)."""
    n = len(left_out)
    if n < 2:
        return float("nan")
    values = np.asarray(left_out)
    variance = (n - 1) / n * float(np.sum((values - values.mean()) ** 2))
    return t_quantile(n - 1) * sqrt(variance)
