"""The sections of a report: a heading, words, and pictures with the numbers under each."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from exchange.outcomes.curve_plots import pool_size_plot, rank_distribution_plot, waiting_plot
from exchange.outcomes.groups import BLOOD_GROUP_CLASS as CLASS
from exchange.outcomes.groups import CROSSED, PROFILE
from exchange.outcomes.marginal_effects import MarginalEffect
from exchange.outcomes.outcome import EVERYBODY, Measure, Outcome
from exchange.outcomes.outcome_plots import (
    MEASURE_WORDS,
    SHARES,
    condition_plot,
    difference_plot,
    effects_plot,
    order_plot,
    panels_plot,
    price_plot,
    shares_plot,
)
from exchange.outcomes.price import PriceOfPriority
from exchange.outcomes.published import PublishedTest
from exchange.outcomes.report_tables import (
    CROSS,
    DataTable,
    Shown,
    days_table,
    effects_table,
    equality_table,
    gains_table,
    outcome_table,
    p_words,
    price_table,
    published_table,
    ranks_table,
    seeds_table,
    waits_table,
)
from exchange.outcomes.report_text import order_words
from exchange.outcomes.run_curves import Curve, waiting_curve
from exchange.outcomes.svg_plots import Picture
from exchange.outcomes.waiting import GroupCurves

_AGREES = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A picture with its numbers, or numbers alone."""

    picture: Picture | None = None
    file: str = ""
    """Name of the picture's file; empty without a picture."""
    table: DataTable


_MOST_CURVES = 8
"""More than these cannot be followed in one picture."""
_LONGEST_SLUG = 80
"""Two of them and the rest stay below what systems take as a file name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A part of the page."""

    heading: str
    paragraphs: tuple[str, ...]
    figures: tuple[Figure, ...]


def sections(
    shown: Shown,
    *,
    outcomes: Sequence[Outcome],
    waiting: Sequence[GroupCurves],
    pool_sizes: Sequence[Curve],
    ranks: Sequence[Curve],
    effects: Sequence[MarginalEffect],
    prices: Sequence[PriceOfPriority],
    tests: Mapping[str, PublishedTest],
) -> list[Section]:
    """Return the sections of one scenario; those without any number are left out."""
    found = [
        _profiles(shown, outcomes),
        _classes(shown, outcomes),
        _order(shown, outcomes),
        _price(shown, prices),
        _effects(shown, effects),
        _waiting(shown, outcomes, waiting),
        _ranks(shown, outcomes, ranks),
        _other_groups(shown, outcomes),
        _equality(shown, outcomes),
        _pool_size(shown, pool_sizes),
        _seeds(shown, outcomes),
        _published(shown, tests),
    ]
    return [section for section in found if section.figures]


def _profiles(shown: Shown, outcomes: Sequence[Outcome]) -> Section:
    figures = _shares(shown, outcomes, PROFILE)
    table = outcome_table(shown, outcomes, PROFILE, shown.measure, baseline=shown.baseline)
    if table.rows:
        picture = difference_plot(
            outcomes,
            shown.drawn,
            baseline=shown.baseline,
            grouping=PROFILE,
            measure=shown.measure,
            words=shown.words,
        )
        figures.append(Figure(picture=picture, file=f"{_done(shown)}-by-profile-difference.svg", table=table))
    return Section(
        heading=f"Who is {_done(shown)}, by profile",
        paragraphs=(
            f"The {MEASURE_WORDS[shown.measure]}, under each condition.",
            *(
                f"The second picture has the differences from {shown.baseline}, taken run by run between the same "
                "people, which chance moves less than the shares. A bar that crosses 0 leaves open whether there "
                "is one."
                for _ in figures[1:]
            ),
        ),
        figures=tuple(figures),
    )


def _classes(shown: Shown, outcomes: Sequence[Outcome]) -> Section:
    figures = _shares(shown, outcomes, CLASS)
    crossed = [o for o in outcomes if o.grouping == CROSSED and CROSS in o.group and not o.baseline]
    panels = []
    for name in dict.fromkeys(o.group.split(CROSS)[0] for o in crossed):
        own = [o for o in crossed if o.group.split(CROSS)[0] == name]
        panels.append((name, [replace(o, grouping=PROFILE, group=o.group.split(CROSS, 1)[1]) for o in own]))
    if panels:
        picture = panels_plot(
            panels,
            shown.drawn,
            grouping=PROFILE,
            by="blood-group class",
            measure=shown.measure,
            words=shown.words,
        )
        table = outcome_table(shown, outcomes, CROSSED, shown.measure)
        file = f"{_done(shown)}-by-blood-group-class-and-profile.svg"
        figures.append(Figure(picture=picture, file=file, table=table))
    return Section(
        heading="By blood-group class",
        paragraphs=(
            "Over-demanded pairs bring a donor whom more patients could use than their own patient, under-demanded "
            "pairs the reverse (Roth, Sönmez, Ünver 2007). Self-demanded: donor and patient have the same group; "
            "reciprocal: A and B.",
        ),
        figures=tuple(figures),
    )


