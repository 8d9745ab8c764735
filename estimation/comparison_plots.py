"""The picture of a comparison of models, as SVG text. The same numbers give the same bytes."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from html import escape
from typing import Any

from estimation.errors import EstimationError
from estimation.held_out import Score
from estimation.model_comparison import Comparison, Row
from estimation.results import Outcome

# Okabe and Ito's colors, told apart with any color vision and in print.
_FINE, _REGULARIZED, _BASELINE = "#0072B2", "#D55E00", "#777777"
_INK, _GRID = "#222222", "#e3e3e3"
_WIDE = 1.96

_STYLE: dict[Any, Any] = {
    "svg.hashsalt": "equipoise",
    "svg.fonttype": "none",
    "font.family": ["DejaVu Sans"],
    "font.size": 10,
    "axes.edgecolor": "#888888",
    "axes.labelcolor": _INK,
    "text.color": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def comparison_plot(found: Comparison) -> str:
    """Draw held-out log-likelihood per answer of every model on all answers, and how far each trails the leader.

    Raises
    ------
    EstimationError
        Nobody was held out, so there is nothing to draw.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    rows = [row for row in found.everything if row.held_out]
    if not rows:
        raise EstimationError(
            "nobody was held out, so there is no picture of held-out answers; leave --plot out"
        )
    title = "Held-out log-likelihood per answer, by model"
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(9.2, 1.5 + 0.32 * (len(rows) + len(found.baselines))))
        scores, behind = figure.subplots(
            1, 2, sharey=True, gridspec_kw={"width_ratios": [1, 1], "wspace": 0.06}
        )
        _draw_scores(scores, rows, found.baselines)
        _draw_behind(behind, rows)
        names = [f"{row.name}{' (preferred)' if row.name == found.recommended else ''}" for row in rows]
        names += [name for name, _ in found.baselines]
        scores.set_yticks(range(len(names)), names)
        scores.invert_yaxis()
        for axes in (scores, behind):
            axes.xaxis.grid(visible=True, color=_GRID)
            axes.set_axisbelow(True)
            axes.xaxis.set_major_locator(MaxNLocator(nbins=5))
            axes.tick_params(axis="y", length=0)
            axes.spines["left"].set_visible(False)
        if any(row.outcome == Outcome.REGULARIZED.value for row in rows):
            scores.plot([], [], "s", color=_REGULARIZED, label="regularized")
            scores.legend(frameon=False, loc="lower left", fontsize=9)
        return _svg(figure, title)


def _draw_scores(axes: Any, rows: Sequence[Row], baselines: Sequence[tuple[str, Score]]) -> None:
    marked = [(row.held_out, *_mark(row)) for row in rows]
    marked += [(score, _BASELINE, "D") for _, score in baselines]
    for y, (score, color, marker) in enumerate(marked):
        if score is None:
            continue
        at = score.log_likelihood
        axes.plot([at - score.se, at + score.se], [y, y], color=color, linewidth=2, solid_capstyle="round")
        axes.plot([at], [y], marker, color=color, markersize=6)
    axes.set_xlabel("held-out log-likelihood per answer\n± 1 standard error over clusters")


def _draw_behind(axes: Any, rows: Sequence[Row]) -> None:
    """Draw paired differences: their errors are far smaller than those of the scores suggest."""
    axes.axvline(0, color=_INK, linewidth=1)
    for y, row in enumerate(rows):
        if row.behind is None or row.behind_se is None:
            continue
        color, marker = _mark(row)
        at, half = -row.behind, _WIDE * row.behind_se
        axes.plot([at - half, at + half], [y, y], color=color, linewidth=2, solid_capstyle="round")
        axes.plot([at], [y], marker, color=color, markersize=6)
    axes.set_xlabel("difference from the first, same respondents\n95 % interval over clusters")


def _mark(row: Row) -> tuple[str, str]:
    return (_FINE, "o") if row.outcome == Outcome.FINE.value else (_REGULARIZED, "s")


def _svg(figure: Any, title: str) -> str:
    buffer = io.StringIO()
    metadata = {"Date": None, "Creator": None, "Format": None, "Type": None}
    figure.savefig(buffer, format="svg", bbox_inches="tight", metadata=metadata)
    text = buffer.getvalue()
    svg = text[text.index("<svg") :]
    svg = re.sub("'DejaVu Sans'", "'DejaVu Sans', Verdana, sans-serif", svg)
    return svg.replace("<svg ", f'<svg role="img" aria-label="{escape(title)}" ', 1)
