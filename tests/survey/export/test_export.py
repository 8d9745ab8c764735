"""Answers on their way from the database to the estimators."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select

from survey.answers import Role
from survey.answers_file import read_answers, write_answers
from survey.db import reading, writing
from survey.export import answers_of_study, count_simulated_answers, study_data
from survey.store import studies
from survey.store.erasure import erase
from survey.tables import AnswerRow, ParticipantRow, PresentationRow, StudyRow

AddOpenStudy = Callable[[Engine, str], StudyRow]
Fill = Callable[..., list[str]]


def test_what_was_shown_and_chosen_comes_back_from_the_file(
    engine: Engine, kidney_complete: str, add_open_study: AddOpenStudy, fill: Fill, tmp_path: Path
) -> None:
    study = add_open_study(engine, kidney_complete)
    codes = fill(engine, study, people=2)
    with reading(engine) as session:
        design = studies.design_of(study)
        answers = answers_of_study(session, study, include_simulated=False)
        rows = session.execute(
            select(ParticipantRow, PresentationRow, AnswerRow)
            .join(PresentationRow, PresentationRow.participant_id == ParticipantRow.id)
            .join(AnswerRow, AnswerRow.presentation_id == PresentationRow.id)
            .where(PresentationRow.position > 0, AnswerRow.revision == PresentationRow.answered)
        ).all()
    path = tmp_path / "answers.csv"
    write_answers(path, answers)
    back = read_answers(path, design.attributes)
    assert list(back.answers) == list(answers.answers)
    stored = {
        (person.code, shown.position): (
            shown.left_values,
            shown.right_values,
            shown.left_profile,
            answer.choice,
            shown.role,
            None if answer.client_seconds_problem else answer.client_seconds,
            answer.client_seconds_problem,
            shown.served_at,
            answer.answered_at,
        )
        for person, shown, answer in rows
    }
    assert {
        (a.respondent, a.position): (
            a.left.as_dict(),
            a.right.as_dict(),
            a.left.id,
            a.choice,
            a.role,
            a.seconds,
            a.seconds_missing,
            a.presented_at,
            a.answered_at,
        )
        for a in back.answers
    } == stored
    assert {a.respondent for a in back.answers} == set(codes)
    assert len(stored) == 50
    assert {a.role for a in back.answers} == set(Role) - {Role.PRACTICE}
    assert {a.design_hash for a in back.answers} == {study.design_hash}


def test_the_reason_of_an_indecision_stands_with_the_answer_that_counts(
    sqlite_engine: Engine, kidney_complete: str, add_open_study: AddOpenStudy, fill: Fill
) -> None:
    study = add_open_study(sqlite_engine, kidney_complete)
    fill(sqlite_engine, study, people=3)
    with reading(sqlite_engine) as session:
        answers = answers_of_study(session, study, include_simulated=False).answers
    reasons = {(a.choice.value, a.reason) for a in answers}
    assert reasons == {("left", ""), ("right", ""), ("indecision", "equal-claim")}


def test_both_ways_to_the_answers_agree(
    engine: Engine, kidney_complete: str, add_open_study: AddOpenStudy, fill: Fill
) -> None:
    study = add_open_study(engine, kidney_complete)
    fill(engine, study, people=3)
    fill(engine, study, people=2, simulated=True)
    with reading(engine) as session:
        for include_simulated in (True, False):
            data = study_data(session, study, include_simulated=include_simulated)
            answers = answers_of_study(session, study, include_simulated)
            assert list(data.answers.answers) == list(answers.answers)


def test_simulated_answers_are_exported_only_when_asked(
    sqlite_engine: Engine, one_arm_design: str, add_open_study: AddOpenStudy, fill: Fill
) -> None:
    study = add_open_study(sqlite_engine, one_arm_design)
    fill(sqlite_engine, study, people=2, simulated=True)
    fill(sqlite_engine, study, people=1)
    with reading(sqlite_engine) as session:
        people = answers_of_study(session, study, include_simulated=False).answers
        everyone = answers_of_study(session, study, include_simulated=True).answers
        assert count_simulated_answers(session, study) == 8
    assert {(a.respondent or "")[:2] for a in people} == {"p-"}
    assert len(people) == 4
    assert len(everyone) == 12
    assert {(a.respondent or "")[:4] for a in everyone} > {"sim-"}


def test_rows_stand_in_the_order_of_pseudonyms_not_of_arrival(
    engine: Engine, one_arm_design: str, add_open_study: AddOpenStudy, fill: Fill
) -> None:
    study = add_open_study(engine, one_arm_design)
    codes = fill(engine, study, people=8)
    with reading(engine) as session:
        data = study_data(session, study, include_simulated=False)
    assert [row.person.code for row in data.people] == sorted(codes)
    assert list(dict.fromkeys(a.respondent for a in data.answers.answers)) == sorted(codes)


def test_who_is_excluded_keeps_the_answers_but_not_among_those_included(
    sqlite_engine: Engine, one_arm_design: str, add_open_study: AddOpenStudy, fill: Fill
) -> None:
    study = add_open_study(sqlite_engine, one_arm_design)
    finished = fill(sqlite_engine, study, people=1)
    left = fill(sqlite_engine, study, people=1, steps=4, seed=1)
    with reading(sqlite_engine) as session:
        data = study_data(session, study, include_simulated=False)
    assert {row.person.code: row.excluded_by for row in data.people} == {
        finished[0]: (),
        left[0]: ("unfinished",),
    }
    assert {a.respondent for a in data.answers.answers} == {*finished, *left}
    assert {a.respondent for a in data.included_answers.answers} == set(finished)


def test_nothing_of_an_erased_participant_is_exported_but_the_number(
    engine: Engine, now: datetime, kidney_complete: str, add_open_study: AddOpenStudy, fill: Fill
) -> None:
    study = add_open_study(engine, kidney_complete)
    codes = fill(engine, study, people=3)
    with writing(engine) as session:
        erase(session, session.get_one(StudyRow, study.id), codes[1], now=now)
    with reading(engine) as session:
        data = study_data(session, study, include_simulated=False)
        there = session.scalar(select(func.count()).select_from(ParticipantRow))
    assert there == 3
    assert data.erased == 1
    assert {row.person.code for row in data.people} == {codes[0], codes[2]}
    assert {row.person.code for row in data.shown} == {codes[0], codes[2]}


@pytest.mark.postgres
def test_an_export_of_a_running_study_sees_one_moment(
    postgres_engine: Engine, one_arm_design: str, add_open_study: AddOpenStudy, fill: Fill
) -> None:
    study = add_open_study(postgres_engine, one_arm_design)
    fill(postgres_engine, study, people=1)
    with reading(postgres_engine) as session:
        before = session.scalar(select(func.count()).select_from(ParticipantRow))
        fill(postgres_engine, study, people=1, seed=1)
        data = study_data(session, study, include_simulated=False)
    assert before == len(data.people) == 1
