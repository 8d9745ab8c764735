"""The pictures of a coding: counts, agreement, saturation, ratings. The same numbers give the same bytes. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from math import ceil, floor

from survey.coding.agreement import Agreement
from survey.coding.counts import CategoryCount, CategoryCounts
from survey.coding.number_words import category_words, counted, measured, number, percent, respondents
from survey.coding.opinions import AttributeOpinion, Opinions
from survey.coding.saturation import Saturation
from survey.coding.shares import Share
from survey.coding.svg import (
    LINE,
    SMALL,
    Scale,
    area,
    bar,
    dot,
    line,
    mark,
    picture,
    polyline,
    round_step,
    text,
    whisker,
    width_of,
    wrapped,
)

MOST_ROWS = 40
"""Of more categories those named by most people are drawn, and the picture says how many are not."""
MOST_PAIRS = 6
"""Of more pairs of coders each has the same mark."""
_WIDTH, _WORDS, _LEFT = 900.0, 250.0, 268.0
_BAR = 16.0
_ROW = 11.0
"""Space below a row."""


def counts_plot(counts: CategoryCounts, *, inline: bool = False, most: int = MOST_ROWS) -> str:
    """Draw, for each category somebody named, the share for it to the right and against it to the left.

    Whiskers are 95 % intervals. The numbers stand beside; the order is that of ``counts``.

    Parameters
    ----------
    inline
        For a page, which gives colors to its classes; otherwise for a file of its own, on white.
    """
    named = [count for count in counts.categories if count.mentions]
    rows = named[:most]
    numbers = 190.0
    right_end = _WIDTH - numbers
    high_for = max((c.for_share.high for c in rows if c.for_share), default=0.0)
    high_against = max((c.against_share.high for c in rows if c.against_share), default=0.0)
    span = max(high_for + high_against, 0.05)
    step = round_step(span, 7)
    steps_for = max(ceil(round(high_for / step, 9)), int(counts.asked_for > 0))
    steps_against = max(ceil(round(high_against / step, 9)), int(counts.asked_against > 0))
    x = Scale(low=-steps_against * step, high=max(steps_for, 1) * step, start=_LEFT, end=right_end)
    top, parts = 58.0, []
    y = top
    for count in rows:
        drawn, height = _count_row(count, x, y, _WIDTH)
        parts.append(drawn)
        y += height
    if not rows:
        parts.append(text(_LEFT, y + LINE, "No category has been named.", "quiet"))
        y += 2 * LINE
    parts += _heads(counts, x, right_end)
    if not rows:
        return picture(parts, _WIDTH, y + 6, "No category has been named", inline=inline)
    ticks = [i * step for i in range(-steps_against, max(steps_for, 1) + 1)]
    grid = [line(x(t), top - 8, x(t), y + 2, "grid" if t else "zero") for t in ticks]
    axis = [text(x(t), y + 20, f"{abs(100 * t):g} %", "quiet", anchor="middle", size=SMALL) for t in ticks]
    words = f"share of {_people(counts)} asked, 95 % interval"
    axis.append(text((_LEFT + right_end) / 2, y + 42, words, "quiet", anchor="middle"))
    y += 50
    if len(named) > len(rows):
        left_out = f"{len(named) - len(rows)} more categories, named by no more, are not drawn"
        axis.append(text((_LEFT + right_end) / 2, y + 14, left_out, "quiet", anchor="middle"))
        y += 22
    if again := counts.left_out.to_code_again:
        words = f"not final: {counted(again, 'suggestion')} in a category split or retired since, to be coded again"
        axis.append(text((_LEFT + right_end) / 2, y + 14, words, "quiet", anchor="middle"))
        y += 22
    title = (
        f"Shares of {_counted_people(counts)} who named each of {len(rows)} categories among what should "
        "count (right) and what should not (left), with 95 % intervals"
    )
    return picture([*grid, *parts, *axis], _WIDTH, y + 6, title, inline=inline)


def _counted_people(counts: CategoryCounts) -> str:
    return counted(counts.asked, *respondents(counts.kind, simulated=counts.simulated))


def _people(counts: CategoryCounts | Saturation) -> str:
    return respondents(counts.kind, simulated=counts.simulated)[1]


def _heads(counts: CategoryCounts, x: Scale, right_end: float) -> list[str]:
    heads = []
    if counts.asked_against:
        heads.append(bar(x(0) - 18, x(0) - 6, 9, 12, "against"))
        heads.append(text(x(0) - 24, 20, "should not count", anchor="end"))
        heads.append(text(_WIDTH - 2, 20, "should not", "quiet", anchor="end", size=SMALL))
    if counts.asked_for:
        heads.append(bar(x(0) + 6, x(0) + 18, 9, 12, "for"))
        heads.append(text(x(0) + 24, 20, "should count"))
        heads.append(text(_WIDTH - 98, 20, "should", "quiet", anchor="end", size=SMALL))
    if counts.asked_for:
        heads.append(text(_WIDTH - 98, 36, f"of {counts.asked_for}", "quiet", anchor="end", size=SMALL))
    if counts.asked_against:
        heads.append(text(_WIDTH - 2, 36, f"of {counts.asked_against}", "quiet", anchor="end", size=SMALL))
    return heads


def _count_row(count: CategoryCount, x: Scale, y: float, width: float) -> tuple[str, float]:
    label = category_words(count)
    words, height = _words(label, y)
    middle = y + height / 2
    parts = [words]
    for share, kind, side in ((count.for_share, "for", 1), (count.against_share, "against", -1)):
        if share:
            parts.append(bar(x(0), x(side * share.value), middle - _BAR / 2, _BAR, kind))
            parts.append(whisker(x(side * share.low), x(side * share.high), middle))
    if count.for_share:
        parts.append(text(width - 98, middle + 5, _number(count.for_share), anchor="end", size=SMALL))
    if count.against_share:
        parts.append(text(width - 2, middle + 5, _number(count.against_share), anchor="end", size=SMALL))
    said = ", ".join(
        f"{name} {_number(share)} of {share.of}, {100 * share.low:.0f} to {100 * share.high:.0f} %"
        for name, share in (("should count", count.for_share), ("should not", count.against_share))
        if share
    )
    return _group(f"{label}: {said}", parts), height + _ROW


def _number(share: Share) -> str:
    return f"{share.count} ({percent(share.value)} %)"


def _words(label: str, y: float, *, quiet: str = "") -> tuple[str, float]:
    """Return a label beside its row, right-aligned, and the height it needs."""
    lines = wrapped(label, _WORDS)
    height = max(LINE * (len(lines) + bool(quiet)), _BAR + 2)
    top = y + (height - LINE * (len(lines) + bool(quiet))) / 2
    drawn = [text(_WORDS, top + LINE * (i + 0.78), own, anchor="end") for i, own in enumerate(lines)]
    if quiet:
        at = top + LINE * (len(lines) + 0.72)
        drawn.append(text(_WORDS, at, quiet, "quiet", anchor="end", size=SMALL))
    return "".join(drawn), height


def _group(title: str, parts: Sequence[str]) -> str:
    return f"<g><title>{escape(title)}</title>{''.join(parts)}</g>"


def agreement_plot(agreement: Agreement, *, inline: bool = False, most: int = MOST_ROWS) -> str:
    """Draw Krippendorff's alpha of each category with its interval, and each pair's kappa as an outline."""
    rows = sorted(agreement.categories, key=lambda c: -c.suggestions)[:most]
    kappas = [{own.category: own.kappa.value for own in pair.categories} for pair in agreement.pairs]
    values = [m.low if m.low is not None else m.value for m in (agreement.alpha, *(r.alpha for r in rows))]
    values += [of_pair.get(row.category) for of_pair in kappas for row in rows]
    lowest = min((v for v in values if v is not None), default=0.0)
    low = min(floor(round(lowest * 5, 9)) / 5, 0.0)
    x = Scale(low=low, high=1.0, start=_LEFT, end=_WIDTH - 150)
    parts, y = _agreement_legend(agreement, x)
    top = y
    shown = [("All categories", agreement.alpha, counted(agreement.by_two, "suggestion"), "")]
    shown += [(category_words(r), r.alpha, counted(r.suggestions, "suggestion"), r.category) for r in rows]
    for label, alpha, detail, category in shown:
        words, height = _words(label, y, quiet=detail)
        middle = y + height / 2
        row = [words]
        # One above the other: alpha and the kappa of two coders are nearly the same, and would hide each other.
        above, below = middle - 6, middle + 8
        if alpha.low is not None and alpha.high is not None:
            row.append(line(x(max(alpha.low, low)), above, x(alpha.high), above, "interval", width=2.5))
        for i, of_pair in enumerate(kappas):
            kappa = of_pair.get(category)
            if kappa is not None:
                row.append(mark(x(kappa), below, i if len(kappas) <= MOST_PAIRS else 0))
        if alpha.value is not None:
            row.append(dot(x(alpha.value), above))
        said = measured(alpha)
        row.append(text(_WIDTH - 2, middle + 5, said, anchor="end", size=SMALL))
        parts.append(_group(f"{label}: alpha {said}", row))
        y += height + _ROW
        if not category:
            parts.append(line(0, y - _ROW / 2, _WIDTH, y - _ROW / 2, "grid"))
    n_ticks = round((1 - low) / 0.2)
    ticks = [1 - 0.2 * i for i in range(n_ticks + 1)]
    grid = [line(x(t), top - 6, x(t), y, "zero" if abs(t) < 1e-9 else "grid") for t in ticks]
    # Krippendorff's customary limits: from 0.8 on reliable, from 2/3 on for tentative conclusions.
    grid += [line(x(t), top - 6, x(t), y, "zero", dashes="3 4") for t in (2 / 3, 0.8)]
    axis = [text(x(t), y + 18, number(t, 1), "quiet", anchor="middle", size=SMALL) for t in ticks]
    words_ = "agreement beyond chance (1: all agree), 95 % interval; dashed: 0.67 and 0.8"
    axis.append(text((x.start + x.end) / 2, y + 40, words_, "quiet", anchor="middle"))
    y += 48
    if len(agreement.categories) > len(rows):
        left_out = f"{len(agreement.categories) - len(rows)} more categories, used for no more, are not drawn"
        axis.append(text((x.start + x.end) / 2, y + 14, left_out, "quiet", anchor="middle"))
        y += 22
    title = (
        f"Agreement of {len(agreement.coders)} coders on {len(rows)} categories: Krippendorff's alpha with 95 % "
        "intervals, and Cohen's kappa of each pair"
    )
    return picture([*grid, *parts, *axis], _WIDTH, y + 6, title, inline=inline)


def _agreement_legend(agreement: Agreement, x: Scale) -> tuple[list[str], float]:
    """Return the legend and where it ends."""
    left = x.start
    entries: list[tuple[int | None, str]] = [(None, "Krippendorff's alpha, all coders")]
    if 0 < len(agreement.pairs) <= MOST_PAIRS:
        entries += [(i, f"kappa, {pair.first} and {pair.second}") for i, pair in enumerate(agreement.pairs)]
    elif agreement.pairs:
        entries.append((0, f"kappa of each of {len(agreement.pairs)} pairs of coders"))
    parts, at, y = [], left, 16.0
    for which, words in entries:
        own = wrapped(words, _WIDTH - left - 30, most_lines=1)[0]
        if at > left and at + 30 + width_of(own) > _WIDTH:
            at, y = left, y + 22
        parts.append(dot(at + 6, y - 4) if which is None else mark(at + 6, y - 4, which))
        parts.append(text(at + 18, y, own))
        at += 34 + width_of(own)
    return parts, y + 22


def saturation_plot(saturation: Saturation, *, inline: bool = False) -> str:
    """Draw how many categories so many people name: expected with its band, as observed, and continued."""
    width, left, right, top, bottom = _WIDTH, 64.0, _WIDTH - 20, 64.0, 420.0
    highest = max(
        [p.high or p.categories for p in saturation.expected]
        + [p.categories for p in saturation.extrapolated]
        + [float(max(saturation.observed, default=0)), 1.0]
    )
    most_people = max([p.people for p in (*saturation.expected, *saturation.extrapolated)] + [1])
    step_y, step_x = max(round_step(highest, 6), 1.0), max(round_step(float(most_people), 8), 1.0)
    x = Scale(low=0, high=float(most_people), start=left, end=right)
    y = Scale(low=0, high=ceil(round(highest / step_y, 9)) * step_y, start=bottom, end=top)
    ticks_x = [i * step_x for i in range(floor(most_people / step_x) + 1)]
    ticks_y = [i * step_y for i in range(round(y.high / step_y) + 1)]
    parts = [line(left, y(t), right, y(t), "grid" if t else "zero") for t in ticks_y]
    parts += [text(left - 8, y(t) + 5, f"{t:g}", "quiet", anchor="end", size=SMALL) for t in ticks_y]
    parts += [text(x(t), bottom + 18, f"{t:g}", "quiet", anchor="middle", size=SMALL) for t in ticks_x]
    expected = saturation.expected
    if expected:
        upper = [(x(p.people), y(p.high or p.categories)) for p in expected]
        lower = [(x(p.people), y(p.categories if p.low is None else p.low)) for p in reversed(expected)]
        parts.append(area([*upper, *lower], "band"))
        now = x(saturation.people)
        parts.append(line(now, top, now, bottom, "zero", dashes="2 4"))
        parts.append(text(now - 6, bottom - 10, f"{saturation.people} asked", "quiet", anchor="end"))
    if saturation.observed:
        steps = list(enumerate(saturation.observed, start=1))
        parts.append(polyline([(x(i), y(n)) for i, n in _thinned(steps)], "quiet", width=1.3, dashes="2 2"))
    if len(expected) > 1:
        parts.append(polyline([(x(p.people), y(p.categories)) for p in expected], "interval", width=2.4))
    elif expected:
        parts.append(dot(x(expected[0].people), y(expected[0].categories)))
    if len(saturation.extrapolated) > 1:
        beyond = [(x(p.people), y(p.categories)) for p in saturation.extrapolated]
        parts.append(polyline(beyond, "interval", width=2.4, dashes="9 6"))
    parts += _saturation_legend(saturation, left)
    who = _people(saturation)
    parts.append(text((left + right) / 2, bottom + 42, f"{who} asked", "quiet", anchor="middle"))
    parts.append(text(left - 40, top - 14, "categories named", "quiet"))
    title = (
        f"Categories named by so many {who}: {saturation.categories} by {saturation.people} asked, with the "
        "expected number for fewer (95 % band) and for up to twice as many"
    )
    return picture(parts, width, bottom + 54, title, inline=inline)


def _thinned(steps: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the first and last place of every level: between them the line is flat."""
    return [
        step
        for i, step in enumerate(steps)
        if i in (0, len(steps) - 1) or steps[i - 1][1] != step[1] or steps[i + 1][1] != step[1]
    ]


