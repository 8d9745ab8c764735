"""What a participant sees and sends. A GET changes nothing; a POST stores, commits and redirects (303)."""

from __future__ import annotations

import hmac
import math

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from survey import store, wording
from survey.answers import Choice
from survey.config import REHEARSAL_HEADER, REHEARSED_DESIGN_HEADER
from survey.db import reading, writing
from survey.store import NoSuchPresentation, NoSuchStudy, NotTakingPart
from survey.tables import ParticipantRow, ParticipantState, StudyState
from survey.web.context import now, the_context, the_engine

blueprint = Blueprint("participate", __name__, template_folder="templates")

_LONGEST_SECONDS = 7 * 24 * 3600.0


@blueprint.get("/s/<slug>")
def landing(slug: str) -> str:
    """Say what the study is; offer to start it if it is open."""
    simulated = _is_rehearsal()
    with reading(the_engine()) as session:
        try:
            study = store.find_study(session, slug, digest=_rehearsed_design())
        except NoSuchStudy:
            abort(404)
        can_start = study.state is StudyState.OPEN or (simulated and study.state is StudyState.DRAFT)
        return render_template(
            "participate/landing.html",
            design=store.design_of(study),
            slug=slug,
            state=study.state,
            can_start=can_start,
        )


@blueprint.post("/s/<slug>/start")
def start(slug: str) -> Response:
    """Add the participant and send the person to the address that is theirs."""
    simulated = _is_rehearsal()
    try:
        with writing(the_engine()) as session:
            study = store.find_study(session, slug, digest=_rehearsed_design())
            token = store.start_participant(session, study, simulated=simulated, now=now()).token
    except NoSuchStudy:
        abort(404)
    except NotTakingPart:
        return redirect(url_for(".landing", slug=slug), code=303)
    return _to_participant(token)


@blueprint.get("/p/<token>")
def participant(token: str) -> str:
    """Show where the participant stands: the page to act on next."""
    with reading(the_engine()) as session:
        person = _person(session, token)
        design = store.design_of(store.study_of(session, person))
        if person.state is ParticipantState.ANSWERING:
            shown = store.next_presentation(session, person)
            if shown is None:
                raise RuntimeError(f"participant {person.id} is answering but has nothing left to answer")
            return render_template(
                "participate/comparison.html",
                design=design,
                token=token,
                question=wording.question(design, store.presentation_of(design, shown)),
                presentation_token=shown.token,
                position=shown.position,
                count=store.presentation_count(session, person),
            )
        count = store.presentation_count(session, person) or design.comparisons_per_respondent
        offered = person.arm is not None and design.arm(person.arm).indecision_offered
        return render_template(
            f"participate/{person.state.value}.html",
            design=design,
            token=token,
            count=count,
            instructions=wording.instructions(design, indecision_offered=offered),
            completion_code=person.completion_code,
        )


@blueprint.post("/p/<token>/consent")
def consent(token: str) -> Response:
    """Store the decision to take part or not."""
    decision = request.form.get("decision")
    if decision not in ("agree", "decline"):
        abort(400)
    with writing(the_engine()) as session:
        person = _person(session, token)
        if decision == "decline":
            store.decline(session, person, now=now())
        else:
            try:
                store.consent(session, person, now=now())
            except NotTakingPart:
                flash("You had decided not to take part, and that stands.")
    return _to_participant(token)


@blueprint.post("/p/<token>/begin")
def begin(token: str) -> Response:
    """Go from the instructions to the first comparison."""
    with writing(the_engine()) as session:
        store.begin(session, _person(session, token), now=now())
    return _to_participant(token)


@blueprint.post("/p/<token>/answer")
def answer(token: str) -> Response:
    """Store the answer, once, and go on."""
    try:
        choice = Choice(request.form.get("choice", ""))
    except ValueError:
        abort(400)
    seconds, problem = _client_seconds(request.form.get("seconds", ""))
    try:
        with writing(the_engine()) as session:
            recorded = store.record_answer(
                session,
                _person(session, token),
                request.form.get("presentation", ""),
                choice,
                client_seconds=seconds,
                client_seconds_problem=problem,
                now=now(),
            )
    except (NoSuchPresentation, NotTakingPart):
        abort(400)
    if recorded.replayed:
        flash(
            "You had answered that comparison already; your first answer is kept. Here is where you are now."
        )
    return _to_participant(token)


def _person(session: Session, token: str) -> ParticipantRow:
    person = store.find_participant(session, token)
    if person is None:
        abort(404)
    return person


def _to_participant(token: str) -> Response:
    return redirect(url_for("participate.participant", token=token), code=303)


def _is_rehearsal() -> bool:
    """Tell whether the request comes from a rehearsal; a header with a wrong token is refused."""
    given = request.headers.get(REHEARSAL_HEADER)
    if given is None:
        return False
    if not hmac.compare_digest(given.encode(), the_context().secrets.rehearsal_token.encode()):
        abort(403)
    return True


def _rehearsed_design() -> str | None:
    """Return the hash of the design that a rehearsal asks for; people take the open version."""
    return request.headers.get(REHEARSED_DESIGN_HEADER) if _is_rehearsal() else None


def _client_seconds(text: str) -> tuple[float | None, str]:
    """Read the browser's measure; return it with the reason it is missing or not to be believed, if any."""
    if not text:
        return None, "not measured (no script)"
    try:
        seconds = float(text)
    except ValueError:
        return None, "not readable"
    if not math.isfinite(seconds) or not 0 <= seconds <= _LONGEST_SECONDS:
        return None, "not plausible"
    return seconds, ""
