"""Does a respondent answer as the group's weights predict? Infit, outfit and the likelihood of their answers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from estimation.dataset import ChoiceData
from estimation.diagnostics.fitted import fitted
from estimation.errors import EstimationError
from estimation.results import Fit

Array = NDArray[np.float64]

_SCORES = np.array([1.0, 0.0, 0.5])
"""Of left, right, indecision: an indecision is half a win."""
# Below this variance a comparison's outcome is certain under the model; rounding would decide the rest.
_LEAST_VARIANCE = 1e-12
# Degrees of freedom behind a standardized mean square are not taken below 1 (as Winsteps does).
_MOST_SPREAD = 2**0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonFit:
    """How well the group's fit describes one respondent's answers.

    Mean squares are 1 on average if the respondent answers as the model says; above 1 the answers are more erratic
    than that (or follow other weights), below 1 more regular. The group's fit contains the respondent's own
    answers, which draws mean squares slightly towards 1.
    """

    n_answers: int
    """Answers that the model uses."""
    infit: float
    """Mean square weighted by information: reacts to comparisons that the model finds close."""
    infit_z: float
    """Standardized: about standard normal if the model holds for this respondent."""
    outfit: float
    """Unweighted mean square: reacts to single answers against what the model finds obvious."""
    outfit_z: float
    likelihood_z: float
    """Standardized log-likelihood of the choices, indecision as a category of its own; negative: less likely than
    the model's own answers would be."""


def person_fit(data: ChoiceData, fit: Fit) -> dict[str, PersonFit]:
    """Return the fit of each respondent (cluster) by name.

    With score x (1 left, 1/2 indecision, 0 right), its expectation e, variance w and fourth central moment c under
    the fit, z = (x - e) / sqrt(w): outfit = mean of z^2, infit = sum of w z^2 / sum of w. Their variances are
    sum(c / w^2) / n^2 - 1/n and sum(c - w^2) / sum(w)^2; standardized by Wilson and Hilferty's cube root.

    Parameters
    ----------
    data
        The answers that the fit was made of.

    Raises
    ------
    EstimationError
        The source does not say who answered what, or the fit was made of other answers.

    References
    ----------
    Wright and Masters (1982), Rating Scale Analysis, p. 100-101; scores of ties as in the function btm of the R
    package sirt (A. Robitzsch); Drasgow, Levine and Williams (1985), Brit. J. Math. Stat. Psych. 38, for the
    likelihood.
    """
    if data.by_cluster is None:
        raise EstimationError("the fit of respondents needs answers that name their respondents")
    model = fitted(data, fit)
    cell_of = model.assembled.cell_of
    p = model.probabilities
    kinds = 3 if fit.specification.uses_indecision else 2
    p, scores = p[:, :kinds], _SCORES[:kinds]
    expected = p @ scores
    deviation = scores - expected[:, None]
    variance = (p * deviation**2).sum(axis=1)
    fourth = (p * deviation**4).sum(axis=1)
    certain = variance < _LEAST_VARIANCE
    variance = np.where(certain, 1.0, variance)
    with np.errstate(divide="ignore", invalid="ignore"):
        log_p = np.where(p > 0, np.log(p), 0.0)
    mean_log = (p * log_p).sum(axis=1)
    variance_log = (p * log_p**2).sum(axis=1) - mean_log**2

    columns = (3 * cell_of[:, None] + np.arange(kinds)).ravel()
    table = data.by_cluster[:, columns]
    per_answer = np.where(certain[:, None], 0.0, deviation**2)
    of_cell = {
        "n": np.ones(len(p)),
        "uncertain": (~certain).astype(float),
        "kurtosis": np.where(certain, 0.0, fourth / variance**2),
        "variance": np.where(certain, 0.0, variance),
        "excess": np.where(certain, 0.0, fourth - variance**2),
        "mean_log": mean_log,
        "variance_log": variance_log,
    }
    sums = {name: table @ np.repeat(values, kinds) for name, values in of_cell.items()}
    squares = table @ (per_answer / variance[:, None]).ravel()
    weighted = table @ per_answer.ravel()
    log_likelihood = table @ log_p.ravel()
    found = {}
    for i, name in enumerate(data.cluster_names):
        n, w = float(sums["uncertain"][i]), float(sums["variance"][i])
        if n == 0:
            continue
        outfit, infit = float(squares[i]) / n, float(weighted[i]) / w
        found[name] = PersonFit(
            n_answers=round(float(sums["n"][i])),
            infit=infit,
            infit_z=_standardized(infit, float(sums["excess"][i]) / w**2),
            outfit=outfit,
            outfit_z=_standardized(outfit, float(sums["kurtosis"][i]) / n**2 - 1 / n),
            likelihood_z=_ratio(
                float(log_likelihood[i] - sums["mean_log"][i]), float(sums["variance_log"][i])
            ),
        )
    return found


def _standardized(mean_square: float, variance: float) -> float:
    """Return Wilson and Hilferty's normal deviate of a mean square."""
    q = min(max(variance, 0.0) ** 0.5, _MOST_SPREAD)
    if q < _LEAST_VARIANCE:
        # Every comparison's squared residual is the same whatever the answer, so nothing can deviate.
        return 0.0
    return float((mean_square ** (1 / 3) - 1) * 3 / q + q / 3)


def _ratio(difference: float, variance: float) -> float:
    return difference / variance**0.5 if variance > _LEAST_VARIANCE else 0.0
