"""Krippendorff's alpha: agreement of any number of coders beyond chance, values missing anywhere. Pure.

Units are what is coded; each holds the values that coders gave it. A unit with one value alone tells nothing of
agreement and is left out, from what chance would give, too.

References
----------
Krippendorff (2011), Computing Krippendorff's Alpha-Reliability, Annenberg School for Communication.
Passonneau (2006), Measuring Agreement on Set-valued Items (MASI), LREC.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Matrix = NDArray[np.float64]
Distance = Callable[[Sequence[Hashable], NDArray[np.float64]], Matrix]
"""(Different values, how often each was given) -> how far apart they are: symmetric, 0 on the diagonal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alpha:
    """1: all agree; 0: as often as by chance; below 0: less often."""

    value: float | None
    """None: it cannot be said."""
    reason: str
    """Why it cannot be said; empty if it can."""
    units: int
    """Units with at least two values: those that count."""
    values: int
    """Values given to them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Coincidences:
    """What alpha is made from, unit by unit, so that samples of units are added up and not coded anew."""

    within: NDArray[np.float64]
    """Distances between the values of a unit, over all ordered pairs, divided by one less than its values."""
    counts: csr_array
    """How often a unit was given each value, of shape (n_units, n_values)."""
    distances: Matrix

    def summed(self, cluster_of: Sequence[int], n_clusters: int) -> Coincidences:
        """Return the same with all units of a cluster (a respondent, say) added up to one."""
        from scipy.sparse import csr_array

        rows = np.asarray(cluster_of)
        joins = csr_array((np.ones(len(rows)), (rows, np.arange(len(rows)))), shape=(n_clusters, len(rows)))
        return Coincidences(
            within=np.asarray(joins @ self.within), counts=joins @ self.counts, distances=self.distances
        )

    def alpha(self, weights: Matrix) -> NDArray[np.float64]:
        """Return alpha where units are taken so many times: ``weights`` has shape (n_samples, n_units).

        NaN where there is no variation.
        """
        taken = np.asarray(self.counts.T @ weights.T).T
        n = taken.sum(axis=1)
        by_chance = np.einsum("sv,sv->s", taken @ self.distances, taken)
        observed = weights @ self.within
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(by_chance > 0, 1 - (n - 1) * observed / by_chance, np.nan)


def alpha_of(units: Sequence[Sequence[Hashable | None]], distance: Distance | None = None) -> Alpha:
    """Return Krippendorff's alpha.

    Parameters
    ----------
    units
        For each unit its values, in any order; None where a coder gave none.
    distance
        One of :func:`nominal` (the default), :func:`ordinal`, :func:`interval`, :func:`masi`, or any other.
    """
    given = [[value for value in unit if value is not None] for unit in units]
    pairable = [unit for unit in given if len(unit) > 1]
    n = sum(map(len, pairable))
    if not pairable:
        return Alpha(value=None, reason="no suggestion was coded by two coders", units=0, values=0)
    value = float(coincidences(pairable, distance).alpha(np.ones((1, len(pairable))))[0])
    if np.isnan(value):
        return Alpha(value=None, reason="all codes are the same: no variation", units=len(pairable), values=n)
    return Alpha(value=value, reason="", units=len(pairable), values=n)


def coincidences(units: Sequence[Sequence[Hashable]], distance: Distance | None = None) -> Coincidences:
    """Return what alpha is made from; every unit has at least two values."""
    from scipy.sparse import csr_array

    index: dict[Hashable, int] = {}
    rows, columns, numbers = [], [], []
    for row, unit in enumerate(units):
        for value, number in Counter(unit).items():
            rows.append(row)
            columns.append(index.setdefault(value, len(index)))
            numbers.append(float(number))
    counts = csr_array((numbers, (rows, columns)), shape=(len(units), len(index)))
    distances = (distance or nominal)(tuple(index), np.asarray(counts.sum(axis=0)).ravel())
    sizes: NDArray[np.float64] = np.asarray(counts.sum(axis=1)).ravel()
    return Coincidences(within=_within(counts, distances) / (sizes - 1), counts=counts, distances=distances)


def _within(counts: csr_array, distances: Matrix) -> NDArray[np.float64]:
    sums = np.empty(counts.shape[0])
    for row in range(counts.shape[0]):
        own = slice(counts.indptr[row], counts.indptr[row + 1])
        values, numbers = counts.indices[own], counts.data[own]
        sums[row] = numbers @ distances[np.ix_(values, values)] @ numbers
    return sums


def nominal(values: Sequence[Hashable], counts: NDArray[np.float64]) -> Matrix:
    """Different or not."""
    return 1 - np.eye(len(values))


def ordinal(values: Sequence[Hashable], counts: NDArray[np.float64]) -> Matrix:
    """Squared number of given values between two values, half of their own included. Values can be sorted."""
    order = np.argsort(np.array(values, dtype=float))
    ranked = counts[order]
    middle = np.empty(len(values))
    middle[order] = np.cumsum(ranked) - ranked / 2
    return _squared(middle)


def interval(values: Sequence[Hashable], counts: NDArray[np.float64]) -> Matrix:
    """Squared difference of numbers."""
    return _squared(np.array(values, dtype=float))


def _squared(places: NDArray[np.float64]) -> Matrix:
    return np.asarray((places[:, None] - places[None, :]) ** 2)


def masi(values: Sequence[Hashable], counts: NDArray[np.float64]) -> Matrix:
    """One minus MASI of two sets: Jaccard's index times 1 (equal), 2/3 (one holds the other), 1/3 (each holds
    something that the other does not) or 0 (nothing in common). Values are frozen sets."""
    sets = [value for value in values if isinstance(value, frozenset)]
    elements: dict[Hashable, int] = {}
    for own in sets:
        for element in sorted(own, key=repr):
            elements.setdefault(element, len(elements))
    member = np.zeros((len(sets), max(len(elements), 1)))
    for row, own in enumerate(sets):
        member[row, [elements[element] for element in own]] = 1
    common = member @ member.T
    sizes = member.sum(axis=1)
    union = sizes[:, None] + sizes[None, :] - common
    smaller = np.minimum(sizes[:, None], sizes[None, :])
    monotone = np.select([common == union, common == smaller, common > 0], [1.0, 2 / 3, 1 / 3], 0.0)
    # Two empty sets are equal.
    jaccard = np.divide(common, union, out=np.ones_like(common), where=union > 0)
    return np.asarray(1 - np.where(common == 0, np.where(union == 0, 1.0, 0.0), jaccard * monotone))
