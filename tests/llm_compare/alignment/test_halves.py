from __future__ import annotations

import numpy as np
import pytest

from llm_compare.alignment.cells import cells_of_people
from llm_compare.alignment.halves import halvings, over_splits


def test_a_person_is_in_one_half_with_all_answers(make_pairing):
    n_people, n = 9, 7
    pairing = make_pairing(
        (np.tile(np.arange(n), n_people), np.repeat(np.arange(n_people), n), np.zeros(n * n_people, int)),
        (np.arange(n), np.zeros(n, int)),
    )
    cells = cells_of_people(pairing.people)
    sizes = set()
    for first in halvings(cells, n_splits=40, seed=1):
        persons = {a: set(first[cells.respondent == a]) for a in range(n_people)}
        assert all(len(sides) == 1 for sides in persons.values())
        sizes.add(sum(sides == {True} for sides in persons.values()))
    assert sizes == {4, 5}


def test_answers_of_unknown_respondents_are_split_within_their_comparison(make_pairing):
    comparison = np.repeat([0, 1, 2], [4, 5, 1])
    pairing = make_pairing((comparison, np.arange(10), np.zeros(10, int)), ([0, 1, 2], [0, 0, 0]))
    cells = cells_of_people(pairing.people)
    seen = np.zeros(10)
    for first in halvings(cells, n_splits=200, seed=2):
        number = np.bincount(cells.comparison, weights=first, minlength=3)
        assert number[0] == 2
        assert number[1] in (2, 3)
        seen += first
    assert seen / 200 == pytest.approx(np.full(10, 0.5), abs=0.15)


def test_repeated_answers_of_a_person_to_one_comparison_are_one_cell(make_pairing):
    pairing = make_pairing(([0, 0, 0, 1], [0, 0, 1, 0], [0, 2, 1, 1]), ([0, 1], [0, 0]))
    cells = cells_of_people(pairing.people)

    assert sorted(zip(cells.comparison, cells.respondent, cells.size, strict=True)) == [
        (0, 0, 2),
        (0, 1, 1),
        (1, 0, 1),
    ]
    # Two cells of comparison 0: products over different persons alone, (1, 0, 1) by (0, 1, 0).
    assert cells.once.squared_shares[0].tolist() == [0, 0, 0]
    assert np.isnan(cells.once.squared_shares[1]).all()


def test_halvings_are_those_of_the_seed(make_pairing):
    pairing = make_pairing(([0, 0, 1, 1], [0, 1, 0, 1], [0, 0, 1, 1]), ([0, 1], [0, 0]))
    cells = cells_of_people(pairing.people)
    one, again = (np.array(list(halvings(cells, n_splits=20, seed=5))) for _ in range(2))
    other = np.array(list(halvings(cells, n_splits=20, seed=6)))
    assert (one == again).all()
    assert (one != other).any()


def test_halvings_without_a_number_are_left_out():
    assert over_splits([float("nan"), 1.0, 3.0]).mean == 2
    assert over_splits([float("nan")]).mean is None
