"""What the views of a participant share: who it is, a page, a step in one transaction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Blueprint, abort, g, redirect, render_template, request, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from survey.db import writing
from survey.design import StudyDesign
from survey.languages import worded
from survey.store import participants, studies
from survey.store.answering import NoSuchPresentation
from survey.store.participants import NotTakingPart, StudyPaused
from survey.tables import ENDED, ParticipantRow, ParticipantState, StudyRow, StudyState
from survey.web.context import public_address, the_engine

blueprint = Blueprint("participate", __name__, template_folder="templates")


def find_person(
    session: Session, token: str, *, to_step: bool = False
) -> tuple[ParticipantRow, StudyRow, StudyDesign]:
    """Return the participant, the study, and the design as this participant reads it."""
    person = participants.find_participant(session, token, to_step=to_step)
    if person is None or person.state is ParticipantState.ERASED:
        abort(404)
    study = participants.study_of(session, person)
    design = studies.design_of(study)
    g.language = person.language
    return person, study, worded(design, arm=person.arm or design.arms[0].name, language=person.language)


def is_paused_for(person: ParticipantRow, study: StudyRow) -> bool:
    """Tell whether the participant cannot go on now because the study is paused."""
    return study.state is StudyState.PAUSED and person.state not in ENDED and not person.simulated


def show_page(name: str, person: ParticipantRow, design: StudyDesign, **values: Any) -> str:
    """Return a page of the participant."""
    return render_template(
        f"participate/{name}.html",
        design=design,
        page_name=name,
        token=person.token,
        language=person.language,
        simulated=person.simulated,
        can_stop=person.state not in ENDED,
        **values,
    )


def own_link(person: ParticipantRow) -> str:
    """Return the address at which the participant finds the way back."""
    return public_address() + url_for("participate.participant", token=person.token)


def stepped(token: str, step: Callable[[Session, ParticipantRow], object]) -> Response:
    """Do one step in one transaction and send the participant on."""
    try:
        with writing(the_engine()) as session:
            person, _study, _design = find_person(session, token, to_step=True)
            step(session, person)
    except StudyPaused:
        return to_participant(token)
    except (NoSuchPresentation, NotTakingPart):
        abort(400)
    return to_participant(token)


def read_revision() -> int:
    """Return which answer to its page a form holds, from 1."""
    text = request.form.get("revision", "")
    if not (text.isascii() and text.isdigit() and len(text) <= 3):
        abort(400)
    return int(text)


def to_participant(token: str) -> Response:
    """Send the participant to the own page."""
    return redirect(url_for("participate.participant", token=token), code=303)
