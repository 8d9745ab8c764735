"""What models' weights would do in an exchange: a given pool, generated pools, simulated years. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from exchange.outcomes.dot_plots import Scale
from exchange.outcomes.report_text import number, signed
from llm_compare.report.alignment_plots import PEOPLE, Row, dots_plot
from llm_compare.report.blocks import Block, Figure, Points, Section, Table
from llm_compare.report.model_tables import Shown, sentence
from llm_compare.report.number_words import Reason, Record, counted, percent, plain, whole

_EQUAL = "equal weights"
_MATCHED = Scale(words="share of these patients matched", factor=100, unit=" %", is_share=True)


def consequences_section(shown: Shown) -> Section:
    """Return the section on who gains and who loses."""
    heading = "Consequences in a kidney exchange"
    parts = []
    for model in shown.models:
        label = model["measured"]["label"]
        for key, words, blocks in (
            ("pool", "one pool", _pool),
            ("pools", "generated pools", _pools),
            ("years", "simulated years", _years),
        ):
            if model[key] is not None:
                parts.append(
                    Section(heading=f"{words.capitalize()}: {label}", blocks=tuple(blocks(shown, model)))
                )
    if not parts:
        return Section(
            heading=heading,
            blocks=(
                "No exchange was run, so nothing is known about what these differences would do to patients; "
                "give a "
                "pool, generated pools or years to ‘equipoise compare align’.",
            ),
        )
    return Section(
        heading=heading,
        blocks=(
            "The same people are in the exchange under all weights; only the weights differ. A difference is "
            "what "
            "the model’s weights change against people’s.",
        ),
        parts=tuple(parts),
    )


def _pool(shown: Shown, model: Record) -> Iterator[Block]:
    pool, label = model["pool"], model["measured"]["label"]
    yield sentence(
        f"{pool['pool']}: {counted(pool['n_pairs'], 'pair')} and "
        f"{counted(pool['n_ndds'], 'non-directed donor')}, "
        f"policy {pool['policy']}, cycle cap {pool['cycle_cap']}, chain cap {pool['chain_cap']}"
    )
    yield Points(sentences=tuple(sentence(s) for s in pool["sentences"]))
    yield Table(
        caption="The match runs",
        head=("Weights", "Transplants", "Cycles", "Chains", "Proved best"),
        rows=tuple(
            (
                who,
                whole(run["transplants"]),
                whole(run["cycles"]),
                whole(run["chains"]),
                "yes" if run["status"] == "optimal" else Reason(f"no: {run['status']}"),
            )
            for who, run in (
                (PEOPLE, pool["by_people"]),
                (label, pool["by_model"]),
                (_EQUAL, pool["by_equal"]),
            )
        ),
    )
    yield (
        f"Matched under both: {counted(pool['matched_by_both'], 'patient')}; under people’s weights only: "
        f"{whole(pool['matched_by_people_only'])}; under the model’s only: "
        f"{whole(pool['matched_by_model_only'])}. "
        f"Weight that people would have wanted and this match run gives up: {plain(pool['priority_lost'])} "
        "(that of "
        "the best conceivable patient is 1)."
    )
    groups = pool["groups"]
    looks = {PEOPLE: shown.looks[PEOPLE], label: shown.looks[label]}
    rows = [
        Row(group=_key(g), condition=who, measured=_without_interval(g[key] / g["n_patients"]))
        for g in groups
        for who, key in ((PEOPLE, "matched_by_people"), (label, "matched_by_model"))
        if g["n_patients"]
    ]
    title = f"Share of patients matched in the pool, under people’s weights and those of {label}"
    yield Figure(
        picture=dots_plot(
            [("", rows)], looks, _MATCHED, title=title, words={_key(g): _words(g) for g in groups}
        ),
        table=Table(
            caption="Patients matched in the pool, by group",
            head=(
                "Patients",
                "In the pool",
                "People’s weights",
                "The model’s",
                "Equal weights",
                "Difference",
            ),
            rows=tuple(
                (
                    _words(g),
                    whole(g["n_patients"]),
                    whole(g["matched_by_people"]),
                    whole(g["matched_by_model"]),
                    whole(g["matched_by_equal"]),
                    difference_words(g["difference"]),
                )
                for g in groups
            ),
        ),
    )


def _pools(shown: Shown, model: Record) -> Iterator[Block]:
    pools, label = model["pools"], model["measured"]["label"]
    yield sentence(f"{counted(len(pools['seeds']), 'pool')}: {pools['law']}. {pools['profiles_from']}")
    yield Points(sentences=tuple(sentence(s) for s in pools["sentences"]))
    if pools["n_unproved"]:
        yield f"In {counted(pools['n_unproved'], 'pool')} some match run was not proved best within the time limit."
    groups = pools["groups"]
    yield _differences_figure(
        shown,
        label,
        groups,
        "per_hundred",
        title=f"Matched of 100 patients under the weights of {label}, less under people’s: generated pools",
        words="matched of 100 patients, the model’s weights less people’s; 95 % intervals",
        table=Table(
            caption=f"Patients matched over {counted(len(pools['seeds']), 'pool')}; 95 % intervals",
            head=(
                "Patients",
                "Per pool",
                "People’s weights",
                "The model’s",
                "Equal weights",
                "Difference of 100",
            ),
            rows=tuple(
                (
                    _words(g),
                    number(g["patients_per_pool"], 1),
                    percent(g["share_by_people"]),
                    percent(g["share_by_model"]),
                    percent(g["share_by_equal"]),
                    difference_words(g["per_hundred"]),
                )
                for g in groups
            ),
        ),
    )
    yield (
        f"Transplants per pool: {number(pools['transplants_by_people'], 1)} with people’s weights, "
        f"{number(pools['transplants_by_model'], 1)} with the model’s, "
        f"{number(pools['transplants_by_equal'], 1)} with "
        f"equal weights; difference {difference_words(pools['transplants'])}. Patients replaced per pool: "
        f"{number(pools['patients_replaced'], 1)}."
    )


def _years(shown: Shown, model: Record) -> Iterator[Block]:
    years, label = model["years"], model["measured"]["label"]
    world = years["world"]
    n_runs = len(world["seeds"])
    yield sentence(
        f"{counted(n_runs, 'run')} of {number(world['years'], 1)} years in the scenario {world['scenario']} "
        f"({world['scenario_source']}), policy {world['policy']}, cycle cap {world['cycle_cap']}, chain cap "
        f"{world['chain_cap']}. {world['profiles_from']}"
    )
    yield Points(sentences=tuple(sentence(s) for s in years["sentences"]))
    groups = years["groups"]
    yield _differences_figure(
        shown,
        label,
        groups,
        "transplants_per_hundred",
        title=f"Transplanted of 100 patients under the weights of {label}, less under people’s: simulated years",
        words="transplanted of 100 patients, the model’s weights less people’s; 95 % intervals",
        table=Table(
            caption=f"What the model’s weights change over {counted(n_runs, 'run')}; 95 % intervals",
            head=(
                "Patients",
                "Per year",
                "Transplants of 100",
                "Transplants a year",
                "Leaving a year",
                "Person-years of waiting a year",
            ),
            rows=tuple(
                (
                    _words(g),
                    number(g["patients_per_year"], 1),
                    difference_words(g["transplants_per_hundred"]),
                    difference_words(g["transplants_per_year"]),
                    difference_words(g["left_per_year"]),
                    difference_words(g["waiting_years_per_year"]),
                )
                for g in groups
            ),
        ),
    )
    yield Table(
        caption=f"What becomes of patients, all {counted(n_runs, 'run')} together",
        head=("Patients", "Weights", "Transplanted", "Left", "Still waiting", "Mean days in the pool"),
        rows=tuple(
            (
                _words(g),
                who,
                percent(g[key]["transplanted_share"]),
                percent(g[key]["left_share"]),
                percent(g[key]["waiting_share"]),
                number(g[key]["mean_days"], 0),
            )
            for g in groups
            for who, key in ((PEOPLE, "by_people"), (label, "by_model"), (_EQUAL, "by_equal"))
        ),
        folded="What becomes of patients under each weights",
    )


def _differences_figure(
    shown: Shown, label: str, groups: Sequence[Record], key: str, *, title: str, words: str, table: Table
) -> Figure:
    rows = [Row(group=_key(g), condition=label, measured=_difference(g[key])) for g in groups]
    return Figure(
        picture=dots_plot(
            [("", rows)],
            {label: shown.looks[label]},
            Scale(words=words, is_difference=True),
            title=title,
            words={_key(g): _words(g) for g in groups},
        ),
        table=table,
    )


def _difference(d: Record) -> Record:
    low, high = _interval(d)
    return {"value": d["value"], "low": low, "high": high}


def _interval(d: Record) -> tuple[float | None, float | None]:
    """Return the interval to show: with the weights' uncertainty where that is known."""
    if d["low_with_weights"] is not None and d["high_with_weights"] is not None:
        return d["low_with_weights"], d["high_with_weights"]
    return d["low"], d["high"]


def difference_words(d: Record) -> str:
    """Return a difference between weights with its interval, or why it has none."""
    low, high = _interval(d)
    if d["is_same"] and not (low or high):
        return "none in any run"
    digits = 0 if abs(d["value"]) >= 99.5 else 1
    if low is None or high is None:
        return Reason(f"{signed(d['value'], digits)} (no interval: too few runs, no draws of the weights)")
    return f"{signed(d['value'], digits)} ({signed(low, digits)} to {signed(high, digits)})"


def _without_interval(value: float) -> Record:
    return {"value": value, "low": None, "high": None}


def _key(group: Record) -> str:
    return f"{group['kind']}/{group['attribute']}/{group['group']}"


def _words(group: Record) -> str:
    if group["kind"] == "everybody":
        return "everybody"
    name = group["kind"] if group["kind"] != "attribute" else group["attribute"]
    return f"{name}: {group['group']}"
