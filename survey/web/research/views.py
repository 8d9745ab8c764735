"""What a researcher sees and does. Every page but the sign-in is for researchers only."""

from __future__ import annotations

import tempfile
from pathlib import Path

from flask import (
    Blueprint,
    Response,
    abort,
    flash,
    make_response,
    redirect,
    render_template,
    request,
    url_for,
)
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from survey import store
from survey.answers_file import write_answers
from survey.db import reading, writing
from survey.errors import BadDesign
from survey.export import answers_of_study
from survey.overview import overview_of
from survey.store import StudyConflict
from survey.tables import ParticipantState, StudyRow, StudyState
from survey.web.access import is_researcher, researchers_only, sign_in, sign_out
from survey.web.context import now, the_context, the_engine

blueprint = Blueprint("research", __name__, template_folder="templates", url_prefix="/research")


@blueprint.get("/")
def studies() -> str | BaseResponse:
    """List the studies. A ``token`` in the address signs in and is dropped from it, as in Jupyter."""
    token = request.args.get("token")
    if token is not None:
        if sign_in(token):
            return redirect(url_for(".studies"), code=303)
        flash("That link's token is not right (any more). Use the link that 'equipoise serve' printed last.")
        return redirect(url_for(".sign_in_page"), code=303)
    if not is_researcher():
        return redirect(url_for(".sign_in_page"), code=303)
    with reading(the_engine()) as session:
        rows = [
            (study, overview_of(session, study, simulated=False)) for study in store.list_studies(session)
        ]
        return render_template("research/studies.html", rows=rows, states=ParticipantState)


@blueprint.get("/sign-in")
def sign_in_page() -> str | BaseResponse:
    """Ask for the token."""
    if is_researcher():
        return redirect(url_for(".studies"), code=303)
    return render_template("research/sign_in.html")


@blueprint.post("/sign-in")
def sign_in_sent() -> BaseResponse | tuple[str, int]:
    """Check the token that was sent."""
    if sign_in(request.form.get("token", "").strip()):
        return redirect(url_for(".studies"), code=303)
    flash("That token is not right. It stands in the link that 'equipoise serve' prints, after token=.")
    return render_template("research/sign_in.html"), 403


@blueprint.post("/sign-out")
def sign_out_sent() -> BaseResponse:
    """Close the session."""
    sign_out()
    return redirect(url_for(".sign_in_page"), code=303)


@blueprint.get("/add")
@researchers_only
def add_page() -> str:
    """Offer to upload or paste a design."""
    return render_template("research/add.html", text="", complaints=[])


@blueprint.post("/add")
@researchers_only
def add() -> BaseResponse | tuple[str, int]:
    """Check the design; store it, or show every complaint beside the text."""
    uploaded = request.files.get("file")
    name = (uploaded.filename or "") if uploaded else ""
    try:
        text = uploaded.read().decode("utf-8-sig") if uploaded and name else request.form.get("text", "")
    except UnicodeDecodeError:
        return _refused("", [f"{name}: not UTF-8 text; save it as UTF-8"])
    text = text.replace("\r\n", "\n")
    try:
        with writing(the_engine()) as session:
            study = store.add_study(session, text, now=now(), where=name or "design.toml")
            study_id = study.id
    except BadDesign as error:
        return _refused(text, error.complaints)
    except StudyConflict as error:
        return _refused(text, [str(error)])
    return redirect(url_for(".study", study_id=study_id), code=303)


def _refused(text: str, complaints: list[str]) -> tuple[str, int]:
    return render_template("research/add.html", text=text, complaints=complaints), 400


@blueprint.get("/studies/<int:study_id>")
@researchers_only
def study(study_id: int) -> str:
    """Show where one study stands."""
    with reading(the_engine()) as session:
        row = _study(session, study_id)
        base = the_context().settings.public_url.rstrip("/") or request.host_url.rstrip("/")
        return render_template(
            "research/study.html",
            study=row,
            design=store.design_of(row),
            people=overview_of(session, row, simulated=False),
            simulated=overview_of(session, row, simulated=True),
            states=ParticipantState,
            link=base + url_for("participate.landing", slug=row.slug),
        )


@blueprint.post("/studies/<int:study_id>/state")
@researchers_only
def change_state(study_id: int) -> BaseResponse:
    """Open or close the study."""
    wanted = request.form.get("state")
    with writing(the_engine()) as session:
        row = _study(session, study_id)
        if wanted == StudyState.OPEN:
            try:
                store.open_study(session, row, now=now())
            except StudyConflict as error:
                flash(str(error))
        elif wanted == StudyState.CLOSED:
            store.close_study(session, row, now=now())
        else:
            abort(400)
    return redirect(url_for(".study", study_id=study_id), code=303)


@blueprint.get("/studies/<int:study_id>/answers.csv")
@researchers_only
def answers_csv(study_id: int) -> Response:
    """Download the answers, of people unless simulated ones are asked for."""
    with reading(the_engine()) as session:
        row = _study(session, study_id)
        answers = answers_of_study(session, row, request.args.get("simulated") == "yes")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "answers.csv"
        write_answers(path, answers)
        return _download(
            path.read_bytes(), f"{row.slug}-{row.version}-answers.csv", "text/csv; charset=utf-8"
        )


@blueprint.get("/studies/<int:study_id>/completion-codes.csv")
@researchers_only
def completion_codes_csv(study_id: int) -> Response:
    """Download the codes by which those who finished can be paid; nothing links them to answers."""
    with reading(the_engine()) as session:
        row = _study(session, study_id)
        codes = store.completion_codes(session, row)
    text = "".join(f"{line}\n" for line in ("completion_code", *codes))
    return _download(
        text.encode(), f"{row.slug}-{row.version}-completion-codes.csv", "text/csv; charset=utf-8"
    )


@blueprint.get("/studies/<int:study_id>/design.toml")
@researchers_only
def design_toml(study_id: int) -> Response:
    """Download the design as it was added."""
    with reading(the_engine()) as session:
        row = _study(session, study_id)
    return _download(
        row.design_toml.encode(), f"{row.slug}-{row.version}.toml", "application/toml; charset=utf-8"
    )


def _study(session: Session, study_id: int) -> StudyRow:
    row = session.get(StudyRow, study_id)
    if row is None:
        abort(404)
    return row


def _download(body: bytes, name: str, kind: str) -> Response:
    response = make_response(body)
    response.headers["Content-Type"] = kind
    safe = "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else "_" for c in name)
    response.headers["Content-Disposition"] = f'attachment; filename="{safe}"'
    return response
