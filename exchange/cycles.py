"""All cycles of a pool up to a cap. Pure."""

from __future__ import annotations

import numpy as np

from exchange.errors import BadRequest
from exchange.pool import BoolArray, IntArray


def enumerate_cycles(pair_arcs: BoolArray, cap: int) -> tuple[IntArray, ...]:
    """Return every cycle of 2 to ``cap`` pairs, each once.

    Parameters
    ----------
    pair_arcs
        Shape (n_pairs, n_pairs): row gives to column.
    cap
        Most pairs in a cycle, at least 2; 0 for no cycles at all.

    Returns
    -------
    One array per size s = 2 ... cap, shape (number of cycles, s). A row starts with the smallest index; each pair
    gives to the next and the last to the first. Rows are in lexicographic order.

    Raises
    ------
    BadRequest
        A cap that is 1 or negative.
    """
    if cap == 1 or cap < 0:
        raise BadRequest(f"cycle cap {cap}: a cycle has at least 2 pairs; give 2 or more, or 0 for no cycles")
    n = len(pair_arcs)
    found: list[list[IntArray]] = [[] for _ in range(2, cap + 1)]
    onward = pair_arcs.copy()
    for start in range(n if cap else 0):
        # Only pairs beyond the start may follow, so each cycle is met once: at its smallest index.
        onward[:, start] = False
        closes = pair_arcs[:, start]
        paths = np.full((1, 1), start, dtype=np.intp)
        for size in range(2, cap + 1):
            reach = onward[paths[:, -1]]
            if size > 2:
                reach[np.arange(len(paths))[:, None], paths[:, 1:]] = False
            if size == cap:
                reach &= closes
            rows, ends = np.nonzero(reach)
            paths = np.column_stack((paths[rows], ends))
            closed = paths if size == cap else paths[closes[ends]]
            if len(closed):
                found[size - 2].append(closed)
    return tuple(
        np.concatenate(parts) if parts else np.empty((0, size), dtype=np.intp)
        for size, parts in enumerate(found, start=2)
    )
