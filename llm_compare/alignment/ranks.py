"""Profiles in the order of two sets of log-strengths. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from llm_compare.alignment.choices import Array
from survey.design import Attribute, Profile
from survey.wording import value_words

# Log-strengths that differ by less than this are equal: what remains of exactly balanced answers is rounding.
_SAME_LOG_STRENGTH = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class LargestMove:
    """A profile's places in two orders; 1 has the greatest weight, equal weights share the mean of their places."""

    profile: str
    """In the design's words."""
    people_place: float
    model_place: float


def rank_numbers(people: Array, model: Array) -> tuple[float, float]:
    """Return Kendall's tau-b and Spearman's rho of log-strengths, shape (n_profiles,); NaN without an order."""
    one, other = _rounded(people), _rounded(model)
    if len(one) < 2 or np.ptp(one) == 0 or np.ptp(other) == 0:
        return float("nan"), float("nan")
    ranks = stats.rankdata(one), stats.rankdata(other)
    return float(stats.kendalltau(one, other).statistic), float(np.corrcoef(*ranks)[0, 1])


def largest_move(
    attributes: Sequence[Attribute], profiles: Sequence[Profile], people: Array, model: Array
) -> LargestMove | None:
    """Return the profile whose places differ most, the first of several; None where none moves."""
    places = stats.rankdata(-_rounded(people)), stats.rankdata(-_rounded(model))
    moves = np.abs(places[0] - places[1])
    if not len(moves) or not moves.max():
        return None
    at = int(moves.argmax())
    return LargestMove(
        profile=", ".join(value_words(a, profiles[at][a.name]) for a in attributes),
        people_place=float(places[0][at]),
        model_place=float(places[1][at]),
    )


def _rounded(strengths: Array) -> Array:
    return np.asarray(np.round(strengths / _SAME_LOG_STRENGTH))
