"""The report's pictures, as SVG text. The same numbers give the same bytes."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec

from estimation.weights import AttributeWeights, Estimate
from llm_compare.alignment import Alignment, ComparisonShares
from llm_compare.consequences import Consequences
from survey.design import Attribute, CategoricalAttribute, Profile, plain_number
from survey.wording import value_words

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's colors, told apart with any color vision and in print.
PEOPLE = "#0072B2"
MODELS = ("#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
FIRST, INDECISION, SECOND = "#3b6ea8", "#d9d9d9", "#e0a33e"
INK, GRID = "#222222", "#e3e3e3"

# Where answers do not depend on attributes at all, rounding leaves coefficients of this order.
_NO_EFFECT = 1e-9

_ROOM_FOR_A_NUMBER = 0.06  # Share of the width below which a number would not fit its bar.

_STYLE: dict[Any, Any] = {
    "svg.hashsalt": "equipoise",
    "svg.fonttype": "none",
    "font.family": ["DejaVu Sans"],
    "font.size": 10,
    "axes.edgecolor": "#888888",
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


_Given = ParamSpec("_Given")


def _styled(draw: Callable[_Given, Figure]) -> Callable[_Given, str]:
    """Turn a function that draws a figure into one that returns it as SVG, in our style."""

    @wraps(draw)
    def drawn(*args: _Given.args, **kwargs: _Given.kwargs) -> str:
        import matplotlib as mpl

        with mpl.rc_context(_STYLE):
            return _svg(draw(*args, **kwargs))

    return drawn


@_styled
def coefficient_plot(alignments: Sequence[Alignment]) -> Figure:
    """Draw each attribute's share of a respondent's effects, people beside models, with intervals.

    A decisive respondent has large coefficients throughout, so each respondent's effects are divided by the sum of
    their absolute values: what is compared is what counts, not how decided the respondent is.
    """
    from matplotlib.figure import Figure

    people = alignments[0].people
    rows = relative_effects(effect_rows(alignments))
    fig = Figure(figsize=(7.6, 0.9 + 0.24 * len(rows) * (len(alignments) + 1.6)))
    ax = fig.subplots()
    sides = [(people.label, PEOPLE)] + [
        (a.model.label, MODELS[i % len(MODELS)]) for i, a in enumerate(alignments)
    ]
    step = 1 / (len(sides) + 1)
    for r, (_, effects) in enumerate(rows):
        for s, ((label, color), effect) in enumerate(zip(sides, effects, strict=True)):
            y = r + (s - (len(sides) - 1) / 2) * step
            if effect.low is not None and effect.high is not None:
                ax.plot([effect.low, effect.high], [y, y], color=color, linewidth=2, solid_capstyle="round")
            ax.plot(
                [effect.value],
                [y],
                marker="o" if s == 0 else "D",
                color=color,
                markersize=6,
                label=label if r == 0 else None,
                linestyle="none",
            )
    ax.axvline(0, color="#888888", linewidth=1)
    ax.set_yticks(range(len(rows)), [name for name, _ in rows])
    ax.invert_yaxis()
    ax.set_xlabel("share of all effects, with its direction (95 % interval)")
    ax.xaxis.grid(True, color=GRID)
    ax.set_axisbelow(True)
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=min(len(sides), 3), frameon=False)
    return _titled(fig, "Attribute effects of people and models with 95 % intervals")


def effect_rows(alignments: Sequence[Alignment]) -> list[tuple[str, list[Estimate]]]:
    """Return (row name, effects of people and of each model) in log-strength over the attribute's range."""
    people = alignments[0].people.fit.weights
    if not isinstance(people, AttributeWeights):
        raise TypeError("alignments are made with attribute models")
    rows: list[tuple[str, list[Estimate]]] = []
    models = [a.model.fit.weights for a in alignments]
    for attribute in people.attributes:
        if isinstance(attribute, CategoricalAttribute):
            first = attribute.levels[0]
            terms = [
                (f"{attribute.name}={level.name}", 1.0, f"{level.words}\nrather than {first.words}")
                for level in attribute.levels[1:]
            ]
        else:
            span = attribute.maximum - attribute.minimum
            low, high = (
                value_words(attribute, plain_number(v)) for v in (attribute.minimum, attribute.maximum)
            )
            terms = [(attribute.name, span, f"{high}\nrather than {low}")]
        for term, scale, name in terms:
            effects = [
                _scaled(weights.coefficients[term], scale)
                for weights in (people, *models)
                if isinstance(weights, AttributeWeights)
            ]
            rows.append((name, effects))
    return rows


