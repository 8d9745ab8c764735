"""Bradley-Terry without any table of profiles times profiles, against the ways that have one."""

from __future__ import annotations

import choix
import numpy as np
import pytest
from scipy import sparse

import estimation.bradley_terry_spread
import estimation.fitting
from estimation.bradley_terry import (
    PairCounts,
    centered_inverse,
    information,
    newton,
    pair_counts,
    score_table,
)
from estimation.bradley_terry_spread import answers_used, strength_covariance
from estimation.dataset import ChoiceData, Clustering, tally
from estimation.errors import DidNotConverge, EstimationError
from estimation.fitting import fit
from estimation.large_bradley_terry import SparseInformation, newton_by_gradients, score_draws
from estimation.specification import Model, Regularize, Specification
from estimation.uncertainty import Intervals
from survey.design import CategoricalAttribute, Level, Profile


def answers(
    n_profiles: int, n_answers: int, *, seed: int = 1, spread: float = 1.0, clustered: bool = True
) -> tuple[ChoiceData, np.ndarray]:
    """Answers of respondents, 40 each, who differ in how they see each profile; and the strengths planted."""
    rng = np.random.default_rng(seed)
    strengths = rng.normal(0, spread, n_profiles)
    strengths -= strengths.mean()
    left = rng.integers(0, n_profiles, n_answers)
    right = (left + rng.integers(1, n_profiles, n_answers)) % n_profiles
    choice = (rng.random(n_answers) > 1 / (1 + np.exp(strengths[right] - strengths[left]))).astype(int)
    names = [str(i) for i in range(n_profiles)]
    levels = tuple(Level(name=n, words=n) for n in names)
    data = tally(
        attributes=(CategoricalAttribute(name="profile", label="Profile", levels=levels),),
        profiles=tuple(Profile((("profile", n),), name=n) for n in names),
        left=left,
        right=right,
        choice=choice,
        offered=False,
        cluster=np.arange(n_answers) // 40 if clustered else None,
        clustering=Clustering.RESPONDENT if clustered else Clustering.ANSWER,
    )
    return data, strengths


@pytest.fixture(scope="module")
def three_hundred() -> ChoiceData:
    return answers(300, 30_000)[0]


@pytest.fixture
def as_if_large(monkeypatch):
    """Take the way for thousands of profiles at once."""
    monkeypatch.setattr(estimation.fitting, "MOST_FOR_CHOIX", 2)
    monkeypatch.setattr(estimation.bradley_terry_spread, "MOST_FOR_CHOIX", 2)


def test_conjugate_gradients_find_choix_s_maximum(three_hundred):
    got = newton_by_gradients(pair_counts(three_hundred.win_counts()))

    theirs = choix.ilsr_pairwise_dense(three_hundred.wins)
    assert got.values == pytest.approx(theirs - theirs.mean(), abs=1e-7)
    assert got.values == pytest.approx(newton(pair_counts(three_hundred.win_counts())).values, abs=1e-10)
    assert got.residual < 1e-8


def test_strengths_far_apart_on_a_thin_graph_are_found_all_the_same():
    # A ring of profiles with few chords: as hard for conjugate gradients as comparisons get.
    n = 400
    rng = np.random.default_rng(2)
    first = np.concatenate([np.arange(n), rng.integers(0, n, 10)])
    second = np.concatenate([(np.arange(n) + 1) % n, rng.integers(0, n, 10)])
    wins = sparse.csr_array(
        sparse.coo_array(
            (rng.integers(1, 20, 2 * len(first)), (np.append(first, second), np.append(second, first)))
        )
    )
    wins.setdiag(0)
    wins = sparse.csr_array(wins.astype(float))
    wins.eliminate_zeros()
    pairs = pair_counts(wins)

    got = newton_by_gradients(pairs)

    assert np.ptp(got.values) > 10
    assert got.values == pytest.approx(newton(pairs).values, abs=1e-7)


def test_the_sparse_information_is_the_full_one(three_hundred):
    pairs = pair_counts(three_hundred.win_counts())
    values = np.random.default_rng(3).normal(size=300)
    full = information(pairs, values)
    vectors = np.random.default_rng(4).normal(size=(300, 3))
    vectors -= vectors.mean(axis=0)
    thin = SparseInformation(pairs, values)

    assert thin @ vectors == pytest.approx(full @ vectors, abs=1e-9)
    solved = thin.solve(vectors, tolerance=1e-12)
    assert solved == pytest.approx(centered_inverse(full) @ vectors, abs=1e-10)
    assert solved.sum(axis=0) == pytest.approx(0, abs=1e-12)


def test_a_right_side_of_zero_is_solved_by_zero_beside_others(three_hundred):
    pairs = pair_counts(three_hundred.win_counts())
    right = np.zeros((300, 2))
    right[:2, 1] = [1, -1]

    solved = SparseInformation(pairs, np.zeros(300)).solve(right, tolerance=1e-10)

    assert not solved[:, 0].any()
    assert solved[0, 1] > 0 > solved[1, 1]


def test_a_profile_about_which_nothing_is_known_is_refused():
    pairs = PairCounts(
        n_profiles=3,
        first=np.array([0]),
        second=np.array([1]),
        first_won=np.array([2.0]),
        second_won=np.array([1.0]),
    )

    with pytest.raises(DidNotConverge, match="not determined"):
        newton_by_gradients(pairs)


