"""The picture of people beside models, as SVG: a row for each category, a mark for each of them.

The same numbers give the same bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from exchange.outcomes.svg_plots import (
    GRID,
    LINE,
    MARGIN,
    STRIPE,
    WIDTH,
    Drawing,
    Legend,
    looks_of,
    n_lines,
    styled,
    text_width,
    wrapped,
)
from llm_compare.report.number_words import Record

_STEP = 0.15
"""Inches from one respondent's mark to the next within a category."""
_BETWEEN = 0.14
_WIDEST_NAMES = 2.6


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoryMarks:
    """The shares that name one category."""

    label: str
    shares: Sequence[tuple[str, Record | None]]
    """(people or model, share); None where there is none."""


@styled
def shares_beside_plot(rows: Sequence[CategoryMarks], names: Sequence[str], *, title: str) -> Drawing:
    """Draw, for each category, the share that names it: of the people first, then of each model's repeats.

    Parameters
    ----------
    names
        Of the people and the models, in the order in which they are drawn; the people first.
    """
    from matplotlib.figure import Figure

    looks = looks_of(names)
    legend = Legend(names, looks)
    labels = [wrapped(row.label, _WIDEST_NAMES) for row in rows]
    left = MARGIN + max(text_width(line) for label in labels for line in label.split("\n")) + 0.15
    heights = [max(_STEP * len(names), 0.82 * LINE * n_lines(label)) + _BETWEEN for label in labels]
    tall = sum(heights)
    height = legend.height + 0.15 + tall + 0.7
    figure = Figure(figsize=(WIDTH, height))
    axes = figure.add_axes((left / WIDTH, 0.6 / height, (WIDTH - left - 0.3) / WIDTH, tall / height))
    top, middles = 0.0, []
    for number, (row, own) in enumerate(zip(rows, heights, strict=True)):
        middle = top + own / 2
        middles.append(middle)
        if number % 2:
            axes.axhspan(top, top + own, color=STRIPE, linewidth=0)
        for place, (name, share) in enumerate(row.shares):
            if share is None:
                continue
            y = middle + (place - (len(row.shares) - 1) / 2) * _STEP
            look = looks[name]
            axes.plot([share["low"], share["high"]], [y, y], color=look.color, linewidth=1.2)
            axes.plot([share["value"]], [y], color=look.color, marker=look.marker, markersize=5.5)
        top += own
    axes.set_ylim(tall, 0)
    axes.set_xlim(-0.015, 1.015)
    axes.set_yticks(middles, labels)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0 %", "25 %", "50 %", "75 %", "100 %"])
    axes.xaxis.grid(visible=True, color=GRID)
    axes.set_axisbelow(True)
    figure.text(
        (left + WIDTH - 0.3) / 2,
        0.1,
        "share of respondents who name it, with 95 % intervals",
        transform=figure.dpi_scale_trans,
        ha="center",
    )
    legend.draw(figure, height - 0.05)
    return Drawing(
        figure=figure,
        title=title,
        description=(
            "A row for each category, the one that most people name on top. A mark shows the share of people, and "
            "one for each model the share of its repeats, that name the category; a line is the 95 % interval."
        ),
    )
