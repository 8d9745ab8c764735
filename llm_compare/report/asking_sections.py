"""Other ways of asking the same model, and what they change. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from llm_compare.report.blocks import Block, Section, Table
from llm_compare.report.model_tables import Shown, sentence
from llm_compare.report.number_words import (
    Record,
    change,
    counted,
    plain,
    share,
    whole,
)


def asking_section(shown: Shown) -> Section:
    """Return the section on variants of the prompt."""
    heading = "Other ways of asking"
    varied = [m["measured"] for m in shown.models if m["measured"]["variants"]]
    if not varied:
        return Section(
            heading=heading,
            blocks=(
                "Every model was asked in one way only, so nothing is known about what other words, formats or "
                "languages would change.",
            ),
        )
    return Section(
        heading=heading,
        blocks=(
            "The first variant of each model is the one compared with people everywhere else in this report.",
        ),
        parts=tuple(Section(heading=m["label"], blocks=tuple(_variants(m))) for m in varied),
    )


def _variants(model: Record) -> Iterator[Block]:
    yield Table(
        caption=f"Ways of asking {model['label']}, 95 % intervals",
        head=(
            "Variant",
            "Same answer as a random person",
            "Indecision",
            "Left, of decided",
            "Answers",
            "Comparisons",
        ),
        rows=tuple(
            (
                v["name"],
                share(v["with_random_person"]),
                share(v["indecision"]),
                share(v["left"]),
                f"{whole(_answers(v['outcomes']))} of {counted(v['outcomes']['n'], 'call')}",
                whole(v["n_comparisons"]),
            )
            for v in model["variants"]
        ),
    )
    factors = model["prompt_factors"]["factors"] if model["prompt_factors"] else []
    levels = [(f, level) for f in factors for level in f["levels"]]
    if levels:
        yield Table(
            caption="Levels of each factor of the prompt",
            head=("Factor", "Level", "Indecision", "Left, of decided", "Answers"),
            rows=tuple(
                (
                    _factor(f["factor"]),
                    level["level"] or "as the design says",
                    share(level["indecision"]),
                    share(level["left"]),
                    whole(level["n_answers"]),
                )
                for f, level in levels
            ),
        )
    changes = [(f, c) for f in factors for c in f["changes"]]
    if changes:
        yield Table(
            caption=(
                "What a factor changes, all else equal. Squared distance of shares, corrected for chance: 0 "
                "if levels "
                "do not differ"
            ),
            head=("Factor", "Levels", "Squared distance", "Same answer across", "Within a level", "Prompts"),
            rows=tuple(
                (
                    _factor(f["factor"]),
                    f"{c['one'] or 'as the design says'} and {c['other'] or 'as the design says'}",
                    change(c["squared_distance"], 3),
                    share(c["agreement_across"]),
                    share(c["agreement_within"]),
                    whole(c["n_presentations"]),
                )
                for f, c in changes
            ),
        )
    variances = [(f, f["variance"]) for f in factors if f["variance"]]
    if variances:
        yield Table(
            caption="Where the variance of choices comes from",
            head=("Factor", "Wording", "Comparisons", "Repeats", "Levels"),
            rows=tuple(
                (
                    _factor(f["factor"]),
                    plain(v["wording"], 3),
                    plain(v["comparisons"], 3),
                    plain(v["repeats"], 3),
                    whole(v["n_levels"]),
                )
                for f, v in variances
            ),
        )
    for f in factors:
        if f["reason"]:
            yield sentence(f"{_factor(f['factor'])}: {f['reason']}")


def _factor(name: str) -> str:
    return name.replace("_", " ")


def _answers(outcomes: Record) -> int:
    counts = outcomes["counts"]
    return int(counts.get("choice", 0) + counts.get("indecision", 0))