def relative_effects(rows: Sequence[tuple[str, Sequence[Estimate]]]) -> list[tuple[str, list[Estimate]]]:
    """Divide each respondent's effects (a column) by the sum of their absolute values, if that is not zero."""
    columns = list(zip(*(effects for _, effects in rows), strict=True))
    totals = [sum(abs(e.value) for e in column) for column in columns]
    scales = [1 / total if total > _NO_EFFECT else 1.0 for total in totals]
    return [(name, [_scaled(e, k) for e, k in zip(effects, scales, strict=True)]) for name, effects in rows]


def _scaled(estimate: Estimate, scale: float) -> Estimate:
    return Estimate(
        value=estimate.value * scale,
        low=None if estimate.low is None else estimate.low * scale,
        high=None if estimate.high is None else estimate.high * scale,
    )


@_styled
def shares_plot(alignment: Alignment, attributes: Sequence[Attribute]) -> Figure:
    """Draw, for each comparison, the choices of people above those of the model."""
    from matplotlib.figure import Figure

    shares = alignment.shares
    fig = Figure(figsize=(7.6, 0.9 + 0.78 * len(shares)))
    ax = fig.subplots()
    for r, s in enumerate(shares):
        one, other = comparison_words(attributes, s)
        ax.text(0, r - 0.36, one, ha="left", va="bottom", fontsize=8.5)
        ax.text(1, r - 0.36, other, ha="right", va="bottom", fontsize=8.5)
        for y, who, counts in ((r - 0.2, "people", s.people), (r + 0.12, "model", s.model)):
            ax.text(-0.012, y, who, ha="right", va="center", fontsize=8.5, color="#555555")
            _stacked_bar(ax, y, counts)
    for color, label in (
        (FIRST, "for the left patient"),
        (INDECISION, "undecided"),
        (SECOND, "for the right"),
    ):
        ax.barh(0, 0, color=color, label=label)
    ax.spines[["left", "bottom"]].set_visible(False)
    ax.set_yticks([])
    ax.set_ylim(len(shares) - 0.55, -0.75)
    ax.set_xlim(0, 1)
    ax.set_xticks([0, 0.5, 1], ["0 %", "50 %", "100 %"])
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, frameon=False)
    return _titled(fig, f"Choice shares per comparison, people and {alignment.model.label}")


def _stacked_bar(ax: Axes, y: float, counts: tuple[int, int, int]) -> None:
    first, second, undecided = (n / sum(counts) for n in counts)
    left = 0.0
    for width, color in ((first, FIRST), (undecided, INDECISION), (second, SECOND)):
        ax.barh(y, width, left=left, height=0.28, color=color, edgecolor="white", linewidth=0.6)
        if width >= _ROOM_FOR_A_NUMBER:
            ink = "white" if color == FIRST else INK
            ax.text(
                left + width / 2, y, f"{100 * width:.0f}", ha="center", va="center", fontsize=8.5, color=ink
            )
        left += width


def short_words(attributes: Sequence[Attribute], profile: Profile) -> str:
    """Return a profile in a few words, one attribute after the other."""
    return ", ".join(value_words(a, profile[a.name]) for a in attributes)


