"""Can these comparisons determine all strengths? Asked before a fit, answered with the profiles' names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from estimation.dataset import INDECISION, ChoiceData
from estimation.errors import NotConnected, Separated

# A message names so many profiles, or groups; the error and the report have all of them.
_MOST_LISTED = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Connectivity:
    """What the graph of comparisons says about which strengths can be told."""

    islands: tuple[tuple[str, ...], ...]
    """Groups of profiles never compared with each other, by name. One if all hang together."""
    ranks: tuple[tuple[str, ...], ...]
    """Groups of profiles within which each can be reached from each along wins. One if an estimate of
    Bradley-Terry exists."""
    never_lost: tuple[str, ...]
    """Profiles of groups that lost to no profile outside."""
    never_won: tuple[str, ...]
    """Profiles of groups that won against no profile outside."""
    only_won: tuple[str, ...]
    """Single profiles that won every decided comparison."""
    only_lost: tuple[str, ...]
    """Single profiles that lost every decided comparison."""
    n_pairs_asked: int
    n_pairs_never_asked: int
    pairs_never_asked: tuple[tuple[str, str], ...]
    """The first ten, by the profiles' order."""

    @property
    def is_connected(self) -> bool:
        """Whether all profiles hang together."""
        return len(self.islands) == 1

    @property
    def is_strong(self) -> bool:
        """Whether a Bradley-Terry maximum-likelihood estimate exists."""
        return len(self.ranks) == 1


def connectivity(data: ChoiceData, *, by_indecision: bool = False, half_wins: bool = False) -> Connectivity:
    """Describe the graph of comparisons.

    Parameters
    ----------
    by_indecision
        Whether an indecision joins two profiles, as it does in models that explain it (it never ranks them).
    half_wins
        Whether it also counts as a win for each.

    References
    ----------
    Ford (1957), Amer. Math. Monthly 64; Hunter (2004), Ann. Statist. 32, Assumption 1.
    """
    names = data.names
    n = len(names)
    wins = data.win_counts(half_wins=half_wins)
    answered = data.counts.sum(axis=1) > 0
    joined = answered & ((data.counts[:, :INDECISION].sum(axis=1) > 0) | by_indecision | half_wins)
    graph = sparse.coo_array(
        (np.ones(int(joined.sum())), (data.left[joined], data.right[joined])), shape=(n, n)
    )
    _, island = connected_components(graph, directed=False)
    n_ranks, rank = connected_components(wins, directed=True, connection="strong")
    winner, loser = wins.tocoo().coords
    crossing = rank[winner] != rank[loser]
    beaten = np.bincount(rank[loser[crossing]], minlength=n_ranks) > 0
    beating = np.bincount(rank[winner[crossing]], minlength=n_ranks) > 0
    won = np.bincount(winner, minlength=n) > 0
    lost = np.bincount(loser, minlength=n) > 0
    low, high = np.minimum(data.left, data.right)[answered], np.maximum(data.left, data.right)[answered]
    asked = np.sort(low * n + high)
    asked = asked[np.diff(asked, prepend=-1) > 0]
    return Connectivity(
        islands=_groups(island, names),
        ranks=_groups(rank, names),
        never_lost=_named(~beaten[rank] & (n_ranks > 1), names),
        never_won=_named(~beating[rank] & (n_ranks > 1), names),
        only_won=_named(won & ~lost, names),
        only_lost=_named(lost & ~won, names),
        n_pairs_asked=len(asked),
        n_pairs_never_asked=n * (n - 1) // 2 - len(asked),
        pairs_never_asked=_never_asked(asked, names),
    )


def check_connected(graph: Connectivity) -> None:
    """Return quietly if a Bradley-Terry maximum-likelihood estimate exists, else raise.

    Raises
    ------
    NotConnected
        Some groups of profiles were never compared with each other (with a decided answer).
    Separated
        Some profiles never lost to, or never won against, all others.
    """
    if not graph.is_connected:
        shown = " | ".join([*map(_listed, graph.islands[:_MOST_LISTED]), *_more(graph.islands)])
        raise NotConnected(
            f"the answers fall into {len(graph.islands)} groups of profiles that were never compared with each "
            f"other: {shown}. Their strengths have no common scale. Ask comparisons between the groups, or fit "
            "an attribute model (--model conditional-logit)",
            graph.islands,
        )
    if not graph.is_strong:
        raise Separated(
            f"{_listed(graph.never_lost)} never lost against the other profiles and {_listed(graph.never_won)} "
            "never won against them, so no finite strengths fit best. Collect more answers, or add prior answers "
            "(--regularize if-needed), which the result will say",
            [*graph.never_lost, *graph.never_won],
        )


def _groups(labels: NDArray[np.int32], names: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    order = np.argsort(labels, kind="stable")
    edges = np.flatnonzero(np.diff(labels[order], prepend=-1))
    return tuple(tuple(names[int(i)] for i in part) for part in np.split(order, edges[1:]))


def _named(mask: NDArray[np.bool_], names: Sequence[str]) -> tuple[str, ...]:
    return tuple(names[int(i)] for i in np.flatnonzero(mask))


def _never_asked(asked: NDArray[np.intp], names: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Return the first pairs never asked; ``asked`` holds first * n + second, in order."""
    n = len(names)
    found: list[tuple[str, str]] = []
    for i in range(n):
        own = asked[np.searchsorted(asked, i * n + i + 1) : np.searchsorted(asked, i * n + n)]
        if len(own) < n - 1 - i:
            missing = np.setdiff1d(np.arange(i + 1, n), own - i * n)
            found += [(names[i], names[int(j)]) for j in missing[: _MOST_LISTED - len(found)]]
        if len(found) == _MOST_LISTED:
            break
    return tuple(found)


def _listed(names: Sequence[str]) -> str:
    return ", ".join([*(f"'{name}'" for name in names[:_MOST_LISTED]), *_more(names)])


def _more(left_out: Sequence[object]) -> list[str]:
    n = len(left_out) - _MOST_LISTED
    return [f"and {n} more"] if n > 0 else []
