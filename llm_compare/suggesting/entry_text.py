"""One entry's words as a model writes them: markup, quotes, empty parts, and words for "nothing". Pure."""

from __future__ import annotations

import re

_FENCE = re.compile(r"^[ \t]*(?:```|~~~)[^\n]*$", re.MULTILINE)
_EMPHASIS = re.compile(r"(\*\*|__|\*|`)(?=\S)(.+?)(?<=\S)\1")
_EDGES = " \t\r\n"
_QUOTES = (('"', '"'), ("\u201c", "\u201d"), ("\u201e", "\u201c"), ("\u00ab", "\u00bb"), ("\u300c", "\u300d"))
_EMPTY_PARTS = frozenset({"", "-", "\u2013", "\u2014", "n/a", "na", "none", "(none)", "[none]", "..."})
_NOTHING = frozenset(
    {
        *("none", "nothing", "no suggestions", "no suggestion", "no attributes", "n/a", "nothing to add"),
        *("i would name nothing", "i have nothing to name", "i would not name anything"),
        *("nichts", "keine", "keines", "keiner", "keine vorschläge", "nada", "ninguno", "ninguna", "ningún"),
        *("rien", "aucun", "aucune", "néant", "nulla", "niente", "nessuno", "nessuna", "niets", "geen"),
        *("nenhum", "nenhuma", "无", "没有", "無", "沒有"),
    }
)


def without_fences(text: str) -> str:
    """Return ``text`` without the lines that open and close blocks of code."""
    return _FENCE.sub("", text) if "```" in text or "~~~" in text else text


def plain(text: str) -> str:
    """Return words without the markup for emphasis and without quotes around all of them; HTML is text."""
    before = None
    while before != text:
        before, text = text, _EMPHASIS.sub(r"\2", text)
    text = text.strip(_EDGES)
    for begin, end in _QUOTES:
        inner = text[len(begin) : -len(end)]
        if len(text) > 1 and text.startswith(begin) and text.endswith(end) and begin not in inner:
            text = inner.strip(_EDGES)
    return text


def part_text(text: str) -> str:
    """Return the words of an optional part; empty for what models write to leave a part out."""
    words = plain(text)
    return "" if words.casefold() in _EMPTY_PARTS else words


def says_nothing(text: str) -> bool:
    """Return whether all of a text says that its speaker names nothing."""
    words = plain(text).strip(" \t\r\n.!。*_[](){}\"'\u201c\u201d|").casefold()
    return words in _NOTHING
