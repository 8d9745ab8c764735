"""Mixtures of rules: each answer follows one of several, nobody knows which."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from estimation.indecision.rule import Array, CellTerms, Evaluated, Mask, Rule


@dataclass(frozen=True, slots=True)
class Mixture:
    """P = sum over k of w_k P_k, with rules of their own parameters and w a softmax.

    The k-mixtures of the paper, per answer. Classes of people, each with one rule for all their answers, are
    ``estimation.heterogeneity.classes``.

    References
    ----------
    McElfresh et al. (2021), Indecision Modeling, AAAI.
    """

    rules: tuple[Rule, ...]
    concave: bool = False
    has_pull: bool = True

    @property
    def smooth(self) -> bool:
        """Whether all rules are."""
        return all(rule.smooth for rule in self.rules)

    @property
    def extra(self) -> tuple[str, ...]:
        """Terms, order and pull of every rule beyond the first; then the log-odds of each against the first."""
        return tuple(f"log-odds of rule {k + 1}" for k in range(1, len(self.rules)))

    @property
    def n_predictors(self) -> int:
        """The rules' own, then the log-odds."""
        return sum(rule.n_predictors for rule in self.rules) + len(self.rules) - 1

    def predictors(self, cells: CellTerms) -> Array:
        """Return the rules' designs side by side, then one predictor per log-odds.

        Parameters are each rule's own block (terms, first, pull), then the log-odds.
        """
        designs = [rule.predictors(cells) for rule in self.rules]
        n_odds = len(self.rules) - 1
        n_cells = len(designs[0])
        rows = sum(d.shape[1] for d in designs) + n_odds
        columns = sum(d.shape[2] for d in designs) + n_odds
        out = np.zeros((n_cells, rows, columns))
        row = column = 0
        for design in designs:
            out[:, row : row + design.shape[1], column : column + design.shape[2]] = design
            row, column = row + design.shape[1], column + design.shape[2]
        out[:, row:, column:] = np.eye(n_odds)
        return out

    def evaluate(self, predictors: Array, offered: Mask) -> Evaluated:
        """Return log-probabilities and derivatives; see :class:`estimation.indecision.rule.Rule`."""
        n_odds = len(self.rules) - 1
        odds = predictors[..., predictors.shape[-1] - n_odds :]
        log_odds = np.concatenate([np.zeros((*odds.shape[:-1], 1)), odds], axis=-1)
        log_w = log_odds - np.logaddexp.reduce(log_odds, axis=-1, keepdims=True)
        w = np.exp(log_w)
        components = []
        at = 0
        for k, rule in enumerate(self.rules):
            own = rule.evaluate(predictors[..., at : at + rule.n_predictors], offered)
            # log w_k moves with the log-odds only: derivative e_k - w, second derivative ww' - diag(w).
            components.append(_Component(own, log_w[..., k], at, rule.n_predictors, k))
            at += rule.n_predictors
        return _mixed(components, w, predictors.shape[-1], n_odds)

    def never_worse(self, choice: int, offered: bool) -> None:
        """Return None: a mixture has no such description."""
        return


@dataclass(frozen=True, slots=True)
class _Component:
    own: Evaluated
    log_w: Array
    at: int
    width: int
    k: int


def _mixed(components: list[_Component], w: Array, m: int, n_odds: int) -> Evaluated:
    """Combine components: with r_k their shares of P, grad log P = sum r_k g_k and so on."""
    joint = np.stack([c.own.log_p + c.log_w[..., None] for c in components], axis=0)
    log_p = np.logaddexp.reduce(joint, axis=0)
    share = np.exp(joint - np.where(np.isfinite(log_p), log_p, 0.0))
    shape = (*log_p.shape, m)
    first = np.zeros(shape)
    second = np.zeros((*shape, m))
    odds = w[..., 1:]
    bend = odds[..., :, None] * odds[..., None, :] - odds[..., None] * np.eye(n_odds)
    for c, r in zip(components, share, strict=True):
        own = np.zeros(shape)
        own[..., c.at : c.at + c.width] = c.own.first
        own[..., m - n_odds :] = -odds[..., None, :]
        if c.k:
            own[..., m - n_odds + c.k - 1] += 1
        first += r[..., None] * own
        second += r[..., None, None] * own[..., :, None] * own[..., None, :]
        inner = slice(c.at, c.at + c.width)
        second[..., inner, inner] += r[..., None, None] * c.own.second
        second[..., m - n_odds :, m - n_odds :] += r[..., None, None] * bend[..., None, :, :]
    second -= first[..., :, None] * first[..., None, :]
    return Evaluated(log_p=log_p, first=first, second=second)
