"""Counts of twenty people whose answers are written out here; every number beside is computed by hand."""

from __future__ import annotations

from math import comb, sqrt

import pytest

from survey.answers import RespondentKind
from survey.coding.agreement import agreement_of
from survey.coding.coding import Coding
from survey.coding.counts import CategoryCounts, counts_of
from survey.coding.final import How, final_codes
from survey.coding.groups import THE_OTHERS, group_counts
from survey.coding.results import results_of
from survey.coding.saturation import saturation_of
from survey.coding.shares import paired_difference
from survey.suggestions import Stance

S, N = Stance.SHOULD, Stance.SHOULD_NOT


def name(i: int) -> str:
    return f"p{i:02}"


@pytest.fixture
def coding(coded, asking) -> Coding:
    """Twenty people. 1-10 are women, 11-19 men, 20 does not say and is asked only what should count."""
    asked = [asking(name(i), order=i, gender="woman" if i <= 10 else "man") for i in range(1, 20)]
    asked.append(asking(name(20), order=20, stances=(S,)))
    said = [(name(i), S, {"ann": "age"}) for i in range(1, 9)]  # Eight for age …
    said.append((name(1), S, {"ann": "age"}))  # … one of them twice.
    said += [(name(i), N, {"ann": "age"}) for i in range(8, 13)]  # Five against; the eighth says both.
    said += [(name(1), S, {"ann": "wealth"})]
    said += [(name(i), N, {"ann": "wealth"}) for i in range(2, 12)]  # Ten against wealth.
    said += [(name(i), S, {"ann": "smoking"}) for i in (12, 13, 14)]
    said += [(name(13), S, {"ann": "luck"})]
    said += [(name(i), S, {"ann": "job"}) for i in (12, 14)]
    said += [
        (name(15), S, {"ann": "!"}),
        (name(16), S, {"ann": "age", "ben": "-", "adjudicated": "-"}),
        (name(17), S, {"ann": "age", "ben": "wealth"}),  # Open.
        (name(18), S, {"model-x": "age"}),  # Not coded by a person.
        # Nineteen and twenty name nothing.
    ]
    return coded(said, asked=asked, categories=["fate"])


@pytest.fixture
def counts(coding) -> CategoryCounts:
    return counts_of(coding)


def test_everybody_asked_is_counted_and_every_suggestion_is_somewhere(counts):
    assert (counts.asked, counts.asked_for, counts.asked_against, counts.asked_both) == (20, 20, 19, 19)
    assert counts.named_nothing == 2
    # 8 + 1 + 5 for age, 1 + 10 wealth, 3 smoking, 1 luck, 2 job, 4 that are in no category.
    assert counts.suggestions == 35
    left_out = counts.left_out
    assert (left_out.open, left_out.uncoded, left_out.no_category, left_out.unusable) == (1, 1, 1, 1)
    assert left_out.not_asked == 0
    assert sum(c.mentions for c in counts.categories) == 31


def test_people_are_counted_once_and_mentions_as_often_as_made(counts):
    assert [
        (c.category, c.mentions, c.for_people, c.against_people, c.both_people, c.either_people)
        for c in counts.categories
    ] == [
        ("age", 14, 8, 5, 1, 12),
        ("wealth", 11, 1, 10, 0, 11),
        ("smoking", 3, 3, 0, 0, 3),
        ("job", 2, 2, 0, 0, 2),
        ("luck", 1, 1, 0, 0, 1),
        ("fate", 0, 0, 0, 0, 0),
    ]


def test_shares_are_of_those_asked_that_question(counts):
    age = counts.of("age")

    assert (age.for_share.count, age.for_share.of, age.for_share.value) == (8, 20, 0.4)
    # Wilson: (8 + z²/2 ± z sqrt(8 * 12 / 20 + z²/4)) / (20 + z²) with z = 1.959964.
    assert (age.for_share.low, age.for_share.high) == pytest.approx((0.21881, 0.61342), abs=1e-5)
    assert (age.against_share.count, age.against_share.of) == (5, 19)
    assert (age.either_share.count, age.either_share.of) == (12, 20)
    fate = counts.of("fate")
    # Nobody of twenty: from 0 to z² / (20 + z²).
    assert (fate.for_share.value, fate.for_share.low) == (0, 0)
    assert fate.for_share.high == pytest.approx(3.841459 / 23.841459, abs=1e-6)


