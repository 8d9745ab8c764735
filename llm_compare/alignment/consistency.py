"""Does a respondent answer alike when asked again, with the sides exchanged, in another order of attributes?

References
----------
Yin, Vardi and Choudhary (2025), arXiv 2506.14092 (robust, fragile and indifferent pairs).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from llm_compare.alignment.choices import FIRST, INDECISION, SECOND, Array, Choices, Indices, Pairing
from llm_compare.alignment.resampling import Measured, Resampling, Weighted, measured

# A lean to one patient within so many standard errors of zero is none.
_NO_LEAN = 2.0
_ROUNDING = 1e-9
_MOST_BITS = float(np.log2(3))

_NOT_REPEATED = "nobody was asked the same comparison twice in the same presentation"
_NOT_EXCHANGED = "no respondent was asked a comparison with both patients on either side"
_ONE_ORDER = "no respondent was asked a comparison in two known orders of the attributes with the same sides"
_NOT_BOTH_WAYS = "no comparison was shown both ways round"


@dataclass(frozen=True, slots=True, kw_only=True)
class SideConsistency:
    """How stable the answers of one side are. Indecision is a choice like the others: two indecisions agree.

    Agreements are means over respondents' comparisons, each counting once however often it was repeated.
    """

    same_again: Measured
    """Probability that two answers of one respondent to the same presentation are the same choice, over pairs of
    different answers: unbiased however few repeats there are."""
    modal_share: Measured
    """Share of the most frequent choice within a presentation. Never below one over the number of repeats, so it
    flatters where repeats are few: compare only between sides with as many."""
    entropy_bits: Measured
    """Entropy of the choices within a presentation in bits, corrected for few repeats (Miller and Madow): 0 always
    the same, log2(3) = 1.58 each choice equally often."""
    sides_exchanged: Measured
    """Probability that two answers of one respondent to a comparison with exchanged sides name the same patient, or
    are both indecision."""
    lost_by_exchange: Measured
    """``same_again`` less ``sides_exchanged``, where both are known: what exchanging sides changes beyond the
    noise of repeats. 0 if sides do not matter."""
    other_order: Measured
    """Probability that two answers of one respondent agree when the attributes are shown in another order, sides
    unchanged."""
    lost_by_order: Measured
    """``same_again`` less ``other_order``, where both are known."""
    robust: Measured
    """Share of comparisons, of those shown both ways, in which the same patient is ahead whichever side they are
    on."""
    fragile: Measured
    """Share in which a patient is ahead over both ways together, but not in each of them: the side decides."""
    indifferent: Measured
    """Share in which neither patient is ahead over both ways together (within two standard errors): always
    indecision, always the same side, or a coin. With a single answer each way, tosses of a coin look robust half of
    the time."""
    n_repeated: int
    """Presentations that a respondent answered more than once."""
    mean_repeats: float | None
    """Answers to each of these."""
    n_both_ways: int
    """Comparisons shown both ways, which the three classes count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Consistency:
    """People and model, each for itself."""

    people: SideConsistency
    model: SideConsistency


def consistency(pairing: Pairing, resampling: Resampling) -> Consistency:
    """Measure how stable both sides' answers are over repeats, sides and attribute orders."""
    people, model = _Layout(pairing.people), _Layout(pairing.model)
    alone = np.ones(model.side.n_respondents)

    def statistic(draw: Weighted) -> list[float]:
        return [
            *people.numbers(_Draw(people.answered_once, draw.person, draw.comparison)),
            *model.numbers(_Draw(draw.reply, alone, draw.comparison)),
        ]

    found = measured(statistic, pairing, resampling, bounds=(0.0, 1.0))
    half = len(found) // 2
    return Consistency(people=_named(people, found[:half]), model=_named(model, found[half:]))


def stretched(found: Measured, low: float, high: float) -> Measured:
    """Return what was measured between 0 and 1 as between ``low`` and ``high``.

    So numbers with different bounds come from the same draws.
    """
    if found.value is None:
        return found
    width = high - low
    return replace(
        found,
        value=low + width * found.value,
        low=None if found.low is None else low + width * found.low,
        high=None if found.high is None else low + width * found.high,
        se=None if found.se is None else width * found.se,
    )


