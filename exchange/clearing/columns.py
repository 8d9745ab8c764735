"""The whole model of a pool: every cycle and chain arc as a column, every rule as a row. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from exchange.chains import ChainArcs, chain_arcs
from exchange.clearing.cycle_formulation import cycle_rows, cycle_values
from exchange.clearing.picef import chain_arc_rows, chain_arc_values, chains_from, flow_row_count
from exchange.cycles import enumerate_cycles
from exchange.pool import FloatArray, IntArray, PoolArrays


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Cycles first (size after size), then chain arcs; ``matrix`` @ decisions <= ``limits``."""

    cycles: tuple[IntArray, ...]
    chain_arcs: ChainArcs
    matrix: sparse.csc_array
    """Shape (n_rows, n_columns). The first n_pairs rows say that a pair receives at most once, and every column
    has a 1 in at least one of them."""
    limits: FloatArray

    @property
    def count(self) -> int:
        """Number of columns."""
        return int(self.matrix.shape[1])

    def values(self, arc_values: FloatArray) -> FloatArray:
        """Return each column's value under an objective that adds up over arcs.

        Parameters
        ----------
        arc_values
            Shape (n_pairs + n_ndds, n_pairs): value of a transplant from row to column.
        """
        return np.concatenate(
            [cycle_values(self.cycles, arc_values), chain_arc_values(self.chain_arcs, arc_values)]
        )

    def exchanges(self, chosen: IntArray) -> tuple[tuple[tuple[int, ...], ...], tuple[tuple[int, ...], ...]]:
        """Return the chosen cycles and chains as tuples of donor indices, cycles in column order."""
        cycles = []
        first = 0
        for sized in self.cycles:
            inside = chosen[(chosen >= first) & (chosen < first + len(sized))] - first
            cycles += [tuple(row) for row in sized[np.sort(inside)].tolist()]
            first += len(sized)
        return tuple(cycles), chains_from(self.chain_arcs, chosen[chosen >= first] - first)


def build_columns(arrays: PoolArrays, *, cycle_cap: int, chain_cap: int) -> Columns:
    """Enumerate every cycle and chain arc that the caps allow. Caps as in :func:`enumerate_cycles` and
    :func:`chain_arcs`."""
    n_pairs, n_ndds = arrays.n_pairs, arrays.n_ndds
    cycles = enumerate_cycles(arrays.pair_arcs, cycle_cap)
    arcs = chain_arcs(arrays.pair_arcs, arrays.ndd_arcs, chain_cap)
    n_flow = flow_row_count(n_pairs, chain_cap)
    n_rows = n_pairs + n_ndds + n_flow
    blocks = [cycle_rows(sized, n_rows) for sized in cycles]
    blocks.append(chain_arc_rows(arcs, n_pairs=n_pairs, n_ndds=n_ndds, n_rows=n_rows))
    return Columns(
        cycles=cycles,
        chain_arcs=arcs,
        matrix=sparse.csc_array(sparse.hstack(blocks, format="csc")),
        limits=np.concatenate([np.ones(n_pairs + n_ndds), np.zeros(n_flow)]),
    )
