"""The decisions of a clearing model as columns, and the rules they obey as rows. Pure.

Three kinds of columns: a cycle (a 0/1 decision each), an arc at a position in a chain (PICEF: a chain is one
arc at each position 1 ... k, each starting where the one before ended), and a whole chain (needed where a
chain's value is not a sum over its arcs).

References
----------
Abraham, Blum, Sandholm (2007), "Clearing algorithms for barter exchange markets", EC 2007 (cycles and chains as
columns). Dickerson, Manlove, Plaut, Sandholm, Trimble (2016), "Position-indexed formulations for kidney
exchange", arXiv 1606.01623, section 3 (PICEF).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from scipy import sparse

from exchange.clearing.exchange_values import ExchangeValues
from exchange.pool import FloatArray, IntArray


class Kind(IntEnum):
    """What a column decides."""

    CYCLE = 0
    CHAIN_ARC = 1
    CHAIN = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Columns as a table."""

    kind: IntArray
    """Shape (count,); see :class:`Kind`."""
    members: IntArray
    """Shape (count, width), filled up with -1. Cycle: its pairs, each giving to the next and the last to the
    first, the smallest index first. Chain arc: position, donor, recipient. Chain: the non-directed donor,
    then its pairs. Non-directed donors are counted after the pairs."""

    def __len__(self) -> int:
        return len(self.kind)

    def take(self, which: IntArray) -> Columns:
        """Return the columns with these indices, in this order."""
        return Columns(kind=self.kind[which], members=self.members[which])

    def keys(self) -> list[bytes]:
        """Return one key per column; equal keys mean the same decision."""
        table = np.ascontiguousarray(np.column_stack((self.kind, self.members)))
        return [row.tobytes() for row in table]

    def groups(self) -> Iterator[tuple[Kind, IntArray, IntArray]]:
        """Yield (kind, indices, members without filling) for the columns of one kind and length at a time."""
        lengths = np.sum(self.members >= 0, axis=1)
        for kind in Kind:
            of_kind = self.kind == kind
            for length in np.unique(lengths[of_kind]).tolist():
                which = np.flatnonzero(of_kind & (lengths == length))
                yield kind, which, self.members[which, :length]

    def values(self, values: ExchangeValues) -> FloatArray:
        """Return each column's value under an objective."""
        found = np.empty(len(self))
        for kind, which, members in self.groups():
            if kind is Kind.CYCLE:
                found[which] = values.of_cycles(members)
            elif kind is Kind.CHAIN:
                found[which] = values.of_chains(members)
            else:
                found[which] = values.of_chain_arcs(members[:, 0], members[:, 1], members[:, 2])
        return found

    def exchanges(self) -> tuple[tuple[tuple[int, ...], ...], tuple[tuple[int, ...], ...]]:
        """Return the cycles, and the chains that chains and chain arcs make, as tuples of donor indices,
        sorted."""
        cycles: list[tuple[int, ...]] = []
        chains: list[tuple[int, ...]] = []
        onward: dict[tuple[int, int], int] = {}
        for kind, _, members in self.groups():
            rows = members.tolist()
            if kind is Kind.CYCLE:
                cycles += [tuple(row) for row in rows]
            elif kind is Kind.CHAIN:
                chains += [tuple(row) for row in rows]
            else:
                onward.update({(position, donor): recipient for position, donor, recipient in rows})
        for position, donor in sorted(onward):
            if position > 1:
                break
            chain = [donor]
            while (len(chain), chain[-1]) in onward:
                chain.append(onward[len(chain), chain[-1]])
            chains.append(tuple(chain))
        return tuple(sorted(cycles)), tuple(sorted(chains))


def columns_of(kind: Kind, members: IntArray, width: int) -> Columns:
    """Return columns of one kind and length; ``width`` is that of the table they will belong to."""
    filled = np.full((len(members), width), -1, dtype=np.intp)
    filled[:, : members.shape[1]] = members
    return Columns(kind=np.full(len(members), int(kind), dtype=np.intp), members=filled)


def no_columns(width: int) -> Columns:
    """Return an empty table."""
    return Columns(kind=np.empty(0, dtype=np.intp), members=np.empty((0, width), dtype=np.intp))


def joined(*parts: Columns) -> Columns:
    """Return the columns of all tables, each decision once, in order of first appearance."""
    whole = Columns(
        kind=np.concatenate([part.kind for part in parts]),
        members=np.concatenate([part.members for part in parts]),
    )
    first: dict[bytes, int] = {}
    for i, key in enumerate(whole.keys()):
        first.setdefault(key, i)
    if len(first) == len(whole):
        return whole
    return whole.take(np.fromiter(first.values(), dtype=np.intp, count=len(first)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """The rules that every match run obeys: each pair receives at most once, each non-directed donor gives at
    most once, and a pair gives at position k + 1 of a chain only if it received at position k."""

    n_pairs: int
    n_ndds: int
    chain_cap: int
    """Most pairs in a chain made of chain arcs; 0 where no column is a chain arc."""

    @property
    def limits(self) -> FloatArray:
        """Right-hand sides."""
        flow = self.n_pairs * max(self.chain_cap - 1, 0)
        return np.concatenate([np.ones(self.n_pairs + self.n_ndds), np.zeros(flow)])

    def matrix(self, columns: Columns) -> sparse.csc_array:
        """Return the coefficients of columns, shape (rows, columns): ``matrix @ decisions <= limits``."""
        rows, entries, signs = [], [], []

        def put(row: IntArray, column: IntArray, sign: float) -> None:
            rows.append(row)
            entries.append(column)
            signs.append(np.full(len(row), sign))

        first_flow = self.n_pairs + self.n_ndds
        for kind, which, members in columns.groups():
            if kind is Kind.CHAIN_ARC:
                position, donor, recipient = members.T
                first, goes_on = position == 1, position < self.chain_cap
                put(recipient, which, 1.0)
                put(donor[first], which[first], 1.0)
                put(first_flow + (position[~first] - 2) * self.n_pairs + donor[~first], which[~first], 1.0)
                put(
                    first_flow + (position[goes_on] - 1) * self.n_pairs + recipient[goes_on],
                    which[goes_on],
                    -1.0,
                )
            else:
                put(members.ravel(), np.repeat(which, members.shape[1]), 1.0)
        nothing = np.empty(0, dtype=np.intp)
        return sparse.csc_array(
            (
                np.concatenate([np.empty(0), *signs]),
                (np.concatenate([nothing, *rows]), np.concatenate([nothing, *entries])),
            ),
            shape=(len(self.limits), len(columns)),
        )
