"""The published human answers, with the counts that pin their coding."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from survey.answers import Choice
from survey.answers_file import read_answers, write_answers
from survey.design_file import example_design
from survey.errors import BadAnswers
from survey.published_answers import import_published, import_study_1_counts


def test_study_2_with_the_coin_has_894_coin_flips_in_5297_answers_and_not_42_percent(shared):
    answer_set = import_published("mcelfresh2021", shared("data/humans/study_2_indecisive.csv"))

    counts = Counter(a.choice for a in answer_set.answers)
    assert counts == {Choice.LEFT: 2221, Choice.RIGHT: 2182, Choice.INDECISION: 894}
    assert len({a.respondent for a in answer_set.answers}) == 132


def test_study_2_without_the_coin_has_no_indecision(shared):
    answer_set = import_published("mcelfresh2021", shared("data/humans/study_2_strict.csv"))

    assert Counter(a.choice for a in answer_set.answers) == {Choice.LEFT: 2718, Choice.RIGHT: 2579}
    assert len({a.respondent for a in answer_set.answers}) == 132
    assert not any(a.indecision_offered for a in answer_set.answers)


def test_the_three_files_hold_12424_answers_of_386_people(shared):
    files = ("study_1.csv", "study_2_indecisive.csv", "study_2_strict.csv")
    sets = [import_published("mcelfresh2021", shared(f"data/humans/{f}")) for f in files]

    assert sum(len(s.answers) for s in sets) == 12_424
    assert [len({a.respondent for a in s.answers}) for s in sets] == [122, 132, 132]


def test_left_wins_more_often_where_the_left_patient_is_younger(shared):
    # The check that settles the coding: under the README's coding this would be reversed.
    answer_set = import_published("mcelfresh2021", shared("data/humans/study_2_indecisive.csv"))
    gaps = {c: [] for c in Choice}
    for a in answer_set.answers:
        gaps[a.choice].append(a.left["age"] - a.right["age"])

    mean = {c: sum(g) / len(g) for c, g in gaps.items()}
    assert mean[Choice.LEFT] == pytest.approx(-7.7, abs=0.1)
    assert mean[Choice.RIGHT] == pytest.approx(7.9, abs=0.1)
    assert mean[Choice.INDECISION] == pytest.approx(-0.9, abs=0.1)


def test_the_shipped_counts_of_study_1_are_those_of_its_file(shared):
    def cells(answers):
        return Counter((a.arm, a.left.id, a.right.id, a.position, a.choice) for a in answers)

    published = import_published("mcelfresh2021", shared("data/humans/study_1.csv"))

    # The file numbers the tasks by the order shown, which was the same for everybody.
    by_task = Counter(
        (arm, left, right, c) for (arm, left, right, _, c) in cells(published.answers).elements()
    )
    shipped = Counter(
        (arm, left, right, c)
        for (arm, left, right, _, c) in cells(import_study_1_counts().answers).elements()
    )
    assert shipped == by_task


def test_the_shipped_counts_of_study_1_have_275_coin_flips_in_930_offered():
    offered = [a for a in import_study_1_counts().answers if a.indecision_offered]

    assert len(offered) == 930
    assert sum(a.choice is Choice.INDECISION for a in offered) == 275


def test_imported_answers_survive_writing_and_reading(shared, tmp_path: Path):
    answer_set = import_published("mcelfresh2021", shared("data/humans/study_2_indecisive.csv"))
    path = tmp_path / "answers.csv"
    write_answers(path, answer_set)

    again = read_answers(path, example_design("kidney-numeric").attributes)
    assert again.answers == answer_set.answers


def test_a_file_of_something_else_is_refused_with_the_names_of_the_right_ones(tmp_path: Path):
    path = tmp_path / "other.csv"
    path.write_text("a,b\n1,2\n")

    with pytest.raises(BadAnswers, match=r"study_1\.csv"):
        import_published("mcelfresh2021", path)


def test_an_unknown_code_is_refused_with_its_row(shared, tmp_path: Path):
    text = shared("data/humans/study_2_indecisive.csv").read_text().splitlines()
    cells = text[1].split(",")
    cells[2] = "3"
    path = tmp_path / "study_2_indecisive.csv"
    path.write_text("\n".join([text[0], ",".join(cells)]) + "\n")

    with pytest.raises(BadAnswers, match=r":2: '3'"):
        import_published("mcelfresh2021", path)
