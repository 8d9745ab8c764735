from __future__ import annotations

import json
from dataclasses import replace
from itertools import combinations, pairwise

import numpy as np
import pytest
from scipy.sparse import csr_array

from estimation.bradley_terry import by_choix, pair_counts
from estimation.dataset import LEFT, RIGHT, Clustering, choice_data, tally
from estimation.errors import NotConnected, Separated
from estimation.fitting import fit as fit_model
from estimation.results import Outcome
from estimation.specification import Model, Regularize, Specification
from survey.answers import Choice
from survey.published_answers import import_study_1_counts

ROUND_ROBIN = {("a", "b"): 7, ("b", "a"): 3, ("b", "c"): 6, ("c", "b"): 4, ("a", "c"): 8, ("c", "a"): 2}


def bradley_terry(data, **choices):
    return fit_model(data, Specification(model=Model.BRADLEY_TERRY, **choices))


def strengths(fit):
    return {p.id: e.value for p, e in zip(fit.weights.profiles, fit.weights.log_strengths, strict=True)}


def test_the_fit_reproduces_the_win_rates_of_the_freedman_scores(shared):
    # At the maximum on a balanced round robin, expected wins equal observed wins: counts drawn in proportion to
    # w_i / (w_i + w_j) must give back the scores, and each profile's share of comparisons won its mean win rate.
    rows = json.loads(shared("reference/freedman_profiles.json").read_text())["profiles"]
    score = {row["code"]: row["direct_bt_score"] for row in rows}
    wins = {}
    for a, b in combinations(score, 2):
        wins[a, b] = round(1e6 * score[a] / (score[a] + score[b]))
        wins[b, a] = 1_000_000 - wins[a, b]
    names = list(score)
    matrix = np.array([[wins.get((a, b), 0) for b in names] for a in names], dtype=float)
    data = _data(matrix, names)

    fit = bradley_terry(data)
    got = strengths(fit)

    for row in rows:
        relative = np.exp(got[row["code"]] - got["YRH"])
        assert relative == pytest.approx(row["direct_bt_score"], rel=1e-3)
        won = matrix[names.index(row["code"])].sum() / (7 * 1_000_000)
        assert won == pytest.approx(row["derived_mean_win_rate_direct"], abs=1e-5)


def _data(matrix, names):
    """Count data built without a million answers: two clusters with half of each."""
    from survey.design import CategoricalAttribute, Level, Profile

    attribute = CategoricalAttribute(
        name="who", label="Who", levels=tuple(Level(name=n, words=n) for n in names)
    )
    left, right = np.array(list(combinations(range(len(names)), 2))).T
    times = np.concatenate([matrix[left, right], matrix[right, left]]) / 2
    return tally(
        attributes=(attribute,),
        profiles=tuple(Profile((("who", n),), name=n) for n in names),
        left=np.tile(left, 4),
        right=np.tile(right, 4),
        choice=np.tile(np.repeat([LEFT, RIGHT], len(left)), 2),
        times=np.tile(times, 2),
        offered=False,
        cluster=np.repeat([0, 1], 2 * len(left)),
        clustering=Clustering.RESPONDENT,
    )


def test_strengths_sum_to_zero_and_choix_agrees_with_our_own_newton(answers_from_wins):
    fit = bradley_terry(choice_data(answers_from_wins(ROUND_ROBIN)))

    assert fit.values.sum() == pytest.approx(0, abs=1e-12)
    assert fit.checks.newton_difference < 1e-6
    assert fit.checks.residual < 1e-6


def test_swapping_left_and_right_everywhere_leaves_the_strengths_unchanged(answers_from_wins):
    answer_set = answers_from_wins(ROUND_ROBIN)
    swapped = replace(
        answer_set,
        answers=[
            replace(a, left=a.right, right=a.left, choice=a.choice.mirrored) for a in answer_set.answers
        ],
    )

    plain, mirrored = (strengths(bradley_terry(choice_data(s))) for s in (answer_set, swapped))
    for name, value in plain.items():
        assert mirrored[name] == pytest.approx(value, abs=1e-9)


def test_reversing_all_winners_negates_the_strengths(answers_from_wins):
    plain = strengths(bradley_terry(choice_data(answers_from_wins(ROUND_ROBIN))))
    reversed_ = {(b, a): n for (a, b), n in ROUND_ROBIN.items()}

    negated = strengths(bradley_terry(choice_data(answers_from_wins(reversed_))))
    for name, value in plain.items():
        assert negated[name] == pytest.approx(-value, abs=1e-9)


def test_doubling_the_data_leaves_the_strengths_unchanged(answers_from_wins):
    double = {pair: 2 * n for pair, n in ROUND_ROBIN.items()}

    once, twice = (strengths(bradley_terry(choice_data(answers_from_wins(w)))) for w in (ROUND_ROBIN, double))
    for name, value in once.items():
        assert twice[name] == pytest.approx(value, abs=1e-9)


def test_a_profile_that_never_lost_is_named_instead_of_given_a_made_up_strength(answers_from_wins):
    wins = {("a", "b"): 7, ("b", "c"): 6, ("c", "b"): 4, ("a", "c"): 8}

    with pytest.raises(Separated, match=r"'a' never lost.*'b', 'c' never won") as caught:
        bradley_terry(choice_data(answers_from_wins(wins)), regularize=Regularize.NEVER)
    assert set(caught.value.involved) == {"a", "b", "c"}


