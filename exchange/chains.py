"""The arcs that chains can use, by their position in the chain. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from exchange.errors import BadRequest
from exchange.pool import BoolArray, IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainArcs:
    """Arcs with the position they take in a chain; three arrays of equal length, sorted by position."""

    position: IntArray
    """1 for the arc from the non-directed donor, 2 for the next one, ..."""
    donor: IntArray
    """Index of the giving pair, or n_pairs + index of the non-directed donor at position 1."""
    recipient: IntArray
    """Index of the receiving pair."""
    cap: int
    """Most pairs in a chain."""

    def __len__(self) -> int:
        return len(self.position)


def chain_arcs(pair_arcs: BoolArray, ndd_arcs: BoolArray, cap: int) -> ChainArcs:
    """Return every arc at every position at which some walk from a non-directed donor can use it.

    A chain of length k then is one arc at each position 1 ... k, each starting where the one before ended. This is
    far smaller than a list of all chains, whose number grows exponentially with the cap.

    Parameters
    ----------
    pair_arcs
        Shape (n_pairs, n_pairs).
    ndd_arcs
        Shape (n_ndds, n_pairs).
    cap
        Most pairs in a chain: the non-directed donor is not counted, nor the last donor's gift to the waiting
        list. 0 for no chains.

    References
    ----------
    Dickerson, Manlove, Plaut, Sandholm, Trimble (2016), "Position-indexed formulations for kidney exchange",
    arXiv 1606.01623.
    """
    if cap < 0:
        raise BadRequest(f"chain cap {cap} is negative; give the most pairs in a chain, or 0 for no chains")
    n_pairs = len(pair_arcs)
    positions, donors, recipients = [], [], []
    reached = np.ones(len(ndd_arcs), dtype=np.bool_)
    for position in range(1, cap + 1):
        exists = ndd_arcs if position == 1 else pair_arcs
        rows, columns = np.nonzero(exists & reached[:, None])
        if not len(rows):
            break
        positions.append(np.full(len(rows), position, dtype=np.intp))
        donors.append(rows + n_pairs if position == 1 else rows)
        recipients.append(columns)
        reached = np.zeros(n_pairs, dtype=np.bool_)
        reached[columns] = True
    nothing = np.empty(0, dtype=np.intp)
    return ChainArcs(
        position=np.concatenate([nothing, *positions]),
        donor=np.concatenate([nothing, *donors]),
        recipient=np.concatenate([nothing, *recipients]),
        cap=cap,
    )
