"""How the pictures of simulations look, as SVG text. The same numbers give the same bytes.

Pictures have one width and their words one size, whatever stands in them: places are computed from the words, in
inches, and nothing is cropped afterwards. They carry attributes instead of inline styles, so that a page that
forbids those can show them.
"""

from __future__ import annotations

import hashlib
import io
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import wraps
from html import escape
from textwrap import wrap
from typing import TYPE_CHECKING, Any, ParamSpec
from unicodedata import east_asian_width

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH = 7.6
"""Inches."""
INK, QUIET, GRID, STRIPE, ZERO = "#222222", "#555555", "#dddddd", "#f5f5f2", "#777777"
FONT, SMALL = 10.0, 8.5
"""Points."""
LINE = 0.185
"""Inches from a line of words of size :data:`FONT` to the next."""
MARGIN = 0.1
"""Inches."""

# Okabe and Ito's colors, some darkened to 3:1 against white. The first is for what others are compared with.
_COLORS = ("#444444", "#0072B2", "#C75300", "#008660", "#A8578A", "#A87400", "#3489BF")
# For print in gray and any color vision no two conditions share a marker. Lines repeat their dashes after 6.
_MARKERS = "osD^vPX<>ph*"
_DASHES = ("-", (0, (6, 1.5)), (0, (1.2, 1.2)), (0, (7, 1.5, 1.2, 1.5)), (0, (3, 1.5)), (0, (9, 2, 3, 2)))

