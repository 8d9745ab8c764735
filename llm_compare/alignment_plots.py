"""The report's pictures, as SVG text. The same numbers give the same bytes."""

from __future__ import annotations

import hashlib
import io
import re
import warnings
from collections.abc import Callable, Sequence
from functools import wraps
from html import escape
from textwrap import wrap
from typing import TYPE_CHECKING, Any, ParamSpec

import numpy as np
from scipy import stats

from estimation.results import Fit
from estimation.uncertainty import LEVEL
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

MOST_COMPARISONS = 40
"""More than this many comparisons make a picture that nobody reads."""

_LINE_HEIGHT = 0.18  # Inches of a line of words beside an axis.
_MORE_PER_LINE = 0.25  # The same where a row of bars is 1 high.
_ROOM_FOR_A_NUMBER = 0.06  # Share of the width below which a number would not fit its bar.

_STYLE: dict[Any, Any] = {
    "svg.hashsalt": "equipoise",
    "svg.fonttype": "none",
    "font.family": ["DejaVu Sans"],
    "font.size": 10,
    "text.parse_math": False,  # A dollar sign in a level's words is a dollar sign.
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
    terms = _terms(alignments)
    names = [_wrapped(name, 40) for _, _, name in terms]
    scales = [scale for _, scale, _ in terms]
    sides = [(people.label, effect_shares(people.fit, scales), PEOPLE, "o")]
    sides += [
        (a.model.label, effect_shares(a.model.fit, scales), model_color(i), _marker(i))
        for i, a in enumerate(alignments)
    ]
    row_height = max(0.24 * (len(sides) + 0.6), _LINE_HEIGHT * (max(n.count("\n") for n in names) + 2))
    fig = Figure(figsize=(7.6, 0.9 + row_height * len(names)))
    ax = fig.subplots()
    step = 1 / (len(sides) + 1)
    for s, (label, shares, color, marker) in enumerate(sides):
        for r, share in enumerate(shares):
            y = r + (s - (len(sides) - 1) / 2) * step
            if share.low is not None and share.high is not None:
                ax.plot([share.low, share.high], [y, y], color=color, linewidth=2, solid_capstyle="round")
            ax.plot(
                [share.value],
                [y],
                marker=marker,
                color=color,
                markersize=6,
                label=_wrapped(label, 44) if r == 0 else None,
                linestyle="none",
            )
    ax.axvline(0, color="#888888", linewidth=1)
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.set_xlabel("share of all effects, with its direction (95 % interval)")
    ax.xaxis.grid(True, color=GRID)
    ax.set_axisbelow(True)
    ax.legend(
        loc="lower center",
        bbox_to_anchor=(0.5, 1.0),
        ncols=1 if max(len(label) for label, *_ in sides) > 30 else min(len(sides), 3),
        frameon=False,
    )
    return _titled(fig, "Attribute effects of people and models with 95 % intervals")


def effect_rows(alignments: Sequence[Alignment]) -> list[tuple[str, list[Estimate]]]:
    """Return (row name, effects of people and of each model) in log-strength over the attribute's range."""
    fits = [alignments[0].people.fit, *(a.model.fit for a in alignments)]
    return [
        (
            name,
            [
                _scaled(fit.weights.coefficients[term], scale)
                for fit in fits
                if isinstance(fit.weights, AttributeWeights)
            ],
        )
        for term, scale, name in _terms(alignments)
    ]


def effect_shares(fit: Fit, scales: Sequence[float]) -> list[Estimate]:
    """Divide the effects of a fit by the sum of their absolute values.

    The sum is as uncertain as the effects, so intervals are those of the ratio, by the delta method. Without any
    effect there are no shares: then the effects, all about 0, are returned without intervals.

    Parameters
    ----------
    scales
        Range of each attribute term, in the order of the fit's parameters.
    """
    n = len(scales)
    effects = fit.values[:n] * scales
    total = float(np.abs(effects).sum())
    if total <= _NO_EFFECT:
        return [Estimate(value=float(e)) for e in effects]
    shares = effects / total
    assert fit.covariance is not None  # noqa: S101 - fits of attributes always have one
    slopes = (np.eye(n) - np.outer(shares, np.sign(effects))) / total
    covariance = slopes @ (fit.covariance[:n, :n] * np.outer(scales, scales)) @ slopes.T
    half = stats.t.ppf((1 + LEVEL) / 2, fit.n_clusters - 1) * np.sqrt(np.diag(covariance).clip(min=0))
    return [
        Estimate(value=float(v), low=max(-1.0, float(v - h)), high=min(1.0, float(v + h)))
        for v, h in zip(shares, half, strict=True)
    ]


def _terms(alignments: Sequence[Alignment]) -> list[tuple[str, float, str]]:
    """Return (coefficient, attribute's range, words) of each attribute term, in the order of the fits."""
    people = alignments[0].people.fit.weights
    if not isinstance(people, AttributeWeights):
        raise TypeError("alignments are made with attribute models")
    terms: list[tuple[str, float, str]] = []
    for attribute in people.attributes:
        if isinstance(attribute, CategoricalAttribute):
            first = attribute.levels[0]
            terms += [
                (f"{attribute.name}={level.name}", 1.0, f"{level.words}\nrather than {first.words}")
                for level in attribute.levels[1:]
            ]
        else:
            low, high = (
                value_words(attribute, plain_number(v)) for v in (attribute.minimum, attribute.maximum)
            )
            terms.append(
                (attribute.name, attribute.maximum - attribute.minimum, f"{high}\nrather than {low}")
            )
    return terms


def model_color(number: int) -> str:
    """Return the color of the model with this number, from 0."""
    return MODELS[number % len(MODELS)]


def _marker(number: int) -> str:
    """Return the model's marker, which tells it from another model of the same color."""
    return "Ds^vP"[number // len(MODELS) % 5]


def _scaled(estimate: Estimate, scale: float) -> Estimate:
    return Estimate(
        value=estimate.value * scale,
        low=None if estimate.low is None else estimate.low * scale,
        high=None if estimate.high is None else estimate.high * scale,
    )


def _wrapped(text: str, width: int) -> str:
    return "\n".join(part for line in text.split("\n") for part in wrap(line, width) or [""])


@_styled
def shares_plot(alignment: Alignment, attributes: Sequence[Attribute]) -> Figure:
    """Draw, for each comparison, the choices of people above those of the model; see :func:`most_different`."""
    from matplotlib.figure import Figure

    shares = most_different(alignment.shares)
    words = [[_wrapped(w, 42) for w in comparison_words(attributes, s)] for s in shares]
    # A row is 1 high, and higher by each line of words after the first.
    more = [_MORE_PER_LINE * max(w.count("\n") for w in pair) for pair in words]
    places = np.cumsum([1 + m for m in more]).tolist()
    fig = Figure(figsize=(7.6, 0.9 + 0.78 * places[-1]))
    ax = fig.subplots()
    for r, s, (one, other) in zip(places, shares, words, strict=True):
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
        ax.barh(1, 0, color=color, label=label)
    ax.spines[["left", "bottom"]].set_visible(False)
    ax.set_yticks([])
    ax.set_ylim(places[-1] + 0.45, places[0] - 0.75 - more[0])
    ax.set_xlim(0, 1)
    ax.set_xticks([0, 0.5, 1], ["0 %", "50 %", "100 %"])
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, frameon=False)
    return _titled(fig, f"Choice shares per comparison, people and {alignment.model.label}")


def most_different(shares: Sequence[ComparisonShares]) -> list[ComparisonShares]:
    """Return all comparisons, or of many the :data:`MOST_COMPARISONS` on which people and model differ most."""
    if len(shares) <= MOST_COMPARISONS:
        return list(shares)

    def distance(s: ComparisonShares) -> float:
        pairs = zip(s.people, s.model, strict=True)
        return sum(abs(p / sum(s.people) - m / sum(s.model)) for p, m in pairs)

    return sorted(shares, key=distance, reverse=True)[:MOST_COMPARISONS]


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

    people = alignments[0].people
    rows = [(people.label, people.indecision, PEOPLE, "o")]
    rows += [
        (_wrapped(a.model.label, 32), a.model.indecision, model_color(i), _marker(i))
        for i, a in enumerate(alignments)
    ]
    most_lines = max(name.count("\n") for name, *_ in rows) + 1
    fig = Figure(figsize=(7.6, 0.8 + max(0.38, _LINE_HEIGHT * (most_lines + 0.5)) * len(rows)))
    ax = fig.subplots()
    for r, (_, rate, color, marker) in enumerate(rows):
        if rate is None:
            continue
        if rate.low is not None and rate.high is not None:
            ax.plot([rate.low, rate.high], [r, r], color=color, linewidth=2.5, solid_capstyle="round")
        ax.plot([rate.value], [r], marker=marker, color=color, markersize=7, clip_on=False)
    ax.set_yticks(range(len(rows)), [name for name, *_ in rows])
    ax.invert_yaxis()
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.set_xlim(-0.01, 1.01)
    ax.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0 %", "25 %", "50 %", "75 %", "100 %"])
    ax.set_xlabel("share of answers that were indecision (95 % interval)")
    ax.xaxis.grid(True, color=GRID)
    ax.set_axisbelow(True)
    return _titled(fig, "Share of indecision with 95 % intervals")


@_styled
def consequences_plot(label: str, consequences: Consequences, number: int) -> Figure:
    """Draw the share of patients matched, by level of each attribute, under people's and a model's weights."""
    from matplotlib.figure import Figure

    groups = consequences.groups
    names = [_wrapped(f"{g.attribute}: {g.group}  ({g.n_patients} patients)", 46) for g in groups]
    most_lines = max((name.count("\n") for name in names), default=0) + 1
    fig = Figure(figsize=(7.6, 1.0 + max(0.33, _LINE_HEIGHT * (most_lines + 0.5)) * len(groups)))
    ax = fig.subplots()
    for r, g in enumerate(groups):
        x = [g.matched_by_people / g.n_patients, g.matched_by_model / g.n_patients]
        ax.plot(x, [r, r], color="#bbbbbb", linewidth=2, zorder=1)
        ax.plot([x[0]], [r], "o", color=PEOPLE, markersize=8, label="people's weights" if r == 0 else None)
        ax.plot(
            [x[1]],
            [r],
            _marker(number),
            color=model_color(number),
            markersize=6,
            label=_wrapped(f"weights of {label}", 44) if r == 0 else None,
        )
    ax.set_yticks(range(len(groups)), names)
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
    with warnings.catch_warnings():
        # The browser draws the text, in any script; matplotlib only measures it.
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from font", category=UserWarning)
        figure.savefig(buffer, format="svg", bbox_inches="tight", metadata=metadata)
    text = buffer.getvalue()
    svg = text[text.index("<svg") :]
    # matplotlib numbers its elements anew in every figure; in one page the ids must differ.
    prefix = f"p{hashlib.sha256(title.encode()).hexdigest()[:10]}"
    svg = re.sub(r'(<[^<>]*\s)id="', rf'\1id="{prefix}-', svg)
    svg = re.sub(r"url\(#", f"url(#{prefix}-", svg)
    svg = re.sub(r'href="#', f'href="#{prefix}-', svg)
    svg = svg.replace("'DejaVu Sans'", "'DejaVu Sans', Verdana, sans-serif")
    return svg.replace("<svg ", f'<svg role="img" aria-label="{escape(title)}" ', 1)
