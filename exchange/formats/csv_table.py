"""Tables of comma-separated values, as programs and people write them: lines with their numbers, cells by column.

What spreadsheet programs write is read: a byte-order mark, Windows line ends, a first line ``sep=;``, semicolons or
tabs between the columns, then with decimal commas, too. Written are commas, points and ``\\n``.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from exchange.formats.table_attributes import point_for_comma
from exchange.formats.text_rows import Complaints, bad_line, file_text, number
from exchange.pool import BloodGroup

_YES = {"yes", "true", "1"}
_NO = {"no", "false", "0", ""}
_DELIMITERS = (",", ";", "\t")
_PLAIN = re.compile('[^",\r\n]*').fullmatch


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A line with its cells; complaints about a cell name the line."""

    path: Path
    line: int
    cells: Mapping[str, str]
    """Column -> text, for the columns that the table has."""
    has_decimal_comma: bool

    def number(self, column: str) -> float | None:
        """Return a number, or None for an empty cell."""
        text = self.cells.get(column, "").strip()
        if not text:
            return None
        return number(self.path, self.line, point_for_comma(text) if self.has_decimal_comma else text, column)

    def blood_group(self, column: str) -> BloodGroup | None:
        """Return a blood group, or None for an empty cell."""
        text = self.cells.get(column, "").strip()
        if not text:
            return None
        try:
            return BloodGroup(text.upper())
        except ValueError:
            raise bad_line(self.path, self.line, f"{column} should be O, A, B or AB, not {text!r}") from None

    def is_yes(self, column: str) -> bool:
        """Return what a cell says, yes or no; empty is no."""
        text = self.cells.get(column, "").strip().lower()
        if text not in _YES | _NO:
            raise bad_line(self.path, self.line, f"{column} should be yes or no, not {text!r}")
        return text in _YES


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table whose header was checked."""

    path: Path
    columns: Mapping[str, int]
    """Name -> place among the cells, of the columns that are known."""
    has_decimal_comma: bool
    lines: Iterator[tuple[int, list[str]]]
    """Lines with their cells, read as they are asked for."""

    def rows(self) -> Iterator[Row]:
        """Yield the lines as rows."""
        for line, cells in self.lines:
            yield Row(
                path=self.path,
                line=line,
                cells={name: cells[i] for name, i in self.columns.items()},
                has_decimal_comma=self.has_decimal_comma,
            )


def read_table(
    path: Path,
    columns: Sequence[str],
    required: Sequence[str],
    complaints: Complaints,
    *,
    prefix: str | None = None,
) -> Table:
    """Return a table after a look at its header; lines are read as they are asked for.

    Parameters
    ----------
    columns, required
        Names that columns may have, and must have.
    complaints
        Take columns of other names, and later lines with too many or too few cells.
    prefix
        Columns whose names begin so are welcome as well.

    Raises
    ------
    BadPool
        A required column is missing or one is given twice; the text is not UTF-8, or not a table.
    """
    text = file_text(path)
    skipped = 0
    if text[:4].lower() == "sep=":  # A line by which a spreadsheet program tells itself the delimiter.
        _, _, text = text.partition("\n")
        skipped = 1
    given, delimiter = _header(text, required)
    header_line = 1 + skipped
    missing = [name for name in required if name not in given]
    if missing:
        raise bad_line(path, header_line, f"the column {missing[0]} is missing; the first line names columns")
    doubled = sorted({name for name in given if given.count(name) > 1})
    if doubled:
        raise bad_line(path, header_line, f"the column '{doubled[0]}' is given twice; remove one")
    unknown = [
        name for name in given if name not in columns and not (prefix is not None and _is_under(name, prefix))
    ]
    for name in unknown:
        known = ", ".join(columns) + (f", {prefix}NAME" if prefix else "")
        error = bad_line(path, header_line, f"the column '{name}' is not one of {known}; remove or rename it")
        complaints.add(error, rows=0)
    return Table(
        path=path,
        columns={name: i for i, name in enumerate(given) if name not in unknown},
        has_decimal_comma=delimiter != ",",
        lines=_lines(path, text, delimiter, len(given), skipped, complaints),
    )


def _is_under(name: str, prefix: str) -> bool:
    return name.startswith(prefix) and len(name) > len(prefix)


def _header(text: str, required: Sequence[str]) -> tuple[list[str], str]:
    """Return the names of the columns, and the delimiter under which those required are among them."""
    first: list[str] = []
    for delimiter in _DELIMITERS:
        cells = next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), [])
        names = [cell.strip() for cell in cells]
        if all(name in names for name in required):
            # A table of one column fits every delimiter; the next row is then as telling as the first.
            return names, delimiter
        first = first or names
    return first, _DELIMITERS[0]


def _lines(
    path: Path, text: str, delimiter: str, n_columns: int, skipped: int, complaints: Complaints
) -> Iterator[tuple[int, list[str]]]:
    """Yield the lines after the header with their cells, complaining about those of another length."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    last = 0
    try:
        next(reader, None)
        last = reader.line_num
        for cells in reader:
            line, last = last + 1 + skipped, reader.line_num
            if len(cells) == n_columns:
                if any(cells):
                    yield line, cells
            elif any(cells):  # Spreadsheet programs leave lines of nothing but delimiters behind.
                complaints.add(bad_line(path, line, f"{len(cells)} cells under {n_columns} columns"))
    except csv.Error as error:
        raise bad_line(
            path, last + 1 + skipped, f"not a table: {error}; is a quotation mark missing?"
        ) from None


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Iterable[object]]) -> None:
    """Write a header line and a line per row."""
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(",".join(map(quoted_cell, columns)) + "\n")
        file.writelines(",".join(map(quoted_cell, cells)) + "\n" for cells in rows)


def quoted_cell(value: object) -> str:
    """Return a cell, in quotation marks where need be; Python's own writer forgets them around a bare ``\\r``."""
    text = str(value)
    return text if _PLAIN(text) else '"' + text.replace('"', '""') + '"'
