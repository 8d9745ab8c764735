"""``allocation.html``: one self-contained page, made from ``allocation.json`` alone."""

from __future__ import annotations

from llm_compare.allocation.report.group_sections import chosen_section, fairness_section
from llm_compare.allocation.report.method_sections import (
    answers_section,
    methods_section,
    origins_section,
    summary_section,
)
from llm_compare.allocation.report.rank_sections import curves_section, offers_section
from llm_compare.allocation.report.shown import Shown, tag_of
from llm_compare.allocation.report.stability_sections import stability_section, tasks_section
from llm_compare.allocation.report.viability_sections import viability_section
from llm_compare.allocation.report.waiting_list_sections import waiting_list_section
from llm_compare.allocation.report.what_if_sections import (
    counterfactuals_section,
    false_alarms_section,
)
from llm_compare.report.blocks import Page
from llm_compare.report.number_words import Record, counted
from llm_compare.report.report import page_text


def render(record: Record, *, source: tuple[str, str] | None) -> str:
    """Return the page. The same record gives the same text.

    Parameters
    ----------
    record
        Content of ``allocation.json``.
    source
        Name and SHA-256 of that file, named in the page; None if it was not written.
    """
    shown = Shown.of(record)
    problems = record["problems"]
    return page_text(
        Page(
            title="Who gets the kidney",
            lead=(
                f"{counted(len(shown.respondents), 'respondent')} on the same "
                f"{counted(problems['n_problems'], 'problem')} of "
                f"{counted(problems['n_candidates'], 'candidate')} and "
                f"{counted(problems['n_pairs'], 'pair')} of kidney and candidate."
            ),
            tags=tuple(dict.fromkeys((problems["origin"], *(tag_of(r) for r in shown.respondents)))),
            sections=(
                origins_section(shown),
                summary_section(shown),
                viability_section(shown),
                chosen_section(shown),
                fairness_section(shown),
                curves_section(shown),
                stability_section(shown),
                tasks_section(shown),
                counterfactuals_section(shown),
                offers_section(shown),
                *([waiting_list_section(found)] if (found := record.get("waiting_list")) else []),
                false_alarms_section(shown),
                answers_section(shown),
                methods_section(shown, source),
            ),
            footer="Made with Equipoise.",
        )
    )
