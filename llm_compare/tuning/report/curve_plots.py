"""Pictures of tuning, as SVG: numbers over the size of the training set, and who is met by tuning on whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, log2
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
    styled,
    text_width,
    wrapped,
)
from llm_compare.report.number_words import Record

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLUMNS = 2
_TALL = 1.7
_LEFT, _GAP = 0.55, 0.75
_TO_BEFORE = 1.3
"""How far left of the smallest size the untuned base stands, in doublings."""
_ASIDE = 0.09
"""How far a line stands beside the next, in doublings, so that their intervals do not cover each other."""
_TICK = 7.5
_LEAST_RANGE = {True: 0.1, False: 0.2}
"""Of the vertical axis, for shares and for other numbers: less would make noise look like news."""
_CELL, _MOST_NAME = 0.62, 2.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One respondent's numbers over sizes."""

    name: str
    points: Sequence[tuple[int, Record]]
    """Size of the training set and the number; size 0 is before tuning."""
    is_band: bool = False
    """Whether the interval is drawn as an area, and single draws as small dots."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One measure."""

    title: str
    lines: Sequence[Line]
    level: float | None
    """People's own number; None where it is not known."""
    factor: int = 1
    """What values are multiplied with: 100 for percent and points."""
    unit: str = ""
    """Behind each number; a share in percent stays between 0 and 100."""

    @property
    def is_percent(self) -> bool:
        """Whether the numbers are shares."""
        return bool(self.unit)


@styled
def curves_plot(
    panels: Sequence[Panel],
    looks: Mapping[str, Look],
    *,
    title: str,
    across: str,
    level_name: str,
) -> Drawing:
    """Draw one panel for each measure, over the same sizes.

    Parameters
    ----------
    looks
        Of the lines by name, and of people's level.
    across
        What the horizontal axis means.
    level_name
        What people's level is called in the legend.
    """
    from matplotlib.figure import Figure

    names = [n for n in looks if any(line.name == n and line.points for p in panels for line in p.lines)]
    if any(p.level is not None for p in panels):
        names = [level_name, *names]
    legend = Legend(names, looks, has_lines=True)
    columns = min(_COLUMNS, len(panels))
    rows = ceil(len(panels) / columns)
    width = (WIDTH - _LEFT - 2 * MARGIN - _GAP * (_COLUMNS - 1)) / _COLUMNS
    titles = [wrapped(p.title, width + 0.3) for p in panels]
    head = LINE * max(map(n_lines, titles)) + 0.14
    cell = head + _TALL + 0.42
    foot = 0.45
    height = legend.height + rows * cell + foot
    figure = Figure(figsize=(WIDTH, height))
    sizes = sorted({size for p in panels for line in p.lines for size, _ in line.points})
    for i, panel in enumerate(panels):
        row, column = divmod(i, columns)
        x = _LEFT + column * (width + _GAP)
        y = height - 0.05 - legend.height - row * cell - head - _TALL
        axes = figure.add_axes((x / WIDTH, y / height, width / WIDTH, _TALL / height))
        _draw(axes, panel, looks, level_name)
        _ticks(axes, sizes, width)
        _heading(figure, x - _LEFT + 0.1, y + _TALL, titles[i])
    inches = figure.dpi_scale_trans
    figure.text(MARGIN, 0.27, across, transform=inches, ha="left", va="bottom", fontsize=SMALL)
    figure.text(
        MARGIN,
        0.08,
        "shaded and bars: 95 % intervals; small dots: single draws of the training answers",
        transform=inches,
        ha="left",
        va="bottom",
        fontsize=SMALL,
        color=QUIET,
    )
    legend.draw(figure, height - 0.05)
    return Drawing(figure=figure, title=title, description=_described(panels, across))


def _heading(figure: Figure, x: float, y: float, title: str) -> None:
    figure.text(
        x,
        y + 0.08,
        title,
        transform=figure.dpi_scale_trans,
        ha="left",
        va="bottom",
        fontweight="bold",
    )


def _draw(axes: Axes, panel: Panel, looks: Mapping[str, Look], level_name: str) -> None:
    factor = panel.factor
    smallest = min((s for line in panel.lines for s, _ in line.points if s), default=1)
    if panel.level is not None:
        level = looks[level_name]
        axes.axhline(factor * panel.level, color=level.color, linewidth=1.6, linestyle=level.dashes)
    for number, line in enumerate(panel.lines):
        look = looks[line.name]
        aside = _ASIDE * (number + 1 - len(panel.lines))
        known = [(s, m) for s, m in line.points if m["value"] is not None]
        xs = [_place(s, smallest) + aside for s, _ in known]
        tuned = [(x, m) for (s, m), x in zip(known, xs, strict=True) if s]
        if line.is_band:
            with_ends = [(x, m) for x, m in tuned if m["low"] is not None]
            axes.fill_between(
                [x for x, _ in with_ends],
                [factor * m["low"] for _, m in with_ends],
                [factor * m["high"] for _, m in with_ends],
                color=look.color,
                alpha=0.18,
                linewidth=0,
            )
            draws = [(x, v) for x, m in tuned for v in m.get("by_draw", ()) if v is not None]
            axes.plot(
                [x for x, _ in draws],
                [factor * v for _, v in draws],
                ".",
                color=look.color,
                markersize=3,
                alpha=0.7,
            )
        bars = [
            (x, m)
            for (s, m), x in zip(known, xs, strict=True)
            if m["low"] is not None and (not line.is_band or not s or len(tuned) == 1)
        ]
        for x, m in bars:
            axes.plot([x, x], [factor * m["low"], factor * m["high"]], color=look.color, linewidth=1.2)
        axes.plot(
            xs,
            [factor * m["value"] for _, m in known],
            color=look.color,
            linestyle=look.dashes,
            linewidth=1.8,
            marker=look.marker,
            markersize=5,
            markeredgecolor="white",
            markeredgewidth=0.5,
        )
    _range(axes, panel, factor)
    axes.grid(visible=True, color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)


