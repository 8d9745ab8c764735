"""Circular triads: by hand, by an oracle over all triples, Kendall's coefficient, and as planted."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, pairwise, product

import numpy as np
import pytest

from llm_compare.alignment.choices import Choices, Pairing
from llm_compare.alignment.resampling import Population, Resampling
from llm_compare.alignment.transitivity import most_frequent, transitivity, triads_of
from survey.design import Comparison, NumericAttribute, Profile

AGE = NumericAttribute(name="age", label="Age", minimum=0, maximum=100)
THESE = Resampling(population=Population.THESE)


def all_pairs(n):
    return tuple(
        Comparison.of(a, b) for a, b in combinations([Profile((("age", 10 + i),)) for i in range(n)], 2)
    )


def side(comparisons, comparison, choice, respondent=None):
    n = len(comparison)
    who = np.zeros(n, dtype=np.intp) if respondent is None else np.array(respondent, dtype=np.intp)
    return Choices(
        label="side",
        comparisons=comparisons,
        comparison=np.array(comparison, dtype=np.intp),
        respondent=who,
        respondents=tuple(f"r{i}" for i in range(int(who.max()) + 1)),
        choice=np.eye(3)[np.array(choice, dtype=np.intp)],
        first_left=np.ones(n, dtype=bool),
        offered=np.ones(n, dtype=bool),
        repeat=np.zeros(n, dtype=np.intp),
    )


def measured(people, model=None, resampling=None):
    pairing = Pairing(attributes=(AGE,), people=people, model=model or people)
    return transitivity(pairing, resampling or Resampling())


def once(comparisons, choice):
    return side(comparisons, range(len(comparisons)), choice)


# Of ages 10, 11, 12 the comparisons are 10-11, 10-12, 11-12.
def test_three_patients_in_a_circle_are_one_circular_triad():
    circle = once(all_pairs(3), [0, 1, 0])
    order = once(all_pairs(3), [0, 0, 0])
    undecided = once(all_pairs(3), [0, 2, 0])

    assert measured(circle).model.by_most_frequent.value == 1
    assert measured(circle).model.coefficient_of_consistence == 0
    assert measured(order).model.by_most_frequent.value == 0
    assert measured(order).model.coefficient_of_consistence == 1
    found = measured(undecided).model
    assert (found.by_most_frequent.value, found.n_decided) == (None, 0)
    assert "decided" in found.by_most_frequent.reason
    assert "1 of 3 comparisons are undecided" in found.no_coefficient


@pytest.mark.parametrize("n", [4, 5, 8, 9])
def test_circular_triads_are_as_many_as_kendalls_sums_of_wins_say(n):
    pairs = all_pairs(n)
    rng = np.random.default_rng(n)
    choice = rng.integers(2, size=len(pairs))
    found = measured(once(pairs, choice))
    wins = dict.fromkeys([p for c in pairs for p in (c.first, c.second)], 0)
    for c, k in zip(pairs, choice, strict=True):
        wins[c.second if k else c.first] += 1
    circular = n * (n - 1) * (2 * n - 1) / 12 - sum(w**2 for w in wins.values()) / 2
    most = (n**3 - n) / 24 if n % 2 else (n**3 - 4 * n) / 24

    assert found.n_triads == n * (n - 1) * (n - 2) / 6
    assert found.model.by_most_frequent.value == pytest.approx(circular / found.n_triads)
    assert found.model.coefficient_of_consistence == pytest.approx(1 - circular / most)


def test_single_answers_are_all_draws_of_one_answer_from_each_comparison():
    answers = {0: [0, 0, 1], 1: [1, 0, 2, 1], 2: [0, 2]}
    given = side(
        all_pairs(3), [c for c, a in answers.items() for _ in a], [x for a in answers.values() for x in a]
    )
    decided = [d for d in product(*answers.values()) if 2 not in d]
    circular = [d for d in decided if d in ((0, 1, 0), (1, 0, 1))]

    assert measured(given).model.by_single_answers.value == pytest.approx(len(circular) / len(decided))


def test_each_persons_triads_are_their_own():
    # One person goes round in a circle, one does not, one left a comparison undecided; most agree with the first.
    given = side(
        all_pairs(3),
        [0, 1, 2] * 3 + [0, 2],
        [0, 1, 0, 1, 1, 0, 0, 2, 0, 0, 0],
        [0] * 3 + [1] * 3 + [2] * 3 + [3] * 2,
    )
    found = measured(given)

    assert (found.people.within_person.value, found.people.n_within_person) == (0.5, 2)
    assert found.people.by_most_frequent.value == 1
    assert found.model.within_person.value is None
    assert "not a person" in found.model.within_person.reason


def test_coins_are_circular_in_a_quarter_of_triads():
    rng = np.random.default_rng(1)
    pairs = all_pairs(20)
    found = measured(once(pairs, rng.integers(2, size=len(pairs))))

    assert found.chance == 0.25
    assert found.model.by_most_frequent.low < 0.25 < found.model.by_most_frequent.high
    assert found.model.by_most_frequent.high - found.model.by_most_frequent.low < 0.2


@pytest.mark.parametrize("population", list(Population))
def test_intervals_hold_the_expected_share_of_noisy_choices(population):
    pairs = all_pairs(10)
    strength = 0.12 * np.arange(10)
    older = np.array([float(c.second["age"]) - float(c.first["age"]) for c in pairs])
    share = 1 / (1 + np.exp(-0.12 * older))  # That the second, who is older, is chosen.

    def answered(rng):
        return once(pairs, (rng.random(len(pairs)) < share).astype(int))

    p = 1 / (1 + np.exp(strength[:, None] - strength))
    truth = np.mean(
        [p[a, b] * p[b, c] * p[c, a] + p[b, a] * p[c, b] * p[a, c] for a, b, c in combinations(range(10), 3)]
    )
    found = [
        measured(answered(np.random.default_rng(seed)), resampling=Resampling(population=population))
        for seed in range(150)
    ]
    held = [m.model.by_most_frequent.low <= truth <= m.model.by_most_frequent.high for m in found]

    assert np.mean([m.model.by_most_frequent.value for m in found]) == pytest.approx(truth, abs=0.01)
    assert np.mean(held) >= 0.9


def test_names_of_first_and_second_change_nothing():
    pairs = all_pairs(7)
    rng = np.random.default_rng(2)
    given = side(pairs, rng.integers(21, size=300), rng.integers(3, size=300), rng.integers(6, size=300))
    renamed = replace(
        given,
        comparisons=tuple(Comparison(c.second, c.first) for c in pairs),
        choice=given.choice[:, [1, 0, 2]],
        first_left=~given.first_left,
    )
    one, other = measured(given).people, measured(renamed).people

    for name in ("by_most_frequent", "by_single_answers", "within_person"):
        assert getattr(other, name).value == pytest.approx(getattr(one, name).value)
        assert getattr(other, name).se == pytest.approx(getattr(one, name).se)


def test_everybody_twice_changes_no_share():
    pairs = all_pairs(6)
    rng = np.random.default_rng(3)
    comparison, choice = np.tile(np.arange(15), 8), rng.integers(3, size=120)
    respondent = np.repeat(np.arange(8), 15)
    one = measured(side(pairs, comparison, choice, respondent)).people
    two = measured(
        side(pairs, np.tile(comparison, 2), np.tile(choice, 2), np.concatenate([respondent, respondent + 8]))
    ).people

    for name in ("by_most_frequent", "by_single_answers", "within_person"):
        assert getattr(two, name).value == pytest.approx(getattr(one, name).value)
    assert two.within_person.se < one.within_person.se


def test_a_sparse_design_has_no_triads():
    profiles = [Profile((("age", i),)) for i in range(5)]
    chain = tuple(Comparison.of(a, b) for a, b in pairwise(profiles))
    found = measured(once(chain, [0] * 4), resampling=THESE)

    assert found.n_triads == 0
    assert "sparse" in found.model.by_most_frequent.reason
    assert "every other" in found.model.no_coefficient


def test_triads_are_all_triples_whose_pairs_were_compared():
    rng = np.random.default_rng(4)
    pairs = tuple(c for c in all_pairs(9) if rng.random() < 0.6)
    triads = triads_of(pairs)
    profiles = list(dict.fromkeys(p for c in pairs for p in (c.first, c.second)))
    expected = [
        t
        for t in combinations(profiles, 3)
        if all(Comparison.of(a, b) in pairs for a, b in combinations(t, 2))
    ]

    assert {frozenset(profiles[i] for i in row) for row in triads.profile} == {frozenset(t) for t in expected}
    for row, edges, forward in zip(triads.profile, triads.comparison, triads.forward, strict=True):
        for k in range(3):
            a, b = profiles[row[k]], profiles[row[(k + 1) % 3]]
            assert pairs[edges[k]] == Comparison.of(a, b)
            assert forward[k] == (pairs[edges[k]].first == a)


def test_equally_frequent_choices_are_no_decision():
    counts = np.array([[2, 1, 0], [1, 1, 0], [0, 0, 3], [0, 0, 0], [0, 2, 2]], dtype=float)

    assert most_frequent(counts).tolist() == [0, 2, 2, 2, 2]


@pytest.mark.parametrize("population", list(Population))
def test_the_variance_adds_up_all_pairs_of_triads_that_share_a_patient_or_a_comparison(population):
    n = 9
    pairs = all_pairs(n)
    choice = np.random.default_rng(2).random(len(pairs)) < 0.8
    chosen = {
        frozenset((c.first, c.second)): (c.second if k else c.first)
        for c, k in zip(pairs, choice, strict=True)
    }
    triads = list(combinations({p for c in pairs for p in (c.first, c.second)}, 3))
    circular = [len({chosen[frozenset(e)] for e in combinations(t, 2)}) == 3 for t in triads]
    apart = np.array(circular) - np.mean(circular)
    shared = 1 if population is Population.LIKE_THESE else 2
    total = sum(
        x * y
        for one, x in zip(triads, apart, strict=True)
        for other, y in zip(triads, apart, strict=True)
        if len(set(one) & set(other)) >= shared
    )
    # Never less than if triads were independent.
    expected = np.sqrt(max(total, (apart**2).sum())) / len(triads)
    found = measured(once(pairs, choice), resampling=Resampling(population=population)).model

    assert total > (apart**2).sum()
    assert found.by_most_frequent.se == pytest.approx(expected)
