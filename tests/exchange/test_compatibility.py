from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.compatibility import (
    always_positive_probability,
    blood_compatible,
    blood_compatible_matrix,
    crossmatch_negative,
    positive_crossmatch_probability,
    possible_transplants,
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


def test_a_wife_keeps_the_share_of_negative_crossmatches_that_is_asked_for() -> None:
    assert positive_crossmatch_probability(0.2, donor_is_husband=True, wife_factor=1.0) == pytest.approx(0.2)
    assert positive_crossmatch_probability(0.2, donor_is_husband=True, wife_factor=0.5) == pytest.approx(0.6)


def test_several_crossmatches_are_all_positive_as_often_as_when_simulated() -> None:
    rng = np.random.default_rng(3)
    for cpra in (0.05, 0.45, 0.9):
        all_positive = (~crossmatch_negative(rng.random((20_000, 3)), cpra)).all(axis=1).mean()
        assert float(always_positive_probability(cpra, 3)) == pytest.approx(all_positive, abs=0.015)
    np.testing.assert_array_equal(always_positive_probability([0.05, 0.9], 1), [0.05, 0.9])


@given(
    donors=st.lists(st.sampled_from(BloodGroup), max_size=6),
    patients=st.lists(st.tuples(st.sampled_from(BloodGroup), st.floats(0, 1)), max_size=6),
    seed=st.integers(0, 1000),
)
def test_a_transplant_is_possible_where_blood_and_crossmatch_fit(
    donors: list[BloodGroup], patients: list[tuple[BloodGroup, float]], seed: int
) -> None:
    draws = np.random.default_rng(seed).random((len(donors), len(patients)))
    found = possible_transplants(
        donors,
        [group for group, _ in patients],
        positive_probability=[cpra for _, cpra in patients],
        draws=draws,
    )
    assert found.shape == draws.shape
    for (i, donor), (j, (patient, cpra)) in product(enumerate(donors), enumerate(patients)):
        assert found[i, j] == (patient in CAN_GIVE[donor].split() and draws[i, j] >= cpra)
