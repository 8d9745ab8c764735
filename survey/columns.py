"""Columns of data files: one definition writes a column and describes it, so that the two cannot disagree. Pure."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Generic, TextIO, TypeAlias, TypeVar

Row = TypeVar("Row")
Cell: TypeAlias = str | int | float | bool | datetime | None
"""What a column holds before it is written; None and the empty text are both an empty cell."""


class CellKind(StrEnum):
    """What the cells of a column are."""

    TEXT = "text"
    WORD = "word"
    """One of the values that the codebook lists."""
    WORDS = "words"
    """Any number of words, joined by ``;``."""
    WHOLE = "whole number"
    NUMBER = "number"
    TIME = "time"
    """ISO 8601 with time zone, UTC, to the millisecond."""
    YES_NO = "yes/no"
    JSON = "JSON"


@dataclass(frozen=True, slots=True, kw_only=True)
class Column(Generic[Row]):
    """A column of a data file: what it is called, what it means, and how a row gives its cell."""

    name: str
    kind: CellKind
    meaning: str
    cell: Callable[[Row], Cell]
    unit: str = ""
    values: Mapping[str, str] = field(default_factory=dict)
    """Of words: value -> what it stands for."""
    digits: int | None = None
    """Of numbers: decimal places; None writes as many as tell the number apart from every other."""

    def text(self, row: Row) -> str:
        """Return the row's cell as a CSV file holds it.

        Raises
        ------
        TypeError
            The cell is not of the column's kind.
        """
        cell = self.cell(row)
        if cell is None:
            return ""
        if self.kind is CellKind.YES_NO:
            return "yes" if cell else "no"
        if self.kind is CellKind.TIME:
            if not isinstance(cell, datetime):
                raise TypeError(f"column '{self.name}' holds times, not {cell!r}")
            return cell.isoformat(timespec="milliseconds")
        if self.kind is CellKind.NUMBER and self.digits is not None:
            return format(cell, f".{self.digits}f")
        return str(cell)


def write_csv(file: TextIO, columns: Sequence[Column[Row]], rows: Iterable[Row]) -> None:
    """Write a header and the rows. The same rows give the same text."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([column.name for column in columns])
    for row in rows:
        writer.writerow([column.text(row) for column in columns])
