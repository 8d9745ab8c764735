"""Forest plots: every log-strength with its interval, as SVG text. The same numbers give the same bytes.

Written by hand rather than by matplotlib, whose pictures carry inline styles: the researcher's pages forbid those,
and these take their colors from the page, dark or light. Drawn in a millisecond, so a page can have one per visit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from html import escape
from math import ceil, floor, log10
from textwrap import wrap

from estimation.effect_rows import EffectRow, effect_rows
from estimation.results import Fit

# As in the report's pictures: Okabe and Ito's blue, told apart with any color vision and in print.
DOT, INK, QUIET, GRID, ZERO = "#0072B2", "#222222", "#555555", "#e3e3e3", "#888888"

MOST_ROWS = 60
"""Of more rows the strongest and the weakest are drawn, half of each."""

# Width of a letter and height of a line of words, in the picture's units (pixels at its own size).
_LETTER = 7.4
_LINE = 18.0
_FONT = 14


class Layout(StrEnum):
    """For how much room a plot is made."""

    WIDE = "wide"
    """Words beside their interval: screens of a computer, paper."""
    NARROW = "narrow"
    """Words above their interval: phones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Frame:
    width: float
    words: float
    """Width for words beside the interval; 0: they stand above."""
    left: float
    """Where the scale begins and ends."""
    right: float
    number: float
    """Right edge of the column of estimates."""
    weight: float
    """Right edge of the column of weights; 0: there is none."""


def forest_plot(fit: Fit, *, layout: Layout = Layout.WIDE, inline: bool = False) -> str:
    """Draw the log-strengths of a fit, strongest first, with their 95 % intervals.

    Parameters
    ----------
    inline
        For a page, which gives colors to its classes (``words``, ``quiet``, ``interval``, ``dot``, ``grid``,
        ``zero``) and the background; otherwise for a file of its own, on white.
    """
    rows = effect_rows(fit)
    shown = _some(rows)
    frame = _frame(layout, has_weights=any(row.weight is not None for row in rows))
    low, high, ticks = _scale(shown)

    def x(value: float) -> float:
        return frame.left + (value - low) / (high - low) * (frame.right - frame.left)

    top = y = 30.0
    grid: list[str] = []
    drawn: list[str] = []
    for i, row in enumerate(shown):
        if len(shown) < len(rows) and i == len(shown) // 2:
            left_out = f"… {len(rows) - len(shown)} between them are not drawn …"
            drawn.append(_text(frame.width / 2, y + 16, left_out, "quiet", anchor="middle"))
            y += 28
        elements, at, height = _row(row, frame, y, x)
        drawn.append(elements)
        if not frame.words:
            # Lines through the words would make them hard to read.
            grid += _grid(ticks, x, at - 9, at + 9)
        y += height
    bottom = y + 4
    if frame.words:
        grid += _grid(ticks, x, top - 6, bottom)
    return _svg(
        [*grid, *_heads(frame), *drawn, *_axis(ticks, frame, x, bottom)],
        frame.width,
        bottom + 46,
        _title(fit, shown),
        inline=inline,
    )


def _heads(frame: _Frame) -> list[str]:
    heads = []
    if frame.number:
        heads.append(_text(frame.number, 16, "estimate and interval", "quiet", anchor="end"))
    if frame.weight:
        heads.append(_text(frame.weight, 16, "weight", "quiet", anchor="end"))
    return heads


def _grid(ticks: Sequence[float], x: Callable[[float], float], top: float, bottom: float) -> list[str]:
    return [
        f'<line class="{"grid" if tick else "zero"}" x1="{x(tick):.1f}" x2="{x(tick):.1f}" y1="{top:.1f}" '
        f'y2="{bottom:.1f}" stroke="{GRID if tick else ZERO}"/>'
        for tick in ticks
    ]


def _axis(ticks: Sequence[float], frame: _Frame, x: Callable[[float], float], bottom: float) -> list[str]:
    words = "log-strength, 95 % interval"
    return [
        *(_text(x(t), bottom + 16, f"{t:g}".replace("-", "−"), "quiet", anchor="middle") for t in ticks),
        _text((frame.left + frame.right) / 2, bottom + 36, words, "quiet", anchor="middle"),
    ]


