"""Curves of categories by people."""

from __future__ import annotations

import random
from itertools import combinations, pairwise
from math import exp, log, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from survey.coding.guest import guest_runs
from survey.coding.number_words import saturation_sentences
from survey.coding.saturation import (
    MOST_POINTS,
    coverage,
    expected_categories,
    further,
    saturation_of,
    unseen_categories,
)
from survey.coding.saturation_band import half_widths
from survey.suggestions import Stance

S = Stance.SHOULD


def people(coded, sets, **more):
    """Return a coding in which each person names a set, the first one first."""
    said = [(f"p{i:03}", S, {"ann": c}) for i, own in enumerate(sets) for c in sorted(own)]
    return coded(said, **more)


@given(st.lists(st.frozensets(st.sampled_from("abcde"), min_size=1), min_size=1, max_size=7))
def test_the_expected_number_is_the_mean_over_all_choices_of_people(sets):
    n = len(sets)
    frequencies = np.array([sum(c in own for own in sets) for c in sorted(frozenset().union(*sets))])
    slow = [
        np.mean([len(frozenset().union(*chosen)) for chosen in combinations(sets, t)])
        for t in range(1, n + 1)
    ]

    found = expected_categories(n, frequencies, np.arange(1, n + 1))

    assert found == pytest.approx(slow)


def test_the_curve_is_what_random_orders_give_on_average(coded):
    rng = random.Random(5)
    names = [f"c{i:02}" for i in range(15)]
    sets = [
        frozenset(n for k, n in enumerate(names, 1) if rng.random() < 0.8 / k) or {"c00"} for _ in range(40)
    ]
    totals = np.zeros(40)
    for _ in range(2000):
        seen: set[str] = set()
        for place, own in enumerate(rng.sample(sets, len(sets))):
            seen |= own
            totals[place] += len(seen)

    found = saturation_of(people(coded, sets))

    assert [p.categories for p in found.expected] == pytest.approx(totals / 2000, abs=0.15)
    assert found.expected[-1].categories == pytest.approx(found.categories)
    assert all(p.low <= p.categories <= p.high for p in found.expected)


def held(coded, rng, chances, *, n, t, rounds):
    """Return the share of rounds in which the band at t of n people holds what t such people name on average."""
    truth = (1 - (1 - chances) ** t).sum()
    inside = 0
    for _ in range(rounds):
        named = rng.random((n, len(chances))) < chances
        sets = [{f"c{c:02}" for c in np.flatnonzero(row)} for row in named]
        # Who names nothing is left out of such a coding: it would be another population.
        assert all(sets)
        point = saturation_of(people(coded, sets)).expected[t - 1]
        assert point.people == t
        inside += point.low is not None and point.low <= truth <= point.high
    return inside / rounds


def test_the_band_holds_what_as_many_others_would_name(coded):
    chances = np.concatenate([[0.999999], 0.5 / np.arange(1, 31)])

    assert held(coded, np.random.default_rng(6), chances, n=40, t=20, rounds=100) >= 0.9


def test_the_band_holds_it_also_where_all_name_the_same_few(coded):
    # Everything is named by many: a variance that is 0 where nothing is unseen holds it in a fifth of the rounds.
    chances = np.random.default_rng(7).uniform(0.3, 0.9, 16)

    assert held(coded, np.random.default_rng(8), chances, n=40, t=20, rounds=60) >= 0.9


@pytest.mark.parametrize(
    ("sets", "t", "variance"),
    [
        # Each is missed by four with chance 1/16; the two are named by different people as often as by the same.
        (["ab", "a", "b", ""], 4, 2 * 15 / 16**2),
        # A mean of two shares of one half, each with variance 1/16.
        (["ab", "a", "b", ""], 1, 2 / 16),
        # Half of the people name two, half none: the mean of four such numbers.
        (["ab", "ab", "", ""], 1, 1 / 4),
        # Who names one never names the other; that is not believed to make the band narrower.
        (["a", "a", "b", "b"], 1, 2 / 16),
        # a and b are each named by one, c by four: Chao2 3/4 unseen, which take 1 - (1 - 2/6 * 3/5) = 1/5 of 6/4.
        # So one unseen one is named by .3, and a and b by 1/4 - .3 / 2.
        (["abc", "c", "c", "c"], 4, 2 * 0.9**4 * (1 - 0.9**4) + 0.7**4 * (1 - 0.7**4) + 2 * 0.9**6 * 3 / 4),
        (["ab"] * 5, 3, 0),
    ],
)
def test_the_variance_of_the_band_is_that_worked_out_by_hand(sets, t, variance):
    n = len(sets)
    frequencies = np.array([k for k in (sum(c in own for own in sets) for c in "abc") if k])
    once, twice = (int((frequencies == k).sum()) for k in (1, 2))

    half = half_widths(
        [frozenset(own) for own in sets],
        np.array([t]),
        unseen=unseen_categories(n, once, twice),
        coverage=coverage(n, int(frequencies.sum()), once, twice),
    )

    assert half == pytest.approx(stats.t.ppf(0.975, n - 1) * sqrt(variance))


