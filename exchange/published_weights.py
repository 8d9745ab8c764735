"""Weights that were published, by name. They are about the patients of the study ``kidney-8``.

Sources
-------
Freedman, Schaich Borg, Sinnott-Armstrong, Dickerson, Conitzer (2020), "Adapting a kidney exchange algorithm to
align with human values", Artificial Intelligence 283, 103261; the numbers as in the code released with it
(``EthicalVertexPair.java``). Freedman (2020), "Aligning with heterogeneous preferences for kidney exchange",
AISafety 2020, CEUR 2640; the numbers as in ``BLPModel.java``.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import log

import numpy as np

from estimation.effects import term_named
from estimation.heterogeneity.preferences import PreferenceDistribution
from estimation.weights import AttributeWeights, Estimate, PriorityWeights, ProfileWeights
from exchange.errors import BadRequest
from survey.design import StudyDesign
from survey.design_file import example_design

STUDY = "kidney-8"
PROFILES = "freedman2020-profiles"
ATTRIBUTES = "freedman2020-attributes"
HETEROGENEOUS = "freedman2020-heterogeneous"

WEIGHTS: Mapping[str, str] = {
    PROFILES: "Freedman et al. (2020), Artificial Intelligence 283, 103261: a strength for each of eight profiles",
    ATTRIBUTES: "Freedman et al. (2020), Artificial Intelligence 283, 103261: age, drinking and health apart",
}
"""Weights that hold for every donor -> where they are from."""
DONOR_WEIGHTS: Mapping[str, str] = {
    HETEROGENEOUS: "Freedman (2020), AISafety: preferences that differ from donor to donor",
}
"""Preferences from which every donor draws -> where they are from."""

# The strengths of profiles 1 to 8, by the letter codes of the released code: young or old, drinks rarely or
# frequently, healthy or cancer.
_STRENGTHS = {
    "YRH": 1.0,
    "YFH": 0.103243396,
    "YRC": 0.236280167,
    "YFC": 0.035722844,
    "ORH": 0.070045054,
    "OFH": 0.011349772,
    "ORC": 0.024072427,
    "OFC": 0.002769801,
}
_COEFFICIENTS = {"age=old": -2.419075, "drinking=frequent": -2.026236, "health=cancer": -1.234208}

# As published, for being young, drinking rarely and being healthy. Here a level is set against the first of its
# attribute, which turns every sign; the covariance stays the same.
_MEAN_OF_FAVORED = (8.18, 5.69, 3.53)
_COVARIANCE = ((20.47, 2.54, 4.56), (2.54, 11.07, 1.3), (4.56, 1.3, 7.16))


def published_study() -> StudyDesign:
    """Return the study whose patients all published weights are about."""
    return example_design(STUDY)


def published_weights(name: str) -> PriorityWeights:
    """Return weights by name, one of :data:`WEIGHTS`.

    Raises
    ------
    BadRequest
        There are none of that name.
    """
    study = published_study()
    if name == ATTRIBUTES:
        return AttributeWeights.named(
            study.attributes, {term: Estimate(value=value) for term, value in _COEFFICIENTS.items()}
        )
    if name == PROFILES:
        listed = {profile.id: profile for profile in study.profiles() or ()}
        logs = {code: log(strength) for code, strength in _STRENGTHS.items()}
        center = sum(logs.values()) / len(logs)
        return ProfileWeights(
            attributes=study.attributes,
            profiles=tuple(listed[code] for code in logs),
            log_strengths=tuple(Estimate(value=value - center) for value in logs.values()),
        )
    raise BadRequest(f"no weights were published as '{name}'; there are {', '.join(WEIGHTS)}")


def published_preferences(name: str) -> PreferenceDistribution:
    """Return a population's preferences by name, one of :data:`DONOR_WEIGHTS`.

    Raises
    ------
    BadRequest
        There are none of that name.
    """
    if name != HETEROGENEOUS:
        raise BadRequest(f"no preferences were published as '{name}'; there are {', '.join(DONOR_WEIGHTS)}")
    study = published_study()
    return PreferenceDistribution(
        attributes=study.attributes,
        terms=tuple(term_named(term, study.attributes) for term in _COEFFICIENTS),
        mean=-np.array(_MEAN_OF_FAVORED),
        covariance=np.array(_COVARIANCE),
    )
