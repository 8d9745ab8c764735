"""``report.json`` of an experiment: what its page says, as plain data for other pages; pictures by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    # Slow to import, and whoever reads a report needs only its format.
    from exchange.outcomes.report import Layout
    from exchange.outcomes.report_sections import Figure
    from exchange.outcomes.report_tables import DataTable

FORMAT = "equipoise-experiment-report"
FORMAT_VERSION = 1


def report_record(layout: Layout) -> dict[str, Any]:
    """Return the content of ``report.json``."""
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "title": layout.title,
        "source": layout.source,
        "baseline": layout.baseline,
        "seeds": layout.seeds,
        "conditions": _table(layout.conditions),
        "scenarios": [
            {
                "name": part.name,
                "seen": part.seen,
                "findings": [
                    {"condition": finding.condition, "sentences": list(finding.sentences)}
                    for finding in part.findings
                ],
                "parameters": _table(part.parameters),
                "sections": [
                    {
                        "heading": section.heading,
                        "paragraphs": list(section.paragraphs),
                        "figures": [_figure(figure) for figure in section.figures],
                    }
                    for section in part.sections
                ],
            }
            for part in layout.scenarios
        ],
    }


def _figure(figure: Figure) -> dict[str, Any]:
    """Return a figure; of numbers alone the words about a picture are None."""
    picture = figure.picture
    return {
        "file": figure.file or None,
        "title": picture and picture.title,
        "description": picture and picture.description,
        "table": _table(figure.table),
    }


def _table(table: DataTable) -> dict[str, Any]:
    return {"caption": table.caption, "head": list(table.head), "rows": [list(row) for row in table.rows]}
