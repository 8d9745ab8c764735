"""How alike a respondent's answers are: where candidates stand, repeats, the list's order, both tasks. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from llm_compare.allocation.report.allocation_plots import Grid, positions_plot
from llm_compare.allocation.report.shown import Shown, beside_chance, by_grouping, p_text
from llm_compare.report.blocks import Block, Figure, Section, Table
from llm_compare.report.number_words import Record, change, percent, plain, points, share, size, whole

_TASKS = (("choices", "choose-one"), ("rankings", "rank-all"))


def stability_section(shown: Shown) -> Section:
    """Return the section on stability."""
    heading = "How stable the answers are"
    answered = [(r, part, words) for r in shown.respondents for part, words in _TASKS if r[part]]
    if not answered:
        return Section(heading=heading, blocks=("Nobody chose among candidates or ranked them.",))
    return Section(
        heading=heading,
        blocks=(
            "Every number stands beside what random answers in as many trials give: sorting candidates "
            "by the very ranks that are then counted makes a diagonal of nothing.",
        ),
        parts=(
            *_ranked(shown.having("rankings")),
            *_chosen(shown.having("choices")),
            _agreement(answered),
            _rows(answered),
            *_columns(answered),
        ),
    )


def _ranked(respondents: Sequence[Record]) -> Iterator[Section]:
    if not respondents:
        return
    n = len(respondents[0]["rankings"]["stability"]["matrix"])
    figure = Figure(
        picture=positions_plot(
            [Grid(title=r["name"], values=r["rankings"]["stability"]["matrix"]) for r in respondents],
            title="How often the candidate of each mean rank stands at each rank, as in the paper’s Fig. 2",
        ),
        table=Table(
            caption="Percent of trials in which the candidate of a mean rank (rows) stands at each rank "
            "(columns)",
            head=("Respondent, candidate by mean rank", *(str(k + 1) for k in range(n))),
            rows=tuple(
                (f"{r['name']}: {i + 1}", *(f"{100 * v:.0f}" for v in line))
                for r in respondents
                for i, line in enumerate(r["rankings"]["stability"]["matrix"])
            ),
        ),
    )
    table = Table(
        caption="Stability of rankings; chance: random rankings in as many trials",
        head=(
            "Respondent",
            "Best mean rank is first",
            "Most frequent first is first",
            "At its expected rank",
            "Upper third",
            "Middle third",
            "Lower third",
        ),
        rows=tuple(
            (
                r["name"],
                *(
                    beside_chance(r["rankings"]["stability"][name])
                    for name in ("expected_first", "favorite_first", "diagonal", "upper", "middle", "lower")
                ),
            )
            for r in respondents
        ),
    )
    yield Section(heading="Where candidates stand", blocks=(figure, table))


def _chosen(respondents: Sequence[Record]) -> Iterator[Section]:
    if not respondents:
        return
    yield Section(
        heading="Choices",
        blocks=(
            Table(
                caption="Stability of choices; chance: random choices in as many trials",
                head=("Respondent", "Favorite is chosen", "Entropy of choices", "Trials", "Problems"),
                rows=tuple(
                    (
                        r["name"],
                        beside_chance(found["favorite"]),
                        beside_chance(found["entropy"], is_share=False),
                        whole(found["n_trials"]),
                        whole(found["n_problems"]),
                    )
                    for r in respondents
                    for found in [r["choices"]["stability"]]
                ),
            ),
        ),
    )


_Answered = list[tuple[Record, str, str]]


def _agreement(answered: _Answered) -> Section:
    rows = [
        (f"{r['name']}, {words}: {name}", a) for r, part, words in answered for name, a in _pairs(r[part])
    ]
    return Section(
        heading="Two answers to the same problem",
        blocks=(
            "Asked again word for word, and with the rows in another order. Kendall’s tau and the "
            "overlap are of rankings; the overlap (RBO, extrapolated, persistence 0.9) weighs the first "
            "ranks most.",
            Table(
                caption="Agreement between two answers; in brackets 95 % intervals over problems",
                head=(
                    "Respondent, task, measure",
                    "Same row order",
                    "Other row order",
                    "Difference",
                    "By chance",
                ),
                rows=tuple(
                    (
                        name,
                        size(a["same_order"]),
                        size(a["other_order"]),
                        change(a["difference"]),
                        plain(a["by_chance"]),
                    )
                    for name, a in rows
                ),
            ),
        ),
    )


def _pairs(found: Record) -> Iterator[tuple[str, Record]]:
    agreement = found["agreement"]
    if "kendall" not in agreement:
        yield "same candidate chosen", agreement
        return
    yield "Kendall’s tau", agreement["kendall"]
    yield "overlap", agreement["overlap"]
    yield "same candidate first", agreement["first"]


def _rows(answered: _Answered) -> Section:
    blocks: list[Block] = [
        Table(
            caption="Where in the list those stood who were chosen, or ranked first; p by drawing the "
            "row orders anew",
            head=(
                "Respondent, task",
                "Mean row",
                "If the order meant nothing",
                "p",
                "First third",
                "Middle",
                "Last third",
            ),
            rows=tuple(
                (
                    f"{r['name']}, {words}",
                    size(rows["mean_row"], 1),
                    plain(rows["chance_row"], 1),
                    p_text(rows["mean_row"]["p"]),
                    *(share(rows[third]) for third in ("upper", "middle", "lower")),
                )
                for r, part, words in answered
                for rows in [r[part]["rows"]]
            ),
        )
    ]
    slopes = [(r["name"], r["rankings"]["slope"]) for r, part, _ in answered if part == "rankings"]
    if slopes:
        blocks.append(
            Table(
                caption="By how many ranks a candidate falls for each row further down; 1 copies the list; p by "
                "drawing the row orders anew",
                head=("Respondent", "Slope", "p"),
                rows=tuple((name, change(slope), p_text(slope["p"])) for name, slope in slopes),
                folded="The whole ranking along the rows",
            )
        )
    return Section(heading="The order of the rows", blocks=tuple(blocks))


def _columns(answered: _Answered) -> Iterator[Section]:
    found = [
        (f"{r['name']}, {words}", r[part]["columns"]) for r, part, words in answered if r[part]["columns"]
    ]
    if not found:
        return
    yield Section(
        heading="The order of the columns",
        blocks=(
            Table(
                caption="Chance that two answers to the same list, rows in the same order, put the same "
                "one first",
                head=("Respondent, task", "Same columns", "Other order", "Difference", "Orders", "Trials"),
                rows=tuple(
                    (
                        name,
                        share(c["same"]),
                        share(c["other"]),
                        points(c["difference"]),
                        whole(c["n_orders"]),
                        whole(c["n_trials"]),
                    )
                    for name, c in found
                ),
            ),
        ),
    )


def tasks_section(shown: Shown) -> Section:
    """Return the section on choose-one against rank-all."""
    heading = "Choosing and ranking"
    both = shown.having("both")
    if not both:
        return Section(
            heading=heading,
            blocks=(
                "Nobody did both tasks, so whether whom one chooses is whom one ranks first is not known.",
            ),
        )
    return Section(
        heading=heading,
        blocks=(
            Table(
                caption="Whether the chosen is the one ranked first; in brackets 95 % intervals over "
                "problems; p of the distance: trials dealt anew between the tasks",
                head=(
                    "Respondent",
                    "A choice and a first rank agree",
                    "Two choices agree",
                    "Two first ranks agree",
                    "Lost between tasks",
                    "Same favorite",
                    "Distance of shares",
                    "p",
                ),
                rows=tuple(
                    (
                        r["name"],
                        share(found["agreement"]),
                        percent(found["ceiling_choose_one"]["value"]),
                        percent(found["ceiling_rank_all"]["value"]),
                        points(found["shortfall"]),
                        share(found["favorites_coincide"]),
                        beside_chance(found["distance"], is_share=False),
                        p_text(found["distance"]["observed"]["p"]),
                    )
                    for r in both
                    for found in [r["both"]["dependence"]]
                ),
            ),
            *(_in_tasks(both, grouping) for grouping in shown.groupings),
        ),
    )


def _in_tasks(both: Sequence[Record], grouping: str) -> Table:
    return Table(
        caption=f"Share less pool share in both tasks, by {grouping}; in brackets 95 % intervals over "
        "problems, not corrected for several groups",
        head=("Respondent, group", "Choose-one", "First of rank-all", "Difference", "Together"),
        rows=tuple(
            (
                f"{r['name']}: {g['group']}",
                points(g["choose_one"]),
                points(g["rank_all"]),
                points(g["difference"]),
                g["verdict"],
            )
            for r in both
            for g in by_grouping(r["both"]["groups"], grouping)["groups"]
        ),
        folded=f"Groups in both tasks, by {grouping}",
    )
