"""Numbers in the lines of a file, and complaints that name file and place. For the readers."""

from __future__ import annotations

import codecs
import io
from collections.abc import Sequence
from math import isfinite
from pathlib import Path

from exchange.errors import BadPool
from exchange.pool import MOST_COMPLAINTS


class Complaints:
    """What is wrong with a file, row by row, for a reader that goes on after a bad row.

    Strict (the default), the reader refuses the file in the end, naming every row. Forgiving, it leaves those rows
    out and the caller gets the list. A file whose frame is broken (no header, not UTF-8) is refused either way.
    """

    __slots__ = ("found", "is_forgiving", "rows_left_out")

    def __init__(self, *, is_forgiving: bool = False) -> None:
        self.is_forgiving = is_forgiving
        self.found: list[str] = []
        """One text per complaint, each starting with file and line or place."""
        self.rows_left_out = 0
        """How many rows the complaints are about; a pair that is left out takes its arcs with it."""

    def add(self, error: BadPool, *, rows: int = 1) -> None:
        """Note a row that is left out, or several for the same reason, or none: then only a detail is."""
        self.found.append(str(error))
        self.rows_left_out += rows

    def settle(self) -> None:
        """Refuse the file if anything was found; call at the end of reading. Forgiving: do nothing.

        Raises
        ------
        BadPool
            The first complaints in full, and how many there are.
        """
        if not self.found or self.is_forgiving:
            return
        if len(self.found) == 1:
            raise BadPool(self.found[0])
        shown = "\n".join(f"  {text}" for text in self.found[:MOST_COMPLAINTS])
        more = len(self.found) - MOST_COMPLAINTS
        rest = f"\n  and {more} more" if more > 0 else ""
        raise BadPool(
            f"{len(self.found)} complaints; mend these rows, or leave them out with --forgiving\n{shown}{rest}"
        )


def file_text(path: Path) -> str:
    """Return the text of a file, line ends as they are, without the byte-order mark that some programs write.

    Raises
    ------
    BadPool
        It is not UTF-8; UTF-16, which spreadsheet programs call "Unicode text", is named.
    """
    return text_of(path.read_bytes(), path)


def text_of(data: bytes, path: Path) -> str:
    """Return ``data``, read from ``path``, as text; see :func:`file_text`."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise BadPool(f"{path}: UTF-16, not UTF-8 text; save it as UTF-8, e.g. as 'CSV UTF-8'")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise bad_line(path, line, "not UTF-8 text; save the file as UTF-8, e.g. as 'CSV UTF-8'") from None


def file_lines(path: Path) -> list[str]:
    """Return the lines of a text file without their ends; see :func:`file_text`."""
    return [line.rstrip("\n") for line in io.StringIO(file_text(path), newline=None)]


def bad_line(path: Path, line: int, text: str) -> BadPool:
    """Return the error for a line (counted from 1) of a file."""
    return BadPool(f"{path}:{line}: {text}")


def place_text(place: Sequence[str | int]) -> str:
    """Return a place in a JSON file in words, e.g. ``pairs[4].cpra``; entries count from 1, as a reader would."""
    text = ""
    for part in place:
        text += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if text else part
    return text or "the whole file"


def whole_number(path: Path, line: int, text: str, meaning: str) -> int:
    """Return ``text`` as an int, or complain that ``meaning`` needs one."""
    try:
        if "_" in text:  # Python reads 1_000, no other program does.
            raise ValueError
        return int(text)
    except ValueError:
        raise bad_line(path, line, f"{meaning} should be a whole number, not {text.strip()!r}") from None


def number(path: Path, line: int, text: str, meaning: str) -> float:
    """Return ``text`` as a finite float, or complain that ``meaning`` needs one."""
    try:
        value = float("nan" if "_" in text else text)
    except ValueError:
        value = float("nan")
    if not isfinite(value):
        raise bad_line(path, line, f"{meaning} should be a number, not {text.strip()!r}")
    return value


def fields_of(path: Path, line: int, fields: Sequence[str], count: int, meaning: str) -> Sequence[str]:
    """Return ``fields`` if there are ``count`` of them, or complain that ``meaning`` needs so many."""
    if len(fields) != count:
        raise bad_line(path, line, f"{meaning} has {count} fields, this line has {len(fields)}")
    return fields
