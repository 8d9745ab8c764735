"""The researcher's pages of simulations: put an experiment together, let it run in background, see what it says."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from flask import Blueprint, Response, abort, flash, redirect, render_template, request, send_file, url_for
from werkzeug.wrappers import Response as AnyResponse

from exchange.experiment.progress import duration
from exchange.jobs.archive import zip_chunks
from exchange.jobs.job import RESULTS, Job, JobState
from exchange.jobs.job_folder import JobConflict, JobFolder
from exchange.jobs.running_time import roughly
from survey.web.access import current_actor, owners_only, researchers_only
from survey.web.context import now
from survey.web.research.simulations import (
    add_research_page,
    experiments_at_once,
    experiments_folder,
    note,
    studies_on_offer,
    study_text,
)
from survey.web.security import POLICY

if TYPE_CHECKING:
    from exchange.jobs.job_request import Form

blueprint = Blueprint(
    "exchange",
    __name__,
    template_folder="templates",
    static_folder="static",
    static_url_path="/static/exchange",
    url_prefix="/research",
)
blueprint.add_app_template_filter(duration, "duration")
blueprint.add_app_template_filter(roughly, "roughly")
add_research_page(blueprint, "simulations", "Simulations")

_MAY_ASK_FOR_PROGRESS = f"{POLICY}; connect-src 'self'"
_ONLY_ITSELF = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'; sandbox"
"""For files that were made by a run: their styles are inline, and they may do nothing as this site."""
_UPLOADS = ("scenario_file", "pool_file", "weights_file")
_OF_RUNS, _PICTURES = (f"{RESULTS}/runs/", f"{RESULTS}/days/"), f"{RESULTS}/figures/"
_MOST_LISTED = 1_000
"""Files of single runs that a page lists; all are in the ZIP."""


# --- the list, and adding to it ------------------------------------------------------------------------


@blueprint.get("/simulations")
@researchers_only
def simulations() -> str:
    """List the experiments."""
    rows = [(job, job.status()) for job in _jobs().jobs()]
    return render_template("exchange/simulations.html", rows=rows)


@blueprint.get("/simulations/new")
@owners_only
def new_page() -> str:
    """Offer what an experiment can be made of."""
    return _new_page(complaints=[], form=None)


@blueprint.post("/simulations/new")
@owners_only
def new() -> AnyResponse | tuple[str, int]:
    """Make an experiment of what was chosen, or say everything that is wrong with it."""
    from exchange.jobs.job_request import BadChoices, add_job

    form = _form()
    try:
        job = add_job(
            _jobs(),
            form,
            study_text=study_text,
            most_workers=_cores(),
            made_at=now(),
            made_by=current_actor(),
        )
    except BadChoices as error:
        return _new_page(complaints=error.complaints, form=form), 400
    note("simulation added", simulation=job.id, title=job.about.title)
    return redirect(url_for(".simulation", job_id=job.id), code=303)


def _new_page(*, complaints: Sequence[str], form: Form | None) -> str:
    from exchange.jobs import choices
    from exchange.jobs.own_experiment import POOL_ENDINGS

    return render_template(
        "exchange/new.html",
        complaints=complaints,
        form=form,
        is_own=form is not None and form.one("kind") != "shipped",
        experiments=choices.shipped_experiments(),
        scenarios=choices.scenarios(),
        shipped_studies=choices.shipped_studies(),
        studies=studies_on_offer(),
        policies=choices.POLICIES,
        weights=choices.WEIGHT_WORDS,
        donor_weights=choices.DONOR_WORDS,
        pool_endings=POOL_ENDINGS,
        cores=_cores(),
    )


def _form() -> Form:
    from exchange.jobs.job_request import Form, one_line
    from exchange.jobs.own_experiment import Upload

    return Form(
        fields=request.form.to_dict(flat=False),
        files={
            field: [
                Upload(name=one_line(file.filename or "", 100), content=file.read())
                for file in request.files.getlist(field)
                if file.filename
            ]
            for field in _UPLOADS
        },
    )


# --- one experiment ------------------------------------------------------------------------------------


@blueprint.get("/simulations/<job_id>")
@researchers_only
def simulation(job_id: str) -> Response:
    """Show how far an experiment is, and what it says once it is done."""
    job = _job_or_404(job_id)
    status = job.status()
    files = [(name, path.stat().st_size) for name, path in job.files() if path.exists()]
    each = [one for one in files if one[0].startswith(_OF_RUNS)]
    pictures = [one for one in files if one[0].startswith(_PICTURES)]
    page = render_template(
        "exchange/simulation.html",
        job=job,
        status=status,
        report=job.report() if status.state is JobState.DONE else {},
        files=[one for one in files if not one[0].startswith((*_OF_RUNS, _PICTURES))],
        pictures=pictures,
        run_files=each[:_MOST_LISTED],
        n_run_files=len(each),
        log=job.log_end() if status.state in (JobState.FAILED, JobState.INTERRUPTED) else "",
        cores=_cores(),
    )
    response = Response(page)
    if status.state.is_active:
        response.headers["Content-Security-Policy"] = _MAY_ASK_FOR_PROGRESS
    return response


@blueprint.get("/simulations/<job_id>/progress")
@researchers_only
def progress(job_id: str) -> dict[str, Any]:
    """Tell the page's script how far an experiment is."""
    status = _job_or_404(job_id).status()
    return {
        "state": str(status.state),
        "is_active": status.state.is_active,
        "done": status.done,
        "total": status.total,
        "words": render_template("exchange/progress.txt", status=status).strip(),
    }