def _place(size: int, smallest: int) -> float:
    return log2(size) if size else log2(smallest) - _TO_BEFORE


def _range(axes: Axes, panel: Panel, factor: int) -> None:
    """Set one range that holds every number and interval of tuned models; shares stay between 0 and 100 %."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    known = [
        factor * m[end]
        for line in panel.lines
        for _, m in line.points
        for end in ("value", *(("low", "high") if line.is_band else ()))
        if m[end] is not None
    ]
    if panel.level is not None:
        known.append(factor * panel.level)
    low, high = (min(known), max(known)) if known else (0.0, float(factor))
    missing = max(factor * _LEAST_RANGE[panel.factor > 1] - (high - low), 0.0)
    room = missing / 2 + 0.07 * (high - low + missing)
    low, high = low - room, high + room
    if panel.is_percent:
        low, high = max(low, -1.0), min(high, 101.0)
    axes.set_ylim(low, high)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}{panel.unit}".replace("-", "−")))
    axes.tick_params(axis="y", labelsize=SMALL, color=ZERO, labelcolor=INK, length=2)


def _ticks(axes: Axes, sizes: Sequence[int], width: float) -> None:
    """Mark the sizes; where words would touch, a size between has no words."""
    smallest = min((s for s in sizes if s), default=1)
    places = [(_place(s, smallest), f"{s:,}" if s else "before") for s in sizes]
    low = min((x for x, _ in places), default=0.0) - 0.4
    high = max((x for x, _ in places), default=1.0) + 0.4
    axes.set_xlim(low, high)
    inch = width / (high - low)
    kept: list[tuple[float, str]] = []
    for x, words in [*places[:1], *places[:0:-1]]:
        if all(
            abs(x - at) * inch > (text_width(words, _TICK) + text_width(w, _TICK)) / 2 + 0.05
            for at, w in kept
        ):
            kept.append((x, words))
    written = dict(kept)
    axes.set_xticks([x for x, _ in places], [written.get(x, "") for x, _ in places])
    axes.tick_params(axis="x", labelsize=_TICK, color=ZERO, labelcolor=INK, length=3)


def _described(panels: Sequence[Panel], across: str) -> str:
    said = []
    for panel in panels:
        for line in panel.lines:
            known = [m["value"] for _, m in line.points if m["value"] is not None]
            if line.is_band and known:
                first, last = (_number(v, panel) for v in (known[0], known[-1]))
                said.append(f"{panel.title}: {line.name} from {first} to {last}.")
    return f"One panel for each measure; across, {across}. {' '.join(said)}".strip()


def _number(value: float, panel: Panel) -> str:
    return f"{panel.factor * value:.{0 if panel.factor > 1 else 2}f}{panel.unit}".replace("-", "−")


@styled
def matrix_plot(
    rows: Sequence[tuple[str, Sequence[float | None]]],
    columns: Sequence[str],
    *,
    title: str,
    across: str,
    upward: str,
) -> Drawing:
    """Draw shares as a table of shaded cells with their numbers.

    Parameters
    ----------
    rows
        Name, and a share under each column; None where it is not known.
    across, upward
        What columns and rows are.
    """
    from matplotlib import colormaps
    from matplotlib.colors import Normalize, to_hex
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    names = [wrapped(name, _MOST_NAME, SMALL) for name, _ in rows]
    label = max(text_width(line, SMALL) for name in names for line in name.split("\n")) + 0.15
    wide = min((WIDTH - label - 2 * MARGIN) / len(columns), 1.5)
    heads = [wrapped(name, wide - 0.08, SMALL) for name in columns]
    top = LINE * max(map(n_lines, heads)) + LINE + 0.2
    tall = max(_CELL / 1.5, LINE * max(map(n_lines, names)) + 0.08)
    height = top + tall * len(rows) + 0.1
    figure = Figure(figsize=(WIDTH, height))
    left = MARGIN + label
    axes = figure.add_axes(
        (left / WIDTH, 0.05 / height, wide * len(columns) / WIDTH, tall * len(rows) / height)
    )
    known = [v for _, values in rows for v in values if v is not None]
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    shade = Normalize(vmin=low - 0.1, vmax=high + 0.1)
    middle = (low + high) / 2
    for r, (_, values) in enumerate(rows):
        for c, value in enumerate(values):
            words, ink, color = "–", INK, STRIPE
            if value is not None:
                words = f"{100 * value:.0f} %"
                ink = "white" if value > middle + 0.05 else INK
                color = to_hex(colormaps["Blues"](shade(value)))
            axes.add_patch(Rectangle((c - 0.5, r - 0.5), 1, 1, facecolor=color, edgecolor="white"))
            axes.text(c, r, words, ha="center", va="center", color=ink)
    axes.set_xlim(-0.5, len(columns) - 0.5)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xticks(range(len(columns)), heads)
    axes.set_yticks(range(len(rows)), names)
    axes.xaxis.tick_top()
    axes.tick_params(length=0, labelsize=SMALL)
    for spine in axes.spines.values():
        spine.set_visible(False)
    inches = figure.dpi_scale_trans
    figure.text(
        left, height - 0.05, across, transform=inches, ha="left", va="top", color=QUIET, fontsize=SMALL
    )
    figure.text(
        left - 0.05,
        height - 0.05,
        upward,
        transform=inches,
        ha="right",
        va="top",
        color=QUIET,
        fontsize=SMALL,
    )
    return Drawing(
        figure=figure,
        title=title,
        description=f"Rows: {upward}; columns: {across}. The darker a cell, the larger its share.",
    )