def agreeing_pairs(choice: Array, weight: Array, cell: Indices, n_cells: int) -> tuple[Array, Array]:
    """Return, for each cell, the weight of its pairs of different answers that agree, and of all such pairs.

    Two answers that spread over choices agree as often as draws from them would.

    Parameters
    ----------
    choice
        Shape (n_answers, 3).
    weight
        How often each answer counts. Copies of one answer form no pair.
    cell
        Of each answer, from 0 to ``n_cells`` - 1.
    """
    sums = cell_sums(choice, weight, cell, n_cells)
    itself = totals(weight**2 * (choice**2).sum(axis=1), cell, n_cells)
    size, copies = totals(weight, cell, n_cells), totals(weight**2, cell, n_cells)
    return (sums**2).sum(axis=1) - itself, size**2 - copies


def cell_sums(choice: Array, weight: Array, cell: Indices, n_cells: int) -> Array:
    """Return the weighted choices of each cell, shape (n_cells, 3)."""
    return np.column_stack([totals(weight * choice[:, k], cell, n_cells) for k in range(3)])


def totals(weight: Array, cell: Indices, n_cells: int) -> Array:
    """Return the sum of weights in each cell, shape (n_cells,)."""
    return np.asarray(np.bincount(cell, weights=weight, minlength=n_cells), dtype=float)


def numbered(*columns: Indices) -> tuple[Indices, Indices]:
    """Return the number of each row's combination of values, and a row that has each combination."""
    key = np.zeros(len(columns[0]), dtype=np.intp)
    for column in columns:
        # Numbers stay small, so that keys of many columns never overflow.
        _, dense = np.unique(column, return_inverse=True)
        _, key = np.unique(key * (dense.max(initial=0) + 1) + dense, return_inverse=True)
    _, at = np.unique(key, return_index=True)
    return key.astype(np.intp), at.astype(np.intp)


@dataclass(frozen=True, slots=True)
class _Draw:
    answer: Array
    """How often each answer counts within its comparison and respondent."""
    person: Array
    comparison: Array


@dataclass(frozen=True, slots=True)
class _Rows:
    """What does not depend on who and which comparisons are drawn; NaN where it is not known."""

    again: Array
    """Of units, like the next two."""
    exchanged: Array
    reordered: Array
    modal: Array
    """Of presentations, like the next."""
    entropy: Array


