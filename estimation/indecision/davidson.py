"""Davidson's ties, which are McElfresh's Min-delta: indecision is likely when the two patients are close."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from estimation.indecision.rule import (
    Array,
    CellTerms,
    Evaluated,
    Mask,
    difference_design,
    score_differences,
    softmax,
)

_SLOPES = np.array([[0.5, 0.0], [-0.5, 0.0], [0.0, 1.0]])


@dataclass(frozen=True, slots=True)
class Davidson:
    """Left, right, indecision have probability proportional to exp(d/2), exp(-d/2), exp(lambda).

    d is the difference of log-strengths and lambda = log(nu) the pull of indecision. The utility u of the paper on
    indecision is half a log-strength, so weights are exp(2u). Its authors confine u and lambda to a box; on their
    Study 2 the box excludes the maximum (-4532.0 at its corner against -4128.03), and here there is none.

    References
    ----------
    Davidson (1970), J. Amer. Statist. Assoc. 65; McElfresh et al. (2021), Indecision Modeling, AAAI.
    """

    concave: bool = True
    smooth: bool = True
    has_pull: bool = True
    extra: tuple[str, ...] = ()
    n_predictors: int = 2

    def predictors(self, cells: CellTerms) -> Array:
        """Return the design of (d, lambda)."""
        return difference_design(cells)

    def evaluate(self, predictors: Array, offered: Mask) -> Evaluated:
        """Return log-probabilities and derivatives; see :class:`estimation.indecision.rule.Rule`."""
        return softmax(predictors @ _SLOPES.T, _SLOPES, offered)

    def never_worse(self, choice: int, offered: bool) -> Array:
        """Return the differences of scores."""
        return score_differences(_SLOPES, choice, offered)
