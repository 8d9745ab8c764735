"""Find JSON objects in a text that may hold more than JSON: a code fence, an explanation, half an object. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

MOST_BRACES = 100
"""Opening braces at which an object is looked for; a reply needs one, and a hostile one could take hours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundObject:
    """A JSON object in a text."""

    members: tuple[tuple[str, Any], ...]
    """(name, value) as they stand, also where a name stands twice."""
    start: int
    end: int

    def values(self, name: str) -> list[Any]:
        """Return every value under a name, in any case."""
        return [value for key, value in self.members if key.strip().casefold() == name]


class _Members(tuple[tuple[str, Any], ...]):
    """An object's members, told apart from a JSON array."""


_DECODER = json.JSONDecoder(object_pairs_hook=_Members)


def objects_in(text: str) -> Iterator[FoundObject]:
    """Yield the outermost complete objects of ``text``, in order. What is no JSON is passed over."""
    at, braces = text.find("{"), 0
    while at >= 0 and braces < MOST_BRACES:
        braces += 1
        try:
            members, end = _DECODER.raw_decode(text, at)
        except (ValueError, RecursionError):
            at = text.find("{", at + 1)
            continue
        yield FoundObject(members=tuple(members), start=at, end=end)
        at = text.find("{", end)