def _saturation_legend(saturation: Saturation, left: float) -> list[str]:
    entries = [("expected, in any order, 95 % band", "interval", 2.4, "")]
    if saturation.observed:
        entries.append(("in the order of answering", "quiet", 1.3, "2 2"))
    if len(saturation.extrapolated) > 1:
        entries.append(("if more are asked", "interval", 2.4, "9 6"))
    parts, at = [], left - 40
    for words, kind, width, dashes in entries:
        parts.append(line(at, 15, at + 34, 15, kind, width=width, dashes=dashes))
        parts.append(text(at + 42, 20, words))
        at += 62 + width_of(words)
    return parts


def ratings_plot(opinions: Opinions, *, inline: bool = False, most: int = MOST_ROWS) -> str:
    """Draw, for each attribute, who finds it acceptable, cannot say, or does not; the most acceptable first."""
    rated = sorted((o for o in opinions.attributes if o.acceptable), key=_acceptable, reverse=True)
    rows = rated[:most]
    x = Scale(low=0.0, high=1.0, start=_LEFT, end=_WIDTH - 60)
    parts, at = [], _LEFT
    for words, kind in (("acceptable", "for"), ("cannot say", "neutral"), ("not acceptable", "against")):
        parts += [bar(at, at + 14, 8, 13, kind), text(at + 20, 20, words)]
        at += 44 + width_of(words)
    parts.append(text(_WIDTH - 2, 20, "rated by", "quiet", anchor="end", size=SMALL))
    y = top = 40.0
    for opinion in rows:
        drawn, height = _rating_row(opinion, x, y)
        parts.append(drawn)
        y += height
    if not rows:
        parts.append(text(_LEFT, y + LINE, "Nobody has rated anything.", "quiet"))
        y += 2 * LINE
    ticks = (0, 0.25, 0.5, 0.75, 1)
    grid = [line(x(t), top - 6, x(t), y, "grid") for t in ticks]
    axis = [text(x(t), y + 18, f"{100 * t:g} %", "quiet", anchor="middle", size=SMALL) for t in ticks]
    y += 28
    if len(rated) > len(rows):
        words = f"{len(rated) - len(rows)} more attributes, no more acceptable, are not drawn"
        axis.append(text((x.start + x.end) / 2, y + 14, words, "quiet", anchor="middle"))
        y += 22
    title = (
        f"Shares of those who rated each of {len(rows)} attributes: acceptable, cannot say, not acceptable"
    )
    return picture([*grid, *parts, *axis], _WIDTH, y + 6, title, inline=inline)


