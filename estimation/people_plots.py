"""The picture of a study of people, as SVG text. The same numbers give the same bytes."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from html import escape
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from estimation.choice_model import PULL
from estimation.effect_rows import weight_rows
from estimation.heterogeneity.attendance import Attendance
from estimation.heterogeneity.classes import LatentClasses
from estimation.heterogeneity.people import PeopleStudy
from estimation.weights import Estimate, ProfileWeights

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's colors, told apart with any color vision and in print; markers tell them apart without color.
_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#222222")
_MARKERS = "oDs^vPX"
_INK, _QUIET, _GRID = "#222222", "#888888", "#e3e3e3"

MOST_ROWS = 24
"""Of more profiles or effects, those on which the classes differ most are drawn."""

_INCHES_PER_MARK = 0.17
_INCHES_PER_LINE = 0.18
# An interval much wider than the estimates would squeeze everything else; it is cut at the frame.
_ROOM = 1.6

_STYLE: dict[Any, Any] = {
    "svg.hashsalt": "equipoise",
    "svg.fonttype": "none",
    "font.family": ["DejaVu Sans"],
    "font.size": 10,
    "text.parse_math": False,
    "axes.edgecolor": "#888888",
    "axes.labelcolor": _INK,
    "text.color": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def people_plot(study: PeopleStudy) -> str:
    """Draw the chosen classes' weights side by side and, if known, for how many each attribute does not count."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    chosen = study.classes.best
    rows = _rows(chosen)
    labels = [_wrapped(label) for label, _ in rows]
    heights = [
        max(_INCHES_PER_MARK * (chosen.n_classes + 1.2), _INCHES_PER_LINE * (label.count("\n") + 2))
        for label in labels
    ]
    top = sum(heights)
    attendance = study.attendance
    bottom = 0.34 * len(attendance.does_not_count) if attendance else 0.0
    legend = _legend_height(chosen)
    with mpl.rc_context(_STYLE):
        if attendance is None:
            figure = Figure(figsize=(8.2, top + legend + 1.2))
            _draw_classes(figure.subplots(), chosen, rows, labels, heights)
        else:
            gap = 1.2
            figure = Figure(figsize=(8.2, top + bottom + legend + gap + 1.2))
            upper, lower = figure.subplots(
                2, 1, gridspec_kw={"height_ratios": [top, bottom], "hspace": 2 * gap / (top + bottom)}
            )
            _draw_classes(upper, chosen, rows, labels, heights)
            labels_of = {a.name: a.label for a in study.pooled.weights.attributes}
            _draw_attendance(lower, attendance, labels_of)
        kinds = "kind" if chosen.n_classes == 1 else "kinds"
        return _svg(figure, f"{chosen.n_classes} {kinds} of people, with 95 % intervals")


def _rows(chosen: LatentClasses) -> list[tuple[str, list[Estimate]]]:
    """Return (label, estimate of each class), attributes over their whole range."""
    by_class = [weight_rows(c.weights) for c in chosen.classes]
    rows = [
        (f"{of_row[0].label}\n{of_row[0].detail}".strip(), [row.log_strength for row in of_row])
        for of_row in zip(*by_class, strict=True)
    ]
    if isinstance(chosen.classes[0].weights, ProfileWeights):
        # Profiles in the order of the largest class; attributes stay in the design's.
        rows.sort(key=lambda row: -row[1][0].value)
    if len(rows) > MOST_ROWS:
        # Where classes agree there is nothing to see.
        spread = [max(e.value for e in own) - min(e.value for e in own) for _, own in rows]
        kept = sorted(sorted(range(len(rows)), key=lambda i: -spread[i])[:MOST_ROWS])
        rows = [rows[i] for i in kept]
    if all(PULL in c.others for c in chosen.classes):
        rows.append(("Pull of indecision", [c.others[PULL] for c in chosen.classes]))
    return rows


