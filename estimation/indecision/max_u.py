"""McElfresh's Max-U: indecision is likely when both patients are attractive."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from estimation.indecision.rule import Array, CellTerms, Evaluated, Mask, softmax, utility_design


@dataclass(frozen=True, slots=True)
class MaxU:
    """Scores u_left, u_right and, for indecision, 2 min(u_left, u_right) - lambda.

    Adding c to all utilities and to lambda changes nothing. Not concave: the likelihood can have several maxima.

    References
    ----------
    McElfresh et al. (2021), Indecision Modeling, AAAI.
    """

    concave: bool = False
    smooth: bool = False
    has_pull: bool = True
    extra: tuple[str, ...] = ()
    n_predictors: int = 3

    def predictors(self, cells: CellTerms) -> Array:
        """Return the design of (u_left, u_right, lambda)."""
        return utility_design(cells)

    def evaluate(self, predictors: Array, offered: Mask) -> Evaluated:
        """Return log-probabilities and derivatives; see :class:`estimation.indecision.rule.Rule`."""
        left, right, pull = np.moveaxis(predictors, -1, 0)
        scores = np.stack([left, right, 2 * np.minimum(left, right) - pull], axis=-1)
        slopes = np.zeros((*scores.shape, 3))
        slopes[..., 0, 0] = slopes[..., 1, 1] = 1
        # Where both are equal the slope is the mean of those beside, so that mirrored comparisons are alike.
        slopes[..., 2, 0] = 1 - np.sign(left - right)
        slopes[..., 2, 1] = 1 + np.sign(left - right)
        slopes[..., 2, 2] = -1
        return softmax(scores, slopes, offered)

    def never_worse(self, choice: int, offered: bool) -> None:
        """Return None: the scores are not linear."""
        return
