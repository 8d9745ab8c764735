"""The codebook as a file: downloaded with everything that was merged and retired, and taken over from elsewhere."""

from __future__ import annotations

from flask import Response, flash, redirect, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from survey.coding.codebook_file import codebook_csv as csv_of
from survey.coding.codebook_file import codebook_json as json_of
from survey.coding.codebook_file import codebook_remarks, read_codebook_csv, read_codebook_json
from survey.coding.coding import Category, Coding, CodingError
from survey.db import reading, writing
from survey.store.categories import index_of
from survey.store.coding_imports import import_categories
from survey.tables import StudyRow
from survey.web.access import current_actor, owners_only, researchers_only
from survey.web.context import now, the_engine
from survey.web.files import file_response
from survey.web.research.coding.categories import refused_codebook
from survey.web.research.common import CSV, note_download, study_or_404
from survey.web.research.views import blueprint

_UNNAMED = "codebook.csv"


@blueprint.get("/studies/<int:study_id>/suggestions/codebook.csv")
@researchers_only
def codebook_csv(study_id: int) -> Response:
    """Download the codebook as a table."""
    study, book = _codebook(study_id)
    note_download(study, "codebook downloaded", categories=len(book.categories))
    return file_response(csv_of(book.categories).encode(), f"{study.slug}-{study.version}-codebook.csv", CSV)


@blueprint.get("/studies/<int:study_id>/suggestions/codebook.json")
@researchers_only
def codebook_json(study_id: int) -> Response:
    """Download the codebook as JSON."""
    study, book = _codebook(study_id)
    note_download(study, "codebook downloaded", categories=len(book.categories))
    name = f"{study.slug}-{study.version}-codebook.json"
    return file_response(json_of(book).encode(), name, "application/json; charset=utf-8")


@blueprint.post("/studies/<int:study_id>/suggestions/codebook")
@owners_only
def take_codebook(study_id: int) -> BaseResponse | tuple[str, int]:
    """Add the categories of a file, all or none."""
    uploaded = request.files.get("file")
    name = (uploaded.filename or "") if uploaded else ""
    content = uploaded.read() if uploaded else b""
    if not content:
        return refused_codebook(study_id, ["Choose a file first; this one is empty or missing."]), 400
    try:
        categories = _read(content, name)
        remarks = () if _is_json(name) else codebook_remarks(content, name or _UNNAMED)
        with writing(the_engine()) as session:
            study = study_or_404(session, study_id)
            done = import_categories(session, study, categories, now=now(), actor=current_actor())
    except CodingError as error:
        return refused_codebook(study_id, str(error).splitlines()), 400
    told = {"added": done.added, "reworded": done.reworded, "already here": done.already_there}
    flash(f"Categories: {', '.join(f'{n:,} {what}' for what, n in told.items() if n) or 'none'}.")
    for remark in remarks:
        flash(f"{remark}.")
    return redirect(url_for(".categories", study_id=study_id), code=303)


def _is_json(name: str) -> bool:
    return name.lower().endswith(".json")


def _read(content: bytes, name: str) -> tuple[Category, ...]:
    if not _is_json(name):
        return read_codebook_csv(content, name or _UNNAMED)
    try:
        return read_codebook_json(content.decode("utf-8-sig"), name)
    except UnicodeDecodeError:
        raise CodingError(f"{name}: is not UTF-8 text; save it as UTF-8") from None


def _codebook(study_id: int) -> tuple[StudyRow, Coding]:
    with reading(the_engine()) as session:
        study = study_or_404(session, study_id)
        index = index_of(session, study)
        return study, Coding(
            study=study.slug,
            version=study.version,
            design_hash=study.design_hash,
            categories=tuple(index.as_category(row) for row in index.rows.values()),
        )