def test_groups_never_compared_are_named(answers_from_wins):
    wins = {("a", "b"): 2, ("b", "a"): 1, ("c", "d"): 2, ("d", "c"): 3}

    with pytest.raises(NotConnected) as caught:
        bradley_terry(choice_data(answers_from_wins(wins)))
    assert {frozenset(i) for i in caught.value.islands} == {frozenset("ab"), frozenset("cd")}


def test_profiles_joined_only_by_indecision_are_not_connected(answers_from_wins):
    answer_set = answers_from_wins(
        {("a", "b"): 2, ("b", "a"): 1, ("c", "d"): 2, ("d", "c"): 3}, {("b", "c"): 4}
    )

    with pytest.raises(NotConnected):
        bradley_terry(choice_data(answer_set))


def test_study_1_with_its_two_islands_of_profiles_is_refused():
    with pytest.raises(NotConnected) as caught:
        bradley_terry(choice_data(import_study_1_counts(), arm="with-coin"))
    assert sorted(len(i) for i in caught.value.islands) == [4, 10]


def test_an_unbeaten_profile_is_kept_finite_by_a_ghost_and_the_result_says_so_first(answers_from_wins):
    wins = {("a", "b"): 7, ("b", "c"): 6, ("c", "b"): 4, ("a", "c"): 8}

    fit = bradley_terry(choice_data(answers_from_wins(wins)))
    got = strengths(fit)

    assert got["a"] > got["b"] > got["c"]
    assert fit.gate.outcome is Outcome.REGULARIZED
    assert fit.gate.graph.only_won == ("a",)
    assert fit.notes[0] == fit.gate.reason
    assert "0.5 wins and 0.5 losses of every profile against a ghost" in fit.gate.reason


@pytest.mark.parametrize("n_unrelated", [0, 5, 50])
def test_the_ghost_is_symmetric_and_does_not_depend_on_unrelated_profiles(n_unrelated):
    # choix's own alpha is neither: this contrast shrinks from 0.81 to 0.40 with 50 profiles compared elsewhere.
    def contrast(first, second):
        wins = np.zeros((2 + n_unrelated, 2 + n_unrelated))
        wins[0, 1], wins[1, 0] = first, second
        wins[2:, 2:] = 1 - np.eye(n_unrelated)
        got = by_choix(pair_counts(csr_array(wins)).with_ghost(0.5)).values
        return got[0] - got[1]

    assert contrast(7, 3) == pytest.approx(0.8006939219909393, abs=1e-9)
    assert contrast(3, 7) == pytest.approx(-contrast(7, 3), abs=1e-9)


def test_half_wins_split_an_indecision_between_the_two(answers_from_wins):
    halves = bradley_terry(
        choice_data(answers_from_wins({("a", "b"): 6, ("b", "a"): 2}, {("a", "b"): 4})), half_wins=True
    )
    plain = bradley_terry(choice_data(answers_from_wins({("a", "b"): 8, ("b", "a"): 4})))

    assert strengths(halves) == pytest.approx(strengths(plain), abs=1e-9)
    assert halves.n_answers == 12
    assert "half a win for each" in halves.notes[0]


def test_an_unrelated_profile_changes_no_contrast_without_regularization(answers_from_wins):
    more = ROUND_ROBIN | {("c", "d"): 3, ("d", "c"): 5}
    plain, larger = (strengths(bradley_terry(choice_data(answers_from_wins(w)))) for w in (ROUND_ROBIN, more))

    for one, other in (("a", "b"), ("b", "c")):
        assert larger[one] - larger[other] == pytest.approx(plain[one] - plain[other], abs=1e-9)


def test_indecisions_are_left_out_and_the_result_says_so(answers_from_wins):
    with_indecisions = answers_from_wins(ROUND_ROBIN, {("a", "b"): 5, ("b", "c"): 9})

    fit = bradley_terry(choice_data(with_indecisions))
    plain = bradley_terry(choice_data(answers_from_wins(ROUND_ROBIN)))

    assert strengths(fit) == pytest.approx(strengths(plain), abs=1e-9)
    assert fit.n_answers == 30
    assert "14 of 44 answers were indecision" in fit.notes[0]
    assert sum(a.choice is Choice.INDECISION for a in with_indecisions.answers) == 14


def test_a_message_about_very_many_profiles_stays_short_and_the_error_has_all(answers_from_wins):
    # 30 pairs of profiles, each compared only within the pair; then a chain of 60 in which each beats the next.
    names = [f"profile-{i:02}" for i in range(60)]
    pairs = dict.fromkeys(zip(names[::2], names[1::2], strict=True), 1)
    chain = dict.fromkeys(pairwise(names), 1)

    with pytest.raises(NotConnected, match="and 20 more") as caught:
        bradley_terry(choice_data(answers_from_wins(pairs)))
    assert len(caught.value.islands) == 30
    with pytest.raises(Separated) as separated:
        bradley_terry(choice_data(answers_from_wins(chain)), regularize=Regularize.NEVER)
    assert len(str(caught.value)) < 1000 > len(str(separated.value))
