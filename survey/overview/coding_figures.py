"""The results of a coding as files: numbers, a table, a report, pictures. What the researcher's pages show."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from survey.coding.spreadsheet import protected
from survey.db import make_engine, reading
from survey.questionnaire import QuestionKind
from survey.store.coding_data import coding_of_whom
from survey.store.studies import design_of
from survey.tables import StudyRow

if TYPE_CHECKING:
    from survey.coding.counts import CategoryCounts
    from survey.coding.results import Results

RESULTS = "results.json"
REPORT = "report.html"
COUNTS = "counts.csv"
STOP = "when_to_stop.json"
"""Sentences that say whether asking more people would add categories."""
PICTURES = ("counts.svg", "agreement.svg", "saturation.svg", "ratings.svg")
INLINE = ".inline.svg"
"""End of the names of pictures for a page."""


def coding_figures(url: str, study_id: int, *, simulated: bool) -> Mapping[str, str]:
    """Return file name -> text, worked out from a study of the database at ``url``; with thousands of suggestions
    that takes seconds.

    Parameters
    ----------
    simulated
        Of simulated participants instead of people; see ``survey.store.coding_data.coding_of_whom``.
    """
    from survey.coding.coding_file import coding_sha256
    from survey.coding.number_words import saturation_sentences
    from survey.coding.opinions import opinions_of
    from survey.coding.report import render
    from survey.coding.results import results_json, results_of
    from survey.store.opinion_data import sheets_of

    # A connection of its own: this may be another process than the one that serves pages.
    engine = make_engine(url)
    try:
        with reading(engine) as session:
            study = session.get_one(StudyRow, study_id)
            design = design_of(study)
            coding = coding_of_whom(session, study, simulated=simulated)
            sheets = sheets_of(session, study, include_simulated=False)
            if simulated:
                people = {sheet.respondent for sheet in sheets}
                everybody = sheets_of(session, study, include_simulated=True)
                sheets = [sheet for sheet in everybody if sheet.respondent not in people]
    finally:
        engine.dispose()
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
        STOP: json.dumps(saturation_sentences(results.saturation[0])),
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
        for ending, inline in ((".svg", False), (INLINE, True))
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
