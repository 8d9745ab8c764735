from __future__ import annotations

import json
from dataclasses import replace
from itertools import combinations, pairwise

import numpy as np
import pytest

from estimation.bradley_terry import fit_bradley_terry
from estimation.dataset import choice_data
from estimation.errors import NotConnected, Separated
from survey.answers import Choice
from survey.published_answers import import_study_1_counts

ROUND_ROBIN = {("a", "b"): 7, ("b", "a"): 3, ("b", "c"): 6, ("c", "b"): 4, ("a", "c"): 8, ("c", "a"): 2}


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

    fit = fit_bradley_terry(data)
    got = strengths(fit)

    for row in rows:
        relative = np.exp(got[row["code"]] - got["YRH"])
        assert relative == pytest.approx(row["direct_bt_score"], rel=1e-3)
        won = matrix[names.index(row["code"])].sum() / (7 * 1_000_000)
        assert won == pytest.approx(row["derived_mean_win_rate_direct"], abs=1e-5)


def _data(matrix, names):
    """Count data built without a million answers: one cell per ordered pair, two clusters with half of each."""
    from estimation.dataset import ChoiceData, Clustering
    from survey.design import CategoricalAttribute, Level, Profile

    attribute = CategoricalAttribute(
        name="who", label="Who", levels=tuple(Level(name=n, words=n) for n in names)
    )
    left, right = np.array(list(combinations(range(len(names)), 2))).T
    counts = np.column_stack([matrix[left, right], matrix[right, left], np.zeros(len(left))]) / 2
    return ChoiceData(
        attributes=(attribute,),
        profiles=tuple(Profile((("who", n),), name=n) for n in names),
        left=np.tile(left, 2),
        right=np.tile(right, 2),
        counts=np.vstack([counts, counts]),
        offered=np.zeros(2 * len(left), dtype=bool),
        cluster=np.repeat([0, 1], len(left)),
        clustering=Clustering.RESPONDENT,
        n_clusters=2,
        notes=(),
    )


def test_the_citation_counts_of_stigler_give_the_coefficients_of_bradleyterry2(shared):
    import csv

    rows = list(csv.DictReader(shared("data/comparisons/citations_stigler1994.csv").read_text().splitlines()))
    names = list(dict.fromkeys(row["cited"] for row in rows))
    matrix = np.zeros((4, 4))
    for row in rows:
        if row["cited"] != row["citing"]:
            matrix[names.index(row["cited"]), names.index(row["citing"])] = float(row["Freq"])
    reference = json.loads(shared("reference/comparisons_r.json").read_text())["citations"]

    got = strengths(fit_bradley_terry(_data(matrix, names)))

    for row in reference:
        journal = row["_row"].removeprefix("journal")
        assert got[journal] - got["Biometrika"] == pytest.approx(row["Estimate"], abs=1e-7)


def test_strengths_sum_to_zero_and_choix_agrees_with_our_own_newton(answers_from_wins):
    fit = fit_bradley_terry(choice_data(answers_from_wins(ROUND_ROBIN)))

    assert sum(fit.values) == pytest.approx(0, abs=1e-12)
    assert fit.newton_difference < 1e-6
    assert fit.residual < 1e-6


def test_swapping_left_and_right_everywhere_leaves_the_strengths_unchanged(answers_from_wins):
    answer_set = answers_from_wins(ROUND_ROBIN)
    swapped = replace(
        answer_set,
        answers=[
            replace(a, left=a.right, right=a.left, choice=a.choice.mirrored) for a in answer_set.answers
        ],
    )

    plain, mirrored = (strengths(fit_bradley_terry(choice_data(s))) for s in (answer_set, swapped))
    for name, value in plain.items():
        assert mirrored[name] == pytest.approx(value, abs=1e-9)


def test_reversing_all_winners_negates_the_strengths(answers_from_wins):
    plain = strengths(fit_bradley_terry(choice_data(answers_from_wins(ROUND_ROBIN))))
    reversed_ = {(b, a): n for (a, b), n in ROUND_ROBIN.items()}

    negated = strengths(fit_bradley_terry(choice_data(answers_from_wins(reversed_))))
    for name, value in plain.items():
        assert negated[name] == pytest.approx(-value, abs=1e-9)


def test_doubling_the_data_leaves_the_strengths_unchanged(answers_from_wins):
    double = {pair: 2 * n for pair, n in ROUND_ROBIN.items()}

    once, twice = (
        strengths(fit_bradley_terry(choice_data(answers_from_wins(w)))) for w in (ROUND_ROBIN, double)
    )
    for name, value in once.items():
        assert twice[name] == pytest.approx(value, abs=1e-9)


def test_a_profile_that_never_lost_is_named_instead_of_given_a_made_up_strength(answers_from_wins):
    wins = {("a", "b"): 7, ("b", "c"): 6, ("c", "b"): 4, ("a", "c"): 8}

    with pytest.raises(Separated, match=r"'a' never lost.*'b', 'c' never won") as caught:
        fit_bradley_terry(choice_data(answers_from_wins(wins)))
    assert set(caught.value.involved) == {"a", "b", "c"}


def test_groups_never_compared_are_named(answers_from_wins):
    wins = {("a", "b"): 2, ("b", "a"): 1, ("c", "d"): 2, ("d", "c"): 3}

    with pytest.raises(NotConnected) as caught:
        fit_bradley_terry(choice_data(answers_from_wins(wins)))
    assert {frozenset(i) for i in caught.value.islands} == {frozenset("ab"), frozenset("cd")}


def test_profiles_joined_only_by_indecision_are_not_connected(answers_from_wins):
    answer_set = answers_from_wins(
        {("a", "b"): 2, ("b", "a"): 1, ("c", "d"): 2, ("d", "c"): 3}, {("b", "c"): 4}
    )

    with pytest.raises(NotConnected):
        fit_bradley_terry(choice_data(answer_set))


def test_study_1_with_its_two_islands_of_profiles_is_refused():
    with pytest.raises(NotConnected) as caught:
        fit_bradley_terry(choice_data(import_study_1_counts(), arm="with-coin"))
    assert sorted(len(i) for i in caught.value.islands) == [4, 10]


def test_prior_answers_keep_an_unbeaten_profile_finite_and_on_top(answers_from_wins):
    wins = {("a", "b"): 7, ("b", "c"): 6, ("c", "b"): 4, ("a", "c"): 8}

    fit = fit_bradley_terry(choice_data(answers_from_wins(wins)), prior_answers=2)
    got = strengths(fit)

    assert got["a"] > got["b"] > got["c"]
    assert any("prior answers" in note for note in fit.notes)


def test_indecisions_are_left_out_and_the_result_says_so(answers_from_wins):
    with_indecisions = answers_from_wins(ROUND_ROBIN, {("a", "b"): 5, ("b", "c"): 9})

    fit = fit_bradley_terry(choice_data(with_indecisions))
    plain = fit_bradley_terry(choice_data(answers_from_wins(ROUND_ROBIN)))

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
        fit_bradley_terry(choice_data(answers_from_wins(pairs)))
    assert len(caught.value.islands) == 30
    with pytest.raises(Separated) as separated:
        fit_bradley_terry(choice_data(answers_from_wins(chain)))
    assert len(str(caught.value)) < 1000 > len(str(separated.value))
