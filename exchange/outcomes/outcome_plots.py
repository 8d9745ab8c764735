"""Pictures of outcomes: who is matched, by group and condition, and what changes from the baseline."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from math import isfinite

from exchange.outcomes.dot_plots import Dot, Panel, Scale, dot_drawing
from exchange.outcomes.marginal_effects import MarginalEffect
from exchange.outcomes.outcome import EVERYBODY, Measure, Outcome
from exchange.outcomes.price import PriceOfPriority
from exchange.outcomes.svg_plots import Drawing, looks_of, styled

MEASURE_WORDS: Mapping[Measure, str] = {
    Measure.SEEN: "patients who arrived, per run",
    Measure.MATCHED: "times a patient was matched, per run",
    Measure.TRANSPLANTED: "patients transplanted, per run",
    Measure.LEFT: "patients who left without a transplant, per run",
    Measure.WAITING: "patients still waiting at the end, per run",
    Measure.MATCHED_PER_SEEN: "matches per patient",
    Measure.MATCHED_SHARE: "share of patients matched",
    Measure.TRANSPLANTED_SHARE: "share of patients transplanted",
    Measure.LEFT_SHARE: "share of patients who left without a transplant",
    Measure.MEDIAN_WAIT: "median days until the transplant",
    Measure.MEAN_WAIT: "mean days waited within the first year",
    Measure.WAIT_OF_TRANSPLANTED: "mean days waited by those transplanted",
    Measure.DAYS_IN_POOL: "mean days in the pool",
    Measure.WITHIN_YEAR: "share of patients transplanted within a year",
    Measure.AVERAGE_RANK: "average rank of the recipient, 1 is best",
    Measure.FIRST_RANK_SHARE: "share of matches with the giver's first choice",
    Measure.GINI: "Gini coefficient of the chances",
    Measure.RATIO: "smallest share over the greatest",
    Measure.RANGE: "greatest share minus the smallest",
}
"""What is on the axis, for a measure."""

SHARES = frozenset(
    {
        Measure.MATCHED_SHARE,
        Measure.TRANSPLANTED_SHARE,
        Measure.LEFT_SHARE,
        Measure.WITHIN_YEAR,
        Measure.FIRST_RANK_SHARE,
        Measure.RANGE,
    }
)
"""Measures that are read in percent, and their differences in points."""


def shown_interval(outcome: Outcome) -> tuple[float, float]:
    """Return the ends of an interval as people read them: no share of fewer than nobody, or of more than all.

    Student's t knows no such limits.
    """
    if outcome.measure not in SHARES or outcome.baseline or not isfinite(outcome.low + outcome.high):
        return outcome.low, outcome.high
    return max(outcome.low, 0.0), min(outcome.high, 1.0)


@styled
def shares_plot(
    outcomes: Iterable[Outcome],
    conditions: Sequence[str],
    *,
    grouping: str,
    measure: Measure = Measure.TRANSPLANTED_SHARE,
    words: Mapping[str, str] | None = None,
) -> Drawing:
    """Draw a measure by group, the conditions side by side with 95 % intervals.

    By profile, with and without priorities, this is the main figure of Freedman et al. (2020).

    Parameters
    ----------
    outcomes
        Of these, those of the grouping and measure that are no differences.
    conditions
        All that any picture shows, in the order that gives each its look.
    words
        Of groups, in place of their names.
    """
    return dot_drawing(
        [Panel(dots=_dots(outcomes, conditions, grouping, measure))],
        looks_of(conditions),
        _scale(measure),
        title=f"{first_upper(MEASURE_WORDS[measure])}, by {grouping_words(grouping)}",
        words=words,
    )


@styled
def panels_plot(
    panels: Sequence[tuple[str, Sequence[Outcome]]],
    conditions: Sequence[str],
    *,
    grouping: str,
    by: str,
    measure: Measure = Measure.TRANSPLANTED_SHARE,
    words: Mapping[str, str] | None = None,
) -> Drawing:
    """Draw a measure by group in a panel for each class of patients, such as blood-group classes.

    Parameters
    ----------
    panels
        (class, outcomes of its patients by ``grouping``).
    by
        What the classes are, in words.
    """
    return dot_drawing(
        [Panel(title=name, dots=_dots(rows, conditions, grouping, measure)) for name, rows in panels],
        looks_of(conditions),
        _scale(measure),
        title=f"{first_upper(MEASURE_WORDS[measure])}, by {grouping_words(grouping)} and {by}",
        words=words,
    )


@styled
def order_plot(
    outcomes: Iterable[Outcome],
    conditions: Sequence[str],
    kinds: Mapping[str, str],
    *,
    measure: Measure = Measure.TRANSPLANTED_SHARE,
    words: Mapping[str, str] | None = None,
) -> Drawing:
    """Draw shares by profile in a panel for each kind of weights: same order, other order, equal.

    A line joins the profiles of a condition. Where only the order matters, the lines within a panel lie on each
    other. Lines of the other panels are repeated in gray.

    Parameters
    ----------
    kinds
        What each condition's weights are, by condition; panels come in the order in which kinds first do.
        Conditions without a kind are left out.
    """
    shown = [name for name in conditions if name in kinds]
    dots = _dots(outcomes, shown, "profile", measure)
    panels = []
    for kind in dict.fromkeys(kinds[name] for name in shown):
        own = [dot for dot in dots if kinds[dot.condition] == kind]
        others = [dot for dot in dots if kinds[dot.condition] != kind]
        panels.append(Panel(title=kind, dots=own, shadows=others))
    return dot_drawing(
        panels,
        looks_of(conditions),
        _scale(measure),
        title=f"{first_upper(MEASURE_WORDS[measure])}, by profile, for weights in the same or another order",
        words=words,
        has_lines=True,
    )


@styled
def condition_plot(outcomes: Iterable[Outcome], conditions: Sequence[str], measure: Measure) -> Drawing:
    """Draw one number per condition, about all patients, such as the average rank."""
    dots = [replace(dot, group=dot.condition) for dot in _dots(outcomes, conditions, EVERYBODY, measure)]
    title = f"{first_upper(MEASURE_WORDS[measure])}, by condition"
    return dot_drawing([Panel(dots=dots)], looks_of(conditions), _scale(measure), title=title)


@styled
def difference_plot(
    outcomes: Iterable[Outcome],
    conditions: Sequence[str],
    *,
    baseline: str,
    grouping: str,
    measure: Measure = Measure.TRANSPLANTED_SHARE,
    words: Mapping[str, str] | None = None,
) -> Drawing:
    """Draw how far each condition is from the baseline, run by run with the same seed, by group."""
    unit = "points" if measure in SHARES else ""
    name = f"{MEASURE_WORDS[measure]}: difference from {baseline}{', ' * bool(unit)}{unit}"
    return dot_drawing(
        [Panel(dots=_dots(outcomes, conditions, grouping, measure, baseline=baseline))],
        looks_of(conditions),
        Scale(words=name, factor=100.0 if unit else 1.0, is_difference=True),
        title=f"{first_upper(name)}, by {grouping_words(grouping)}",
        words=words,
    )


@styled
def effects_plot(effects: Iterable[MarginalEffect], conditions: Sequence[str], measure: Measure) -> Drawing:
    """Draw what each level of each attribute changes for a patient, against the attribute's first level.

    Parameters
    ----------
    measure
        ``TRANSPLANTED_SHARE``, drawn in points, or ``MEAN_WAIT``, in days.
    """
    dots = [
        Dot(group=effect_words(e), condition=e.condition, value=e.value, low=e.low, high=e.high)
        for e in effects
        if e.measure is measure and e.condition in conditions
    ]
    is_share = measure in SHARES
    axis = f"change of the {MEASURE_WORDS[measure]}{', points' if is_share else ''}"
    return dot_drawing(
        [Panel(dots=dots)],
        looks_of(conditions),
        Scale(words=axis, factor=100.0 if is_share else 1.0, is_difference=True),
        title=f"What a level of an attribute changes: {axis}",
    )


@styled
def price_plot(prices: Iterable[PriceOfPriority], conditions: Sequence[str]) -> Drawing:
    """Draw how many transplants a year each condition gives up against the baseline."""
    shown = [price for price in prices if price.condition in conditions]
    dots = [
        Dot(group=p.condition, condition=p.condition, value=year.value, low=year.low, high=year.high)
        for p, year in ((p, p.given_up_per_year) for p in shown)
    ]
    against = f", against {shown[0].baseline}" if shown else ""
    axis = f"transplants given up per year{against}"
    return dot_drawing(
        [Panel(dots=dots)],
        looks_of(conditions),
        Scale(words=axis, is_difference=True),
        title=f"{first_upper(axis)}, with 95 % intervals",
    )


def effect_words(effect: MarginalEffect) -> str:
    """Return what is compared: ``drinking: frequent rather than rare``."""
    return f"{effect.attribute}: {effect.level} rather than {effect.reference}"


def grouping_words(grouping: str) -> str:
    """Return what a grouping is called in a sentence: ``blood_group_class`` is a blood-group class."""
    known = {"blood_group_class": "blood-group class", "cpra_band": "cPRA band", EVERYBODY: "condition"}
    return known.get(grouping, grouping.replace("_", " "))


def _dots(
    outcomes: Iterable[Outcome],
    conditions: Sequence[str],
    grouping: str,
    measure: Measure,
    *,
    baseline: str = "",
) -> list[Dot]:
    return [
        Dot(group=o.group, condition=o.condition, value=o.value, low=low, high=high)
        for o, (low, high) in ((o, shown_interval(o)) for o in outcomes)
        if (o.grouping, o.measure, o.baseline) == (grouping, measure, baseline) and o.condition in conditions
    ]


def _scale(measure: Measure) -> Scale:
    if measure in SHARES:
        return Scale(words=f"{MEASURE_WORDS[measure]} (95 % interval)", factor=100, unit=" %", is_share=True)
    return Scale(words=f"{MEASURE_WORDS[measure]} (95 % interval)")


def first_upper(text: str) -> str:
    """Return words with an upper-case first letter."""
    return text[:1].upper() + text[1:]
