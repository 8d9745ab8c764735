"""Whose answers: tuning on one group of people, tested on each. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from llm_compare.report.blocks import Block, Figure, Section, Table
from llm_compare.report.number_words import Record, percent, whole
from llm_compare.tuning.report.curve_plots import matrix_plot
from llm_compare.tuning.report.shown import (
    ALL,
    INDECISION,
    LIKELIEST,
    LOG_SCORE,
    LOST,
    Shown,
    group_name,
    trained_words,
    value_of,
    words_of,
)

_LISTED = (LIKELIEST, LOG_SCORE, INDECISION, LOST)
_FEWEST_DRAWN = 3
"""Groups, everybody not counted, from which on a picture says more than its table."""
_WAYS = {"separate": "", "persona": ", asked as one of them"}


def groups_section(shown: Shown) -> Section:
    """Return the section on groups of people."""
    heading = "Groups of people"
    groups, rows = shown.record["training"]["groups"], shown.record["groups"]
    if not groups:
        return Section(
            heading=heading,
            blocks=(
                "People were not divided into groups. Shares of everybody’s answers hide who disagrees with "
                "whom: prepare with --group-by or --classes to tune and test by group.",
            ),
        )
    blocks: list[Block] = [
        Table(
            caption="The groups",
            head=("Group", "In words", "Participants", "Share"),
            rows=tuple(
                (g["name"], g["words"], whole(g["n_participants"]), percent(g["share"])) for g in groups
            ),
            is_words=True,
        )
    ]
    if not rows:
        blocks.append("No adapter of a group was asked, so what tuning by group does is not known.")
    return Section(heading=heading, blocks=(*blocks, *_matrices(shown, rows)))


def _matrices(shown: Shown, rows: Sequence[Record]) -> Iterator[Block]:
    """Yield a matrix for each size: who was tuned on whom, and tested on whom."""
    for size in sorted({r["size"] for r in rows}, reverse=True):
        own = [r for r in rows if r["size"] == size]
        tested = list(dict.fromkeys(r["tested_on"] for r in own))
        trained = list(dict.fromkeys((r["trained_on"], r["as"]) for r in own))
        cells = {(r["trained_on"], r["as"], r["tested_on"]): r for r in own}
        caption = (
            f"Tuned on {trained_words(shown.record['training'], size)} of the row, tested on held-out "
            "answers of the column: how often its likeliest answer is that of people of that group; 95 % intervals"
        )
        table = Table(
            caption=caption,
            head=("Tuned on", *(f"tested on: {group_name(t)}" for t in tested)),
            rows=tuple(
                (
                    _trained(*who),
                    *(words_of(LIKELIEST, value_of(cells.get((*who, t)), LIKELIEST)) for t in tested),
                )
                for who in trained
            ),
        )
        if len([t for t in tested if t not in ("", ALL)]) >= _FEWEST_DRAWN:
            yield Figure(
                picture=matrix_plot(
                    [
                        (
                            _trained(*who),
                            [value_of(cells.get((*who, t)), LIKELIEST)["value"] for t in tested],
                        )
                        for who in trained
                    ],
                    [group_name(t) for t in tested],
                    title="Likeliest answer is that of people of a group, by whose answers were tuned on",
                    across="tested on",
                    upward="tuned on",
                ),
                table=table,
            )
        else:
            yield table
        yield _all_measures(shown, own, size)
    if rows:
        yield (
            "A group’s own row being highest in its column would say that its adapter knows something that "
            "everybody’s does not. Groups have fewer answers than everybody: a lower number may be the "
            "smaller sample’s doing."
        )


def _trained(trained_on: str, way: str) -> str:
    return f"{group_name(trained_on)}{_WAYS.get(way, f', {way}')}"


def _all_measures(shown: Shown, rows: Sequence[Record], size: int) -> Table:
    measures = [m for m in shown.measures if m["key"] in _LISTED]
    return Table(
        caption=f"Tuned on {trained_words(shown.record['training'], size)}; 95 % intervals",
        head=("Tuned on, tested on", *(m["name"] for m in measures), "Comparisons", "Draws"),
        rows=tuple(
            (
                f"{_trained(r['trained_on'], r['as'])}; {group_name(r['tested_on'])}",
                *(words_of(m["key"], value_of(r, m["key"])) for m in measures),
                whole(r["n_comparisons"]),
                whole(r["n_draws"]),
            )
            for r in rows
        ),
        folded=f"More measures by group, {trained_words(shown.record['training'], size)}",
    )
