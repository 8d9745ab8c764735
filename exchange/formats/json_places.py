"""Where the entries of a JSON document stand in its text."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Iterator

_DECODER = json.JSONDecoder()


class JsonPlaces:
    """Finds the line on which an entry of a list begins. For complaints: made when one is needed.

    Parameters
    ----------
    text
        A valid JSON document.
    """

    __slots__ = ("_line_ends", "_lists", "_text")

    def __init__(self, text: str) -> None:
        self._text = text
        self._line_ends: list[int] = [i for i, character in enumerate(text) if character == "\n"]
        self._lists: dict[str, list[int]] | None = None

    def line(self, key: str, index: int) -> int:
        """Return the line, from 1, on which entry ``index`` (from 0) of the list under a top-level key begins."""
        if self._lists is None:
            self._lists = dict(_lists_of_object(self._text))
        return self.line_at(self._lists[key][index])

    def line_at(self, offset: int) -> int:
        """Return the line, from 1, of a place in the text."""
        return bisect_right(self._line_ends, offset - 1) + 1


def list_offsets(text: str, start: int) -> tuple[list[int], int]:
    """Return where the entries of the list that begins at ``start`` begin, and where the list ends.

    ``text`` is valid JSON from there on.
    """
    offsets: list[int] = []
    at = _after_space(text, start + 1)
    while text[at] != "]":
        offsets.append(at)
        _, at = _DECODER.raw_decode(text, at)
        at = _after_space(text, at)
        if text[at] == ",":
            at = _after_space(text, at + 1)
    return offsets, at + 1


def _lists_of_object(text: str) -> Iterator[tuple[str, list[int]]]:
    """Yield the keys of the document's top-level lists, and where their entries begin."""
    at = _after_space(text, _after_space(text, 0) + 1)
    while text[at] != "}":
        key, at = _DECODER.raw_decode(text, at)
        at = _after_space(text, _after_space(text, at) + 1)  # Past the colon.
        if text[at] == "[":
            offsets, at = list_offsets(text, at)
            yield key, offsets
        else:
            _, at = _DECODER.raw_decode(text, at)
        at = _after_space(text, at)
        if text[at] == ",":
            at = _after_space(text, at + 1)


def _after_space(text: str, at: int) -> int:
    while text[at] in " \t\r\n":
        at += 1
    return at
