"""Scores of two lists of shares: how alike two sides name categories, how sure that is, and its ceiling. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from llm_compare.alignment.halves import OverSplits, over_splits
from survey.coding.measures import FEWEST_DRAWN

Floats = NDArray[np.float64]
Named01 = NDArray[np.float64]
"""Shape (respondents, categories): 1 where the respondent named the category."""

FEWEST_PEOPLE_FOR_HALVES = 10
# As in ``alignment.resampling``.
_NO_VARIATION, _MOST_UNDEFINED = 1e-12, 0.2
_AT_ONCE = 100
"""Draws that are made together: ten thousand people times a thousand draws would fill the memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One number about a model and people, over all categories."""

    value: float | None
    low: float | None
    """Of the 95 % interval over draws of people and of repeats; None where there is none."""
    high: float | None
    reason: str
    """Why there is no value or no interval; empty where there are both."""
    people_halves: OverSplits
    """The ceiling: the same number, of one half of the people and the other."""
    model_halves: OverSplits
    """The model and the first of the same halves: what stands beside the ceiling."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A number about two lists of shares."""

    of: Callable[[Floats, Floats], float]
    why_not: str
    """Why it is not defined, where it is not."""
    least: float = 0.0
    """What it cannot be below; the most is 1 for all."""
    is_stepped: bool = False
    """Whether it takes few values, with nothing between them."""


def scored(
    measure: Measure,
    people: Named01,
    model: Named01,
    drawn: Sequence[tuple[Floats, Floats]],
    halves: Sequence[tuple[Floats, Floats]],
) -> Score:
    """Return a number about a model and people, with its interval and its ceiling.

    Parameters
    ----------
    drawn
        Shares of people and of the model in resamples of both.
    halves
        Shares in both halves of the people, for each halving.
    """
    of_model = model.mean(axis=0)
    value = measure.of(people.mean(axis=0), of_model)
    if np.isfinite(value):
        low, high, reason = _interval(measure, value, drawn, n=min(len(people), len(model)))
    else:
        low, high, reason = None, None, measure.why_not
    return Score(
        value=float(value) if np.isfinite(value) else None,
        low=low,
        high=high,
        reason=reason,
        people_halves=over_splits([measure.of(one, other) for one, other in halves]),
        model_halves=over_splits([measure.of(one, of_model) for one, _ in halves]),
    )


def _interval(
    measure: Measure, value: float, drawn: Sequence[tuple[Floats, Floats]], *, n: int
) -> tuple[float | None, float | None, str]:
    """Return the ends of the interval, or why there is none: t quantiles of the smaller side around the value.

    Not the draws' own quantiles: chance adds distance and takes order away, and a draw holds it twice. Of a number
    that takes few values the quantiles stand, widened to hold the value: an interval around it would end where no
    value can lie.
    """
    if n < 2:
        return None, None, "one respondent says nothing about others"
    found = np.array([measure.of(one, other) for one, other in drawn])
    found = found[np.isfinite(found)]
    if len(found) < (1 - _MOST_UNDEFINED) * len(drawn):
        return None, None, "not defined in many draws of the respondents"
    if measure.is_stepped and n < FEWEST_DRAWN:
        return None, None, f"{n} respondents of one side are too few to draw from"
    if measure.is_stepped:
        low, high = (float(q) for q in np.quantile(found, (0.025, 0.975), method="inverted_cdf"))
        return min(low, value), max(high, value), ""
    error = float(found.std(ddof=1))
    if error < _NO_VARIATION:
        return None, None, "does not vary over draws of the respondents"
    half = float(stats.t.ppf(0.975, n - 1)) * error
    return max(measure.least, value - half), min(1.0, value + half), ""


def drawn_shares(named: Named01, draws: int, rng: np.random.Generator) -> list[Floats]:
    """Return shares in resamples of the respondents."""
    n = len(named)
    found: list[Floats] = []
    for start in range(0, draws, _AT_ONCE):
        times = rng.multinomial(n, np.full(n, 1 / n), size=min(_AT_ONCE, draws - start))
        found.extend(times @ named / n)
    return found


def halved_shares(named: Named01, splits: int, rng: np.random.Generator) -> list[tuple[Floats, Floats]]:
    """Return shares in both halves of the people, for each of so many halvings."""
    n = len(named)
    if n < FEWEST_PEOPLE_FOR_HALVES:
        return []
    orders = [rng.permutation(n) for _ in range(splits)]
    return [(named[o[: n // 2]].mean(axis=0), named[o[n // 2 :]].mean(axis=0)) for o in orders]


def tau_b(one: Floats, other: Floats) -> float:
    """Return Kendall's tau-b of two lists; NaN where one of them does not vary.

    References
    ----------
    Kendall (1945), Biometrika 33, 239-251 (ties).
    """
    # Every pair at once: there are dozens of categories, and thousands of draws.
    upper = np.triu_indices(len(one), k=1)
    first = np.sign(one[upper[0]] - one[upper[1]])
    second = np.sign(other[upper[0]] - other[upper[1]])
    both = float(np.count_nonzero(first)) * float(np.count_nonzero(second))
    return float(first @ second) / both**0.5 if both else float("nan")


def overlap_of(one: Floats, other: Floats, least_share: float) -> float:
    """Return the Jaccard index of what two sides name by at least a share; NaN where neither names anything so."""
    # A share of 3 of 30 is a tenth, whatever binary fractions make of it.
    first, second = one >= least_share - 1e-12, other >= least_share - 1e-12
    either = np.count_nonzero(first | second)
    return float(np.count_nonzero(first & second) / either) if either else float("nan")


def distance_of(one: Floats, other: Floats) -> float:
    """Return the mean absolute difference of shares; NaN of no category."""
    return float(np.abs(one - other).mean()) if len(one) else float("nan")
