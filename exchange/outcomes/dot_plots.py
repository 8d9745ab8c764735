"""Dots with bars for intervals: rows of groups, a dot for each condition, one or more panels beside each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil, floor, isfinite
from typing import TYPE_CHECKING

from exchange.outcomes.svg_plots import (
    GRID,
    INK,
    LINE,
    MARGIN,
    QUIET,
    SMALL,
    STRIPE,
    WIDTH,
    ZERO,
    Drawing,
    Legend,
    Look,
    n_lines,
    text_width,
    wrapped,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_LABEL = 2.3
"""Width of the words beside the rows, in inches."""
_MOST_PANELS = 4
"""Side by side."""
_DOT_STEP, _LEAST_DOT_STEP = 0.15, 0.105
"""Inches from one condition's dot to the next in a row; the smaller from 6 conditions on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dot:
    """A number about a group under a condition. NaN where there is none."""

    group: str
    condition: str
    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """Dots that share a frame."""

    title: str = ""
    dots: Sequence[Dot]
    shadows: Sequence[Dot] = ()
    """Of other panels, to compare with: thin gray lines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """What the horizontal axis means."""

    words: str
    factor: float = 1.0
    """What values are multiplied with: 100 for percent and points."""
    unit: str = ""
    """Behind each number on the axis."""
    is_share: bool = False
    """Whether the axis goes from 0 to 1 at least."""
    is_difference: bool = False
    """Whether 0 is marked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Frame:
    rows: Sequence[str]
    labels: Sequence[str]
    """Wrapped."""
    label_width: float
    row_height: float
    number_width: float
    """Room for numbers on the right; 0 for none."""


def dot_drawing(
    panels: Sequence[Panel],
    looks: Mapping[str, Look],
    scale: Scale,
    *,
    title: str,
    words: Mapping[str, str] | None = None,
    has_lines: bool = False,
) -> Drawing:
    """Draw panels of the same rows and the same scale; to be called within ``styled``.

    Parameters
    ----------
    looks
        Of the conditions; those without a dot anywhere are left out of the legend.
    words
        Of groups, in place of their names.
    has_lines
        Whether a condition's dots are joined, so that its order of groups is seen.
    """
    from matplotlib.figure import Figure

    dots = [dot for panel in panels for dot in panel.dots]
    if not dots:
        return Drawing(figure=_empty(), title=title, description="No number is known.")
    if len(panels) > 1 and scale.unit:
        # On narrow panels there is no room for units.
        scale = replace(scale, words=f"{scale.words}, in{scale.unit}", unit="")
    conditions = [name for name in looks if any(dot.condition == name for dot in dots)]
    groups = list(dict.fromkeys(dot.group for dot in dots))
    frame = _frame(groups, words or {}, panels, scale)
    legend = Legend(conditions if groups != conditions else (), looks)
    n_columns = min(len(panels), _MOST_PANELS)
    n_rows = ceil(len(panels) / n_columns)
    left = MARGIN + frame.label_width
    gap = 0.22
    width = (WIDTH - left - MARGIN - frame.number_width - gap * (n_columns - 1) - 0.12) / n_columns
    titles = [wrapped(panel.title, width) for panel in panels]
    title_height = max(map(n_lines, titles)) * LINE + 0.1 if any(titles) else 0.0
    tall = max(frame.row_height * len(groups), 0.3)
    below = wrapped(scale.words, WIDTH - left - MARGIN)
    foot = 0.3 + LINE * n_lines(below) + 0.12
    height = legend.height + n_rows * (title_height + tall + 0.3) + foot - 0.3 + 0.05
    figure = Figure(figsize=(WIDTH, height))
    limits = _limits(dots, scale)
    for i, panel in enumerate(panels):
        row, column = divmod(i, n_columns)
        x = left + column * (width + gap)
        top = height - 0.05 - legend.height - row * (title_height + tall + 0.3) - title_height
        axes = figure.add_axes(
            (x / WIDTH, (top - tall) / height, width / WIDTH, tall / height),
        )
        _draw(axes, panel, conditions, looks, scale, frame, limits, has_lines=has_lines)
        _ticks(axes, scale, width, limits)
        if column:
            axes.tick_params(axis="y", labelleft=False)
        if panel.title:
            figure.text(
                x,
                top + 0.07,
                titles[i],
                transform=figure.dpi_scale_trans,
                ha="left",
                va="bottom",
                fontweight="bold",
            )
    figure.text(
        (left + WIDTH - MARGIN - frame.number_width) / 2,
        0.1,
        below,
        transform=figure.dpi_scale_trans,
        ha="center",
        va="bottom",
    )
    legend.draw(figure, height - 0.05)
    return Drawing(figure=figure, title=title, description=_described(dots, conditions, scale, words or {}))