def test_for_minus_against_is_of_the_people_asked_both(counts):
    difference = counts.of("age").difference

    # Of nineteen: one says both, seven only for, four only against, seven neither.
    assert difference.value == pytest.approx(3 / 19)
    assert difference == paired_difference(both=1, only_first=7, only_second=4, neither=7)
    # By Newcombe's formula written out: Wilson's intervals of 8 and 5 of 19, and the correlation of the two.
    z2, n = 1.959964**2, 19

    def wilson(k):
        half = sqrt(z2) * sqrt(k * (n - k) / n + z2 / 4)
        return (k + z2 / 2 - half) / (n + z2), (k + z2 / 2 + half) / (n + z2)

    (l1, u1), (l2, u2) = wilson(8), wilson(5)
    phi = (1 * 7 - 7 * 4) / sqrt(8 * 11 * 5 * 14)
    d1, d2, e1, e2 = 8 / n - l1, u2 - 5 / n, u1 - 8 / n, 5 / n - l2
    assert difference.low == pytest.approx(3 / n - sqrt(d1**2 - 2 * phi * d1 * d2 + d2**2), abs=1e-6)
    assert difference.high == pytest.approx(3 / n + sqrt(e1**2 - 2 * phi * e1 * e2 + e2**2), abs=1e-6)


def test_women_and_men_are_compared_on_those_who_said_which_they_are(coding):
    groups = group_counts(coding, "gender", options=("woman", "man"))

    assert [(g.option, g.asked, g.asked_against, g.is_small) for g in groups.groups] == [
        ("woman", 10, 10, False),
        ("man", 9, 9, False),
    ]
    assert (groups.did_not_say, groups.overlap) == (1, False)
    # Somebody of a group named: age both ways, wealth both ways, smoking, luck, job.
    assert groups.tests == 7
    age = next(g for g in groups.categories if (g.category, g.stance) == ("age", S))
    assert [(s.count, s.of) for s in age.shares] == [(8, 10), (0, 9)]
    (contrast,) = age.contrasts
    assert (contrast.first, contrast.second, contrast.difference.value) == ("woman", "man", 0.8)
    # Of all ways in which 8 of 19 can be chosen, those no likelier than 8 of 10 and 0 of 9: this one, and 0 and 8.
    by_hand = (comb(10, 8) * comb(9, 0) + comb(10, 0) * comb(9, 8)) / comb(19, 8)
    assert contrast.p == pytest.approx(by_hand)
    # Against wealth are nine of ten women and one of nine men: (90 + 10 + 1) / 92378 is more than 54 / 75582,
    # so age has the smallest p of the seven tests, which Holm multiplies by seven.
    assert contrast.p_adjusted == pytest.approx(7 * by_hand)
    wealth = next(g for g in groups.categories if (g.category, g.stance) == ("wealth", N))
    assert wealth.contrasts[0].p_adjusted == pytest.approx(6 * 101 / comb(19, 10))


def test_of_three_groups_each_is_compared_with_the_others(coded, asking):
    asked = [asking(name(i), area="abc"[i % 3]) for i in range(30)]
    found = group_counts(coded([(name(3), S, {"ann": "age"})], asked=asked), "area")

    (age,) = found.categories
    assert [(c.first, c.second) for c in age.contrasts] == [(o, THE_OTHERS) for o in "abc"]
    assert [(s.count, s.of) for s in age.shares] == [(1, 10), (0, 10), (0, 10)]
    assert [round(c.difference.value, 3) for c in age.contrasts] == [0.1, -0.05, -0.05]
    # One of thirty: the chance that it falls into the ten is a third, and no outcome is rarer.
    assert [c.p for c in age.contrasts] == pytest.approx([1 / 3, 1, 1])
    assert [c.p_adjusted for c in age.contrasts] == [1, 1, 1]


def test_who_chose_several_options_is_in_several_groups_and_small_ones_are_told(coded, asking):
    asked = [asking("p1", role="patient donor"), asking("p2", role="donor"), asking("p3")]
    found = group_counts(coded([("p1", S, {"ann": "age"})], asked=asked), "role")

    assert found.overlap
    assert found.did_not_say == 1
    assert [(g.option, g.asked, g.is_small) for g in found.groups] == [
        ("donor", 2, True),
        ("patient", 1, True),
    ]
    # Nobody but donors said anything: there are no others to compare donors with.
    (age,) = found.categories
    assert [(c.first, c.second) for c in age.contrasts] == [("patient", THE_OTHERS)]


