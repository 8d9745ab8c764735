from __future__ import annotations

from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from survey.answers import Choice, Presentation, Role
from survey.attention import Attention, Shown, attention_of, describe, excluded_by
from survey.design_file import example_design
from survey.participation import Exclusions

PROFILES = example_design("kidney-8").profiles() or ()
LEFT, RIGHT, NEITHER = Choice.LEFT, Choice.RIGHT, Choice.INDECISION
NO_RULES = Exclusions(unfinished=False)


def shown(
    position: int,
    choice: Choice,
    *,
    role: Role = Role.MAIN,
    seconds: float | None = None,
    expected: Choice | None = None,
    repeat_of: int | None = None,
    exchanged: bool = False,
) -> Shown:
    left, right = PROFILES[0], PROFILES[0] if role is Role.IDENTICAL else PROFILES[1]
    if exchanged:
        left, right = right, left
    return Shown(
        presentation=Presentation(
            left=left,
            right=right,
            attribute_order=("age", "drinking", "health"),
            indecision_offered=True,
            position=position,
            role=role,
            expected=expected,
            repeat_of=repeat_of,
        ),
        choice=choice,
        seconds=seconds,
    )


def test_without_answers_nothing_is_known_and_nothing_is_wrong():
    attention = attention_of([])
    assert (attention.median_seconds, attention.same_side_share, attention.indecision_share) == (None,) * 3
    counts = [getattr(attention, f.name) for f in fields(Attention) if f.type == "int"]
    assert len(counts) == 10
    assert not any(counts)


def test_a_check_fails_when_another_answer_than_the_expected_one_is_given():
    attention = attention_of(
        [
            shown(1, LEFT, role=Role.CHECK, expected=LEFT),
            shown(2, LEFT, role=Role.CHECK, expected=RIGHT),
            shown(3, NEITHER, role=Role.CHECK, expected=RIGHT),
            shown(4, NEITHER, role=Role.CHECK, expected=NEITHER),
        ]
    )
    assert (attention.checks_answered, attention.checks_failed) == (4, 2)


def test_an_indecision_is_no_choice_of_the_dominated_patient():
    attention = attention_of(
        [
            shown(1, LEFT, role=Role.DOMINATED, expected=LEFT),
            shown(2, RIGHT, role=Role.DOMINATED, expected=LEFT),
            shown(3, NEITHER, role=Role.DOMINATED, expected=LEFT),
        ]
    )
    assert (attention.dominated_answered, attention.dominated_against) == (3, 1)


def test_deciding_between_a_profile_and_itself_is_counted():
    attention = attention_of(
        [shown(i, c, role=Role.IDENTICAL) for i, c in enumerate((LEFT, NEITHER, RIGHT), 1)]
    )
    assert (attention.identical_answered, attention.identical_decided) == (3, 2)


@pytest.mark.parametrize(
    ("before", "after", "changed"),
    [
        (LEFT, RIGHT, 0),  # The sides are exchanged, so this is the same patient.
        (RIGHT, LEFT, 0),
        (NEITHER, NEITHER, 0),
        (LEFT, LEFT, 1),
        (RIGHT, RIGHT, 1),
        (NEITHER, LEFT, 1),
        (RIGHT, NEITHER, 1),
    ],
)
def test_a_repeat_has_changed_when_another_patient_is_chosen_or_indecision_comes_or_goes(
    before: Choice, after: Choice, changed: int
):
    attention = attention_of(
        [shown(1, before), shown(7, after, role=Role.REPEAT, repeat_of=1, exchanged=True)]
    )
    assert (attention.repeats_answered, attention.repeats_changed) == (1, changed)


def test_a_repeat_whose_original_was_not_answered_is_not_counted():
    attention = attention_of([shown(2, LEFT), shown(7, LEFT, role=Role.REPEAT, repeat_of=1, exchanged=True)])
    assert (attention.repeats_answered, attention.repeats_changed) == (0, 0)


def test_the_median_time_leaves_out_the_first_main_comparison_and_every_other_role():
    slow = [
        shown(0, LEFT, role=Role.PRACTICE, seconds=200),
        shown(1, LEFT, seconds=100),
        shown(3, LEFT, role=Role.CHECK, expected=LEFT, seconds=300),
        shown(6, LEFT, role=Role.REPEAT, repeat_of=2, seconds=400),
    ]
    rest = [
        shown(2, LEFT, seconds=1),
        shown(4, LEFT, seconds=None),
        shown(5, LEFT, seconds=2),
        shown(7, LEFT, seconds=9),
    ]
    assert attention_of(slow + rest).median_seconds == 2
    assert attention_of(slow).median_seconds is None


def test_the_same_side_share_is_that_of_the_more_frequent_side_among_decided_main_answers():
    answers = [shown(i, c) for i, c in enumerate((LEFT, NEITHER, RIGHT, RIGHT, NEITHER, RIGHT), 1)]
    checks = [shown(i, LEFT, role=Role.CHECK, expected=LEFT) for i in range(7, 20)]
    attention = attention_of(answers + checks)
    assert attention.same_side_share == 0.75
    assert attention.indecision_share == pytest.approx(1 / 3)
    assert attention.main_answered == 6
    assert attention_of([shown(1, NEITHER)]).same_side_share is None


