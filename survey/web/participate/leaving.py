"""The end of a participation: reached, wished for, or until the next wave."""

from __future__ import annotations

from urllib.parse import quote

from flask import abort, flash, redirect, render_template, request, url_for
from flask_babel import gettext
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from survey.db import reading, writing
from survey.design import StudyDesign
from survey.kept_figures import forget_figures
from survey.languages import worded
from survey.pairing import presentation_count
from survey.steps import ENDINGS
from survey.store import erasure, participants, studies
from survey.store.participants import NotTakingPart
from survey.tables import ENDED, ParticipantRow, StudyRow
from survey.web.context import now, the_context, the_engine
from survey.web.participate.common import blueprint, find_person, show_page, to_participant
from survey.web.participate.landing import find_study, landing_language
from survey.web.participate.visitor import keep_place


def ended_page(session: Session, person: ParticipantRow, study: StudyRow, design: StudyDesign) -> str:
    """Say that it is over, and where the participant may go on."""
    latest = participants.latest_wave_of(session, person)
    returns = participants.can_return(study, latest)
    return show_page(
        person.state.value,
        person,
        design,
        completion_code=person.completion_code,
        way_on=_way_on(design, person),
        count=presentation_count(design),
        invited=latest.token if returns else None,
        later=latest.token if latest.id != person.id and not returns else None,
    )


@blueprint.post("/p/<token>/return")
def come_again(token: str) -> Response:
    """Begin the next wave."""
    with writing(the_engine()) as session:
        person, study, _design = find_person(session, token)
        latest = participants.latest_wave_of(session, person)
        try:
            latest = participants.return_for_wave(session, study, latest, now=now())
        except NotTakingPart:
            flash(gettext("You are not invited again at the moment."))
        slug = study.slug
    keep_place(slug, latest.token)
    return to_participant(latest.token)


@blueprint.get("/p/<token>/stop")
def stop_page(token: str) -> str:
    """Offer to stop, and to have everything deleted."""
    with reading(the_engine()) as session:
        person, _study, design = find_person(session, token)
        return show_page("stop", person, design, ended=person.state in ENDED)


@blueprint.post("/p/<token>/stop")
def stop(token: str) -> Response:
    """Stop taking part; delete everything if that is wanted."""
    wish = request.form.get("wish")
    if wish not in ("keep", "erase"):
        abort(400)
    with writing(the_engine()) as session:
        person, study, _design = find_person(session, token)
        if wish == "erase":
            study_id, slug, language = study.id, study.slug, person.language
            erasure.erase(session, study, person.code, now=now(), actor="participant")
        else:
            participants.withdraw(session, person, now=now())
    if wish == "erase":
        forget_figures(the_context().settings.state_dir, study_id)
        return redirect(url_for(".erased", slug=slug, lang=language), code=303)
    return to_participant(token)


@blueprint.get("/s/<slug>/erased")
def erased(slug: str) -> str:
    """Say that everything is deleted, to whom no address leads any more."""
    with reading(the_engine()) as session:
        design = studies.design_of(find_study(session, slug))
        language = landing_language(design)
        return render_template(
            "participate/erased.html",
            design=worded(design, arm=design.arms[0].name, language=language),
            language=language,
            endings={page.ending.value: page for page in design.endings},
        )


def _way_on(design: StudyDesign, person: ParticipantRow) -> str | None:
    """Return where to go on after the end; only the design says where."""
    for page in design.endings:
        if page.ending is ENDINGS.get(person.state):
            return page.link.replace("{code}", quote(person.completion_code or "")) or None
    return None
