"""McElfresh's Dom: a patient is chosen for being better in every attribute; else indecision is likely."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from estimation.indecision.rule import Array, CellTerms, Evaluated, Mask, softmax


@dataclass(frozen=True, slots=True)
class Dom:
    """Scores min_k v_k, min_k(-v_k) and lambda, where v_k is what attribute k alone adds to left over right.

    Not concave. The odds of left over right are not a difference of strengths, so that its coefficients order
    values within an attribute but make no good priority weights.

    References
    ----------
    McElfresh et al. (2021), Indecision Modeling, AAAI.
    """

    n_attributes: int
    concave: bool = False
    smooth: bool = False
    has_pull: bool = True
    extra: tuple[str, ...] = ()

    @property
    def n_predictors(self) -> int:
        """One per attribute, being first, lambda."""
        return self.n_attributes + 2

    def predictors(self, cells: CellTerms) -> Array:
        """Return the design of (v of each attribute, what being first adds, lambda)."""
        difference = cells.left - cells.right
        n_terms = difference.shape[1]
        n_cells, n_parameters = len(difference), n_terms + cells.first.shape[1] + cells.pull.shape[1]
        design = np.zeros((n_cells, self.n_predictors, n_parameters))
        design[:, cells.attribute, np.arange(n_terms)] = difference
        design[:, -2, n_terms : n_terms + cells.first.shape[1]] = cells.first
        design[:, -1, n_terms + cells.first.shape[1] :] = cells.pull
        return design

    def evaluate(self, predictors: Array, offered: Mask) -> Evaluated:
        """Return log-probabilities and derivatives; see :class:`estimation.indecision.rule.Rule`."""
        v, first, pull = predictors[..., :-2], predictors[..., -2], predictors[..., -1]
        worst, best = v.argmin(axis=-1)[..., None], v.argmax(axis=-1)[..., None]
        scores = np.stack([v.min(axis=-1) + first, -v.max(axis=-1), pull], axis=-1)
        slopes = np.zeros((*scores.shape, predictors.shape[-1]))
        np.put_along_axis(slopes[..., 0, :], worst, 1.0, axis=-1)
        np.put_along_axis(slopes[..., 1, :], best, -1.0, axis=-1)
        slopes[..., 0, -2] = 1
        slopes[..., 2, -1] = 1
        return softmax(scores, slopes, offered)

    def never_worse(self, choice: int, offered: bool) -> None:
        """Return None: the scores are not linear."""
        return
