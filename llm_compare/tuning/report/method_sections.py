"""What this is and how it was made: people, base, what was held out, adapters, intervals, limits. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator

from llm_compare.report.blocks import Block, LongText, Points, Section, Table, Warned
from llm_compare.report.model_tables import joined, sentence
from llm_compare.report.number_words import Reason, Record, counted, percent, plain, whole
from llm_compare.tuning.report.shown import TOY_PARAMETERS, Shown, group_name, trained_words
from llm_compare.tuning.report.summary import sentences, warnings

_LABELS = {
    "answers": "one example for each of people’s answers, so that comparisons keep people’s disagreement",
    "shares": "one example for each comparison with the shares of people’s answers to it (soft labels)",
    "majority": "one example for each comparison with people’s most frequent answer, which erases disagreement",
}
_SIDES = {
    "both": "each shown from both sides",
    "as-shown": "each shown from the side that the person saw it from",
}
_MOST_ADAPTERS = 12
"""In a table that is seen at once."""


def origins_section(shown: Shown) -> Section:
    """Return the section on whose answers, which base, and what was held out."""
    study, training, base = (shown.record[part] for part in ("study", "training", "base"))
    source = study.get("people_source", {"kind": "not stated", "words": ""})
    n_people = training["n_participants"]
    who = "an unknown number of people" if n_people is None else _people(n_people)
    tested = "; ".join(
        f"{t['words']}: {counted(t['n_answers'], 'answer')} of {_people(t['n_people'])}" for t in shown.tests
    )
    rows = [
        (
            f"People’s answers ({source['kind']})",
            f"{counted(training['n_answers'], 'answer')} of {who} to "
            f"{counted(training['n_comparisons'], 'comparison')} to train on. {sentence(source['words'])}".strip(),
        ),
        (
            "Base",
            f"{base['name']}, {counted(base['n_parameters'], 'parameter')}, from {base['source']}"
            if base["n_parameters"] is not None
            else f"{base['name']}, from {base['source']}",
        ),
        ("Held out", _held_out(training["held_out"])),
        ("Measured on", sentence(tested) or "Nothing."),
    ]
    return Section(
        heading="What this is",
        blocks=(
            "A low-rank adapter changes a model so that it answers as people do: with people’s shares, not "
            "only their majority. This page holds the tuned model against held-out answers of people, beside "
            "the untuned base, an attribute-based model of a few numbers, and what people reach among "
            "themselves.",
            Points(sentences=tuple(f"{what}: {words}" for what, words in rows)),
            "What is held out was set apart before any training set was drawn, comparisons together with "
            "their mirrored twins and people with all their answers. No training set holds an answer that is "
            "measured on here.",
        ),
    )


def summary_section(shown: Shown) -> Section:
    """Return what a reader in a hurry reads."""
    found = warnings(shown.record)
    return Section(
        heading="In short",
        blocks=(*((Warned(sentences=found),) if found else ()),),
        parts=(Section(heading="What tuning did", blocks=(Points(sentences=sentences(shown.record)),)),),
        is_summary=True,
    )


def methods_section(shown: Shown, source: tuple[str, str] | None) -> Section:
    """Return the section on how the numbers were made."""
    return Section(
        heading="Methods",
        parts=(
            Section(heading="How the numbers were made", blocks=(_explained(shown),)),
            Section(heading="Measures", blocks=(_measures(shown),)),
            Section(heading="Limits", blocks=(_limits(shown),)),
            Section(heading="Adapters", blocks=tuple(_adapters(shown))),
            Section(heading="Notes", blocks=(_notes(shown),)),
            Section(heading="Manifest", blocks=tuple(_manifest(shown, source))),
        ),
    )


def _people(n: int | None) -> str:
    if n is None:
        return "an unknown number of people"
    return "1 person" if n == 1 else f"{whole(n)} people"


def _held_out(held_out: Record) -> str:
    found = [
        f"{percent(held_out[part])} of the {part} ({whole(n)})"
        if (n := held_out.get(f"n_{part}")) is not None
        else f"{percent(held_out[part])} of the {part}"
        for part in ("comparisons", "participants")
        if held_out.get(part) and held_out.get(f"n_{part}") != 0
    ]
    levels = held_out.get("levels") or ()
    if levels:
        found.append(f"every comparison with {joined([str(level) for level in levels], '')}")
    return sentence(joined(found, "nothing: what is measured here was trained on"))


def _explained(shown: Shown) -> Points:
    training = shown.record["training"]
    sizes = joined([f"{n:,}" for n in training["sizes"]], "none")
    asked = ", ".join(
        f"{k.replace('_', ' ')} {v}" for k, v in training["variant"].items() if v not in ("", None)
    )
    return Points(
        sentences=(
            f"Training sets: {_LABELS.get(training['labels'], training['labels'])}; "
            f"{_SIDES.get(training['sides'], training['sides'])}. Sizes {sizes} "
            f"({trained_words(training, 2).removeprefix('2 ')}; side twins are not counted), "
            f"{counted(training['n_draws'], 'draw')} of each; within a draw smaller sets are part of larger "
            "ones.",
            f"Prompts are word for word those of compare ask, in the variant: {asked}. So before and after "
            "are measured by the very same words.",
            "A model’s shares are the probabilities that it gives to the offered answers, averaged over both "
            "sides; no answer is drawn, so sampling adds no noise. Every comparison counts alike, however "
            "many people answered it.",
            "Intervals hold 95 %. Over draws: the mean ± Student’s t times its standard error over adapters "
            "of the same size, each trained on another draw. One draw gives none. Of differences from the "
            "base or the attribute-based model they hold the resampling of people and comparisons, too. Each "
            "stands for itself: of 20 differences that are truly 0, about one has an interval without 0.",
            "The attribute-based model of each training set is fitted with estimation’s own means to exactly "
            "the same answers of people, indecision included, and one prior answer per parameter, so that it "
            "does not learn few answers by heart. “People’s overall shares” gives every "
            "comparison the rate of indecision of the training answers, and splits the rest between the two "
            "patients.",
            "What people reach among themselves is known only where several of them answered the same "
            "comparison. A model that always gave the most frequent answer would agree with a random person "
            "more than people do.",
        )
    )


def _measures(shown: Shown) -> Table:
    return Table(
        caption="What each measure means",
        head=("Measure", "Better is", "In words"),
        rows=tuple((m["name"], m["better"], sentence(m["explanation"])) for m in shown.measures),
        is_words=True,
    )


def _limits(shown: Shown) -> Points:
    n_parameters = shown.record["base"]["n_parameters"]
    found = [
        "A model tuned toward these people answers like these people on comparisons like these. It is no "
        "better judge of who should get a kidney than they are, and no evidence of what other people would "
        "say.",
        "Agreement on held-out comparisons says nothing of reasons: the adapter learns which answers are "
        "given.",
        "The held-out parts are of one study. The same numbers may not hold for other wordings; see “What "
        "else moved”.",
        "What tuning destroys can only be seen where it was asked: what was not measured may have changed, "
        "too.",
    ]
    if n_parameters is not None and n_parameters < TOY_PARAMETERS:
        found.insert(
            0,
            "So small a base shows that preparing, training, serving and measuring work together; how large "
            "models behave must be measured on large models.",
        )
    if shown.record["training"]["n_draws"] == 1:
        found.append(
            "One draw of training answers: what another draw of the same size would give is not known."
        )
    return Points(sentences=tuple(found))


def _adapters(shown: Shown) -> Iterator[Block]:
    adapters = shown.record["adapters"]
    if not adapters:
        yield "No adapter was measured."
        return
    settings = [a["settings"] for a in adapters if a.get("settings")]
    if settings and all(s == settings[0] for s in settings):
        yield f"Trained alike: {_settings(settings[0])}."
    elif settings:
        common = {k: v for k, v in settings[0].items() if not _differ(settings, k)}
        yield f"Settings in common: {_settings(common)}. The others are in the file."
    counts = sorted({a["n_parameters"] for a in adapters})
    yield f"Each adapter has {' or '.join(map(whole, counts))} parameters."
    yield Table(
        caption="The adapters; loss is that of people’s answers, in nats per example",
        head=(
            "Adapter",
            "Whose answers",
            "Size",
            "Draw",
            "Steps",
            "Kept step",
            "First loss",
            "Last loss",
            "Fingerprint",
        ),
        rows=tuple(
            (
                a["name"],
                group_name(a["group"]),
                whole(a["size"]),
                whole(a["draw"]),
                whole(a["steps"]),
                whole(a["best_step"]),
                plain(a["loss_first"]),
                plain(a["loss_last"]),
                Reason(a["fingerprint"][:12]),
            )
            for a in adapters
        ),
        folded=f"All {counted(len(adapters), 'adapter')}" if len(adapters) > _MOST_ADAPTERS else "",
    )


def _differ(settings: list[Record], key: str) -> bool:
    return any(s.get(key) != settings[0].get(key) for s in settings)


def _settings(settings: Record) -> str:
    return ", ".join(f"{k.replace('_', ' ')} {_value(v)}" for k, v in settings.items())


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list | tuple):
        return "+".join(str(v) for v in value)
    return str(value)


def _notes(shown: Shown) -> Points:
    found = tuple(sentence(note) for note in dict.fromkeys(shown.record["notes"]))
    return Points(sentences=found or ("There is nothing else to note.",))


def _manifest(shown: Shown, source: tuple[str, str] | None) -> Iterator[Block]:
    study, base = shown.record["study"], shown.record["base"]
    yield f"Study {study['slug']}, design hash {study['design_hash']}. Base fingerprint {base['fingerprint']}."
    if source is not None:
        yield f"The same numbers as data: {source[0]}, SHA-256 {source[1]}."
    yield LongText(
        summary="Inputs, settings and versions",
        text=json.dumps(shown.record["manifest"], indent=1, ensure_ascii=False),
    )
