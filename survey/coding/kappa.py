"""Cohen's kappa: agreement of two coders beyond chance, on whether a suggestion belongs to a category. Pure.

Kappa misleads where a category is rare or common for both coders: with the same share of equal answers it is then
much lower (Feinstein and Cicchetti 1990). So prevalence, bias and the kappa adjusted for both stand beside it.

References
----------
Cohen (1960), Educ. Psychol. Meas. 20, 37-46.
Byrt, Bishop and Carlin (1993), J. Clin. Epidemiol. 46, 423-429: prevalence, bias, PABAK.
De Vries et al. (2008), Field Methods 20, 272-282: pooled kappa.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class PairTable:
    """What two coders say of suggestions that both coded: whether these belong to one category."""

    both: int
    only_first: int
    only_second: int
    neither: int

    @property
    def n(self) -> int:
        """Suggestions that both coded."""
        return self.both + self.only_first + self.only_second + self.neither

    @property
    def equal(self) -> float:
        """Share of suggestions of which both say the same; needs ``n`` > 0."""
        return (self.both + self.neither) / self.n

    @property
    def kappa(self) -> float | None:
        """Cohen's kappa; None: each coder says the same of every suggestion, or there is none."""
        value = float(
            kappas(*(np.array(float(x)) for x in (self.both, self.only_first, self.only_second, self.n)))
        )
        return None if np.isnan(value) else value

    @property
    def pabak(self) -> float:
        """Kappa adjusted for prevalence and bias: twice the share of equal answers, minus 1; needs ``n`` > 0."""
        return 2 * self.equal - 1

    @property
    def prevalence(self) -> float:
        """Share of both saying yes minus share of both saying no, in [-1, 1]; needs ``n`` > 0."""
        return (self.both - self.neither) / self.n

    @property
    def bias(self) -> float:
        """Share to which the first coder says yes minus the second's, in [-1, 1]; needs ``n`` > 0."""
        return (self.only_first - self.only_second) / self.n


def lowest_kappa(table: PairTable) -> float:
    """Return what kappa would be if the coders, saying yes as often as they do, were of one mind as rarely as can
    be; -1 where there is no kappa."""
    if table.kappa is None:
        return -1.0
    first, second = (table.both + table.only_first) / table.n, (table.both + table.only_second) / table.n
    by_chance = first * second + (1 - first) * (1 - second)
    return (abs(1 - first - second) - by_chance) / (1 - by_chance)


def kappas(both: Numbers, only_first: Numbers, only_second: Numbers, n: Numbers) -> Numbers:
    """Return Cohen's kappa of many tables at once (arrays of one shape); NaN where there is no variation."""
    observed, by_chance = _equal(both, only_first, only_second, n)
    return _beyond(observed, by_chance)


def pooled_kappas(both: Numbers, only_first: Numbers, only_second: Numbers, n: Numbers) -> Numbers:
    """Return kappa from the means, over the last axis (categories), of equal answers observed and by chance."""
    observed, by_chance = _equal(both, only_first, only_second, n)
    return _beyond(observed.mean(axis=-1), by_chance.mean(axis=-1))


def _equal(both: Numbers, only_first: Numbers, only_second: Numbers, n: Numbers) -> tuple[Numbers, Numbers]:
    with np.errstate(divide="ignore", invalid="ignore"):
        first, second = (both + only_first) / n, (both + only_second) / n
        return 1 - (only_first + only_second) / n, first * second + (1 - first) * (1 - second)


def _beyond(observed: Numbers, by_chance: Numbers) -> Numbers:
    with np.errstate(divide="ignore", invalid="ignore"):
        # By chance always equal: nothing to be beyond. Rounding leaves up to 1e-15 of it.
        return np.where(by_chance < 1 - 1e-12, (observed - by_chance) / (1 - by_chance), np.nan)
