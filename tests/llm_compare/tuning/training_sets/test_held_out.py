"""What is held out never reaches training, whatever the rows look like."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_compare.errors import CannotTune
from llm_compare.tuning.training_sets.held_out import HeldOut, HeldOutLevel, TestSet, split_answers
from survey.answers import Choice
from survey.design_file import example_design

_VALUES = [(age, drinks, 0) for age in (25, 40, 60, 70) for drinks in (1, 5)]
ROW = st.tuples(
    st.integers(0, 5), st.sampled_from(_VALUES), st.sampled_from(_VALUES), st.sampled_from(list(Choice))
)
ROWS = st.lists(ROW, min_size=25, max_size=60)
SHARES = st.sampled_from([0.0, 0.1, 0.3])
LEVELS = st.sampled_from([(), ("age=70",), ("age=60..70", "drinks=5")])


def both(answer):
    """The two patients, whichever side they were shown on."""
    return frozenset({answer.left.values, answer.right.values})


def ids(answers):
    return sorted(a.position for a in answers)


def made(answer, rows):
    # Every answer has a position of its own, by which it is recognized.
    return [answer(f"p{who}", left, right, c, position=i) for i, (who, left, right, c) in enumerate(rows, 1)]


def split_or_none(answers, study, held_out, seed=0):
    try:
        return split_answers(answers, study, held_out, seed=seed)
    except CannotTune:
        return None


@settings(max_examples=50)
@given(rows=ROWS, comparisons=SHARES, participants=SHARES, levels=LEVELS, seed=st.integers(0, 5))
def test_nothing_of_a_test_is_in_training(answer, study, rows, comparisons, participants, levels, seed):
    answers = made(answer, rows)
    held_out = HeldOut(
        comparisons=comparisons,
        participants=participants,
        levels=tuple(HeldOutLevel.of(text, study.attributes) for text in levels),
    )
    split = split_or_none(answers, study, held_out, seed)
    if split is None:
        return
    trained_on = {both(a) for a in split.training}
    trained = {a.respondent for a in split.training}

    def with_level(one):
        ages = {p["age"] for p in (one.left, one.right)} if levels else set()
        drinks = {p["drinks"] for p in (one.left, one.right)} if len(levels) == 2 else set()
        return 70 in ages or (len(levels) == 2 and (60 in ages or 5 in drinks))

    assert not any(with_level(a) for a in split.training)
    for test, found in split.tests.items():
        assert found
        for a in found:
            new_comparison, new_person = both(a) not in trained_on, a.respondent not in trained
            assert {
                TestSet.COMPARISONS: new_comparison and not new_person and not with_level(a),
                TestSet.PARTICIPANTS: new_person and not new_comparison and not with_level(a),
                TestSet.BOTH: new_comparison and new_person and not with_level(a),
                TestSet.LEVELS: new_comparison and with_level(a),
            }[test]
    # Every answer is in one place, but for those to a profile beside itself.
    everywhere = [*split.training, *(a for found in split.tests.values() for a in found)]
    assert ids(everywhere) == ids(a for a in answers if a.left != a.right)


@settings(max_examples=20)
@given(rows=ROWS, data=st.data())
def test_the_order_and_the_sides_of_the_rows_do_not_matter(answer, study, rows, data):
    answers = made(answer, rows)
    held_out = HeldOut(comparisons=0.3, participants=0.3)
    split = split_or_none(answers, study, held_out)
    shuffled = data.draw(st.permutations(answers))
    assert split_or_none(shuffled, study, held_out) == split
    if split is None:
        return

    flipped = [
        replace(a, left=a.right, right=a.left, choice=a.choice.mirrored) if data.draw(st.booleans()) else a
        for a in answers
    ]
    turned = split_or_none(flipped, study, held_out)
    assert ids(turned.training) == ids(split.training)
    assert {t: ids(found) for t, found in turned.tests.items()} == {
        t: ids(found) for t, found in split.tests.items()
    }


def test_another_seed_holds_out_others(study, crowd):
    answers = crowd().answers
    one, two = (split_answers(answers, study, HeldOut(), seed=seed) for seed in (0, 1))
    assert one.training != two.training
    assert (one.n_held_out_comparisons, one.n_held_out_participants) == (6, 2)


def test_waves_of_a_participant_stay_together(study, crowd):
    answers = [replace(a, wave=1 + i % 3) for i, a in enumerate(crowd().answers)]
    split = split_answers(answers, study, HeldOut(comparisons=0, participants=0.3), seed=0)
    new = {a.respondent for a in split.tests[TestSet.PARTICIPANTS]}
    assert len(new) == 4
    assert new.isdisjoint(a.respondent for a in split.training)
    assert set(split.tests) == {TestSet.PARTICIPANTS}


def test_people_who_alone_saw_their_comparisons_are_new_in_both_ways(study, answer):
    answers = [
        answer(f"p{who}", (25 + who, 1, 0), (26 + who, 1 + i, 0), "left") for who in range(10) for i in (0, 1)
    ]
    split = split_answers(answers, study, HeldOut(comparisons=0, participants=0.2), seed=0)
    assert set(split.tests) == {TestSet.BOTH}
    assert "no test 'participants'" in " ".join(split.notes)


def test_of_answers_without_respondents_only_comparisons_are_held_out(study, crowd):
    answers = [replace(a, respondent=None) for a in crowd().answers]
    split = split_answers(answers, study, HeldOut(participants=0), seed=0)
    assert set(split.tests) == {TestSet.COMPARISONS}
    assert "who answered is not known" in TestSet.COMPARISONS.words_of(split.tests[TestSet.COMPARISONS])
    assert TestSet.COMPARISONS.words_of(crowd().answers) == TestSet.COMPARISONS.words
    with pytest.raises(CannotTune, match="--hold-out-participants 0"):
        split_answers(answers, study, HeldOut(), seed=0)


def test_profiles_beside_themselves_are_left_out_and_counted(study, crowd, answer):
    answers = [*crowd().answers, answer("person-00", (30, 1, 0), (30, 1, 0), "indecision")]
    split = split_answers(answers, study, HeldOut(), seed=0)
    assert "1 answers to a profile beside itself are left out" in split.notes
    assert all(a.left != a.right for found in (split.training, *split.tests.values()) for a in found)


def test_nothing_held_out_is_said(study, crowd):
    split = split_answers(crowd().answers, study, HeldOut(comparisons=0, participants=0), seed=0)
    assert split.tests == {}
    assert "nothing can be measured" in split.notes[-1]


@pytest.mark.parametrize(
    ("text", "level", "has", "has_not"),
    [
        ("age=60..70", "age=60..70", [60, 65, 70], [59]),
        ("age=70", "age=70", [70], [69]),
        (" drinks = 5 ", "drinks=5", [5], [4]),
    ],
)
def test_levels_are_read(study, text, level, has, has_not):
    found = HeldOutLevel.of(text, study.attributes)
    assert str(found) == level
    assert all(found.has(v) for v in has)
    assert not any(found.has(v) for v in has_not)


def test_a_level_of_words_is_read():
    found = HeldOutLevel.of("drinking=heavy", example_design("kidney-study1").attributes)
    assert found.has("heavy")
    assert not found.has("none")
    assert str(found) == "drinking=heavy"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("age", "write attribute=level"),
        ("height=3", "no attribute 'height'; it has age, drinks, dependents"),
        ("age=old", "'old' is no number"),
        ("age=90", "ranges from 25 to 70"),
        ("age=90..95", "takes no value from 90 to 95"),
        ("age=60..50", "takes no value"),
        ("age=60-70", "is no number"),
    ],
)
def test_levels_that_cannot_be_say_why(study, text, complaint):
    with pytest.raises(CannotTune, match=complaint):
        HeldOutLevel.of(text, study.attributes)


def test_an_unknown_level_lists_those_there_are():
    with pytest.raises(CannotTune, match="its levels are"):
        HeldOutLevel.of("drinking=lots", example_design("kidney-study1").attributes)


def test_holding_out_everything_is_refused(study, crowd):
    answers = crowd().answers
    everything = HeldOutLevel.of("age=25..70", study.attributes)
    with pytest.raises(CannotTune, match="none is left to train on"):
        split_answers(answers, study, HeldOut(comparisons=0, participants=0, levels=(everything,)), seed=0)
    with pytest.raises(CannotTune, match="leaves none to train on"):
        split_answers(answers, study, HeldOut(comparisons=0.999), seed=0)
    with pytest.raises(CannotTune, match="below 1"):
        HeldOut(comparisons=1.0)


def test_a_level_that_nobody_saw_is_refused(study, answer):
    answers = [answer(f"p{i}", (25 + i, 1, 0), (40, 2, 0), "left") for i in range(9)]
    level = HeldOutLevel.of("age=70", study.attributes)
    with pytest.raises(CannotTune, match="nobody was shown it"):
        split_answers(answers, study, HeldOut(participants=0, levels=(level,)), seed=0)
