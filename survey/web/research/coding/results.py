"""Agreement and results of a coding: numbers, pictures, files. Worked out beside the requests (``workings``)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from flask import Response, abort, redirect, render_template, request, url_for
from markupsafe import Markup
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from survey.db import reading
from survey.design import StudyDesign
from survey.overview.coding_figures import COUNTS, INLINE, PICTURES, REPORT, RESULTS, STOP, coding_figures
from survey.store import studies
from survey.store.coding_data import coding_of_whom
from survey.store.coding_state import coding_state
from survey.tables import StudyRow, SuggestionRow
from survey.web.access import not_coders, owners_only
from survey.web.context import the_engine
from survey.web.files import file_response
from survey.web.research.coding.common import any_simulated
from survey.web.research.coding.workings import Figures, figures_of, worked_aside
from survey.web.research.common import CSV, note_download, study_or_404
from survey.web.research.figures import asks_for_simulated
from survey.web.research.views import blueprint

_TYPES = {
    RESULTS: "application/json; charset=utf-8",
    REPORT: "text/html; charset=utf-8",
    COUNTS: CSV,
    **dict.fromkeys(PICTURES, "image/svg+xml; charset=utf-8"),
}


@blueprint.get("/studies/<int:study_id>/suggestions/agreement")
@not_coders
def agreement(study_id: int) -> str:
    """Show how far coders agree, and how far models' proposals agree with them."""
    return _page(study_id, "research/coding/agreement.html")


@blueprint.get("/studies/<int:study_id>/suggestions/results")
@not_coders
def coding_results(study_id: int) -> str:
    """Show what people named, how often, and whether asking more would add categories."""
    return _page(study_id, "research/coding/results.html", question=request.args.get("question", ""))


def _page(study_id: int, template: str, **more: Any) -> str:
    simulated = asks_for_simulated()
    with reading(the_engine()) as session:
        study = study_or_404(session, study_id)
        design = studies.design_of(study)
        figures = results_figures(session, study, simulated=simulated)
        has_simulated = any_simulated(session, study)
    latest = figures.latest
    has_results = latest is not None and RESULTS in latest.files
    return render_template(
        template,
        study=study,
        design=design,
        simulated=simulated,
        has_simulated=has_simulated,
        figures=figures,
        r=latest.json(RESULTS) if latest and has_results else None,
        # Markup: the pictures escape every word in them.
        pictures={
            name.removesuffix(INLINE): Markup(text)  # noqa: S704
            for name, text in (latest.files.items() if latest else ())
            if name.endswith(INLINE)
        },
        questions=_questions(design),
        stop_sentences=json.loads(latest.files[STOP]) if latest and STOP in latest.files else [],
        **more,
    )


def _questions(design: StudyDesign) -> Mapping[str, Mapping[str, str]]:
    """Return question -> its own words under the empty name, and option -> words."""
    return {
        question.name: {"": question.text, **{option.name: option.words for option in question.options}}
        for question in (*design.screener, *design.demographics)
    }


# --- files ---------------------------------------------------------------------------------------------


@blueprint.get("/studies/<int:study_id>/suggestions/results/<name>")
@not_coders
def coding_file(study_id: int, name: str) -> BaseResponse:
    """Hand out one file of the results."""
    if name not in _TYPES:
        abort(404)
    simulated = asks_for_simulated()
    with reading(the_engine()) as session:
        study = study_or_404(session, study_id)
        figures = results_figures(session, study, simulated=simulated)
    body = figures.latest.files.get(name) if figures.latest else None
    if body is None:
        # Not worked out yet: the page says so.
        address = url_for(".coding_results", study_id=study_id, simulated="yes" if simulated else None)
        return redirect(address, code=303)
    note_download(study, "coding results downloaded", file=name, simulated=simulated)
    kind = "-simulated" if simulated else ""
    return file_response(body.encode(), f"{study.slug}-{study.version}{kind}-{name}", _TYPES[name])


@blueprint.get("/studies/<int:study_id>/suggestions/coding.json")
@owners_only
def coding_json(study_id: int) -> Response:
    """Download everything: suggestions, categories, codes, who was asked. People's words are in it: owners only."""
    from survey.coding.coding_file import coding_text

    simulated = asks_for_simulated()
    with reading(the_engine()) as session:
        study = study_or_404(session, study_id)
        coding = coding_of_whom(session, study, simulated=simulated)
    note_download(study, "coding downloaded", simulated=simulated)
    name = f"{study.slug}-{study.version}{'-simulated' if simulated else ''}-coding.json"
    return file_response(coding_text(coding).encode(), name, _TYPES[RESULTS])


# --- working them out ----------------------------------------------------------------------------------


def results_figures(session: Session, study: StudyRow, *, simulated: bool) -> Figures:
    """Return the results of a study's coding, of people (and models) or of simulated participants."""
    url, study_id = the_engine().url.render_as_string(hide_password=False), study.id
    n = session.scalars(select(func.count(SuggestionRow.id)).where(SuggestionRow.study_id == study_id)).one()

    def work() -> Mapping[str, str]:
        return worked_aside(n, coding_figures, url, study_id, simulated=simulated)

    kind = "simulated" if simulated else "people"
    return figures_of(study_id, kind, coding_state(session, study), work)
