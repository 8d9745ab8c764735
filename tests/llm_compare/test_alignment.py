from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from llm_compare.alignment import align, align_all, rank_correlation
from llm_compare.consistency import side_consistency
from llm_compare.errors import NotComparable
from llm_compare.rates import clustered_rate
from survey.answers import Answer, AnswerSet, Choice, RespondentKind
from survey.design import Profile, design_hash
from survey.design_file import example_design
from survey.published_answers import import_study_1_counts

DESIGN = example_design("kidney-study1")
SETTINGS = {"bootstrap": 0, "n_splits": 50, "seed": 1}


@pytest.fixture(scope="module")
def people() -> AnswerSet:
    return import_study_1_counts()


def replies(
    rule: Callable[[Profile, Profile], Choice], *, repeats: int = 2, arm: str = "with-coin"
) -> AnswerSet:
    answers = [
        Answer(
            respondent="a model",
            kind=RespondentKind.MODEL,
            arm=arm,
            position=None,
            left=left,
            right=right,
            choice=rule(left, right),
            indecision_offered=DESIGN.arm(arm).indecision_offered,
            design_hash=design_hash(DESIGN),
            wave=wave,
        )
        for c in DESIGN.comparisons()
        for left, right in ((c.first, c.second), (c.second, c.first))
        for wave in range(1, repeats + 1)
    ]
    return AnswerSet(attributes=DESIGN.attributes, answers=answers, source="constructed")


def youngest_first(left: Profile, right: Profile) -> Choice:
    if left["age"] == right["age"]:
        return Choice.INDECISION
    return Choice.LEFT if left["age"] < right["age"] else Choice.RIGHT


def aligned(people, model, **changes):
    settings = {"model_label": "m", "profiles": DESIGN.profiles(), **SETTINGS, **changes}
    return align(people, model, **settings)


def majority_rule(people) -> Callable[[Profile, Profile], Choice]:
    from collections import Counter

    votes: dict[frozenset[Profile], Counter[object]] = {}
    for a in people.answers:
        if a.indecision_offered:
            chosen = {Choice.LEFT: a.left, Choice.RIGHT: a.right}.get(a.choice, a.choice)
            votes.setdefault(frozenset((a.left, a.right)), Counter())[chosen] += 1

    def rule(left: Profile, right: Profile) -> Choice:
        best = votes[frozenset((left, right))].most_common(1)[0][0]
        return best if isinstance(best, Choice) else Choice.LEFT if best == left else Choice.RIGHT

    return rule


def test_a_model_that_gives_the_majority_answer_agrees_in_full_and_beats_every_person(people):
    a = aligned(people, replies(majority_rule(people)), prior_answers=5)

    assert a.agreement.model_answers.value == 1
    assert a.agreement.model_majority == 1
    assert a.agreement.person_answers < 0.7
    assert a.agreement.n_comparisons == 14


def test_people_compared_with_themselves_reach_about_their_own_ceiling(people):
    # A model that answers as the people did, in the same shares: one answer drawn for each of theirs.
    rng = np.random.default_rng(7)
    with_coin = [a for a in people.answers if a.indecision_offered]
    drawn = [
        replace(with_coin[i], respondent="a model", kind=RespondentKind.MODEL)
        for i in rng.integers(len(with_coin), size=len(with_coin))
    ]
    a = aligned(people, replace(people, answers=drawn))

    assert a.agreement.model_answers.value == pytest.approx(a.agreement.person_answers, abs=0.05)
    assert a.model.indecision.value == pytest.approx(a.people.indecision.value, abs=0.05)
    assert a.ranks.kendall > 0.9


def test_the_ceiling_is_what_one_half_of_the_people_reaches_against_the_other(people):
    # Oracle: the expected agreement of a random half with the other half's majority, by plain simulation.
    rng = np.random.default_rng(0)
    by_comparison: dict[object, list[object]] = {}
    for a in people.answers:
        if a.indecision_offered:
            chosen = {Choice.LEFT: a.left, Choice.RIGHT: a.right}.get(a.choice, a.choice)
            by_comparison.setdefault(frozenset((a.left, a.right)), []).append(chosen)
    shares = []
    for _ in range(100):
        matched = total = 0
        for answers in by_comparison.values():
            shuffled = [answers[i] for i in rng.permutation(len(answers))]
            half = len(shuffled) // 2
            for mine, other in ((shuffled[:half], shuffled[half:]), (shuffled[half:], shuffled[:half])):
                counts = sorted((other.count(x) for x in set(other)), reverse=True)
                if len(counts) > 1 and counts[0] == counts[1]:
                    continue
                mode = max(set(other), key=other.count)
                matched += mine.count(mode)
                total += len(mine)
        shares.append(matched / total)

    a = aligned(people, replies(youngest_first), prior_answers=5)
    assert a.agreement.person_answers == pytest.approx(np.mean(shares), abs=0.01)


