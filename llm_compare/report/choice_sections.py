"""Who is chosen: effects and weights of attributes, models beside people. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from exchange.outcomes.dot_plots import Scale
from llm_compare.report.alignment_plots import PEOPLE, Row, dots_plot
from llm_compare.report.blocks import Block, Figure, Points, Section, Table
from llm_compare.report.closeness_sections import PERCENT
from llm_compare.report.model_tables import Shown, by_model, told
from llm_compare.report.number_words import (
    Reason,
    Record,
    change,
    p_words,
    plain,
    points,
    share,
    size,
    whole,
)


def effects_section(shown: Shown) -> Section:
    """Return the section on what counts, and how much."""
    heading = "Who is chosen"
    if shown.missing:
        return Section(heading=heading, blocks=(shown.missing,))
    return Section(
        heading=heading,
        blocks=(
            "The effect of a level: of two patients alike in all else, the share of choices for the one with the "
            "level less that for the other; indecision counts half for each. 0 means that it changes "
            "nothing.",
            Points(
                sentences=tuple(
                    told(m["label"], m["alignment"]["effects"]["sentence"])
                    for m in shown.aligned
                    if m["alignment"]["effects"]["sentence"]
                )
            ),
            *_effects(shown),
        ),
        parts=(
            Section(heading="Which attribute differs", blocks=tuple(_attribute_tests(shown))),
            Section(heading="Weights of attributes", blocks=tuple(_coefficients(shown))),
        ),
    )


def _effects(shown: Shown) -> Iterator[Block]:
    first = shown.aligned[0]["alignment"]["effects"]["attributes"]
    levels = [(attribute, level) for attribute in first for level in attribute["levels"]]
    words = {level["name"]: f"{attribute['label']}: {level['contrast']}" for attribute, level in levels}
    same_people = all(
        [lv["people"] for at in m["alignment"]["effects"]["attributes"] for lv in at["levels"]]
        == [lv["people"] for _, lv in levels]
        for m in shown.aligned
    )
    rows = [Row(group=lv["name"], condition=PEOPLE, measured=lv["people"]) for _, lv in levels]
    rows += [
        Row(group=lv["name"], condition=m["label"], measured=lv["model"])
        for m in shown.aligned
        for at in m["alignment"]["effects"]["attributes"]
        for lv in at["levels"]
    ]
    if not levels:
        yield "The comparisons in common vary no attribute."
        return
    scale = Scale(
        words="change of the share of choices, in points, with 95 % intervals", factor=100, is_difference=True
    )
    yield Figure(
        picture=dots_plot(
            [("", rows)], shown.looks, scale, title="Effects of attributes on choices", words=words
        ),
        table=Table(
            caption="Effects in points (hundredths of the share of choices), 95 % intervals",
            head=("Attribute", "Model", "People", "The model", "Difference", "Measured on"),
            rows=tuple(
                (
                    f"{at['label']}: {lv['contrast']}",
                    m["label"],
                    points(lv["people"], has_unit=False),
                    points(lv["model"], has_unit=False),
                    points(lv["difference"], has_unit=False),
                    shown.sample(lv["model"]),
                )
                for number, (_, level) in enumerate(levels)
                for m in shown.aligned
                for at, lv in [_level(m, number)]
            ),
        ),
    )
    if not same_people:
        yield (
            "The models were asked different comparisons, so people’s effects differ from model to model; the "
            "picture shows those beside the first, the table all."
        )


def _level(model: Record, number: int) -> tuple[Record, Record]:
    every = [(at, lv) for at in model["alignment"]["effects"]["attributes"] for lv in at["levels"]]
    return every[number]


def _attribute_tests(shown: Shown) -> Iterator[Block]:
    yield (
        "Is there any difference in the effects of an attribute? Wald’s test over draws of people and "
        "comparisons; "
        "the last p is adjusted (Holm) for having looked at every attribute."
    )
    yield Table(
        caption="Difference between people and model, attribute by attribute",
        head=("Attribute", "Model", "Length of the difference", "p", "p adjusted"),
        rows=tuple(
            (
                at["label"],
                m["label"],
                _or(at["distance"], at["reason"], plain),
                _or(at["p"], at["reason"], p_words),
                _or(at["adjusted_p"], at["reason"], p_words),
            )
            for m in shown.aligned
            for at in m["alignment"]["effects"]["attributes"]
        ),
    )
    yield by_model(
        shown,
        "All effects together: distance 0 is the same effects, direction 1 the same proportions",
        ("Distance", "Squared, corrected for chance", "Direction", "Decisiveness of people", "Of the model"),
        lambda a: (
            size(a["effects"]["distance"]),
            plain(a["effects"]["squared_distance"], 3),
            size(a["effects"]["direction"]),
            size(a["effects"]["people_decisiveness"]),
            size(a["effects"]["model_decisiveness"]),
        ),
        n_of=lambda a: a["effects"]["distance"],
    )
    yield by_model(
        shown,
        "The same between random halves of the people, and from the model to such a half: means over halvings",
        ("Distance of halves", "Model to a half", "Direction of halves", "Model to a half", "Halvings"),
        lambda a: _halves(a["effects"]["halves"]),
    )


def _halves(halves: Record | None) -> tuple[str, ...]:
    if halves is None:
        return (Reason("not known: halves of the people cannot tell the effects"), *(["–"] * 4))
    return (
        plain(halves["halves_distance"]),
        plain(halves["model_distance"]),
        plain(halves["halves_direction"]),
        plain(halves["model_direction"]),
        whole(halves["n_splits"]),
    )


def _or(value: float | None, reason: str, form: Callable[[float | None], str]) -> str:
    if value is None:
        return Reason(f"not known: {reason or 'not defined for these answers'}")
    return form(value)


def _coefficients(shown: Shown) -> Iterator[Block]:
    yield (
        "From a logit of the choices, each side divided by its own scale, so that what is compared is what "
        "counts, "
        "not how decided a respondent is. An attribute’s share is the greatest difference that it makes, of "
        "the sum "
        "of all attributes’."
    )
    known = [m for m in shown.aligned if not m["alignment"]["coefficients"]["reason"]]
    for m in shown.aligned:
        c = m["alignment"]["coefficients"]
        if c["reason"]:
            yield told(m["label"], c["reason"])
        if c["regularized"]:
            yield told(f"{m['label']} and people beside it", c["regularized"])
        for left in c["left_out"]:
            yield told(m["label"], f"{left['attribute']} is left out, {left['reason']}")
    if not known:
        return
    labels = [a["label"] for a in known[0]["alignment"]["coefficients"]["attributes"]]
    rows = [
        Row(group=a["label"], condition=PEOPLE, measured=a["share"]["people"])
        for a in known[0]["alignment"]["coefficients"]["attributes"]
    ]
    rows += [
        Row(group=a["label"], condition=m["label"], measured=a["share"]["model"])
        for m in known
        for a in m["alignment"]["coefficients"]["attributes"]
        if a["label"] in labels
    ]
    title = "Share of each attribute in all that attributes do"
    yield Figure(
        picture=dots_plot([("", rows)], shown.looks, PERCENT, title=title),
        table=Table(
            caption=f"{title}, 95 % intervals",
            head=("Attribute", "Model", "People", "The model", "Difference", "Measured on"),
            rows=tuple(
                (
                    a["label"],
                    m["label"],
                    share(a["share"]["people"]),
                    share(a["share"]["model"]),
                    points(a["share"]["difference"]),
                    shown.sample(a["share"]["model"]),
                )
                for m in known
                for a in m["alignment"]["coefficients"]["attributes"]
            ),
        ),
    )
    numbers = []
    for m in known:
        c = m["alignment"]["coefficients"]
        named = [(x["contrast"], x["normalized"]) for x in c["coefficients"]]
        named += [
            (words, c[key])
            for key, words in (
                ("scale", "Scale (decisiveness), log-strength"),
                ("position", "Standing on the left, log-strength"),
                ("pull", "Pull of indecision, log-odds"),
            )
            if c[key] is not None
        ]
        numbers += [
            (
                words,
                m["label"],
                change(b["people"]),
                change(b["model"]),
                change(b["difference"]),
                shown.sample(b["model"]),
            )
            for words, b in named
        ]
    yield Table(
        caption="Normalized coefficients, scale, position and pull of indecision; 95 % intervals",
        head=("Coefficient", "Model", "People", "The model", "Difference", "Measured on"),
        rows=tuple(numbers),
        folded="All coefficients",
    )
    ranks = [(m, m["alignment"]["coefficients"]["ranks"]) for m in known]
    if any(r for _, r in ranks):
        yield Table(
            caption="Patients in the order of their weights",
            head=("Model", "Kendall’s τ with people", "Spearman’s ρ", "Patients", "Moved most"),
            rows=tuple(
                (
                    m["label"],
                    change(r["kendall"]),
                    change(r["spearman"]),
                    whole(r["n_profiles"]),
                    "nobody"
                    if r["moved_most"] is None
                    else Reason(
                        f"{r['moved_most']['profile']}: place {plain_place(r['moved_most']['people_place'])} for "
                        f"people, {plain_place(r['moved_most']['model_place'])} for the model"
                    ),
                )
                for m, r in ranks
                if r is not None
            ),
        )


def plain_place(place: float) -> str:
    """Return a place in an order; equal weights share the mean of their places."""
    return f"{place:g}"
