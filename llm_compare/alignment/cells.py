"""Answers of one side by who gave them, and what they come to in each comparison. Pure.

Two answers tell how much their givers differ only if the givers are different: so a person's answers to one
comparison are taken together, here, and products of shares are taken over different givers alone. That keeps them
without bias, also in a draw in which a person counts several times.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from llm_compare.alignment.choices import INDECISION, Array, Choices, Indices


@dataclass(frozen=True, kw_only=True, eq=False)
class Cells:
    """The answers of one giver to one comparison, taken together; a row per cell."""

    comparison: Indices
    respondent: Indices
    total: Array
    """Shape (n_cells, 3): answers by choice."""
    size: Array
    """Shape (n_cells,): answers."""
    n_comparisons: int

    @cached_property
    def mean(self) -> Array:
        """Share of each choice among a cell's answers."""
        return self.total / self.size[:, None]

    @cached_property
    def once(self) -> Tally:
        """Everything counted once."""
        return Tally(cells=self, weights=np.ones(len(self.size)))

    def tally(self, weights: Array) -> Tally:
        """Return the choices by comparison when every cell counts as often as ``weights`` (one per cell) says."""
        return self.once if bool((weights == 1).all()) else Tally(cells=self, weights=weights)

    def by_comparison(self, values: Array) -> Array:
        """Return the sum of ``values``, shape (n_cells,) or (n_cells, k), over the cells of each comparison."""
        if values.ndim == 1:
            return sums(values, self.comparison, self.n_comparisons)
        return np.column_stack([self.by_comparison(values[:, k]) for k in range(values.shape[1])])


@dataclass(frozen=True, kw_only=True, eq=False)
class Tally:
    """Choices by comparison, each cell counted as often as its weight says. The columns are those of choices."""

    cells: Cells
    weights: Array

    @cached_property
    def total(self) -> Array:
        """Answers by choice, shape (n_comparisons, 3)."""
        return self.cells.by_comparison(self.weights[:, None] * self.cells.total)

    @cached_property
    def size(self) -> Array:
        """Answers, shape (n_comparisons,)."""
        return self.cells.by_comparison(self.weights * self.cells.size)

    @cached_property
    def squares(self) -> Array:
        """Sum of the squares of each cell's part of ``total``."""
        return self.cells.by_comparison((self.weights[:, None] * self.cells.total) ** 2)

    @cached_property
    def apart(self) -> Array:
        """Ordered pairs of answers of different cells, shape (n_comparisons,)."""
        return self.size**2 - self.cells.by_comparison((self.weights * self.cells.size) ** 2)

    @cached_property
    def shares(self) -> Array:
        """Share of each choice; NaN where nobody answered."""
        return ratio(self.total, self.size[:, None])

    @cached_property
    def indecision(self) -> Array:
        """Share of indecision; NaN where nobody answered."""
        column = self.cells.by_comparison(self.weights * self.cells.total[:, INDECISION])
        return ratio(column, self.size)

    @cached_property
    def squared_shares(self) -> Array:
        """Estimate without bias of the squared shares: products over different cells. NaN with fewer than two."""
        return ratio(self.total**2 - self.squares, self.apart[:, None])

    @property
    def has_several(self) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
        """Whether two different cells answered."""
        return self.apart > _ROUNDING

    @property
    def n_pairs(self) -> int:
        """Pairs of cells that answered the same comparison, each cell in one pair at most."""
        return int((self.cells.by_comparison((self.weights > 0).astype(float)) // 2).sum())


def cells_of_people(people: Choices) -> Cells:
    """Return a cell per person and comparison: repeated answers of a person are one voice."""
    n = len(people.comparisons)
    key, cell = np.unique(people.respondent * n + people.comparison, return_inverse=True)
    return Cells(
        comparison=key % max(n, 1),
        respondent=key // max(n, 1),
        total=np.column_stack(
            [np.bincount(cell, weights=people.choice[:, k], minlength=len(key)) for k in range(3)]
        ),
        size=np.bincount(cell, minlength=len(key)).astype(float),
        n_comparisons=n,
    )


def cells_of_replies(model: Choices) -> Cells:
    """Return a cell per reply: a model's replies to one prompt do not know of each other."""
    return Cells(
        comparison=model.comparison,
        respondent=model.respondent,
        total=model.choice,
        size=np.ones(model.n_answers),
        n_comparisons=len(model.comparisons),
    )


def ratio(numerator: Array, denominator: Array) -> Array:
    """Return the quotient, NaN where the denominator is 0."""
    above, below = np.broadcast_arrays(numerator, denominator)
    quotient: Array = np.divide(above, below, out=np.full(above.shape, np.nan), where=below > _ROUNDING)
    return quotient


def sums(values: Array, of: Indices, n: int) -> Array:
    """Return the sum of ``values`` that belong to each of ``n``."""
    return np.asarray(np.bincount(of, weights=values, minlength=n), dtype=float)


def mean_over(values: Array, weights: Array) -> float:
    """Return the mean of the defined ``values``, each weighed; NaN where none is defined."""
    kept = np.isfinite(values)
    weight = float(weights[kept].sum())
    return float(values[kept] @ weights[kept]) / weight if weight > 0 else float("nan")


FEWEST_PAIRS = 10
"""Of people who answered the same comparison: with fewer, what people reach among themselves is not known."""
_ROUNDING = 1e-9
