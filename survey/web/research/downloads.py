"""Files to take away: the export bundle, the answers, the design. Each download stands in the audit log."""

from __future__ import annotations

import tempfile
from pathlib import Path

from flask import Response, abort, render_template, request

from survey.answers_file import write_answers
from survey.bundle import write_bundle
from survey.db import reading
from survey.export import answers_of_study
from survey.overview.counts import overview_of
from survey.store import studies
from survey.web.access import current_researcher, not_coders, researchers_only
from survey.web.context import the_engine
from survey.web.files import file_response
from survey.web.research.common import CSV, note_download, study_or_404
from survey.web.research.figures import asks_for_simulated
from survey.web.research.views import blueprint


@blueprint.get("/studies/<int:study_id>/downloads")
@researchers_only
def downloads(study_id: int) -> str:
    """Offer the files, and say what is in each."""
    with reading(the_engine()) as session:
        study = study_or_404(session, study_id)
        return render_template(
            "research/downloads.html",
            study=study,
            design=studies.design_of(study),
            people=overview_of(session, study, simulated=False),
            simulated=overview_of(session, study, simulated=True),
        )


@blueprint.get("/studies/<int:study_id>/bundle.zip")
@not_coders
def bundle_zip(study_id: int) -> Response:
    """Download everything the study has but recruitment ids and completion codes, with codebook and checksums.

    It holds what every coder wrote, which coders do not see.
    """
    simulated = asks_for_simulated()
    written = request.args.get("written") == "yes"
    researcher = current_researcher()
    if written and not (researcher and researcher.is_owner):
        abort(403)  # What people wrote may name them.
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bundle.zip"
        with reading(the_engine()) as session:
            study = study_or_404(session, study_id)
            write_bundle(session, study, path, include_simulated=simulated, with_text=written)
        body = path.read_bytes()
    note_download(study, "bundle downloaded", simulated=simulated, written_answers=written)
    return file_response(body, f"{study.slug}-{study.version}{_kind(simulated)}.zip", "application/zip")


@blueprint.get("/studies/<int:study_id>/answers.csv")
@researchers_only
def answers_csv(study_id: int) -> Response:
    """Download the answers, of people unless simulated ones are asked for."""
    simulated = asks_for_simulated()
    with reading(the_engine()) as session:
        study = study_or_404(session, study_id)
        answers = answers_of_study(session, study, simulated)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "answers.csv"
        write_answers(path, answers)
        body = path.read_bytes()
    note_download(study, "answers downloaded", simulated=simulated)
    return file_response(body, f"{study.slug}-{study.version}{_kind(simulated)}-answers.csv", CSV)


@blueprint.get("/studies/<int:study_id>/design.toml")
@researchers_only
def design_toml(study_id: int) -> Response:
    """Download the design as it was added."""
    with reading(the_engine()) as session:
        study = study_or_404(session, study_id)
    note_download(study, "design downloaded")
    body = study.design_toml.encode()
    return file_response(body, f"{study.slug}-{study.version}.toml", "application/toml; charset=utf-8")


def _kind(simulated: bool) -> str:
    return "-with-simulated" if simulated else ""
