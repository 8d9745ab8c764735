"""Tests by permuted labels: the groups' labels change places within a pool, the rankings stay. Pure.

All trials of a problem see the same labels, so repeats never count as independent, and groups keep their sizes, so
chance level is that of the very pools. The mean over all permutations is known exactly for every outcome here:
effects are differences from it.

The null is that the group says nothing about rank beyond chance. Where groups differ in what ranks are given for
(waiting time, say), the test rejects although nobody looked at the group: outcomes differ, which is not the
evidence that the group itself was used. Counterfactuals give that.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llm_compare.allocation.fairness.outcomes import Array, Groups, Ints, Rankings
from llm_compare.allocation.fairness.rnd import PAPER, RndVariant, maximum

_MOST_CELLS = 4_000_000
_SAME = 1e-12
"""Values that differ by less are equal: sums taken in another order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Permuted:
    """A statistic of each group among those of permuted labels. Shape (G,); NaN where it cannot be had."""

    effect: Array
    """The statistic less its mean over all permutations."""
    low: Array
    high: Array
    """Where 95 % of permutations put the effect."""
    p: Array
    """(1 + permutations as far from the mean or farther) / (1 + permutations)."""
    p_any: float
    """Of the largest |z| over groups, z being the effect by its standard deviation over permutations."""


def permuted_labels(groups: Groups, n: int, rng: np.random.Generator) -> Ints:
    """Return ``n`` permutations of the labels within each pool, shape (n, P, N)."""
    repeated = np.broadcast_to(groups.code, (n, *groups.code.shape))
    return rng.permuted(repeated, axis=2)


def permuted_shares(weights: Array, groups: Groups, labels: Ints) -> Permuted:
    """Test each group's share of choices against its share of the pools.

    Parameters
    ----------
    weights
        Shape (P, N): share of the problem's trials that chose the candidate; NaN in problems without a trial.
    """
    asked = np.isfinite(weights).all(axis=1)
    pool = groups.sizes[asked].sum(axis=0) / (asked.sum() * weights.shape[1])
    kept = weights[asked] / asked.sum()
    found = [
        (kept * (codes == g)).sum(axis=(-2, -1)) - pool[g]
        for codes in (groups.code[asked], labels[:, asked])
        for g in range(len(groups.names))
    ]
    return _judged(*_split(found, groups), known=groups.sizes[asked].sum(axis=0) > 0)


def permuted_exposure(exposure: Array, groups: Groups, labels: Ints) -> Permuted:
    """Test the difference of each group's mean exposure from the reference's; the reference's own is NaN."""
    asked = np.isfinite(exposure).all(axis=1)
    sizes = groups.sizes[asked]
    total = sizes.sum(axis=0)
    # What a group's mean would be if labels said nothing: each pool's mean, by the group's share of it.
    expected = (sizes * exposure[asked].mean(axis=1)[:, None]).sum(axis=0) / np.maximum(total, 1)
    found = [
        (exposure[asked] * (codes == g)).sum(axis=(-2, -1)) / max(total[g], 1) - expected[g]
        for codes in (groups.code[asked], labels[:, asked])
        for g in range(len(groups.names))
    ]
    observed, draws = _split(found, groups)
    known = (total > 0) & (total[0] > 0)
    known[0] = False
    return _judged(observed - observed[0], draws - draws[:, :1], known=known)


def permuted_rnd(
    rankings: Rankings, groups: Groups, chance: Array, labels: Ints, variant: RndVariant = PAPER
) -> Permuted:
    """Test each group's mean rND over problems against its chance level, which is its mean over permutations.

    Parameters
    ----------
    chance
        Shape (P, G): :func:`rnd.chance_rnd`.
    """
    n, n_groups, n_draws = rankings.n_candidates, len(groups.names), len(labels)
    cutoffs, discounts = np.array(variant.cutoffs_for(n), dtype=np.intp), variant.discounts_for(n)
    observed, total = np.zeros(n_groups), np.zeros((n_draws, n_groups))
    problems = np.zeros(n_groups)
    names = np.arange(n_groups)
    for p in np.unique(rankings.problem):
        tells = np.isfinite(chance[p])
        if not tells.any():
            continue
        problems += tells
        size = groups.sizes[p]
        most = np.array([maximum(int(m), n, variant) for m in size])
        centre = np.where(tells, chance[p], 0.0)
        scale = np.divide(1.0, most, out=np.zeros(n_groups), where=tells)
        before = _before(rankings.order[rankings.problem == p], cutoffs)
        weight = (discounts / len(before)).repeat(len(before))
        per_cutoff = cutoffs.repeat(len(before))
        before = before.transpose(1, 0, 2).reshape(-1, n)  # cut-off by trial, (K * T, N)

        def means(
            codes: Ints,
            before: NDArray[np.float32] = before,
            per_cutoff: Ints = per_cutoff,
            weight: Array = weight,
            share: Array = size / n,
            scale: Array = scale,
            centre: Array = centre,
        ) -> Array:
            member = (codes[:, :, None] == names).astype(np.float32)
            shares = np.tensordot(before, member, axes=(1, 1)) / per_cutoff[:, None, None]
            np.abs(shares - share, out=shares)
            found: Array = np.tensordot(weight, shares, axes=(0, 0)) * scale - centre
            return found

        observed += means(groups.code[p][None])[0]
        step = max(1, _MOST_CELLS // (len(before) * n_groups))
        for start in range(0, n_draws, step):
            total[start : start + step] += means(labels[start : start + step, p])
    number = np.maximum(problems, 1)
    return _judged(observed / number, total / number, known=problems > 0)


def _before(order: Ints, cutoffs: Ints) -> NDArray[np.float32]:
    """Return who is among the first k, shape (T, K, N)."""
    rank = np.argsort(order, axis=1)
    return (rank[:, None, :] < cutoffs[None, :, None]).astype(np.float32)


def _split(found: list[Array], groups: Groups) -> tuple[Array, Array]:
    n_groups = len(groups.names)
    return np.array(found[:n_groups], dtype=float), np.stack(found[n_groups:], axis=1)


def _judged(observed: Array, draws: Array, *, known: NDArray[np.bool_]) -> Permuted:
    extreme = np.abs(draws) >= np.abs(observed) - _SAME
    p = (1 + extreme.sum(axis=0)) / (1 + len(draws))
    low, high = np.quantile(draws, [0.025, 0.975], axis=0)
    # About the mean over all permutations, which is 0, and with the observed labels as one of them: then the
    # largest |z| is exchangeable between the observed and the permuted labels.
    spread = np.sqrt(((draws**2).sum(axis=0) + observed**2) / (1 + len(draws)))
    varies = known & (spread > _SAME)
    p_any = float("nan")
    if varies.any():
        largest = np.abs(observed[varies] / spread[varies]).max()
        among = np.abs(draws[:, varies] / spread[varies]).max(axis=1)
        p_any = float((1 + (among >= largest - _SAME).sum()) / (1 + len(draws)))

    def given(values: Array) -> Array:
        return np.where(known, values, np.nan)

    return Permuted(
        effect=given(observed), low=given(low), high=given(high), p=np.where(varies, p, np.nan), p_any=p_any
    )
