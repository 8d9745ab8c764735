"""What a plain model reaches with the very same answers: attribute weights, or always the same shares. Pure.

A language model that was tuned on 64 answers has learned something only if it foretells held-out answers better
than three numbers fitted to those 64 do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from estimation.assembly import assemble
from estimation.choice_model import probabilities_at
from estimation.dataset import ChoiceData, Clustering, choice_data, tally
from estimation.errors import EstimationError
from estimation.fitting import fit
from estimation.model_quality import directions_of, parameters_of
from estimation.results import Fit
from estimation.specification import Model, Regularize, Specification
from estimation.uncertainty import Intervals
from llm_compare.alignment.choices import INDECISION, Array
from llm_compare.tuning.evaluation.share_table import ShareTable
from survey.answers import Answer, AnswerSet, Choice
from survey.design import Attribute, Comparison

_HALF_ANSWER = 0.5


@dataclass(frozen=True, kw_only=True, eq=False)
class Baseline:
    """Shares that a plain model foretells."""

    table: ShareTable


def weights_baseline(
    answers: Sequence[Answer], attributes: tuple[Attribute, ...], comparisons: Sequence[Comparison]
) -> Baseline | str:
    """Return what an attribute-based model fitted to ``answers`` foretells, or why it foretells nothing.

    Indecision is explained by how close two patients are (min-delta) where it was on offer, and else there is none.
    One prior answer per parameter is added, spread evenly over comparisons and alternatives: without it, weights of
    16 answers foretell hardly better than people's overall shares, and beating them would mean nothing.
    """
    offered = any(a.indecision_offered for a in answers)
    model = Model.MIN_DELTA if offered else Model.CONDITIONAL_LOGIT
    try:
        data = choice_data(
            AnswerSet(attributes=attributes, answers=tuple(answers), source="training answers")
        )
        spec = Specification(model=model, regularize=Regularize.ALWAYS)
        fitted = fit(data, spec, intervals=Intervals(bootstrap=0, seed=0))
    except EstimationError as error:
        return f"attribute weights cannot be estimated: {error}"
    shares = foretold(fitted, attributes, comparisons, offered=offered)
    return Baseline(table=ShareTable.same_from_both_sides(comparisons, shares))


def foretold(
    fitted: Fit, attributes: tuple[Attribute, ...], comparisons: Sequence[Comparison], *, offered: bool
) -> Array:
    """Return the probabilities of first profile, second and indecision, shape (n_comparisons, 3)."""
    data, row = _cells(attributes, comparisons, offered=offered)
    possible = np.ones((len(data.left), 3))
    possible[:, INDECISION] = data.offered
    assembled = assemble(
        replace(data, counts=possible), fitted.specification, directions=directions_of(fitted)
    )
    return probabilities_at(assembled.cells, parameters_of(assembled, fitted))[row]


def constant_baseline(answers: Sequence[Answer], comparisons: Sequence[Comparison]) -> Baseline:
    """Return people's rate of indecision in ``answers``, the rest in halves, the same for every comparison.

    Half an answer is added to either kind, so that nothing is impossible.
    """
    rate = 0.0
    if any(a.indecision_offered for a in answers):
        undecided = sum(a.choice is Choice.INDECISION for a in answers)
        rate = (undecided + _HALF_ANSWER) / (len(answers) + 2 * _HALF_ANSWER)
    shares = np.tile([(1 - rate) / 2, (1 - rate) / 2, rate], (len(comparisons), 1))
    return Baseline(table=ShareTable.same_from_both_sides(comparisons, shares))


def _cells(
    attributes: tuple[Attribute, ...], comparisons: Sequence[Comparison], *, offered: bool
) -> tuple[ChoiceData, np.ndarray[tuple[int, ...], np.dtype[np.intp]]]:
    """Return every comparison once, as if its first profile had been chosen, and each one's row."""
    profiles = tuple(dict.fromkeys(p for c in comparisons for p in (c.first, c.second)))
    number = {p: i for i, p in enumerate(profiles)}
    left = np.array([number[c.first] for c in comparisons], dtype=np.intp)
    right = np.array([number[c.second] for c in comparisons], dtype=np.intp)
    data = tally(
        attributes=attributes,
        profiles=profiles,
        left=left,
        right=right,
        choice=np.zeros(len(left), dtype=np.intp),
        offered=offered,
        cluster=None,
        clustering=Clustering.ANSWER,
    )
    place = {pair: i for i, pair in enumerate(zip(data.left.tolist(), data.right.tolist(), strict=True))}
    row = np.array([place[pair] for pair in zip(left.tolist(), right.tolist(), strict=True)], dtype=np.intp)
    return data, row
