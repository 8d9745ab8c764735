"""How far models are from people: agreement, place among people, distances, what differs most. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from exchange.outcomes.dot_plots import Scale
from llm_compare.report.alignment_plots import PEOPLE, Bars, Row, choices_plot, dots_plot
from llm_compare.report.blocks import Block, Figure, Section, Table
from llm_compare.report.model_tables import Shown, by_model
from llm_compare.report.number_words import (
    NARROW,
    Record,
    change,
    counted,
    over_splits,
    percent,
    plain,
    points,
    share,
    size,
    whole,
)

MOST_LISTED = 40
"""Comparisons in a table; more are in the file."""
MOST_DRAWN = 10
"""Comparisons in a picture: as many as fit a page of paper."""

PERCENT = Scale(words="share of cases, with 95 % intervals", factor=100, unit=" %", is_share=True)


def closeness_section(shown: Shown) -> Section:
    """Return the section on distance and agreement."""
    heading = "How far from people"
    if shown.missing:
        return Section(heading=heading, blocks=(shown.missing,))
    return Section(
        heading=heading,
        blocks=(
            "Indecision is a choice like the others throughout: two indecisions agree, an indecision and a "
            "decision "
            "do not. Every comparison counts alike, however many answered it. Beside every number stands "
            "what people "
            "reach among themselves.",
        ),
        parts=(
            Section(heading="Same answers", blocks=tuple(_agreement(shown))),
            Section(heading="Place among people", blocks=tuple(_standing(shown))),
            Section(heading="Distance between shares of choices", blocks=tuple(_distances(shown))),
            *(
                Section(heading=f"Where they differ most: {m['label']}", blocks=tuple(_comparisons(m)))
                for m in shown.aligned
            ),
        ),
    )


def _agreement(shown: Shown) -> Iterator[Block]:
    yield (
        "How often one answer of the model equals one answer of a person drawn at random; for people, how often "
        "those of two different people are equal. A respondent that always gave the most frequent answer "
        "would lie "
        "above people, so being above is no sign of being like a person."
    )
    rows = [
        Row(group=m["label"], condition=who, measured=m["alignment"]["agreement"]["with_random_person"][key])
        for m in shown.aligned
        for who, key in ((PEOPLE, "people"), ("the model", "model"))
    ]
    looks = dict(zip((PEOPLE, "the model"), list(shown.looks.values())[:2], strict=True))
    title = "Same answer as a random person"
    yield Figure(
        picture=dots_plot([("", rows)], looks, PERCENT, title=title),
        table=_beside(shown, "with_random_person", f"{title}, beside two people; 95 % intervals"),
    )
    yield _beside(
        shown,
        "answers_with_majority",
        "Answers that equal the people’s most frequent choice; a person is held against the majority of all "
        "others",
    )
    yield _beside(
        shown,
        "kappa",
        "Same answer beyond what the rates of indecision alone give (kappa): 1 full agreement, 0 chance",
        is_share=False,
    )
    yield by_model(
        shown,
        "Most frequent choices that are the same; in brackets the range over random halvings of the people",
        (
            "Model and all people",
            "Two halves of the people",
            "Model and such a half",
            "Left out: no majority",
        ),
        lambda a: (
            share(a["agreement"]["modal_with_majority"]["model"]),
            over_splits(a["agreement"]["modal_with_majority"]["people_halves"], percent),
            over_splits(a["agreement"]["modal_with_majority"]["model_halves"], percent),
            counted(a["agreement"]["n_without_majority"], "comparison"),
        ),
        n_of=lambda a: a["agreement"]["modal_with_majority"]["model"],
    )


def _beside(shown: Shown, measure: str, caption: str, *, is_share: bool = True) -> Table:
    value, difference = (share, points) if is_share else (size, change)
    return by_model(
        shown,
        caption,
        ("Model", "People", "Difference"),
        lambda a: (
            value(a["agreement"][measure]["model"]),
            value(a["agreement"][measure]["people"]),
            difference(a["agreement"][measure]["difference"]),
        ),
        n_of=lambda a: a["agreement"][measure]["model"],
    )


def _standing(shown: Shown) -> Iterator[Block]:
    yield (
        "Each person is held against all others, the model against the same others on the same comparisons. The "
        f"percentile is the share of people who agree less with the others than the model does; 50{NARROW}% "
        "is the "
        "middle person. Where people gave few answers, chance makes much of the differences between them and "
        "draws "
        f"the percentile toward 50{NARROW}%."
    )
    yield by_model(
        shown,
        "The model among the people",
        (
            "Percentile",
            "Agreement of the model",
            "Agreement of persons",
            "People clearly farther",
            "People clearly nearer",
            "Chance in the differences",
            "People ranked",
        ),
        lambda a: (
            share(a["percentile"]["percentile"]),
            share(a["percentile"]["model_agreement"]),
            share(a["percentile"]["person_agreement"]),
            percent(a["percentile"]["clearly_farther"]),
            percent(a["percentile"]["clearly_nearer"]),
            percent(a["percentile"]["noise_share"]),
            f"{whole(a['percentile']['n_persons'])} ({whole(a['percentile']['n_left_out'])} gave too few "
            "answers)",
        ),
        n_of=lambda a: a["percentile"]["percentile"],
    )


def _distances(shown: Shown) -> Iterator[Block]:
    yield (
        "Half of the people differ from the other half, too: those columns say by how much. Total variation and "
        "divergence are never 0 by chance; the squared distance is corrected for chance, so that it is 0 on "
        "average "
        "for identical sources and may be negative."
    )
    for measure, name in (
        ("total_variation", "Total variation, 0 to 1"),
        ("squared", "Squared distance, corrected for chance, 0 to 2"),
        ("jensen_shannon_bits", "Jensen-Shannon divergence in bits, 0 to 1"),
    ):
        yield by_model(
            shown,
            f"{name}; 95 % intervals, and ranges over random halvings of the people",
            ("Model from people", "Half of people from the other", "Model from such a half"),
            _of(
                measure,
                lambda d: (
                    size(d["model"], 3),
                    over_splits(d["people_halves"], _three),
                    over_splits(d["model_halves"], _three),
                ),
            ),
            n_of=_model_of(measure),
        )
    uncorrected = [
        m["label"] for m in shown.aligned if not m["alignment"]["distance"]["squared_corrected_for_replies"]
    ]
    if uncorrected:
        yield (
            f"No comparison has two replies of {', '.join(uncorrected)}: the squared distance is then that of "
            "these "
            "very replies, not corrected for chance in them."
        )
    for measure, name in (
        ("log_score_bits", "Log score in bits, 0 is best"),
        ("brier", "Brier score, 0 is best, 2 worst"),
    ):
        yield by_model(
            shown,
            f"How well the model’s shares foretell single people’s answers. {name}",
            (
                "Model",
                "People’s own rate, alike everywhere",
                "Model less that",
                "All choices alike",
                "Half of people for the other",
                "Model for such a half",
            ),
            _of(
                measure,
                lambda d: (
                    size(d["model"], 3),
                    size(d["marginal"], 3),
                    change(d["model_minus_marginal"], 3),
                    plain(d["uniform"], 3),
                    over_splits(d["people_halves"], _three),
                    over_splits(d["model_halves"], _three),
                ),
            ),
            n_of=_model_of(measure),
            folded=f"{name.split(',')[0]}: how well the model’s shares foretell answers",
        )


def _of(measure: str, cells: Callable[[Record], Sequence[str]]) -> Callable[[Record], Sequence[str]]:
    return lambda alignment: cells(alignment["distance"][measure])


def _model_of(measure: str) -> Callable[[Record], Record]:
    return lambda alignment: dict(alignment["distance"][measure]["model"])


def _three(value: float | None) -> str:
    return plain(value, 3)


def _comparisons(model: Record) -> Iterator[Block]:
    counts = [
        c for c in model["alignment"]["distance"]["comparisons"] if sum(c["people"]) and sum(c["model"])
    ]
    ranked = sorted(counts, key=lambda c: (-_apart(c), c["comparison"]))
    listed, drawn = ranked[:MOST_LISTED], ranked[:MOST_DRAWN]
    if not listed:
        yield "No comparison was answered by both."
        return
    of = (
        f" of {counted(len(counts), 'comparison')}"
        if len(counts) > len(drawn)
        else " comparisons, all there are,"
    )
    more = (
        f" The table has the {whole(len(listed))} that differ most; all {whole(len(counts))} are in "
        "the JSON file."
        if len(counts) > len(listed)
        else ""
    )
    yield (
        f"The {whole(len(drawn))}{of} with the greatest distance between the shares as answered. "
        f"Picked by the answers themselves: part of the distance is chance.{more}"
    )
    names = model["comparisons"]
    bars = [
        Bars(
            first=names[c["comparison"]]["first"],
            second=names[c["comparison"]]["second"],
            people=_shares(c["people"]),
            model=_shares(c["model"]),
        )
        for c in drawn
    ]
    yield Figure(
        picture=choices_plot(bars, label=model["label"]),
        table=Table(
            caption=f"Choices per comparison, people and {model['label']}, the most different first",
            head=(
                "Left one",
                "Right one",
                "People: left, right, undecided",
                "Model",
                "Total variation",
                "Answers",
            ),
            rows=tuple(
                (
                    names[c["comparison"]]["first"],
                    names[c["comparison"]]["second"],
                    _in_percent(c["people"]),
                    _in_percent(c["model"]),
                    plain(_apart(c)),
                    f"{whole(sum(c['people']))} of people, {whole(sum(c['model']))} of the model",
                )
                for c in listed
            ),
            is_words=True,
        ),
    )


def _shares(counts: Sequence[float]) -> list[float]:
    return [n / sum(counts) for n in counts]


def _apart(counts: Record) -> float:
    pairs = zip(_shares(counts["people"]), _shares(counts["model"]), strict=True)
    return sum(abs(p - m) for p, m in pairs) / 2


def _in_percent(counts: Sequence[float]) -> str:
    return " / ".join(f"{100 * s:.0f}" for s in _shares(counts)) + f"{NARROW}%"