@_styled
def indecision_plot(alignments: Sequence[Alignment]) -> Figure:
    """Draw the share of indecision with intervals, people first."""
    from matplotlib.figure import Figure

    rows = [(alignments[0].people.label, alignments[0].people.indecision, PEOPLE)]
    rows += [(a.model.label, a.model.indecision, MODELS[i % len(MODELS)]) for i, a in enumerate(alignments)]
    fig = Figure(figsize=(7.6, 0.8 + 0.38 * len(rows)))
    ax = fig.subplots()
    for r, (_, rate, color) in enumerate(rows):
        if rate is None:
            continue
        if rate.low is not None and rate.high is not None:
            ax.plot([rate.low, rate.high], [r, r], color=color, linewidth=2.5, solid_capstyle="round")
        ax.plot([rate.value], [r], marker="o" if r == 0 else "D", color=color, markersize=7, clip_on=False)
    ax.set_yticks(range(len(rows)), [name for name, _, _ in rows])
    ax.invert_yaxis()
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.set_xlim(-0.01, 1.01)
    ax.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0 %", "25 %", "50 %", "75 %", "100 %"])
    ax.set_xlabel("share of answers that were indecision (95 % interval)")
    ax.xaxis.grid(True, color=GRID)
    ax.set_axisbelow(True)
    return _titled(fig, "Share of indecision with 95 % intervals")


@_styled
def consequences_plot(label: str, consequences: Consequences, color: str) -> Figure:
    """Draw the share of patients matched, by level of each attribute, under either weights."""
    from matplotlib.figure import Figure

    groups = consequences.groups
    fig = Figure(figsize=(7.6, 1.0 + 0.33 * len(groups)))
    ax = fig.subplots()
    for r, g in enumerate(groups):
        x = [g.matched_by_people / g.n_patients, g.matched_by_model / g.n_patients]
        ax.plot(x, [r, r], color="#bbbbbb", linewidth=2, zorder=1)
        ax.plot([x[0]], [r], "o", color=PEOPLE, markersize=8, label="people's weights" if r == 0 else None)
        ax.plot([x[1]], [r], "D", color=color, markersize=6, label=f"{label}'s weights" if r == 0 else None)
    ax.set_yticks(
        range(len(groups)), [f"{g.attribute}: {g.group}  ({g.n_patients} patients)" for g in groups]
    )
    ax.invert_yaxis()
    ax.set_xlim(-0.02, 1.02)
    ax.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0 %", "25 %", "50 %", "75 %", "100 %"])
    ax.set_xlabel("share of these patients matched")
    ax.xaxis.grid(True, color=GRID)
    ax.set_axisbelow(True)
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, frameon=False)
    return _titled(fig, f"Share of patients matched under people's and {label}'s weights")


def comparison_words(attributes: Sequence[Attribute], shares: ComparisonShares) -> tuple[str, str]:
    """Return both profiles of a comparison in a few words."""
    return short_words(attributes, shares.comparison.first), short_words(attributes, shares.comparison.second)


def _titled(figure: Figure, title: str) -> Figure:
    """Note the title that screen readers announce; the report's headings say it to everybody else."""
    figure.set_label(title)
    return figure


def _svg(figure: Figure) -> str:
    """Return the figure as an SVG element, without the XML prologue, ready to stand in HTML beside others."""
    title = str(figure.get_label())
    buffer = io.StringIO()
    metadata = {"Date": None, "Creator": None, "Format": None, "Type": None}
    figure.savefig(buffer, format="svg", bbox_inches="tight", metadata=metadata)
    text = buffer.getvalue()
    svg = text[text.index("<svg") :]
    # matplotlib numbers its elements anew in every figure; in one page the ids must differ.
    prefix = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
    svg = re.sub(r'\bid="', f'id="{prefix}-', svg)
    svg = re.sub(r"url\(#", f"url(#{prefix}-", svg)
    svg = re.sub(r'href="#', f'href="#{prefix}-', svg)
    svg = svg.replace("'DejaVu Sans'", "'DejaVu Sans', Verdana, sans-serif")
    return svg.replace("<svg ", f'<svg role="img" aria-label="{title}" ', 1)
