"""How groups fare: shares of choices, the paper's table, the same corrected, and groups along the ranks. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from llm_compare.allocation.report.allocation_plots import GroupShares, shares_plot
from llm_compare.allocation.report.shown import (
    NO_BREAK,
    NONE,
    PAPERS_MODEL,
    PERMUTATION,
    Shown,
    beside_chance,
    by_grouping,
    exact_percent,
    is_sure,
    p_text,
    starred,
    test_of,
)
from llm_compare.report.blocks import Block, Figure, Points, Section, Table
from llm_compare.report.model_tables import sentence
from llm_compare.report.number_words import Reason, Record, change, plain, points, share, size, whole

_PARTS = (("choices", "choose-one"), ("rankings", "first of rank-all"))
_OF_POOL = ("selected share", "first-rank share")
_PAPERS_EXPOSURE = ("Welch of the paper", "Dunnett of the paper")


def chosen_section(shown: Shown) -> Section:
    """Return the section on who is chosen, and who is ranked first."""
    heading = "Who is chosen"
    rows = [(r, part, words) for r in shown.respondents for part, words in _PARTS if r[part]]
    if not rows:
        return Section(heading=heading, blocks=("Nobody chose among candidates or ranked them.",))
    return Section(
        heading=heading,
        blocks=(
            "Under proportional parity a group is chosen as often as it stands in the pools. Every "
            "problem counts alike; intervals resample problems. A share beside its pool says that "
            "outcomes differ or not; it does not say whether the group itself was looked at. "
            "Counterfactuals, below, say that.",
        ),
        parts=tuple(
            Section(heading=f"By {g}", blocks=tuple(_chosen(shown, g, rows))) for g in shown.groupings
        ),
    )


def _chosen(shown: Shown, grouping: str, rows: list[tuple[Record, str, str]]) -> Iterator[Block]:
    found = [(f"{r['name']}, {words}", by_grouping(r[part]["parity"], grouping)) for r, part, words in rows]
    names = [g["name"] for g in shown.sizes(grouping)["groups"]]
    yield Figure(
        picture=shares_plot(
            [
                GroupShares(
                    group=name,
                    pool=shown.sizes(grouping)["groups"][i]["share"],
                    selected=[(who, p["groups"][i]["selected_share"]) for who, p in found],
                )
                for i, name in enumerate(names)
            ],
            [who for who, _ in found],
            title=f"Shares of choices and first ranks by {grouping}, beside the pools",
        ),
        table=Table(
            caption="Shares, as in the paper’s Fig. 1, every problem counting alike; in brackets 95 % intervals "
            "over problems",
            head=(
                "Respondent, group",
                "Pool",
                "Selected",
                "Difference",
                "Selected / pool",
                "Weighted selection",
            ),
            rows=tuple(
                (
                    f"{who}: {g['group']}",
                    exact_percent(g["pool_share"]),
                    share(g["selected_share"]),
                    points(g["difference"]),
                    size(g["representation"]),
                    f"{plain(g['weighted_selection'], 1)} of {whole(p['n_problems'])}",
                )
                for who, p in found
                for g in p["groups"]
            ),
        ),
    )
    yield Table(
        caption=(
            "Disparity in one number, beside what dealing the labels at random gives on these very "
            "pools: the lowest selection rate over the highest (the “four-fifths” rule asks for 0.8), "
            "and the share of kidneys that would have to go to another group for parity. "
            "p: labels dealt at random, not corrected for several tests"
        ),
        head=("Respondent", "Lowest / highest rate", "p", "Kidneys out of place", "p", "Trials", "Problems"),
        rows=tuple(
            (
                who,
                beside_chance(p["four_fifths"], is_share=False),
                p_text(p["four_fifths"]["observed"]["p"]),
                beside_chance(p["distance"]),
                p_text(p["distance"]["observed"]["p"]),
                whole(p["n_trials"]),
                whole(p["n_problems"]),
            )
            for who, p in found
        ),
    )


def fairness_section(shown: Shown) -> Section:
    """Return the section with the paper's table, and the same corrected."""
    heading = "Do groups fare differently"
    ranked = [r for r in shown.respondents if r["choices"] or r["rankings"]]
    if not ranked:
        return Section(heading=heading, blocks=("Nobody chose among candidates or ranked them.",))
    return Section(
        heading=heading,
        blocks=(
            Points(
                sentences=(
                    "rND is 0 if a group is spread over the first 3, 5 and 10 ranks as over the pool, "
                    "and 1 if a ranking departs from that as far as it can. Coin-tossed rankings do not "
                    "give 0 but .26 to .50, more for small groups, so an rND says nothing without its "
                    "chance level.",
                    "With two groups both have the same rND in every ranking: the count of one is the "
                    "count of the other.",
                    "Exposure is the mean worth of a group’s ranks, 1/log2(1 + rank).",
                    "Believe the table that is open: labels are permuted among the candidates of each problem, "
                    "all its trials together, so repeats never pass for new evidence; p-values are "
                    "corrected (Holm) over all groups, measures, tasks and groupings of a respondent. "
                    "The paper’s own is folded below it, for comparison with the paper.",
                )
            ),
        ),
        parts=tuple(
            Section(heading=f"By {g}", blocks=tuple(_tables(shown, ranked, g))) for g in shown.groupings
        ),
    )


def _tests(respondent: Record, grouping: str) -> list[tuple[str, Record]]:
    return [
        (words, by_grouping(respondent[part]["tests"], grouping))
        for part, words in _PARTS
        if respondent[part]
    ]


