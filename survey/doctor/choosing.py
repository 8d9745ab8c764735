"""Checks of choosing one of many: what was drawn is the design's, and each choice is of somebody who was shown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sqlalchemy import select

from survey.doctor.check import Check, Patient, of
from survey.tables import ChoiceTaskAnswerRow, ChoiceTaskRow, ParticipantState


def _tasks(patient: Patient) -> Iterator[ChoiceTaskRow]:
    query = select(ChoiceTaskRow).order_by(ChoiceTaskRow.participant_id, ChoiceTaskRow.position)
    return (task for task in patient.session.scalars(query) if task.participant_id in patient.people)


def _rows_are_the_candidates(patient: Patient) -> Iterable[str]:
    for task in _tasks(patient):
        asked = patient.designs[patient.people[task.participant_id].study_id].choose_one
        problem = asked.problem(task.problem) if asked else None
        if problem is None or sorted(task.row_order) != sorted(problem.ids):
            yield f"task {task.id}"


def _drawn_completely(patient: Patient) -> Iterable[str]:
    drawn: dict[int, list[ChoiceTaskRow]] = {}
    for task in _tasks(patient):
        drawn.setdefault(task.participant_id, []).append(task)
    for person in patient.people.values():
        asked = patient.designs[person.study_id].choose_one
        own = drawn.get(person.id, [])
        count = asked.problems_per_respondent if asked and person.admitted_at is not None else 0
        as_designed = [task.position for task in own] == list(range(1, count + 1))
        all_different = len({task.problem for task in own}) == len(own)
        all_answered = person.state is not ParticipantState.FINISHED or all(task.answered for task in own)
        if not (as_designed and all_different and all_answered):
            yield of(person)


def _answers_are_stored(patient: Patient) -> Iterable[str]:
    revisions: dict[int, list[int]] = {}
    for task_id, revision in patient.session.execute(
        select(ChoiceTaskAnswerRow.choice_task_id, ChoiceTaskAnswerRow.revision).order_by(
            ChoiceTaskAnswerRow.revision
        )
    ):
        revisions.setdefault(task_id, []).append(revision)
    for task in _tasks(patient):
        if revisions.get(task.id, []) != list(range(1, task.answered + 1)):
            yield f"task {task.id}"


def _somebody_shown(patient: Patient) -> Iterable[str]:
    rows = patient.session.execute(
        select(ChoiceTaskAnswerRow, ChoiceTaskRow)
        .join(ChoiceTaskRow, ChoiceTaskRow.id == ChoiceTaskAnswerRow.choice_task_id)
        .order_by(ChoiceTaskAnswerRow.id)
    )
    for answer, task in rows:
        sound = task.indecision_offered if answer.indecision else answer.chosen in task.row_order
        if not sound or task.served_at is None:
            yield f"choice {answer.id}"


CHECKS = (
    Check(
        name="lists show the candidates of their problem",
        meaning="The order of the rows of a problem of choosing one of many names each of its candidates once.",
        find=_rows_are_the_candidates,
    ),
    Check(
        name="problems are drawn as the design says",
        meaning="Who was admitted was drawn as many different problems of choosing one of many as the design says, "
        "and who has finished has answered them.",
        find=_drawn_completely,
    ),
    Check(
        name="every answered problem has its choices",
        meaning="A problem counts how many choices were stored, and these are numbered 1, 2, … without a hole.",
        find=_answers_are_stored,
    ),
    Check(
        name="somebody who was shown is chosen",
        meaning="A choice names a candidate of the list that was sent, or is an indecision that was on offer.",
        find=_somebody_shown,
    ),
)
