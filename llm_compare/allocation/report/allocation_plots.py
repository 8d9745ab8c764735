"""The pictures of trials, as SVG: shares against pools, where candidates stand, groups along the ranks.

The same numbers give the same bytes. What color shows is also told by place, and every picture's numbers stand in a
table beneath it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
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
    looks_of,
    n_lines,
    styled,
    text_width,
    wrapped,
)
from llm_compare.report.number_words import Record

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLUMNS = 3
"""Squares beside each other."""
_MOST_CURVES = 5
"""Panels with curves beside each other."""
_CHANCE = "#d4d4cd"
_NAN = float("nan")
# From white to Okabe and Ito's blue and on to nearly black: even in gray print darker is more.
_SHADES = ("#ffffff", "#cfe3f1", "#7fb6d9", "#0072b2", "#003a5c")


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupShares:
    """A group's share of the pool, and what each respondent gave it."""

    group: str
    pool: float
    selected: Sequence[tuple[str, Record]]
    """(respondent, measured share)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Probabilities of standing at each rank (columns) for candidates by their mean rank (rows)."""

    title: str
    values: Sequence[Sequence[float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """A number along ranks or chances, with its intervals and what chance alone gives."""

    title: str
    """Of the panel."""
    name: str
    """Of the line."""
    x: Sequence[float]
    values: Sequence[float | None]
    low: Sequence[float | None] = ()
    high: Sequence[float | None] = ()
    chance_low: Sequence[float] = ()
    """Between these the whole curve would lie in 95 % of cases if groups meant nothing; empty if not known."""
    chance_high: Sequence[float] = ()


@styled
def shares_plot(groups: Sequence[GroupShares], respondents: Sequence[str], *, title: str) -> Drawing:
    """Draw bars of what each respondent gave each group, and a mark at the group's share of the pool."""
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    looks = looks_of(["", *respondents])
    legend = Legend(
        respondents, {name: Look(color=looks[name].color, marker="s", dashes="-") for name in looks}
    )
    bar, between = 0.17, 0.22
    names = [wrapped(g.group, 2.3) for g in groups]
    left = MARGIN + max(text_width(line) for name in names for line in name.split("\n")) + 0.15
    tall = len(groups) * (bar * len(respondents) + between)
    height = legend.height + 0.3 + tall + 0.65
    figure = Figure(figsize=(WIDTH, height))
    axes = figure.add_axes((left / WIDTH, 0.6 / height, (WIDTH - left - 0.3) / WIDTH, tall / height))
    step = bar * len(respondents) + between
    for i, group in enumerate(groups):
        top = i * step + between / 2
        for j, (who, measured) in enumerate(group.selected):
            y = top + (j + 0.5) * bar
            value = measured["value"]
            if value is None:
                axes.text(0.003, y, "not known", va="center", fontsize=SMALL, color=QUIET)
                continue
            axes.barh(y, value, height=bar * 0.78, color=looks[who].color, linewidth=0)
            if measured["low"] is not None and measured["high"] is not None:
                axes.plot([measured["low"], measured["high"]], [y, y], color=INK, linewidth=1)
        axes.plot([group.pool] * 2, [i * step + 0.05, (i + 1) * step - 0.05], color=INK, linewidth=2.2)
    axes.set_ylim(tall, 0)
    axes.set_xlim(0, 1)
    axes.set_yticks([(i + 0.5) * step for i in range(len(groups))], names)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0 %", "25 %", "50 %", "75 %", "100 %"])
    axes.xaxis.grid(visible=True, color=GRID)
    axes.set_axisbelow(True)
    inches = figure.dpi_scale_trans
    figure.text(
        (left + WIDTH) / 2, 0.1, "share of all trials, with 95 % intervals", transform=inches, ha="center"
    )
    legend.draw(figure, height - 0.05)
    mark = height - 0.05 - legend.height - 0.08
    figure.add_artist(
        Line2D([MARGIN + 0.05] * 2, [mark - 0.08, mark + 0.08], transform=inches, color=INK, linewidth=2.2)
    )
    figure.text(MARGIN + 0.2, mark, "the group’s share of candidates", transform=inches, va="center")
    return Drawing(
        figure=figure,
        title=title,
        description=(
            "For each group a bar for each respondent: the share of trials in which somebody of the group was "
            "chosen. A thick upright mark shows the group's share of the candidates."
        ),
    )


@styled
def positions_plot(grids: Sequence[Grid], *, title: str) -> Drawing:
    """Draw, for each respondent, how likely a candidate of each mean rank stands at each rank."""
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.figure import Figure

    shades = LinearSegmentedColormap.from_list("shades", _SHADES)
    columns = min(len(grids), _COLUMNS)
    rows = ceil(len(grids) / columns)
    left, gap = 0.6, 0.35
    side = (WIDTH - left - MARGIN - gap * (_COLUMNS - 1)) / _COLUMNS
    titles = [wrapped(grid.title, side) for grid in grids]
    head = LINE * max(map(n_lines, titles)) + 0.12
    tall = side + head + 0.32
    foot = 0.95
    height = rows * tall + foot
    figure = Figure(figsize=(WIDTH, height))
    for i, grid in enumerate(grids):
        row, column = divmod(i, columns)
        x, y = left + column * (side + gap), height - row * tall - head - side
        axes = figure.add_axes((x / WIDTH, y / height, side / WIDTH, side / height))
        n = len(grid.values)
        axes.pcolormesh(
            [k + 0.5 for k in range(n + 1)],
            [k + 0.5 for k in range(n + 1)],
            [list(line) for line in grid.values],
            cmap=shades,
            vmin=0,
            vmax=1,
            edgecolors="#eeeeee",
            linewidth=0.3,
        )
        axes.set_ylim(n + 0.5, 0.5)
        ticks = rank_ticks(n)
        axes.set_xticks(ticks)
        axes.set_yticks(ticks)
        axes.tick_params(labelsize=SMALL, length=2)
        figure.text(
            x,
            y + side + 0.08,
            titles[i],
            transform=figure.dpi_scale_trans,
            ha="left",
            va="bottom",
            fontweight="bold",
        )
    inches = figure.dpi_scale_trans
    figure.text(left, foot - 0.3, "across: the rank that the candidate got in a trial", transform=inches)
    figure.text(
        0.05,
        height - head - side / 2,
        "candidate, by mean rank",
        transform=inches,
        rotation=90,
        ha="left",
        va="center",
    )
    strip = figure.add_axes((left / WIDTH, 0.34 / height, 2.4 / WIDTH, 0.14 / height))
    strip.pcolormesh([k / 50 for k in range(51)], [0, 1], [[(k + 0.5) / 50 for k in range(50)]], cmap=shades)
    strip.set_yticks([])
    strip.set_xticks([0, 0.5, 1], ["0 %", "50 %", "100 %"])
    strip.tick_params(labelsize=SMALL, length=2)
    figure.text(left + 2.75, 0.34, "of trials", transform=inches, va="bottom")
    return Drawing(
        figure=figure,
        title=title,
        description=(
            "A square of cells for each respondent. Rows are candidates from the best mean rank down, columns are "
            "ranks; the darker a cell, the more often that candidate stood there. A dark diagonal on white is a "
            "respondent that always ranks alike."
        ),
    )


def rank_ticks(n: int) -> list[int]:
    """Return ranks to write at an axis: the first, the last, and a few between."""
    step = 1 if n <= 6 else 5 if n > 12 else 3
    between = [k for k in range(step, n + 1, step) if k > 1]
    return [1, *between] if n in between or step == 1 else [1, *(k for k in between if n - k > 1), n]


@styled
def curves_plot(
    curves: Sequence[Curve], *, title: str, across: str, upward: str, ticks: Sequence[int], n_groups: int
) -> Drawing:
    """Draw one panel for each curve: the curve, its intervals, and in gray what chance alone would give.

    Parameters
    ----------
    across, upward
        What the axes mean; values are shares, drawn in percentage points.
    ticks
        Marked across.
    n_groups
        Curves of each respondent, which stand together in a row or several.
    """
    from matplotlib.figure import Figure

    together = n_groups
    columns = ceil(together / ceil(together / _MOST_CURVES))
    lines = ceil(together / columns)
    rows = lines * ceil(len(curves) / together)
    has_chance = any(curve.chance_low for curve in curves)
    left, gap = 0.72, 0.24
    width = (WIDTH - left - 2 * MARGIN - gap * (columns - 1)) / columns
    deep = min(1.3, width)
    headings = [(wrapped(c.title, width, SMALL), wrapped(c.name, width, SMALL)) for c in curves]
    head = LINE * 0.85 * max(n_lines(title) + n_lines(name) for title, name in headings) + 0.15
    tall = deep + head + 0.3
    foot = 0.62
    height = rows * tall + foot
    figure = Figure(figsize=(WIDTH, height))
    low, high = _range(curves)
    for i, curve in enumerate(curves):
        # Each respondent begins a new line of panels.
        row, column = divmod(i % together, columns)
        row += lines * (i // together)
        x, y = left + column * (width + gap), height - row * tall - head - deep
        axes = figure.add_axes((x / WIDTH, y / height, width / WIDTH, deep / height))
        _draw_curve(axes, curve)
        axes.set_ylim(low, high)
        axes.set_xlim(min(curve.x), max(curve.x))
        axes.tick_params(labelsize=SMALL, length=2, labelleft=column == 0)
        axes.set_xticks(list(ticks))
        _heading(figure, x, y + deep, *headings[i])
    inches = figure.dpi_scale_trans
    figure.text((left + WIDTH) / 2, 0.34, across, transform=inches, ha="center", va="bottom")
    figure.text(
        left,
        0.1,
        "shaded: 95 % interval"
        + ("; gray: where the curve would lie if groups meant nothing" if has_chance else ""),
        transform=inches,
        fontsize=SMALL,
        color=QUIET,
    )
    figure.text(
        0.05, height - head - deep / 2, upward, transform=inches, rotation=90, va="center", fontsize=SMALL
    )
    return Drawing(
        figure=figure,
        title=title,
        description=(
            f"One panel for each respondent and group; across {across}, upward {upward}."
            + (" A curve outside the gray area departs from chance." if has_chance else "")
        ),
    )


def _heading(figure: Figure, x: float, y: float, title: str, name: str) -> None:
    inches = figure.dpi_scale_trans
    figure.text(
        x, y + 0.06, name, transform=inches, ha="left", va="bottom", fontweight="bold", fontsize=SMALL
    )
    figure.text(
        x,
        y + 0.06 + LINE * 0.85 * n_lines(name),
        title,
        transform=inches,
        ha="left",
        va="bottom",
        fontsize=SMALL,
        color=QUIET,
    )


def _draw_curve(axes: Axes, curve: Curve) -> None:
    color = looks_of(["", "line"])["line"].color
    if curve.chance_low:
        axes.fill_between(
            list(curve.x),
            [100 * v for v in curve.chance_low],
            [100 * v for v in curve.chance_high],
            color=_CHANCE,
            linewidth=0,
        )
    if curve.low:
        axes.fill_between(
            list(curve.x), _points(curve.low), _points(curve.high), color=color, alpha=0.25, linewidth=0
        )
    axes.axhline(0, color=ZERO, linewidth=1)
    axes.plot(list(curve.x), _points(curve.values), color=color, linewidth=1.6)
    axes.grid(visible=True, color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.patch.set_facecolor(STRIPE if not curve.values else "white")


def _points(values: Sequence[float | None]) -> list[float]:
    return [_NAN if v is None else 100 * v for v in values]


def _range(curves: Sequence[Curve]) -> tuple[float, float]:
    """Return one range for all panels, so that they can be compared by eye."""
    known = [
        100 * v
        for curve in curves
        for series in (curve.values, curve.low, curve.high, curve.chance_low, curve.chance_high)
        for v in series
        if v is not None
    ]
    low, high = min([-5.0, *known]), max([5.0, *known])
    room = 0.06 * (high - low)
    return low - room, high + room