def _frame(layout: Layout, *, has_weights: bool) -> _Frame:
    if layout is Layout.NARROW:
        return _Frame(width=340, words=0, left=12, right=328, number=0, weight=338 * has_weights)
    if has_weights:
        return _Frame(width=900, words=270, left=290, right=630, number=812, weight=896)
    return _Frame(width=900, words=330, left=350, right=706, number=896, weight=0)


def _row(row: EffectRow, frame: _Frame, y: float, x: Callable[[float], float]) -> tuple[str, float, float]:
    """Return a row's elements, how far down its interval is, and its height."""
    e = row.log_strength
    wide = frame.words > 0
    room = frame.words if wide else frame.width - (52 if row.weight is not None else 4)
    label = wrap(row.label, int(room / _LETTER)) or [""]
    detail = wrap(row.detail, int(room / _LETTER * 1.1)) if row.detail else []
    parts = [_text(2, y + _LINE * (i + 0.78), line, "words") for i, line in enumerate(label)]
    parts += [
        _text(2, y + _LINE * (len(label) + i + 0.72), line, "quiet", size=_FONT - 1)
        for i, line in enumerate(detail)
    ]
    height_of_words = _LINE * (len(label) + len(detail))
    at = y + (height_of_words / 2 if wide else height_of_words + 10)
    if e.low is not None and e.high is not None:
        parts.append(
            f'<line class="interval" x1="{x(e.low):.1f}" x2="{x(e.high):.1f}" y1="{at:.1f}" y2="{at:.1f}" '
            f'stroke="{DOT}" stroke-width="2.5" stroke-linecap="round"/>'
        )
    parts.append(f'<circle class="dot" cx="{x(e.value):.1f}" cy="{at:.1f}" r="4.5" fill="{DOT}"/>')
    if wide:
        parts.append(_text(frame.number, at + 5, row.numbers, "words", anchor="end"))
    if row.weight is not None:
        where = at + 5 if wide else y + _LINE * 0.78
        parts.append(_text(frame.weight, where, row.weight_words, "words", anchor="end"))
    height = height_of_words + (12 if wide else 34)
    return f"<g><title>{escape(_sentence(row))}</title>{''.join(parts)}</g>", at, height


def _sentence(row: EffectRow) -> str:
    detail = f" ({row.detail})" if row.detail else ""
    weight = "" if row.weight is None else f", weight {row.weight_words}"
    return f"{row.label}{detail}: {row.numbers}{weight}"


def _some(rows: Sequence[EffectRow]) -> list[EffectRow]:
    if len(rows) <= MOST_ROWS:
        return list(rows)
    half = MOST_ROWS // 2
    return [*rows[:half], *rows[-half:]]


def _scale(rows: Sequence[EffectRow]) -> tuple[float, float, list[float]]:
    """Return a scale that holds zero and all intervals, and round places on it, about five."""
    ends = [0.0]
    for row in rows:
        e = row.log_strength
        ends += [e.value, e.value if e.low is None else e.low, e.value if e.high is None else e.high]
    low, high = min(ends), max(ends)
    span = max(high - low, 1e-6)
    power = 10.0 ** floor(log10(span / 4))
    step = next(power * m for m in (1, 2, 5, 10) if span / (power * m) <= 5)
    first, last = floor(low / step), ceil(high / step)
    if last == first:
        last += 1
    # Rounded so that 3 * 0.1 is written 0.3; the step has one digit.
    places = [round(i * step, 10) + 0.0 for i in range(first, last + 1)]
    return places[0], places[-1], places


def _title(fit: Fit, rows: Sequence[EffectRow]) -> str:
    best, least = rows[0], rows[-1]
    return (
        f"Forest plot of {fit.model}: {len(rows)} log-strengths with 95 % intervals, "
        f"from {best.label} {best.numbers} to {least.label} {least.numbers}"
    )


def _text(x: float, y: float, words: str, kind: str, *, anchor: str = "start", size: int = _FONT) -> str:
    color = INK if kind == "words" else QUIET
    return (
        f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" '
        f'fill="{color}">{escape(words)}</text>'
    )


def _svg(parts: Sequence[str], width: float, height: float, title: str, *, inline: bool) -> str:
    ground = "" if inline else f'<rect width="{width:g}" height="{height:g}" fill="#ffffff"/>'
    own = "" if inline else f' xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height:g}"'
    return (
        f'<svg{own} class="forest" viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{escape(title)}" '
        f"font-family=\"system-ui, 'DejaVu Sans', Verdana, sans-serif\">{ground}{''.join(parts)}</svg>\n"
    )
