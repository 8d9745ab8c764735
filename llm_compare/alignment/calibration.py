"""Is the model undecided where people are? Pure.

Shares of indecision rest on few answers each, so they scatter more than what lies behind them, and slope and
correlation come out too small. Products over different replies, different people and different comparisons are
free of that scatter; the corrected numbers are made of them. People who are often undecided are so in many
comparisons at once: that is why variances of people's shares need different people in different comparisons.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from llm_compare.alignment.cells import Cells, Tally, mean_over
from llm_compare.alignment.choices import INDECISION, Array, Indices, Pairing
from llm_compare.alignment.halves import OverSplits, halvings, over_splits
from llm_compare.alignment.resampling import Measured, Resampling, Weighted, measured_each

_EDGES = (0.0, 0.25, 0.5, 0.75, 1.0)
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationBin:
    """Comparisons on which the model is undecided about equally often."""

    above: float | None
    """The model's share is greater than this; None in the bin where it is never undecided."""
    up_to: float
    """And at most this."""
    n_comparisons: int
    model: float
    """The model's mean share of indecision here."""
    people: Measured
    """People's. Bins are chosen by shares that scatter, so people's shares vary less over the bins than over the
    model's true shares; the corrected slope has no such fault."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Indecision of the model against people's, over comparisons."""

    bins: tuple[CalibrationBin, ...]
    """Bins without a comparison are left out."""
    slope_as_observed: Measured
    """By how much people's share of indecision rises with the model's; too small by the scatter of its shares."""
    slope: Measured
    """The same, corrected for that scatter. 1: where the model is undecided more often, people are by as much."""
    correlation: Measured
    """Correlation of the shares behind the answers, corrected for scatter on both sides. Chance may take it
    past 1."""
    area_under_curve: Measured
    """Chance that the model is undecided more often on a hard comparison than on another; 1/2 knows nothing. Hard
    are those where people's share of indecision is above its median."""
    people_halves: OverSplits
    """The ceiling of ``area_under_curve``: shares of one half of the people, and what is hard for the other."""
    model_halves: OverSplits
    """The model, and what is hard for the same halves."""


def calibration(
    pairing: Pairing, resampling: Resampling, *, cells: Cells, replies: Cells, n_splits: int = 200
) -> Calibration:
    """Compare where model and people are undecided.

    Parameters
    ----------
    pairing
        Only answers to which indecision was on offer.
    cells, replies
        Its people and model.

    References
    ----------
    Spearman (1904), Am. J. Psychol. 15 (correction for attenuation); Fuller (1987), Measurement Error Models.
    """
    place = _places(cells.once, replies.once)
    filled = [k for k in range(len(_EDGES)) if bool((place == k).any())]

    def in_draw(w: Weighted) -> list[float]:
        tallied, model = cells.tally(w.person[cells.respondent]), replies.tally(w.reply)
        people, theirs = tallied.indecision, model.indecision
        return [
            *_slope_and_correlation(tallied, model, w.comparison),
            _slope(people, theirs, w.comparison),
            area_under_curve(theirs, people, w.comparison),
            *(mean_over(np.where(place == k, people, np.nan), w.comparison) for k in filled),
        ]

    corrected = "indecision does not vary over comparisons beyond chance, or no comparison has two replies"
    share = (0.0, 1.0)
    slope, correlation, as_observed, auc, *by_bin = measured_each(
        in_draw,
        pairing,
        resampling,
        bounds=[None, None, None, share, *([share] * len(filled))],
        undefined=[
            corrected,
            corrected,
            "the model's share of indecision is the same in all comparisons",
            "people's share of indecision is above its median in no comparison",
            *(["no answers"] * len(filled)),
        ],
    )
    people_halves, model_halves = _halves(cells, replies, n_splits=n_splits, seed=resampling.seed)
    return Calibration(
        bins=tuple(
            CalibrationBin(
                above=None if k == 0 else _EDGES[k - 1],
                up_to=_EDGES[k],
                n_comparisons=int((place == k).sum()),
                model=float(replies.once.indecision[place == k].mean()),
                people=value,
            )
            for k, value in zip(filled, by_bin, strict=True)
        ),
        slope_as_observed=as_observed,
        slope=slope,
        correlation=correlation,
        area_under_curve=auc,
        people_halves=people_halves,
        model_halves=model_halves,
    )


