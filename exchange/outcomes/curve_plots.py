"""Curves with bands, one for each condition: waiting, the pool's size over time, how ranks are distributed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from exchange.outcomes.run_curves import Curve
from exchange.outcomes.svg_plots import (
    GRID,
    LINE,
    MARGIN,
    SMALL,
    WIDTH,
    ZERO,
    Drawing,
    Legend,
    Look,
    looks_of,
    styled,
    wrapped,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_POINTS = 240
"""More points than these on a curve are thinned: the picture has no more dots across."""
_TALL = 3.4
_YEAR = 365.0


@styled
def waiting_plot(
    curves: Sequence[Curve],
    conditions: Sequence[str],
    *,
    title: str = "Share of patients still without a transplant, by days since arrival",
    words: Mapping[str, str] | None = None,
) -> Drawing:
    """Draw Kaplan-Meier curves: the share not yet transplanted (0 to 1) after each number of days.

    Parameters
    ----------
    curves
        Right-continuous steps. Their labels are conditions, or the groups of one condition.
    conditions
        All labels in the order that gives each its look.
    words
        Of labels, in place of them.
    """
    days = max((float(c.x[-1]) for c in curves if len(c.x)), default=1.0)
    axis = f"{_time_words(days)} since arrival"
    return _drawing(
        [_named(_thinned(_in_years(curve, days)), words) for curve in curves],
        _looks(conditions, words),
        title=title,
        below=axis,
        beside="share not yet transplanted",
        is_share=True,
        has_steps=True,
    )


@styled
def pool_size_plot(curves: Sequence[Curve], conditions: Sequence[str]) -> Drawing:
    """Draw how many pairs wait at the end of each day: the mean over runs, with a band."""
    days = max((float(c.x[-1]) for c in curves if len(c.x)), default=1.0)
    return _drawing(
        [_thinned(_in_years(curve, days)) for curve in curves],
        looks_of(conditions),
        title="Pairs waiting in the pool over time",
        below=f"{_time_words(days)} since the start",
        beside="pairs waiting",
    )


@styled
def rank_distribution_plot(curves: Sequence[Curve], conditions: Sequence[str]) -> Drawing:
    """Draw the share of matches (0 to 1) at each rank of the recipient in the giver's own order, 1 for the best."""
    return _drawing(
        curves,
        looks_of(conditions),
        title="Share of matches by the recipient's rank in the giver's order",
        below="rank of the recipient's profile in the giver's own order, 1 is best",
        beside="share of matches",
        is_percent=True,
        has_every_marker=True,
    )


def _drawing(
    curves: Sequence[Curve],
    looks: Mapping[str, Look],
    *,
    title: str,
    below: str,
    beside: str,
    is_share: bool = False,
    is_percent: bool = False,
    has_steps: bool = False,
    has_every_marker: bool = False,
) -> Drawing:
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    legend = Legend([curve.label for curve in curves], looks, has_lines=True)
    words = wrapped(below, WIDTH - 1.0)
    foot = 0.35 + LINE * (words.count("\n") + 1) + 0.1
    height = legend.height + 0.1 + _TALL + foot
    left = 0.85
    figure = Figure(figsize=(WIDTH, height))
    axes = figure.add_axes(
        (left / WIDTH, foot / height, (WIDTH - left - 0.25) / WIDTH, _TALL / height),
    )
    for i, curve in enumerate(curves):
        _draw(
            axes,
            curve,
            looks[curve.label],
            first_marker=(i + 0.5) / len(curves),
            has_steps=has_steps,
            has_every_marker=has_every_marker,
        )
    if is_share:
        axes.set_ylim(0, 1.02)
    else:
        axes.set_ylim(bottom=0)
    if has_every_marker:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    else:
        axes.set_xlim(left=0)
    if is_share or is_percent:
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.0f} %"))
    else:
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=6))
    axes.grid(visible=True, color=GRID)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=SMALL, color=ZERO)
    inches = figure.dpi_scale_trans
    figure.text((left + WIDTH - 0.25) / 2, 0.1, words, transform=inches, ha="center", va="bottom")
    figure.text(
        MARGIN + 0.05, foot + _TALL / 2, beside, transform=inches, rotation=90, ha="left", va="center"
    )
    legend.draw(figure, height - 0.05)
    return Drawing(figure=figure, title=title, description=_described(curves, below, beside))


def _draw(
    axes: Axes, curve: Curve, look: Look, *, first_marker: float, has_steps: bool, has_every_marker: bool
) -> None:
    if not len(curve.x):
        return
    known = np.isfinite(curve.low) & np.isfinite(curve.high)
    if known.any():
        axes.fill_between(
            curve.x,
            curve.low,
            curve.high,
            where=known.tolist(),
            step="post" if has_steps else None,
            color=look.color,
            alpha=0.14,
            linewidth=0,
            zorder=2,
        )
    # Markers of different curves stand at different places, so that none hides another.
    every = max(len(curve.x) // 6, 1)
    axes.plot(
        curve.x,
        curve.y,
        color=look.color,
        linestyle=look.dashes,
        linewidth=1.7,
        drawstyle="steps-post" if has_steps else "default",
        marker=look.marker,
        markersize=5.5,
        markeredgecolor="white",
        markeredgewidth=0.4,
        markevery=1 if has_every_marker else (int(first_marker * every), every),
        zorder=3,
    )


def _looks(labels: Sequence[str], words: Mapping[str, str] | None) -> Mapping[str, Look]:
    return looks_of([(words or {}).get(label, label) for label in labels])


def _named(curve: Curve, words: Mapping[str, str] | None) -> Curve:
    label = (words or {}).get(curve.label, curve.label)
    return replace(curve, label=label)


def _time_words(days: float) -> str:
    return "years" if days > 2 * _YEAR else "days"


def _in_years(curve: Curve, days: float) -> Curve:
    return replace(curve, x=curve.x / (_YEAR if days > 2 * _YEAR else 1.0))


def _thinned(curve: Curve) -> Curve:
    """Return the curve at :data:`MOST_POINTS` evenly spread places, each with the value that holds there."""
    if len(curve.x) <= MOST_POINTS:
        return curve
    places = np.linspace(curve.x[0], curve.x[-1], MOST_POINTS)
    index = np.searchsorted(curve.x, places, side="right") - 1
    return Curve(label=curve.label, x=places, y=curve.y[index], low=curve.low[index], high=curve.high[index])


def _described(curves: Sequence[Curve], below: str, beside: str) -> str:
    ends = []
    for curve in curves:
        known = curve.y[np.isfinite(curve.y)]
        ends.append(
            f"{curve.label} {known[0]:.3g} to {known[-1]:.3g}" if len(known) else f"{curve.label}: none"
        )
    return f"Lines with 95 % bands: {beside} by {below}. First to last: {'; '.join(ends)}."
