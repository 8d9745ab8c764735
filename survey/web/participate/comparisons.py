"""Instructions, whether they were understood, and comparisons two at a time."""

from __future__ import annotations

import hashlib
from typing import Any

from flask import abort, flash, request
from flask_babel import gettext
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from survey import wording
from survey.answers import Choice
from survey.design import StudyDesign
from survey.pairing import presentation_count
from survey.questionnaire import Option
from survey.store import answering
from survey.store.answering import Sent
from survey.store.presentations import presentation_of
from survey.tables import FollowUpKind, ParticipantRow, PresentationRow, StudyRow
from survey.web.context import now
from survey.web.participate.common import blueprint, own_link, read_revision, show_page, stepped
from survey.web.participate.visitor import read_client, read_seconds


def instructed_page(_s: Session, person: ParticipantRow, _study: StudyRow, design: StudyDesign) -> str:
    """Tell what is to be done."""
    return show_page(
        "instructed",
        person,
        design,
        count=presentation_count(design),
        practice=design.practice is not None and not person.returning,
        problem_count=design.choose_one.problems_per_respondent if design.choose_one else 0,
        asks_comprehension=design.comprehension is not None and not person.returning,
        instructions=wording.instructions(
            design, indecision_offered=design.arm(person.arm or "").indecision_offered
        ),
        own_link=own_link(person),
    )


@blueprint.post("/p/<token>/begin")
def begin(token: str) -> Response:
    """Go on from the instructions."""
    return stepped(token, lambda session, person: answering.begin(session, person, now=now()))


def comprehending_page(
    session: Session, person: ParticipantRow, _study: StudyRow, design: StudyDesign
) -> str:
    """Ask whether the instructions were understood."""
    attempts = answering.attempts_at_comprehension(session, person)
    return show_page("comprehending", person, design, asked=design.comprehension, again=attempts > 0)


@blueprint.post("/p/<token>/comprehension")
def comprehension(token: str) -> Response:
    """Store an answer about the instructions."""
    option = request.form.get("option", "")
    return stepped(token, lambda session, person: answering.comprehend(session, person, option, now=now()))


def comparing_page(session: Session, person: ParticipantRow, _study: StudyRow, design: StudyDesign) -> str:
    """Show the comparison that waits, or what is asked after an indecision."""
    asked = answering.pending_follow_up(session, design, person)
    if asked is not None:
        presentation, given, kind = asked
        return _comparison_page(
            f"follow_up_{kind.value}", session, person, design, presentation, revision=given.revision
        )
    shown = answering.open_presentation(session, design, person)
    if shown is None:
        raise RuntimeError(f"participant {person.id} is {person.state.value} but has nothing left to answer")
    return _comparison_page(
        "comparison",
        session,
        person,
        design,
        shown,
        revision=shown.asked,
        changing=shown.asked > 1,
        can_change=answering.changeable(session, person) is not None,
    )


@blueprint.post("/p/<token>/answer")
def answer(token: str) -> Response:
    """Store the answer, once, and go on."""
    try:
        choice = Choice(request.form.get("choice", ""))
    except ValueError:
        abort(400)
    seconds, problem = read_seconds(request.form.get("seconds", ""))
    sent = Sent(
        presentation=request.form.get("presentation", ""),
        revision=read_revision(),
        choice=choice,
        client_seconds=seconds,
        client_seconds_problem=problem,
        client=read_client(request.form.get("client", "")),
    )

    def step(session: Session, person: ParticipantRow) -> None:
        if answering.record_answer(session, person, sent, now=now()).replayed:
            flash(
                gettext(
                    "You had answered that comparison already; your first answer is kept. "
                    "Here is where you are now."
                )
            )

    return stepped(token, step)


@blueprint.post("/p/<token>/follow-up")
def follow_up(token: str) -> Response:
    """Store what was said after an indecision."""
    try:
        kind = FollowUpKind(request.form.get("kind", ""))
    except ValueError:
        abort(400)
    value, presentation, revision = (
        request.form.get("value", ""),
        request.form.get("presentation", ""),
        read_revision(),
    )
    return stepped(
        token,
        lambda session, person: answering.record_follow_up(
            session, person, presentation, revision, kind, value, now=now()
        ),
    )


def _comparison_page(
    name: str,
    session: Session,
    person: ParticipantRow,
    design: StudyDesign,
    shown: PresentationRow,
    **values: Any,
) -> str:
    return show_page(
        name,
        person,
        design,
        question=wording.question(design, presentation_of(design, shown)),
        presentation_token=shown.token,
        position=shown.position,
        practice=shown.position == 0,
        count=presentation_count(design),
        reasons=_shuffled_reasons(design, person),
        **values,
    )


def _shuffled_reasons(design: StudyDesign, person: ParticipantRow) -> list[Option]:
    """Return the reasons in an order of the participant's own: alike on every reload, and known from the export."""

    def place(reason: Option) -> bytes:
        return hashlib.sha256(f"{person.code} {reason.name}".encode()).digest()

    return sorted(design.indecision.reasons, key=place)