def test_the_numbers_behind_saturation_are_those_counted_by_hand(coding):
    found = saturation_of(coding)

    # Named by 12 (age), 11 (wealth), 3 (smoking), 2 (job) and 1 (luck) of twenty.
    assert (found.people, found.categories, found.incidences) == (20, 5, 29)
    assert (found.named_once, found.named_twice) == (1, 1)
    # Chao2: 5 + 19/20 * 1² / (2 * 1).
    assert found.estimated.value == pytest.approx(5.475)
    # Chao and Jost: 1 - 1/29 * 19 * 1 / (19 * 1 + 2 * 1).
    assert found.coverage == pytest.approx(1 - 19 / (29 * 21))
    # One person names 29/20 on average; leaving one out misses luck with chance 1/20.
    assert found.expected[0].categories == pytest.approx(1.45)
    assert found.expected[18].categories == pytest.approx(4.95)
    assert found.expected[19].categories == pytest.approx(5)
    # 0.475 unseen: the next person meets 1 / (1 + 20 * 0.475) of it.
    assert found.new_of_next == pytest.approx(0.475 / 10.5)
    assert found.more_people == 0
    # In order: person 1 names age and wealth; 12 smoking and job; 13 luck; nothing new after.
    assert found.observed == (2,) * 11 + (4,) + (5,) * 8
    # The first run after the base (people 5 and 6) brings nothing: the rule stops long before the others come.
    assert (found.guest.base_categories, found.guest.at_five_percent, found.guest.at_zero) == (2, 6, 6)
    assert found.guest.new_of_runs == (0, 0, 0, 0, 0, 0, 2, 3, 1, 0, 0, 0, 0, 0, 0)


def test_each_question_has_its_own_curve(coding):
    against = saturation_of(coding, stance=N)

    assert (against.people, against.categories, against.incidences) == (19, 2, 15)


def test_final_codes_come_as_they_were_made(coding):
    final = final_codes(coding)

    assert (final.n(How.ADJUDICATED), final.n(How.AGREED), final.n(How.OPEN), final.n(How.UNCODED)) == (
        1,
        32,
        1,
        1,
    )
    assert agreement_of(coding, final, draws=0).by_two == 2


def test_the_results_hold_the_same_numbers_and_how_they_were_made(coding):
    results = results_of(
        coding, coding_sha256="cd" * 32, options={"gender": ("woman", "man")}, draws=20, seed=3
    )

    assert results.counts == counts_of(coding)
    assert results.groups == (group_counts(coding, "gender", options=("woman", "man")),)
    assert results.saturation == tuple(saturation_of(coding, stance=stance) for stance in (None, S, N))
    assert (results.final.agreed, results.final.open, results.final.uncoded) == ({1: 32}, 1, 1)
    assert (results.draws, results.seed, results.coding_sha256, results.models) == (20, 3, "cd" * 32, ())


def test_models_and_simulated_participants_are_counted_apart(coded, asking):
    asked = [
        asking("p1"),
        asking("p2", simulated=True),
        asking("x#1", kind=RespondentKind.MODEL),
        asking("x#2", kind=RespondentKind.MODEL),
    ]
    human = coded([("p1", S, {"ann": "age"}), ("p2", S, {"ann": "wealth"})], asked=asked)
    model = coded([("x#1", S, {"ann": "age"})], asked=asked, kind=RespondentKind.MODEL)
    both = coded([("p1", S, {"ann": "age"}), ("p2", S, {"ann": "wealth"})], asked=asked, categories=["age"])

    assert [(c.category, c.for_people, c.asked) for c in counts_of(human).categories] == [
        ("age", 1, 1),
        ("wealth", 0, 1),
    ]
    simulated = counts_of(both, simulated=True)
    assert (simulated.simulated, simulated.of("wealth").for_people, simulated.asked) == (True, 1, 1)
    counted = counts_of(model, kind=RespondentKind.MODEL)
    assert (counted.asked, counted.of("age").for_people, counted.named_nothing) == (2, 1, 1)
    assert counts_of(model).suggestions == 0


def test_without_people_simulated_participants_are_counted_and_said_to_be(coded, asking):
    counts = counts_of(coded([("p1", S, {"ann": "age"})], asked=[asking("p1", simulated=True)]))

    assert (counts.simulated, counts.of("age").for_people) == (True, 1)


def test_what_was_said_on_a_page_not_gone_on_from_is_left_out_and_told(coded, asking):
    counts = counts_of(
        coded([("p1", S, {"ann": "age"}), ("p1", N, {"ann": "wealth"})], asked=[asking("p1", stances=(S,))])
    )

    assert counts.left_out.not_asked == 1
    assert [(c.category, c.mentions) for c in counts.categories] == [("age", 1), ("wealth", 0)]
    assert counts.of("age").against_share is None
    assert counts.of("age").difference is None
