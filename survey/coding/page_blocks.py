"""What the page of results is made of. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Numbers as text. The first column names the rows."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    folded: str = ""
    """What a reader opens to see it; empty if it is seen at once."""
    words: tuple[int, ...] = ()
    """Columns, counted from 0, whose cells are words and no numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """A picture."""

    caption: str
    svg: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Points:
    """A list of sentences."""

    sentences: tuple[str, ...]


Block = str | Table | Drawing | Points
"""A string is a paragraph."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A part of a page under its heading."""

    heading: str
    blocks: tuple[Block, ...] = ()
    parts: tuple[Section, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page that opens offline in any browser."""

    title: str
    lead: str
    tags: tuple[str, ...]
    """``people`` or ``simulated``: whose the numbers are."""
    sections: tuple[Section, ...]
    footer: str
