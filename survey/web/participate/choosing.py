"""Choosing one of many candidates."""

from __future__ import annotations

from flask import abort, flash, request
from flask_babel import gettext
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from survey.allocation_task import INDECISION, in_words
from survey.db import reading
from survey.design import StudyDesign
from survey.store import choice_tasks, choosing
from survey.store.choosing import SentChoice
from survey.tables import ParticipantRow, StudyRow
from survey.web.context import now, the_engine
from survey.web.participate.common import (
    blueprint,
    find_person,
    is_paused_for,
    read_revision,
    show_page,
    stepped,
    to_participant,
)
from survey.web.participate.visitor import read_client, read_seconds


def choosing_page(session: Session, person: ParticipantRow, _study: StudyRow, design: StudyDesign) -> str:
    """Show the problem that waits."""
    return _problem_page(session, person, design)


@blueprint.post("/p/<token>/choose")
def choose(token: str) -> str | Response | tuple[str, int]:
    """Store which of the candidates was chosen, once, and go on; show the problem again where nobody was."""
    choice = request.form.get("choice", "")
    task_token, revision = request.form.get("task", ""), read_revision()
    if choice not in ("", INDECISION) and not (choice.isascii() and choice.isdigit() and len(choice) <= 10):
        abort(400)
    if not choice:
        with reading(the_engine()) as session:
            person, study, design = find_person(session, token)
            task = choice_tasks.open_task(session, person)
            waits = task is not None and (task.token, task.asked) == (task_token, revision)
            if waits and not is_paused_for(person, study):
                return _problem_page(session, person, design, nothing_chosen=True), 422
        return to_participant(token)
    seconds, problem = read_seconds(request.form.get("seconds", ""))
    sent = SentChoice(
        task=task_token,
        revision=revision,
        chosen=None if choice == INDECISION else int(choice),
        client_seconds=seconds,
        client_seconds_problem=problem,
        client=read_client(request.form.get("client", "")),
    )

    def step(session: Session, person: ParticipantRow) -> None:
        if not choosing.record_choice(session, person, sent, now=now()):
            flash(
                gettext(
                    "You had made that decision already; your first answer is kept. Here is where you are now."
                )
            )

    return stepped(token, step)


def _problem_page(
    session: Session, person: ParticipantRow, design: StudyDesign, *, nothing_chosen: bool = False
) -> str:
    asked, task = design.choose_one, choice_tasks.open_task(session, person)
    problem = asked.problem(task.problem) if asked and task else None
    if asked is None or task is None or problem is None:
        raise RuntimeError(f"participant {person.id} is {person.state.value} but has nothing left to choose")
    label = design.indecision.label if task.indecision_offered else None
    return show_page(
        "choosing",
        person,
        design,
        shown=in_words(asked, problem, task.row_order, indecision=label),
        task_token=task.token,
        revision=task.asked,
        position=task.position,
        count=asked.problems_per_respondent,
        changing=task.asked > 1,
        can_change=choosing.changeable_choice(session, person) is not None,
        nothing_chosen=nothing_chosen,
    )
