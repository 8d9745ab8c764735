"""What a page is made of: sections of words, tables, pictures with the numbers under each, and long texts. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from exchange.outcomes.svg_plots import Picture


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Numbers as text. The first column names the rows."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    is_words: bool = False
    """Whether the cells are words rather than numbers."""
    folded: str = ""
    """What a reader opens to see it; empty if it is seen at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A picture with its numbers."""

    picture: Picture
    table: Table
    folded: str = ""
    """What a reader opens to see both; empty if the picture is seen at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LongText:
    """A text that is shown as it is, opened by who wants to see it."""

    summary: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Points:
    """A list of sentences."""

    sentences: tuple[str, ...]
    folded: str = ""
    """What a reader opens to see them; empty if they are seen at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Warned:
    """What a reader must know before anything else is believed."""

    sentences: tuple[str, ...]


Block = str | Table | Figure | LongText | Points | Warned
"""A string is a paragraph."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A part of a page under its heading."""

    heading: str
    blocks: tuple[Block, ...] = ()
    parts: tuple[Section, ...] = ()
    is_summary: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page that opens offline in any browser."""

    title: str
    lead: str
    tags: tuple[str, ...]
    """Kinds of the inputs: ``real``, ``simulated``, ``scripted``, ``not stated``; of allocation ``synthetic``,
    ``registry``, ``model``, ``scripted``, ``policy``, ``people``."""
    sections: tuple[Section, ...]
    footer: str


def text_columns(table: Table) -> frozenset[int]:
    """Return which columns after the first hold words throughout, so that they stand on the left."""
    return frozenset(
        i
        for i in range(1, len(table.head))
        if all(not row[i] or not (row[i][0].isdigit() or row[i][0] in "+−–<") for row in table.rows)
    )


def kind(block: Block) -> str:
    """Return what a block is, as the template asks."""
    return "words" if isinstance(block, str) else type(block).__name__.lower()


def with_own_ids(sections: Iterable[Section], start: str = "") -> tuple[Section, ...]:
    """Return the sections with pictures whose ids differ throughout: equal pictures would have equal ones."""
    return tuple(
        replace(
            section,
            blocks=tuple(_own_ids(block, f"{start}{i}-{b}") for b, block in enumerate(section.blocks)),
            parts=with_own_ids(section.parts, f"{start}{i}-p"),
        )
        for i, section in enumerate(sections)
    )


def _own_ids(block: Block, place: str) -> Block:
    if not isinstance(block, Figure):
        return block
    return replace(block, picture=block.picture.with_ids(f"picture-{place}"))
