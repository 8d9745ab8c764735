"""The report's pictures, as SVG. The same numbers give the same bytes; people look the same in every one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

from exchange.outcomes.dot_plots import Dot, Panel, Scale, dot_drawing
from exchange.outcomes.svg_plots import (
    GRID,
    INK,
    LINE,
    MARGIN,
    QUIET,
    SMALL,
    WIDTH,
    ZERO,
    Drawing,
    Legend,
    Look,
    looks_of,
    n_lines,
    styled,
    wrapped,
)
from llm_compare.report.number_words import Record

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PEOPLE = "people"
_NAN = float("nan")
# Okabe and Ito's blue and orange; what is undecided is gray. Told apart in gray print by their places, too.
_FIRST, _UNDECIDED, _SECOND = "#0072B2", "#d9d9d9", "#E69F00"
_ROOM_FOR_A_NUMBER = 0.06
"""Share of the width below which a number would not fit its bar."""
_GRID_COLUMNS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A measured number beside the name of its row and of who it is about."""

    group: str
    condition: str
    measured: Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Bars:
    """Shares of choices on one comparison."""

    first: str
    second: str
    people: Sequence[float]
    """For the first, the second, undecided."""
    model: Sequence[float]


def everybody(labels: Sequence[str]) -> Mapping[str, Look]:
    """Return how people and models look."""
    return looks_of([PEOPLE, *labels])


def dots(rows: Sequence[Row]) -> list[Dot]:
    """Return measured numbers as dots; without interval where there is none."""
    return [
        Dot(
            group=row.group,
            condition=row.condition,
            value=_known(row.measured["value"]),
            low=_known(row.measured["low"]),
            high=_known(row.measured["high"]),
        )
        for row in rows
    ]


@styled
def dots_plot(
    panels: Sequence[tuple[str, Sequence[Row]]],
    looks: Mapping[str, Look],
    scale: Scale,
    *,
    title: str,
    words: Mapping[str, str] | None = None,
    has_lines: bool = False,
) -> Drawing:
    """Draw measured numbers with their intervals; panels are (title, rows)."""
    return dot_drawing(
        [Panel(title=name, dots=dots(rows)) for name, rows in panels],
        looks,
        scale,
        title=title,
        words=words,
        has_lines=has_lines,
    )


@styled
def choices_plot(bars: Sequence[Bars], *, label: str) -> Drawing:
    """Draw, for each comparison, people's shares of choices above the model's."""
    from matplotlib.figure import Figure

    half = (WIDTH - 2 * MARGIN) / 2 - 0.45
    words = [[wrapped(text, half, SMALL) for text in (b.first, b.second)] for b in bars]
    heights = [0.62 + LINE * 0.85 * max(map(n_lines, pair)) for pair in words]
    legend = Legend(
        ["for the first patient", "undecided", "for the second patient"],
        {
            "for the first patient": Look(color=_FIRST, marker="s", dashes="-"),
            "undecided": Look(color="#9a9a9a", marker="o", dashes="-"),
            "for the second patient": Look(color=_SECOND, marker="D", dashes="-"),
        },
    )
    height = sum(heights) + legend.height + 0.45
    figure = Figure(figsize=(WIDTH, height))
    left = 0.7
    axes = figure.add_axes((left / WIDTH, 0.3 / height, (WIDTH - left - 0.25) / WIDTH, sum(heights) / height))
    top = sum(heights)
    for bar, (one, other), room in zip(bars, words, heights, strict=True):
        lines = LINE * 0.85 * max(n_lines(one), n_lines(other))
        axes.text(0, top - lines - 0.03, one, ha="left", va="bottom", fontsize=SMALL)
        axes.text(1, top - lines - 0.03, other, ha="right", va="bottom", fontsize=SMALL)
        for y, who, shares in ((0.17, "people", bar.people), (0.38, "model", bar.model)):
            at = top - lines - y
            axes.text(-0.01, at, who, ha="right", va="center", fontsize=SMALL, color=QUIET)
            _stacked(axes, at, shares)
        top -= room
    axes.set_xlim(0, 1)
    axes.set_ylim(0, sum(heights))
    axes.set_yticks([])
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.set_xticks([0, 0.5, 1], ["0 %", "50 %", "100 %"])
    axes.tick_params(axis="x", labelsize=SMALL, color=ZERO)
    legend.draw(figure, height - 0.05)
    return Drawing(
        figure=figure,
        title=f"Shares of choices of people and {label} on the comparisons where they differ most",
        description=f"Two stacked bars for each of {len(bars)} comparisons, people's above the model's.",
    )


