"""The picture of a diagnosis: how respondents spread in fit, indecision, time and consistency, as SVG text."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from estimation.diagnostics.diagnosis import Diagnosis
from estimation.diagnostics.participants import Participant

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito's colors, told apart with any color vision and in print; as in the report on models.
EVERYBODY, FLAGGED = "#0072B2", "#D55E00"
INK, QUIET, GRID = "#222222", "#888888", "#e3e3e3"

_STYLE: dict[Any, Any] = {
    "svg.hashsalt": "equipoise",
    "svg.fonttype": "none",
    "font.family": ["DejaVu Sans"],
    "font.size": 10,
    "axes.titlesize": 10.5,
    "axes.titlelocation": "left",
    "text.parse_math": False,
    "axes.edgecolor": QUIET,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
_TITLE = "Respondents by fit, indecision and time"
_BINS = 20
# Beyond these a mean square or a time is drawn at the edge, so that one respondent does not flatten all others.
_MOST_MEAN_SQUARE = 4.0
_MOST_TIMES_MEDIAN = 4.0


def diagnosis_plot(found: Diagnosis) -> str:
    """Draw the spread of respondents, those flagged apart. The same diagnosis gives the same bytes.

    Infit and outfit with the line from which they are flagged, the share of indecision, median seconds and, where
    enough triads were completed, the share of circular ones. Panels that the answers say nothing of are left out.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    panels = _panels(found)
    flagged = {f.respondent for f in found.flags}
    with mpl.rc_context(_STYLE):
        n_rows = max(1, -(-len(panels) // 2))
        fig = Figure(figsize=(8.4, 0.6 + 2.75 * n_rows), layout="constrained")
        axes = fig.subplots(n_rows, 2, squeeze=False).ravel()
        for ax, draw in zip(axes, panels, strict=False):
            draw(ax, flagged)
        for ax in axes[len(panels) :]:
            ax.set_axis_off()
        n = len(found.participants)
        words = f"{n} respondents, {len(flagged)} flagged; all of them are in the results"
        if n:
            handles = [
                mpl.patches.Patch(color=EVERYBODY, label="not flagged"),
                mpl.patches.Patch(color=FLAGGED, label="with a flag"),
            ]
            fig.legend(handles=handles, loc="outside upper right", ncols=2, frameon=False)
        else:
            words = "The source does not say who gave which answer: nobody can be drawn"
        fig.suptitle(words, x=0.01, ha="left", fontsize=10.5)
        buffer = io.StringIO()
        metadata = {"Date": None, "Creator": None, "Format": None, "Type": None}
        fig.savefig(buffer, format="svg", metadata=metadata)
    text = buffer.getvalue()
    svg = text[text.index("<svg") :].replace("'DejaVu Sans'", "'DejaVu Sans', Verdana, sans-serif")
    label = f"{_TITLE}: {words}"
    return svg.replace("<svg ", f'<svg role="img" aria-label="{escape(label)}" ', 1)


_Draw = Callable[["Axes", set[str]], None]


def _panels(found: Diagnosis) -> list[_Draw]:
    """Return what draws each panel that the answers have something for."""
    people = found.participants
    t = found.thresholds
    panels: list[_Draw] = []
    if any(p.fit for p in people):
        panels += [
            _fit_panel("infit", people, t.mean_square_above),
            _fit_panel("outfit", people, t.mean_square_above),
        ]
    if people:
        panels.append(_indecision_panel(people))
    if any(p.attention.median_seconds is not None for p in people):
        panels.append(_seconds_panel(people, t.median_seconds_below))
    if any(p.triads.completed >= t.fewest_triads for p in people):
        panels.append(
            _circular_panel([p for p in people if p.triads.completed >= t.fewest_triads], t.circular_from)
        )
    return panels


def _fit_panel(name: str, people: Sequence[Participant], line: float) -> _Draw:
    measured = [(p.respondent, getattr(p.fit, name)) for p in people if p.fit is not None]

    def draw(ax: Axes, flagged: set[str]) -> None:
        _histogram(ax, measured, flagged, _MOST_MEAN_SQUARE, edge=line)
        ax.axvline(1, color=QUIET, linewidth=1)
        _mark(ax, line, "flagged from here\nif not by chance")
        about = "close calls" if name == "infit" else "single surprises"
        ax.set_title(f"{name[0].upper()}{name[1:]}: {about}")
        ax.set_xlabel("mean square, 1 as the model expects")

    return draw


def _indecision_panel(people: Sequence[Participant]) -> _Draw:
    measured = [(p.respondent, p.indecision_share) for p in people]

    def draw(ax: Axes, flagged: set[str]) -> None:
        _histogram(ax, measured, flagged, 1.0)
        ax.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0 %", "25 %", "50 %", "75 %", "100 %"])
        ax.set_title("Indecision")
        ax.set_xlabel("share of a respondent's answers")

    return draw


def _seconds_panel(people: Sequence[Participant], line: float) -> _Draw:
    measured = [
        (p.respondent, p.attention.median_seconds) for p in people if p.attention.median_seconds is not None
    ]

    def draw(ax: Axes, flagged: set[str]) -> None:
        seconds = np.array([s for _, s in measured])
        most = min(float(np.median(seconds)) * _MOST_TIMES_MEDIAN, float(seconds.max()))
        most = max(most, line * 2, 1.0)
        _histogram(ax, measured, flagged, most, edge=line)
        _mark(ax, line, "flagged\nbelow")
        ax.set_title("Time")
        ax.set_xlabel("median seconds per comparison")

    return draw


def _circular_panel(people: Sequence[Participant], line: float) -> _Draw:
    measured = [(p.respondent, p.triads.share or 0.0) for p in people]

    def draw(ax: Axes, flagged: set[str]) -> None:
        most = max(0.5, *(v for _, v in measured))
        _histogram(ax, measured, flagged, most, edge=line)
        _mark(ax, line, "flagged\nfrom here")
        ax.xaxis.set_major_formatter(lambda v, _: f"{100 * v:.0f} %")
        ax.set_title("Circular triads")
        ax.set_xlabel("share of completed triads")

    return draw


def _histogram(
    ax: Axes,
    measured: Sequence[tuple[str, float]],
    flagged: set[str],
    most: float,
    *,
    edge: float = 0.0,
) -> None:
    """Draw bars of those without a flag, and on top of them of those with one.

    Parameters
    ----------
    most
        Those beyond stand in the last bar, which says so.
    edge
        Where one bar ends and the next begins, so that none straddles a threshold; 0: anywhere.
    """
    from matplotlib.ticker import MaxNLocator

    width = most / _BINS
    if 0 < edge < most:
        width = edge / max(1, round(edge / width))
    edges = width * np.arange(int(np.ceil(most / width - 1e-9)) + 1)
    base = np.zeros(len(edges) - 1)
    for with_flag, color in ((False, EVERYBODY), (True, FLAGGED)):
        values = [v for name, v in measured if (name in flagged) is with_flag]
        counts = np.histogram(np.clip(values, 0.0, edges[-1]), edges)[0]
        ax.bar(
            edges[:-1],
            counts,
            width,
            bottom=base,
            align="edge",
            color=color,
            edgecolor="white",
            linewidth=0.6,
        )
        base = base + counts
    ax.set_xlim(0, edges[-1])
    # Room above the bars for what marks the thresholds.
    top = max(1.0, float(base.max())) * (1.35 if edge else 1.1)
    ax.set_ylim(0, top)
    if any(v > edges[-1] for _, v in measured):
        ax.annotate(
            "or more",
            (edges[-1], base[-1]),
            xytext=(0, 3),
            textcoords="offset points",
            ha="right",
            va="bottom",
            fontsize=8.5,
            color=INK,
        )
    ax.yaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    ax.set_ylabel("respondents")
    ax.yaxis.grid(True, color=GRID)
    ax.set_axisbelow(True)


def _mark(ax: Axes, value: float, words: str) -> None:
    """Draw where flags begin."""
    ax.axvline(value, color=FLAGGED, linewidth=1, linestyle=(0, (4, 3)))
    ax.annotate(
        words,
        (value, 1),
        xycoords=("data", "axes fraction"),
        xytext=(4, -2),
        textcoords="offset points",
        ha="left",
        va="top",
        fontsize=8.5,
        color=INK,
    )
