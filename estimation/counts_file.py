"""Counts that somebody else made: a CSV with one row per pair, as published tables are."""

from __future__ import annotations

import math
from pathlib import Path

from estimation.dataset import ChoiceData, counted
from estimation.errors import EstimationError
from survey.answers_file import read_rows

COLUMNS = ("left", "right", "left_chosen", "right_chosen", "indecision")
"""Columns of a counts file; ``indecision`` may be missing. Left is the profile shown first."""


def is_counts_file(path: Path) -> bool:
    """Whether a file begins like a counts file rather than like one of answers."""
    try:
        with path.open(encoding="utf-8-sig") as file:
            header = file.readline().strip().lower().split(",")
    except (OSError, UnicodeDecodeError):
        return False
    return {"left", "right", "left_chosen", "right_chosen"} <= {name.strip(' "') for name in header}


def read_counts(path: Path) -> ChoiceData:
    """Read a counts file. Every answer is its own cluster: nobody says who gave it.

    Raises
    ------
    EstimationError
        Naming file and line of the first cell that is no count.
    """
    names: dict[str, int] = {}
    left: list[int] = []
    right: list[int] = []
    counts: list[list[float]] = []
    has_indecision = False
    for line, row in read_rows(path):
        for name in COLUMNS[:4]:
            if name not in row:
                raise EstimationError(
                    f"{path}: has no column '{name}'; a counts file has {', '.join(COLUMNS)}"
                )
        for side, numbers in (("left", left), ("right", right)):
            profile = row[side].strip()
            if not profile:
                raise EstimationError(f"{path}:{line}: names no profile in column '{side}'")
            numbers.append(names.setdefault(profile, len(names)))
        if left[-1] == right[-1]:
            raise EstimationError(
                f"{path}:{line}: compares '{row['left'].strip()}' with itself, which says nothing; "
                "leave the line out"
            )
        has_indecision = "indecision" in row
        counts.append([_count(path, line, name, row.get(name, "0")) for name in COLUMNS[2:]])
    if not counts:
        raise EstimationError(f"{path}: holds no counts")
    return counted(list(names), left, right, counts, indecision_offered=has_indecision)


def _count(path: Path, line: int, name: str, text: str) -> float:
    try:
        value = float(text or 0)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise EstimationError(f"{path}:{line}: {text!r} in column '{name}' is no count; give 0 or more")
    return value
