"""``suggestions_compared.json``: what people and models suggest, side by side. The page is made from it alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from llm_compare.errors import NotComparable
from llm_compare.report.number_words import Record
from llm_compare.suggesting.compared import Compared
from survey.writing import write_text

FORMAT = "equipoise suggestions compared"
FORMAT_VERSION = 1

_WAY_OUT = "name a file written by 'equipoise compare suggestions --out'"


def record_of(compared: Compared, *, coding_sha256: str, manifest: Mapping[str, object]) -> Record:
    """Return everything that was measured, as JSON, with how it was made."""
    return {**asdict(compared), "coding_sha256": coding_sha256, "manifest": dict(manifest)}


def compared_text(record: Record) -> str:
    """Return the text of the file. The same results give the same text; NaN stands in no file."""
    document = {"format": FORMAT, "format_version": FORMAT_VERSION, **record}
    return json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def write_compared(path: Path, record: Record) -> None:
    """Write the file, whole or not at all."""
    write_text(path, compared_text(record))


def read_compared(path: Path) -> dict[str, Any]:
    """Read the file.

    Raises
    ------
    NotComparable
        There is no such file, it holds something else, or it is of another version of the format.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise NotComparable(f"{path}: {error.strerror}; {_WAY_OUT}") from None
    except (ValueError, RecursionError) as error:
        raise NotComparable(f"{path}: is not JSON ({error}); {_WAY_OUT}") from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise NotComparable(f"{path}: compares no suggestions; {_WAY_OUT}")
    if document.get("format_version") != FORMAT_VERSION:
        raise NotComparable(
            f"{path}: was written in version {document.get('format_version')!r} of the format, this is version "
            f"{FORMAT_VERSION}; run 'equipoise compare suggestions' again on the coding"
        )
    return document
