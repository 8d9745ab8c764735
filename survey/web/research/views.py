"""Studies: listed, added, opened, paused, closed, previewed; the next wave. Every page is for researchers only."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from survey.attention import describe
from survey.db import reading, writing
from survey.errors import BadDesign
from survey.overview.counts import Overview, overview_of, overviews
from survey.pairing import presentation_count
from survey.store import participants
from survey.store import studies as stored
from survey.store.participants import Arrival, NotTakingPart
from survey.store.studies import StudyConflict
from survey.store.tokens import new_token
from survey.tables import ParticipantRow, StudyRow, StudyState
from survey.web.access import current_actor, owners_only, researchers_only
from survey.web.context import now, public_address, the_engine
from survey.web.participate.visitor import id_keeper
from survey.web.research.common import study_or_404

blueprint = Blueprint("research", __name__, template_folder="templates", url_prefix="/research")


# --- the list, and adding to it ------------------------------------------------------------------------


@blueprint.get("/")
@researchers_only
def studies() -> str:
    """List the studies."""
    with reading(the_engine()) as session:
        counts = overviews(session, simulated=False)
        return render_template(
            "research/studies.html",
            rows=[
                (study, stored.design_of(study), counts.get(study.id, Overview()))
                for study in stored.list_studies(session)
            ],
        )


@blueprint.get("/add")
@owners_only
def add_page() -> str:
    """Offer to upload or paste a design."""
    return render_template("research/add.html", text="", complaints=[])


@blueprint.post("/add")
@owners_only
def add() -> Response | tuple[str, int]:
    """Check the design; store it, or show every complaint beside the text."""
    uploaded = request.files.get("file")
    name = (uploaded.filename or "") if uploaded else ""
    try:
        text = uploaded.read().decode("utf-8-sig") if uploaded and name else request.form.get("text", "")
    except UnicodeDecodeError:
        return _refused("", [f"{name}: not UTF-8 text; save it as UTF-8"])
    text = text.replace("\r\n", "\n")
    try:
        with reading(the_engine()) as session:
            there = {study.id: study.design_hash for study in stored.list_studies(session)}
        with writing(the_engine()) as session:
            study = stored.add_study(
                session, text, now=now(), where=name or "design.toml", actor=current_actor()
            )
            study_id, digest, title = study.id, study.design_hash, f"'{study.slug}' version {study.version}"
    except BadDesign as error:
        return _refused(text, error.complaints)
    except StudyConflict as error:
        return _refused(text, [str(error)])
    if study_id not in there:
        flash(f"Study {title} is added as a draft.")
    elif there[study_id] == digest:
        flash(f"Study {title} was here already with this very design; nothing was changed.")
    else:
        flash(f"The draft of study {title} now has this design in place of the one before.")
    return redirect(url_for(".study", study_id=study_id), code=303)


def _refused(text: str, complaints: list[str]) -> tuple[str, int]:
    return render_template("research/add.html", text=text, complaints=complaints), 400


# --- one study -----------------------------------------------------------------------------------------


@blueprint.get("/studies/<int:study_id>")
@researchers_only
def study(study_id: int) -> str:
    """Show where one study stands and what can be done with it."""
    with reading(the_engine()) as session:
        row = study_or_404(session, study_id)
        design = stored.design_of(row)
        link = public_address() + url_for("participate.landing", slug=row.slug)
        versions = [other for other in stored.list_studies(session) if other.slug == row.slug]
        counts = overviews(session, simulated=False)
        return render_template(
            "research/study.html",
            study=row,
            design=design,
            count=presentation_count(design),
            people=overview_of(session, row, simulated=False),
            simulated=overview_of(session, row, simulated=True),
            is_rehearsed=_anybody(session, row),
            in_the_way=next(
                (v for v in versions if v.id != row.id and v.state in (StudyState.OPEN, StudyState.PAUSED)),
                None,
            ),
            can_preview=participants.takes_participants(row, simulated=True),
            rules=describe(design.exclusions),
            versions=[(version, counts.get(version.id, Overview())) for version in versions],
            link=link,
            platform_links=_platform_links(link),
        )


def _anybody(session: Session, study: StudyRow) -> bool:
    query = select(ParticipantRow.id).where(ParticipantRow.study_id == study.id).limit(1)
    return session.scalar(query) is not None


def _platform_links(link: str) -> list[tuple[str, str, str]]:
    """Return (platform, link, what to know) for pasting into recruitment platforms.

    The braces stay as they are: the platform puts an id in their place.
    """
    return [
        (
            "Prolific",
            f"{link}?PROLIFIC_PID={{{{%PROLIFIC_PID%}}}}&STUDY_ID={{{{%STUDY_ID%}}}}&SESSION_ID={{{{%SESSION_ID%}}}}",
            "Paste it as the study link; choose “I’ll use URL parameters”.",
        ),
        (
            "Amazon Mechanical Turk",
            f"{link}?workerId=WORKER&assignmentId=ASSIGNMENT&hitId=HIT",
            "MTurk shows a HIT in a frame, and this survey refuses frames: let the HIT’s page open the link in a "
            "new tab, with the three ids that it was given in place of the words in capitals.",
        ),
        (
            "Anything else",
            f"{link}?pid=ID",
            "One id of your own per person in place of ID, for example from a panel or a mailing.",
        ),
    ]


_CHANGES: Mapping[str, Callable[..., None]] = {
    StudyState.OPEN.value: stored.open_study,
    StudyState.PAUSED.value: stored.pause_study,
    StudyState.CLOSED.value: stored.close_study,
}


@blueprint.post("/studies/<int:study_id>/state")
@owners_only
def change_state(study_id: int) -> Response:
    """Open, pause or close the study."""
    change = _CHANGES.get(request.form.get("state", ""))
    if change is None:
        abort(400)
    with writing(the_engine()) as session:
        row = study_or_404(session, study_id)
        try:
            change(session, row, now=now(), actor=current_actor())
        except StudyConflict as error:
            flash(_sentence(error))
        else:
            flash(f"The study is {row.state.value}.")
    return redirect(url_for(".study", study_id=study_id), code=303)


@blueprint.post("/studies/<int:study_id>/wave")
@owners_only
def open_next_wave(study_id: int) -> Response:
    """Open the next wave. It cannot be taken back, so the form names the wave that its page was about."""
    sure, wanted = request.form.get("sure"), request.form.get("wave", "")
    if sure != "yes" or not (wanted.isascii() and wanted.isdigit() and len(wanted) <= 4):
        abort(400)
    with writing(the_engine()) as session:
        row = study_or_404(session, study_id)
        # Pressed twice, it opens one wave.
        if int(wanted) == row.wave + 1:
            try:
                stored.open_next_wave(session, row, now=now(), actor=current_actor())
            except StudyConflict as error:
                flash(_sentence(error))
            else:
                flash(f"Wave {row.wave} is open. Invite those who finished the wave before.")
                if row.state is StudyState.DRAFT:
                    flash("Only rehearsals take it: people begin in wave 1 once the study is opened.")
                elif row.state is not StudyState.OPEN:
                    flash(f"The study is {row.state.value}: nobody can begin the wave before you open it.")
    return redirect(url_for(".study", study_id=study_id), code=303)


@blueprint.post("/studies/<int:study_id>/preview")
@owners_only
def preview(study_id: int) -> Response:
    """Start a simulated participant in a chosen language and arm, and go to its first page."""
    with writing(the_engine()) as session:
        row = study_or_404(session, study_id)
        design = stored.design_of(row)
        language, arm = request.form.get("language", design.language), request.form.get("arm", "")
        if language not in design.languages or arm not in ("", *(a.name for a in design.arms)):
            abort(400)
        arrival = Arrival(start_key=new_token(), language=language, simulated=True)
        try:
            person = participants.start_participant(session, row, arrival, id_keeper(), now=now())
        except NotTakingPart:
            flash(f"A {row.state.value} study cannot be previewed: only a draft and an open study can.")
            return redirect(url_for(".study", study_id=study_id), code=303)
        # Admission keeps an arm that is there, and draws one otherwise.
        person.arm = arm or None
        token = person.token
    return redirect(url_for("participate.participant", token=token), code=303)


def _sentence(error: StudyConflict) -> str:
    text = str(error)
    return text[:1].upper() + text[1:] + "."
