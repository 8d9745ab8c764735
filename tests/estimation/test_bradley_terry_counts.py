"""Bradley-Terry on its pairs alone against the general engine, which carries a design matrix."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import choix
import numpy as np
import pytest

from estimation.assembly import assemble
from estimation.bradley_terry import (
    by_choix,
    centered_inverse,
    information,
    information_rank,
    newton,
    pair_counts,
    score_table,
)
from estimation.choice_model import maximize
from estimation.dataset import ChoiceData, Clustering, counted, tally
from estimation.errors import DidNotConverge, EstimationError, NotConnected, Separated
from estimation.fitting import fit
from estimation.results import Outcome
from estimation.specification import Model, Regularize, Specification
from estimation.uncertainty import Intervals, uncertainty
from survey.design import CategoricalAttribute, Level, Profile


def answers(
    n_profiles: int,
    n_answers: int,
    *,
    seed: int = 1,
    indecision: float = 0.0,
    per_respondent: int | None = 20,
    spread: float = 1.0,
) -> ChoiceData:
    """Answers of respondents (or of nobody in particular) to random comparisons, from known strengths."""
    rng = np.random.default_rng(seed)
    strengths = rng.normal(0, spread, n_profiles)
    left = rng.integers(0, n_profiles, n_answers)
    right = (left + rng.integers(1, n_profiles, n_answers)) % n_profiles
    choice = (rng.random(n_answers) > 1 / (1 + np.exp(strengths[right] - strengths[left]))).astype(int)
    choice = np.where(rng.random(n_answers) < indecision, 2, choice)
    names = [f"p{i}" for i in range(n_profiles)]
    attribute = CategoricalAttribute(
        name="profile", label="Profile", levels=tuple(Level(name=n, words=n) for n in names)
    )
    return tally(
        attributes=(attribute,),
        profiles=tuple(Profile((("profile", n),), name=n) for n in names),
        left=left,
        right=right,
        choice=choice,
        offered=indecision > 0,
        cluster=None if per_respondent is None else np.arange(n_answers) // per_respondent,
        clustering=Clustering.ANSWER if per_respondent is None else Clustering.RESPONDENT,
    )


def by_the_general_engine(data: ChoiceData, spec: Specification, intervals: Intervals, prior: float = 0.0):
    assembled = assemble(data, spec, prior_answers=prior)
    maximum = maximize(assembled.cells)
    spread = uncertainty(assembled.cells, maximum, assembled.report, intervals)
    return assembled.report @ maximum.values, maximum, spread


CASES = {
    "decided answers only": (answers(6, 400), {}),
    "indecisions left out": (answers(6, 400, indecision=0.3), {}),
    "indecisions as half wins": (answers(6, 400, indecision=0.3), {"half_wins": True}),
    "with prior answers": (answers(6, 400), {"regularize": Regularize.ALWAYS}),
    "half wins with prior answers": (
        answers(6, 300, indecision=0.3),
        {"half_wins": True, "regularize": Regularize.ALWAYS, "prior_answers": 0.25},
    ),
    "answers of nobody in particular": (answers(6, 400, indecision=0.2, per_respondent=None), {}),
    "nobody in particular, prior answers": (
        answers(6, 400, per_respondent=None),
        {"regularize": Regularize.ALWAYS},
    ),
    "some respondents only undecided": (answers(5, 120, indecision=0.6, per_respondent=2, seed=3), {}),
    "many profiles": (answers(40, 4_000), {}),
}


@pytest.mark.parametrize(("data", "choices"), CASES.values(), ids=CASES)
@pytest.mark.parametrize("bootstrap", [0, 60])
def test_counting_by_pair_gives_what_the_general_engine_gives(data, choices, bootstrap):
    spec = Specification(model=Model.BRADLEY_TERRY, **choices)
    intervals = Intervals(seed=5, bootstrap=bootstrap, draws=20)

    got = fit(data, spec, intervals=intervals)
    values, maximum, spread = by_the_general_engine(data, spec, intervals, got.prior_answers)

    assert got.values == pytest.approx(values, abs=1e-8)
    assert got.log_likelihood == pytest.approx(maximum.log_likelihood, abs=1e-8)
    assert got.covariance == pytest.approx(spread.covariance, abs=1e-8)
    assert np.array([e.low for e in got.weights.log_strengths]) == pytest.approx(spread.low, abs=1e-7)
    assert np.array([e.high for e in got.weights.log_strengths]) == pytest.approx(spread.high, abs=1e-7)
    assert got.draws_from == spread.draws_from
    assert got.interval_method == spread.method
    if bootstrap:
        assert got.draws == pytest.approx(spread.draws, abs=1e-8)
    else:
        assert got.draws == pytest.approx(spread.draws, abs=1e-6)
        assert got.draws.sum(axis=1) == pytest.approx(0, abs=1e-12)
    assert got.checks.rank == got.checks.n_parameters == len(maximum.values)


def test_choix_and_our_own_newton_agree_and_the_difference_is_kept():
    got = fit(answers(12, 2_000), Model.BRADLEY_TERRY)

    assert 0 < got.checks.newton_difference < 1e-8
    assert got.checks.residual < 1e-6
    assert got.gate.outcome is Outcome.FINE


def test_more_profiles_than_choix_starts_from_nothing_with_agree_with_choix_that_does():
    data = answers(250, 20_000)
    pairs = pair_counts(data.win_counts())

    warm = by_choix(pairs)

    assert warm.newton_difference < 1e-8
    cold = choix.ilsr_pairwise_dense(data.wins)
    assert warm.values == pytest.approx(cold - cold.mean(), abs=1e-7)


def test_a_win_matrix_becomes_the_pairs_that_were_decided():
    data = counted(list("abc"), [0, 1, 2, 0], [1, 0, 1, 0], [[3, 1, 2], [4, 0, 0], [5, 0, 0], [7, 7, 0]])

    pairs = pair_counts(data.win_counts(half_wins=True))

    assert list(zip(pairs.first, pairs.second, strict=True)) == [(0, 1), (1, 2)]
    assert pairs.first_won.tolist() == [4, 0]
    assert pairs.second_won.tolist() == [6, 5]
    ghost = pairs.with_ghost(0.5)
    assert list(zip(ghost.first, ghost.second, strict=True)) == [(0, 1), (0, 3), (1, 2), (1, 3), (2, 3)]
    assert ghost.first_won.tolist() == [4, 0.5, 0, 0.5, 0.5]


def test_a_profile_beside_itself_adds_a_coin_to_the_likelihood_and_nothing_else():
    names = list("abc")
    left, right = [0, 1, 0], [1, 2, 2]
    counts = [[7, 3, 0], [6, 4, 0], [8, 2, 0]]

    plain = fit(counted(names, left, right, counts), Model.BRADLEY_TERRY)
    beside = fit(counted(names, [*left, 1], [*right, 1], [*counts, [6, 4, 0]]), Model.BRADLEY_TERRY)

    assert beside.values == pytest.approx(plain.values, abs=1e-9)
    assert beside.log_likelihood == pytest.approx(plain.log_likelihood - 10 * np.log(2), abs=1e-9)
    assert beside.n_answers == plain.n_answers + 10


def test_half_wins_of_nobody_in_particular_vary_as_one_answer_each():
    data = answers(5, 300, indecision=0.4, per_respondent=None)
    spec = Specification(model=Model.BRADLEY_TERRY, half_wins=True)
    cell = np.repeat(np.arange(3 * len(data.counts)), data.counts.ravel().astype(int))
    one_each = tally(
        attributes=data.attributes,
        profiles=data.profiles,
        left=data.left[cell // 3],
        right=data.right[cell // 3],
        choice=cell % 3,
        offered=True,
        cluster=np.arange(len(cell)),
        clustering=Clustering.RESPONDENT,
    )

    assert fit(data, spec).covariance == pytest.approx(fit(one_each, spec).covariance, rel=1e-9)


@pytest.mark.parametrize("half_wins", [False, True])
def test_scores_of_single_answers_are_slopes_of_their_log_probabilities(half_wins):
    data = answers(4, 60, indecision=0.3)
    values = np.array([0.3, -0.7, 0.1, 0.3])
    table = score_table(data, values, half_wins=half_wins).toarray()

    def log_p(at, cell, choice):
        d = at[data.left[cell]] - at[data.right[cell]]
        left, right = -np.log1p(np.exp(-d)), -np.log1p(np.exp(d))
        return (left, right, (left + right) / 2 if half_wins else 0.0)[choice]

    h = 1e-6
    for row in range(len(table)):
        slopes = [
            (log_p(values + h * axis, row // 3, row % 3) - log_p(values - h * axis, row // 3, row % 3))
            / (2 * h)
            for axis in np.eye(4)
        ]
        assert table[row] == pytest.approx(slopes, abs=1e-8)


def test_the_centered_inverse_solves_contrasts_and_leaves_the_sum_at_zero():
    pairs = pair_counts(answers(7, 500).win_counts())
    matrix = information(pairs, newton(pairs).values)

    inverse = centered_inverse(matrix)

    assert inverse @ matrix == pytest.approx(np.eye(7) - 1 / 7, abs=1e-10)
    assert inverse.sum(axis=0) == pytest.approx(0, abs=1e-12)


def test_the_rank_counts_groups_between_which_nothing_is_known():
    pairs = pair_counts(counted(list("abcd"), [0, 2], [1, 3], [[5, 5, 0], [4, 6, 0]]).win_counts())

    assert information_rank(pairs, np.zeros(4)) == 2
    assert information_rank(pairs.with_ghost(0.5), np.zeros(5)) == 4
    # So far apart that the remaining information is lost in rounding.
    assert information_rank(pairs.with_ghost(0.5), np.array([0.0, 0.0, 60.0, 60.0, 0.0])) == 3


@pytest.mark.parametrize("half_wins", [False, True])
def test_the_bytes_of_a_bootstrap_do_not_depend_on_who_computes_it(half_wins):
    data = answers(6, 400, indecision=0.2)
    spec = Specification(model=Model.BRADLEY_TERRY, half_wins=half_wins)
    intervals = Intervals(bootstrap=230, seed=9)

    here = fit(data, spec, intervals=intervals)
    with ThreadPoolExecutor(2) as pool:
        there = fit(data, spec, intervals=intervals, executor=pool)

    assert here.draws.tobytes() == there.draws.tobytes()
    assert here.draws.tobytes() != fit(data, spec, intervals=replace(intervals, seed=10)).draws.tobytes()


def test_a_profile_that_always_wins_is_regularized_by_the_ghost_and_the_result_says_so():
    data = counted(list("abc"), [0, 0, 1], [1, 2, 2], [[5, 0, 0], [6, 0, 0], [3, 3, 0]])

    got = fit(data, Model.BRADLEY_TERRY)

    assert got.gate.outcome is Outcome.REGULARIZED
    assert got.notes[0].startswith("regularized by 0.5 wins and 0.5 losses")
    assert "a" in got.gate.reason
    table = np.full((4, 4), 0.5)
    table[:3, :3] = data.wins
    theirs = choix.ilsr_pairwise_dense(table)[:3]
    assert got.values == pytest.approx(theirs - theirs.mean(), abs=1e-9)
    assert got.n_parameters == 2
    with pytest.raises(Separated) as refused:
        fit(data, Specification(model=Model.BRADLEY_TERRY, regularize=Regularize.NEVER))
    assert "a" in refused.value.involved


def test_unrelated_profiles_do_not_change_a_regularized_contrast():
    alone = counted(list("ab"), [0], [1], [[7, 3, 0]])
    beside = counted(list("abcd"), [0, 1, 2], [1, 2, 3], [[7, 3, 0], [0, 0, 0], [4, 6, 0]])
    always = Specification(model=Model.BRADLEY_TERRY, regularize=Regularize.ALWAYS)

    assert np.diff(fit(alone, always).values) == pytest.approx(-0.8006939219909393, abs=1e-9)
    with pytest.raises(NotConnected) as refused:
        fit(beside, always)
    assert refused.value.islands == (("a", "b"), ("c", "d"))


def test_only_indecision_is_refused_with_the_way_out():
    data = counted(list("ab"), [0], [1], [[0, 0, 9]])

    with pytest.raises(EstimationError, match="all 9 answers are indecision"):
        fit(data, Model.BRADLEY_TERRY)
    assert fit(data, Specification(model=Model.BRADLEY_TERRY, half_wins=True)).values == pytest.approx(0)


def test_comparisons_of_a_profile_with_itself_alone_are_refused():
    with pytest.raises(EstimationError, match="with itself"):
        fit(counted(["a"], [0], [0], [[3, 4, 0]]), Model.BRADLEY_TERRY)


def test_one_respondent_alone_gives_no_interval():
    with pytest.raises(EstimationError, match="one cluster"):
        fit(answers(3, 50, per_respondent=50), Model.BRADLEY_TERRY)


def test_choix_refuses_counts_without_a_maximum_where_the_gate_was_left_out():
    pairs = pair_counts(counted(list("ab"), [0], [1], [[5, 0, 0]]).win_counts())

    with pytest.raises(DidNotConverge):
        by_choix(pairs)
