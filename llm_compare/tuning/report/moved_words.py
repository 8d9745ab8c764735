"""What else tuning moved, a sentence each: what should not count, other studies, prompts, plain texts. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from llm_compare.report.model_tables import sentence
from llm_compare.report.number_words import Record, counted, plain, points, share
from llm_compare.tuning.report.shown import AS_TUNED, INDECISION, LIKELIEST, Shown, bare, number_of, words_of
from llm_compare.tuning.report.verdicts import Verdict, is_moved, verdict

_FEW_BITS = 0.005
"""Less than the second digit behind the point shows."""


def distractor_words(row: Record) -> str:
    """Say what an attribute that should not count does, before and after."""
    text = (
        f"Exchanging only “{row['label']}” between the two patients moves the probability that a patient is "
        f"chosen by {points(row['after'])} after tuning, {points(row['before'])} before"
    )
    if row["difference"]["value"] is None:
        return f"{text}; the difference is {points(row['difference'])}."
    if not is_moved(row["difference"]):
        return f"{text}: the difference may be chance ({_points(row['difference'])})."
    verb = "more" if row["difference"]["value"] > 0 else "less"
    return f"{text}: it counts {verb} than before, by {_points(row['difference'])}."


def study_words(shown: Shown, row: Record) -> tuple[str, ...]:
    """Say whether tuning on one study brings the model nearer to people's answers in another."""
    found = [sentence(row["toward_people"])] if row["toward_people"] else []
    worse, better = (_told_of(shown, row, which) for which in (Verdict.WORSE, Verdict.BETTER))
    if worse:
        found.append(f"Worse than before: {'; '.join(worse)}.")
    if better:
        found.append(f"Better than before: {'; '.join(better)}.")
    if not worse and not better:
        found.append("No difference from before is told in any measure.")
    return tuple(found)


def prompt_words(row: Record) -> str:
    """Say how alike a model answers another prompt before and after."""
    text = (
        f"Prompt “{row['words']}”: the model answers the same before and after tuning in "
        f"{share(row['same_before_after'])} of cases"
    )
    before, after = number_of(row["before"], LIKELIEST), number_of(row["after"], LIKELIEST)
    if before["value"] is None or after["value"] is None:
        return f"{text}."
    return (
        f"{text}, and its likeliest answer is that of people in {bare(share(after))} of cases after, "
        f"{bare(share(before))} before ({_points(number_of(row['difference'], LIKELIEST))})."
    )


def text_words(row: Record) -> str:
    """Say what tuning did to the model's grip on a plain text."""
    before, after = row["bits_per_token_before"], row["bits_per_token_after"]
    verdict_words = (
        "the same"
        if abs(after - before) < _FEW_BITS
        else "worse: it has forgotten some of it"
        if after > before
        else "better"
    )
    return (
        f"{row['file']}: {plain(after)} bits per token after tuning, {plain(before)} before; less is better: "
        f"{verdict_words}."
    )


def what_got_worse(shown: Shown) -> Iterator[str]:
    """Yield what is worse outside of the tests, for a list within a sentence."""
    moved = shown.record["moved"]
    if not moved:
        return
    for row in moved["distractors"]:
        if is_moved(row["difference"]) and row["difference"]["value"] > 0:
            yield f"“{row['label']}”, which should not count, counts more than before"
    for row in moved["other_studies"]:
        if worse := worse_measures(shown, row):
            yield f"in study {row['slug']}, {told_names(worse)}"
    prompts = [(row, worse_measures(shown, row)) for row in moved["other_prompts"] if row["name"] != AS_TUNED]
    if any(worse for _, worse in prompts):
        every = dict.fromkeys(name for _, worse in prompts for name in worse)
        n_worse = sum(bool(worse) for _, worse in prompts)
        yield f"under {n_worse} of {counted(len(prompts), 'other prompt')}, {told_names(list(every))}"
    for row in moved["texts"]:
        if row["bits_per_token_after"] - row["bits_per_token_before"] >= _FEW_BITS:
            yield f"the text {row['file']} is foretold less well"


def worse_measures(shown: Shown, row: Record) -> list[str]:
    """Return the names of the measures that are worse in another study, or under another prompt."""
    return [m["name"] for m in shown.judged if _is(row, m, Verdict.WORSE)]


def _told_of(shown: Shown, row: Record, which: Verdict) -> list[str]:
    """Return the measures of another study that got better, or worse, with their numbers."""
    return [
        f"“{m['name']}” {bare(words_of(m['key'], number_of(row['after'], m['key'])))} (before "
        f"{bare(words_of(m['key'], number_of(row['before'], m['key'])))})"
        for m in shown.judged
        if _is(row, m, which)
    ]


def _is(row: Record, measure: Record, which: Verdict) -> bool:
    """Return whether a measure got better, or worse, elsewhere; of people, only a study's indecision is known."""
    key = measure["key"]
    rate = row.get("indecision") if key == INDECISION else None
    people = None if rate is None else {"value": rate, "low": None, "high": None}
    before = number_of(row["before"], key)["value"]
    return (
        verdict(measure["better"], number_of(row["difference"], key), before=before, people=people) is which
    )


def _points(difference: Record) -> str:
    """Return a difference in words that may stand in brackets."""
    return points(difference).replace(" (", ", ").rstrip(")")


def told_names(names: Sequence[str]) -> str:
    """Return names of measures as a list within a sentence."""
    return ", ".join(f"“{name}”" for name in names)
