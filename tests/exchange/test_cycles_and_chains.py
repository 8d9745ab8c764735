from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from exchange.chains import chain_arcs
from exchange.cycles import enumerate_cycles
from exchange.errors import BadRequest

square = st.integers(0, 7).flatmap(lambda n: arrays(np.bool_, (n, n)))


@settings(deadline=None)
@given(pair_arcs=square, cap=st.integers(2, 5))
def test_every_cycle_is_found_once(pair_arcs: np.ndarray, cap: int) -> None:
    np.fill_diagonal(pair_arcs, False)
    n = len(pair_arcs)
    found = enumerate_cycles(pair_arcs, cap)
    assert [table.shape[1] for table in found] == list(range(2, cap + 1))
    for size, table in enumerate(found, start=2):
        expected = [
            ring
            for ring in permutations(range(n), size)
            if ring[0] == min(ring)
            and all(pair_arcs[a, b] for a, b in zip(ring, (*ring[1:], ring[0]), strict=True))
        ]
        assert [tuple(row) for row in table.tolist()] == sorted(expected)


def test_a_cap_of_zero_means_no_cycles_and_one_is_refused() -> None:
    assert enumerate_cycles(np.ones((3, 3), dtype=np.bool_), 0) == ()
    with pytest.raises(BadRequest, match="at least 2 pairs"):
        enumerate_cycles(np.ones((3, 3), dtype=np.bool_), 1)


@settings(deadline=None)
@given(pair_arcs=square, n_ndds=st.integers(0, 2), cap=st.integers(0, 4), data=st.data())
def test_an_arc_has_a_position_if_and_only_if_a_walk_reaches_it(
    pair_arcs: np.ndarray, n_ndds: int, cap: int, data: st.DataObject
) -> None:
    n = len(pair_arcs)
    ndd_arcs = data.draw(arrays(np.bool_, (n_ndds, n)))
    found = chain_arcs(pair_arcs, ndd_arcs, cap)
    triples = set(zip(found.position.tolist(), found.donor.tolist(), found.recipient.tolist(), strict=True))
    assert len(triples) == len(found)
    expected = set()
    ends = set(range(n, n + n_ndds))
    for position in range(1, cap + 1):
        exists = ndd_arcs if position == 1 else pair_arcs
        offset = n if position == 1 else 0
        step = {(u, v) for u in ends for v in range(n) if exists[u - offset, v]}
        expected |= {(position, u, v) for u, v in step}
        ends = {v for _, v in step}
    assert triples == expected


def test_a_negative_chain_cap_is_refused() -> None:
    with pytest.raises(BadRequest, match="negative"):
        chain_arcs(np.zeros((1, 1), dtype=np.bool_), np.zeros((1, 1), dtype=np.bool_), -1)
