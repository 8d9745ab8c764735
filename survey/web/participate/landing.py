"""Where a person arrives: what the study is, and the start."""

from __future__ import annotations

from flask import abort, g, redirect, render_template, request, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from survey.db import reading, writing
from survey.design import StudyDesign
from survey.languages import worded
from survey.pairing import presentation_count
from survey.recruitment import BadRecruitmentId, parameter_names, read_ids
from survey.store import participants, studies
from survey.store.participants import Arrival, NeedsInvitation, NotTakingPart
from survey.store.studies import NoSuchStudy
from survey.store.tokens import new_token
from survey.tables import ENDED, StudyRow
from survey.web.context import now, the_engine
from survey.web.participate.common import blueprint, to_participant
from survey.web.participate.visitor import (
    id_keeper,
    is_rehearsal,
    keep_ids,
    keep_place,
    kept_ids,
    kept_place,
    rehearsed_design,
)


@blueprint.get("/s/<slug>")
def landing(slug: str) -> str | Response:
    """Say what the study is; offer to start it if it is open. Ids in the address are read once and dropped."""
    if parameter_names() & set(request.args):
        try:
            recruited = read_ids(request.args)
        except BadRecruitmentId:
            abort(400)
        if recruited is not None:
            with reading(the_engine()) as session:
                find_study(session, slug)  # Nothing is kept for a study that is none.
            keep_ids(slug, recruited)
        return redirect(url_for(".landing", slug=slug, lang=request.args.get("lang")), code=303)
    with reading(the_engine()) as session:
        study = find_study(session, slug)
        design = studies.design_of(study)
        language = landing_language(design)
        return render_template(
            "participate/landing.html",
            design=worded(design, arm=design.arms[0].name, language=language),
            original=design,
            slug=slug,
            language=language,
            state=study.state,
            can_start=participants.takes_participants(study, simulated=is_rehearsal()),
            # Whether the platform's id is known is told to nobody who does not press the button, which is limited.
            has_ids=kept_ids(slug) is not None,
            count=presentation_count(design),
            question_count=len(design.suggestions.questions) if design.suggestions else 0,
            rated_count=len(design.acceptability.attributes) if design.acceptability else 0,
            place=_place_to_go_on(session, study),
            start_key=new_token(),
        )


@blueprint.post("/s/<slug>/start")
def start(slug: str) -> str | Response:
    """Add the participant, or find the one that this person is, and send the person to the own address."""
    start_key = request.form.get("start_key", "")
    if not 20 <= len(start_key) <= 64 or not start_key.isascii():
        abort(400)
    try:
        with writing(the_engine()) as session:
            study = find_study(session, slug)
            design = studies.design_of(study)
            language = request.form.get("language", design.language)
            if language not in design.languages:
                abort(400)
            arrival = Arrival(
                start_key=start_key, language=language, recruited=kept_ids(slug), simulated=is_rehearsal()
            )
            token = participants.start_participant(session, study, arrival, id_keeper(), now=now()).token
    except NeedsInvitation:
        with reading(the_engine()) as session:
            design = studies.design_of(find_study(session, slug))
            g.language = language
            return render_template(
                "participate/not_invited.html",
                design=worded(design, arm=design.arms[0].name, language=language),
                language=language,
            )
    except NotTakingPart:
        return redirect(url_for(".landing", slug=slug), code=303)
    keep_place(slug, token)
    return to_participant(token)


@blueprint.get("/s/<slug>/start")
def start_reopened(slug: str) -> Response:
    """Lead to the study: a browser opens the address of a form again when it restores a tab."""
    return redirect(url_for(".landing", slug=slug), code=303)


def find_study(session: Session, slug: str) -> StudyRow:
    """Return the version of a study that whoever comes now is led to; 404 if there is none."""
    try:
        return studies.find_study(session, slug, digest=rehearsed_design())
    except NoSuchStudy:
        abort(404)


def landing_language(design: StudyDesign) -> str:
    """Return the language asked for, else the browser's favorite among the study's."""
    wanted = request.args.get("lang")
    if wanted not in design.languages:
        wanted = request.accept_languages.best_match(design.languages, design.language)
    g.language = wanted or design.language
    return str(g.language)


def _place_to_go_on(session: Session, study: StudyRow) -> str | None:
    token = kept_place(study.slug)
    person = participants.find_participant(session, token) if token else None
    if person is None or person.study_id != study.id:
        return None
    latest = participants.latest_wave_of(session, person)
    goes_on = latest.state not in ENDED or participants.can_return(study, latest)
    return latest.token if goes_on else None