def _order(shown: Shown, outcomes: Sequence[Outcome]) -> Section:
    kinds = {name: kind for name, kind in shown.order_kinds.items() if name in shown.conditions}
    if len(set(kinds.values())) == len(kinds):
        kinds = {}  # No two are of one kind, so nothing could be told from them.
    drawn = {name: kind for name, kind in kinds.items() if name in shown.drawn}
    table = outcome_table(shown, outcomes, PROFILE, shown.measure, only=list(kinds))
    figures = []
    if drawn and table.rows:
        picture = order_plot(outcomes, shown.drawn, drawn, measure=shown.measure, words=shown.words)
        table = replace(table, caption=f"{table.caption}; weights in the same or another order")
        figures.append(Figure(picture=picture, file="order-of-weights.svg", table=table))
    return Section(
        heading="Does anything but the order of the weights matter?",
        paragraphs=(
            "Each line is one set of weights. Where lines of a panel lie on each other, weights in the same order "
            "do the same, whatever their values; gray lines repeat the other panels.",
            *order_words(outcomes, kinds, shown.measure, shown.words),
        ),
        figures=tuple(figures),
    )


def _price(shown: Shown, prices: Sequence[PriceOfPriority]) -> Section:
    own = [p for p in prices if p.condition in shown.conditions]
    figures = []
    if own:
        figures = [
            Figure(picture=price_plot(own, shown.drawn), file="price.svg", table=price_table(shown, own)),
            Figure(table=gains_table(shown, own)),
        ]
    return Section(
        heading="The price of priority",
        paragraphs=(
            f"Transplants given up each year against {shown.baseline}, and what they buy: transplants that each "
            "profile gains or loses.",
        ),
        figures=tuple(figures),
    )


def _effects(shown: Shown, effects: Sequence[MarginalEffect]) -> Section:
    figures = []
    for measure in dict.fromkeys(e.measure for e in effects):
        own = [e for e in effects if e.measure is measure]
        picture = effects_plot(own, shown.drawn, measure)
        file = f"effects-on-{'transplants' if measure in SHARES else 'waiting'}.svg"
        figures.append(Figure(picture=picture, file=file, table=effects_table(shown, own, measure)))
    return Section(
        heading="What each level of an attribute changes",
        paragraphs=(
            "What it makes for a patient to have one level rather than another, all else equal: patients with the "
            "same other attributes are compared, and combinations count as often as they occur. Profiles are drawn "
            "independently of blood group, cPRA and arrival, so these are effects of the weights, not of who has "
            "which profile.",
        ),
        figures=tuple(figures),
    )


def _waiting(shown: Shown, outcomes: Sequence[Outcome], waiting: Sequence[GroupCurves]) -> Section:
    figures = []
    everybody = [
        waiting_curve(g, g.condition)
        for g in waiting
        if g.grouping == EVERYBODY and g.condition in shown.drawn
    ]
    if everybody:
        picture = waiting_plot(everybody, shown.drawn)
        table = waits_table(shown, outcomes, EVERYBODY, shown.conditions)
        figures.append(Figure(picture=picture, file="waiting.svg", table=table))
    with_priority = [c for c in shown.drawn if c != shown.baseline] or list(shown.drawn)
    by_profile = [
        waiting_curve(g, g.group)
        for g in waiting
        if g.grouping == PROFILE and g.condition == with_priority[0]
    ]
    if len(by_profile) > _MOST_CURVES:
        by_profile = []
    if by_profile:
        labels = [curve.label for curve in by_profile]
        title = f"Share of patients without a transplant, by profile, under {with_priority[0]}"
        picture = waiting_plot(by_profile, labels, title=title, words=shown.words)
        table = waits_table(shown, outcomes, PROFILE, with_priority[:1])
        figures.append(Figure(picture=picture, file="waiting-by-profile.svg", table=table))
    second = f" The second picture has the profiles under {with_priority[0]}." if by_profile else ""
    return Section(
        heading="How long patients wait",
        paragraphs=(
            "Kaplan-Meier curves: the share of patients who would still have no transplant if nobody left. All "
            f"runs’ patients together, without bands, since patients of a run are not independent.{second}",
        ),
        figures=tuple(figures),
    )


