"""Rao and Kupper's ties: a difference below a threshold goes unnoticed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, log_expit

from estimation.indecision.rule import Array, CellTerms, Evaluated, Mask, difference_design


@dataclass(frozen=True, slots=True)
class RaoKupper:
    """P(left) = s(d - c), P(right) = s(-d - c), the rest is indecision; s is the logistic function, c > 0.

    An ordered logit with symmetric cuts. Its log-strengths are on a smaller scale than Davidson's: never put the
    two into one table. Where indecision was not offered, P(left) = s(d).

    References
    ----------
    Rao and Kupper (1967), J. Amer. Statist. Assoc. 62 (c = log theta).
    """

    log_threshold: bool = False
    """Whether the second predictor is log(c) rather than c: where c depends on something it must stay above 0, but
    then the likelihood need not be concave."""
    smooth: bool = True
    has_pull: bool = True
    extra: tuple[str, ...] = ()
    n_predictors: int = 2

    @property
    def concave(self) -> bool:
        """Whether c itself is linear in the parameters."""
        return not self.log_threshold

    def predictors(self, cells: CellTerms) -> Array:
        """Return the design of (d, c), or of (d, log c)."""
        return difference_design(cells)

    def evaluate(self, predictors: Array, offered: Mask) -> Evaluated:
        """Return log-probabilities and derivatives; a threshold of 0 or less is impossible (minus infinity)."""
        d = predictors[..., 0]
        # Starts of a search may be wild; numbers must not overflow on the way back.
        threshold = (
            np.exp(np.clip(predictors[..., 1], -50.0, 50.0)) if self.log_threshold else predictors[..., 1]
        )
        c = np.where(offered, threshold, 0.0)
        possible = ~offered | (c > 0)
        width = np.where(offered & possible, c, 1.0)
        upper, lower = expit(d - c), expit(-d - c)
        log_p = np.stack(
            [
                log_expit(d - c),
                log_expit(-d - c),
                np.where(
                    offered, np.log(-np.expm1(-2 * width)) + log_expit(c - d) + log_expit(c + d), -np.inf
                ),
            ],
            axis=-1,
        )
        log_p[~possible] = -np.inf
        # By d, then by c; s'(x) = s(x) s(-x).
        steep = np.minimum(width, 300.0)
        opened = 2 / np.expm1(2 * steep)
        first = np.stack(
            [
                np.stack([1 - upper, upper - 1], axis=-1),
                np.stack([lower - 1, lower - 1], axis=-1),
                np.stack([lower - upper, opened + upper + lower], axis=-1),
            ],
            axis=-2,
        )
        w1, w2 = upper * (1 - upper), lower * (1 - lower)
        bend = 4 * np.exp(-2 * steep) / np.expm1(-2 * steep) ** 2
        second = np.stack(
            [
                _symmetric(-w1, w1, -w1),
                _symmetric(-w2, -w2, -w2),
                _symmetric(-w1 - w2, w1 - w2, -w1 - w2 - bend),
            ],
            axis=-3,
        )
        # c does not exist where indecision was not offered.
        by_c = np.where(offered, 1.0, 0.0)[:, None]
        first[..., 1] *= by_c
        second[..., 0, 1] *= by_c
        second[..., 1, 0] *= by_c
        second[..., 1, 1] *= by_c
        if self.log_threshold:
            # By log(c): c f'(c), and c f'(c) + c^2 f''(c).
            by_log = c[..., None]
            second[..., 0, 1] *= by_log
            second[..., 1, 0] *= by_log
            second[..., 1, 1] = by_log * first[..., 1] + by_log**2 * second[..., 1, 1]
            first[..., 1] *= by_log
        return Evaluated(log_p=log_p, first=first, second=second)

    def never_worse(self, choice: int, offered: bool) -> Array | None:
        """Return the directions of (d, c) along which the choice's cumulative probabilities never fall."""
        if self.log_threshold:
            return None
        c = float(offered)
        rows = ([[1.0, -c]], [[-1.0, -c]], [[-1.0, c], [1.0, c]])
        return np.array(rows[choice])


def _symmetric(dd: Array, dc: Array, cc: Array) -> Array:
    return np.stack([np.stack([dd, dc], axis=-1), np.stack([dc, cc], axis=-1)], axis=-2)
