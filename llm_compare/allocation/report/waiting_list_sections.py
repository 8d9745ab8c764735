"""Lists that evolve: to whom kidney after kidney went, beside whom they suited. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from exchange.outcomes.dot_plots import Scale
from exchange.outcomes.svg_plots import looks_of
from llm_compare.allocation.waiting_list.outcomes import Quantity
from llm_compare.report.alignment_plots import Row, dots_plot
from llm_compare.report.blocks import Block, Figure, Section, Table
from llm_compare.report.number_words import Record, change, counted, percent, plain, points, whole

_COUNTS = {
    "kidneys": "Kidneys",
    "accepted": "Accepted",
    "declined_by_all": "Declined by all",
    "suited_nobody": "Suited nobody",
    "without_ranking": "Without a usable ranking",
}


def waiting_list_section(found: Record) -> Section:
    """Return the section on ``waiting_list.json``."""
    scenario = found["scenario"]
    return Section(
        heading="Lists that evolve",
        blocks=(
            f"{counted(scenario['n_episodes'], 'waiting list')} of {found['origin']} candidates, "
            f"{counted(scenario['n_kidneys'], 'kidney')} each, apart from the problems above. Offers go down the "
            f"respondent’s ranking, each accepted with a chance of {percent(scenario['acceptance'])}; who accepts "
            "leaves the list. Everybody meets the same people, kidneys and refusals. Intervals are over lists, of "
            "which there are few, and not corrected for several groups.",
            Table(
                caption="What became of the kidneys",
                head=("Respondent", *_COUNTS.values()),
                rows=tuple(
                    (_name(r), *(whole(r["counts"][count]) for count in _COUNTS))
                    for r in found["respondents"]
                ),
            ),
        ),
        parts=tuple(
            Section(heading=f"By {grouping}", blocks=tuple(_by(found, grouping)))
            for grouping in dict.fromkeys(
                r["grouping"] for r in found["respondents"][0]["rows"] if r["grouping"]
            )
        ),
    )


def _name(respondent: Record) -> str:
    return str(respondent["respondent"]) + ("" if respondent["complete"] else ", not finished")


def _by(found: Record, grouping: str) -> Iterator[Block]:
    cells = {
        (r["respondent"], row["group"], row["quantity"]): row["estimate"]
        for r in found["respondents"]
        for row in r["rows"]
        if row["grouping"] == grouping
    }
    groups = list(dict.fromkeys(group for _, group, _ in cells))
    lines = [(r, group) for r in found["respondents"] for group in groups]
    yield Figure(
        picture=dots_plot(
            [
                (
                    "",
                    [
                        Row(
                            group=group,
                            condition=r["respondent"],
                            measured=cells[r["respondent"], group, Quantity.SURPLUS],
                        )
                        for r, group in lines
                    ],
                )
            ],
            looks_of(["", *(r["respondent"] for r in found["respondents"])]),
            Scale(
                words="share of accepted kidneys less share of those they suited, in points",
                factor=100,
                is_difference=True,
            ),
            title=f"What rankings gave each group beyond lots, by {grouping}",
        ),
        table=Table(
            caption="Suited: the share that lots among those shown would give; days waited by who was transplanted",
            head=(
                "Respondent, group",
                "Of the list",
                "Suited",
                "Accepted",
                "Accepted less suited",
                "Days waited",
            ),
            rows=tuple(
                (
                    f"{_name(r)}: {group}",
                    *(
                        percent(cells[r["respondent"], group, quantity]["value"])
                        for quantity in (Quantity.LIST_SHARE, Quantity.SUITED_SHARE, Quantity.ACCEPTED_SHARE)
                    ),
                    points(cells[r["respondent"], group, Quantity.SURPLUS]),
                    plain(cells[r["respondent"], group, Quantity.DAYS_TO_TRANSPLANT]["value"], 0),
                )
                for r, group in lines
            ),
        ),
    )
    differences = [
        (difference, row["group"], row["estimate"])
        for difference in found["differences"]
        for row in difference["rows"]
        if (row["grouping"], row["quantity"]) == (grouping, Quantity.TRANSPLANT_RATE)
    ]
    shares = {
        (difference["respondent"], row["group"]): row["estimate"]
        for difference in found["differences"]
        for row in difference["rows"]
        if (row["grouping"], row["quantity"]) == (grouping, Quantity.ACCEPTED_SHARE)
    }
    if differences:
        yield Table(
            caption=(
                f"Less {differences[0][0]['baseline']}, on the same lists; in brackets 95 % intervals over lists"
            ),
            head=("Respondent, group", "Share of accepted kidneys", "Transplants per year on the list"),
            rows=tuple(
                (
                    f"{difference['respondent']}: {group}",
                    points(shares[difference["respondent"], group]),
                    change(rate),
                )
                for difference, group, rate in differences
            ),
            folded="Differences from the first respondent",
        )
