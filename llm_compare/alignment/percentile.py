"""Where a model stands among people: how many people are farther from the rest than the model is. Pure.

Indecision is a choice: it agrees with indecision alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from llm_compare.alignment.cells import Cells, Tally, cells_of_people, cells_of_replies, ratio, sums
from llm_compare.alignment.choices import Array, Pairing
from llm_compare.alignment.resampling import LEVEL, Measured, Resampling, Weighted, as_answered, measured

FEWEST = 10
"""A person with fewer comparisons that others answered too is not ranked."""
_SAME = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Percentile:
    """The model among the people. Each person is held against all others, the model against the same others on the
    same comparisons."""

    percentile: Measured
    """Share of persons who agree less with the others than the model does; equal counts half. 1/2 is a model that
    stands where the middle person stands. A single person's agreement rests on few answers (see
    ``typical_se``), which spreads persons out and draws this share toward 1/2."""
    model_agreement: Measured
    """Mean over persons of the chance that an answer of the model equals that of one of the others."""
    person_agreement: Measured
    """The same for the persons' own answers."""
    typical_se: float | None
    """Median over persons of the standard error of their difference to the model, from their own comparisons."""
    noise_share: float | None
    """How much of the variance of these differences between persons is the chance of a few answers, 0 to 1. Near 1,
    persons cannot be told apart, and the percentile only says whether the model is above or below their mean."""
    clearly_farther: float | None
    """Share of persons whose own 95 % interval (t, over their comparisons) has them farther away than the model."""
    clearly_nearer: float | None
    """Share of persons whose interval has them nearer to the others than the model."""
    n_persons: int
    """Persons ranked."""
    n_left_out: int
    """Persons with fewer than ``fewest`` comparisons that others answered too."""
    fewest: int
    median_comparisons: float | None
    """Comparisons behind a ranked person, in the middle."""


def percentile(pairing: Pairing, resampling: Resampling, *, fewest: int = FEWEST) -> Percentile:
    """Rank the model among the people.

    Parameters
    ----------
    fewest
        Comparisons that a person must share with others. Where a source does not say who answered, nobody has as
        many, and nothing can be ranked.
    """
    cells, replies = cells_of_people(pairing.people), cells_of_replies(pairing.model)
    n_people = pairing.people.n_respondents
    persons = _persons(cells, as_answered(pairing), replies.once, n_people)
    ranked = persons.n_comparisons >= fewest
    reason = f"nobody answered {fewest} comparisons that others answered too" + (
        "; the source may not say who answered" if n_people == pairing.people.n_answers else ""
    )

    def standing(w: Weighted) -> tuple[float, float, float]:
        drawn = _persons(cells, w, replies.tally(w.reply), n_people)
        weights = w.person * (ranked & np.isfinite(drawn.person))
        total = float(weights.sum())
        if total == 0:
            return (float("nan"),) * 3
        difference = np.where(weights > 0, drawn.person - drawn.model, 0.0)
        farther = (difference < -_SAME) + (np.abs(difference) <= _SAME) / 2
        return (
            float(weights @ farther) / total,
            float(weights @ np.where(weights > 0, drawn.model, 0.0)) / total,
            float(weights @ np.where(weights > 0, drawn.person, 0.0)) / total,
        )

    share, model, person = measured(standing, pairing, resampling, bounds=(0.0, 1.0), undefined=reason)
    n_persons = int(ranked.sum())
    difference, se = (persons.person - persons.model)[ranked], persons.se[ranked]
    half = stats.t.ppf((1 + LEVEL) / 2, np.maximum(persons.n_comparisons[ranked] - 1, 1)) * se
    spread = float(difference.var(ddof=1)) if n_persons > 1 else 0.0
    return Percentile(
        percentile=share,
        model_agreement=model,
        person_agreement=person,
        typical_se=float(np.median(se)) if n_persons else None,
        noise_share=min(1.0, float((se**2).mean()) / spread) if spread > _SAME**2 else None,
        clearly_farther=float((difference + half < -_SAME).mean()) if n_persons else None,
        clearly_nearer=float((difference - half > _SAME).mean()) if n_persons else None,
        n_persons=n_persons,
        n_left_out=n_people - n_persons,
        fewest=fewest,
        median_comparisons=float(np.median(persons.n_comparisons[ranked])) if n_persons else None,
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Persons:
    """By respondent; NaN for one without a comparison that others answered."""

    person: Array
    model: Array
    se: Array
    n_comparisons: NDArray[np.intp]


def _persons(cells: Cells, w: Weighted, model: Tally, n_people: int) -> _Persons:
    weights = w.person[cells.respondent]
    people = cells.tally(weights)
    rest = people.total[cells.comparison] - weights[:, None] * cells.total
    others = ratio(rest, (people.size[cells.comparison] - weights * cells.size)[:, None])
    theirs = model.shares[cells.comparison]
    counted = w.comparison[cells.comparison] * np.isfinite(others[:, 0] + theirs[:, 0])
    own = np.where(counted > 0, (cells.mean * others).sum(axis=1), 0.0)
    by_model = np.where(counted > 0, (theirs * others).sum(axis=1), 0.0)

    def total(values: Array) -> Array:
        return sums(values, cells.respondent, n_people)

    number = total(counted)
    person, of_model = ratio(total(counted * own), number), ratio(total(counted * by_model), number)
    residual = np.where(counted > 0, own - by_model - (person - of_model)[cells.respondent], 0.0)
    return _Persons(
        person=person,
        model=of_model,
        se=np.sqrt(ratio(total(counted * residual**2), number * (number - 1))),
        n_comparisons=np.bincount(cells.respondent[counted > 0], minlength=n_people),
    )
