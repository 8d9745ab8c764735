"""Numbers in the lines of a file, and complaints that name file and place. For the readers."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from pathlib import Path

from exchange.errors import BadPool


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
        return int(text)
    except ValueError:
        raise bad_line(path, line, f"{meaning} should be a whole number, not {text.strip()!r}") from None


def number(path: Path, line: int, text: str, meaning: str) -> float:
    """Return ``text`` as a finite float, or complain that ``meaning`` needs one."""
    try:
        value = float(text)
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


class ArcsSeen:
    """Checks the arcs of a file one by one: no self loop, nobody unknown, nothing twice."""

    __slots__ = ("_lines", "_path")

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines: dict[tuple[str, str], int] = {}

    def add(self, line: int, donor: str, recipient: str) -> None:
        """Note an arc, or complain about its line."""
        if donor == recipient:
            raise bad_line(self._path, line, f"the arc leads from {donor} to itself; remove it")
        earlier = self._lines.setdefault((donor, recipient), line)
        if earlier != line:
            raise bad_line(
                self._path, line, f"the arc {donor} -> {recipient} was given in line {earlier}; remove one"
            )