def _empty() -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, 0.5))
    figure.text(0.5, 0.5, "no values to draw", ha="center", va="center", color=QUIET)
    return figure


def _frame(groups: Sequence[str], words: Mapping[str, str], panels: Sequence[Panel], scale: Scale) -> _Frame:
    labels = [wrapped(words.get(group, group), _MOST_LABEL) for group in groups]
    widest = max((text_width(line) for label in labels for line in label.split("\n")), default=0.5)
    dots = panels[0].dots
    alone = len(panels) == 1 and len({dot.group for dot in dots}) == len(dots)
    numbers = [_number(dot, scale) for dot in dots] if alone else []
    per_row = 1 if alone else max(len({dot.condition for dot in panel.dots}) for panel in panels)
    step = _DOT_STEP if per_row < 6 else _LEAST_DOT_STEP
    lines = max(map(n_lines, labels), default=1)
    return _Frame(
        rows=groups,
        labels=labels,
        label_width=min(widest, _MOST_LABEL) + 0.15,
        row_height=max(step * per_row + 0.14, LINE * lines + 0.1, 0.3),
        number_width=max((text_width(number) for number in numbers), default=-0.2) + 0.2,
    )


def _draw(
    axes: Axes,
    panel: Panel,
    conditions: Sequence[str],
    looks: Mapping[str, Look],
    scale: Scale,
    frame: _Frame,
    limits: tuple[float, float],
    *,
    has_lines: bool,
) -> None:
    conditions = [name for name in conditions if any(dot.condition == name for dot in panel.dots)]
    rows = {group: r for r, group in enumerate(frame.rows)}
    offsets = {
        name: 0.0 if frame.number_width else _offset(c, len(conditions), frame)
        for c, name in enumerate(conditions)
    }
    for r in range(0, len(frame.rows), 2):
        axes.axhspan(r - 0.5, r + 0.5, color=STRIPE, linewidth=0, zorder=0)
    if scale.is_difference:
        axes.axvline(0, color=ZERO, linewidth=1.2, zorder=1)
    if has_lines:
        for name in dict.fromkeys(dot.condition for dot in panel.shadows):
            _draw_line(axes, panel.shadows, name, rows, 0.0, scale, color="#bdbdbd", width=0.9)
        for name in conditions:
            color = looks[name].color
            _draw_line(axes, panel.dots, name, rows, offsets[name], scale, color=color, width=1.2)
    for dot in panel.dots:
        y = rows[dot.group] + offsets[dot.condition]
        _draw_dot(axes, dot, y, looks[dot.condition], scale, frame)
    axes.set_yticks(range(len(frame.rows)), frame.labels)
    axes.set_ylim(len(frame.rows) - 0.5, -0.5)
    axes.set_xlim(*limits)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.xaxis.grid(visible=True, color=GRID)
    axes.set_axisbelow(True)


def _draw_line(
    axes: Axes,
    dots: Sequence[Dot],
    condition: str,
    rows: Mapping[str, int],
    offset: float,
    scale: Scale,
    *,
    color: str,
    width: float,
) -> None:
    own = [dot for dot in dots if dot.condition == condition and isfinite(dot.value)]
    axes.plot(
        [scale.factor * dot.value for dot in own],
        [rows[dot.group] + offset for dot in own],
        color=color,
        linewidth=width,
        zorder=2,
    )