def test_estimates_of_what_is_unseen_are_those_worked_out_by_hand():
    # Ten people; four categories named once, two named twice: 9/10 * 4² / (2 * 2).
    assert unseen_categories(10, 4, 2) == pytest.approx(3.6)
    # None named twice: the bias-corrected form, 9/10 * 4 * 3 / 2.
    assert unseen_categories(10, 4, 0) == pytest.approx(5.4)
    assert unseen_categories(10, 0, 3) == 0
    assert coverage(10, 25, 4, 2) == pytest.approx(1 - 4 / 25 * (9 * 4) / (9 * 4 + 2 * 2))
    assert coverage(10, 25, 4, 0) == pytest.approx(1 - 4 / 25 * (9 * 3) / (9 * 3 + 2))
    assert coverage(10, 25, 0, 2) == 1
    assert coverage(10, 25, 1, 0) == pytest.approx(1 - 1 / 25)
    assert (coverage(10, 0, 0, 0), coverage(1, 3, 3, 0)) == (None, None)
    assert further(10, 4, 3.6, 5) == pytest.approx(3.6 * (1 - (1 - 4 / (4 + 36)) ** 5))


def test_chao2_has_its_published_interval(coded):
    # Three of five people name one category each that nobody else names; two share two others.
    sets = [{"a", "x"}, {"b", "x"}, {"c", "y"}, {"y"}, {"d", "z"}]
    found = saturation_of(people(coded, [frozenset(own) for own in sets]))

    # Once: a b c d z; twice: x y. 7 + 4/5 * 25 / 4.
    assert (found.named_once, found.named_twice, found.categories) == (5, 2, 7)
    assert found.estimated.value == pytest.approx(12)
    # Chao (1987): variance Q2 (k/2 r² + k² r³ + k²/4 r⁴), r = 5/2, k = 4/5, and a log-normal interval.
    variance = 2 * (0.4 * 2.5**2 + 0.64 * 2.5**3 + 0.16 * 2.5**4)
    spread = exp(1.959964 * sqrt(log(1 + variance / 25)))
    assert (found.estimated.low, found.estimated.high) == pytest.approx(
        (7 + 5 / spread, 7 + 5 * spread), abs=1e-4
    )


def test_how_many_more_to_ask_is_the_first_number_after_which_ten_bring_less_than_one(coded):
    rng = random.Random(2)
    names = [f"c{i:03}" for i in range(120)]
    found = saturation_of(people(coded, [frozenset(rng.sample(names, 3)) for _ in range(30)]))
    unseen = found.estimated.value - found.categories

    def new_of_ten_after(m: int) -> float:
        return further(30, found.named_once, unseen, m + 10) - further(30, found.named_once, unseen, m)

    assert found.new_of_next_ten > 1
    assert new_of_ten_after(found.more_people) < 1 <= new_of_ten_after(found.more_people - 1)
    assert "too far to be trusted" in " ".join(saturation_sentences(found))
    assert found.extrapolated[0].categories == found.categories
    assert found.extrapolated[-1].people == 60


def test_each_point_tells_what_one_more_person_is_expected_to_add(coded):
    sets = [frozenset({f"c{i % 4}", f"d{i}"}) for i in range(12)]
    found = saturation_of(people(coded, sets))

    points = [*found.expected, *found.extrapolated[1:]]
    assert [p.people for p in points] == list(range(1, 25))
    for point, following in pairwise(points):
        assert point.new_of_next == pytest.approx(following.categories - point.categories)
    assert found.expected[-1].new_of_next == pytest.approx(found.new_of_next)


def test_runs_are_those_of_the_rule_with_four_people_and_two():
    # New by person: 4 3 2 1 | 1 0 0 0. Base 10; run (5, 6) brings 1, 10 %; run (6, 7) none.
    found = guest_runs([4, 7, 9, 10, 11, 11, 11, 11])

    assert (found.base_categories, found.new_of_runs) == (10, (1, 0, 0))
    assert (found.at_five_percent, found.at_zero) == (7, 7)
    assert guest_runs([1, 2, 3, 4, 5]) is None
    assert guest_runs([0, 0, 0, 0, 1, 1]) is None
    never = guest_runs([1, 2, 3, 4, 5, 6, 7])
    assert (never.at_five_percent, never.at_zero) == (None, None)
    # One of twenty is 5 %, and not none.
    twenty = guest_runs([5, 10, 15, 20, 21, 21])
    assert (twenty.at_five_percent, twenty.at_zero) == (6, None)


def test_an_order_that_is_not_known_is_not_made_up(coded, asking):
    asked = [asking("p000", order=1), asking("p001")]
    found = saturation_of(people(coded, [{"age"}, {"luck"}], asked=asked))

    assert (found.observed, found.guest) == ((), None)
    assert "1 of 2" in found.observed_reason
    assert "not known" in " ".join(saturation_sentences(found))
    assert [p.categories for p in found.expected] == pytest.approx([1, 2])


