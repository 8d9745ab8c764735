from __future__ import annotations

import numpy as np
import pytest

from llm_compare.allocation.fairness.exposure import candidate_exposure, group_exposure, position_bias
from llm_compare.allocation.fairness.outcomes import Rankings


def one_ranking(order) -> Rankings:
    n = len(order)
    return Rankings(
        respondent="",
        problem=np.zeros(1, dtype=np.intp),
        order=np.array([order]),
        shuffle=np.zeros(1, dtype=np.intp),
        repeat=np.zeros(1, dtype=np.intp),
        row=np.arange(n)[None, :],
    )


def test_fifteen_ranks_share_out_5_861348_and_0_390757_each():
    assert position_bias(15).sum() == pytest.approx(5.861348, abs=5e-7)
    assert position_bias(15).mean() == pytest.approx(0.390757, abs=5e-7)
    assert position_bias(3) == pytest.approx([1, 1 / np.log2(3), 0.5])


@pytest.mark.parametrize(
    ("ranks", "members", "others"),
    [((0, 3, 6, 9, 12), 0.463145, 0.354562), ((0, 1, 2, 3, 4), 0.589692, 0.291289)],
)
def test_group_exposure_is_that_worked_out_by_hand(make_groups, ranks, members, others):
    code = np.where(np.isin(np.arange(15), ranks), 1, 0)
    exposure = candidate_exposure(one_ranking(np.arange(15)), 1)
    found = group_exposure(exposure, make_groups([code]))
    assert found == pytest.approx([others, members], abs=5e-7)


def test_candidates_of_every_problem_share_the_same_total(make_rankings):
    exposure = candidate_exposure(make_rankings(seed=3), 20)
    np.testing.assert_allclose(exposure.sum(axis=1), position_bias(15).sum())


def test_exposure_is_the_mean_worth_over_trials_and_other_worths_can_be_given(make_rankings):
    rankings = make_rankings(4, 6, 2, 3, seed=1)
    worth = np.array([0.5, 0.25, 0.125, 0, 0, 0])
    found = candidate_exposure(rankings, 4, worth)
    for p, c in ((0, 0), (2, 5), (3, 1)):
        trials = [t for t in range(24) if rankings.problem[t] == p]
        expected = np.mean([worth[list(rankings.order[t]).index(c)] for t in trials])
        assert found[p, c] == pytest.approx(expected)


def test_a_problem_without_trials_has_no_exposure_and_does_not_spoil_that_of_groups(
    make_rankings, make_groups
):
    rankings = make_rankings(2, 4, 1, 3)
    exposure = candidate_exposure(rankings, 3)
    assert np.isnan(exposure[2]).all()
    found = group_exposure(exposure, make_groups([[0, 0, 1, 1], [0, 0, 1, -1], [2, 0, 0, 0]]))
    assert np.isfinite(found[:2]).all()
    assert np.isnan(found[2])