@pytest.mark.parametrize("clustered", [True, False], ids=["respondents", "nobody in particular"])
def test_many_score_draws_vary_as_the_cluster_sandwich_says(clustered):
    data, _ = answers(12, 4_000, clustered=clustered)
    pairs = pair_counts(data.win_counts())
    values = newton(pairs).values
    used = answers_used(data, half_wins=False)
    covariance = strength_covariance(used, pairs, values)
    table = score_table(data, values, half_wins=False)
    scores = table if used.by_cluster is None else sparse.csr_array(used.by_cluster @ table)

    draws = score_draws(
        SparseInformation(pairs, values),
        scores,
        used.times if used.by_cluster is None else None,
        n_draws=20_000,
        seed=5,
    )

    scale = np.sqrt(np.outer(np.diag(covariance), np.diag(covariance)))
    # 20,000 draws: a standard error of a correlation of 0.007.
    assert np.abs((draws.T @ draws / len(draws) - covariance) / scale).max() < 0.04
    assert draws.mean(axis=0) == pytest.approx(0, abs=4 * np.sqrt(np.diag(covariance).max() / len(draws)))


def test_a_large_fit_has_joint_draws_and_no_covariance(as_if_large, three_hundred):
    got = fit(three_hundred, Model.BRADLEY_TERRY, intervals=Intervals(draws=30, seed=6))
    exact = np.sqrt(
        np.diag(
            strength_covariance(
                answers_used(three_hundred, half_wins=False),
                pair_counts(three_hundred.win_counts()),
                got.values,
            )
        )
    )

    assert got.covariance is None
    assert got.quasi_variances is None
    assert got.checks.newton_difference is None
    assert got.checks.rank == 299
    assert got.draws.shape == (30, 300)
    assert got.draws.sum(axis=1) == pytest.approx(0, abs=1e-9)
    assert "200 score draws of the clusters (relative error about 5 %)" in got.interval_method
    half = np.array([(e.high - e.low) / 2 for e in got.weights.log_strengths])
    ratio = half / exact / 1.963
    assert ratio.mean() == pytest.approx(1, abs=0.01)
    assert ratio.std() == pytest.approx(0.05, abs=0.015)


def test_the_same_seed_gives_the_same_bytes_and_another_gives_others(as_if_large, three_hundred):
    one, same, other = (
        fit(three_hundred, Model.BRADLEY_TERRY, intervals=Intervals(seed=seed)).draws.tobytes()
        for seed in (1, 1, 2)
    )

    assert one == same != other


def test_prior_answers_pull_large_fits_as_they_pull_small_ones(three_hundred, monkeypatch):
    spec = Specification(model=Model.BRADLEY_TERRY, regularize=Regularize.ALWAYS)
    small = fit(three_hundred, spec)
    monkeypatch.setattr(estimation.fitting, "MOST_FOR_CHOIX", 2)
    monkeypatch.setattr(estimation.bradley_terry_spread, "MOST_FOR_CHOIX", 2)

    large = fit(three_hundred, spec)

    assert large.values == pytest.approx(small.values, abs=1e-7)
    assert large.log_likelihood == pytest.approx(small.log_likelihood, abs=1e-7)
    widths = [[e.high - e.low for e in f.weights.log_strengths] for f in (large, small)]
    assert np.mean(np.divide(*widths)) == pytest.approx(1, abs=0.01)


def test_bootstraps_of_large_fits_are_those_of_small_ones(monkeypatch):
    data, _ = answers(30, 4_000)
    intervals = Intervals(bootstrap=40, seed=7)
    small = fit(data, Model.BRADLEY_TERRY, intervals=intervals)
    monkeypatch.setattr(estimation.fitting, "MOST_FOR_CHOIX", 2)
    monkeypatch.setattr(estimation.bradley_terry_spread, "MOST_FOR_CHOIX", 2)

    large = fit(data, Model.BRADLEY_TERRY, intervals=intervals)

    assert large.draws == pytest.approx(small.draws, abs=1e-8)
    assert large.covariance is None


def test_two_thousand_profiles_are_recovered_within_their_intervals():
    data, planted = answers(2_000, 120_000, spread=0.7)

    got = fit(data, Model.BRADLEY_TERRY, intervals=Intervals(seed=8))

    assert got.covariance is None
    low, high = (np.array([getattr(e, end) for e in got.weights.log_strengths]) for end in ("low", "high"))
    assert np.mean((low <= planted) & (planted <= high)) == pytest.approx(0.95, abs=0.02)
    assert np.corrcoef(got.values, planted)[0, 1] > 0.9


def test_a_model_whose_design_would_not_fit_in_memory_is_refused_with_the_way_out():
    data, _ = answers(3_000, 60_000)
    offered = tally(
        attributes=data.attributes,
        profiles=data.profiles,
        left=data.left,
        right=data.right,
        choice=np.arange(len(data.left)) % 3,
        offered=True,
        cluster=np.arange(len(data.left)) // 40,
        clustering=Clustering.RESPONDENT,
    )

    with pytest.raises(EstimationError, match=r"3,000 free profiles.*--model bradley-terry"):
        fit(offered, Model.DAVIDSON)