def _draw_dot(axes: Axes, dot: Dot, y: float, look: Look, scale: Scale, frame: _Frame) -> None:
    beside = axes.get_yaxis_transform()
    if frame.number_width:
        words = _number(dot, scale)
        axes.text(1.0, y, f"  {words}", transform=beside, ha="left", va="center", clip_on=False)
    if not isfinite(dot.value):
        axes.plot([0.02], [y], look.marker, transform=beside, color=look.color, markersize=3.5, alpha=0.5)
        axes.text(
            0.04, y, "no value", transform=beside, ha="left", va="center", fontsize=7, color=QUIET, zorder=4
        )
        return
    if isfinite(dot.low) and isfinite(dot.high):
        ends = [scale.factor * dot.low, scale.factor * dot.high]
        axes.plot(ends, [y, y], color=look.color, linewidth=1.8, solid_capstyle="round", zorder=3)
    axes.plot(
        [scale.factor * dot.value],
        [y],
        look.marker,
        color=look.color,
        markeredgecolor="white",
        markeredgewidth=0.5,
        markersize=6.5,
        clip_on=False,
        zorder=4,
    )


def _offset(number: int, n: int, frame: _Frame) -> float:
    room = (frame.row_height - 0.14) / frame.row_height
    return (number - (n - 1) / 2) * room / max(n, 1)


def _limits(dots: Sequence[Dot], scale: Scale) -> tuple[float, float]:
    ends = [scale.factor * x for dot in dots for x in (dot.value, dot.low, dot.high) if isfinite(x)]
    if scale.is_share:
        return 0.0, max(
            [scale.factor, *(scale.factor * dot.value for dot in dots if isfinite(dot.value))]
        ) * 1.02
    if scale.is_difference:
        ends.append(0.0)
    if not ends:
        return 0.0, 1.0
    low, high = min(ends), max(ends)
    room = 0.05 * (high - low) or 1.0
    if not scale.is_difference:
        return floor(low - room), ceil(high + room)
    return low - room, high + room


def _ticks(axes: Axes, scale: Scale, width: float, limits: tuple[float, float]) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    most = max(int(width / 0.65), 3)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=min(most, 6), steps=[1, 2, 2.5, 5, 10]))
    digits = 0 if limits[1] - limits[0] >= 4 else 1 if limits[1] - limits[0] >= 0.4 else 3

    def written(value: float, _: int) -> str:
        sign = "+" if scale.is_difference and value > 0 else ""
        return f"{sign}{value:.{digits}f}{scale.unit}".replace("-", "−")

    axes.xaxis.set_major_formatter(FuncFormatter(written))
    axes.tick_params(axis="x", labelsize=SMALL, color=ZERO, labelcolor=INK)


def _number(dot: Dot, scale: Scale) -> str:
    value, low, high = (scale.factor * x for x in (dot.value, dot.low, dot.high))
    if not isfinite(value):
        return "no value"
    digits = 1 if max(abs(value), 1) >= 10 else 2
    sign = "+" if scale.is_difference else ""
    between = f" ({low:{sign}.{digits}f} to {high:{sign}.{digits}f})" if isfinite(low + high) else ""
    return f"{value:{sign}.{digits}f}{scale.unit}{between}".replace("-", "−")


def _described(dots: Sequence[Dot], conditions: Sequence[str], scale: Scale, words: Mapping[str, str]) -> str:
    known = [dot for dot in dots if isfinite(dot.value)]
    n_groups = len({dot.group for dot in dots})
    text = f"Dots with bars for 95 % intervals; {n_groups} rows, {len(conditions)} conditions; {scale.words}."
    if not known:
        return f"{text} No number is known."
    ends = (min(known, key=lambda d: d.value), max(known, key=lambda d: d.value))
    least, most = (
        f"{_plain(scale.factor * dot.value)}{scale.unit} ({words.get(dot.group, dot.group)}, {dot.condition})"
        for dot in ends
    )
    return f"{text} From {least} to {most}."


def _plain(value: float) -> str:
    return f"{value:.3g}".replace("-", "−")
