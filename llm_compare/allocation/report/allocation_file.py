"""``allocation.json``: everything that was measured on trials, field by field. The page is made from it alone."""

from __future__ import annotations

import json
from pathlib import Path

from estimation.commands.writing import write_text
from llm_compare.errors import NotMeasurable
from llm_compare.report.number_words import Record

FORMAT = "equipoise allocation"
FORMAT_VERSION = 1

_WAY_OUT = "name a file written by 'equipoise compare fairness --out'"


def document_text(record: Record) -> str:
    """Return the text of the file. The same results give the same text; NaN stands in no file."""
    document = {"format": FORMAT, "format_version": FORMAT_VERSION, **record}
    return json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def write_allocation(path: Path, record: Record) -> None:
    """Write ``allocation.json``, whole or not at all."""
    write_text(path, document_text(record))


def read_allocation(path: Path) -> Record:
    """Read ``allocation.json``.

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
        raise NotMeasurable(f"{path}: holds no results of allocation; {_WAY_OUT}")
    if document.get("format_version") != FORMAT_VERSION:
        raise NotMeasurable(
            f"{path}: was written in version {document.get('format_version')} of the format, this is version "
            f"{FORMAT_VERSION}; run 'equipoise compare fairness' again on the trials"
        )
    return document
