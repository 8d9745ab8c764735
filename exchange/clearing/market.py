"""What may be exchanged: arcs, caps, and how chains are modeled. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from exchange.clearing.columns import Rows
from exchange.errors import BadRequest
from exchange.pool import BoolArray, IntArray, PoolArrays


class Formulation(StrEnum):
    """How chains become decisions of the model; cycles are one decision each in both."""

    CYCLE = "cycle"
    """Every chain is a decision, as every cycle is. Needed where failures differ from arc to arc."""
    PICEF = "picef"
    """Every arc at every position of a chain is a decision; far fewer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """A pool's arcs under caps."""

    pair_arcs: BoolArray
    """Shape (n_pairs, n_pairs), False on the diagonal."""
    compatible: IntArray
    """Pairs that are a cycle of one."""
    ndd_arcs: BoolArray
    """Shape (n_ndds, n_pairs)."""
    cycle_cap: int
    chain_cap: int
    formulation: Formulation
    n_starts: int
    """Cycles are looked for through one of the first so many pairs: all, unless a caller knows that no other cycle
    is worth anything."""

    @property
    def n_pairs(self) -> int:
        """Number of pairs."""
        return len(self.pair_arcs)

    @property
    def n_ndds(self) -> int:
        """Number of non-directed donors."""
        return len(self.ndd_arcs)

    @property
    def width(self) -> int:
        """Width of the table of columns."""
        return max(self.cycle_cap, self.chain_cap + 1, 3)

    @property
    def rows(self) -> Rows:
        """The rules of the model."""
        arcs = self.chain_cap if self.formulation is Formulation.PICEF else 0
        return Rows(n_pairs=self.n_pairs, n_ndds=self.n_ndds, chain_cap=arcs)


def make_market(
    arrays: PoolArrays,
    *,
    cycle_cap: int,
    chain_cap: int,
    formulation: Formulation,
    n_starts: int | None = None,
) -> Market:
    """Return the market of a pool.

    Parameters
    ----------
    cycle_cap
        Most pairs in a cycle, at least 2; 0 for no cycles.
    chain_cap
        Most pairs in a chain: the non-directed donor is not counted, nor the last donor's gift to the waiting
        list. 0 for no chains.
    n_starts
        See :class:`Market`; None for all pairs.

    Raises
    ------
    BadRequest
        A cap that cannot be.
    """
    if cycle_cap == 1 or cycle_cap < 0:
        raise BadRequest(
            f"cycle cap {cycle_cap}: a cycle has at least 2 pairs; give 2 or more, or 0 for no cycles"
        )
    if chain_cap < 0:
        raise BadRequest(
            f"chain cap {chain_cap} is negative; give the most pairs in a chain, or 0 for no chains"
        )
    return Market(
        pair_arcs=arrays.pair_arcs,
        compatible=arrays.compatible,
        ndd_arcs=arrays.ndd_arcs if chain_cap else np.zeros((0, arrays.n_pairs), dtype=np.bool_),
        # A cycle or chain never has more pairs than there are.
        cycle_cap=min(cycle_cap, max(arrays.n_pairs, 2)) if cycle_cap else 0,
        chain_cap=min(chain_cap, arrays.n_pairs) if arrays.n_ndds else 0,
        formulation=formulation,
        n_starts=arrays.n_pairs if n_starts is None else n_starts,
    )
