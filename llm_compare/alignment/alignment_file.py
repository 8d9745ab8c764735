"""``alignment.json``: everything that was measured, field by field. The report is made from this file alone."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np

from estimation.commands.writing import write_text
from llm_compare.errors import BadAlignment

FORMAT = "equipoise alignment"
FORMAT_VERSION = 2

Record = Mapping[str, Any]
"""A JSON object as read or written: names of fields -> plain values."""


def as_record(value: object) -> Any:
    """Return a result as plain data: dataclasses by field name, numbers that are not finite as null.

    Raises
    ------
    TypeError
        Something in it is no plain data; a defect of the result, not of the input.
    """
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: as_record(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Enum):
        return as_record(value.value)
    if isinstance(value, Mapping):
        return {str(as_record(key)): as_record(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return as_record(value.tolist())
    if isinstance(value, str) or value is None or isinstance(value, bool | np.bool_):
        return bool(value) if isinstance(value, np.bool_) else value
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return float(value) if isfinite(value) else None
    if isinstance(value, Sequence):
        return [as_record(item) for item in value]
    raise TypeError(f"{type(value).__name__} is no plain data and cannot stand in a file")


def write_alignment(path: Path, record: Record) -> None:
    """Write ``alignment.json``. The same results give the same bytes."""
    document = {"format": FORMAT, "format_version": FORMAT_VERSION, **record}
    write_text(path, json.dumps(document, indent=1, ensure_ascii=False) + "\n")


def read_alignment(path: Path) -> Record:
    """Read ``alignment.json``.

    Raises
    ------
    BadAlignment
        There is no such file, it is no alignment, or one of another version.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadAlignment(
            f"{path}: {error.strerror}; name a file written by 'equipoise compare align'"
        ) from None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise BadAlignment(
            f"{path}: is not JSON ({error}); name a file written by 'equipoise compare align'"
        ) from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise BadAlignment(f"{path}: is no alignment; name a file written by 'equipoise compare align --out'")
    if document.get("format_version") != FORMAT_VERSION:
        raise BadAlignment(
            f"{path}: was written in version {document.get('format_version')} of the format, this is version "
            f"{FORMAT_VERSION}; run 'equipoise compare align' again on the answers and replies"
        )
    return document
