"""What the pictures of a coding are drawn with: SVG as text. The same numbers give the same bytes. Pure.

Written by hand rather than by matplotlib, whose pictures carry inline styles: the researcher's pages forbid those,
and these take their colors from the page, dark or light. Every element also has the color it has on paper.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from math import floor, log10
from unicodedata import category, east_asian_width

# Okabe and Ito's colors, told apart with any color vision; dark against light also in gray print.
FOR, AGAINST, NEUTRAL = "#0072B2", "#E69F00", "#d9d9d9"
INK, QUIET, GRID, ZERO, BAND = "#222222", "#555555", "#e3e3e3", "#888888", "#cfe3f0"
COLORS = {
    "words": INK,
    "quiet": QUIET,
    "grid": GRID,
    "zero": ZERO,
    "for": FOR,
    "against": AGAINST,
    "neutral": NEUTRAL,
    "whisker": INK,
    "dot": FOR,
    "interval": FOR,
    "mark": INK,
    "band": BAND,
    "paper": "#ffffff",
}
"""Class of an element -> its color where no page gives another."""

FONT, SMALL = 14, 12.5
LINE = 18.0
"""Height of a line of words, in the picture's units (pixels at its own size)."""
_LETTER, _WIDE_LETTER = 7.5, 14.5


def text(
    x: float, y: float, words: str, kind: str = "words", *, anchor: str = "start", size: float = FONT
) -> str:
    """Return a line of words; ``y`` is where its letters stand. Right-to-left words run their own way."""
    return (
        f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size:g}" '
        f'unicode-bidi="plaintext" fill="{COLORS[kind]}">{escape(words)}</text>'
    )


def line(
    x1: float, y1: float, x2: float, y2: float, kind: str, *, width: float = 1.0, dashes: str = ""
) -> str:
    """Return a straight line."""
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    return (
        f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
        f'stroke="{COLORS[kind]}" stroke-width="{width:g}"{dashed}/>'
    )


def bar(x1: float, x2: float, y: float, height: float, kind: str) -> str:
    """Return a bar from ``x1`` to ``x2``, in either order; ``y`` is its top."""
    left, right = sorted((x1, x2))
    return (
        f'<rect class="{kind}" x="{left:.1f}" y="{y:.1f}" width="{right - left:.1f}" height="{height:.1f}" '
        f'fill="{COLORS[kind]}"/>'
    )


def whisker(x1: float, x2: float, y: float) -> str:
    """Return an interval with an end on either side."""
    return "".join(
        (
            line(x1, y, x2, y, "whisker", width=1.4),
            line(x1, y - 3.5, x1, y + 3.5, "whisker", width=1.4),
            line(x2, y - 3.5, x2, y + 3.5, "whisker", width=1.4),
        )
    )


def dot(x: float, y: float, *, radius: float = 4.5) -> str:
    """Return a full dot."""
    return f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}" fill="{COLORS["dot"]}"/>'


MARKS: Sequence[Callable[[float, float], str]] = (
    lambda x, y: f"M{x - 4:.1f} {y:.1f}h8M{x:.1f} {y - 4:.1f}v8",
    lambda x, y: f"M{x - 3.5:.1f} {y - 3.5:.1f}l7 7M{x - 3.5:.1f} {y + 3.5:.1f}l7 -7",
    lambda x, y: f"M{x:.1f} {y - 4.5:.1f}l4.5 8h-9z",
    lambda x, y: f"M{x - 3.5:.1f} {y - 3.5:.1f}h7v7h-7z",
    lambda x, y: f"M{x:.1f} {y - 4.8:.1f}l4.8 4.8l-4.8 4.8l-4.8 -4.8z",
    lambda x, y: f"M{x:.1f} {y + 4.5:.1f}l4.5 -8h-9z",
)
"""Outlines that are told apart without color: plus, cross, triangle, square, diamond, triangle upside down."""


def mark(x: float, y: float, which: int) -> str:
    """Return one of the outlines."""
    path = MARKS[which % len(MARKS)](x, y)
    return f'<path class="mark" d="{path}" fill="none" stroke="{COLORS["mark"]}" stroke-width="1.4"/>'


def polyline(
    points: Sequence[tuple[float, float]], kind: str, *, width: float = 2.0, dashes: str = ""
) -> str:
    """Return a line through points."""
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return (
        f'<polyline class="{kind}" points="{path}" fill="none" stroke="{COLORS[kind]}" '
        f'stroke-width="{width:g}"{dashed}/>'
    )


def area(points: Sequence[tuple[float, float]], kind: str) -> str:
    """Return a filled area with these corners."""
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polygon class="{kind}" points="{path}" fill="{COLORS[kind]}"/>'


def picture(parts: Sequence[str], width: float, height: float, title: str, *, inline: bool) -> str:
    """Return the whole picture.

    Parameters
    ----------
    title
        What it shows, for who cannot see it.
    inline
        For a page, which gives colors to the classes and the background; otherwise for a file of its own, on white.
    """
    ground = "" if inline else f'<rect width="{width:g}" height="{height:g}" fill="#ffffff"/>'
    own = "" if inline else f' xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height:g}"'
    return (
        f'<svg{own} class="coding-plot" viewBox="0 0 {width:g} {height:g}" role="img" '
        f'aria-label="{escape(title)}" font-family="system-ui, \'DejaVu Sans\', Verdana, sans-serif">'
        f"{ground}{''.join(parts)}</svg>\n"
    )


def width_of(words: str, size: float = FONT) -> float:
    """Return about how wide words are; no font is measured."""
    letters = sum(
        0.0 if category(c) in ("Mn", "Me", "Cf") else _WIDE_LETTER if east_asian_width(c) in "WF" else _LETTER
        for c in words
    )
    return letters * size / FONT


def wrapped(words: str, width: float, *, most_lines: int = 3, size: float = FONT) -> list[str]:
    """Return words in lines no wider than ``width``, at spaces where there are any; what is left over ends in …"""
    lines = [""]
    for word in words.split():
        rest = word
        while rest:
            joined = f"{lines[-1]} {rest}".strip()
            if width_of(joined, size) <= width:
                lines[-1], rest = joined, ""
            elif lines[-1]:
                lines.append("")
            else:
                lines[-1], rest = _cut(rest, width, size)
                lines.append("")
    lines = [own for own in lines if own] or [""]
    if len(lines) <= most_lines:
        return lines
    last = lines[most_lines - 1]
    while last and width_of(f"{last}…", size) > width:
        last = last[:-1]
    return [*lines[: most_lines - 1], f"{last}…"]


def _cut(word: str, width: float, size: float) -> tuple[str, str]:
    n = 1
    while n < len(word) and width_of(word[: n + 1], size) <= width:
        n += 1
    return word[:n], word[n:]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """From numbers to places along one side of a picture."""

    low: float
    high: float
    start: float
    """Place of ``low``."""
    end: float

    def __call__(self, value: float) -> float:
        """Return the place of a number."""
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)


def round_step(span: float, most: int) -> float:
    """Return a round step (1, 2 or 5 times a power of ten) that fits at most ``most`` times into ``span`` > 0."""
    power = 10.0 ** floor(log10(span / most))
    return next(power * m for m in (1, 2, 5, 10, 20) if span / (power * m) <= most)
