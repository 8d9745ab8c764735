"""One strength per profile from decided comparisons, by choix."""

from __future__ import annotations

import choix
import numpy as np
from numpy.typing import NDArray

from estimation.choice_model import Array, maximize, model_cells
from estimation.connectivity import check_connected
from estimation.dataset import LEFT, RIGHT, ChoiceData
from estimation.errors import DidNotConverge
from estimation.results import Fit, Model, indecision_note, prior_note
from estimation.uncertainty import uncertainty
from estimation.weights import Estimate, ProfileWeights

# choix stops when no item moves by more than 1e-8 in a step; its estimate then agrees with ours to this.
_AGREEMENT = 1e-6


def fit_bradley_terry(
    data: ChoiceData, *, prior_answers: float = 0.0, bootstrap: int = 0, seed: int = 0
) -> Fit:
    """Estimate one strength per profile from the decided comparisons.

    Indecisions carry no win and are left out here; see ``estimation.indecision``. The estimate is choix's
    iterative Luce spectral ranking; our own Newton fit of the same likelihood gives the covariance, and their
    difference is kept in the result.

    Parameters
    ----------
    prior_answers
        Weight of prior answers, see :func:`estimation.choice_model.model_cells`. 0 is maximum likelihood.
    bootstrap, seed
        See :func:`estimation.uncertainty.uncertainty`.

    Raises
    ------
    NotConnected
        Some profiles were never compared with the rest; ``islands`` names them.
    Separated
        Some profiles never lost, or never won; ``involved`` names them.
    DidNotConverge
        choix did not converge, or disagrees with our own fit.

    References
    ----------
    Bradley and Terry (1952), Biometrika 39; Maystre and Grossglauser (2015), NeurIPS 28.
    """
    n = len(data.profiles)
    names = tuple(p.id for p in data.profiles)
    basis = _contrasts(n)
    difference = basis[data.left] - basis[data.right]
    cells = model_cells(
        data,
        difference,
        tuple(f"contrast {i + 1}" for i in range(n - 1)),
        with_indecision=False,
        prior_answers=prior_answers,
    )
    wins = data.wins
    if prior_answers > 0:
        # The prior answers are the last cells; they name the same profiles as the comparisons they stand for.
        wins = wins + _prior_wins(cells.difference, cells.counts, cells.cluster, basis)
    check_connected(wins, names)

    try:
        strengths = np.asarray(choix.ilsr_pairwise_dense(wins), dtype=float)
    except (RuntimeError, ValueError) as error:
        raise DidNotConverge(f"choix could not fit these comparisons: {error}") from error
    strengths -= strengths.mean()
    maximum = maximize(cells)
    own = basis @ maximum.values
    disagreement = float(np.abs(own - strengths).max())
    if disagreement > _AGREEMENT * max(1.0, float(np.abs(own).max())):
        raise DidNotConverge(
            f"choix and our own fit differ by {disagreement:.2g} in log-strength, more than {_AGREEMENT:g}; "
            "the data are close to having no estimate. Add prior answers (--prior-answers)"
        )
    spread = uncertainty(cells, maximum, basis, bootstrap=bootstrap, seed=seed)
    return Fit(
        model=Model.BRADLEY_TERRY,
        weights=ProfileWeights(
            attributes=data.attributes,
            profiles=data.profiles,
            log_strengths=tuple(
                Estimate(value=float(v), low=float(lo), high=float(hi))
                for v, lo, hi in zip(strengths, spread.low, spread.high, strict=True)
            ),
        ),
        indecision=None,
        names=names,
        values=strengths,
        covariance=spread.covariance,
        log_likelihood=maximum.log_likelihood,
        n_answers=data.n_answers - data.n_indecisions,
        n_indecisions=data.n_indecisions,
        clustering=data.clustering,
        n_clusters=cells.n_clusters,
        interval_method=spread.method,
        prior_answers=prior_answers,
        iterations=maximum.iterations,
        residual=maximum.residual,
        newton_difference=disagreement,
        notes=(*data.notes, *indecision_note(data), *prior_note(prior_answers), *spread.notes),
    )


def _contrasts(n: int) -> Array:
    """Return an orthonormal basis of the vectors of length n that sum to zero, shape (n, n - 1)."""
    centering = np.eye(n) - 1.0 / n
    return np.linalg.svd(centering)[0][:, : n - 1]


def _prior_wins(difference: Array, counts: Array, cluster: NDArray[np.intp], basis: Array) -> Array:
    """Return the prior answers as wins, shape (n_profiles, n_profiles)."""
    n = len(basis)
    wins = np.zeros((n, n))
    prior = cluster < 0
    signs = np.rint(difference[prior] @ basis.T)  # +1 for the left profile, -1 for the right one.
    left, right = signs.argmax(axis=1), signs.argmin(axis=1)
    np.add.at(wins, (left, right), counts[prior, LEFT])
    np.add.at(wins, (right, left), counts[prior, RIGHT])
    return wins