def test_indecision_rates_are_those_of_the_data(people):
    a = aligned(people, replies(youngest_first), prior_answers=5)

    assert a.people.indecision.value == pytest.approx(275 / 930)
    assert a.model.indecision.value == pytest.approx(0.5)  # Seven of the 14 comparisons have equal ages.


def test_a_model_with_a_single_rule_is_regularized_on_all_sides_and_the_notes_say_so(people):
    models = {"young": replies(youngest_first), "drawn": replies(majority_rule(people))}

    both = align_all(people, models, profiles=DESIGN.profiles(), **SETTINGS)

    assert {a.people.fit.prior_answers for a in both} == {5.0}
    assert all(a.model.fit.prior_answers == 5.0 for a in both)
    assert "regularized alike by 5 prior answers" in both[0].notes[0]
    assert both[0].model.fit.weights.coefficients["age"].value < -0.1


def test_always_left_is_found_out_by_exchanging_the_sides(people):
    a = aligned(people, replies(lambda left, right: Choice.LEFT), prior_answers=5)

    assert a.model.consistency.same_choice.value == 0
    assert a.model.consistency.left.value == 1
    assert a.ranks.kendall is None  # Every profile has the same weight, so there is no order to compare.


def test_answers_do_not_depend_on_which_side_was_shown_first(people):
    model = replies(youngest_first)
    mirrored = replace(
        model,
        answers=[replace(a, left=a.right, right=a.left, choice=a.choice.mirrored) for a in model.answers],
    )

    one, other = (aligned(people, m, prior_answers=5) for m in (model, mirrored))
    assert one.agreement == other.agreement
    assert one.shares == other.shares


def test_the_same_seed_gives_the_same_numbers(people):
    one, other = (aligned(people, replies(youngest_first), prior_answers=5, bootstrap=40) for _ in range(2))

    assert one.agreement == other.agreement
    assert one.model.fit.weights == other.model.fit.weights


def test_only_answers_given_under_the_models_condition_count(people):
    def older_first(left: Profile, right: Profile) -> Choice:
        return Choice.LEFT if left["age"] >= right["age"] else Choice.RIGHT

    a = aligned(people, replies(older_first, arm="no-coin"), prior_answers=5)

    assert a.people.n_answers == 900
    assert a.people.indecision is None
    assert any("930 of the people's answers" in note for note in a.notes)


def test_a_model_asked_about_other_attributes_is_refused(people):
    kidney_8 = example_design("kidney-8")
    other = AnswerSet(attributes=kidney_8.attributes, answers=replies(youngest_first).answers, source="x")

    with pytest.raises(NotComparable, match="people's study design"):
        aligned(people, other)


def test_a_model_without_a_readable_reply_is_refused(people):
    with pytest.raises(NotComparable, match="no reply of m is a readable choice"):
        aligned(people, AnswerSet(attributes=DESIGN.attributes, answers=[], source="x"))


def test_without_a_comparison_in_common_agreement_is_absent_and_the_rest_stays(people):
    model = replies(majority_rule(people))
    asked = {frozenset((a.left, a.right)) for a in model.answers}
    moved = [
        replace(a, left=DESIGN.profile({**a.left.as_dict(), "age": 90, "dependents": 1}))
        for a in model.answers
    ]
    moved = [a for a in moved if frozenset((a.left, a.right)) not in asked and a.left != a.right]
    a = aligned(people, replace(model, answers=moved), prior_answers=5)

    assert a.agreement.model_answers is None
    assert a.agreement.n_comparisons == 0
    assert any("no comparison in common" in note for note in a.notes)
    assert a.ranks.n_profiles == 36


def test_respondents_are_never_in_both_halves(people):
    # Two kinds of people with opposite answers: halves by person differ from halves by answer only if respondents
    # are kept whole, which makes the spread over splits much larger than for answers drawn one by one.
    answers = []
    for person in range(20):
        for a in replies(youngest_first, repeats=1).answers[::2]:
            choice = Choice.LEFT if person % 2 else Choice.RIGHT
            answers.append(replace(a, respondent=f"p{person}", choice=choice, kind=RespondentKind.HUMAN))
    known = replace(people, answers=answers)
    unknown = replace(people, answers=[replace(a, respondent=None) for a in answers])
    spread = {}
    for name, s in (("known", known), ("unknown", unknown)):
        a = aligned(s, replies(youngest_first), prior_answers=5, n_splits=200)
        low, high = a.agreement.person_answers_range
        spread[name] = high - low

    assert spread["known"] > 1.5 * spread["unknown"]


def test_an_interval_over_clusters_has_its_stated_coverage_and_the_naive_one_has_not():
    # 200 data sets of 20 comparisons x 10 repeats whose answers agree within a comparison: Beta(1, 1) shares.
    rng = np.random.default_rng(3)
    covered = naive = 0
    for _ in range(200):
        shares = rng.random(20)
        hits = (rng.random((20, 10)) < shares[:, None]).ravel().tolist()
        rate = clustered_rate(hits, np.repeat(np.arange(20), 10).tolist(), unit="comparison")
        covered += rate.low <= 0.5 <= rate.high
        half = 1.96 * (rate.value * (1 - rate.value) / 200) ** 0.5
        naive += abs(rate.value - 0.5) <= half

    assert covered >= 180  # 95 % of 200 is 190; three standard errors below is 181.
    assert naive < 160


