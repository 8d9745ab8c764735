"""Whether a pair could be in any exchange at all, and how large the smallest is. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from exchange.pool import BoolArray, IntArray, PoolArrays


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortest:
    """The smallest exchanges of every pair, found by breadth-first search."""

    pair_arcs: BoolArray
    """Shape (n_pairs, n_pairs), False on the diagonal."""
    compatible: frozenset[int]
    """Pairs that need no other."""
    giver: IntArray
    """Who gives to each pair in its shortest chain, shape (n_pairs,); -1 if no chain reaches it."""

    def cycle(self, pair: int) -> tuple[int, ...] | None:
        """Return the smallest cycle with a pair, the pair first; None if there is none of any size."""
        if pair in self.compatible:
            return (pair,)
        giver = _search(self.pair_arcs, self.pair_arcs[pair], first_giver=np.full(len(self.pair_arcs), pair))
        path = [int(giver[pair])]
        if path[0] < 0:
            return None
        while path[-1] != pair:
            path.append(int(giver[path[-1]]))
        return tuple(reversed(path))

    def chain(self, pair: int) -> tuple[int, ...] | None:
        """Return the shortest chain that ends with a pair, the non-directed donor first; None if there is none."""
        path = [pair]
        while path[-1] < len(self.pair_arcs):
            giver = int(self.giver[path[-1]])
            if giver < 0:
                return None
            path.append(giver)
        return tuple(reversed(path))


def shortest_exchanges(arrays: PoolArrays) -> Shortest:
    """Return the smallest exchanges of a pool, whatever the caps."""
    ndd_arcs = arrays.ndd_arcs
    first = np.any(ndd_arcs, axis=0) if len(ndd_arcs) else np.zeros(arrays.n_pairs, dtype=np.bool_)
    givers = np.argmax(ndd_arcs, axis=0) + arrays.n_pairs if len(ndd_arcs) else np.zeros(arrays.n_pairs)
    return Shortest(
        pair_arcs=arrays.pair_arcs,
        compatible=frozenset(arrays.compatible.tolist()),
        giver=_search(arrays.pair_arcs, first, first_giver=np.asarray(givers, dtype=np.intp)),
    )


def _search(pair_arcs: BoolArray, first: BoolArray, *, first_giver: IntArray) -> IntArray:
    """Return who gives to each pair on a shortest way from the pairs in ``first``; -1 for those out of reach."""
    giver = np.where(first, first_giver, -1)
    reached = np.flatnonzero(first)
    while len(reached):
        onward = pair_arcs[reached]
        fresh = np.flatnonzero(np.any(onward, axis=0) & (giver < 0))
        giver[fresh] = reached[np.argmax(onward[:, fresh], axis=0)]
        reached = fresh
    return giver