def test_nobody_asked_and_nothing_named_say_nothing_of_more(coded, asking):
    nobody = saturation_of(coded([]))
    nothing = saturation_of(coded([], asked=[asking("p1", order=1), asking("p2", order=2)]))

    for found, n in ((nobody, 0), (nothing, 2)):
        assert (found.people, found.categories, found.estimated, found.coverage) == (n, 0, None, None)
        assert (found.new_of_next, found.more_people, found.extrapolated) == (None, None, ())
        assert "Nothing can be said" in " ".join(saturation_sentences(found))
    assert nothing.observed == (0, 0)
    assert [p.categories for p in nothing.expected] == [0, 0]


def test_who_named_nothing_still_flattens_the_curve(coded, asking):
    sets = [{"age"}, {"age"}]
    silent = [asking(f"q{i}", order=i) for i in range(3, 7)]

    bare = saturation_of(people(coded, sets))
    more = saturation_of(people(coded, sets, asked=silent))

    assert (bare.people, more.people) == (2, 6)
    # One of six names age with chance 2/6.
    assert more.expected[0].categories == pytest.approx(1 / 3)


def test_a_long_curve_is_told_in_few_points_that_begin_and_end_where_it_does(coded):
    found = saturation_of(people(coded, [{f"c{i % 7}"} for i in range(1000)]))

    assert len(found.expected) <= MOST_POINTS
    assert [found.expected[0].people, found.expected[-1].people] == [1, 1000]
    assert len(found.observed) == 1000


@given(st.lists(st.frozensets(st.sampled_from("abcdef")), min_size=2, max_size=12), st.integers(1, 30))
def test_more_people_name_more_and_every_further_one_fewer_new(sets, m):
    frequencies = np.array(
        [k for k in (sum(c in own for own in sets) for c in "abcdef") if k], dtype=np.int64
    )
    if not len(frequencies):
        return
    n = len(sets)
    mean = expected_categories(n, frequencies, np.arange(1, n + 1))
    steps = np.diff(np.concatenate([[0], mean]))
    once, twice = (int((frequencies == k).sum()) for k in (1, 2))
    unseen = unseen_categories(n, once, twice)

    assert np.all(steps >= -1e-9)
    assert np.all(np.diff(steps) <= 1e-9)
    assert further(n, once, unseen, m) <= further(n, once, unseen, m + 1) + 1e-12
    assert further(n, once, unseen, 10**6) == pytest.approx(unseen)


def test_of_one_person_or_a_single_odd_category_nothing_is_said_of_further_ones(coded, asking):
    one = saturation_of(people(coded, [{"age", "luck", "job"}]))
    # Chao2 is 0 here whatever the truth; of five people that is no reason to stop.
    odd = saturation_of(people(coded, [{"age"}, {"age"}, {"age", "luck"}, {"age"}, {"age"}]))

    for found, why in ((one, "one person alone"), (odd, "too little to estimate from")):
        said = " ".join(saturation_sentences(found))
        assert (found.new_of_next, found.new_of_next_ten, found.more_people) == (None, None, None)
        assert found.extrapolated == ()
        assert found.expected[-1].new_of_next is None
        assert why in said
        assert "reason to stop" not in said
    assert one.expected[0].low is None


def test_a_band_without_width_is_no_interval(coded):
    found = saturation_of(people(coded, [{"age", "luck"}] * 12))

    assert {(p.low, p.high) for p in found.expected} == {(None, None)}


@pytest.mark.parametrize(("n", "words"), [(5, "5 asked are too few to tell"), (12, "a reason to stop")])
def test_few_people_are_no_reason_to_stop(coded, n, words):
    said = " ".join(saturation_sentences(saturation_of(people(coded, [{"age", "luck"}] * n))))

    assert words in said
    assert ("a reason to stop" in said) is (n == 12)
    assert ("About 100 %" in said) is (n == 12)


@pytest.mark.parametrize("how", [{}, {"ann": "-"}, {"ann": "age", "ben": "luck"}])
def test_suggestions_without_a_category_are_no_reason_to_stop(coded, how):
    said = [(f"p{i}", S, {"ann": c}) for i in range(12) for c in ("age", "luck")]
    words = " ".join(saturation_sentences(saturation_of(coded([*said, ("p1", S, how)]))))

    assert "1 suggestion without a category may hold others" in words
    assert "a reason to stop" not in words


def test_what_is_left_out_of_a_curve_is_of_its_question(coded):
    coding = coded([("p1", S, {"ann": "age"}), ("p1", Stance.SHOULD_NOT, {}), ("p2", S, {"ann": "!"})])

    both, should, should_not = (saturation_of(coding, stance=s).left_out for s in (None, *Stance))

    assert (both.uncoded, both.unusable) == (1, 1)
    assert (should.uncoded, should.unusable) == (0, 1)
    assert (should_not.uncoded, should_not.unusable) == (1, 0)
