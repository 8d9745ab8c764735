"""How models answer: consistency, simple rules and strategies. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from llm_compare.report.alignment_plots import PEOPLE, Row, dots_plot
from llm_compare.report.blocks import Block, Figure, Points, Section, Table
from llm_compare.report.closeness_sections import PERCENT
from llm_compare.report.model_tables import Shown, both_sides, by_model, joined, sentence
from llm_compare.report.number_words import (
    Reason,
    Record,
    change,
    counted,
    p_words,
    percent,
    plain,
    points,
    share,
    size,
    whole,
)

_AGAIN = (
    ("same_again", "asked the same again"),
    ("sides_exchanged", "sides exchanged"),
    ("other_order", "attributes in another order"),
)


def consistency_section(shown: Shown) -> Section:
    """Return the section on repeats, sides, orders, transitivity and dominance."""
    heading = "Consistency"
    if shown.missing:
        return Section(heading=heading, blocks=(shown.missing,))
    return Section(
        heading=heading,
        parts=(
            Section(heading="Does it answer the same again?", blocks=tuple(_again(shown))),
            Section(heading="Preference for a side", blocks=tuple(_position(shown))),
            Section(heading="Circles and dominated patients", blocks=tuple(_order(shown))),
        ),
    )


def _again(shown: Shown) -> Iterator[Block]:
    yield (
        "The probability that two answers of one respondent to one comparison are the same choice. What "
        "exchanged "
        "sides take away beyond the noise of repeats is “lost”."
    )
    first = shown.aligned[0]["alignment"]["consistency"]["people"]
    rows = [Row(group=words, condition=PEOPLE, measured=first[key]) for key, words in _AGAIN]
    rows += [
        Row(group=words, condition=m["label"], measured=m["alignment"]["consistency"]["model"][key])
        for m in shown.aligned
        for key, words in _AGAIN
    ]
    yield Figure(
        picture=dots_plot([("", rows)], shown.looks, PERCENT, title="Same answer when asked once more"),
        table=_both(
            shown,
            "Same answer when asked once more, 95 % intervals",
            (*(words for _, words in _AGAIN), "lost by exchanged sides", "lost by another order"),
            lambda side: (
                *(share(side[key]) for key, _ in _AGAIN),
                points(side["lost_by_exchange"]),
                points(side["lost_by_order"]),
            ),
        ),
    )
    yield _both(
        shown,
        "Comparisons shown both ways: is the same patient ahead whichever side they are on?",
        ("same patient", "the side decides", "neither ahead", "shown both ways"),
        lambda side: (
            share(side["robust"]),
            share(side["fragile"]),
            share(side["indifferent"]),
            counted(side["n_both_ways"], "comparison"),
        ),
    )
    yield _both(
        shown,
        "Spread over repeats of the same prompt: entropy 0 always the same, 1.58 bits anything",
        ("entropy, bits", "share of the most frequent choice", "asked more than once", "answers to each"),
        lambda side: (
            size(side["entropy_bits"]),
            share(side["modal_share"]),
            whole(side["n_repeated"]),
            Reason("nothing was repeated")
            if side["mean_repeats"] is None
            else plain(side["mean_repeats"], 1),
        ),
        folded="Spread over repeats",
    )


def _both(
    shown: Shown,
    caption: str,
    head: tuple[str, ...],
    cells: Callable[[Record], Sequence[str]],
    *,
    folded: str = "",
) -> Table:
    """Return a table of consistency with rows for people and models."""
    return Table(
        caption=caption,
        head=("Respondent", *head),
        rows=tuple((label, *cells(side)) for _, label, side, _ in both_sides(shown, "consistency")),
        folded=folded,
    )


def _position(shown: Shown) -> Iterator[Block]:
    yield (
        "The share of decided answers for the patient on the left, and how much of it is the side itself: over "
        "comparisons decided both ways round (0 no preference, 50 points always the left), and as log-odds "
        "beside "
        "the patients’ own strengths."
    )
    yield by_model(
        shown,
        "Answers for the left patient, 95 % intervals",
        ("Left, the model", "Left, people", "Beyond half, the model", "Beyond half, people", "Difference"),
        lambda a: (
            share(a["position"]["model"]["left"]),
            share(a["position"]["people"]["left"]),
            points(a["position"]["model"]["left_excess"]),
            points(a["position"]["people"]["left_excess"]),
            points(a["position"]["excess_difference"]),
        ),
        n_of=lambda a: a["position"]["model"]["left"],
    )
    yield Table(
        caption="Log-odds that standing on the left adds (Davidson and Beaver 1977), intervals by cluster",
        head=("Respondent", "Log-odds", "Likelihood ratio", "p by cluster", "Clusters", "Strengths of"),
        rows=tuple((label, *_effect(side["effect"])) for _, label, side, _ in both_sides(shown, "position")),
    )
    yield by_model(
        shown,
        "Log-odds of the model less those of people",
        ("Difference",),
        lambda a: (change(a["position"]["log_odds_difference"]),),
        n_of=lambda a: a["position"]["log_odds_difference"],
    )


def _effect(effect: Record) -> tuple[str, ...]:
    clusters = counted(effect["n_clusters"], effect["clusters"])
    if effect["log_odds"] is None:
        reason = Reason(f"not known: {effect['reason']}")
        return (reason, "–", "–", clusters, effect["described_by"])
    return (
        change({**effect, "value": effect["log_odds"]}),
        plain(effect["likelihood_ratio"], 1),
        p_words(effect["p_by_cluster"]),
        clusters,
        effect["described_by"],
    )


def _order(shown: Shown) -> Iterator[Block]:
    yield (
        f"A circle: A before B, B before C, C before A. Coins would close {percent(0.25)} of them. A dominated "
        "patient is at least as badly off in everything the study calls favored; choosing them goes against the "
        "study’s value judgment and is no mistake by itself."
    )
    yield Table(
        caption="Circular triads; indecision decides none",
        head=("Respondent", "Of most frequent choices", "Of single answers", "Within one person", "Triads"),
        rows=tuple(
            (
                label,
                share(side["by_most_frequent"]),
                share(side["by_single_answers"]),
                share(side["within_person"]) if who == "people" else "–",
                f"{whole(side['n_decided'])} decided of {whole(a['transitivity']['n_triads'])}",
            )
            for who, label, side, a in both_sides(shown, "transitivity")
        ),
    )
    yield by_model(
        shown,
        "Answers where one patient dominates the other",
        (
            "For the dominated, the model",
            "For the dominated, people",
            "Difference",
            "Undecided, the model",
            "Undecided, people",
            "Comparisons",
        ),
        lambda a: (
            share(a["dominance"]["model"]["against"]),
            share(a["dominance"]["people"]["against"]),
            points(a["dominance"]["against_difference"]),
            share(a["dominance"]["model"]["undecided"]),
            share(a["dominance"]["people"]["undecided"]),
            whole(a["dominance"]["n_dominated"]),
        ),
        n_of=lambda a: a["dominance"]["against_difference"],
    )
    directions = shown.aligned[0]["alignment"]["dominance"]["directions"]
    yield f"Favored, as the study states: {joined(directions, 'nothing')}."


def rules_section(shown: Shown) -> Section:
    """Return the section on simple rules and models of indecision."""
    heading = "Rules and strategies"
    if shown.missing:
        return Section(heading=heading, blocks=(shown.missing,))
    return Section(
        heading=heading,
        parts=(
            Section(heading="How much does a simple rule explain?", blocks=tuple(_rules(shown))),
            Section(heading="When is it undecided? Models of indecision", blocks=tuple(_strategies(shown))),
        ),
    )


def _rules(shown: Shown) -> Iterator[Block]:
    yield sentence(shown.aligned[0]["alignment"]["simple_rules"]["search"])
    sides = [(label, side) for _, label, side, _ in both_sides(shown, "simple_rules")]
    yield Table(
        caption="The rule that explains most: as answered (flattered: picked on the same answers) and held out",
        head=("Respondent", "Rule", "As answered", "Held out", "A coin", "Always undecided", "Rules tried"),
        rows=tuple(
            (
                label,
                Reason(side[key]["rule"]),
                share(side[key]["share"]),
                share(side[key]["held_out"]),
                share(side["coin"]),
                share(side["always_undecided"]),
                whole(side[key]["n_rules"]),
            )
            for label, side in sides
            for key in ("best", "best_single")
        ),
    )
    yield Table(
        caption="Rules of a single attribute: share of answers explained, 95 % intervals",
        head=("Respondent", "Rule", "Explained"),
        rows=tuple(
            (label, Reason(rule["rule"]), share(rule["share"]))
            for label, side in sides
            for rule in side["singles"]
        ),
        folded="Every rule of a single attribute",
    )
    persons = shown.aligned[0]["alignment"]["simple_rules"]["by_person"]
    if persons:
        yield Table(
            caption="Rules that persons follow better than any other; not held out",
            head=("Rule", "Persons", "Explained of their answers"),
            rows=tuple((p["rule"], plain(p["persons"], 1), percent(p["mean_share"])) for p in persons),
            folded="People one by one",
        )


def _strategies(shown: Shown) -> Iterator[Block]:
    yield (
        "Each model of indecision is fitted to a side’s own answers and judged by answers to comparisons "
        "that it was "
        "not fitted to: log-likelihood per answer, nearer to 0 is better. Names as in McElfresh et al. (2021)."
    )
    found = [m["alignment"]["strategies"] for m in shown.aligned]
    yield Points(sentences=tuple(sentence(s["sentence"]) for s in found if s["sentence"]))
    rows = []
    for _, label, side, _ in both_sides(shown, "strategies"):
        if side["reason"]:
            rows.append((label, Reason(f"not known: {side['reason']}"), "–", "–", "–", "–", "–"))
        rows += [
            (
                label,
                Reason(f"{x['rule']}: {x['words']}"),
                _held_out(x, "held_out", "held_out_se"),
                _held_out(x, "behind", "behind_se"),
                plain(side["coin"], 3),
                plain(side["same_shares"], 3),
                whole(side["n_answers"]),
            )
            for x in side["strategies"]
        ]
    yield Table(
        caption="Models of indecision, best first; ± standard error over comparisons",
        head=(
            "Respondent",
            "Undecided when",
            "Held out",
            "Behind the best",
            "Coin",
            "Same shares",
            "Answers",
        ),
        rows=tuple(rows),
    )


def _held_out(strategy: Record, key: str, se: str) -> str:
    if strategy[key] is None:
        return Reason(f"not known: {strategy['reason'] or 'could not be held out'}")
    error = "" if strategy[se] is None else f"\u00a0±\u00a0{plain(strategy[se], 3)}"
    return f"{plain(strategy[key], 3)}{error}"
