"""Circular triads: one prefers a to b, b to c, and c to a."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb

import numpy as np
from numpy.typing import NDArray

from estimation.errors import EstimationError
from survey.answers import Answer, Choice
from survey.design import Profile

BY_CHANCE = 0.25
"""Share of completed triads that are circular if every comparison is decided by a coin: 2 of 8 orientations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Triads:
    """Circular triads among the completed ones: three profiles, all three pairs of which were decided."""

    n_profiles: int
    """Profiles with a decided comparison."""
    is_complete: bool
    """Whether every pair of these profiles was decided (a round robin), as Kendall's zeta presumes."""
    completed: int
    circular: int
    most: int
    """Circular triads that there can be at most. Exact for a round robin, else an upper bound."""

    @property
    def share(self) -> float | None:
        """Share of circular triads among the completed; None without any. Guessing gives a quarter."""
        return self.circular / self.completed if self.completed else None

    @property
    def zeta(self) -> float | None:
        """Kendall's coefficient of consistence: 1 without a circular triad, 0 with the most possible.

        Where the comparisons are no round robin the most possible is an upper bound, so that zeta comes out too
        high rather than too low. None if no triad can be circular.
        """
        return 1 - self.circular / self.most if self.most else None


def circular_triads(preferred: NDArray[np.bool_]) -> Triads:
    """Count the circular triads of one respondent.

    Of a round robin of n profiles that won a_i times, d = C(n, 3) - sum of C(a_i, 2). Otherwise triads are counted
    as closed walks of three steps.

    The most possible: in a circular triad each of the three beats one and loses to the other, in any other only one
    does. A profile can do so in at most floor(k^2 / 4) of its triads, where k counts its opponents in them. Summed
    over profiles this bounds 2 most + completed. Of a round robin it gives Kendall's (n^3 - n) / 24 for odd and
    (n^3 - 4n) / 24 for even n, which are reached.

    Parameters
    ----------
    preferred
        Shape (n, n): row was preferred to column. Undecided pairs are false both ways.

    Raises
    ------
    EstimationError
        Of two profiles each is preferred to the other, or one to itself.

    References
    ----------
    Kendall and Babington Smith (1940), Biometrika 31, on the method of paired comparisons.
    """
    wins = np.asarray(preferred, dtype=np.int64)
    if (wins & wins.T).any():
        raise EstimationError("a profile is preferred to another and the other to it, or one to itself")
    wins = wins[np.ix_(*[np.flatnonzero(wins.any(axis=0) | wins.any(axis=1))] * 2)]
    n = len(wins)
    compared = wins + wins.T
    # Completed triads that each pair of profiles is in, and each profile.
    with_both = compared @ compared * compared
    corners = with_both.sum(axis=1) // 2
    opponents = (with_both > 0).sum(axis=1)
    completed = int(corners.sum()) // 3
    is_complete = int(compared.sum()) == n * (n - 1)
    if is_complete:
        circular = comb(n, 3) - sum(comb(int(w), 2) for w in wins.sum(axis=1))
    else:
        circular = int(np.trace(wins @ wins @ wins)) // 3
    between = np.minimum(corners, opponents * opponents // 4)
    most = min(completed, max(0, (int(between.sum()) - completed) // 2))
    return Triads(n_profiles=n, is_complete=is_complete, completed=completed, circular=circular, most=most)


def triads_of(answers: Sequence[Answer]) -> Triads:
    """Count the circular triads in one respondent's answers.

    A pair answered several times counts for the profile chosen more often, and as undecided if neither was.
    """
    number: dict[Profile, int] = {}
    balance: dict[tuple[int, int], int] = {}
    for answer in answers:
        if answer.choice is Choice.INDECISION or answer.left == answer.right:
            continue
        left, right = (number.setdefault(p, len(number)) for p in (answer.left, answer.right))
        won = 1 if (answer.choice is Choice.LEFT) == (left < right) else -1
        key = (min(left, right), max(left, right))
        balance[key] = balance.get(key, 0) + won
    preferred = np.zeros((len(number), len(number)), dtype=bool)
    for (low, high), net in balance.items():
        preferred[low, high] = net > 0
        preferred[high, low] = net < 0
    return circular_triads(preferred)
