from __future__ import annotations

import numpy as np
import pytest

from exchange.errors import BadPool
from exchange.pool import Arc, NonDirectedDonor, Pair, Pool, pool_arrays

PAIRS = (Pair(id="P1"), Pair(id="P2"))
NDDS = (NonDirectedDonor(id="N1"),)


def pool(**changes: object) -> Pool:
    given = {"pairs": PAIRS, "ndds": NDDS, "arcs": (), "source": "test", **changes}
    return Pool(**given)  # type: ignore[arg-type]


def test_arcs_become_matrices_with_ndds_after_the_pairs() -> None:
    arrays = pool_arrays(
        pool(arcs=(Arc(donor="P1", recipient="P2", weight=2.5), Arc(donor="N1", recipient="P1")))
    )
    np.testing.assert_array_equal(arrays.pair_arcs, [[False, True], [False, False]])
    np.testing.assert_array_equal(arrays.ndd_arcs, [[True, False]])
    np.testing.assert_array_equal(arrays.arc_weight, [[0, 2.5], [0, 0], [1, 0]])


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"pairs": (Pair(id="P1"), Pair(id="P1"))}, "'P1' is given twice"),
        ({"ndds": (NonDirectedDonor(id="P2"),)}, "'P2' is given twice"),
        ({"pairs": (Pair(id=""),)}, "empty id"),
        ({"pairs": (Pair(id="P1", cpra=45.0),)}, "fraction between 0 and 1"),
        ({"arcs": (Arc(donor="P1", recipient="P1"),)}, "from a pair to itself"),
        ({"arcs": (Arc(donor="P1", recipient="N1"),)}, "to a non-directed donor"),
        ({"arcs": (Arc(donor="P1", recipient="P9"),)}, "nobody has the id 'P9'"),
        ({"arcs": (Arc(donor="N7", recipient="P1"),)}, "nobody has the id 'N7'"),
        ({"arcs": (Arc(donor="P1", recipient="P2"),) * 2}, "is given twice"),
        ({"arcs": (Arc(donor="P1", recipient="P2", weight=-1.0),)}, "weight -1"),
        ({"arcs": (Arc(donor="P1", recipient="P2", weight=float("nan")),)}, "weight nan"),
        ({"arcs": (Arc(donor="P1", recipient="P2", success_probability=1.5),)}, "success probability 1.5"),
    ],
)
def test_a_pool_that_contradicts_itself_says_how(changes: dict[str, object], complaint: str) -> None:
    with pytest.raises(BadPool, match=complaint):
        pool(**changes)


def test_a_long_list_of_complaints_is_cut_and_counted() -> None:
    with pytest.raises(BadPool, match="and 40 more"):
        pool(arcs=tuple(Arc(donor="P1", recipient=f"X{i}") for i in range(50)))


def test_a_pair_is_found_by_its_id() -> None:
    assert pool().pair("P2") == PAIRS[1]
    with pytest.raises(BadPool, match="no pair has the id 'P3'"):
        pool().pair("P3")
