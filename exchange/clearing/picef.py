"""Chains as columns: one 0/1 decision per arc and position in a chain (PICEF). Pure.

A pair may give at position k only if it received at position k - 1; the row that says so is what makes single arcs
add up to chains.

References
----------
Dickerson, Manlove, Plaut, Sandholm, Trimble (2016), "Position-indexed formulations for kidney exchange",
arXiv 1606.01623, section 3.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

from exchange.chains import ChainArcs
from exchange.pool import FloatArray, IntArray


def flow_row_count(n_pairs: int, chain_cap: int) -> int:
    """Return how many rows chains need: one per pair and position that has a next position."""
    return n_pairs * max(chain_cap - 1, 0)


def chain_arc_rows(arcs: ChainArcs, *, n_pairs: int, n_ndds: int, n_rows: int) -> sparse.csc_array:
    """Return the constraint coefficients of chain arcs, one column each.

    The model's rows are: each pair receives at most once; each non-directed donor gives at most once; then, for
    position k = 1, 2, ..., one row per pair: given at k + 1 minus received at k is at most 0.
    """
    columns = np.arange(len(arcs))
    first = arcs.position == 1
    later = ~first
    goes_on = arcs.position < arcs.cap
    first_flow_row = n_pairs + n_ndds
    rows = np.concatenate(
        [
            arcs.recipient,
            arcs.donor[first],
            first_flow_row + (arcs.position[later] - 2) * n_pairs + arcs.donor[later],
            first_flow_row + (arcs.position[goes_on] - 1) * n_pairs + arcs.recipient[goes_on],
        ]
    )
    entries = np.concatenate([columns, columns[first], columns[later], columns[goes_on]])
    signs = np.ones(len(rows))
    signs[len(rows) - np.count_nonzero(goes_on) :] = -1.0
    return sparse.csc_array((signs, (rows, entries)), shape=(n_rows, len(arcs)))


def chain_arc_values(arcs: ChainArcs, arc_values: FloatArray) -> FloatArray:
    """Return the value of each chain arc; ``arc_values`` has shape (n_pairs + n_ndds, n_pairs)."""
    values: FloatArray = arc_values[arcs.donor, arcs.recipient]
    return values


def chains_from(arcs: ChainArcs, chosen: IntArray) -> tuple[tuple[int, ...], ...]:
    """Return the chains that chosen arcs add up to: donor index of the non-directed donor, then pair indices."""
    onward = {
        (int(arcs.position[i]), int(arcs.donor[i])): int(arcs.recipient[i]) for i in np.sort(chosen).tolist()
    }
    chains = []
    for position, donor in sorted(onward):
        if position > 1:
            break
        chain = [donor]
        while (len(chain), chain[-1]) in onward:
            chain.append(onward[len(chain), chain[-1]])
        chains.append(tuple(chain))
    return tuple(chains)
