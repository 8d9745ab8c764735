"""Groups are who the file says they are, or whom their own training answers show them to be."""

from __future__ import annotations

from dataclasses import replace

import pytest

from llm_compare.errors import CannotTune
from llm_compare.tuning.training_sets import groups
from llm_compare.tuning.training_sets.groups import group_by_class, group_by_column
from survey.questionnaire import FormQuestion, Option, QuestionKind


def by_parity(people=12):
    return {f"person-{i:02d}": ("Even one" if i % 2 == 0 else "odd") for i in range(people)}


def test_a_column_makes_groups(study, crowd):
    values = {**by_parity(), "person-99": "odd", "person-01": "third"}
    del values["person-00"]
    found = group_by_column(values, crowd().answers, study, column="number", least=5)
    assert [(g.name, g.words, g.n_participants) for g in found.groups] == [
        ("even-one", "number: Even one", 5),
        ("odd", "number: odd", 5),
    ]
    assert found.groups[0].share == pytest.approx(5 / 12)
    # Somebody held out is in a group without being counted.
    assert found.of["person-99"] == "odd"
    assert "person-00" not in found.of
    assert "person-01" not in found.of
    assert "1 of 12 participants in training have no value of 'number'" in found.notes
    assert "groups of fewer than 5 participants are left out: 'third' (1)" in found.notes


def test_a_persona_says_the_question_and_the_answer_as_people_read_them(study, crowd):
    options = (Option(name="Even one", words="Even, I think"), Option(name="odd", words="Odd"))
    question = FormQuestion(
        name="number", text="What is your number?", kind=QuestionKind.CHOICE, options=options
    )
    design = replace(study, demographics=(question,))
    found = group_by_column(by_parity(), crowd().answers, design, column="number")
    assert [g.words for g in found.groups] == [
        "What is your number? Even, I think",
        "What is your number? Odd",
    ]


@pytest.mark.parametrize(
    ("values", "least", "complaint"),
    [
        (dict.fromkeys(by_parity(), "all alike"), 5, "makes 1 group"),
        (by_parity(), 7, "lower --least-participants"),
        ({p: v if v == "odd" else "ODD!" for p, v in by_parity().items()}, 5, "named 'odd'"),
        ({p: v if v == "odd" else "all" for p, v in by_parity().items()}, 5, "named 'all'"),
    ],
)
def test_columns_that_make_no_groups_say_why(study, crowd, values, least, complaint):
    with pytest.raises(CannotTune, match=complaint):
        group_by_column(values, crowd().answers, study, column="number", least=least)


def test_classes_find_who_cares_for_what(study, crowd):
    answers = crowd(people=20).answers
    found = group_by_class(answers, study, n_classes=2, seed=0)
    members = {name: {p for p, g in found.of.items() if g == name} for name in ("class-1", "class-2")}
    even = {f"person-{i:02d}" for i in range(0, 20, 2)}
    assert even in members.values()
    assert sum(g.n_participants for g in found.groups) == 20
    words = {g.name: g.words for g in found.groups}
    (of_even,) = [name for name, who in members.items() if who == even]
    (of_odd,) = {"class-1", "class-2"} - {of_even}
    assert words[of_even].startswith("somebody for whom what counts most is age (lower)")
    assert words[of_odd].startswith("somebody for whom what counts most is alcohol before diagnosis (lower)")
    undecided = sum(a.choice == "indecision" for a in answers if a.respondent in even) / (20 * len(even))
    assert f"and {undecided:.0%} of the answers are undecided" in words[of_even]


def test_classes_of_a_study_in_another_language_are_only_named(study, crowd):
    found = group_by_class(crowd(people=20).answers, replace(study, language="de"), n_classes=2, seed=0)
    assert [g.words for g in found.groups] == ["class 1 of 2", "class 2 of 2"]


def test_people_who_are_all_alike_are_no_classes(study, crowd, monkeypatch):
    monkeypatch.setattr(groups, "MOST_CLASSES", 2)  # Trying five takes long.
    answers = [a for a in crowd(people=16).answers if int(a.respondent[-2:]) % 2 == 0]
    with pytest.raises(CannotTune, match="best described as one class"):
        group_by_class(answers, study, n_classes=None, seed=0)


def test_groups_need_to_know_who_answered(study, crowd):
    unknown = [replace(a, respondent=None) for a in crowd().answers]
    with pytest.raises(CannotTune, match="do not all say who gave them"):
        group_by_class(unknown, study, n_classes=2, seed=0)
    with pytest.raises(CannotTune, match="do not all say who gave them"):
        group_by_column(by_parity(), unknown, study, column="number")


def test_classes_too_small_are_refused(study, crowd):
    with pytest.raises(CannotTune, match="at least 11 participants"):
        group_by_class(crowd(people=20).answers, study, n_classes=2, seed=0, least=11)
    with pytest.raises(CannotTune, match="latent classes cannot be fitted"):
        group_by_class(crowd(people=2).answers, study, n_classes=3, seed=0)
