"""From codes to a design: choose categories, word their levels, and get a checked ``design.toml``. For owners."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flask import Response, abort, render_template, request
from sqlalchemy.orm import Session

from survey.coding.choices import BadChoices
from survey.coding.coding import CodingError
from survey.coding.coding_file import coding_sha256
from survey.coding.to_design import design_from, remarks_on
from survey.db import reading
from survey.design_file import parse_design
from survey.errors import BadDesign
from survey.overview.coding_figures import RESULTS
from survey.store import studies
from survey.store.categories import index_of
from survey.store.coding_data import coding_of_whom
from survey.tables import StudyRow
from survey.web.access import owners_only
from survey.web.context import the_engine
from survey.web.files import file_response
from survey.web.research.coding.common import any_simulated
from survey.web.research.coding.design_form import MOST_CHOSEN, DesignForm, first_form, read_form
from survey.web.research.coding.design_hints import hints_of
from survey.web.research.coding.results import results_figures
from survey.web.research.common import note_download, study_or_404
from survey.web.research.figures import asks_for_simulated
from survey.web.research.views import blueprint


@blueprint.get("/studies/<int:study_id>/suggestions/design")
@owners_only
def to_design(study_id: int) -> str:
    """Offer the categories, the most named first."""
    simulated = asks_for_simulated()
    with reading(the_engine()) as session:
        study = study_or_404(session, study_id)
        figures = results_figures(session, study, simulated=simulated)
        latest = figures.latest
        counts: Any = latest.json(RESULTS)["counts"] if latest and RESULTS in latest.files else None
        return render_template(
            "research/coding/to_design.html",
            study=study,
            design=studies.design_of(study),
            simulated=simulated,
            has_simulated=any_simulated(session, study),
            figures=figures,
            counts=counts,
            most=MOST_CHOSEN,
        )


@blueprint.get("/studies/<int:study_id>/suggestions/design/words")
@owners_only
def word_design(study_id: int) -> str | tuple[str, int]:
    """Ask for the words of the chosen categories."""
    names = list(dict.fromkeys(request.args.getlist("category")))
    with reading(the_engine()) as session:
        study = study_or_404(session, study_id)
        index = index_of(session, study)
        if any(name not in index.by_name for name in names):
            abort(404)
        chosen = [index.as_category(index.by_name[name]) for name in names[:MOST_CHOSEN]]
        problem = ""
        if not chosen:
            problem = "Choose at least one category first."
        elif len(names) > MOST_CHOSEN:
            problem = f"A design takes at most {MOST_CHOSEN} attributes here: the first ones are below."
        return _form_page(
            session, study, first_form(study.slug, chosen), general=[problem] if problem else []
        )


@blueprint.post("/studies/<int:study_id>/suggestions/design/words")
@owners_only
def write_design(study_id: int) -> str | tuple[str, int]:
    """Check the words; show the design, or what is wrong beside each field."""
    simulated = asks_for_simulated()
    form = read_form(request.form)
    with reading(the_engine()) as session:
        study = study_or_404(session, study_id)
        if form.problems:
            return _form_page(session, study, form, form.problems), 400
        coding = coding_of_whom(session, study, simulated=simulated)
        try:
            text = design_from(coding, form.chosen(), about=form.about(), coding_sha256=coding_sha256(coding))
            remarks = remarks_on(coding, form.chosen())
        except BadChoices as error:
            return _form_page(session, study, form, form.beside_fields(error.problems)), 400
        except CodingError as error:
            return _form_page(session, study, form, general=[str(error)]), 400
        return render_template(
            "research/coding/design_done.html",
            study=study,
            design=studies.design_of(study),
            simulated=simulated,
            text=text,
            remarks=[f"{remark[:1].upper()}{remark[1:]}." for remark in remarks],
            form=form,
        )


@blueprint.post("/studies/<int:study_id>/suggestions/design/again")
@owners_only
def rework_design(study_id: int) -> str:
    """Show the form again with what stands in the design."""
    form = read_form(request.form)
    with reading(the_engine()) as session:
        return _form_page(session, study_or_404(session, study_id), form, form.problems)


@blueprint.post("/studies/<int:study_id>/suggestions/design.toml")
@owners_only
def made_design(study_id: int) -> Response:
    """Hand out the design that the page shows, if it still is one."""
    text = request.form.get("text", "").replace("\r\n", "\n")
    with reading(the_engine()) as session:
        study = study_or_404(session, study_id)
    try:
        made = parse_design(text)
    except BadDesign:
        abort(400)
    note_download(study, "design from a coding downloaded", slug=made.slug)
    return file_response(text.encode(), f"{made.slug}-{made.version}.toml", "application/toml; charset=utf-8")


def _form_page(
    session: Session,
    study: StudyRow,
    form: DesignForm,
    problems: Mapping[str, Sequence[str]] | None = None,
    *,
    general: Sequence[str] = (),
) -> str:
    index, simulated = index_of(session, study), asks_for_simulated()
    return render_template(
        "research/coding/design_form.html",
        study=study,
        design=studies.design_of(study),
        simulated=simulated,
        form=form,
        hints=hints_of(session, study, index, form, simulated=simulated),
        problems=problems or {},
        general=[*general, *(problems or {}).get("", ())],
        labels={name: row.label for name, row in index.by_name.items()},
    )
