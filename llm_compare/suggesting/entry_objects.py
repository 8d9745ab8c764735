"""Entries in JSON, wherever in a reply it stands: an object with a list, a list, or an object for each. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from llm_compare.replies.json_object import FoundObject, objects_in
from llm_compare.suggesting.entry_text import part_text, plain
from llm_compare.suggesting.open_question import Part

_LIST_NAMES = ("suggestions", "answers", "entries", "items")
_NAMES: Mapping[Part, tuple[str, ...]] = {
    Part.TEXT: ("text", "suggestion", "attribute"),
    Part.DIRECTION: ("direction",),
    Part.WHY: ("why", "reason"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundEntries:
    """Entries of a reply, and the words around the JSON."""

    entries: tuple[dict[str, str], ...]
    around: str
    is_whole: bool
    """Whether the JSON ends with its last entry; of single objects more might have followed."""


class BadEntries(StrEnum):
    """JSON that is there, but does not hold entries as they were asked for."""

    OTHER = "other"


def entries_in_json(text: str) -> FoundEntries | BadEntries | None:
    """Return the entries that JSON in ``text`` holds; None where the text holds no JSON that could be meant."""
    listed = _list_in(text)
    if listed is not None:
        items, around = listed
        entries = [_entry(item) for item in items]
        if any(entry is None for entry in entries):
            return BadEntries.OTHER
        return FoundEntries(entries=tuple(e for e in entries if e is not None), around=around, is_whole=True)
    objects = list(objects_in(text))
    if not objects:
        return BadEntries.OTHER if text.startswith(("{", "[{", '["')) else None
    around = _around(text, objects)
    if text.find("{") < objects[0].start or text.startswith("["):
        return (
            BadEntries.OTHER if text.startswith(("{", "[")) else None
        )  # Within something that is not whole.
    lists = [value for found in objects for name in _LIST_NAMES for value in found.values(name)]
    if lists:
        if any(one != lists[0] for one in lists) or not _is_list(lists[0]):
            return BadEntries.OTHER
        entries = [_entry(item) for item in lists[0]]
    else:
        entries = [_entry(found.members) for found in objects]
    if any(entry is None for entry in entries):
        # Braces in a line of words are words.
        return None if not lists and not text.startswith("{") else BadEntries.OTHER
    return FoundEntries(
        entries=tuple(e for e in entries if e is not None), around=around, is_whole=bool(lists)
    )


def _list_in(text: str) -> tuple[Sequence[Any], str] | None:
    """Return a list that is all of the JSON in a text, and what stands around it."""
    start = text.find("[")
    if start < 0 or "{" in text[:start]:
        return None
    try:
        items, end = json.JSONDecoder(object_pairs_hook=lambda pairs: tuple(pairs)).raw_decode(text, start)
    except (ValueError, RecursionError):
        return None
    # "[1] Age" is a mark, not a list of entries.
    is_meant = isinstance(items, list) and all(isinstance(item, str | tuple) for item in items)
    return (items, text[:start] + "\n" + text[end:]) if is_meant and (items or text == "[]") else None


def _is_list(value: object) -> bool:
    return isinstance(value, list)


def _entry(item: object) -> dict[str, str] | None:
    """Return the parts of an entry; None for what is none."""
    if isinstance(item, str):
        return {Part.TEXT: plain(item)} if item.strip() else None
    if not isinstance(item, tuple) or not all(isinstance(p, tuple) and len(p) == 2 for p in item):
        return None
    found: dict[str, str] = {}
    for part, names in _NAMES.items():
        values = [value for name, value in item if str(name).strip().casefold() in names]
        if len(values) > 1 or any(value is not None and not isinstance(value, str) for value in values):
            return None
        if values and values[0] is not None:
            found[part] = plain(values[0]) if part is Part.TEXT else part_text(values[0])
    return found if found.get(Part.TEXT) else None


def _around(text: str, objects: Sequence[FoundObject]) -> str:
    words, at = [], 0
    for found in objects:
        words.append(text[at : found.start])
        at = found.end
    return "\n".join([*words, text[at:]])