def area_under_curve(by: Array, shares: Array, weights: Array) -> float:
    """Return how well ``by`` ranks comparisons with ``shares`` above their median before the others; NaN if none.

    Equal ranks count half. Comparisons count as often as ``weights`` says; those without a share do not.
    """
    kept = np.isfinite(by) & np.isfinite(shares) & (weights > 0)
    by, shares, weights = np.round(by[kept], 9), shares[kept], weights[kept]
    if not len(by):
        return float("nan")
    hard = shares > float(np.median(np.repeat(shares, weights.astype(np.intp)))) + _ROUNDING
    values, place = np.unique(by, return_inverse=True)
    of_hard = np.bincount(place, weights=weights * hard, minlength=len(values))
    of_easy = np.bincount(place, weights=weights * ~hard, minlength=len(values))
    pairs = float(of_hard.sum() * of_easy.sum())
    before = np.cumsum(of_easy) - of_easy / 2
    return float(of_hard @ before) / pairs if pairs > 0 else float("nan")


def _slope(people: Array, model: Array, weights: Array) -> float:
    kept = np.isfinite(people) & np.isfinite(model)
    weights = np.where(kept, weights, 0.0)
    if weights.sum() == 0:
        return float("nan")
    people, model = np.where(kept, people, 0.0), np.where(kept, model, 0.0)
    off = model - weights @ model / weights.sum()
    variance = float(weights @ off**2)
    return float(weights @ (off * people)) / variance if variance > _ROUNDING else float("nan")


def _slope_and_correlation(people: Tally, model: Tally, comparison: Array) -> tuple[float, float]:
    """Return slope and correlation, free of scatter, on comparisons with two people and two replies."""
    cells = people.cells
    used = people.has_several & model.has_several
    c = np.where(used, comparison, 0.0)
    h, m = (np.where(used, t.indecision, 0.0) for t in (people, model))
    m_squared = np.where(used, model.squared_shares[:, INDECISION], np.nan)
    h_squared = np.where(used, people.squared_shares[:, INDECISION], np.nan)
    apart = float(c.sum() ** 2 - c @ c)
    if apart <= 0:
        return float("nan"), float("nan")
    covariance = mean_over(h * m, c) - float((c @ h) * (c @ m) - c**2 @ (h * m)) / apart
    of_model = mean_over(m_squared, c) - float((c @ m) ** 2 - c**2 @ m**2) / apart
    # The part that a person has in a comparison's share, and in its count.
    place = cells.comparison
    size = np.where(used, people.size, 1.0)[place]
    parts = c[place] * people.weights / size
    products = _distinct(parts * cells.total[:, INDECISION], place, cells.respondent)
    pairs = _distinct(parts * cells.size, place, cells.respondent)
    of_people = mean_over(h_squared, c) - products / pairs if pairs > _ROUNDING else float("nan")
    slope = covariance / of_model if of_model > _ROUNDING else float("nan")
    both = of_model * of_people
    defined = of_model > _ROUNDING and of_people > _ROUNDING
    return slope, covariance / float(np.sqrt(both)) if defined else float("nan")


def _distinct(values: Array, comparison: Indices, respondent: Indices) -> float:
    """Return the sum of products of two values of different respondents in different comparisons."""
    by_comparison = np.bincount(comparison, weights=values)
    by_respondent = np.bincount(respondent, weights=values)
    return float(
        values.sum() ** 2 - by_comparison @ by_comparison - by_respondent @ by_respondent + values @ values
    )


def _places(people: Tally, model: Tally) -> Indices:
    """Return the bin of each comparison: 0 where the model's share is 0, k from edge k−1 to edge k; −1 for none."""
    known = (people.size > 0) & (model.size > 0)
    shares = np.round(model.indecision, 9)
    return np.where(known, np.searchsorted(np.array(_EDGES), shares, side="left"), -1)


def _halves(cells: Cells, replies: Cells, *, n_splits: int, seed: int) -> tuple[OverSplits, OverSplits]:
    model = replies.once.indecision
    people_found, model_found = [], []
    for first in halvings(cells, n_splits=n_splits, seed=seed):
        one, other = (cells.tally(h.astype(float)).indecision for h in (first, ~first))
        both = (np.isfinite(one) & np.isfinite(other) & np.isfinite(model)).astype(float)
        people_found.append((area_under_curve(one, other, both) + area_under_curve(other, one, both)) / 2)
        model_found.append((area_under_curve(model, one, both) + area_under_curve(model, other, both)) / 2)
    return over_splits(people_found), over_splits(model_found)
