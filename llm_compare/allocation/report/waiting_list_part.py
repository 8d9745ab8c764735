"""The part of ``allocation.json`` that comes from ``waiting_list.json``: what came of lists that evolve."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from llm_compare.allocation.waiting_list.waiting_list_file import FORMAT, FORMAT_VERSION
from llm_compare.errors import NotMeasurable

_KEPT = ("origin", "source", "scenario", "world_sha256", "differences")
_WAY_OUT = "name a file written by 'equipoise compare waiting-list --out'"


def waiting_list_part(path: Path) -> dict[str, Any]:
    """Read the outcomes of ``waiting_list.json``, without single kidneys and people.

    Raises
    ------
    NotMeasurable
        There is no such file, it holds something else, or it is of another version of the format.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise NotMeasurable(f"{path}: {error.strerror}; {_WAY_OUT}") from None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise NotMeasurable(f"{path}: is not JSON ({error}); {_WAY_OUT}") from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise NotMeasurable(f"{path}: holds no outcomes of waiting lists; {_WAY_OUT}")
    if document.get("format_version") != FORMAT_VERSION:
        raise NotMeasurable(
            f"{path}: was written in version {document.get('format_version')} of the format, this is version "
            f"{FORMAT_VERSION}; run 'equipoise compare waiting-list' again"
        )
    respondents = [
        {key: respondent[key] for key in ("respondent", "complete", "counts", "rows")}
        for respondent in document["respondents"]
    ]
    return {**{key: document[key] for key in _KEPT}, "respondents": respondents}
