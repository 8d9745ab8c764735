"""A coder's own order of suggestions."""

from __future__ import annotations

from itertools import pairwise
from statistics import mean

from hypothesis import given
from hypothesis import strategies as st

from survey.coding.shuffled import shuffled

STUDY = {"study": "kidney-attributes", "version": "1"}


def test_the_order_is_the_same_on_every_machine_and_day() -> None:
    # Written down: another order for the same coder would bring back what was left behind half way.
    assert shuffled(range(1, 11), **STUDY, coder="anna") == [3, 10, 2, 1, 4, 5, 7, 8, 6, 9]


def test_every_coder_and_every_study_has_another_one() -> None:
    everybody = [
        shuffled(range(100), study=study, version=version, coder=coder)
        for study in ("a", "b")
        for version in ("1", "2")
        for coder in ("anna", "ben", "")
    ]
    assert len({tuple(one) for one in everybody}) == 12


@given(st.sets(st.integers(min_value=1, max_value=10**9)), st.sets(st.integers(min_value=1, max_value=10**9)))
def test_what_is_added_comes_in_between_and_moves_nothing(first: set[int], added: set[int]) -> None:
    before = shuffled(first, **STUDY, coder="anna")
    after = shuffled(first | added, **STUDY, coder="anna")
    assert sorted(before) == sorted(first)
    assert [id_ for id_ in after if id_ in first] == before


def test_what_came_last_is_spread_over_the_whole_and_nobodys_stay_together() -> None:
    ids = range(1, 1_001)
    order = shuffled(ids, **STUDY, coder="anna")
    places = {id_: place for place, id_ in enumerate(order)}
    models = [places[id_] for id_ in ids if id_ > 800]
    # The mean of 200 places drawn from a thousand has a standard error of 18.
    assert abs(mean(models) - 499.5) < 4 * 18
    neighbors = sum(abs(a - b) == 1 for a, b in pairwise(order))
    assert neighbors < 12, "two are expected"