_STYLE: dict[Any, Any] = {
    "svg.hashsalt": "equipoise",
    "svg.fonttype": "none",
    "font.family": ["DejaVu Sans"],
    "font.size": FONT,
    "text.parse_math": False,  # A dollar sign in a name is a dollar sign.
    "axes.unicode_minus": True,
    "axes.edgecolor": "#888888",
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
_NARROW_LETTERS = frozenset("iljtfrI.,:;|!'()[] -")


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How one condition is drawn, in every picture the same."""

    color: str
    marker: str
    dashes: Any
    """A line's style, as matplotlib takes it."""


def looks_of(names: Sequence[str]) -> Mapping[str, Look]:
    """Return a look for each name, in their order: the first is the one that others are compared with."""
    return {
        name: Look(
            color=_COLORS[i % len(_COLORS)],
            marker=_MARKERS[i % len(_MARKERS)],
            dashes=_DASHES[i % len(_DASHES)],
        )
        for i, name in enumerate(dict.fromkeys(names))
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """A figure and the words for those who do not see it."""

    figure: Figure
    title: str
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """An SVG element, and the words in it for those who do not see it."""

    svg: str
    title: str
    description: str
    ids: str
    """What all its ids begin with; equal pictures have equal ones."""

    def with_ids(self, ids: str) -> Picture:
        """Return the picture with ids that begin in another way: in one page no two may be the same."""
        return replace(self, svg=self.svg.replace(self.ids, ids), ids=ids)


_Given = ParamSpec("_Given")


def styled(draw: Callable[_Given, Drawing]) -> Callable[_Given, Picture]:
    """Turn a function that draws into one that returns a picture, in our style."""

    @wraps(draw)
    def drawn(*args: _Given.args, **kwargs: _Given.kwargs) -> Picture:
        import matplotlib as mpl

        with mpl.rc_context(_STYLE):
            return _picture(draw(*args, **kwargs))

    return drawn


def text_width(text: str, size: float = FONT) -> float:
    """Return how wide a line of words is, in inches, rather a little too much: the browser chooses the letters."""
    return sum(_letter_width(letter) for letter in text) * size / 72


def _letter_width(letter: str) -> float:
    if east_asian_width(letter) in "WF":
        return 1.05
    if letter in _NARROW_LETTERS:
        return 0.4
    return 1.0 if letter in "mwMW%" else 0.74 if letter.isupper() else 0.635


def wrapped(text: str, room: float, size: float = FONT) -> str:
    """Return words in lines that fit the room, in inches. Names such as ``age=43;drinks=2`` break behind ``;``."""
    text = text.replace(";", "; ")
    letters = max(int(room / (0.45 * size / 72)), 4)
    while True:
        lines = wrap(text, letters) or [""]
        if letters <= 4 or max(text_width(line, size) for line in lines) <= room:
            return "\n".join(lines)
        letters -= 1


def n_lines(text: str) -> int:
    """Return how many lines words take."""
    return text.count("\n") + 1


class Legend:
    """Which look is which condition, in rows from the left that fill the picture's width."""

    def __init__(self, names: Sequence[str], looks: Mapping[str, Look], *, has_lines: bool = False) -> None:
        self._looks, self._has_lines = looks, has_lines
        self._sample = 0.42 if has_lines else 0.2
        self._places: list[tuple[float, float, str, str]] = []
        x, y, height = MARGIN, 0.0, LINE
        for name in dict.fromkeys(names):
            words = wrapped(name, WIDTH - 2 * MARGIN - self._sample)
            width = self._sample + max(map(text_width, words.split("\n"))) + 0.25
            if x > MARGIN and x + width > WIDTH:
                x, y, height = MARGIN, y + height + 0.04, LINE
            self._places.append((x, y, name, words))
            x, height = x + width, max(height, LINE * n_lines(words))
        self.height = y + height + 0.1 if self._places else 0.0
        """Inches."""

    def draw(self, figure: Figure, top: float) -> None:
        """Draw it with its upper edge at a height, in inches from the bottom."""
        from matplotlib.lines import Line2D

        inches = figure.dpi_scale_trans
        for x, y, name, words in self._places:
            look, middle = self._looks[name], top - y - 0.08
            xs = [x, x + self._sample - 0.1] if self._has_lines else [x + 0.05]
            figure.add_artist(
                Line2D(
                    xs,
                    [middle] * len(xs),
                    transform=inches,
                    color=look.color,
                    linestyle=look.dashes if self._has_lines else "none",
                    linewidth=1.8,
                    marker="none" if self._has_lines else look.marker,
                )
            )
            if self._has_lines:
                at = x + (self._sample - 0.1) / 2
                figure.add_artist(
                    Line2D([at], [middle], transform=inches, color=look.color, marker=look.marker)
                )
            figure.text(
                x + self._sample, top - y, words, transform=inches, ha="left", va="top", fontsize=FONT
            )


def _picture(drawing: Drawing) -> Picture:
    """Return the figure as an SVG element, without the XML prologue, ready to stand in HTML beside others."""
    buffer = io.StringIO()
    metadata = {"Date": None, "Creator": None, "Format": None, "Type": None}
    with warnings.catch_warnings():
        # The browser draws the text, in any script; matplotlib only measures it.
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from font", category=UserWarning)
        drawing.figure.savefig(buffer, format="svg", metadata=metadata)
    text = buffer.getvalue()
    svg = text[text.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    # Its one rule, for all elements, is inherited just as well.
    svg = re.sub(r'<style type="text/css">.*?</style>', "", svg, flags=re.DOTALL)
    svg = re.sub(r'style="([^"]*)"', lambda found: _attributes(found[1]), svg)
    svg = re.sub(r' (d|x|y)="([^"]*)"', lambda found: f' {found[1]}="{_rounded(found[2])}"', svg)
    # matplotlib numbers its elements anew in every figure; in one page the ids must differ.
    prefix = f"p{hashlib.sha256((svg + drawing.title).encode()).hexdigest()[:12]}"
    svg = re.sub(r'(<[^<>]*\s)id="', rf'\1id="{prefix}-', svg)
    svg = re.sub(r"url\(#", f"url(#{prefix}-", svg)
    svg = re.sub(r'href="#', f'href="#{prefix}-', svg)
    start = (
        f'<svg role="img" aria-labelledby="{prefix}-title {prefix}-description" stroke-linejoin="round" '
        'stroke-linecap="butt" '
    )
    svg = svg.replace("<svg ", start, 1)
    words = (
        f'<title id="{prefix}-title">{escape(drawing.title)}</title>'
        f'<desc id="{prefix}-description">{escape(drawing.description)}</desc>'
    )
    end_of_tag = svg.index(">") + 1
    return Picture(
        svg=svg[:end_of_tag] + words + svg[end_of_tag:],
        title=drawing.title,
        description=drawing.description,
        ids=prefix,
    )


def _rounded(places: str) -> str:
    """Return numbers with two digits behind the point: more are not seen, and cost half the file."""
    return re.sub(r"-?\d+\.\d{3,}", lambda found: f"{float(found[0]):.2f}".rstrip("0").rstrip("."), places)


def _attributes(style: str) -> str:
    """Return an inline style as the attributes that mean the same in SVG."""
    found = []
    for part in style.split(";"):
        name, _, value = (piece.strip() for piece in part.partition(":"))
        if name == "font":
            words = re.fullmatch(r"(?:(?P<weight>bold|\d{3}) )?(?P<size>[\d.]+px) .*", value)
            if words is None:
                raise ValueError(f"matplotlib writes fonts in another way: {value}")
            if words["weight"]:
                found.append(f'font-weight="{words["weight"]}"')
            found.append(f'font-size="{words["size"]}"')
            found.append("font-family=\"'DejaVu Sans', Verdana, sans-serif\"")
        elif name:
            found.append(f'{name}="{value}"')
    return " ".join(found)
