from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from exchange.compatibility import (
    blood_compatible,
    blood_compatible_matrix,
    crossmatch_negative,
    positive_crossmatch_probability,
)
from exchange.pool import BloodGroup

CAN_GIVE = {"O": "O A B AB", "A": "A AB", "B": "B AB", "AB": "AB"}


@pytest.mark.parametrize(("donor", "patient"), list(product(BloodGroup, BloodGroup)))
def test_blood_groups_follow_the_abo_rule(donor: BloodGroup, patient: BloodGroup) -> None:
    assert blood_compatible(donor, patient) == (patient in CAN_GIVE[donor].split())


def test_the_matrix_agrees_with_the_rule() -> None:
    donors, patients = list(BloodGroup) * 2, list(reversed(BloodGroup))
    expected = [[blood_compatible(d, p) for p in patients] for d in donors]
    np.testing.assert_array_equal(blood_compatible_matrix(donors, patients), expected)


def test_the_matrix_of_nobody_is_empty() -> None:
    assert blood_compatible_matrix([], []).shape == (0, 0)


@pytest.mark.parametrize(("cpra", "wife"), [(0.05, 0.2875), (0.45, 0.5875), (0.90, 0.925)])
def test_wives_have_the_crossmatch_probabilities_of_the_published_files(cpra: float, wife: float) -> None:
    # The values in the %Pra column of PrefLib's .dat files.
    assert positive_crossmatch_probability(cpra, donor_is_husband=True) == pytest.approx(wife)
    assert positive_crossmatch_probability(cpra, donor_is_husband=False) == cpra


def test_crossmatches_fail_as_often_as_the_cpra_says() -> None:
    draws = (np.arange(1000) + 0.5) / 1000
    assert np.count_nonzero(~crossmatch_negative(draws, 0.45)) == 450
    assert crossmatch_negative(draws, 0.0).all()
    assert not crossmatch_negative(draws, 1.0).any()
