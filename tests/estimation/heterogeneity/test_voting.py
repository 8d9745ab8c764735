"""Votes by predicted orders: textbook cases, and a plain slow count."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from estimation.errors import EstimationError
from estimation.heterogeneity.voting import profiles_to_vote_on, vote
from survey.design import Profile


def test_condorcets_circle_has_no_winner_and_is_named():
    votes = vote([[3, 2, 1], [1, 3, 2], [2, 1, 3]], [0.3, 0.2, 0.1], "abc")

    assert votes.condorcet_winner is None
    assert votes.cycles == (("a", "b", "c"),)
    assert votes.borda.tolist() == pytest.approx([0.5, 0.5, 0.5])
    assert votes.borda_correlation is None
    assert [(d.pooled_prefers, d.majority_prefers) for d in votes.disagreements] == [("a", "c")]
    assert votes.disagreements[0].share == pytest.approx(2 / 3)
    assert "Majorities run in a circle among a, b, c" in votes.sentence
    assert "a above c, which 67 % put first" in votes.sentence


def test_borda_may_pass_over_the_profile_that_a_majority_prefers_to_every_other():
    # 3 x a > b > c, 2 x b > c > a: the majority wants a, Borda wants b.
    votes = vote([[3, 2, 1], [1, 3, 2]], [2.0, 1.0, 0.0], "abc", people=[3, 2])

    assert votes.condorcet_winner == "a"
    assert votes.borda.tolist() == pytest.approx([0.6, 0.7, 0.2])
    assert votes.borda_rank.tolist() == [2, 1, 3]
    assert votes.copeland.tolist() == [1.0, 0.5, 0.0]
    assert not votes.disagreements
    assert votes.borda_disagreements == (("a", "b"),)
    assert votes.sentence == (
        "Pooled weights and the majority order no pair of the 3 differently. "
        "Borda puts b above a, where pooling does not."
    )


def test_one_loud_voice_moves_the_pool_but_not_the_vote():
    people = np.array([[0.1, 0.0], [0.1, 0.0], [-9.0, 0.0]])

    votes = vote(people, people.mean(axis=0), ["x", "y"])

    assert votes.condorcet_winner == "x"
    assert [(d.pooled_prefers, d.majority_prefers) for d in votes.disagreements] == [("y", "x")]
    assert votes.sentence.startswith(
        "Pooled weights and the majority order 1 of 1 pairs differently: pooling puts y above x, which 67 %"
    )


def test_people_who_tie_two_profiles_give_each_half_a_vote():
    votes = vote([[1.0, 1.0, 0.0], [1.0, 1.0 + 1e-13, 0.0]], [1.0, 1.0, 0.0], "abc")

    assert votes.majority[0, 1] == 0.5
    assert votes.copeland.tolist() == [0.75, 0.75, 0.0]
    assert votes.pooled_rank.tolist() == votes.borda_rank.tolist() == [1.5, 1.5, 3]
    assert votes.condorcet_winner is None
    assert votes.cycles == ()
    assert not votes.disagreements


def test_agreement_is_said_plainly():
    votes = vote([[3, 2, 1]], [9, 5, 1], "abc")

    assert votes.sentence == (
        "Pooled weights and the majority order no pair of the 3 differently. "
        "Borda's order agrees with the pooled one."
    )
    assert votes.borda_correlation == votes.copeland_correlation == 1


@settings(max_examples=60)
@given(data=st.data())
def test_scores_are_those_of_a_plain_slow_count(data):
    n_people, n = data.draw(st.integers(1, 6)), data.draw(st.integers(2, 5))
    each = np.array(
        data.draw(
            st.lists(
                st.lists(st.integers(0, 4), min_size=n, max_size=n), min_size=n_people, max_size=n_people
            )
        )
    )
    pooled = np.array(data.draw(st.lists(st.integers(0, 4), min_size=n, max_size=n)))

    votes = vote(each, pooled, [str(i) for i in range(n)])

    differing = set()
    for i in range(n):
        borda = copeland = 0.0
        for j in range(n):
            if i == j:
                continue
            above = sum(1.0 if p[i] > p[j] else 0.5 if p[i] == p[j] else 0.0 for p in each)
            assert votes.majority[i, j] == pytest.approx(above / n_people)
            borda += above / n_people
            copeland += 1.0 if above > n_people / 2 else 0.5 if above == n_people / 2 else 0.0
            if pooled[i] > pooled[j] and above < n_people / 2:
                differing.add((str(i), str(j)))
        assert votes.borda[i] == pytest.approx(borda / (n - 1))
        assert votes.copeland[i] == pytest.approx(copeland / (n - 1))
    assert {(d.pooled_prefers, d.majority_prefers) for d in votes.disagreements} == differing
    assert votes.borda.mean() == pytest.approx(0.5)


def test_only_a_seeded_sample_of_many_profiles_is_voted_on():
    profiles = [Profile((("age", i),), name=f"p{i}") for i in range(300)]

    sample = profiles_to_vote_on(profiles, seed=3)

    assert len(sample) == len(set(sample)) == 200
    assert sample == profiles_to_vote_on(profiles, seed=3)
    assert profiles_to_vote_on(profiles[:5], seed=3) == tuple(profiles[:5])


@pytest.mark.parametrize(
    ("each", "pooled", "names", "people", "message"),
    [
        ([[1, 2]], [1, 2, 3], "abc", None, "of shape"),
        ([[1]], [1], "a", None, "two profiles or more"),
        ([[1, np.nan]], [1, 2], "ab", None, "not finite"),
        ([[1, 2]], [1, 2], "ab", [0], "not all zero"),
    ],
)
def test_votes_that_make_no_sense_are_refused(each, pooled, names, people, message):
    with pytest.raises(EstimationError, match=message):
        vote(each, pooled, names, people=people)
