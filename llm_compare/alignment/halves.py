"""People split into random halves: what people reach among themselves, as a yardstick for a model. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llm_compare.alignment.cells import Cells

# Draws of people, comparisons and replies have seeds of three numbers; the fourth keeps splits apart from them.
_STREAM = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class OverSplits:
    """A number measured on many random halvings of the people."""

    mean: float | None
    """None where no halving gave a number: no comparison was answered by several people."""
    low: float | None
    """2.5 % quantile over the halvings: how much the split matters, not how sure we are."""
    high: float | None
    """97.5 % quantile."""


def halvings(cells: Cells, *, n_splits: int, seed: int) -> Iterator[NDArray[np.bool_]]:
    """Yield which cells belong to the first half, for each of ``n_splits`` random halvings.

    Respondents with several answers are split as persons, so that nobody is in both halves. Of a respondent with a
    single answer (all of them, where a source does not say who answered) the answers are split within their
    comparison, so that the halves are alike there.
    """
    rng = np.random.default_rng((seed, 0, 0, _STREAM))
    n_respondents = int(cells.respondent.max(initial=-1)) + 1
    alone = (np.bincount(cells.respondent, minlength=n_respondents) == 1)[cells.respondent]
    single = np.flatnonzero(alone)
    several = np.unique(cells.respondent[~alone])
    for _ in range(n_splits):
        in_first = np.zeros(n_respondents, dtype=bool)
        in_first[rng.permutation(several)[: (len(several) + int(rng.integers(2))) // 2]] = True
        first = in_first[cells.respondent]
        # In random order, then by comparison: every other one; in which half a group begins is random too.
        order = single[rng.permutation(len(single))]
        order = order[np.argsort(cells.comparison[order], kind="stable")]
        of = cells.comparison[order]
        place = np.arange(len(of)) - np.searchsorted(of, of)
        start = rng.integers(2, size=cells.n_comparisons)
        first[order] = (place + start[of]) % 2 == 0
        yield first


def over_splits(values: Sequence[float]) -> OverSplits:
    """Return mean and quantiles of what the halvings gave, those without a number (NaN) left out."""
    found = np.asarray(values, dtype=float)
    found = found[np.isfinite(found)]
    if not len(found):
        return OverSplits(mean=None, low=None, high=None)
    low, high = np.quantile(found, (0.025, 0.975))
    return OverSplits(mean=float(found.mean()), low=float(low), high=float(high))
