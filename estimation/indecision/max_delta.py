"""McElfresh's Max-delta: indecision is likely when the two patients are far apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from estimation.indecision.rule import Array, CellTerms, Evaluated, Mask, difference_design, softmax


@dataclass(frozen=True, slots=True)
class MaxDelta:
    """Scores d/2, -d/2 and, for indecision, abs(d) - lambda.

    d is the difference of log-strengths, twice the paper's utility difference. Not concave.

    References
    ----------
    McElfresh et al. (2021), Indecision Modeling, AAAI.
    """

    concave: bool = False
    smooth: bool = False
    has_pull: bool = True
    extra: tuple[str, ...] = ()
    n_predictors: int = 2

    def predictors(self, cells: CellTerms) -> Array:
        """Return the design of (d, lambda)."""
        return difference_design(cells)

    def evaluate(self, predictors: Array, offered: Mask) -> Evaluated:
        """Return log-probabilities and derivatives; see :class:`estimation.indecision.rule.Rule`."""
        d, pull = predictors[..., 0], predictors[..., 1]
        scores = np.stack([d / 2, -d / 2, np.abs(d) - pull], axis=-1)
        slopes = np.zeros((*scores.shape, 2))
        slopes[..., 0, 0], slopes[..., 1, 0] = 0.5, -0.5
        slopes[..., 2, 0] = np.sign(d)
        slopes[..., 2, 1] = -1
        return softmax(scores, slopes, offered)

    def never_worse(self, choice: int, offered: bool) -> None:
        """Return None: the scores are not linear."""
        return