class _Layout:
    """Which answers of a side belong together, found once for all draws.

    A unit is one respondent's comparison. It is shown from two ways (who is left), each in orders of attributes.
    """

    def __init__(self, side: Choices) -> None:
        self.side = side
        self.answered_once = np.ones(side.n_answers)
        left = side.first_left.astype(np.intp)
        orders = {o: i for i, o in enumerate(dict.fromkeys(side.attribute_order))}
        order = np.array([orders[o] for o in side.attribute_order] or [0] * side.n_answers, dtype=np.intp)
        self.unit, at = numbered(side.respondent, side.comparison)
        self.respondent, self.comparison = side.respondent[at], side.comparison[at]
        self.way, at = numbered(self.unit, left)
        self.unit_of_way, self.way_is_left = self.unit[at], left[at]
        self.shown, at = numbered(self.unit, left, order)
        self.unit_of_shown, self.way_of_shown = self.unit[at], self.way[at]

    def numbers(self, draw: _Draw) -> list[float]:
        """Return what :class:`SideConsistency` measures, in its order, each brought to between 0 and 1."""
        rows = self._rows(draw.answer)
        weight = draw.person[self.respondent] * draw.comparison[self.comparison]
        of_shown = weight[self.unit_of_shown]
        classes = self._classes(draw.answer * draw.person[self.side.respondent])
        counted = np.array([(draw.comparison * (classes == k)).sum() for k in range(3)])
        return [
            _mean(rows.again, weight),
            _mean(rows.modal, of_shown),
            _mean(rows.entropy, of_shown) / _MOST_BITS,
            _mean(rows.exchanged, weight),
            (1 + _mean(rows.again - rows.exchanged, weight)) / 2,
            _mean(rows.reordered, weight),
            (1 + _mean(rows.again - rows.reordered, weight)) / 2,
            *(counted / counted.sum() if counted.sum() > 0 else np.full(3, np.nan)),
        ]

    def described(self) -> tuple[int, float | None, int]:
        """Return the number of repeated presentations, their mean repeats, and comparisons shown both ways."""
        size = totals(self.answered_once, self.shown, len(self.unit_of_shown))
        mean = float(size[size > 1].mean()) if (size > 1).any() else None
        return int((size > 1).sum()), mean, int((self._classes(self.answered_once) >= 0).sum())

    def _rows(self, answer: Array) -> _Rows:
        return self._plain_rows if (answer == 1).all() else self._weighted_rows(answer)

    @cached_property
    def _plain_rows(self) -> _Rows:
        return self._weighted_rows(self.answered_once)

    def _weighted_rows(self, answer: Array) -> _Rows:
        choice = self.side.choice
        n_units, n_ways, n_shown = len(self.respondent), len(self.unit_of_way), len(self.unit_of_shown)
        hits, pairs = agreeing_pairs(choice, answer, self.shown, n_shown)
        again = _ratio(totals(hits, self.unit_of_shown, n_units), totals(pairs, self.unit_of_shown, n_units))

        ways = cell_sums(choice, answer, self.way, n_ways)
        from_both = np.zeros((2, n_units, 3))
        from_both[self.way_is_left, self.unit_of_way] = ways
        exchanged = _ratio((from_both[0] * from_both[1]).sum(axis=1), from_both.sum(axis=2).prod(axis=0))

        shown = cell_sums(choice, answer, self.shown, n_shown)
        size = shown.sum(axis=1)
        own, own_pairs = (totals(x, self.way_of_shown, n_ways) for x in ((shown**2).sum(axis=1), size**2))
        across, across_pairs = (
            totals(x, self.unit_of_way, n_units)
            for x in ((ways**2).sum(axis=1) - own, ways.sum(axis=1) ** 2 - own_pairs)
        )

        repeated = totals((answer > 0).astype(float), self.shown, n_shown) > 1
        share = shown / np.where(size > 0, size, 1)[:, None]
        plain = -(share * np.log2(np.where(share > 0, share, 1))).sum(axis=1)
        few = ((share > 0).sum(axis=1) - 1) / (2 * np.where(size > 0, size, 1) * np.log(2))
        return _Rows(
            again=again,
            exchanged=exchanged,
            reordered=_ratio(across, across_pairs),
            modal=np.where(repeated, share.max(axis=1, initial=0.0), np.nan),
            entropy=np.where(repeated, np.minimum(plain + few, _MOST_BITS), np.nan),
        )

    def _classes(self, answer: Array) -> Indices:
        """Return 0 robust, 1 fragile, 2 indifferent for each comparison, -1 where it was not shown both ways."""
        side, n = self.side, len(self.side.comparisons)
        cell = 2 * side.comparison + side.first_left
        sums = cell_sums(side.choice, answer, cell, 2 * n).reshape(n, 2, 3)
        size = sums.sum(axis=2)
        share = sums / np.where(size > 0, size, 1)[:, :, None]
        lead = share[:, :, FIRST] - share[:, :, SECOND]
        spread = (1 - share[:, :, INDECISION] - lead**2) / np.where(size > 0, size, 1)
        error = np.sqrt(np.maximum(spread.sum(axis=1), 0))
        no_lean = np.abs(lead.sum(axis=1)) <= _NO_LEAN * error + _ROUNDING
        classes = np.where(no_lean, 2, np.where(lead.prod(axis=1) > 0, 0, 1))
        return np.where((size > 0).all(axis=1), classes, -1)


def _named(layout: _Layout, found: list[Measured]) -> SideConsistency:
    again, modal, entropy, exchanged, by_exchange, reordered, by_order, robust, fragile, indifferent = found
    n_repeated, mean_repeats, n_both_ways = layout.described()
    return SideConsistency(
        same_again=_because(again, _NOT_REPEATED),
        modal_share=_because(modal, _NOT_REPEATED),
        entropy_bits=_because(stretched(entropy, 0.0, _MOST_BITS), _NOT_REPEATED),
        sides_exchanged=_because(exchanged, _NOT_EXCHANGED),
        lost_by_exchange=_because(
            stretched(by_exchange, -1.0, 1.0), _NOT_EXCHANGED if n_repeated else _NOT_REPEATED
        ),
        other_order=_because(reordered, _ONE_ORDER),
        lost_by_order=_because(stretched(by_order, -1.0, 1.0), _ONE_ORDER if n_repeated else _NOT_REPEATED),
        robust=_because(robust, _NOT_BOTH_WAYS),
        fragile=_because(fragile, _NOT_BOTH_WAYS),
        indifferent=_because(indifferent, _NOT_BOTH_WAYS),
        n_repeated=n_repeated,
        mean_repeats=mean_repeats,
        n_both_ways=n_both_ways,
    )


def _because(found: Measured, reason: str) -> Measured:
    return replace(found, reason=reason) if found.value is None else found


def _ratio(hits: Array, pairs: Array) -> Array:
    some = pairs > _ROUNDING
    return np.where(some, hits / np.where(some, pairs, 1), np.nan)


def _mean(values: Array, weight: Array) -> float:
    used = np.isfinite(values) & (weight > 0)
    return float(np.average(values[used], weights=weight[used])) if used.any() else float("nan")
