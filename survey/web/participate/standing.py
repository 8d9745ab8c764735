"""Where a participant stands: the page to act on next, and the answer before, asked once more."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from survey.db import reading
from survey.design import StudyDesign
from survey.store import answering, attribute_answers
from survey.store.choosing import change_last_choice
from survey.tables import ENDED, ParticipantRow, ParticipantState, StudyRow
from survey.web.context import now, the_engine
from survey.web.participate import attributes, choosing, comparisons, forms, leaving
from survey.web.participate.common import (
    blueprint,
    find_person,
    is_paused_for,
    show_page,
    stepped,
    to_participant,
)

_FORMS = (
    "consent,screener,suggest,remove,rate,rank,begin,comprehension,answer,'follow-up',choose,demographics,"
    "change,return"
)
"""Last parts of the addresses that forms are sent to."""


@blueprint.get("/p/<token>")
def participant(token: str) -> str:
    """Show where the participant stands: the page to act on next."""
    with reading(the_engine()) as session:
        person, study, design = find_person(session, token)
        if is_paused_for(person, study):
            return show_page("paused", person, design)
        return _PAGES[person.state](session, person, study, design)


@blueprint.get(f"/p/<token>/<any({_FORMS}):form>")
def form_reopened(token: str, form: str) -> Response:
    """Lead to where the participant stands: a browser opens the address of a form again when it restores a tab."""
    return to_participant(token)


@blueprint.post("/p/<token>/change")
def change(token: str) -> Response:
    """Ask for the last answer once more."""

    def step(session: Session, person: ParticipantRow) -> None:
        # At most one of them is what was answered last.
        if attribute_answers.change_last_page(session, person, now=now()):
            return
        if not change_last_choice(session, person, now=now()):
            answering.change_last_answer(session, person, now=now())

    return stepped(token, step)


_PAGES: dict[ParticipantState, Callable[[Session, ParticipantRow, StudyRow, StudyDesign], str]] = {
    ParticipantState.CONSENTING: forms.consenting_page,
    ParticipantState.SCREENING: forms.screening_page,
    ParticipantState.SUGGESTING: attributes.suggesting_page,
    ParticipantState.RATING: attributes.rating_page,
    ParticipantState.INSTRUCTED: comparisons.instructed_page,
    ParticipantState.PRACTICING: comparisons.comparing_page,
    ParticipantState.COMPREHENDING: comparisons.comprehending_page,
    ParticipantState.ANSWERING: comparisons.comparing_page,
    ParticipantState.CHOOSING: choosing.choosing_page,
    ParticipantState.DESCRIBING: forms.describing_page,
    **dict.fromkeys(ENDED, leaving.ended_page),
}
