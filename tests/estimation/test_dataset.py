from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from estimation.dataset import (
    INDECISION,
    LEFT,
    RIGHT,
    Clustering,
    choice_data,
    counted,
    of_clusters,
    tally,
)
from estimation.errors import EstimationError
from survey.answers import Choice
from survey.design import Profile

PROFILES = tuple(Profile((("who", n),), name=n) for n in "abc")


def tallied(**columns):
    given = {
        "left": [0, 1, 0, 0],
        "right": [1, 2, 1, 1],
        "choice": [LEFT, RIGHT, INDECISION, LEFT],
        "offered": True,
        "cluster": [0, 0, 1, 1],
        **columns,
    }
    return tally(attributes=(), profiles=PROFILES, clustering=Clustering.RESPONDENT, **given)


def test_answers_are_counted_per_pair_as_shown_and_per_cluster():
    data = tallied()

    assert list(zip(data.left, data.right, strict=True)) == [(0, 1), (1, 2)]
    assert data.counts.tolist() == [[2, 0, 1], [0, 1, 0]]
    assert data.by_cluster.toarray().tolist() == [[1, 0, 0, 0, 1, 0], [1, 0, 1, 0, 0, 0]]
    assert data.wins.tolist() == [[0, 2, 0], [0, 0, 0], [0, 1, 0]]
    assert data.win_counts(half_wins=True).toarray()[1, 0] == 0.5


def test_rows_that_stand_for_several_answers_count_as_many():
    assert tallied(times=[3, 1, 2, 0]).counts.tolist() == [[3, 0, 2], [0, 1, 0]]


def test_whether_indecision_was_offered_and_the_group_make_different_cells():
    data = tallied(offered=[True, True, True, False], group=[0, 0, 1, 1], groups=("x", "y"))
    cells = sorted(zip(data.left, data.right, data.offered, data.group, strict=True))

    assert cells == [(0, 1, False, 1), (0, 1, True, 0), (0, 1, True, 1), (1, 2, True, 0)]


@pytest.mark.parametrize(
    ("columns", "complaint"),
    [
        ({"left": [0, 1, 0, 3]}, "between 0 and 2"),
        ({"choice": [0, 1, 2, 3]}, "not left"),
        ({"times": [1, 1, -1, 1]}, "negative"),
        ({"times": [1, 1, float("nan"), 1]}, "not finite"),
    ],
)
def test_columns_that_cannot_be_are_refused(columns, complaint):
    with pytest.raises(EstimationError, match=complaint):
        tallied(**columns)


def test_a_profile_beside_itself_never_wins():
    assert tallied(right=[1, 2, 1, 0]).wins.tolist() == [[0, 1, 0], [0, 0, 0], [0, 1, 0]]


def test_counts_of_a_published_table_are_kept_as_they_are():
    data = counted("ab", [0], [1], [[3, 2, 0.5]])

    assert data.counts.tolist() == [[3, 2, 0.5]]
    assert data.by_cluster is None
    assert data.offered.all()
    assert not counted("ab", [0], [1], [[3, 2, 0]]).offered.any()


@pytest.mark.parametrize(
    ("names", "counts", "complaint"),
    [
        ("aa", [[3, 2, 0]], "'a' is named twice"),
        ("ab", [[3, 2]], "three columns"),
        ("ab", [3, 2, 0], "three columns"),
    ],
)
def test_counts_that_cannot_be_told_apart_are_refused(names, counts, complaint):
    with pytest.raises(EstimationError, match=complaint):
        counted(names, [0], [1], counts)


def test_counting_agrees_with_counting_by_hand(answers_from_wins):
    answer_set = answers_from_wins({("a", "b"): 3, ("b", "a"): 2}, {("a", "b"): 4})
    data = choice_data(answer_set)

    by_hand = {}
    for a in answer_set.answers:
        key = (a.left.id, a.right.id, a.choice)
        by_hand[key] = by_hand.get(key, 0) + 1
    names = data.names
    got = {
        (names[left], names[right], choice): counts[column]
        for left, right, counts in zip(data.left, data.right, data.counts, strict=True)
        for column, choice in enumerate((Choice.LEFT, Choice.RIGHT, Choice.INDECISION))
        if counts[column]
    }
    assert got == by_hand
    assert data.by_cluster.sum() == 9
    assert data.n_clusters == 5


def test_clusters_can_be_split(answers_from_wins):
    data = choice_data(answers_from_wins({("a", "b"): 3, ("b", "a"): 2}, {("a", "b"): 4}))
    some = of_clusters(data, np.array([0, 3]))

    assert some.cluster_names == (data.cluster_names[0], data.cluster_names[3])
    assert some.n_answers == data.by_cluster[[0, 3]].sum()


def test_rows_that_are_no_choice_are_named_and_not_counted_as_indecision(answers_from_wins):
    answer_set = replace(
        answers_from_wins({("a", "b"): 3, ("b", "a"): 2}), set_aside={"skip": 2, "timeout": 1}
    )
    data = choice_data(answer_set)

    assert data.n_answers == 5
    assert data.n_indecisions == 0
    assert any("2 skip, 1 timeout" in note for note in data.notes)


def test_respondents_left_out_are_named_with_the_reason(answers_from_wins):
    answer_set = answers_from_wins({("a", "b"): 3, ("b", "a"): 3}, n_respondents=3)
    data = choice_data(answer_set, left_out={"person-0": "failed two checks"})

    assert data.n_clusters == 2
    assert "1 respondent(s) left out: failed two checks" in data.notes
