"""What respondents' answers say about how they answered, on hand-made respondents."""

from __future__ import annotations

from dataclasses import replace

import pytest
from scipy import stats

from estimation.diagnostics.participants import participants
from estimation.errors import EstimationError
from survey.answers import Answer, AnswerSet, Choice, RespondentKind, Role
from survey.design import DesignedRoles, ListedCheck
from survey.design_file import example_design
from survey.published_answers import import_study_1_counts

DESIGN = example_design("kidney-8")
PROFILES = [listed.profile for listed in DESIGN.listed_profiles]


def answer(
    left, right, choice, *, role=Role.MAIN, position=1, respondent="ann", seconds=5.0, wave=1
) -> Answer:
    return Answer(
        respondent=respondent,
        kind=RespondentKind.HUMAN,
        arm="main",
        position=position,
        left=left,
        right=right,
        choice=choice,
        indecision_offered=True,
        design_hash="",
        role=role,
        seconds=seconds,
        wave=wave,
    )


def one(answers, **given):
    (found,) = participants(AnswerSet(attributes=DESIGN.attributes, answers=answers, source="hand"), **given)
    return found


def test_shares_sides_and_times_are_those_of_the_main_answers():
    a, b, c, d = PROFILES[:4]
    choices = [Choice.LEFT] * 6 + [Choice.RIGHT] + [Choice.INDECISION]
    pairs = [(a, b), (b, c), (c, d), (a, c), (b, d), (a, d), (b, a), (c, b)]
    answers = [
        answer(left, right, choice, position=i, seconds=float(i))
        for i, ((left, right), choice) in enumerate(zip(pairs, choices, strict=True), 1)
    ]
    answers.append(answer(a, b, Choice.RIGHT, role=Role.CHECK, position=9, seconds=0.1))
    found = one(answers, fast_seconds=3.0)

    assert (found.n_answers, found.n_decided, found.n_left, found.n_waves) == (8, 7, 6, 1)
    assert found.indecision_share == pytest.approx(1 / 8)
    assert found.left_share == pytest.approx(6 / 7)
    assert found.side_p == pytest.approx(stats.binomtest(6, 7).pvalue)
    assert found.n_timed == 8
    assert found.fast_share == pytest.approx(2 / 8)
    assert found.attention.median_seconds == 5.0
    assert found.attention.longest_same_run == 6


def test_a_repeat_with_sides_exchanged_is_the_same_answer_if_the_same_patient_is_chosen():
    a, b, c = PROFILES[:3]
    answers = [
        answer(a, b, Choice.LEFT, position=1),
        answer(b, c, Choice.INDECISION, position=2),
        answer(a, c, Choice.LEFT, position=3),
        answer(b, a, Choice.RIGHT, role=Role.REPEAT, position=4),
        answer(c, b, Choice.INDECISION, role=Role.REPEAT, position=5),
        answer(c, a, Choice.LEFT, role=Role.REPEAT, position=6),
    ]
    found = one(answers)

    assert (found.attention.repeats_answered, found.attention.repeats_changed) == (3, 1)
    assert found.reliability == pytest.approx(2 / 3)
    assert one(answers[:3]).reliability is None


def test_a_repeat_belongs_to_its_own_wave():
    a, b = PROFILES[:2]
    answers = [
        answer(a, b, Choice.LEFT, position=1, wave=1),
        answer(a, b, Choice.RIGHT, position=1, wave=2),
        answer(b, a, Choice.LEFT, role=Role.REPEAT, position=2, wave=2),
    ]
    found = one(answers)

    assert found.n_waves == 2
    assert (found.attention.repeats_answered, found.attention.repeats_changed) == (1, 0)


def test_listed_checks_are_judged_whichever_side_they_stood_on_and_instructed_ones_are_unknown():
    a, b = PROFILES[:2]
    listed = replace(DESIGN, roles=DesignedRoles(checks=(ListedCheck(left=a, right=b, expected="left"),)))
    instructed = replace(DESIGN, roles=DesignedRoles(instructed=1))
    main = answer(a, b, Choice.LEFT)
    right_way = answer(b, a, Choice.RIGHT, role=Role.CHECK, position=2)
    wrong_way = answer(a, b, Choice.RIGHT, role=Role.CHECK, position=3)

    found = one([main, right_way, wrong_way], design=listed)
    assert (found.attention.checks_answered, found.attention.checks_failed, found.checks_unknown) == (2, 1, 0)
    for design in (None, instructed):
        found = one([main, right_way, wrong_way], design=design)
        assert (found.attention.checks_answered, found.checks_unknown) == (0, 2)


def test_choosing_a_dominated_patient_counts_and_indecision_does_not():
    design = example_design("kidney-numeric")
    base = {a.name: a.minimum for a in design.attributes}
    directed = [a for a in design.attributes if a.favours is not None]
    assert directed, "the design states directions"
    first = directed[0]
    low, high = (design.profile({**base, first.name: v}) for v in (first.minimum, first.maximum))
    better, worse = (low, high) if first.favours == "low" else (high, low)
    answers = [
        answer(better, worse, Choice.LEFT),
        answer(better, worse, Choice.RIGHT, role=Role.DOMINATED, position=2),
        answer(worse, better, Choice.RIGHT, role=Role.DOMINATED, position=3),
        answer(worse, better, Choice.INDECISION, role=Role.DOMINATED, position=4),
    ]
    (found,) = participants(
        AnswerSet(attributes=design.attributes, answers=answers, source="hand"), design=design
    )
    assert (found.attention.dominated_answered, found.attention.dominated_against) == (3, 1)


def test_who_never_decided_has_no_side_and_whose_times_are_missing_no_speed():
    a, b = PROFILES[:2]
    found = one([answer(a, b, Choice.INDECISION, seconds=None)])

    assert (found.left_share, found.side_p, found.fast_share, found.attention.median_seconds) == (None,) * 4
    assert found.indecision_share == 1


def test_respondents_without_a_main_answer_of_the_arm_or_wave_are_not_described():
    a, b = PROFILES[:2]
    answers = AnswerSet(
        attributes=DESIGN.attributes,
        answers=[
            answer(a, b, Choice.LEFT),
            answer(a, b, Choice.LEFT, respondent="bob", wave=2),
            answer(a, b, Choice.LEFT, respondent="eve", role=Role.CHECK),
        ],
        source="hand",
    )
    assert [p.respondent for p in participants(answers)] == ["ann", "bob"]
    assert [p.respondent for p in participants(answers, wave=2)] == ["bob"]
    assert participants(answers, arm="other") == ()


def test_answers_that_name_nobody_are_refused():
    with pytest.raises(EstimationError, match="who gave which answer"):
        participants(import_study_1_counts())
