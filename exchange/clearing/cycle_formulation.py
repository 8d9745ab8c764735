"""Cycles as columns: one 0/1 decision per cycle, each pair in at most one. Pure.

References
----------
Abraham, Blum, Sandholm (2007), "Clearing algorithms for barter exchange markets", EC 2007.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import sparse

from exchange.pool import FloatArray, IntArray


def cycle_rows(cycles: IntArray, n_rows: int) -> sparse.csc_array:
    """Return the constraint coefficients of cycles of one size: 1 in the row of each pair.

    Parameters
    ----------
    cycles
        Shape (number of cycles, size): indices of pairs, which are the first rows of the model.
    n_rows
        Number of rows of the whole model.
    """
    count, size = cycles.shape
    return sparse.csc_array(
        (np.ones(count * size), cycles.ravel(), np.arange(0, count * size + 1, size)), shape=(n_rows, count)
    )


def cycle_values(cycles: Sequence[IntArray], arc_values: FloatArray) -> FloatArray:
    """Return the value of each cycle, size after size: the sum over its arcs.

    Parameters
    ----------
    arc_values
        Shape (n_pairs + n_ndds, n_pairs): value of a transplant from row to column.
    """
    parts = [np.sum(arc_values[c, np.roll(c, -1, axis=1)], axis=1) for c in cycles]
    return np.concatenate([np.empty(0), *parts])
