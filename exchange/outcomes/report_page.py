"""``report.html`` of an experiment: one self-contained page, with pictures, the numbers under each, and methods.

The page has no scripts and no inline styles; its style sheet is allowed by its hash, and nothing else is.
"""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path

from exchange.outcomes.report import MOST_CONDITIONS, Layout

_TEMPLATES = Path(__file__).parent.parent / "templates"


def report_page(layout: Layout) -> str:
    """Return the page. The same layout gives the same text."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    style = (_TEMPLATES / "experiment.css").read_text(encoding="utf-8")
    return environment.get_template("experiment.html").render(
        report=layout,
        style=style,
        style_hash=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
        most_conditions=MOST_CONDITIONS,
        manifest=json.dumps(layout.manifest, indent=1, ensure_ascii=False, default=str),
    )
