from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import Engine

from survey import store
from survey.answers import Choice
from survey.answers_file import read_answers, write_answers
from survey.db import reading, writing
from survey.export import answers_of_study
from survey.tables import StudyRow


def test_what_was_shown_and_chosen_comes_back_from_the_file(
    engine: Engine,
    now: datetime,
    kidney_8: str,
    add_open_study: Callable[[Engine, str], StudyRow],
    tmp_path: Path,
) -> None:
    study = add_open_study(engine, kidney_8)
    expected = []
    with writing(engine) as session:
        person = store.start_participant(session, study, simulated=False, now=now)
        store.consent(session, person, now=now)
        store.begin(session, person, now=now)
        for i in range(28):
            row = store.next_presentation(session, person)
            assert row is not None
            choice = list(Choice)[i % 3]
            seconds = None if i == 5 else 1.25
            store.record_answer(
                session,
                person,
                row.token,
                choice,
                client_seconds=seconds,
                client_seconds_problem="" if seconds else "not measured (no script)",
                now=now + timedelta(seconds=2 * (i + 1)),
            )
            expected.append((row.left_profile, row.right_profile, row.left_values, choice, seconds))
    with reading(engine) as session:
        design = store.design_of(study)
        answers = answers_of_study(session, study, include_simulated=False)
    path = tmp_path / "answers.csv"
    write_answers(path, answers)
    back = read_answers(path, design.attributes)
    assert list(back.answers) == list(answers.answers)
    assert [(a.left.id, a.right.id, a.left.as_dict(), a.choice, a.seconds) for a in back.answers] == expected
    assert {a.respondent for a in back.answers} == {person.code}
    assert {a.design_hash for a in back.answers} == {study.design_hash}
    assert [a.position for a in back.answers] == list(range(1, 29))
    assert back.answers[5].seconds_missing == "not measured (no script)"
    assert back.answers[0].presented_at == now


def test_simulated_answers_are_exported_only_when_asked(
    sqlite_engine: Engine,
    now: datetime,
    one_arm_design: str,
    add_open_study: Callable[[Engine, str], StudyRow],
) -> None:
    study = add_open_study(sqlite_engine, one_arm_design)
    with writing(sqlite_engine) as session:
        for simulated in (True, False):
            person = store.start_participant(session, study, simulated=simulated, now=now)
            store.consent(session, person, now=now)
            store.begin(session, person, now=now)
            row = store.next_presentation(session, person)
            assert row is not None
            store.record_answer(
                session,
                person,
                row.token,
                Choice.LEFT,
                client_seconds=None,
                client_seconds_problem="x",
                now=now,
            )
    with reading(sqlite_engine) as session:
        people = answers_of_study(session, study, include_simulated=False).answers
        everyone = answers_of_study(session, study, include_simulated=True).answers
    assert [(a.respondent or "")[:2] for a in people] == ["p-"]
    assert sorted((a.respondent or "")[:4] for a in everyone)[1] == "sim-"
