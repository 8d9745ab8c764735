"""How the numbers change with the size of the training set, on each held-out part. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from exchange.outcomes.svg_plots import Look, Picture, looks_of
from llm_compare.report.blocks import Block, Figure, Section, Table
from llm_compare.report.number_words import Record, counted, percent, whole
from llm_compare.tuning.report.curve_plots import Line, Panel, curves_plot
from llm_compare.tuning.report.shown import (
    AGREEMENT,
    BASE,
    CONSTANT,
    DISTANCE,
    INDECISION,
    KNOWS_WHERE,
    LIKELIEST,
    LOG_SCORE,
    LOST,
    PEOPLE,
    RESPONDENT_WORDS,
    SIDES,
    SMALLEST,
    TUNED,
    WEIGHTS,
    Shown,
    change_of,
    is_share,
    number_of,
    value_of,
    words_of,
)

_DRAWN = (LOG_SCORE, LIKELIEST, INDECISION, KNOWS_WHERE, DISTANCE, AGREEMENT, SIDES, LOST)
_ORDER = (TUNED, WEIGHTS, CONSTANT)


def curve_section(shown: Shown) -> Section:
    """Return the section with the learning curves."""
    heading = "Learning curve"
    if shown.main_test is None:
        return Section(heading=heading, blocks=("Nothing was measured on held-out answers.",))
    asked = {e["test"] for e in shown.record["curve"]}
    return Section(
        heading=heading,
        blocks=(
            "Every number is about people’s answers that no training set holds. Intervals over draws say "
            "what another draw of training answers of the same size would change; they do not say what other "
            "people would. All are drawn from the same training answers: the larger the draws, the more answers "
            "they share, and draws of all answers differ in their order and in the weights that training starts "
            "with, if at all. The base was asked once: its interval is over people and comparisons. The "
            "attribute-based model is fitted to the very same answers, so it says what a handful of numbers "
            "would do.",
        ),
        parts=tuple(
            Section(heading=_capital(t["words"]), blocks=tuple(_of_test(shown, t)))
            for t in shown.tests
            if t["name"] in asked
        ),
    )


def _of_test(shown: Shown, test: Record) -> Iterator[Block]:
    undecided = test["indecision"]
    several = test["n_with_several_people"]
    yield (
        f"{counted(test['n_answers'], 'answer')} of {_people(test['n_people'])} to "
        f"{counted(test['n_comparisons'], 'comparison')}, {whole(several)} of them answered by several "
        "people. "
        + (
            "Indecision was not on offer."
            if undecided is None
            else f"People are undecided in {percent(undecided)} of cases, every comparison counting alike."
        )
    )
    theirs = number_of(shown.people(test), AGREEMENT)
    if theirs["value"] is None:
        yield f"How often two people give the same answer here is {words_of(AGREEMENT, theirs)}."
    drawn = [m for m in shown.measures if m["key"] in _DRAWN]
    drawn.sort(key=lambda m: _DRAWN.index(m["key"]))
    yield Figure(picture=_picture(shown, test, drawn), table=_table(shown, test, drawn, "The numbers drawn"))
    # As many as fit on paper; differences in the other two are in the file.
    yield from _differences(shown, test, [m for m in drawn if m["key"] not in (DISTANCE, AGREEMENT)])
    others = [m for m in shown.measures if m["key"] not in _DRAWN]
    if others:
        yield _table(shown, test, others, "Other measures", folded="All other measures")


def _people(n: int | None) -> str:
    if n is None:
        return "an unknown number of people"
    return "1 person" if n == 1 else f"{whole(n)} people"


def looks() -> Mapping[str, Look]:
    """Return how everybody looks, in every picture of curves the same; the tuned model's line is unbroken."""
    found = dict(looks_of([RESPONDENT_WORDS[who] for who in (PEOPLE, *_ORDER)]))
    people, tuned = RESPONDENT_WORDS[PEOPLE], RESPONDENT_WORDS[TUNED]
    dashes = found[tuned].dashes
    found[tuned] = replace(found[tuned], dashes=found[people].dashes)
    found[people] = replace(found[people], dashes=dashes, marker="")
    return found


def _picture(shown: Shown, test: Record, measures: Sequence[Record]) -> Picture:
    people = shown.people(test)
    noun = "answers" if shown.record["training"]["labels"] == "answers" else "comparisons"
    return curves_plot(
        [
            Panel(
                title=f"{m['name']}, in points" if m["key"] == LOST else m["name"],
                lines=[
                    Line(
                        name=RESPONDENT_WORDS[who],
                        points=[
                            (e["size"], value_of(e, m["key"]))
                            for e in shown.curve(test["name"], who)
                            if value_of(e, m["key"])["value"] is not None
                        ],
                        is_band=who == TUNED,
                    )
                    for who in reversed(_ORDER)
                ],
                level=number_of(people, m["key"])["value"],
                factor=100 if is_share(m["key"]) or m["key"] == LOST else 1,
                unit=" %" if is_share(m["key"]) else "",
            )
            for m in measures
        ],
        looks(),
        title=f"Learning curve: {test['words']}",
        across=f"{noun} in the training set, on a logarithmic scale; “before” is the untuned base",
        level_name=RESPONDENT_WORDS[PEOPLE],
    )


def _table(
    shown: Shown, test: Record, measures: Sequence[Record], caption: str, *, folded: str = ""
) -> Table:
    rows = [
        (
            f"{_who(who, e)}",
            *(words_of(m["key"], value_of(e, m["key"])) for m in measures),
            whole(e["n_draws"]),
        )
        for who in _ORDER
        for e in shown.curve(test["name"], who)
    ]
    if people := shown.people(test):
        rows.append(
            (
                _capital(RESPONDENT_WORDS[PEOPLE]),
                *(words_of(m["key"], number_of(people, m["key"])) for m in measures),
                "–",
            )
        )
    return Table(
        caption=f"{caption}, {test['words']}; in brackets 95 % intervals",
        head=("Respondent, size", *(m["name"] for m in measures), "Draws"),
        rows=tuple(rows),
        folded=folded,
    )


def _who(who: str, entry: Record) -> str:
    if not entry["size"]:
        return "Before: the untuned base"
    return f"{_capital(RESPONDENT_WORDS[who])}, {entry['size']:,}"


def _differences(shown: Shown, test: Record, measures: Sequence[Record]) -> Iterator[Block]:
    is_main = test["name"] == (shown.main_test or test)["name"]
    for minus, words in (
        (BASE, "the untuned base"),
        (WEIGHTS, "the attribute-based model"),
        (SMALLEST, "the model tuned on the smallest set"),
    ):
        entries = [
            (e, values)
            for e in shown.curve(test["name"], TUNED)
            if e["size"] and (values := shown.difference(e, minus))
        ]
        known = [
            m
            for m in measures
            if any(number_of(values, m["key"])["value"] is not None for _, values in entries)
        ]
        if known:
            caption = f"The tuned model less {words}, {test['words']}; where 0 is inside, it may be chance"
            yield Table(
                caption=caption,
                head=("Size", *(m["name"] for m in known)),
                rows=tuple(
                    (
                        f"{e['size']:,}",
                        *(change_of(m["key"], number_of(values, m["key"])) for m in known),
                    )
                    for e, values in entries
                ),
                folded="" if is_main else f"Difference from {words}",
            )


def _capital(words: str) -> str:
    return words[0].upper() + words[1:]
