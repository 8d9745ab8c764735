"""Offers that may be declined: exact chances against making the offers, and the two ends of the curve."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_compare.allocation.fairness.exposure import candidate_exposure
from llm_compare.allocation.fairness.offers import ACCEPTANCES, accepted_share, offers_curve, rank_worth
from llm_compare.allocation.fairness.outcomes import NO_GROUP, Groups, Rankings
from llm_compare.errors import NotMeasurable


def rankings(order: np.ndarray, problem: np.ndarray) -> Rankings:
    nothing = np.zeros(len(problem), dtype=np.intp)
    return Rankings(
        respondent="planted",
        problem=problem,
        order=order,
        shuffle=nothing,
        repeat=nothing,
        row=np.tile(np.arange(order.shape[1]), (len(problem), 1)),
    )


def drawn(n_problems: int = 6, n: int = 5, trials: int = 4, seed: int = 0) -> tuple[Rankings, Groups]:
    rng = np.random.default_rng(seed)
    order = rng.permuted(np.tile(np.arange(n), (n_problems * trials, 1)), axis=1)
    groups = Groups(
        grouping="gender", names=("Male", "Female"), code=(rng.random((n_problems, n)) < 0.4).astype(np.intp)
    )
    return rankings(order, np.repeat(np.arange(n_problems), trials)), groups


def test_the_exact_chances_are_those_of_making_the_offers():
    asked, groups = drawn()
    rng = np.random.default_rng(1)
    acceptance = rng.uniform(0.1, 0.9, groups.code.shape)
    n_runs, got, offers, nobody = 20_000, np.zeros(2), 0, 0
    for _ in range(n_runs):
        trial = rng.integers(len(asked.problem))
        problem = asked.problem[trial]
        for candidate in asked.order[trial]:
            offers += 1
            if rng.random() < acceptance[problem, candidate]:
                got[groups.code[problem, candidate]] += 1
                break
        else:
            nobody += 1

    found = accepted_share(asked, groups, acceptance, seed=0)

    assert [g.accepted_share for g in found.groups] == pytest.approx(got / got.sum(), abs=0.015)
    assert found.nobody == pytest.approx(nobody / n_runs, abs=0.01)
    assert found.offers == pytest.approx(offers / n_runs, rel=0.02)
    assert found.acceptance == pytest.approx(acceptance.mean())


def test_the_first_rank_alone_counts_when_everybody_accepts():
    asked, groups = drawn()
    first = groups.code[asked.problem, asked.order[:, 0]]

    found = accepted_share(asked, groups, 1.0, seed=0)

    assert [g.accepted_share for g in found.groups] == pytest.approx(
        [np.mean(first == 0), np.mean(first == 1)]
    )
    assert (found.nobody, found.offers) == (0, 1)


def test_the_order_counts_for_nothing_when_hardly_anybody_accepts():
    asked, groups = drawn()

    found = accepted_share(asked, groups, 1e-7, seed=0)

    assert [g.difference.value for g in found.groups] == pytest.approx([0, 0], abs=1e-6)
    assert found.nobody == pytest.approx(1, abs=1e-6)
    assert found.offers == pytest.approx(5, abs=1e-5)


def test_the_curve_falls_from_choose_one_towards_the_pool_for_who_stands_first():
    asked, groups = drawn(n_problems=12, n=8)
    women_first = np.argsort(-groups.code[asked.problem], axis=1, kind="stable")

    curve = offers_curve(rankings(women_first, asked.problem), groups, seed=0)

    gains = [point.groups[1].difference.value for point in curve.points]
    assert [point.acceptance for point in curve.points] == pytest.approx(ACCEPTANCES)
    assert gains == sorted(gains)
    assert gains[0] > 0
    assert all(p.groups[1].difference.low < p.groups[1].difference.value for p in curve.points)


def test_with_one_acceptance_for_all_it_is_the_exposure_by_the_worth_of_ranks():
    asked, groups = drawn()
    each = candidate_exposure(asked, len(groups.code), rank_worth(0.3, 5))
    total = [each[groups.code == g].sum() for g in range(2)]

    found = accepted_share(asked, groups, 0.3, seed=0)

    assert [g.accepted_share for g in found.groups] == pytest.approx(np.array(total) / sum(total))
    assert found.nobody == pytest.approx(0.7**5)


def test_the_published_median_of_seven_offers_is_what_an_acceptance_of_nine_in_a_hundred_gives():
    within = np.cumsum(rank_worth(0.09, 100))

    assert within[6] < 0.5 < within[7]
    assert 1 - rank_worth(0.16, 1)[0] == pytest.approx(0.84)


def test_problems_without_trials_and_candidates_of_unknown_group_are_left_out_and_show():
    code = np.array([[0, 1, NO_GROUP], [1, 1, 1]])
    groups = Groups(grouping="gender", names=("Female", "Male"), code=code)

    found = accepted_share(rankings(np.array([[2, 0, 1]]), np.array([0])), groups, 0.5, seed=0)

    assert [g.pool_share for g in found.groups] == pytest.approx([1 / 3, 1 / 3])
    assert [g.accepted_share for g in found.groups] == pytest.approx([0.25 / 0.875, 0.125 / 0.875])
    assert found.groups[0].difference.low is None
    assert found.groups[0].difference.reason


@given(st.floats(0.01, 1), st.integers(1, 15), st.integers(0, 2**16))
def test_shares_sum_to_one_and_the_kidney_goes_to_somebody_or_nobody(acceptance: float, n: int, seed: int):
    asked, groups = drawn(n_problems=2, n=n, trials=2, seed=seed)

    found = accepted_share(asked, groups, acceptance, seed=0)

    assert sum(g.accepted_share for g in found.groups) == pytest.approx(1)
    assert rank_worth(acceptance, n).sum() + found.nobody == pytest.approx(1)


@pytest.mark.parametrize("acceptance", [0.0, 1.1, -0.2, float("nan")])
def test_what_is_no_probability_of_accepting_is_refused(acceptance: float):
    asked, groups = drawn()

    with pytest.raises(ValueError, match="above 0"):
        accepted_share(asked, groups, acceptance, seed=0)


def test_without_a_ranking_nothing_is_measured():
    _, groups = drawn()

    with pytest.raises(NotMeasurable, match="rank-all"):
        accepted_share(
            rankings(np.zeros((0, 5), dtype=np.intp), np.zeros(0, dtype=np.intp)), groups, 0.5, seed=0
        )
