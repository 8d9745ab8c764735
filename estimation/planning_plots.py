"""A plan's picture, as SVG text. The same numbers give the same bytes."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

from estimation.effects import EffectKind
from estimation.planning import Plan, PlanPoint, Simulated

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# As in the report's pictures: Okabe and Ito's colors, told apart with any color vision and in print.
_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_MARKERS = "oDs^vP"
_INK, _GRID = "#222222", "#e3e3e3"
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


def plan_plot(plan: Plan) -> str:
    """Draw existence, RMSE and chance of the exact ranking against people, one line per number of answers.

    Vertical bars reach two Monte Carlo standard errors either way.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    what = "log-strengths" if plan.effects is EffectKind.PROFILES else "effects over their range"
    buffer = io.StringIO()
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(10.6, 3.9))
        exists, rmse, ranking = figure.subplots(1, 3)
        _panel(exists, plan, "the estimate exists", [p.exists for p in plan.points], is_chance=True)
        _panel(rmse, plan, f"RMSE of {what}", [p.rmse for p in plan.points], is_chance=False)
        _panel(ranking, plan, "the ranking is exact", [p.exact_ranking for p in plan.points], is_chance=True)
        handles, labels = exists.get_legend_handles_labels()
        figure.tight_layout(rect=(0, 0, 1, 0.9), w_pad=2.5)
        figure.legend(handles, labels, loc="upper center", ncols=min(len(labels), 6), frameon=False)
        metadata = {"Date": None, "Creator": None, "Format": None, "Type": None}
        figure.savefig(buffer, format="svg", metadata=metadata)
    text = buffer.getvalue().replace("'DejaVu Sans'", "'DejaVu Sans', Verdana, sans-serif")
    title = f"Simulated studies of {plan.design}: existence, RMSE and exact ranking by number of people"
    return text.replace("<svg ", f'<svg role="img" aria-label="{title}" ', 1)


def _panel(ax: Axes, plan: Plan, title: str, values: list[Simulated | None], *, is_chance: bool) -> None:
    found = dict(zip(plan.points, values, strict=True))
    for i, answers in enumerate(plan.answers):
        row = [(p, v) for p, v in found.items() if p.answers == answers and v is not None]
        _line(
            ax,
            row,
            answers,
            color=_COLORS[i % len(_COLORS)],
            marker=_MARKERS[i % len(_MARKERS)],
        )
    ax.set_xscale("log")
    ax.set_xticks(plan.people, [str(n) for n in plan.people])
    ax.minorticks_off()
    if len(plan.people) > 6:
        ax.tick_params(axis="x", labelrotation=90)
    ax.set_xlabel("people")
    ax.set_title(title, fontsize=10.5, loc="left", color=_INK)
    if is_chance:
        ax.set_ylim(-0.03, 1.03)
        ax.set_yticks(np.linspace(0, 1, 5), ["0 %", "25 %", "50 %", "75 %", "100 %"])
    else:
        ax.set_ylim(bottom=0)
    ax.grid(True, color=_GRID)
    ax.set_axisbelow(True)


def _line(ax: Axes, row: list[tuple[PlanPoint, Simulated]], answers: int, *, color: str, marker: str) -> None:
    ax.errorbar(
        [p.people for p, _ in row],
        [v.value for _, v in row],
        yerr=[2 * v.error for _, v in row],
        color=color,
        marker=marker,
        markersize=5,
        linewidth=1.8,
        elinewidth=1,
        label=f"{answers} answer each" if answers == 1 else f"{answers} answers each",
    )
