"""A reply of lines as entries: lines with ``|``, lines of a list, or a line for each and nothing else. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum

from llm_compare.suggesting.entry_text import part_text, plain
from llm_compare.suggesting.open_question import Part

MOST_WORDS_OF_A_BARE_LINE = 12
"""A line without a mark that is longer is a sentence about something, not the name of an attribute."""
_MOST_WORDS_BEFORE_A_REASON = 8

_MARK = re.compile(
    r"(?P<space>[ \t]*)(?P<mark>[-*+•·▪◦‣–—][ \t]+|\(?\d{1,3}[.):](?!\d)[ \t]*|\(?[a-z][.)][ \t]+)"
)
_RULE = re.compile(r"[ \t]*(?:[-=*_][ \t]*){3,}")
_TABLE_RULE = re.compile(r"\s*\|?\s*:?-{2,}:?\s*(?:\|\s*:?-{2,}:?\s*)*\|?\s*")
_HEADING = re.compile(r"[ \t]*#{1,6}[ \t]+\S|[ \t]*(\*\*|__)[^*_]+:?\1:?[ \t]*")
_ENDS_A_PREFACE = (":", "：")
_ENDS_A_SENTENCE = re.compile(r"[.!?。！？…][\"'”)*_]*$")
_BOLD_LEAD = re.compile(r"(?P<open>\*\*|__)(?P<text>.+?)(?P=open)[ \t]*(?P<rest>.*)", re.DOTALL)
_SEPARATOR = re.compile(r"[ \t]+[-–—][ \t]+|[ \t]*[—][ \t]*|[:：](?:[ \t]+|(?=[^\W\d_]))")
_BAR = re.compile(r"(?<!\\)\|")
_PARTS_BY_NAME = {
    "text": Part.TEXT, "suggestion": Part.TEXT, "attribute": Part.TEXT,
    "direction": Part.DIRECTION, "more priority to": Part.DIRECTION, "richtung": Part.DIRECTION,
    "why": Part.WHY, "reason": Part.WHY, "rationale": Part.WHY, "because": Part.WHY, "warum": Part.WHY,
    "grund": Part.WHY, "begründung": Part.WHY,
}  # fmt: skip


class Lines(StrEnum):
    """How a list was written."""

    PARTS = "parts"
    LIST = "list"
    BARE = "bare"


class BadLines(StrEnum):
    """Why lines are no list of entries."""

    NESTED = "nested"
    PROSE = "prose"


EntryParts = dict[str, str]
"""Part -> words."""


def lines_of(text: str, parts: Sequence[Part]) -> tuple[Lines, list[EntryParts], str] | BadLines:
    """Read lines; return how the list is written, its entries, and the words that stand around it.

    In a list with marks or bars, unmarked lines are words around it: a preface, headings, a closing remark. A
    line that is deeper than the entry above it is that entry's direction or reason if it says so, or its reason if
    it has no mark; a marked one is a list within a list, and nobody could say which of both was meant.
    """
    lines = [line for line in text.replace("\r\n", "\n").split("\n") if line.strip()]
    lines = [line for line in lines if not _RULE.fullmatch(line) and not _TABLE_RULE.fullmatch(line)]
    has_bars = any(_bars(line) for line in lines) and len(parts) > 1
    if not has_bars and not any(_MARK.match(line) for line in lines):
        return _bare(lines)
    entries: list[EntryParts] = []
    around: list[str] = []
    depth: int | None = None
    for line in lines:
        marked = _MARK.match(line)
        is_entry = bool(marked) or (has_bars and _bars(line))
        space = len(line) - len(line.lstrip())
        deeper = bool(entries) and depth is not None and space > depth
        if (deeper or not marked) and entries and (own := _named_part(line, marked)) is not None:
            part, words = own
            if part is Part.TEXT or entries[-1].get(part):
                return BadLines.NESTED
            entries[-1][part] = words
        elif deeper and marked:
            return BadLines.NESTED
        elif deeper and not is_entry and not entries[-1].get(Part.WHY):
            entries[-1][Part.WHY] = plain(line)
        elif not is_entry or (marked and _is_heading(line[marked.end() :])):
            around.append(line)
        else:
            depth = space if depth is None else depth
            found = _entry(line[marked.end() :] if marked else line, parts, has_bars=has_bars)
            if found is not None:
                entries.append(found)
    if not entries:
        return BadLines.PROSE
    return (Lines.PARTS if has_bars else Lines.LIST), entries, "\n".join(around)


def _bars(line: str) -> bool:
    return _BAR.search(line) is not None


def _bare(lines: Sequence[str]) -> tuple[Lines, list[EntryParts], str] | BadLines:
    preface = [line for line in lines[:1] if line.rstrip(" *_").endswith(_ENDS_A_PREFACE) and len(lines) > 1]
    own = lines[len(preface) :]
    for line in own:
        too_long = len(line.split()) > MOST_WORDS_OF_A_BARE_LINE
        is_sentence = _ENDS_A_SENTENCE.search(line.strip()) is not None and len(line.split()) > 3
        if too_long or is_sentence or _HEADING.match(line) or line.rstrip().endswith(_ENDS_A_PREFACE):
            return BadLines.PROSE
    return Lines.BARE, [{Part.TEXT: plain(line).removesuffix(".")} for line in own], "\n".join(preface)


def _is_heading(words: str) -> bool:
    """Return whether a marked line only opens a list, such as ``1. **Medical factors:**``."""
    return words.strip().strip("*_ ").endswith(_ENDS_A_PREFACE)


def _named_part(line: str, marked: re.Match[str] | None) -> tuple[Part, str] | None:
    """Return the part that a line names itself, as in ``- Why: they live longer``."""
    name, colon, words = plain(line[marked.end() :] if marked else line).partition(":")
    part = _PARTS_BY_NAME.get(name.strip("*_ ").casefold()) if colon else None
    return None if part is None else (part, part_text(words.strip("*_ ")))


def _entry(words: str, parts: Sequence[Part], *, has_bars: bool) -> EntryParts | None:
    """Return the parts of one line; None for a line that only repeats what the parts are called."""
    if has_bars:
        cells = [cell.replace("\\|", "|").strip() for cell in _BAR.split(words)]
        if words.strip().startswith("|") and words.strip().endswith("|"):  # A row of a table.
            cells = cells[1:-1]
        last = len(parts) - 1
        cells = (
            [*cells[:last], " | ".join(cell for cell in cells[last:] if cell)] if len(cells) > last else cells
        )
        if [plain(c).casefold() for c in cells] == [part.value for part in parts][: len(cells)]:
            return None
        found = {part.value: part_text(cell) for part, cell in zip(parts, cells, strict=False)}
        return {**found, Part.TEXT: plain(cells[0])} if cells else None
    if Part.WHY not in parts:
        return {Part.TEXT: plain(words).removesuffix(".")}
    return _text_and_reason(words)


def _text_and_reason(words: str) -> EntryParts:
    """Return an entry written as ``**Age**: why``, ``Age – why`` or ``Age: why``; the first sign divides."""
    if (lead := _BOLD_LEAD.fullmatch(words.strip())) is not None:
        text = lead["text"].rstrip(" :：.")
        return {Part.TEXT: plain(text), Part.WHY: plain(lead["rest"].lstrip(" \t:：–—-."))}
    divided = _SEPARATOR.search(words)
    if divided is None or len(words[: divided.start()].split()) > _MOST_WORDS_BEFORE_A_REASON:
        return {Part.TEXT: plain(words).removesuffix(".")}
    return {Part.TEXT: plain(words[: divided.start()]), Part.WHY: plain(words[divided.end() :])}
