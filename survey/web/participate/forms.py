"""Consent, screener, demographics: forms before and after what is asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from flask import abort, flash, request
from flask_babel import gettext
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from survey.db import writing
from survey.design import StudyDesign
from survey.questionnaire import FormQuestion, Misunderstood, Stated, read_form
from survey.store import answering, attribute_answers, choosing, participants
from survey.store.participants import NotTakingPart, StudyPaused
from survey.tables import ParticipantRow, ParticipantState, StudyRow
from survey.web.context import now, the_engine
from survey.web.participate.common import blueprint, find_person, show_page, stepped, to_participant


def consenting_page(_s: Session, person: ParticipantRow, _study: StudyRow, design: StudyDesign) -> str:
    """Ask whether the person takes part."""
    return show_page("consenting", person, design, returning=person.returning)


@blueprint.post("/p/<token>/consent")
def consent(token: str) -> Response:
    """Store the decision to take part or not."""
    decision = request.form.get("decision")
    if decision not in ("agree", "decline"):
        abort(400)

    def step(session: Session, person: ParticipantRow) -> None:
        if decision == "decline":
            participants.decline(session, person, now=now())
            return
        try:
            participants.consent(session, person, now=now())
        except StudyPaused:
            raise
        except NotTakingPart:
            flash(gettext("You had decided not to take part, and that stands."))

    return stepped(token, step)


def screening_page(_s: Session, person: ParticipantRow, _study: StudyRow, design: StudyDesign) -> str:
    """Ask the screener."""
    return _form_page("screening", person, design, design.screener)


@blueprint.post("/p/<token>/screener")
def screener(token: str) -> str | Response | tuple[str, int]:
    """Store the screener's answers; every question needs one."""
    return _form_sent(token, "screening", ParticipantState.SCREENING, participants.screen, all_needed=True)


def describing_page(session: Session, person: ParticipantRow, _study: StudyRow, design: StudyDesign) -> str:
    """Ask the demographics."""
    can_change = _changeable_before_describing(session, person, design)
    return _form_page("describing", person, design, design.demographics, can_change=can_change)


@blueprint.post("/p/<token>/demographics")
def demographics(token: str) -> str | Response | tuple[str, int]:
    """Store the demographics, as far as they were given."""
    return _form_sent(
        token, "describing", ParticipantState.DESCRIBING, participants.describe, all_needed=False
    )


def _changeable_before_describing(session: Session, person: ParticipantRow, design: StudyDesign) -> bool:
    """Tell whether what was answered before the demographics may still be changed."""
    if design.choose_one:
        return choosing.changeable_choice(session, person) is not None
    if design.compares:
        return answering.changeable(session, person) is not None
    return attribute_answers.changeable_page(session, person) is not None


def _form_sent(
    token: str, page: str, state: ParticipantState, keep: Callable[..., None], *, all_needed: bool
) -> str | Response | tuple[str, int]:
    """Store a form, or show it again with what is wrong and everything that was filled in."""
    try:
        with writing(the_engine()) as session:
            person, _study, design = find_person(session, token, to_step=True)
            if person.state is not state:
                return to_participant(token)
            questions = design.screener if state is ParticipantState.SCREENING else design.demographics
            sent = {question.name: request.form.getlist(question.name) for question in questions}
            stated, wrong = read_form(questions, sent, all_needed=all_needed)
            if wrong:
                return _form_page(page, person, design, questions, stated=stated, wrong=wrong, sent=sent), 422
            keep(session, person, stated, now=now())
    except StudyPaused:
        pass  # Nothing is stored; the page that follows says why.
    return to_participant(token)


def _form_page(
    page: str,
    person: ParticipantRow,
    design: StudyDesign,
    questions: Sequence[FormQuestion],
    *,
    stated: dict[str, Stated] | None = None,
    wrong: Sequence[Misunderstood] = (),
    sent: dict[str, list[str]] | None = None,
    **values: Any,
) -> str:
    return show_page(
        page,
        person,
        design,
        questions=questions,
        stated=stated or {},
        wrong={w.question: w.problem for w in wrong},
        sent=sent or {},
        **values,
    )
