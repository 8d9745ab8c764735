"""CSV tables that people open in spreadsheets and send back: read with line and column of every complaint. Pure.

A cell that begins with ``=``, ``+``, ``-`` or ``@`` is a formula to a spreadsheet. Such text is written with an
apostrophe before it, which spreadsheets show and keep, and read without it, so that nothing is executed and nothing
lost: ``-`` becomes ``'-``, and ``'-`` (which somebody may have written) becomes ``''-``.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TypeVar

from survey.coding.coding import CodingError
from survey.columns import Cell, CellKind, Column, write_csv
from survey.suggestions import as_written

# The wide forms are formulas, too, where a spreadsheet is set to East Asian languages.
_FORMULA = re.compile(r"'*[=+\-@\t\r\uff1d\uff0b\uff0d\uff20]")
_PROTECTED = re.compile(r"'+[=+\-@\t\r\uff1d\uff0b\uff0d\uff20]")
SEPARATOR = ";"
"""Between several words in a cell."""
_DELIMITERS = (",", ";", "\t")
_DELIMITER_LINE = re.compile(r"\Asep=[,;\t]\r?\n", re.IGNORECASE)
"""First line by which Excel is told the delimiter."""
_MOST_COMPLAINTS = 20
_LONGEST_SHOWN = 60

_Word = TypeVar("_Word", bound=StrEnum)
_Row = TypeVar("_Row")


def protected(text: str) -> str:
    """Return ``text`` so that no spreadsheet takes it for a formula."""
    return f"'{text}" if _FORMULA.match(text) else text


def unprotected(cell: str) -> str:
    """Return what :func:`protected` was given. Other cells stay as they are."""
    return cell[1:] if _PROTECTED.match(cell) else cell


def text_column(name: str, meaning: str, cell: Callable[[_Row], str]) -> Column[_Row]:
    """Return a column of protected text."""
    return Column(name=name, kind=CellKind.TEXT, meaning=meaning, cell=lambda row: protected(cell(row)))


def word_column(
    name: str, meaning: str, cell: Callable[[_Row], Cell], values: Mapping[str, str] | None = None
) -> Column[_Row]:
    """Return a column of identifiers, which no spreadsheet takes for a formula, or of the values listed."""
    return Column(name=name, kind=CellKind.WORD, meaning=meaning, cell=cell, values=values or {})


def csv_text(columns: Sequence[Column[_Row]], rows: Iterable[_Row]) -> str:
    """Return a table as text. The same rows give the same text."""
    file = io.StringIO(newline="")
    write_csv(file, columns, rows)
    return file.getvalue()


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetRow:
    """A row of a table."""

    line: int
    """Line of the file that it begins in, from 1."""
    cells: Mapping[str, str]
    """Column -> text, without what protected it. Columns that the reader does not know are there, too."""

    def cell(self, column: str) -> str:
        """Return the cell without spaces around it; empty where the table has no such column."""
        return self.cells.get(column, "").strip()


@dataclass(slots=True, kw_only=True)
class Sheet:
    """A table as it was read, and what is wrong with it."""

    where: str
    columns: tuple[str, ...]
    rows: tuple[SheetRow, ...]
    complaints: list[str] = field(default_factory=list)

    def complain(self, row: SheetRow, column: str, text: str) -> None:
        """Note that a cell cannot be used."""
        self.complaints.append(f"{self.where}:{row.line}: column '{column}': {text}")

    def word(
        self, row: SheetRow, column: str, words: type[_Word], default: _Word | None = None
    ) -> _Word | None:
        """Return the word in a cell; None where there is none, which is complained of unless there is a default."""
        given = row.cell(column)
        if not given and default is not None:
            return default
        try:
            return words(given.lower())
        except ValueError:
            self.complain(row, column, f"{shown(given)} is none of {', '.join(words)}")
            return None

    def whole(self, row: SheetRow, column: str) -> int | None:
        """Return the whole number in a cell; None where there is none, which is complained of."""
        given = row.cell(column)
        if given.isascii() and given.isdigit() and len(given) < 16:
            return int(given)
        self.complain(row, column, f"{shown(given)} is not a whole number")
        return None

    def yes_no(self, row: SheetRow, column: str) -> bool:
        """Return whether a cell says yes; an empty one says no."""
        given = row.cell(column).lower()
        if given not in ("yes", "no", ""):
            self.complain(row, column, f"{shown(given)} is not yes or no")
        return given == "yes"

    def text(self, row: SheetRow, column: str, longest: int, *, needed: bool = False) -> str:
        """Return what is written in a cell, of at most ``longest`` characters, without those that no page shows."""
        text = as_written(row.cells.get(column, ""))
        if needed and not text:
            self.complain(row, column, "is empty")
        if len(text) > longest:
            self.complain(row, column, f"has {len(text)} characters; {longest} are the most that is kept")
        return text

    def time(self, row: SheetRow, column: str) -> datetime | None:
        """Return the time in a cell; None where there is none. What is no time with a zone is complained of."""
        given = row.cell(column)
        if not given:
            return None
        try:
            moment = datetime.fromisoformat(given)
        except ValueError:
            moment = None
        if moment is None or moment.tzinfo is None:
            self.complain(row, column, f"{shown(given)} is not a time such as 2026-11-21T12:00:00+00:00")
            return None
        return moment

    def raise_complaints(self) -> None:
        """Raise :class:`CodingError` if anything was complained of, with the first complaints in full."""
        if not self.complaints:
            return
        more = len(self.complaints) - _MOST_COMPLAINTS
        said = self.complaints[:_MOST_COMPLAINTS] + ([f"and {more} more"] if more > 0 else [])
        raise CodingError("\n".join(said))


def read_sheet(content: bytes, where: str, known: Iterable[str], *, required: Iterable[str] = ()) -> Sheet:
    """Read a table with a header.

    UTF-8, with or without the mark at the beginning; lines end in any way; cells are separated by commas,
    semicolons or tabs, whichever makes most names of ``known`` in the header.

    Parameters
    ----------
    where
        File name, for complaints.
    known
        Names of columns that the reader can use.
    required
        Those that must be there.

    Raises
    ------
    CodingError
        It is no such table, lacks a column, has one twice, or a row has too few or too many cells.
    """
    text, lines_before = _text_of(content, where)
    delimiter = _delimiter(text, known)
    records = _records(text, delimiter, where, lines_before)
    names = [name.strip().lower() for name in records[0][1]] if records else []
    if not any(names):
        raise CodingError(f"{where}: is empty; the first line names the columns")
    for number, name in enumerate(names):
        if name and name in names[:number]:
            raise CodingError(f"{where}:1: column '{name}' stands there twice; remove one")
    for name in required:
        if name not in names:
            raise CodingError(
                f"{where}:1: has no column '{name}'; its columns are {', '.join(n for n in names if n)}"
            )
    # So that what stands below no name can be spoken of.
    names = [name or f"column {number}" for number, name in enumerate(names, start=1)]
    sheet = Sheet(where=where, columns=tuple(names), rows=())
    rows = []
    for line, cells in records[1:]:
        if len(cells) != len(names):
            sheet.complaints.append(
                f"{where}:{line}: has {len(cells)} cells, the first line has {len(names)}"
            )
            continue
        rows.append(SheetRow(line=line, cells=dict(zip(names, map(unprotected, cells), strict=True))))
    sheet.raise_complaints()
    sheet.rows = tuple(rows)
    return sheet


def columns_of(content: bytes, where: str, known: Iterable[str]) -> frozenset[str]:
    """Return the names in the first line of what may be a table; none if it cannot be read as one.

    Raises
    ------
    CodingError
        It is not UTF-8.
    """
    text, _ = _text_of(content, where)
    return frozenset(_first(text, _delimiter(text, known)))


def _text_of(content: bytes, where: str) -> tuple[str, int]:
    """Return the text of a table without what Excel puts before it, and how many lines that was."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise CodingError(
            f"{where}:{line}: is not UTF-8 text; in Excel, save it as 'CSV UTF-8 (comma delimited)'"
        ) from None
    rest = _DELIMITER_LINE.sub("", text, count=1)
    return rest, int(rest != text)


def _first(text: str, delimiter: str) -> list[str]:
    """Return the names in the first line, in small letters; none if it is no row of a table."""
    try:
        first = next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True), [])
    except csv.Error:
        return []
    return [name.strip().lower() for name in first]


def _delimiter(text: str, known: Iterable[str]) -> str:
    names = set(known)
    return max(_DELIMITERS, key=lambda delimiter: len(names.intersection(_first(text, delimiter))))


def _records(text: str, delimiter: str, where: str, lines_before: int) -> list[tuple[int, list[str]]]:
    """Return each record that is not empty, the header included, with the line that it begins in."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    records: list[tuple[int, list[str]]] = []
    while True:
        line = reader.line_num + 1 + lines_before
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise CodingError(
                f"{where}:{line}: is no row of a CSV file ({error}); is a quotation mark never closed?"
            ) from None
        if cells is None:
            return records
        if any(cell.strip() for cell in cells):
            records.append((line, cells))


def shown(text: str) -> str:
    """Return a cell's text in quotation marks, shortened, for a complaint."""
    return repr(text if len(text) <= _LONGEST_SHOWN else f"{text[: _LONGEST_SHOWN - 1]}…")
