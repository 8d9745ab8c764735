"""Whether it matters at all what a candidate is shown as: a test of every value and direction at once. Pure.

If a value has no effect, trials that differ in nothing else are drawn from one and the same distribution, so their
results may be dealt anew among the values, within each row order and repeat. A respondent that answers the same
question always alike has no chance in it: then any difference at all counts, also one that another harmless change
of the wording would have made.

Several candidates of one problem share its unchanged trials, and their results are dealt apart from one another all
the same: exact for one candidate a problem, close for a few.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from llm_compare.allocation.fairness.outcomes import Array, Ints
from llm_compare.allocation.fairness.tried import Measure, Tried

N_PERMUTATIONS = 999
_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class AnyChange:
    """How far apart the same candidates come out when shown with different values."""

    measure: Measure
    spread: float | None
    """Standard deviation between the values of one candidate, of the mean over row orders and repeats; over all
    candidates, as root mean square. None where no candidate has results with two values."""
    by_chance: float | None
    """The same with results dealt anew among the values: never 0 while answers vary."""
    p: float | None
    """Share of dealings that spread as far, the one that happened among them."""
    n_candidates: int


def any_change(tried: Tried, *, seed: int) -> AnyChange:
    """Test whether any value makes a difference, in the first measure of the task."""
    y, block, level, owner = _results(tried)
    n_candidates = int(owner.max(initial=-1)) + 1
    if not n_candidates:
        return AnyChange(measure=tried.measures[0], spread=None, by_chance=None, p=None, n_candidates=0)
    n_results = np.bincount(level)
    n_levels = np.bincount(owner)

    def variance(results: Array) -> float:
        means = np.bincount(level, results) / n_results
        center = (np.bincount(owner, means) / n_levels)[owner]
        return float((np.bincount(owner, (means - center) ** 2) / n_levels).mean())

    rng = np.random.default_rng(seed)
    observed = variance(y)
    # Sorting by block and then at random permutes within blocks: blocks stand together, in order.
    dealt = np.array([variance(y[np.argsort(block + rng.random(len(y)))]) for _ in range(N_PERMUTATIONS)])
    return AnyChange(
        measure=tried.measures[0],
        spread=observed**0.5,
        by_chance=float(dealt.mean()) ** 0.5,
        p=float((1 + (dealt >= observed - _ROUNDING).sum()) / (1 + N_PERMUTATIONS)),
        n_candidates=n_candidates,
    )


def _results(tried: Tried) -> tuple[Array, Ints, Ints, Ints]:
    """Return each result, its block (candidate, cell), its level (candidate, value), and each level's candidate."""
    y: list[float] = []
    block: list[int] = []
    level: list[int] = []
    owner: list[int] = []
    n_candidates = 0
    for candidate in tried.candidates:
        readable = [{v: float(m[0]) for v, m in cell.items() if m is not None} for cell in candidate.cells]
        values = sorted({value for cell in readable for value in cell})
        if len(values) < 2:
            continue
        place = {value: len(owner) + i for i, value in enumerate(values)}
        for cell in readable:
            y += cell.values()
            block += [len(y)] * len(cell)
            level += [place[value] for value in cell]
        owner += [n_candidates] * len(values)
        n_candidates += 1
    return (
        np.array(y),
        np.array(block, dtype=np.intp),
        np.array(level, dtype=np.intp),
        np.array(owner, dtype=np.intp),
    )
