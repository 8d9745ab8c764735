"""What chance alone gives: a number beside its range when labels mean nothing, or answers do not. Pure.

Most measures of fairness and of stability are far from their best value by chance alone; without that level beside
them they cannot be judged.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from llm_compare.allocation.fairness.outcomes import Array, Estimate, Groups, Ints


@dataclass(frozen=True, slots=True, kw_only=True)
class BesideChance:
    """A number, and what chance gives."""

    observed: Estimate
    """``p``: how rarely chance gives a number as far from its own mean, two-sided, (1 + hits) / (1 + draws)."""
    chance: Estimate
    """Mean under chance; ``low`` to ``high`` hold 95 % of its draws. ``n`` counts draws."""


def beside_chance(observed: Estimate, draws: Array) -> BesideChance:
    """Put ``observed`` beside ``draws`` of the same number under chance, shape (D,)."""
    known = draws[np.isfinite(draws)]
    if observed.value is None or not len(known):
        return BesideChance(
            observed=observed, chance=Estimate(value=None, reason=observed.reason or "not defined by chance")
        )
    mean = float(known.mean())
    low, high = (float(q) for q in np.quantile(known, (0.025, 0.975)))
    p = two_sided_p(observed.value, known)
    return BesideChance(
        observed=replace(observed, p=p), chance=Estimate(value=mean, low=low, high=high, n=len(known))
    )


def two_sided_p(value: float, draws: Array) -> float:
    """Return (1 + draws as far from their mean as ``value``) / (1 + draws)."""
    center = draws.mean()
    # Sums of the same parts in another order differ by rounding; such a draw is as far.
    as_far = np.abs(draws - center) >= abs(value - center) - 1e-12
    return float((1 + as_far.sum()) / (1 + len(draws)))


def relabelings(groups: Groups, *, seed: int, n: int) -> Ints:
    """Return the codes of ``groups`` dealt anew among each problem's candidates, shape (n, P, N).

    Everybody keeps rank and choices over all trials; only who belongs to which group is left to chance.
    """
    rng = np.random.default_rng(seed)
    codes = np.broadcast_to(groups.code, (n, *groups.code.shape))
    return rng.permuted(codes, axis=2)


def random_orders(n_trials: int, n_candidates: int, rng: np.random.Generator) -> Ints:
    """Return rankings of which each is as likely as any other, shape (T, N)."""
    return np.asarray(np.argsort(rng.random((n_trials, n_candidates)), axis=1), dtype=np.intp)