@blueprint.post("/simulations/<job_id>/start")
@owners_only
def start(job_id: str) -> AnyResponse:
    """Start an experiment, or let it go on."""
    job = _job_or_404(job_id)
    try:
        _jobs().start(job)
    except JobConflict as error:
        flash(str(error))
    else:
        note("simulation started", simulation=job.id, title=job.about.title)
    return redirect(url_for(".simulation", job_id=job_id), code=303)


@blueprint.post("/simulations/<job_id>/stop")
@owners_only
def stop(job_id: str) -> AnyResponse:
    """Tell an experiment to stop; told again, end it."""
    job = _job_or_404(job_id)
    if job.status().state.is_active:
        _jobs().stop(job)
        note("simulation stopped", simulation=job.id, title=job.about.title)
    return redirect(url_for(".simulation", job_id=job_id), code=303)


@blueprint.get("/simulations/<job_id>/delete")
@owners_only
def delete_page(job_id: str) -> str:
    """Ask whether an experiment shall be deleted."""
    job = _job_or_404(job_id)
    return render_template("exchange/delete.html", job=job, status=job.status())


@blueprint.post("/simulations/<job_id>/delete")
@owners_only
def delete(job_id: str) -> AnyResponse:
    """Delete an experiment and all its files."""
    job = _job_or_404(job_id)
    if request.form.get("sure") != "yes":
        abort(400)
    try:
        _jobs().delete(job)
    except JobConflict as error:
        flash(str(error))
        return redirect(url_for(".simulation", job_id=job_id), code=303)
    note("simulation deleted", simulation=job.id, title=job.about.title)
    flash(f"The experiment “{job.about.title}” is deleted.")
    return redirect(url_for(".simulations"), code=303)


# --- files ---------------------------------------------------------------------------------------------


@blueprint.get("/simulations/<job_id>/files/<path:name>")
@researchers_only
def file(job_id: str, name: str) -> Response:
    """Send one of an experiment's files: pictures and the report to look at, everything else to save."""
    job = _job_or_404(job_id)
    # Only what the folder lists can be asked for, so no name leads anywhere else.
    path = dict(job.files()).get(name)
    if path is None:
        abort(404)
    to_look_at = path.suffix in (".svg", ".html")
    if not to_look_at:
        note("simulation file downloaded", simulation=job.id, file=name)
    response = send_file(path, as_attachment=not to_look_at, download_name=path.name, max_age=None)
    response.headers["Content-Security-Policy"] = _ONLY_ITSELF
    response.headers["Cache-Control"] = "no-store"
    return response


@blueprint.get("/simulations/<job_id>/everything.zip")
@researchers_only
def everything_zip(job_id: str) -> Response:
    """Send all files in one ZIP, made while it is sent."""
    job = _job_or_404(job_id)
    note("simulation downloaded", simulation=job.id, title=job.about.title)
    name = f"simulation-{job.id}"
    response = Response(zip_chunks(job.files(), name), content_type="application/zip")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}.zip"'
    return response


def _jobs() -> JobFolder:
    return JobFolder(experiments_folder(), most_at_once=experiments_at_once())


def _job_or_404(job_id: str) -> Job:
    job = _jobs().find(job_id)
    if job is None:
        abort(404)
    return job


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