def _stacked(axes: Axes, y: float, shares: Sequence[float]) -> None:
    start = 0.0
    first, second, undecided = shares
    for width, color in ((first, _FIRST), (undecided, _UNDECIDED), (second, _SECOND)):
        axes.barh(y, width, left=start, height=0.17, color=color, edgecolor="white", linewidth=0.6)
        if width >= _ROOM_FOR_A_NUMBER:
            ink = "white" if color == _FIRST else INK
            middle = start + width / 2
            axes.text(
                middle, y - 0.005, f"{100 * width:.0f}", ha="center", va="center", fontsize=7.5, color=ink
            )
        start += width


@styled
def calibration_plot(models: Sequence[tuple[str, Sequence[Record]]], looks: Mapping[str, Look]) -> Drawing:
    """Draw how often people are undecided where a model is undecided so often; models are (label, bins)."""
    from matplotlib.figure import Figure

    columns = min(len(models), _GRID_COLUMNS)
    rows = ceil(len(models) / columns)
    left, gap = 0.65, 0.3
    side = (WIDTH - left - MARGIN - gap * (_GRID_COLUMNS - 1)) / _GRID_COLUMNS
    titles = [wrapped(label, side) for label, _ in models]
    head = LINE * max(map(n_lines, titles)) + 0.12
    tall = side + head + 0.3
    height = rows * tall + 0.4
    figure = Figure(figsize=(WIDTH, height))
    for i, (label, bins) in enumerate(models):
        row, column = divmod(i, columns)
        x, y = left + column * (side + gap), height - row * tall - head - side
        axes = figure.add_axes((x / WIDTH, y / height, side / WIDTH, side / height))
        axes.plot([0, 1], [0, 1], color=ZERO, linewidth=1, linestyle=(0, (4, 3)))
        look = looks[label]
        known = [b for b in bins if b["people"]["value"] is not None]
        for b in known:
            if b["people"]["low"] is not None:
                ends = [b["people"]["low"], b["people"]["high"]]
                axes.plot([b["model"]] * 2, ends, color=look.color, linewidth=1.8)
        axes.plot(
            [b["model"] for b in known],
            [b["people"]["value"] for b in known],
            linestyle="none",
            marker=look.marker,
            color=look.color,
            markersize=6.5,
            clip_on=False,
        )
        axes.set_xlim(-0.02, 1.02)
        axes.set_ylim(-0.02, 1.02)
        ticks = [0, 0.5, 1]
        axes.set_xticks(ticks, ["0 %", "50 %", "100 %"])
        axes.set_yticks(ticks, ["0 %", "50 %", "100 %"] if column == 0 else ["", "", ""])
        axes.tick_params(labelsize=SMALL, color=ZERO, labelcolor=INK)
        axes.grid(visible=True, color=GRID)
        axes.set_axisbelow(True)
        figure.text(
            x,
            y + side + 0.08,
            titles[i],
            transform=figure.dpi_scale_trans,
            ha="left",
            va="bottom",
            fontweight="bold",
        )
    center = left + (columns * side + (columns - 1) * gap) / 2
    figure.text(
        center,
        0.06,
        wrapped("the model’s share of indecision", columns * side + 0.8),
        transform=figure.dpi_scale_trans,
        ha="center",
        va="bottom",
    )
    figure.text(
        0.03,
        height - head - side / 2,
        "people’s",
        transform=figure.dpi_scale_trans,
        ha="left",
        va="center",
        rotation=90,
    )
    return Drawing(
        figure=figure,
        title="Indecision of people where a model is undecided so often",
        description=(
            "One panel for each model. A point for each group of comparisons: across, the model’s share of "
            "indecision; upward, people’s, with 95 % intervals. On the dashed line both are equal."
        ),
    )


def _known(value: float | None) -> float:
    return _NAN if value is None else value
