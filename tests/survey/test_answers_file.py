from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from survey.answers import Answer, AnswerSet, Choice, RespondentKind, Role
from survey.answers_file import read_answers, write_answers
from survey.design import CategoricalAttribute, NumericAttribute
from survey.design_file import example_design
from survey.errors import BadAnswers

DESIGN = example_design("kidney-8")
ANSWER = Answer(
    respondent="p-1",
    kind=RespondentKind.HUMAN,
    arm="main",
    position=3,
    left=DESIGN.profiles()[0],
    right=DESIGN.profiles()[5],
    choice=Choice.INDECISION,
    indecision_offered=True,
    design_hash="abc",
    role=Role.CHECK,
    reason="too close, I think",
    seconds=4.25,
    presented_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    answered_at=datetime(2026, 1, 2, 3, 4, 9, 250_000, tzinfo=UTC),
)
ANSWERS = AnswerSet(
    attributes=DESIGN.attributes,
    answers=[
        ANSWER,
        replace(ANSWER, respondent=None, seconds=None, seconds_missing="not published", position=None),
    ],
    source="test",
)


@pytest.fixture
def written(tmp_path: Path) -> Path:
    path = tmp_path / "answers.csv"
    write_answers(path, ANSWERS)
    return path


def test_answers_survive_writing_and_reading(written: Path):
    assert read_answers(written, DESIGN.attributes).answers == ANSWERS.answers


def test_the_file_stands_alone_without_the_design(written: Path):
    again = read_answers(written)

    assert again.answers == ANSWERS.answers
    assert [a.name for a in again.attributes] == ["age", "drinking", "health"]
    assert all(isinstance(a, CategoricalAttribute) for a in again.attributes)


def test_columns_of_numbers_become_numeric_attributes(tmp_path: Path):
    numeric = example_design("kidney-numeric")
    left, right = (numeric.profile({"age": a, "drinks": 2, "dependents": 0}) for a in (30, 66))
    path = tmp_path / "answers.csv"
    write_answers(
        path,
        AnswerSet(
            attributes=numeric.attributes, answers=[replace(ANSWER, left=left, right=right)], source=""
        ),
    )
    age = read_answers(path).attributes[0]

    assert isinstance(age, NumericAttribute)
    assert (age.minimum, age.maximum) == (30, 66)


def test_the_same_answers_give_the_same_bytes(written: Path, tmp_path: Path):
    other = tmp_path / "other.csv"
    write_answers(other, ANSWERS)
    assert other.read_bytes() == written.read_bytes()


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("indecision,yes", "coin,yes", "column 'choice' says 'coin'"),
        ("indecision,yes", "indecision,maybe", "column 'indecision_offered' says 'maybe'"),
        ("human", "robot", "column 'kind' says 'robot'"),
        (",young,", ",yuong,", "no level 'yuong'"),
        ("p-1,human,1,", "p-1,human,one,", "column 'wave' says 'one'"),
        ("main,3,", "main,0,", "column 'position' says '0'"),
        (",4.250,", ",soon,", "column 'seconds' says 'soon'"),
        (",4.250,", ",nan,", "column 'seconds' says 'nan'"),
        ("2026-01-02T03:04:05.000+00:00", "yesterday", "column 'presented_at' says 'yesterday'"),
        ("2026-01-02T03:04:05.000+00:00", "2026-01-02T03:04:05", "column 'presented_at'"),
        ("indecision,yes", "indecision,no", "'indecision_offered' says 'no'"),
        ("p-1,human", "human", "cells"),
    ],
)
def test_what_cannot_be_read_is_named_with_file_and_line(written: Path, old: str, new: str, complaint: str):
    text = written.read_text()
    assert old in text
    written.write_text(text.replace(old, new, 1))

    with pytest.raises(BadAnswers, match=complaint) as caught:
        read_answers(written, DESIGN.attributes)
    assert f"{written}:2" in str(caught.value)


def test_another_csv_file_is_refused_with_the_way_out(tmp_path: Path):
    path = tmp_path / "study_2_indecisive.csv"
    path.write_text("user_id,decision\n1,2\n")

    with pytest.raises(BadAnswers, match="equipoise survey import"):
        read_answers(path)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00"])
def test_an_empty_or_binary_file_is_refused(tmp_path: Path, content: bytes):
    path = tmp_path / "answers.csv"
    path.write_bytes(content)

    with pytest.raises(BadAnswers, match=r"answers\.csv"):
        read_answers(path)


def test_answers_to_another_study_are_refused_by_the_attributes_they_have(written: Path):
    with pytest.raises(
        BadAnswers, match=r"by age, drinking, health, but the study does by age, dependents, drinks"
    ):
        read_answers(written, example_design("kidney-numeric").attributes)


def test_rows_without_any_choice_are_counted_and_set_aside(written: Path, tmp_path: Path):
    header, first, *rest = written.read_text(encoding="utf-8").splitlines()
    choice = header.split(",").index("choice")
    cells = first.split(",")
    cells[choice] = "timeout"
    path = tmp_path / "other.csv"
    path.write_text("\n".join([header, ",".join(cells), *rest]) + "\n", encoding="utf-8")

    everything, others = read_answers(written), read_answers(path)
    assert others.set_aside == {"timeout": 1}
    assert len(others.answers) == len(everything.answers) - 1
    assert everything.set_aside == {}
