"""``report.html``: all results of a coding as one self-contained page.

The page has no scripts and no inline styles; its style sheet is allowed by its hash, and nothing else is.
"""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

from survey.coding.page_blocks import Drawing, Page, Points
from survey.coding.report_sections import page_of
from survey.coding.results import Results

_TEMPLATES = Path(__file__).parent / "templates"


def render(results: Results, *, title: str = "") -> str:
    """Return the page. The same results give the same text.

    Parameters
    ----------
    title
        Of the study; empty: it is called by its slug.
    """
    return page_text(page_of(results, title=title))


def page_text(page: Page) -> str:
    """Return a page as HTML."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.tests["points"] = lambda block: isinstance(block, Points)
    environment.tests["drawing"] = lambda block: isinstance(block, Drawing)
    style = (_TEMPLATES / "report.css").read_text(encoding="utf-8")
    return environment.get_template("report.html").render(
        page=page,
        style=style,
        style_hash=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
    )