def _ranks(shown: Shown, outcomes: Sequence[Outcome], ranks: Sequence[Curve]) -> Section:
    figures = []
    table = outcome_table(shown, outcomes, EVERYBODY, Measure.AVERAGE_RANK)
    if table.rows:
        picture = condition_plot(outcomes, shown.drawn, Measure.AVERAGE_RANK)
        figures.append(Figure(picture=picture, file="average-rank.svg", table=table))
    own = [curve for curve in ranks if curve.label in shown.conditions]
    if own:
        picture = rank_distribution_plot([c for c in own if c.label in shown.drawn], shown.drawn)
        figures.append(Figure(picture=picture, file="rank-distribution.svg", table=ranks_table(own)))
    return Section(
        heading="What donors would have preferred",
        paragraphs=(
            "Every donor has an own order of the profiles. A rank of 1 means that the donor’s kidney goes to a "
            "patient of the profile that this donor likes best.",
        ),
        figures=tuple(figures),
    )


def _other_groups(shown: Shown, outcomes: Sequence[Outcome]) -> Section:
    others = dict.fromkeys(
        o.grouping for o in outcomes if o.grouping not in (EVERYBODY, PROFILE, CLASS, CROSSED)
    )
    return Section(
        heading="By attribute, blood group and sensitization",
        paragraphs=(f"The {MEASURE_WORDS[shown.measure]} in other groups of patients.",),
        figures=tuple(figure for grouping in others for figure in _shares(shown, outcomes, grouping)),
    )


def _equality(shown: Shown, outcomes: Sequence[Outcome]) -> Section:
    table = equality_table(shown, outcomes)
    return Section(
        heading="How equal the chances are",
        paragraphs=(
            "0 points, a ratio of 1 and a Gini coefficient of 0 mean that every group is transplanted equally "
            "often. Chance alone makes shares of a run differ a little: even equal chances do not reach these.",
        ),
        figures=(Figure(table=table),) if table.rows else (),
    )


def _pool_size(shown: Shown, pool_sizes: Sequence[Curve]) -> Section:
    own = [curve for curve in pool_sizes if curve.label in shown.conditions]
    figures = []
    if own:
        picture = pool_size_plot([c for c in own if c.label in shown.drawn], shown.drawn)
        figures.append(Figure(picture=picture, file="pool-over-time.svg", table=days_table(own)))
    return Section(
        heading="The pool over time",
        paragraphs=("Pairs who wait at the end of each day: means over runs with 95 % intervals.",),
        figures=tuple(figures),
    )


def _seeds(shown: Shown, outcomes: Sequence[Outcome]) -> Section:
    table = seeds_table(shown, outcomes)
    return Section(
        heading="How many seeds",
        paragraphs=(
            "What the runs so far say about the number of seeds that narrower intervals need. The spread between "
            "runs is itself uncertain: in brackets the number if it is as great as its upper 90 % bound.",
        ),
        figures=(Figure(table=table),) if table.rows else (),
    )


def _published(shown: Shown, tests: Mapping[str, PublishedTest]) -> Section:
    return Section(
        heading="Agreement with published numbers",
        paragraphs=(
            *(_test_words(name, test) for name, test in tests.items()),
            f"Of {len(tests)} tests of numbers that truly agree, about one in twenty has a p below .05.",
        ),
        figures=(Figure(table=published_table(shown, list(tests.values()))),) if tests else (),
    )


def _test_words(name: str, test: PublishedTest) -> str:
    numbers = f"{test.df} number{'s' * (test.df != 1)}"
    verdict = (
        "chance alone could explain the difference"
        if test.p >= _AGREES
        else "chance alone would hardly make a difference as great"
    )
    return f"{name}: χ² = {test.chi_square:.1f} over {numbers}, p = {p_words(test.p)}; {verdict}."


def _shares(shown: Shown, outcomes: Sequence[Outcome], grouping: str) -> list[Figure]:
    table = outcome_table(shown, outcomes, grouping, shown.measure)
    if not table.rows:
        return []
    picture = shares_plot(outcomes, shown.drawn, grouping=grouping, measure=shown.measure, words=shown.words)
    return [Figure(picture=picture, file=f"{_done(shown)}-by-{slug(grouping)}.svg", table=table)]


def slug(name: str) -> str:
    """Return a name as a part of a file name. Different names may give the same."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:_LONGEST_SLUG].strip("-") or "unnamed"


def _done(shown: Shown) -> str:
    return "matched" if shown.measure is Measure.MATCHED_SHARE else "transplanted"
