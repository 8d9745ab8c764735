"""How often models are undecided, and where: beside people. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from llm_compare.report.alignment_plots import PEOPLE, Row, calibration_plot, dots_plot
from llm_compare.report.blocks import Block, Figure, Section, Table
from llm_compare.report.closeness_sections import PERCENT
from llm_compare.report.model_tables import Shown, by_model, sentence
from llm_compare.report.number_words import (
    Record,
    change,
    counted,
    over_splits,
    percent,
    points,
    share,
    size,
    whole,
)


def indecision_section(shown: Shown) -> Section:
    """Return the section on indecision."""
    heading = "Indecision"
    if shown.missing:
        return Section(heading=heading, blocks=(shown.missing,))
    with_it = [m for m in shown.aligned if m["alignment"]["indecision"] is not None]
    if not with_it:
        return Section(heading=heading, blocks=("Indecision was not on offer, so there is none to compare.",))
    label = shown.record["study"]["indecision_label"]
    offered = f"“{label}” was offered as an answer like the others. " if label else ""
    own = Shown(record=shown.record, aligned=with_it, looks=shown.looks)
    return Section(
        heading=heading,
        blocks=(
            f"{offered}Refusals and unreadable replies are not indecision; they are counted below.",
            *_rates(own),
        ),
        parts=(
            Section(heading="Where it is hard", blocks=tuple(_by_difficulty(own))),
            Section(
                heading="Does the model know where people are undecided?", blocks=tuple(_calibration(own))
            ),
        ),
    )


def _rates(shown: Shown) -> Iterator[Block]:
    first = shown.aligned[0]["alignment"]["indecision"]
    rows = [Row(group=PEOPLE, condition=PEOPLE, measured=first["people"])]
    rows += [
        Row(group=m["label"], condition=m["label"], measured=m["alignment"]["indecision"]["model"])
        for m in shown.aligned
    ]
    yield Figure(
        picture=dots_plot([("", rows)], shown.looks, PERCENT, title="Share of answers that are indecision"),
        table=by_model(
            shown,
            "Share of answers that are indecision, mean over comparisons; 95 % intervals",
            ("The model", "People, same comparisons", "Difference"),
            lambda a: (
                share(a["indecision"]["model"]),
                share(a["indecision"]["people"]),
                points(a["indecision"]["gap"]),
            ),
            n_of=lambda a: a["indecision"]["gap"],
        ),
    )


def _by_difficulty(shown: Shown) -> Iterator[Block]:
    yield sentence(
        f"Fifths of the comparisons, sorted by {shown.aligned[0]['alignment']['indecision']['sorted_by']}. "
        "1 is the hardest fifth, 5 the easiest"
    )
    looks = dict(zip((PEOPLE, "the model"), list(shown.looks.values())[:2], strict=True))
    panels = [
        (
            m["label"],
            [
                Row(group=_fifth(g["number"]), condition=who, measured=g[key])
                for g in m["alignment"]["indecision"]["by_difficulty"]
                for who, key in ((PEOPLE, "people"), ("the model", "model"))
            ],
        )
        for m in shown.aligned
    ]
    yield Figure(
        picture=dots_plot(
            panels, looks, PERCENT, title="Share of indecision, from hard to easy comparisons", has_lines=True
        ),
        table=Table(
            caption="Share of indecision by difficulty, 95 % intervals",
            head=("Model", "Fifth", "The model", "People", "Difference", "Comparisons"),
            rows=tuple(
                (
                    m["label"],
                    _fifth(g["number"]),
                    share(g["model"]),
                    share(g["people"]),
                    points(g["gap"]),
                    whole(g["n_comparisons"]),
                )
                for m in shown.aligned
                for g in m["alignment"]["indecision"]["by_difficulty"]
            ),
        ),
    )
    yield by_model(
        shown,
        "Indecision in the hardest fifth less that in the easiest",
        ("The model", "People"),
        lambda a: (
            points(a["indecision"]["model_hard_minus_easy"]),
            points(a["indecision"]["people_hard_minus_easy"]),
        ),
        n_of=lambda a: a["indecision"]["model_hard_minus_easy"],
    )


def _fifth(number: int) -> str:
    return {1: "1, hardest", 5: "5, easiest"}.get(number, str(number))


def _calibration(shown: Shown) -> Iterator[Block]:
    yield (
        "Comparisons are grouped by how often the model is undecided; on the dashed line people are undecided as "
        "often. Groups are chosen by shares that scatter, so the points lie flatter than the truth; the "
        "corrected "
        "slope has no such fault. 0.50 under “tells hard ones” knows nothing."
    )
    models = [(m["label"], m["alignment"]["indecision"]["calibration"]["bins"]) for m in shown.aligned]
    yield Figure(
        picture=calibration_plot(models, shown.looks),
        table=Table(
            caption="People’s share of indecision where the model’s is so high, 95 % intervals",
            head=("Model", "The model’s share", "Its mean", "People", "Comparisons"),
            rows=tuple(
                (
                    label,
                    _between(b),
                    percent(b["model"]),
                    share(b["people"]),
                    counted(b["n_comparisons"], "comparison"),
                )
                for label, bins in models
                for b in bins
            ),
        ),
    )
    yield by_model(
        shown,
        "Calibration of indecision",
        (
            "Slope, corrected",
            "Slope as answered",
            "Correlation, corrected",
            "Tells hard ones",
            "A half of the people does",
            "The model, same halves",
        ),
        lambda a: _calibrated(a["indecision"]["calibration"]),
        n_of=lambda a: a["indecision"]["calibration"]["area_under_curve"],
    )


def _calibrated(c: Record) -> tuple[str, ...]:
    return (
        change(c["slope"]),
        change(c["slope_as_observed"]),
        change(c["correlation"]),
        size(c["area_under_curve"]),
        over_splits(c["people_halves"]),
        over_splits(c["model_halves"]),
    )


def _between(b: Record) -> str:
    if b["above"] is None:
        return "never undecided"
    return f"above {percent(b['above'])} to {percent(b['up_to'])}"