def _acceptable(opinion: AttributeOpinion) -> float:
    return opinion.acceptable.value if opinion.acceptable else 0.0


def _rating_row(opinion: AttributeOpinion, x: Scale, y: float) -> tuple[str, float]:
    words, height = _words(opinion.label, y)
    middle = y + height / 2
    parts, start, said = [words], 0.0, []
    for share, kind, name in (
        (opinion.acceptable, "for", "acceptable"),
        (opinion.cannot_say, "neutral", "cannot say"),
        (opinion.not_acceptable, "against", "not acceptable"),
    ):
        if share is None:
            continue
        end = start + share.value
        parts.append(bar(x(start), x(end), middle - _BAR / 2, _BAR, kind))
        number = f"{100 * share.value:.0f}"
        if share.value >= 0.06:
            # Light letters on the dark bar, dark ones on the light: read in gray print, too.
            letters = "paper" if kind == "for" else "mark"
            parts.append(
                text((x(start) + x(end)) / 2, middle + 4.5, number, letters, anchor="middle", size=SMALL)
            )
        said.append(f"{name} {number} %")
        start = end
    parts.append(text(_WIDTH - 2, middle + 5, str(opinion.rated), anchor="end", size=SMALL))
    return _group(f"{opinion.label}: {', '.join(said)} of {opinion.rated}", parts), height + _ROW - 2
