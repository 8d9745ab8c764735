"""Can these comparisons determine all strengths? Asked before a fit, answered with the profiles' names."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

from estimation.errors import NotConnected, Separated

# A message names so many profiles, or groups; the error has all of them.
_MOST_LISTED = 10


def check_connected(wins: NDArray[np.float64], names: Sequence[str]) -> None:
    """Return quietly if a Bradley-Terry maximum-likelihood estimate exists, else raise.

    It exists exactly when every profile can be reached from every other along wins.

    Parameters
    ----------
    wins
        Shape (n_profiles, n_profiles): row beats column.
    names
        The profiles' names, for the message.

    Raises
    ------
    NotConnected
        Some groups of profiles were never compared with each other (with a decided answer).
    Separated
        Some profiles never lost to, or never won against, all others.

    References
    ----------
    Ford (1957), Amer. Math. Monthly 64; Hunter (2004), Ann. Statist. 32, Assumption 1.
    """
    graph = csr_matrix((wins > 0).astype(float))
    n_islands, island = connected_components(graph, directed=True, connection="weak")
    if n_islands > 1:
        islands = _groups(island, names)
        shown = " | ".join([*map(_listed, islands[:_MOST_LISTED]), *_more(islands)])
        raise NotConnected(
            f"the decided answers fall into {n_islands} groups of profiles that were never compared with each "
            f"other: {shown}. Their strengths have no common scale. Ask "
            "comparisons between the groups, or fit an attribute model (--model conditional-logit)",
            islands,
        )
    n_strong, strong = connected_components(graph, directed=True, connection="strong")
    if n_strong > 1:
        groups = _groups(strong, names)
        winners, losers = [], []
        for number, group in enumerate(groups):
            inside = strong == number
            if not wins[np.ix_(~inside, inside)].any():
                winners += group
            if not wins[np.ix_(inside, ~inside)].any():
                losers += group
        raise Separated(
            f"{_listed(winners)} never lost against the other profiles and {_listed(losers)} never won against "
            "them, so no finite strengths fit best. Collect more answers, or add prior answers "
            "(--prior-answers), which the result will say",
            [*winners, *losers],
        )


def _groups(labels: NDArray[np.int32], names: Sequence[str]) -> list[list[str]]:
    return [
        [names[int(i)] for i in np.flatnonzero(labels == label)]
        for label in range(int(labels.max(initial=-1)) + 1)
    ]


def _listed(names: Sequence[str]) -> str:
    return ", ".join([*(f"'{name}'" for name in names[:_MOST_LISTED]), *_more(names)])


def _more(left_out: Sequence[object]) -> list[str]:
    n = len(left_out) - _MOST_LISTED
    return [f"and {n} more"] if n > 0 else []
