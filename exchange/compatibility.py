"""Who can receive from whom: blood groups and crossmatch. Pure."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from exchange.pool import BloodGroup, BoolArray

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


def blood_compatible_matrix(donors: list[BloodGroup], patients: list[BloodGroup]) -> BoolArray:
    """Return :func:`blood_compatible` for every donor (row) and patient (column)."""
    groups = list(BloodGroup)
    table = np.array([[blood_compatible(d, p) for p in groups] for d in groups])
    rows = np.array([groups.index(d) for d in donors], dtype=np.intp)
    columns = np.array([groups.index(p) for p in patients], dtype=np.intp)
    matrix: BoolArray = table[np.ix_(rows, columns)]
    return matrix


def positive_crossmatch_probability(cpra: float, *, donor_is_husband: bool) -> float:
    """Return the probability that a patient's antibodies rule a donor out.

    The published generators use the raised probability of a wife for *every* donor she is tested with, not only
    for her husband; we do as they do.
    """
    if donor_is_husband:
        return 1.0 - WIFE_NEGATIVE_CROSSMATCH_FACTOR * (1.0 - cpra)
    return cpra


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
