"""McElfresh's Min-U: indecision is likely when both patients are unattractive."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from estimation.indecision.rule import (
    Array,
    CellTerms,
    Evaluated,
    Mask,
    score_differences,
    softmax,
    utility_design,
)

_SLOPES = np.eye(3)


@dataclass(frozen=True, slots=True)
class MinU:
    """Left, right, indecision have probability proportional to exp(u_left), exp(u_right), exp(lambda).

    u is the log-strength. Its origin and lambda's are the same: only lambda against the utilities is identified.

    References
    ----------
    McElfresh et al. (2021), Indecision Modeling, AAAI; as a model of ties, R's VGAM ``bratt``.
    """

    concave: bool = True
    smooth: bool = True
    has_pull: bool = True
    extra: tuple[str, ...] = ()
    n_predictors: int = 3

    def predictors(self, cells: CellTerms) -> Array:
        """Return the design of (u_left, u_right, lambda)."""
        return utility_design(cells)

    def evaluate(self, predictors: Array, offered: Mask) -> Evaluated:
        """Return log-probabilities and derivatives; see :class:`estimation.indecision.rule.Rule`."""
        return softmax(predictors, _SLOPES, offered)

    def never_worse(self, choice: int, offered: bool) -> Array:
        """Return the differences of scores."""
        return score_differences(_SLOPES, choice, offered)
