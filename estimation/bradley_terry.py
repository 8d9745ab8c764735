"""One strength per profile from wins: choix, and Newton's method of our own that it is checked against.

Everything here works on the pairs that were compared, never on a design matrix: a comparison involves two profiles,
so its score has two numbers. The general engine of ``estimation.choice_model`` gives the same results, slower.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import choix
import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse
from scipy.sparse.csgraph import connected_components
from scipy.special import expit

from estimation.dataset import INDECISION, LEFT, RIGHT, ChoiceData
from estimation.errors import DidNotConverge

Array = NDArray[np.float64]
Indices = NDArray[np.intp]

MOST_FOR_CHOIX = 1_000
"""Beyond so many profiles, tables of profiles times profiles are avoided: choix keeps several."""
# choix stops when no item moves by more than 1e-8 in a step; its estimate then agrees with ours to this.
_AGREEMENT = 1e-6
# Once the expected gain of a step is below this many log-likelihood units, the strengths are exact.
_GAIN_TOLERANCE = 1e-12
_MOST_ITERATIONS = 100
# Up to so many profiles choix starts from nothing; beyond, where that takes seconds, from our own estimate.
_MOST_FROM_NOTHING = 200
# A pair whose information is below this share of its profiles' tells nothing about their difference.
_NO_INFORMATION = 1e-10
# Numbers held at once while many tables of counts are maximized.
_MOST_AT_ONCE = 4_000_000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PairCounts:
    """How often each pair was decided either way; perhaps several such tables of the same pairs."""

    n_profiles: int
    """The ghost included."""
    first: Indices
    """The pair's profile with the lower number, shape (n_pairs,); pairs are sorted by ``(first, second)``."""
    second: Indices
    first_won: Array
    """Shape (n_pairs,), or (n_tables, n_pairs)."""
    second_won: Array

    @property
    def decided(self) -> Array:
        """Decided answers of each pair."""
        return np.asarray(self.first_won + self.second_won)

    def of(self, first_won: Array, second_won: Array) -> PairCounts:
        """Return other counts of the same pairs."""
        return replace(self, first_won=first_won, second_won=second_won)

    def part(self, tables: Indices | slice | int) -> PairCounts:
        """Return some of several tables."""
        return self.of(self.first_won[tables], self.second_won[tables])

    def with_ghost(self, answers: float) -> PairCounts:
        """Add a ghost profile, the last in number, that won and lost so many answers against every other.

        choix's own ``alpha`` is neither symmetric under exchange of winners and losers nor independent of unrelated
        profiles; a ghost is both, as in R's PlackettLuce (``npseudo``).
        """
        n = self.n_profiles
        first = np.append(self.first, np.arange(n))
        second = np.append(self.second, np.full(n, n))
        prior = np.full((*self.first_won.shape[:-1], n), answers)
        order = np.lexsort((second, first))
        return PairCounts(
            n_profiles=n + 1,
            first=first[order],
            second=second[order],
            first_won=np.append(self.first_won, prior, axis=-1)[..., order],
            second_won=np.append(self.second_won, prior, axis=-1)[..., order],
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Strengths:
    """The maximum of a Bradley-Terry likelihood."""

    values: Array
    """Log-strengths that sum to zero, shape (n_profiles,)."""
    iterations: int
    """Newton steps."""
    residual: float
    """Largest difference of a profile's wins from those expected."""
    newton_difference: float | None = None
    """Largest difference between choix's log-strengths and our own; None where choix was not asked."""


Stepper = Callable[[PairCounts, Array, Array], Array]
"""From tables, their strengths and scores, of shape (n_tables, n_profiles), to steps of that shape."""


def pair_counts(wins: sparse.csr_array) -> PairCounts:
    """Return the counts of the pairs of a win matrix of shape (n_profiles, n_profiles): row beats column."""
    ahead = sparse.csr_array(sparse.triu(wins, k=1, format="csr"))
    behind = sparse.csr_array(sparse.csr_array(sparse.tril(wins, k=-1, format="csr")).T.tocsr())
    n = wins.shape[0]
    pair = _keys(sparse.csr_array(ahead + behind))
    first_won, second_won = np.zeros(len(pair)), np.zeros(len(pair))
    first_won[np.searchsorted(pair, _keys(ahead))] = ahead.data
    second_won[np.searchsorted(pair, _keys(behind))] = behind.data
    return PairCounts(
        n_profiles=n, first=pair // n, second=pair % n, first_won=first_won, second_won=second_won
    )


def _keys(table: sparse.csr_array) -> Indices:
    """Return row * n + column of the entries, in order."""
    table.sum_duplicates()
    row, column = table.tocoo().coords
    return row.astype(np.intp) * table.shape[1] + column


# --- likelihood -----------------------------------------------------------------------------------------


def log_likelihood(pairs: PairCounts, values: Array) -> Array:
    """Return the log-likelihood of each table, half wins included; ``values`` has shape (..., n_profiles)."""
    difference = values[..., pairs.first] - values[..., pairs.second]
    # The first's log-probability is -log(1 + e^-d) and the second's less by d; written so that nothing overflows.
    size = np.abs(difference)
    either = pairs.decided * (np.log1p(np.exp(-size)) + (size - difference) / 2)
    return -np.asarray((either + pairs.second_won * difference).sum(axis=-1))


def score(pairs: PairCounts, values: Array) -> Array:
    """Return observed minus expected wins, shape (..., n_profiles); they sum to zero."""
    share = expit(values[..., pairs.first] - values[..., pairs.second])
    beyond = pairs.first_won * (1 - share) - pairs.second_won * share
    return to_profiles(pairs, beyond, -beyond)


def pair_information(pairs: PairCounts, values: Array) -> Array:
    """Return how much each pair's answers tell about its difference, shape (..., n_pairs)."""
    share = expit(values[..., pairs.first] - values[..., pairs.second])
    return np.asarray(pairs.decided * share * (1 - share))


def information(pairs: PairCounts, values: Array) -> Array:
    """Return the information on all strengths, shape (..., n_profiles, n_profiles); its rows sum to zero."""
    weight = pair_information(pairs, values)
    n = pairs.n_profiles
    matrix = np.zeros((*weight.shape[:-1], n, n))
    matrix[..., pairs.first, pairs.second] = -weight
    matrix[..., pairs.second, pairs.first] = -weight
    matrix[..., np.arange(n), np.arange(n)] = to_profiles(pairs, weight, weight)
    return matrix


def centered_inverse(matrix: Array) -> Array:
    """Return the inverse of an information whose rows sum to zero, among strengths that sum to zero.

    Adding a constant c / n to it all over makes it regular without touching contrasts. A pseudo-inverse, which
    looks for the null direction by a tolerance, can miss it and give variances that are too large by millions.
    """
    n = len(matrix)
    constant = float(np.diag(matrix).mean()) or 1.0
    try:
        factor = linalg.cho_factor(matrix + constant / n, lower=True, overwrite_a=True)
    except linalg.LinAlgError:
        raise DidNotConverge(_SINGULAR) from None
    return np.asarray(linalg.cho_solve(factor, np.eye(n), overwrite_b=True) - 1 / (n * constant))


def information_rank(pairs: PairCounts, values: Array) -> int:
    """Return the rank of the information: profiles, less groups with no information between them."""
    weight = pair_information(pairs, values)
    diagonal = to_profiles(pairs, weight, weight)
    told = weight > _NO_INFORMATION * np.sqrt(diagonal[pairs.first] * diagonal[pairs.second])
    n = pairs.n_profiles
    graph = sparse.coo_array(
        (np.ones(int(told.sum())), (pairs.first[told], pairs.second[told])), shape=(n, n)
    )
    _, labels = connected_components(graph, directed=False)
    return n - int(labels.max()) - 1


def score_table(data: ChoiceData, values: Array, *, half_wins: bool) -> sparse.csr_array:
    """Return the score of one answer of each kind, shape (3 * n_cells, n_profiles), row ``3 * cell + choice``.

    Two numbers a row: what the choice adds to the left profile's wins beyond expectation, and takes from the
    right's.
    """
    share = expit(values[data.left] - values[data.right])
    share[data.left == data.right] = 0.5
    # Made in place: with a million cells, copies would take more memory than all else.
    scores = np.zeros((len(share), 3, 2))
    scores[:, LEFT, 0], scores[:, RIGHT, 0] = 1 - share, -share
    if half_wins:
        scores[:, INDECISION, 0] = 0.5 - share
    np.negative(scores[:, :, 0], out=scores[:, :, 1])
    profiles = np.empty(scores.shape, dtype=np.int32)
    profiles[:, :, 0], profiles[:, :, 1] = data.left[:, None], data.right[:, None]
    starts = np.arange(0, scores.size + 1, 2, dtype=np.int32)
    return sparse.csr_array((scores.ravel(), profiles.ravel(), starts), shape=(3 * len(share), len(values)))


def to_profiles(pairs: PairCounts, to_first: Array, to_second: Array) -> Array:
    """Sum numbers of pairs by profile: (..., n_pairs) to (..., n_profiles)."""
    n = pairs.n_profiles
    if to_first.size == len(pairs.first):
        # A single table: counting is faster than a product.
        total = np.bincount(pairs.first, weights=to_first.ravel(), minlength=n)
        total += np.bincount(pairs.second, weights=to_second.ravel(), minlength=n)
        return np.asarray(total.reshape(*to_first.shape[:-1], n))
    at, ones = np.arange(len(pairs.first)), np.ones(len(pairs.first))
    first = sparse.csr_array((ones, (pairs.first, at)), shape=(n, len(at)))
    second = sparse.csr_array((ones, (pairs.second, at)), shape=(n, len(at)))
    return np.asarray((first @ to_first.T + second @ to_second.T).T)


# --- maximum --------------------------------------------------------------------------------------------


def newton(pairs: PairCounts) -> Strengths:
    """Find the maximum by Newton steps with the whole information matrix.

    Parameters
    ----------
    pairs
        A maximum must exist, see :mod:`estimation.connectivity`.

    Raises
    ------
    DidNotConverge
        It was not reached.
    """
    return climb(pairs, _whole_step)


def newton_of_tables(pairs: PairCounts, *, start: Array) -> Array:
    """Maximize several tables of the same pairs, e.g. those of a bootstrap.

    Returns
    -------
    Array
        Log-strengths that sum to zero, shape (n_tables, n_profiles).
    """
    size = max(1, _MOST_AT_ONCE // max(pairs.n_profiles**2, len(pairs.first)))
    blocks = [pairs.part(slice(i, i + size)) for i in range(0, len(pairs.first_won), size)]
    return np.vstack(
        [_climb(block, _whole_step, np.tile(start, (len(block.first_won), 1)))[0] for block in blocks]
    )


def climb(pairs: PairCounts, stepper: Stepper, *, start: Array | None = None) -> Strengths:
    """Find the maximum of a single table by the steps of ``stepper``, shortened where they overshoot."""
    begin = np.zeros(pairs.n_profiles) if start is None else start
    values, iterations = _climb(pairs.of(pairs.first_won[None], pairs.second_won[None]), stepper, begin[None])
    residual = float(np.abs(score(pairs, values[0])).max())
    return Strengths(values=values[0], iterations=iterations, residual=residual)


def _whole_step(pairs: PairCounts, values: Array, gradient: Array) -> Array:
    matrix = information(pairs, values)
    n = matrix.shape[-1]
    matrix += np.trace(matrix, axis1=1, axis2=2)[:, None, None] / n**2
    try:
        if len(matrix) == 1:
            factor = linalg.cho_factor(matrix[0].T, lower=True, overwrite_a=True, check_finite=False)
            return np.asarray(linalg.cho_solve(factor, gradient[0]))[None]
        return np.asarray(np.linalg.solve(matrix, gradient[..., None])[..., 0])
    except linalg.LinAlgError:
        raise DidNotConverge(_SINGULAR) from None


_SINGULAR = (
    "the information matrix is singular, so the estimate does not exist in these numbers; add prior answers "
    "(--regularize always)"
)


def _climb(pairs: PairCounts, stepper: Stepper, start: Array) -> tuple[Array, int]:
    values = start - start.mean(axis=1, keepdims=True)
    reached = log_likelihood(pairs, values)
    going = np.arange(len(values))
    for iteration in range(1, _MOST_ITERATIONS + 1):
        own = pairs if len(going) == len(values) else pairs.part(going)
        gradient = score(own, values[going])
        step = stepper(own, values[going], gradient)
        gain = np.einsum("bp,bp->b", gradient, step)
        length = np.ones(len(going))
        trying = np.arange(len(going))
        while len(trying):
            proposed = values[going[trying]] + length[trying, None] * step[trying]
            height = log_likelihood(own if len(trying) == len(going) else own.part(trying), proposed)
            before = reached[going[trying]]
            # Armijo's rule; near the maximum rounding makes the comparison meaningless, and the full step is right.
            good = height >= before + 1e-4 * length[trying] * gain[trying]
            good |= (gain[trying] < 1e-6) & (height >= before - 1e-9 * np.maximum(1.0, np.abs(before)))
            values[going[trying[good]]] = proposed[good]
            reached[going[trying[good]]] = height[good]
            trying = trying[~good]
            length[trying] /= 2
            if (length[trying] < 1e-10).any():
                raise DidNotConverge(f"no step improves the fit after {iteration} iterations")
        going = going[gain >= _GAIN_TOLERANCE]
        if not len(going):
            return values - values.mean(axis=1, keepdims=True), iteration
    raise DidNotConverge(
        f"not converged after {_MOST_ITERATIONS} Newton steps; the estimate probably does not exist"
    )


def by_choix(pairs: PairCounts) -> Strengths:
    """Return choix's estimate (iterative Luce spectral ranking), the one of record, checked against our own.

    Parameters
    ----------
    pairs
        A single table. A maximum must exist, see :mod:`estimation.connectivity`; with a ghost it always does.

    Raises
    ------
    DidNotConverge
        choix did not converge, or they differ by more than 1e-6 (relative to the largest log-strength, if that
        exceeds 1).

    References
    ----------
    Maystre and Grossglauser (2015), NeurIPS 28.
    """
    own = newton(pairs)
    n = pairs.n_profiles
    wins = np.zeros((n, n))
    wins[pairs.first, pairs.second] = pairs.first_won
    wins[pairs.second, pairs.first] = pairs.second_won
    values = _choix(wins, start=own.values if n > _MOST_FROM_NOTHING else None)
    difference = float(np.abs(values - own.values).max())
    if difference > _AGREEMENT * max(1.0, float(np.abs(own.values).max())):
        raise DidNotConverge(
            f"choix and our own fit differ by {difference:.2g} in log-strength, more than {_AGREEMENT:g}; "
            "the data are close to having no estimate. Add prior answers (--regularize always)"
        )
    residual = float(np.abs(score(pairs, values)).max())
    return replace(own, values=values, residual=residual, newton_difference=difference)


def _choix(table: Array, *, start: Array | None = None) -> Array:
    try:
        strengths = np.asarray(choix.ilsr_pairwise_dense(table, initial_params=start), dtype=float)
    except (RuntimeError, ValueError) as error:
        raise DidNotConverge(f"choix could not fit these comparisons: {error}") from error
    return np.asarray(strengths - strengths.mean())
