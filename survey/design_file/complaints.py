"""What is wrong with a design file, and where: complaints that name line and key. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Protocol

# What is quoted may be as long as the file, and wrong in every line.
_LONGEST_COMPLAINT = 1_000
_MOST_COMPLAINTS = 500

NAME_RULE = "use letters, digits, '-' and '_', starting with a letter or digit"

Loc = tuple[str | int, ...]
"""Keys and indices from the top of the document, e.g. ``("attributes", 0, "label")``."""


class Complain(Protocol):
    """Notes one complaint: where in the document, and what is wrong."""

    def __call__(self, loc: Loc, text: str) -> None:
        """Note that ``text`` is wrong at ``loc``."""
        ...


def complaint(where: str, lines: Mapping[Loc, int], loc: Loc, text: str) -> str:
    """Return a complaint with file, line and key: the line of the innermost part of ``loc`` that has one."""
    probe = loc
    while probe and probe not in lines:
        probe = probe[:-1]
    line = f"{where}:{lines[probe]}" if probe else where
    said = f"{line}: {key_text(loc)}: {text}" if loc else f"{line}: {text}"
    return said if len(said) <= _LONGEST_COMPLAINT else f"{said[: _LONGEST_COMPLAINT - 1]}…"


def bounded(complaints: list[str]) -> list[str]:
    """Return the complaints; of very many, the first and how many more there are."""
    if len(complaints) <= _MOST_COMPLAINTS:
        return complaints
    return [*complaints[:_MOST_COMPLAINTS], f"and {len(complaints) - _MOST_COMPLAINTS} more"]


def key_text(loc: Loc) -> str:
    """Return a location as a person would write it: ``attributes[1].label``."""
    text = ""
    for part in loc:
        # Entries are counted from 1, as a person reading the file would.
        text += f"[{part + 1}]" if isinstance(part, int) else (f".{part}" if text else str(part))
    return text


def location(document: object, loc: tuple[str | int, ...]) -> Loc:
    """Drop the parts of a pydantic location that are union tags rather than keys of the document."""
    kept: list[str | int] = []
    here = document
    for i, part in enumerate(loc):
        if isinstance(here, list) and isinstance(part, int):
            here = here[part] if part < len(here) else None
            kept.append(part)
        elif isinstance(here, dict) and part in here:
            here = here[part]
            kept.append(part)
        elif isinstance(here, dict) and i == len(loc) - 1 and not _is_tag(part, here):
            kept.append(part)  # A key that is missing or not allowed.
    return tuple(kept)


def _is_tag(part: str | int, table: Mapping[str, object]) -> bool:
    # Only attributes are a union with a key for its tag. A question of kind "text" may well lack the key ``text``.
    return part in ("categorical", "numeric") and part == table.get("kind")


def message(error: Mapping[str, object]) -> str:
    """Return what a pydantic error says, in words for whoever wrote the file."""
    kind, given = error["type"], error.get("input")
    if kind == "missing":
        return "is missing"
    if kind == "extra_forbidden":
        return "is not a key that a design has; remove it or check its spelling"
    if kind == "string_pattern_mismatch":
        return f"{given!r} is not a name; {NAME_RULE}"
    if kind in ("union_tag_not_found", "union_tag_invalid"):
        return "kind must be 'categorical' or 'numeric'"
    if kind in ("dict_type", "model_type"):
        return f"must be a table, not {given!r}"
    if kind == "list_type":
        return "must be a list; a table in a list is headed [[...]], with two brackets"
    said = str(error["msg"]).removeprefix("Value error, ")
    if kind == "value_error" or isinstance(given, dict | list):
        return said[0].lower() + said[1:]
    return f"{said[0].lower()}{said[1:]}, not {given!r}"


_PART = r"""(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')"""
_PATH = rf"{_PART}(?:\s*\.\s*{_PART})*"
_HEADER = re.compile(rf"\s*(\[\[?)\s*({_PATH})\s*\]\]?\s*$")
_KEY = re.compile(rf"\s*({_PATH})\s*=")
_SHORT_STRING = re.compile(r""" "(?:[^"\\\n]|\\.)*" | '[^'\n]*' """, re.VERBOSE)
_LONG_STRING_OR_COMMENT = re.compile(
    r''' """(?:[^\\]|\\.)*?"""(?!") | \'{3}.*?\'{3}(?!\') | (?P<short>'''
    + _SHORT_STRING.pattern
    + r""") | \#[^\n]* """,
    re.VERBOSE | re.DOTALL,
)


def without_strings(text: str) -> str:
    """Return a TOML text with ``s`` in place of every string and comment; its lines stay where they are."""
    return _LONG_STRING_OR_COMMENT.sub(lambda found: "s" + "\n" * found[0].count("\n"), text)


def key_lines(text: str) -> dict[Loc, int]:
    """Map each table and top-level key of a TOML text to its line.

    tomllib keeps no positions. This scan knows headers, arrays of tables and ``key =`` lines, which is all a
    design needs: keys inside inline tables are reported at the line of the key that holds them. It runs only on
    texts that tomllib has accepted, so it need not judge syntax.
    """
    lines: dict[Loc, int] = {}
    counts: dict[Loc, int] = {}
    table: Loc = ()
    depth = 0
    # Long strings and comments may hold anything; without them, what looks like a key is one.
    plain = _LONG_STRING_OR_COMMENT.sub(lambda found: found["short"] or "\n" * found[0].count("\n"), text)
    for number, line in enumerate(plain.split("\n"), start=1):
        if depth == 0:
            header = _HEADER.match(line)
            if header:
                table = _header_path(_names(header.group(2)), counts, is_array=header.group(1) == "[[")
                for end in range(1, len(table) + 1):
                    lines.setdefault(table[:end], number)
                continue
            key = _KEY.match(line)
            if key:
                path = (*table, *_names(key.group(1)))
                for end in range(len(table) + 1, len(path) + 1):
                    lines.setdefault(path[:end], number)
        bare = _SHORT_STRING.sub("", line)
        depth += bare.count("[") + bare.count("{") - bare.count("]") - bare.count("}")
    return lines


def _names(path: str) -> list[str]:
    """Return the parts of a dotted key."""
    return [part.strip("\"'") for part in re.findall(_PART, path)]


def _header_path(names: list[str], counts: dict[Loc, int], *, is_array: bool) -> Loc:
    path: Loc = ()
    for i, name in enumerate(names):
        path = (*path, name)
        if i == len(names) - 1 and is_array:
            counts[path] = counts.get(path, -1) + 1
        if path in counts:
            path = (*path, counts[path])
    return path
