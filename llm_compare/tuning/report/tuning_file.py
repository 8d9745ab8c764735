"""``tuning.json``: everything that was measured before and after tuning. The page is made from it alone."""

from __future__ import annotations

import json
from pathlib import Path

from estimation.commands.writing import write_text
from llm_compare.errors import NotMeasurable
from llm_compare.report.number_words import Record

FORMAT = "equipoise tuning"
FORMAT_VERSION = 1

_WAY_OUT = "name a file written by 'equipoise compare tune evaluate --out'"
_PARTS = ("study", "training", "base", "tests", "measures", "curve", "people", "moved", "groups", "adapters")
"""Without these no page can be made."""


def document_text(record: Record) -> str:
    """Return the text of the file. The same results give the same text.

    Raises
    ------
    ValueError
        A number of the record is not finite; a number that is not known is null with its reason.
    """
    document = {**record, "format": FORMAT, "format_version": FORMAT_VERSION}
    first = {key: document.pop(key) for key in ("format", "format_version")}
    return json.dumps({**first, **document}, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def write_tuning(path: Path, record: Record) -> None:
    """Write ``tuning.json``, whole or not at all."""
    write_text(path, document_text(record))


def read_tuning(path: Path) -> Record:
    """Read ``tuning.json``.

    Raises
    ------
    NotMeasurable
        There is no such file, it holds something else or lacks a part, or it is of another version of the format.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise NotMeasurable(f"{path}: {error.strerror}; {_WAY_OUT}") from None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise NotMeasurable(f"{path}: is not JSON ({error}); {_WAY_OUT}") from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise NotMeasurable(f"{path}: holds no results of tuning; {_WAY_OUT}")
    if document.get("format_version") != FORMAT_VERSION:
        raise NotMeasurable(
            f"{path}: was written in version {document.get('format_version')} of the format, this is version "
            f"{FORMAT_VERSION}; run 'equipoise compare tune evaluate' again on the adapters"
        )
    missing = [part for part in _PARTS if part not in document]
    if missing:
        raise NotMeasurable(f"{path}: lacks {', '.join(missing)}; {_WAY_OUT}")
    return document
