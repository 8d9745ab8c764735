"""One side's choices as a logit of attributes, and how its parameters move when answers count more or less. Pure.

Min-delta (Davidson's ties with a coefficient per attribute) where both sides could be undecided, else the
conditional logit of decided answers. A side that follows a rule without exception has no finite estimate: then all
sides are mixed with the same small share of prior answers, spread evenly over comparisons and alternatives.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from estimation.assembly import ORDER, Assembled, assemble
from estimation.choice_model import PULL, maximize, score_rows
from estimation.dataset import Clustering
from estimation.errors import NotIdentified, Separated
from estimation.existence import check_estimable
from estimation.specification import Model, Specification
from llm_compare.alignment.choices import Array, Choices, Pairing
from llm_compare.alignment.tallies import Tally, tallied
from survey.design import Attribute

PRIOR_SHARE = 0.01
"""Prior answers for each answer, where regularized. A share, not a number, so that asking more often does not
change how far a side that never errs is from one that does."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SideLogit:
    """One side's estimate."""

    names: tuple[str, ...]
    """Terms, then the position parameter and the pull of indecision where there are such."""
    values: Array
    """Shape (n_parameters,)."""
    influence: Array
    """What one more of each answer adds to each parameter, to first order, shape (n_answers, n_parameters)."""

    def at(self, weights: Array) -> Array:
        """Return the parameters if every answer counted ``weights`` times: one Newton step from the estimate."""
        return np.asarray(self.values + (weights - 1) @ self.influence)


def model_of(pairing: Pairing) -> Model:
    """Return the model that both sides' answers allow."""
    both = pairing.people.offered.any() and pairing.model.offered.any()
    return Model.MIN_DELTA if both else Model.CONDITIONAL_LOGIT


def separated(pairings: Sequence[Pairing], attributes: Sequence[Attribute]) -> tuple[str, ...]:
    """Return the labels of the sides that have no finite estimate of their own.

    Several models stand beside the same people: if any side needs prior answers, all must get them.
    """
    found: dict[str, None] = {}
    people: set[int] = set()
    for pairing in pairings:
        for side in (pairing.people, pairing.model):
            if id(side) in people:
                continue
            people.add(id(side))
            try:
                side_logit(side, attributes, model_of(pairing), regularize=False)
            except Separated:
                found[side.label] = None
    return tuple(found)


def side_logit(
    side: Choices, attributes: Sequence[Attribute], model: Model, *, regularize: bool
) -> SideLogit:
    """Fit one side, with a position parameter (what standing on the left adds) where the sides tell one.

    Raises
    ------
    Separated
        The side follows a rule without exception and may not be regularized.
    NotIdentified
        Attributes that always vary together.
    EstimationError
        No answer is of use to the model.
    """
    tally = tallied(attributes, [side], cluster=[Clustering.COMPARISON])
    prior = PRIOR_SHARE * tally.data.counts.sum() if regularize else 0.0
    spec = Specification(model=model, order_effect=True)
    assembled = assemble(tally.data, spec, prior_answers=prior)
    try:
        check_estimable(assembled.cells)
    except NotIdentified as error:
        if ORDER not in error.involved:
            raise
        assembled = assemble(tally.data, replace(spec, order_effect=False), prior_answers=prior)
        check_estimable(assembled.cells)
    maximum = maximize(assembled.cells)
    scores = _answer_scores(side, tally, assembled, maximum.values, decided_only=not spec.uses_indecision)
    return SideLogit(
        names=assembled.names,
        values=maximum.values,
        influence=scores @ np.linalg.inv(maximum.information),
    )


def _answer_scores(
    side: Choices, tally: Tally, assembled: Assembled, values: Array, *, decided_only: bool
) -> Array:
    """Return each answer's score, shape (n_answers, n_parameters); 0 for those that the model leaves out."""
    rows = score_rows(assembled.cells, values)
    table = np.asarray(rows.toarray() if sparse.issparse(rows) else rows).reshape(-1, 3, len(values))
    place = np.full(len(tally.data.left), -1, dtype=np.intp)
    place[assembled.cell_of] = np.arange(len(assembled.cell_of))
    cell = place[tally.cells[0]]
    shown = np.where(tally.mirrored[0][:, None], side.choice[:, [1, 0, 2]], side.choice)
    alternatives = range(2 if decided_only else 3)
    scores = np.zeros((side.n_answers, len(values)))
    used: NDArray[np.bool_] = cell >= 0
    for j in alternatives:
        chosen = used & (shown[:, j] > 0)
        scores[chosen] += shown[chosen, j, None] * table[cell[chosen], j]
    return scores


def named(logit: SideLogit, name: str) -> int | None:
    """Return the place of the position parameter or of the pull among the parameters, None where there is none."""
    return logit.names.index(name) if name in logit.names else None


POSITION, INDECISION_PULL = ORDER, PULL
"""Names of the parameters beyond attributes' coefficients."""