def _draw_classes(
    axes: Axes,
    chosen: LatentClasses,
    rows: Sequence[tuple[str, list[Estimate]]],
    labels: Sequence[str],
    heights: Sequence[float],
) -> None:
    centers = []
    y = 0.0
    for height in heights:
        centers.append(y + height / 2)
        y += height
    for edge in (c - h / 2 for c, h in list(zip(centers, heights, strict=True))[1:]):
        axes.axhline(edge, color=_GRID, linewidth=0.8)
    axes.axvline(0, color=_QUIET, linewidth=1)
    for k, kind in enumerate(chosen.classes):
        color, marker = _COLORS[k % len(_COLORS)], _MARKERS[k % len(_MARKERS)]
        offset = (k - (chosen.n_classes - 1) / 2) * _INCHES_PER_MARK
        for r, (_, estimates) in enumerate(rows):
            name = f"class {k + 1}: {100 * kind.share.value:.0f} % of people" if r == 0 else None
            _mark(axes, estimates[k], centers[r] + offset, color, marker, name)
    axes.set_yticks(centers, labels)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(y, 0)
    low, high = _limits([e for _, estimates in rows for e in estimates])
    axes.set_xlim(low, high)
    of_profiles = isinstance(chosen.classes[0].weights, ProfileWeights)
    axes.set_xlabel(
        "log-strength (95 % interval)" + ("" if of_profiles else "; attributes over their whole range")
    )
    axes.xaxis.grid(visible=True, color=_GRID)
    axes.set_axisbelow(True)
    axes.spines["left"].set_visible(False)
    _head(axes, "Kinds of people", _legend_height(chosen))
    if chosen.n_classes > 1:
        axes.legend(
            loc="lower left",
            bbox_to_anchor=(0, 1.0),
            ncols=2,
            frameon=False,
            borderaxespad=0.2,
            handletextpad=0.4,
        )


def _draw_attendance(axes: Axes, found: Attendance, labels: Mapping[str, str]) -> None:
    names = [_wrapped(labels[name]) for name in found.does_not_count]
    for y, share in enumerate(found.does_not_count.values()):
        _mark(axes, share, y, _INK, "o", None)
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlim(-0.01, 1.01)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0 %", "25 %", "50 %", "75 %", "100 %"])
    _head(axes, "What does not count", 0.0)
    axes.set_xlabel("share of people (95 % interval; an upper bound where tastes differ)")
    axes.xaxis.grid(visible=True, color=_GRID)
    axes.set_axisbelow(True)
    axes.spines["left"].set_visible(False)


def _legend_height(chosen: LatentClasses) -> float:
    """Return the height of the legend above the classes, in inches."""
    return 0.0 if chosen.n_classes == 1 else 0.24 * -(-chosen.n_classes // 2)


def _head(axes: Axes, words: str, above: float) -> None:
    """Write a heading so many inches above the axes, beside the labels."""
    axes.set_title(words, loc="left", pad=72 * above + 8, fontsize=12, fontweight="bold")


def _mark(axes: Axes, estimate: Estimate, y: float, color: str, marker: str, label: str | None) -> None:
    if estimate.low is not None and estimate.high is not None:
        axes.plot([estimate.low, estimate.high], [y, y], color=color, linewidth=2, solid_capstyle="round")
    axes.plot([estimate.value], [y], marker, color=color, markersize=6, label=label)


def _limits(estimates: Sequence[Estimate]) -> tuple[float, float]:
    values = [e.value for e in estimates]
    ends = [v for e in estimates for v in (e.low, e.high) if v is not None]
    room = _ROOM * max(1.0, *(abs(v) for v in values))
    low = max(min([0.0, *values, *ends]), min(0.0, *values) - room)
    high = min(max([0.0, *values, *ends]), max(0.0, *values) + room)
    pad = 0.03 * (high - low)
    return low - pad, high + pad


def _wrapped(text: str) -> str:
    return "\n".join(part for line in text.split("\n") for part in wrap(line, 42) or [""])


def _svg(figure: Figure, title: str) -> str:
    buffer = io.StringIO()
    metadata = {"Date": None, "Creator": None, "Format": None, "Type": None}
    figure.savefig(buffer, format="svg", bbox_inches="tight", metadata=metadata)
    text = buffer.getvalue()
    svg = text[text.index("<svg") :].replace("'DejaVu Sans'", "'DejaVu Sans', Verdana, sans-serif")
    return svg.replace("<svg ", f'<svg role="img" aria-label="{escape(title)}" ', 1)
