"""People who may not be undecided: what happens to an indecision that the page does not offer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, log_expit

from estimation.dataset import INDECISION
from estimation.indecision.rule import Array, CellTerms, Evaluated, Mask, Rule


@dataclass(frozen=True, slots=True)
class Forced:
    """A rule with the share q of forced indecisions that people settle by a fair coin.

    Where indecision was not offered: P(left) = q (P(left) + P(indecision) / 2) + (1 - q) P(left | decided), with
    the probabilities on the right those of the rule with indecision offered. q is estimated from such answers
    through its log-odds, the one extra parameter; without them it is not identified.

    References
    ----------
    McElfresh et al. (2021), Indecision Modeling, AAAI (strict groups).
    """

    rule: Rule
    concave: bool = False

    @property
    def smooth(self) -> bool:
        """Whether the rule is."""
        return self.rule.smooth

    @property
    def has_pull(self) -> bool:
        """Whether the rule has."""
        return self.rule.has_pull

    @property
    def n_predictors(self) -> int:
        """The rule's, then the log-odds of q."""
        return self.rule.n_predictors + 1

    @property
    def extra(self) -> tuple[str, ...]:
        """The rule's, then the log-odds of q."""
        return (*self.rule.extra, "log-odds of settling by coin")

    def predictors(self, cells: CellTerms) -> Array:
        """Return the rule's design with one more predictor, the log-odds of q."""
        design = np.pad(self.rule.predictors(cells), ((0, 0), (0, 1), (0, 1)))
        design[:, -1, -1] = 1
        return design

    def evaluate(self, predictors: Array, offered: Mask) -> Evaluated:
        """Return log-probabilities and derivatives; see :class:`estimation.indecision.rule.Rule`."""
        m = predictors.shape[-1]
        inner = slice(0, m - 1)
        odds = predictors[..., -1]
        free = self.rule.evaluate(predictors[..., inner], np.ones_like(offered))
        strict = self.rule.evaluate(predictors[..., inner], np.zeros_like(offered))
        q = expit(odds)
        # Forced, three ways lead to a side: the rule picks it, a coin settles an indecision, the decided rule does.
        ways = (
            _Way(log_expit(odds), 1 - q, free.log_p, free.first, free.second),
            _Way(
                log_expit(odds) - np.log(2),
                1 - q,
                free.log_p[..., 2:],
                free.first[..., 2:, :],
                free.second[..., 2:, :, :],
            ),
            _Way(log_expit(-odds), -q, strict.log_p, strict.first, strict.second),
        )
        shape = (*free.log_p.shape, m)
        joint = [way.log_p + way.log_w[..., None] for way in ways]
        log_p = np.logaddexp.reduce(np.broadcast_arrays(*joint), axis=0)
        log_p[..., INDECISION] = -np.inf
        first, second = np.zeros(shape), np.zeros((*shape, m))
        for way in ways:
            share = np.exp(way.log_p + way.log_w[..., None] - np.where(np.isfinite(log_p), log_p, np.inf))
            own = np.zeros(shape)
            own[..., inner] = way.first
            own[..., -1] = way.slope[..., None]
            first += share[..., None] * own
            second += share[..., None, None] * own[..., :, None] * own[..., None, :]
            second[..., inner, inner] += share[..., None, None] * way.second
            second[..., -1, -1] -= share * (q * (1 - q))[..., None]
        second -= first[..., :, None] * first[..., None, :]
        return Evaluated(
            log_p=np.where(offered[:, None], free.log_p, log_p),
            first=np.where(offered[:, None, None], _padded(free.first, 1), first),
            second=np.where(offered[:, None, None, None], _padded(free.second, 2), second),
        )

    def never_worse(self, choice: int, offered: bool) -> None:
        """Return None: a mixture has no such description."""
        return


@dataclass(frozen=True, slots=True)
class _Way:
    log_w: Array
    slope: Array
    """Derivative of log_w by the log-odds of q; its second derivative is -q (1 - q) for all ways."""
    log_p: Array
    first: Array
    second: Array


def _padded(values: Array, axes: int) -> Array:
    pads = [(0, 0)] * (values.ndim - axes) + [(0, 1)] * axes
    return np.pad(values, pads)
