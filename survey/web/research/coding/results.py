"""Agreement and results of a coding: numbers, pictures, files. Worked out beside the requests (``workings``)."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from flask import Response, abort, redirect, render_template, request, url_for
from markupsafe import Markup
from sqlalchemy import Engine
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from survey.coding.spreadsheet import protected
from survey.db import reading
from survey.design import StudyDesign
from survey.questionnaire import QuestionKind
from survey.store import studies
from survey.store.coding_data import coding_of_whom
from survey.store.coding_state import coding_state
from survey.tables import StudyRow
from survey.web.access import not_coders, owners_only
from survey.web.context import the_engine
from survey.web.files import file_response
from survey.web.research.coding.common import any_simulated
from survey.web.research.coding.workings import Figures, figures_of
from survey.web.research.common import CSV, note_download, study_or_404
from survey.web.research.figures import asks_for_simulated
from survey.web.research.views import blueprint

if TYPE_CHECKING:
    from survey.coding.counts import CategoryCounts
    from survey.coding.results import Results

RESULTS = "results.json"
REPORT = "report.html"
COUNTS = "counts.csv"
_STOP = "when_to_stop.json"
_PICTURES = ("counts.svg", "agreement.svg", "saturation.svg", "ratings.svg")
_TYPES = {
    RESULTS: "application/json; charset=utf-8",
    REPORT: "text/html; charset=utf-8",
    COUNTS: CSV,
    **dict.fromkeys(_PICTURES, "image/svg+xml; charset=utf-8"),
}
_INLINE = ".inline.svg"
"""End of the names of pictures for a page."""


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
            name.removesuffix(_INLINE): Markup(text)  # noqa: S704
            for name, text in (latest.files.items() if latest else ())
            if name.endswith(_INLINE)
        },
        questions=_questions(design),
        stop_sentences=json.loads(latest.files[_STOP]) if latest and _STOP in latest.files else [],
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
    engine, study_id = the_engine(), study.id
    kind = "simulated" if simulated else "people"
    state = coding_state(session, study)
    return figures_of(study_id, kind, state, lambda: _work(engine, study_id, simulated=simulated))


def _work(engine: Engine, study_id: int, *, simulated: bool) -> Mapping[str, str]:
    from survey.coding.coding_file import coding_sha256
    from survey.coding.number_words import saturation_sentences
    from survey.coding.opinions import opinions_of
    from survey.coding.report import render
    from survey.coding.results import results_json, results_of
    from survey.store.opinion_data import sheets_of

    with reading(engine) as session:
        study = session.get_one(StudyRow, study_id)
        design = studies.design_of(study)
        coding = coding_of_whom(session, study, simulated=simulated)
        sheets = sheets_of(session, study, include_simulated=False)
        if simulated:
            people = {sheet.respondent for sheet in sheets}
            everybody = sheets_of(session, study, include_simulated=True)
            sheets = [sheet for sheet in everybody if sheet.respondent not in people]
    opinions = opinions_of(design.acceptability, sheets) if design.acceptability and sheets else None
    results = results_of(
        coding,
        opinions,
        coding_sha256=coding_sha256(coding),
        options={
            question.name: [option.name for option in question.options]
            for question in (*design.screener, *design.demographics)
            if question.kind in (QuestionKind.CHOICE, QuestionKind.SEVERAL)
        },
        simulated=simulated,
    )
    return {
        RESULTS: results_json(results),
        REPORT: render(results, title=design.title),
        COUNTS: _counts_csv(results.counts),
        _STOP: json.dumps(saturation_sentences(results.saturation[0])),
        **_drawn(results),
    }


def _drawn(results: Results) -> Mapping[str, str]:
    """Return the pictures, each for a file and for a page, which gives it colors."""
    from survey.coding.coding_plots import agreement_plot, counts_plot, ratings_plot, saturation_plot

    draw: dict[str, Callable[[bool], str]] = {
        "counts": lambda inline: counts_plot(results.counts, inline=inline),
        "agreement": lambda inline: agreement_plot(results.agreement, inline=inline),
        "saturation": lambda inline: saturation_plot(results.saturation[0], inline=inline),
    }
    opinions = results.opinions
    if opinions is not None:
        draw["ratings"] = lambda inline: ratings_plot(opinions, inline=inline)
    return {
        f"{name}{ending}": drawn(inline)
        for name, drawn in draw.items()
        for ending, inline in ((".svg", False), (_INLINE, True))
    }


def _counts_csv(counts: CategoryCounts) -> str:
    header = ["category", "label", "mentions", "for_people", "asked_for", "for_share", "for_low", "for_high"]
    header += ["against_people", "asked_against", "against_share", "against_low", "against_high"]
    header += ["difference", "difference_low", "difference_high", "asked_both", "ended"]
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    for one in counts.categories:
        row: list[object] = [one.category, one.label, one.mentions]
        for people, share in ((one.for_people, one.for_share), (one.against_people, one.against_share)):
            row += [people, *((share.of, share.value, share.low, share.high) if share else ("",) * 4)]
        gap = one.difference
        row += [gap.value, gap.low, gap.high] if gap else ("",) * 3
        row += [counts.asked_both, one.ended.value if one.ended else ""]
        writer.writerow([_cell(value) for value in row])
    return text.getvalue()


def _cell(value: object) -> str:
    if isinstance(value, str):
        return protected(value)
    return f"{value:.6g}" if isinstance(value, float) else str(value)
