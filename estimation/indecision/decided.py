"""Bradley-Terry: decided answers only; indecision tells nothing and is left out (or counted as two half wins)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from estimation.indecision.rule import Array, CellTerms, Evaluated, Mask, score_differences, softmax

_SLOPES = np.array([[0.5], [-0.5], [0.0]])


@dataclass(frozen=True, slots=True)
class Decided:
    """P(left) = 1 / (1 + exp(-d)), d the difference of log-strengths.

    References
    ----------
    Bradley and Terry (1952), Biometrika 39; with attributes, McFadden (1974), Conditional logit analysis of
    qualitative choice behavior.
    """

    concave: bool = True
    smooth: bool = True
    has_pull: bool = False
    extra: tuple[str, ...] = ()
    n_predictors: int = 1

    def predictors(self, cells: CellTerms) -> Array:
        """Return the design of d."""
        return np.asarray(np.hstack([cells.left - cells.right, cells.first])[:, None, :])

    def evaluate(self, predictors: Array, offered: Mask) -> Evaluated:
        """Return log-probabilities of left and right; see :class:`estimation.indecision.rule.Rule`."""
        return softmax(predictors @ _SLOPES.T, _SLOPES, np.zeros_like(offered))

    def never_worse(self, choice: int, offered: bool) -> Array:
        """Return the differences of scores."""
        return score_differences(_SLOPES, choice, offered=False)
