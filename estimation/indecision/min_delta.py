"""McElfresh's Min-delta model: people leave it to chance when the two patients are close."""

from __future__ import annotations

from estimation.attribute_model import fit_attribute_model
from estimation.dataset import ChoiceData
from estimation.errors import EstimationError
from estimation.results import Fit, Model


def fit_min_delta(data: ChoiceData, *, prior_answers: float = 0.0, bootstrap: int = 0, seed: int = 0) -> Fit:
    """Estimate attribute coefficients and the pull of indecision from all answers.

    Left, right, indecision have probability proportional to exp(d/2), exp(-d/2), exp(lambda), where d is the
    difference of log-strengths. The paper's utility u is half a log-strength, so weights are exp(2u). Unlike the
    authors' code, coefficients are not confined to a box: the likelihood is concave, and on their Study 2 the
    box excludes the maximum (-4532.0 at its corner against -4128.03). Answers that could not be indecision
    contribute the choice between left and right.

    Raises
    ------
    EstimationError
        No answer could have been indecision: use the conditional logit.
    NotIdentified, Separated
        See :func:`estimation.attribute_model.fit_attribute_model`.

    References
    ----------
    McElfresh et al. (2021), Indecision Modeling, AAAI; Davidson (1970), J. Amer. Statist. Assoc. 65.
    """
    if not data.offered.any():
        raise EstimationError(
            "indecision was offered in none of these answers, so its pull cannot be estimated; "
            "use --model conditional-logit, or choose an arm that offered it (--arm)"
        )
    return fit_attribute_model(
        data, Model.MIN_DELTA, prior_answers=prior_answers, bootstrap=bootstrap, seed=seed
    )