def test_the_longest_run_counts_main_answers_in_order_of_position_and_runs_across_checks():
    choices = (LEFT, NEITHER, NEITHER, NEITHER, LEFT, LEFT)
    answers = [shown(10 * i, c) for i, c in enumerate(choices, 1)]
    check = shown(25, RIGHT, role=Role.CHECK, expected=RIGHT)
    assert attention_of([check, *reversed(answers)]).longest_same_run == 3


answer = st.builds(
    lambda choice, role, seconds, expected: (choice, role, seconds, expected),
    st.sampled_from(Choice),
    st.sampled_from([Role.MAIN, Role.CHECK, Role.DOMINATED, Role.IDENTICAL]),
    st.none() | st.floats(0.1, 100),
    st.sampled_from([LEFT, RIGHT]),
)


@given(answers=st.lists(answer, max_size=30), rotate=st.integers(0, 30))
def test_measures_do_not_depend_on_the_order_in_which_answers_are_given_or_on_which_side_is_which(
    answers, rotate
):
    one = [
        shown(i, choice, role=role, seconds=seconds, expected=expected)
        for i, (choice, role, seconds, expected) in enumerate(answers, 1)
    ]
    mirrored = [
        shown(i, choice.mirrored, role=role, seconds=seconds, expected=expected.mirrored, exchanged=True)
        for i, (choice, role, seconds, expected) in enumerate(answers, 1)
    ]
    assert attention_of(mirrored[rotate:] + mirrored[:rotate]) == attention_of(one)


FINE = replace(
    attention_of([]),
    checks_failed=1,
    dominated_against=1,
    median_seconds=2.0,
    same_side_share=0.9,
    repeats_changed=1,
)
ALL_RULES = Exclusions(
    unfinished=True,
    failed_checks_above=1,
    dominated_against_above=1,
    median_seconds_below=2.0,
    same_side_above=0.9,
    repeats_changed_above=1,
    comprehension_failed=True,
)
WORSE: dict[str, Attention] = {
    "failed_checks_above": replace(FINE, checks_failed=2),
    "dominated_against_above": replace(FINE, dominated_against=2),
    "median_seconds_below": replace(FINE, median_seconds=1.99),
    "same_side_above": replace(FINE, same_side_share=0.91),
    "repeats_changed_above": replace(FINE, repeats_changed=2),
}


def test_whoever_is_just_within_every_limit_falls_under_no_rule():
    assert excluded_by(ALL_RULES, FINE, finished=True, comprehension_failed=False) == ()


@pytest.mark.parametrize("rule", WORSE)
def test_whoever_is_beyond_one_limit_falls_under_its_rule_and_only_where_the_design_states_it(rule: str):
    assert excluded_by(ALL_RULES, WORSE[rule], finished=True, comprehension_failed=False) == (rule,)
    without = replace(ALL_RULES, **{rule: None})
    assert excluded_by(without, WORSE[rule], finished=True, comprehension_failed=False) == ()


def test_rules_come_in_the_order_in_which_they_are_stated():
    hopeless = replace(
        FINE, checks_failed=9, dominated_against=9, median_seconds=0.1, same_side_share=1.0, repeats_changed=9
    )
    broken = excluded_by(ALL_RULES, hopeless, finished=False, comprehension_failed=True)
    assert broken == tuple(f.name for f in fields(Exclusions))
    assert excluded_by(NO_RULES, hopeless, finished=False, comprehension_failed=True) == ()


def test_what_is_not_known_breaks_no_rule():
    unknown = replace(FINE, median_seconds=None, same_side_share=None)
    assert excluded_by(ALL_RULES, unknown, finished=True, comprehension_failed=False) == ()


def test_the_rules_are_described_one_sentence_each_in_their_order():
    assert describe(ALL_RULES) == [
        "Participants who did not finish are left out.",
        "Participants are left out if they answered an attention check otherwise than expected more than once.",
        "Participants are left out if more than once they chose a patient whom the other equals or betters in "
        "every attribute.",
        "Participants are left out if their median time per main comparison, the first one not counted, was below "
        "2 seconds.",
        "Participants are left out if more than 90 % of their decided main answers chose the same side.",
        "Participants are left out if they answered a repeated comparison otherwise than before more than once.",
        "Participants who never gave the right answer to the comprehension question are left out.",
    ]


def test_a_limit_of_none_at_all_and_of_several_is_described_as_people_say_it():
    strict = replace(NO_RULES, failed_checks_above=0, dominated_against_above=0, repeats_changed_above=2)
    assert describe(strict) == [
        "Participants are left out if they answered an attention check otherwise than expected.",
        "Participants are left out if they chose a patient whom the other equals or betters in every attribute.",
        "Participants are left out if they answered a repeated comparison otherwise than before more than 2 times.",
    ]


def test_no_rules_are_described_as_such():
    assert describe(NO_RULES) == ["No participant is left out."]
