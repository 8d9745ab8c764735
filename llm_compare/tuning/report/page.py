"""``tuning.html``: one self-contained page, made from ``tuning.json`` alone."""

from __future__ import annotations

from llm_compare.report.blocks import Page
from llm_compare.report.model_tables import sentence
from llm_compare.report.number_words import Record
from llm_compare.report.report import page_text
from llm_compare.tuning.report.curve_sections import curve_section
from llm_compare.tuning.report.detail_sections import detail_sections
from llm_compare.tuning.report.group_sections import groups_section
from llm_compare.tuning.report.method_sections import methods_section, origins_section, summary_section
from llm_compare.tuning.report.moved_sections import moved_section
from llm_compare.tuning.report.shown import TOY_PARAMETERS, Shown, trained_words


def render(record: Record, *, source: tuple[str, str] | None) -> str:
    """Return the page. The same record gives the same text.

    Parameters
    ----------
    record
        Content of ``tuning.json``.
    source
        Name and SHA-256 of that file, named in the page; None if it was not written.
    """
    shown = Shown(record=record)
    study, training, base = (record[part] for part in ("study", "training", "base"))
    return page_text(
        Page(
            title="Tuned toward people",
            lead=(
                f"{sentence(study['title'])} {base['name']} tuned on "
                f"{_up_to(training)} of study {study['slug']}, and held against people’s answers that it never saw."
            ),
            tags=_tags(record),
            sections=(
                origins_section(shown),
                summary_section(shown),
                curve_section(shown),
                *detail_sections(shown),
                moved_section(shown),
                groups_section(shown),
                methods_section(shown, source),
            ),
            footer="Made with Equipoise.",
        )
    )


def _tags(record: Record) -> tuple[str, ...]:
    people = record["study"].get("people_source", {"kind": "not stated"})["kind"]
    n_parameters = record["base"]["n_parameters"]
    is_toy = n_parameters is not None and n_parameters < TOY_PARAMETERS
    return (people, "toy model" if is_toy else "model")


def _up_to(training: Record) -> str:
    largest = max(training["sizes"], default=0)
    return f"up to {trained_words(training, largest)}" if largest else "nothing"
