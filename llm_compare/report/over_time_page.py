"""The page of a comparison over time: one model after the other, what changed, and what else is not the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from exchange.outcomes.dot_plots import Scale
from exchange.outcomes.svg_plots import looks_of
from llm_compare.alignment.alignment_file import as_record
from llm_compare.report.alignment_plots import Row, dots_plot
from llm_compare.report.blocks import Block, Figure, LongText, Page, Points, Section, Table, Warned
from llm_compare.report.closeness_sections import MOST_LISTED
from llm_compare.report.model_tables import sentence
from llm_compare.report.number_words import (
    NARROW,
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
from llm_compare.report.over_time import Change, ChangedComparison, ModelChange, OverTime
from llm_compare.report.report import page_text
from llm_compare.report.run_settings import prompt_difference


def render_over_time(found: OverTime, runs: Mapping[str, Record], *, sources: Mapping[str, str]) -> str:
    """Return the page. The same runs give the same text.

    Parameters
    ----------
    found
        From :func:`llm_compare.report.over_time.over_time` of these runs.
    sources
        SHA-256 of each run's file.
    """
    title = next(iter(runs.values()))["study"]["title"]
    kinds = dict.fromkeys(origin["kind"] for record in runs.values() for origin in record["origins"])
    return page_text(
        Page(
            title="Models over time",
            lead=f"{sentence(title)} {counted(len(runs), 'run')}, every later one beside the first.",
            tags=tuple(kinds),
            sections=(
                _runs(runs, sources),
                _summary(found),
                *(_model(m, runs) for m in found.models),
                _methods(runs),
            ),
            footer="Made with Equipoise.",
        )
    )


def over_time_record(found: OverTime) -> Record:
    """Return the numbers of the page as plain data."""
    record: Record = as_record(found)
    return record


def _runs(runs: Mapping[str, Record], sources: Mapping[str, str]) -> Section:
    return Section(
        heading="The runs",
        blocks=(
            Table(
                caption="What is compared",
                head=("File", "Models", "People’s answers", "Asked (UTC)", "SHA-256"),
                rows=tuple(
                    (
                        name,
                        ", ".join(m["measured"]["label"] for m in record["models"]) or "none with choices",
                        whole(record["people"]["n_answers"]),
                        _dates(record),
                        sources[name],
                    )
                    for name, record in runs.items()
                ),
                is_words=True,
            ),
            Table(
                caption="Where the inputs came from",
                head=("Input", "File", "Origin", "In words"),
                rows=tuple(
                    (origin["what"], name, origin["kind"], origin["words"])
                    for name, record in runs.items()
                    for origin in record["origins"]
                ),
                is_words=True,
            ),
        ),
    )


def _dates(record: Record) -> str:
    calls = [m["measured"]["calls"] for m in record["models"]]
    days = sorted(c[key][:10] for c in calls for key in ("first_asked", "last_asked") if c[key])
    return f"{days[0]} to {days[-1]}" if days else "no date"


def _name(model: ModelChange) -> str:
    labels = dict.fromkeys((model.earlier_label, model.later_label))
    return f"{' → '.join(labels)}, {model.later_run}"


def _summary(found: OverTime) -> Section:
    return Section(
        heading="Summary",
        is_summary=True,
        parts=tuple(
            Section(
                heading=_name(m),
                blocks=(
                    *((Warned(sentences=m.warnings),) if m.warnings else ()),
                    Points(sentences=change_sentences(m)),
                ),
            )
            for m in found.models
        ),
    )


def change_sentences(model: ModelChange) -> tuple[str, ...]:
    """Say what changed, and what is not shown to have changed."""
    return tuple(_sentences(model))


def _sentences(model: ModelChange) -> Iterator[str]:
    across, within = (as_record(m) for m in (model.same_across, model.same_within))
    if model.same_across.value is None:
        yield f"How near the two runs are is {share(across)}."
    else:
        yield (
            f"An answer of one run equals one of the other in {share(across)} of cases"
            + (
                f"; two answers of the same run in {share(within)}."
                if model.same_within.value is not None
                else "; nothing was repeated, so what repeats alone lose is not known."
            )
        )
    distance = as_record(model.distance.difference)
    if model.distance.difference.value is not None:
        verdict = "the answers changed" if model.distance.is_shown else "no change is shown"
        yield (
            f"Beyond the noise of repeats the runs are {size(distance, 3)} apart (0 same, 2 at most): {verdict}."
        )
    shown = [c for c in model.headline if c.is_shown]
    for c in shown:
        yield f"{c.measure[0].upper()}{c.measure[1:]}: {_ends(c)}, a change of {_difference(c)}."
    quiet = [c.measure for c in model.headline if not c.is_shown and c.difference.value is not None]
    if quiet:
        yield f"No change is shown in: {'; '.join(quiet)}."
    for c in model.effects:
        if c.is_shown:
            yield f"Effect of {c.measure}: {_ends(c)}, a change of {_difference(c)}."
    if not any(c.is_shown for c in model.effects):
        yield "No effect of an attribute is shown to have changed."
    if model.n_only_one:
        yield f"{counted(model.n_only_one, 'comparison')} of only one run left out of what is paired."


def _ends(c: Change) -> str:
    form = percent if c.is_share else plain
    return f"{form(c.earlier)} before, {form(c.later)} after"


def _difference(c: Change) -> str:
    record = as_record(c.difference)
    return points(record) if c.is_share else change(record, 3)


def _model(model: ModelChange, runs: Mapping[str, Record]) -> Section:
    return Section(
        heading=_name(model),
        blocks=(*((Warned(sentences=model.warnings),) if model.warnings else ()), *_changes(model)),
        parts=(
            Section(heading="What else changed", blocks=tuple(_settings(model, runs))),
            Section(heading="Where the answers changed most", blocks=tuple(_comparisons(model))),
        ),
    )


def _changes(model: ModelChange) -> Iterator[Block]:
    looks = looks_of(["people", "change"])
    scale = Scale(words="later less earlier, in points, with 95 % intervals", factor=100, is_difference=True)
    for changes, words in (
        ([c for c in model.headline if c.is_share], "Change of headline measures"),
        (list(model.effects), "Change of the effects of attributes"),
    ):
        rows = [
            Row(group=f"{i}", condition="change", measured=as_record(c.difference))
            for i, c in enumerate(changes)
        ]
        if not rows:
            continue
        title = f"{words}: {_name(model)}"
        yield Figure(
            picture=dots_plot(
                [("", rows)],
                looks,
                scale,
                title=title,
                words={f"{i}": c.measure for i, c in enumerate(changes)},
            ),
            table=_table(f"{words}; 95 % intervals", changes),
        )
    yield _table(
        "Distances; 95 % intervals",
        [model.distance, *(c for c in model.headline if not c.is_share)],
    )


def _table(caption: str, changes: Sequence[Change]) -> Table:
    return Table(
        caption=caption,
        head=("Measure", "Earlier", "Later", "Change", "p", "p adjusted", "How", "Comparisons"),
        rows=tuple(
            (
                c.measure,
                *(("–", "–") if c.earlier is None and c.later is None else _both_ends(c)),
                _difference(c),
                p_words(c.p),
                p_words(c.adjusted_p),
                c.how,
                whole(c.difference.n_comparisons),
            )
            for c in changes
        ),
    )


def _both_ends(c: Change) -> tuple[str, str]:
    form = percent if c.is_share else plain
    return form(c.earlier), form(c.later)


def _settings(model: ModelChange, runs: Mapping[str, Record]) -> Iterator[Block]:
    yield Table(
        caption="Models, settings and people of both runs",
        head=("What", "Earlier", "Later", "Same"),
        rows=tuple((d.what, d.earlier, d.later, "yes" if d.is_same else "no") for d in model.differs),
        is_words=True,
    )
    one, other = (
        next(m["measured"] for m in runs[run]["models"] if m["measured"]["label"] == label)
        for run, label in (
            (model.earlier_run, model.earlier_label),
            (model.later_run, model.later_label),
        )
    )
    difference = prompt_difference(one, other)
    yield (
        LongText(summary="How the first prompts differ", text=difference)
        if difference
        else "The first prompts are the same, word for word."
    )


def _comparisons(model: ModelChange) -> Iterator[Block]:
    if not model.comparisons:
        yield "No comparison is in both runs."
        return
    listed = model.comparisons[:MOST_LISTED]
    yield (
        f"The {whole(len(listed))} of {counted(model.n_common, 'comparison')} in common whose shares differ "
        "most, as "
        "answered. Picked by the answers themselves: part of the difference is chance."
    )
    yield Table(
        caption="First patient / second / undecided",
        head=("First patient", "Second", "Earlier", "Later", "People"),
        rows=tuple((c.first, c.second, *_three(c)) for c in listed),
        is_words=True,
        folded="The comparisons",
    )


def _three(c: ChangedComparison) -> tuple[str, str, str]:
    return (_in_percent(c.earlier), _in_percent(c.later), _in_percent(c.people))


def _in_percent(shares: Sequence[float]) -> str:
    return " / ".join(f"{100 * s:.0f}" for s in shares) + f"{NARROW}%"


def _methods(runs: Mapping[str, Record]) -> Section:
    return Section(
        heading="Methods",
        blocks=(
            Points(
                sentences=(
                    "Paired by comparison: the difference is taken on every comparison that both runs asked, "
                    "and its "
                    "interval is Student’s t over comparisons. People are taken as they are.",
                    "Runs apart: from the intervals of both runs, as if they had nothing in common. "
                    "The same "
                    "people and comparisons stand behind both, so these intervals are rather too wide.",
                    "The distance between runs is corrected for the noise of repeats: 0 on average where nothing "
                    "changed. Answers with exchanged sides count as repeats; a preference for a side makes the "
                    "distance too small, never too large.",
                    "A change is claimed where p, adjusted by Holm’s method over all measures beside it, is "
                    "below "
                    f"0.05. Intervals stand each for itself. Of {counted(len(runs), 'run')}, every later one is "
                    "compared with the first.",
                )
            ),
        ),
    )
