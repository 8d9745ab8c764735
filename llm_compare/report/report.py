"""``report.html``: one self-contained page, made from ``alignment.json`` alone.

The page has no scripts and no inline styles; its style sheet is allowed by its hash, and nothing else is.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from llm_compare.report.asking_sections import asking_section
from llm_compare.report.behavior_sections import consistency_section, rules_section
from llm_compare.report.blocks import Page, kind, text_columns, with_own_ids
from llm_compare.report.choice_sections import effects_section
from llm_compare.report.closeness_sections import closeness_section
from llm_compare.report.consequence_sections import consequences_section
from llm_compare.report.indecision_sections import indecision_section
from llm_compare.report.method_sections import (
    methods_section,
    origins_section,
    replies_section,
    summary_section,
)
from llm_compare.report.model_tables import Shown, sentence
from llm_compare.report.number_words import Reason, counted, unbroken

_TEMPLATES = Path(__file__).parent / "templates"
MOST_OPEN = 30
"""A table with more rows is opened by who wants to see it."""


def render(record: Mapping[str, Any], *, source: tuple[str, str] | None) -> str:
    """Return the page for people against models. The same record gives the same text.

    Parameters
    ----------
    record
        Content of ``alignment.json``, see :func:`llm_compare.report.record.Report.record`.
    source
        Name and SHA-256 of that file, named in the page; None if it was not written.
    """
    shown = Shown.of(record)
    people, study = record["people"], record["study"]
    n_models = len(record["models"]) + len(record["without_choice"])
    respondents = (
        "" if people["n_respondents"] is None else f" ({counted(people['n_respondents'], 'respondent')})"
    )
    kinds = dict.fromkeys(origin["kind"] for origin in record["origins"])
    return page_text(
        Page(
            title=record["title"],
            lead=(
                f"{sentence(study['title'])} Study {study['slug']}: {counted(people['n_answers'], 'answer')} of "
                f"people{respondents} against {counted(n_models, 'model')}."
            ),
            tags=tuple(kinds),
            sections=(
                origins_section(shown),
                summary_section(shown),
                closeness_section(shown),
                effects_section(shown),
                indecision_section(shown),
                consistency_section(shown),
                rules_section(shown),
                asking_section(shown),
                consequences_section(shown),
                replies_section(shown),
                methods_section(shown, source),
            ),
            footer=f"Made with Equipoise. People’s answers: {people['source'].rstrip('.')}.",
        )
    )


def page_text(page: Page) -> str:
    """Return a page as HTML. The same page gives the same text."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters.update(kind=kind, text_columns=text_columns, unbroken=unbroken)
    environment.tests["reason"] = lambda cell: isinstance(cell, Reason)
    style = (_TEMPLATES / "report.css").read_text(encoding="utf-8")
    return environment.get_template("report.html").render(
        page=page,
        sections=with_own_ids(page.sections),
        style=style,
        most_open=MOST_OPEN,
        style_hash=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
    )
