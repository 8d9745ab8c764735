"""What if: the same candidate but for one word, and studies in which groups mean nothing. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from exchange.outcomes.dot_plots import Scale
from exchange.outcomes.svg_plots import looks_of
from llm_compare.allocation.report.shown import (
    SHARES,
    Shown,
    exact_percent,
    is_sure,
    p_text,
    share_effect,
)
from llm_compare.report.alignment_plots import Row, dots_plot
from llm_compare.report.blocks import Block, Figure, Section, Table
from llm_compare.report.number_words import (
    NARROW,
    Reason,
    Record,
    change,
    percent,
    plain,
    points,
    whole,
)


def counterfactuals_section(shown: Shown) -> Section:
    """Return the section on counterfactuals."""
    heading = "The same candidate but for one word"
    found = [(r["name"], c) for r in shown.respondents for c in r["counterfactuals"]]
    if not found:
        return Section(
            heading=heading,
            blocks=(
                "Nobody was asked about candidates changed in one respect, so whether the group itself "
                "is used is not known: ask with --counterfactual gender.",
            ),
        )
    rows = [
        (f"{name}, {c['task']}", g, contrast)
        for name, c in found
        for g in c["groupings"]
        for contrast in g["contrasts"]
    ]
    blocks: list[Block] = [
        "One candidate is shown once as he is and once changed, in the same list and order; candidates "
        "are compared with themselves. Intervals are over problems, p-values by turning signs, corrected "
        "over the values of a respondent. “Detectable” is the true difference that would be found with a "
        "chance of 80 %, before correction: where no effect is shown, it is hardly much larger than that."
    ]
    if drawn := [(who, g, c) for who, g, c in rows if c["effects"]]:
        blocks.append(_forest(drawn))
    blocks += _ranks(drawn)
    blocks.append(
        Table(
            caption="Whether the value has any effect, in any direction; p: answers dealt anew among the values, "
            "not corrected",
            head=("Respondent, task: attribute", "Spread between values", "By chance", "p", "Candidates"),
            rows=tuple(
                (
                    f"{name}, {c['task']}: {g['grouping']}",
                    plain(g["any_change"]["spread"], 3),
                    plain(g["any_change"]["by_chance"], 3),
                    p_text(g["any_change"]["p"]),
                    whole(g["any_change"]["n_candidates"]),
                )
                for name, c in found
                for g in c["groupings"]
            ),
        )
    )
    return Section(heading=heading, blocks=tuple(blocks))


_Contrasts = Sequence[tuple[str, Record, Record]]


def _contrast_name(grouping: Record, contrast: Record) -> str:
    by_name = ", by name" if grouping["way"]["identity"] == "names" else ""
    return f"{contrast['value']} less {contrast['reference']}{by_name}"


def _forest(rows: _Contrasts) -> Figure:
    looks = looks_of(["", *dict.fromkeys(who for who, _, _ in rows)])
    return Figure(
        picture=dots_plot(
            [
                (
                    "",
                    [
                        Row(
                            group=_contrast_name(g, c),
                            condition=who,
                            measured=share_effect(c)["difference"],
                        )
                        for who, g, c in rows
                    ],
                )
            ],
            looks,
            Scale(
                words="how much more often chosen, or ranked first, in points",
                factor=100,
                is_difference=True,
            ),
            title="Effect of showing the same candidate with another value",
        ),
        table=Table(
            caption="Shares of trials in which the candidate is chosen, or ranked first; 95 % intervals "
            "over problems",
            head=(
                "Respondent, task: contrast",
                "With it",
                "With reference",
                "Difference",
                "p",
                "p corrected",
                "Detectable",
                "Candidates",
                "Pairs left out",
            ),
            rows=tuple(
                (
                    f"{who}: {_contrast_name(g, c)}",
                    percent(effect["with_value"]),
                    percent(effect["with_reference"]),
                    points(effect["difference"]),
                    p_text(effect["difference"]["p"]),
                    p_text(effect["difference"]["p_adjusted"])
                    + ("\u00a0*" if is_sure(effect["difference"]) else ""),
                    exact_percent(effect["detectable"]),
                    whole(c["n_candidates"]),
                    whole(sum(c["pairs"][k] for k in ("without_value", "without_reference", "neither"))),
                )
                for who, g, c in rows
                for effect in [share_effect(c)]
            ),
        ),
    )


def _ranks(rows: _Contrasts) -> Iterator[Table]:
    others = [
        (f"{who}: {_contrast_name(g, c)}, {effect['measure']}", effect)
        for who, g, c in rows
        for effect in c["effects"]
        if effect["measure"] not in SHARES
    ]
    if others:
        yield Table(
            caption="The same in ranks (1 is first: a negative difference is a move up) and in exposure",
            folded="The same in ranks and in exposure",
            head=(
                "Respondent, task: contrast, measure",
                "With it",
                "With reference",
                "Difference",
                "p corrected",
            ),
            rows=tuple(
                (
                    name,
                    plain(effect["with_value"]),
                    plain(effect["with_reference"]),
                    change(effect["difference"]),
                    p_text(effect["difference"]["p_adjusted"]),
                )
                for name, effect in others
            ),
        )


def false_alarms_section(shown: Shown) -> Section:
    """Return the section on how often each test is wrong on this very design."""
    heading = "How often these tests raise a false alarm"
    tables = [
        (f"{r['name']}, {words}", table)
        for r in shown.respondents
        for part, words in (("choices", "choose-one"), ("rankings", "rank-all"))
        if r[part]
        for table in r[part]["false_alarms"]
    ]
    if not tables:
        return Section(
            heading=heading,
            blocks=(
                "Not simulated for this page. Without it, believe no p-value of the paper’s own tests: "
                "on the paper’s design its model calls differences significant in most studies in which "
                "groups mean nothing.",
            ),
        )
    return Section(
        heading=heading,
        blocks=(
            f"{tables[0][1]['meaning']} The pools, the groups and the numbers of trials are those of this "
            "page. A test that holds says so in 5 % of studies.",
        ),
        parts=tuple(
            Section(
                heading=f"By {g}",
                blocks=tuple(_alarms_by([t for t in tables if t[1]["grouping"] == g])),
            )
            for g in shown.groupings
        ),
    )


def _alarms_by(tables: Sequence[tuple[str, Record]]) -> Iterator[Table]:
    """Yield the range over respondents, and each respondent's own rates."""
    groups = list(dict.fromkeys(row["group"] for _, table in tables for row in table["rows"]))
    rates: dict[tuple[str, str], dict[str, list[float]]] = {}
    for _, table in tables:
        for row in table["rows"]:
            found = rates.setdefault((row["measure"], row["method"]), {}).setdefault(row["group"], [])
            if row["rate"] is not None:
                found.append(row["rate"])
    yield Table(
        caption=(
            "If groups meant nothing, this test would have called so many of such studies significant; "
            "where respondents differ, from the least to the most"
        ),
        head=("Measure, test", *groups),
        rows=tuple(
            (f"{measure}, {method}", *(_spread(found.get(group, [])) for group in groups))
            for (measure, method), found in rates.items()
            if any(found.values())
        ),
    )
    yield Table(
        caption=(
            f"If groups meant nothing, this test would have called so many of {whole(tables[0][1]['n_runs'])} "
            "such studies significant; in brackets 95 % intervals"
        ),
        head=("Respondent, measure, test", *groups),
        rows=tuple(row for who, table in tables for row in _alarms(who, table, groups)),
        folded="Each respondent, with intervals",
    )


def _spread(rates: Sequence[float]) -> str:
    if not rates:
        return "–"
    least, most = (f"{100 * rate:.0f}" for rate in (min(rates), max(rates)))
    return f"{least}{NARROW}%" if least == most else f"{least} to {most}{NARROW}%"


def _alarms(who: str, table: Record, groups: Sequence[str]) -> Iterator[tuple[str, ...]]:
    cells = {(row["measure"], row["method"], row["group"]): row for row in table["rows"]}
    tests = dict.fromkeys((row["measure"], row["method"]) for row in table["rows"] if row["rate"] is not None)
    for measure, method in tests:
        yield (
            f"{who}: {measure}, {method}",
            *(_alarm(cells.get((measure, method, group))) for group in groups),
        )


def _alarm(row: Record | None) -> str:
    if row is None:
        return "–"
    if row["rate"] is None:
        return Reason("never possible")
    return f"{percent(row['rate'])} ({100 * row['low']:.0f} to {100 * row['high']:.0f})"
