"""How two coders, or the final codes and a model, agree: over all categories and on each. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from survey.coding.coding import Ended
from survey.coding.final import Word
from survey.coding.kappa import Numbers, PairTable, kappas, lowest_kappa, pooled_kappas
from survey.coding.measures import Measure, measure

SAME_ALWAYS = "each says the same of every suggestion: no variation"
NONE_IN_COMMON = "no suggestion was coded by both"


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoryKappa:
    """How two agree on one category, or on one of the outcomes without a category."""

    category: str
    """Name of the category; ``(no_category)`` and ``(unusable)`` are the outcomes."""
    label: str
    ended: Ended | None
    """As in ``CategoryCount``."""
    table: PairTable
    kappa: Measure


@dataclass(frozen=True, slots=True, kw_only=True)
class PairAgreement:
    """How two agree on the suggestions that both coded."""

    first: str
    second: str
    suggestions: int
    """That both coded."""
    respondents: int
    """Who said them."""
    equal: Measure
    """Share of suggestions with exactly the same categories and outcome."""
    mean_kappa: Measure
    """Mean of the kappas that can be said."""
    pooled_kappa: Measure
    """From the means of equal answers, observed and by chance, over all categories below."""
    categories: tuple[CategoryKappa, ...]
    """Those that either of them used here, in the codebook's order, then the outcomes."""


def pair_agreement(
    first: str,
    second: str,
    words: tuple[Mapping[int, Word], Mapping[int, Word]],
    *,
    labels: Mapping[str, str],
    ended: Mapping[str, Ended],
    respondent_of: Mapping[int, int],
    weights: Numbers,
) -> PairAgreement:
    """Compare the words of two on the suggestions that both coded.

    Parameters
    ----------
    labels
        Element -> label, in the order in which elements are told.
    ended
        Category -> why it is offered no longer, of those that are not.
    respondent_of
        Suggestion id -> column of its respondent in ``weights``.
    weights
        From ``measures.draw_weights``.
    """
    one, other = words
    common = [suggestion for suggestion in one if suggestion in other]
    columns = [respondent_of[suggestion] for suggestion in common]
    respondents = len(set(columns))
    used = {e for s in common for e in one[s].elements | other[s].elements}
    elements = [element for element in labels if element in used]
    place = {element: i for i, element in enumerate(elements)}
    cells: Counter[tuple[int, int, int]] = Counter()
    equal: Counter[int] = Counter()
    for suggestion, column in zip(common, columns, strict=True):
        a, b = one[suggestion].elements, other[suggestion].elements
        equal[column] += a == b
        for element in a | b:
            cells[column, place[element], (element in a) + 2 * (element in b) - 1] += 1
    n = _weighted(Counter(columns), weights)[:, None]
    only_first, only_second, both = _cells(cells, len(elements), weights)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = _weighted(equal, weights) / n[:, 0]
    each = kappas(both, only_first, only_second, n)
    reason = SAME_ALWAYS if common else NONE_IN_COMMON

    def measured(samples: Numbers, *, least: float = -1.0, lowest: float = -1.0) -> Measure:
        return measure(samples, reason, respondents=respondents, least=least, lowest=lowest)

    tables = [
        _table(both[0, i], only_first[0, i], only_second[0, i], len(common)) for i in range(len(elements))
    ]

    return PairAgreement(
        first=first,
        second=second,
        suggestions=len(common),
        respondents=respondents,
        equal=measured(share, least=0.0),
        mean_kappa=measured(_mean(each)),
        pooled_kappa=measured(
            pooled_kappas(both, only_first, only_second, n) if elements else np.full(len(weights), np.nan)
        ),
        categories=tuple(
            CategoryKappa(
                category=element,
                label=labels[element],
                ended=ended.get(element),
                table=table,
                kappa=measured(each[:, i], lowest=lowest_kappa(table)),
            )
            for i, (element, table) in enumerate(zip(elements, tables, strict=True))
        ),
    )


def _weighted(numbers: Mapping[int, int], weights: Numbers) -> Numbers:
    """Return, for each sample, the sum of the respondents' numbers."""
    columns = sorted(numbers)
    return np.asarray(weights[:, columns] @ np.array([float(numbers[c]) for c in columns]))


def _cells(cells: Mapping[tuple[int, int, int], int], n_elements: int, weights: Numbers) -> Sequence[Numbers]:
    """Return, for only the first, only the second and both: how often, of shape (n_samples, n_elements)."""
    from scipy.sparse import csr_array

    sums = []
    for cell in range(3):
        own = [(column, element, n) for (column, element, which), n in cells.items() if which == cell]
        rows, columns, numbers = zip(*own, strict=True) if own else ((), (), ())
        table = csr_array(
            (np.array(numbers, dtype=float), (np.array(rows, dtype=int), np.array(columns, dtype=int))),
            shape=(weights.shape[1], n_elements),
        )
        sums.append(np.asarray((table.T @ weights.T).T))
    return sums


def _mean(kappas_: Numbers) -> Numbers:
    """Return the mean of each row's known values; NaN where there is none."""
    known = ~np.isnan(kappas_)
    n = known.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(n > 0, np.where(known, kappas_, 0.0).sum(axis=1) / n, np.nan)


def _table(both: float, only_first: float, only_second: float, n: int) -> PairTable:
    a, b, c = round(both), round(only_first), round(only_second)
    return PairTable(both=a, only_first=b, only_second=c, neither=n - a - b - c)