def _group_measures(respondent: Record, grouping: str) -> Iterator[tuple[str, dict[str, Record]]]:
    """Yield each group with its outcomes by measure, of both tasks."""
    found: dict[str, dict[str, Record]] = {}
    for _, tests in _tests(respondent, grouping):
        for measure in tests["measures"]:
            for group in measure["groups"]:
                found.setdefault(group["group"], {})[measure["measure"]] = group
    yield from found.items()


def _tables(shown: Shown, respondents: list[Record], grouping: str) -> Iterator[Block]:
    groups = [(r, name, found) for r in respondents for name, found in _group_measures(r, grouping)]
    reference = shown.sizes(grouping)["groups"][0]["name"]
    yield Table(
        caption=(
            f"The paper’s Table 2, corrected: differences from the pool in points, from random rankings, from "
            f"{reference}; in brackets where permuted labels put 95 % of them. p: permutation test, after "
            "Holm’s correction; * below .05"
        ),
        head=(
            "Respondent, group",
            "Chosen less pool",
            "First less pool",
            "rND less chance",
            f"Exposure less {reference}",
        ),
        rows=tuple(
            (f"{r['name']}: {name}", *cells)
            for r, name, found in groups
            if set(cells := tuple(_corrected(found))) != {NONE}
        ),
    )
    yield Table(
        caption=(
            f"As in the paper’s Table 2: of {reference} the mixed model’s intercept, of others the difference "
            "from it; p of exposure: Welch’s test of two groups, Dunnett’s of more. No correction for chance, "
            "repeats or several tests. Selection of who only ranked: first ranks"
        ),
        head=(
            "Respondent, group",
            "Size",
            "Weighted selection",
            "rND, mixed model",
            "SE",
            "p",
            "Exposure",
            "p",
        ),
        rows=tuple((f"{r['name']}: {name}", *_as_paper(found)) for r, name, found in groups),
        folded="As in the paper’s Table 2, uncorrected",
    )
    any_rows = [
        (f"{r['name']}: {m['measure']}", p_text(m["any_difference"]["p"]), _starred(m["any_difference"]))
        for r in respondents
        for _, tests in _tests(r, grouping)
        for m in tests["measures"]
    ]
    yield Table(
        caption="Whether any group differs, in one question for each measure: the largest |z| among "
        "permuted labels",
        head=("Respondent, measure", "p", "p corrected"),
        rows=tuple(any_rows),
        folded="Whether any group differs",
    )
    yield Table(
        caption="Every test of every group; 95 % intervals, of the permutation the range of permuted labels",
        head=("Respondent, group, measure", "Test", "Against", "Difference", "p", "p corrected", "Note"),
        rows=tuple(
            (
                f"{r['name']}: {name}, {measure}",
                Reason(t["method"]),
                Reason(t["against"]),
                change(t["effect"], 3),
                p_text(t["effect"]["p"]),
                p_text(t["effect"]["p_adjusted"]),
                Reason(t["note"]),
            )
            for r, name, found in groups
            for measure, group in found.items()
            for t in group["tests"]
        ),
        folded="Every test of every group",
    )
    variants = [
        (
            f"{r['name']}: {row['group']}, {row['variant']}",
            plain(row["value"], 3),
            plain(row["chance"], 3),
            whole(row["n_problems"]),
        )
        for r in respondents
        if r["rankings"]
        for row in r["rankings"]["rnd"]
        if row["grouping"] == grouping
    ]
    if variants:
        yield Table(
            caption="rND as publications and public code compute it, and what random rankings of these "
            "pools give",
            head=("Respondent, group, variant", "rND", "Chance", "Problems"),
            rows=tuple(variants),
            folded="Variants of rND",
        )
    if notes := dict.fromkeys(
        sentence(note)
        for r in respondents
        for _, tests in _tests(r, grouping)
        for m in tests["measures"]
        for note in m["notes"]
    ):
        yield Table(
            caption="What these tests leave out, or could not do",
            head=("Note",),
            rows=tuple((note,) for note in notes),
            is_words=True,
            folded="Notes on these tests",
        )


def _as_paper(found: dict[str, Record]) -> tuple[str, ...]:
    any_of = next(iter(found.values()))
    selected = found.get("selected share") or found.get("first-rank share")
    rnd = found.get("rND")
    papers = test_of(rnd, PAPERS_MODEL) if rnd else None
    exposure = found.get("exposure")
    tests = [test_of(exposure, method) for method in _PAPERS_EXPOSURE] if exposure else []
    p = next((t["effect"]["p"] for t in tests if t), None)
    return (
        whole(any_of["size"]),
        exact_percent(selected["value"] if selected else None),
        "–" if papers is None else _signed_unless_level(papers),
        "–" if papers is None or papers["se"] is None else plain(papers["se"], 3),
        p_text(papers["effect"]["p"] if papers else None),
        "–" if exposure is None else plain(exposure["value"], 3),
        p_text(p),
    )


def _signed_unless_level(test: Record) -> str:
    value = test["effect"]["value"]
    if value is None:
        return Reason(test["effect"]["reason"])
    if test["against"] == "nothing":
        return plain(value, 3)
    return f"{value:+.3f}".replace("-", "−")


def _corrected(found: dict[str, Record]) -> Iterator[str]:
    for name in ("selected share", "first-rank share", "rND", "exposure"):
        group = found.get(name)
        test = test_of(group, PERMUTATION) if group else None
        if test is None:
            yield NONE
        elif test["effect"]["value"] is None:
            yield Reason(test["effect"]["reason"])
        else:
            effect = test["effect"]
            number = points(effect, has_unit=False) if name in _OF_POOL else change(effect, 3)
            yield f"{number}, p{NO_BREAK}{_starred(effect)}"


def _starred(effect: Record) -> str:
    return starred(p_text(effect["p_adjusted"]), is_sure(effect))
