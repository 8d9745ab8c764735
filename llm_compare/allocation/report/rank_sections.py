"""Groups along the whole ranking: at each rank, and where offers are declined down the list. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from llm_compare.allocation.report.allocation_plots import Curve, curves_plot, rank_ticks
from llm_compare.allocation.report.shown import Shown, by_grouping, p_text
from llm_compare.report.blocks import Figure, Section, Table
from llm_compare.report.number_words import Record, percent, plain, points

_REAL = 0.09
"""About so many offers of kidneys are accepted in the United States, see fairness.offers."""


def curves_section(shown: Shown) -> Section:
    """Return the section on groups along the ranks."""
    heading = "Groups along the ranks"
    ranked = shown.having("rankings")
    if not ranked:
        return Section(heading=heading, blocks=("Nobody ranked all candidates.",))
    return Section(
        heading=heading,
        blocks=(
            "As in the paper’s Fig. 3: at each rank, a group’s share of whoever stands there, less its share of "
            "the pool. The gray area is where a curve stays at all ranks at once in 95 % of cases if labels "
            "are dealt at random; a curve within it shows nothing.",
        ),
        parts=tuple(Section(heading=f"By {g}", blocks=(_curves(shown, ranked, g),)) for g in shown.groupings),
    )


def _curves(shown: Shown, ranked: Sequence[Record], grouping: str) -> Figure:
    found = [(r["name"], c) for r in ranked for c in by_grouping(r["rankings"]["curves"], grouping)["curves"]]
    n = shown.record["problems"]["n_candidates"]
    ranks = range(1, n + 1)
    return Figure(
        picture=curves_plot(
            [
                Curve(
                    title=who,
                    name=c["group"],
                    x=list(ranks),
                    values=[d["value"] for d in c["deviation"]],
                    low=[d["low"] for d in c["deviation"]],
                    high=[d["high"] for d in c["deviation"]],
                    chance_low=[-e for e in c["envelope"]],
                    chance_high=list(c["envelope"]),
                )
                for who, c in found
            ],
            title=f"Deviation from the pool at each rank, by {grouping}",
            across="rank",
            upward="points above the pool",
            ticks=rank_ticks(n),
            n_groups=len(shown.sizes(grouping)["groups"]),
        ),
        table=Table(
            caption="Points above the group’s share of the pool, at each rank; ± where labels dealt at random "
            "keep 95 % of curves; p: share of them that go as far",
            head=("Respondent, group", "p", *(str(rank) for rank in ranks)),
            rows=tuple(
                (
                    f"{who}: {c['group']}",
                    p_text(c["p"]),
                    *(
                        "–"
                        if d["value"] is None
                        else f"{100 * d['value']:+.0f} ±{100 * e:.0f}".replace("-", "−")
                        for d, e in zip(c["deviation"], c["envelope"], strict=True)
                    ),
                )
                for who, c in found
            ),
        ),
    )


def offers_section(shown: Shown) -> Section:
    """Return the section on offers that may be declined."""
    heading = "Offers that may be declined"
    ranked = shown.having("rankings")
    if not ranked:
        return Section(heading=heading, blocks=("Nobody ranked all candidates.",))
    return Section(
        heading=heading,
        blocks=(
            "A kidney goes to the first on the list who accepts it. If every offer is accepted only the "
            "first rank counts; the more are declined, the more the rest of the ranking counts. Real "
            "kidneys are declined several times: published numbers of refusals come to acceptances of about "
            "9 to 16 % an offer.",
        ),
        parts=tuple(
            Section(heading=f"By {g}", blocks=(_at_two(shown, ranked, g), _offers(shown, ranked, g)))
            for g in shown.groupings
        ),
    )


def _at_two(shown: Shown, ranked: Sequence[Record], grouping: str) -> Table:
    """Return the picture at two of its points: offers as kidneys meet them, and the first always accepting."""
    rows = []
    for r in ranked:
        along = by_grouping(r["rankings"]["offers"], grouping)["points"]
        for at in (min(along, key=lambda p: abs(p["acceptance"] - _REAL)), along[-1]):
            cells = (points(g["difference"], has_unit=False) for g in at["groups"])
            rows.append((f"{r['name']}: {percent(at['acceptance'])}", *cells))
    return Table(
        caption="Share of accepted kidneys less share of the pool, in points; 95 % intervals over problems",
        head=("Respondent, acceptance", *(g["name"] for g in shown.sizes(grouping)["groups"])),
        rows=tuple(rows),
    )


def _offers(shown: Shown, ranked: Sequence[Record], grouping: str) -> Figure:
    found = [(r["name"], by_grouping(r["rankings"]["offers"], grouping)["points"]) for r in ranked]
    names = [g["name"] for g in shown.sizes(grouping)["groups"]]
    return Figure(
        picture=curves_plot(
            [
                Curve(
                    title=who,
                    name=name,
                    x=[100 * point["acceptance"] for point in curve],
                    values=[point["groups"][i]["difference"]["value"] for point in curve],
                    low=[point["groups"][i]["difference"]["low"] for point in curve],
                    high=[point["groups"][i]["difference"]["high"] for point in curve],
                )
                for who, curve in found
                for i, name in enumerate(names)
            ],
            title=f"Share of accepted kidneys less share of the pool, by {grouping}",
            across="percent of offers that are accepted",
            upward="points above the pool",
            ticks=(25, 50, 75, 100),
            n_groups=len(names),
        ),
        table=Table(
            caption="Share of accepted kidneys less share of the pool, in points; 95 % intervals over "
            "problems",
            head=("Respondent, acceptance", *names, "Nobody accepts", "Offers per kidney"),
            rows=tuple(
                (
                    f"{who}: {percent(point['acceptance'])}",
                    *(points(g["difference"], has_unit=False) for g in point["groups"]),
                    percent(point["nobody"]),
                    plain(point["offers"], 1),
                )
                for who, curve in found
                for point in curve
            ),
        ),
        folded="At other acceptances",
    )
