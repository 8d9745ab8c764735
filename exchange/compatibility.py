"""Who can receive from whom: blood groups and crossmatch. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike

from exchange.pool import BloodGroup, BoolArray, FloatArray

# Share of wives with antibodies against their husband's tissue that keeps a crossmatch negative, from exposure
# in pregnancy. Saidman et al. (2006), Transplantation 81:773; as coded by Dickerson (SaidmanPoolGenerator.java).
WIFE_NEGATIVE_CROSSMATCH_FACTOR = 0.75

_ANTIGENS = {
    BloodGroup.O: frozenset(""),
    BloodGroup.A: frozenset("A"),
    BloodGroup.B: frozenset("B"),
    BloodGroup.AB: frozenset("AB"),
}


def blood_compatible(donor: BloodGroup, patient: BloodGroup) -> bool:
    """Return whether the patient has every ABO antigen of the donor: O gives to all, AB receives from all."""
    return _ANTIGENS[donor] <= _ANTIGENS[patient]


def blood_compatible_matrix(donors: Sequence[BloodGroup], patients: Sequence[BloodGroup]) -> BoolArray:
    """Return :func:`blood_compatible` for every donor (row) and patient (column)."""
    groups = list(BloodGroup)
    table = np.array([[blood_compatible(d, p) for p in groups] for d in groups])
    rows = np.array([groups.index(d) for d in donors], dtype=np.intp)
    columns = np.array([groups.index(p) for p in patients], dtype=np.intp)
    matrix: BoolArray = table[np.ix_(rows, columns)]
    return matrix


class BloodGroupClass(StrEnum):
    """How easily a pair finds an exchange, by blood groups alone.

    References
    ----------
    Roth, Sönmez, Ünver (2007), "Efficient kidney exchange", American Economic Review 97; Ünver (2010), "Dynamic
    kidney exchange", Review of Economic Studies 77, section 2.
    """

    OVER_DEMANDED = "over-demanded"
    """The donor's group fits the patient's and is another: more can receive from this donor than give to this
    patient."""
    UNDER_DEMANDED = "under-demanded"
    """The donor's group does not fit the patient's, but a donor of the patient's group would fit a patient of the
    donor's: the pair asks for more than it brings."""
    SELF_DEMANDED = "self-demanded"
    """Patient and donor have the same group."""
    RECIPROCAL = "reciprocal"
    """A patient of group A with a donor of group B, or the other way round."""


def blood_group_class(patient: BloodGroup, donor: BloodGroup) -> BloodGroupClass:
    """Return the class of a pair by the groups of its patient and its donor."""
    if patient is donor:
        return BloodGroupClass.SELF_DEMANDED
    if blood_compatible(donor, patient):
        return BloodGroupClass.OVER_DEMANDED
    if blood_compatible(patient, donor):
        return BloodGroupClass.UNDER_DEMANDED
    return BloodGroupClass.RECIPROCAL


def positive_crossmatch_probability(
    cpra: float, *, donor_is_husband: bool, wife_factor: float = WIFE_NEGATIVE_CROSSMATCH_FACTOR
) -> float:
    """Return the probability that a patient's antibodies rule a donor out.

    The published generators use the raised probability of a wife for *every* donor she is tested with, not only
    for her husband; we do as they do.

    Parameters
    ----------
    cpra
        Probability for a patient whose donor is not her husband, in [0, 1].
    wife_factor
        What is left of a wife's probability of a negative crossmatch, in [0, 1].
    """
    if donor_is_husband:
        return 1.0 - wife_factor * (1.0 - cpra)
    return cpra


def always_positive_probability(positive_probability: ArrayLike, tests: ArrayLike) -> FloatArray:
    """Return the probability that each of several independent crossmatches of one donor and patient is positive."""
    return np.asarray(
        np.asarray(positive_probability, dtype=np.float64) ** np.asarray(tests), dtype=np.float64
    )


def crossmatch_negative(draw: ArrayLike, positive_probability: ArrayLike) -> BoolArray:
    """Return whether crossmatches come out negative (transplant possible).

    Parameters
    ----------
    draw
        Uniform numbers in [0, 1), one per crossmatch.
    positive_probability
        Probability of a positive crossmatch, broadcast against ``draw``.
    """
    return np.asarray(draw, dtype=np.float64) >= np.asarray(positive_probability, dtype=np.float64)


def possible_transplants(
    donors: Sequence[BloodGroup],
    patients: Sequence[BloodGroup],
    *,
    positive_probability: ArrayLike,
    draws: ArrayLike,
) -> BoolArray:
    """Return which donor (row) could give to which patient (column): blood group fits, crossmatch negative.

    Parameters
    ----------
    donors, patients
        Blood groups.
    positive_probability
        Probability of a positive crossmatch: one per patient, or of shape (donors, patients).
    draws
        Uniform numbers in [0, 1), one per donor and patient: shape (donors, patients).
    """
    possible: BoolArray = blood_compatible_matrix(donors, patients) & crossmatch_negative(
        draws, positive_probability
    )
    return possible
