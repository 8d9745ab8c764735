"""What was found about a model, in plain sentences: numbers with intervals, and people's own beside them. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from llm_compare.alignment.alignment import ModelAlignment
from llm_compare.alignment.alignment_file import as_record
from llm_compare.consequences.cleared_pool import ClearedPool
from llm_compare.consequences.generated_pools import PoolConsequences
from llm_compare.consequences.year_outcomes import SimulatedConsequences
from llm_compare.report.number_words import (
    Reason,
    Record,
    counted,
    holds_zero,
    outcomes_in_words,
    percent,
    plain,
    points,
    share,
    size,
    whole,
)

_MOSTLY_CHANCE = 0.5
_FEWEST_UNREAD = 0.01


def sentences(
    measured: ModelAlignment,
    pool: ClearedPool | None,
    pools: PoolConsequences | None,
    years: SimulatedConsequences | None,
) -> tuple[str, ...]:
    """Return the findings, the most important first. What is not known is said, never left out silently."""
    model: Record = as_record(measured)
    found = [*_how_asked(model)]
    alignment = model["alignment"]
    if alignment is None:
        found.append(
            "It answered no comparison that people answered, so its distance from people is not known."
        )
    else:
        found += [
            *_agreement(alignment),
            *_standing(alignment["percentile"]),
            *_indecision(alignment["indecision"]),
            *_sides(alignment),
            *_attributes(alignment),
            *_rules(alignment["simple_rules"]),
        ]
    for consequences in (pool, pools, years):
        if consequences is not None and consequences.sentences:
            found.append(consequences.sentences[0])
    return tuple(found)


def _how_asked(model: Record) -> Iterator[str]:
    if not model["asks_as_people"]:
        yield (
            f"It was not asked as people are (variant “{model['variant']}”): what differs may be the prompt’s "
            "doing."
        )
    outcomes = model["calls"]["outcomes"]
    unread = outcomes["n"] - outcomes["counts"].get("choice", 0) - outcomes["counts"].get("indecision", 0)
    if outcomes["n"] and unread / outcomes["n"] >= _FEWEST_UNREAD:
        kinds = outcomes_in_words(outcomes["counts"], left_out=("choice", "indecision"))
        yield (
            f"{whole(unread)} of {counted(outcomes['n'], 'call')} brought no answer ({kinds}); what follows "
            "is about "
            "the others."
        )


def _agreement(alignment: Record) -> Iterator[str]:
    same = alignment["agreement"]["with_random_person"]
    if same["model"]["value"] is None:
        yield f"How often it answers as a random person does is {share(same['model'])}."
        return
    first = f"It gives the same answer as a random person in {share(same['model'])} of cases"
    if same["people"]["value"] is None:
        yield f"{first}; how often two people agree is {share(same['people'])}."
        return
    difference = same["difference"]
    verdict = (
        "no difference is shown"
        if holds_zero(difference)
        else "it agrees more with people than they do with each other, as one who always gave the most frequent "
        "answer would"
        if difference["value"] > 0
        else "it agrees less with people than they do with each other"
    )
    yield (
        f"{first}; two people agree in {share(same['people'])}. On the same comparisons the difference is "
        f"{points(difference)}: {verdict}."
    )


def _standing(percentile: Record) -> Iterator[str]:
    value = percentile["percentile"]
    if value["value"] is None:
        yield f"Its place among people is {share(value)}."
        return
    text = (
        f"Of {counted(percentile['n_persons'], 'person').replace('persons', 'people')}, {share(value)} agree "
        "less with "
        f"the others than it does; {percent(0.5)} is where the middle person stands."
    )
    noise = percentile["noise_share"]
    if noise is not None and noise >= _MOSTLY_CHANCE:
        text += (
            f" Each person gave few answers: chance makes {percent(noise)} of the differences between people, "
            "which "
            f"draws this place toward {percent(0.5)}."
        )
    yield text


def _indecision(indecision: Record | None) -> Iterator[str]:
    if indecision is None:
        yield "Indecision was not on offer."
        return
    gap = indecision["gap"]
    if gap["value"] is None:
        yield f"How often it is undecided is {share(indecision['model'])}."
        return
    verdict = "no difference is shown" if holds_zero(gap) else f"a difference of {points(gap)}"
    yield (
        f"It is undecided in {share(indecision['model'])} of its answers, people in "
        f"{share(indecision['people'])}: "
        f"{verdict}."
    )
    ranked = indecision["calibration"]["area_under_curve"]
    if ranked["low"] is not None and (ranked["low"] > 1 / 2 or ranked["high"] < 1 / 2):
        yield (
            "Of two comparisons, one on which people are often undecided and one on which they are not, it is "
            f"undecided more often on the first with probability {size(ranked)}; 0.50 would be not to know which."
        )


def _sides(alignment: Record) -> Iterator[str]:
    model = alignment["consistency"]["model"]
    exchanged, again = model["sides_exchanged"], model["same_again"]
    if exchanged["value"] is None:
        yield f"Whether it answers the same with the sides exchanged is {share(exchanged)}."
        return
    repeated = (
        f"asked the same again, in {share(again)}"
        if again["value"] is not None
        else "it was never asked the same twice"
    )
    text = f"With the sides exchanged it gives the same answer in {share(exchanged)}; {repeated}."
    left = alignment["position"]["model"]["left"]
    if left["value"] is not None:
        text += f" {share(left)} of its decided answers are for the patient on the left."
    yield text


def _attributes(alignment: Record) -> Iterator[str]:
    shares = alignment["coefficients"]["attributes"]
    known = [a for a in shares if a["share"]["model"]["value"] is not None]
    if known:
        most = max(known, key=lambda a: float(a["share"]["model"]["value"]))
        people = [a for a in shares if a["share"]["people"]["value"] is not None]
        theirs = max(people, key=lambda a: float(a["share"]["people"]["value"]), default=None)
        text = f"It weighs “{most['label']}” most: {share(most['share']['model'])} of what all attributes do"
        if theirs is None:
            yield f"{text}; what people weigh most is not known."
        elif theirs["attribute"] == most["attribute"]:
            yield f"{text}. People weigh it most, too: {share(theirs['share']['people'])}."
        else:
            yield f"{text}. People weigh “{theirs['label']}” most: {share(theirs['share']['people'])}."
    else:
        reasons = [alignment["coefficients"]["reason"], *(a["share"]["model"]["reason"] for a in shares)]
        reason = next((r for r in reasons if r), "its answers tell no weights")
        yield f"What it weighs most is not known: {reason.removesuffix('.')}."
    if sentence := alignment["effects"]["sentence"]:
        yield sentence


def _rules(rules: Record) -> Iterator[str]:
    best, people = rules["model"]["best"], rules["people"]["best"]
    held_out = best["held_out"]
    if held_out["value"] is None:
        yield f"How much a simple rule explains of its answers is {share(held_out)}."
        return
    theirs = (
        f"; people’s best, “{people['rule']}”, explains {share(people['held_out'])} of theirs"
        if not isinstance(share(people["held_out"]), Reason)
        else ""
    )
    yield (
        f"The simple rule “{best['rule']}” explains {share(held_out)} of its answers to comparisons that it "
        "was not "
        f"picked on{theirs}. A coin between the patients explains {plain_share(rules['model']['coin'])}"
        f"{_constant_indecision(rules['model'])}."
    )


def _constant_indecision(of_model: Record) -> str:
    """Return what constant indecision explains, where that is more than the best rule."""
    always = of_model["always_undecided"]
    if always["value"] is None or always["value"] <= of_model["best"]["held_out"]["value"]:
        return ""
    return f", constant indecision {percent(always['value'])}: more than any rule"


def plain_share(measured: Record) -> str:
    """Return a share without its interval."""
    return percent(measured["value"]) if measured["value"] is not None else plain(None)
