"""From a model's name to its fit."""

from __future__ import annotations

from estimation.attribute_model import fit_conditional_logit
from estimation.bradley_terry import fit_bradley_terry
from estimation.dataset import ChoiceData
from estimation.indecision.min_delta import fit_min_delta
from estimation.results import Fit, Model

_FITTERS = {
    Model.BRADLEY_TERRY: fit_bradley_terry,
    Model.CONDITIONAL_LOGIT: fit_conditional_logit,
    Model.MIN_DELTA: fit_min_delta,
}


def fit(
    data: ChoiceData, model: Model, *, prior_answers: float = 0.0, bootstrap: int = 0, seed: int = 0
) -> Fit:
    """Fit ``model`` to ``data``; parameters and errors as in the model's own function."""
    return _FITTERS[model](data, prior_answers=prior_answers, bootstrap=bootstrap, seed=seed)