def test_a_rate_without_exceptions_is_bounded_by_the_rule_of_three_on_clusters():
    rate = clustered_rate([False] * 100, [i // 10 for i in range(100)], unit="comparison")

    assert (rate.value, rate.low, rate.high) == (0, 0, 0.3)


def test_rank_correlation_of_an_order_with_its_reverse_is_minus_one(people):
    a = aligned(people, replies(youngest_first), prior_answers=5)
    weights = a.people.fit.weights
    reverse = replace(
        weights,
        coefficients={
            n: replace(e, value=-e.value, low=None, high=None) for n, e in weights.coefficients.items()
        },
    )

    ranks = rank_correlation(weights, reverse, DESIGN.profiles())
    assert ranks.kendall == pytest.approx(-1)
    assert ranks.spearman == pytest.approx(-1)


def sparse(n_people: int, n_comparisons: int, rng: np.random.Generator) -> AnswerSet:
    """Return answers of people who each see every comparison once and choose at random, indecision included."""
    answers = [
        Answer(
            respondent=f"p{person}",
            kind=RespondentKind.HUMAN,
            arm="with-coin",
            position=None,
            left=c.first,
            right=c.second,
            choice=list(Choice)[rng.choice(3, p=[0.6, 0.25, 0.15])],
            indecision_offered=True,
            design_hash=design_hash(DESIGN),
        )
        for c in DESIGN.comparisons()[:n_comparisons]
        for person in range(n_people)
    ]
    return AnswerSet(attributes=DESIGN.attributes, answers=answers, source="made up")


def test_one_more_person_like_the_others_is_measured_as_near_to_people_as_they_are_to_each_other():
    # With few people per comparison a majority of all is much easier to meet than one of half of them, and tied
    # comparisons are left out: only against the same halves is the ceiling a fair landmark.
    rng = np.random.default_rng(11)
    gaps, unfair = [], []
    for _ in range(12):
        people = sparse(6, 14, rng)
        another = sparse(1, 14, rng)
        model = replace(
            another,
            answers=[replace(a, respondent="m", kind=RespondentKind.MODEL) for a in another.answers],
        )
        a = aligned(people, model, prior_answers=5, n_splits=40).agreement
        gaps.append(a.model_answers_halves - a.person_answers)
        unfair.append(a.model_answers.value - a.person_answers)

    assert abs(np.mean(gaps)) < 0.04
    assert np.mean(unfair) > np.mean(gaps)


def test_two_unknown_people_are_not_taken_for_one_who_was_asked_twice(people):
    (one, *_) = people.answers
    both_ways = [one, replace(one, left=one.right, right=one.left)]

    assert side_consistency(both_ways).same_choice is None
    asked_twice = [replace(a, respondent="p1") for a in both_ways]
    assert side_consistency(asked_twice).same_choice.n_answers == 1


def test_side_consistency_of_several_people_is_clustered_by_person(people):
    (one, *_) = people.answers
    answers = [
        replace(a, respondent=f"p{i}")
        for i in range(4)
        for a in (one, replace(one, left=one.right, right=one.left))
    ]

    measured = side_consistency(answers)
    assert (measured.left.unit, measured.left.n_clusters) == ("respondent", 4)
    assert (measured.same_choice.unit, measured.same_choice.n_clusters) == ("respondent", 4)


def test_clusters_that_all_have_the_same_share_still_give_an_interval():
    # Whoever answers by the patients has exactly half left in every comparison asked both ways round.
    rate = clustered_rate([True, False] * 12, [i // 2 for i in range(24)], unit="comparison")

    assert (rate.value, rate.low, rate.high) == pytest.approx((0.5, 0.375, 0.625))


def test_models_asked_with_and_without_indecision_are_not_put_in_one_table(people):
    def older_first(left: Profile, right: Profile) -> Choice:
        return Choice.LEFT if left["age"] >= right["age"] else Choice.RIGHT

    models = {"one": replies(youngest_first), "other": replies(older_first, arm="no-coin")}
    with pytest.raises(NotComparable, match="one with, other without"):
        align_all(people, models, profiles=DESIGN.profiles(), **SETTINGS)


def test_answers_of_models_among_the_peoples_are_left_out(people):
    with_model = replace(people, answers=[*people.answers, *replies(youngest_first).answers])
    a = aligned(with_model, replies(youngest_first), prior_answers=5)

    assert a.people.n_answers == 930
    assert any("56 answers of models" in note for note in a.notes)


def test_whose_answers_cannot_tell_the_weights_is_said(people):
    model = replies(youngest_first)
    one_age = replace(model, answers=[a for a in model.answers if a.left["age"] == a.right["age"]])

    with pytest.raises(NotComparable, match="constructed: attribute weights cannot be estimated"):
        aligned(people, one_age, prior_answers=5)
