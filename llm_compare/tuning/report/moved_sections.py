"""What else tuning moved: attributes that should not count, other studies, other prompts, plain texts. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from exchange.outcomes.dot_plots import Scale
from exchange.outcomes.report_text import signed
from exchange.outcomes.svg_plots import Picture, looks_of
from llm_compare.report.alignment_plots import Row, dots_plot
from llm_compare.report.blocks import Block, Figure, Points, Section, Table
from llm_compare.report.closeness_sections import PERCENT
from llm_compare.report.number_words import Record, counted, plain, points, share, whole
from llm_compare.tuning.report.moved_words import distractor_words, prompt_words, study_words, text_words
from llm_compare.tuning.report.shown import LIKELIEST, Shown, change_of, number_of, words_of

_BEFORE, _AFTER = "before tuning", "after tuning"
_SIDES = (("before", _BEFORE), ("after", _AFTER))


def moved_section(shown: Shown) -> Section:
    """Return the section on what tuning was not meant to change."""
    heading = "What else moved"
    moved = shown.record["moved"]
    if not moved:
        return Section(
            heading=heading, blocks=("Not measured: there is no adapter of everybody’s answers to ask.",)
        )
    return Section(
        heading=heading,
        blocks=(
            f"Before is the base, after the base with adapter {moved['with']}. Intervals are over "
            "comparisons, and over people where their answers count; they do not say what another adapter "
            "would do.",
        ),
        parts=(
            Section(heading="What should not count", blocks=tuple(_distractors(moved["distractors"]))),
            Section(heading="Other studies", blocks=tuple(_studies(shown, moved["other_studies"]))),
            Section(heading="Other prompts", blocks=tuple(_prompts(shown, moved["other_prompts"]))),
            Section(heading="Plain texts", blocks=tuple(_texts(moved["texts"]))),
        ),
    )


def _distractors(rows: Sequence[Record]) -> Iterator[Block]:
    if not rows:
        yield "Not asked: whether an attribute that should not count does is not known. Ask with --distractor."
        return
    yield (
        "An attribute that should not count is added to both patients, and each comparison is asked twice, "
        "with only its two levels exchanged. The effect is the mean of how far the probability that a patient is "
        "chosen moves, up or down alike, over both sides. Probabilities are read, not drawn, so no chance of "
        "drawing is in it: a model that the line does not touch has 0."
    )
    yield Points(sentences=tuple(distractor_words(row) for row in rows))
    yield Figure(
        picture=_dots(
            [
                Row(group=row["label"], condition=words, measured=row[key])
                for row in rows
                for key, words in _SIDES
            ],
            "Effect of what should not count",
            Scale(
                words="mean size of the change of a probability, in points, with 95 % intervals", factor=100
            ),
        ),
        table=Table(
            caption="Effect of what should not count, in points, 95 % intervals",
            head=("Attribute", "Before", "After", "Difference", "Comparisons"),
            rows=tuple(
                (
                    row["label"],
                    points(row["before"], has_unit=False),
                    points(row["after"], has_unit=False),
                    points(row["difference"], has_unit=False),
                    whole(row["n_comparisons"]),
                )
                for row in rows
            ),
        ),
    )
    levels = [(row, level) for row in rows for level in row["by_level"]]
    if levels:
        yield Table(
            caption="By how much a level favors the patient who has it, in points, 95 % intervals",
            head=("Level", "Before", "After"),
            rows=tuple(
                (
                    f"{row['label']}: {level['level']}",
                    points(level["before"], has_unit=False),
                    points(level["after"], has_unit=False),
                )
                for row, level in levels
            ),
            folded="Level by level",
        )


def _studies(shown: Shown, rows: Sequence[Record]) -> Iterator[Block]:
    if not rows:
        yield "Not asked: whether tuning carries over to another study is not known. Ask with --other."
        return
    yield (
        "The same model answers a study that it was not tuned on, and is held against the answers of that "
        "study’s people."
    )
    for row in rows:
        yield (
            f"{row['title']} ({row['slug']}): {counted(row['n_answers'], 'answer')} to "
            f"{counted(row['n_comparisons'], 'comparison')}."
        )
        yield Points(sentences=study_words(shown, row))
    known = [r for r in rows if number_of(r["after"], LIKELIEST)["value"] is not None]
    if known:
        yield Figure(
            picture=_dots(
                [
                    Row(group=row["title"], condition=words, measured=row[key][LIKELIEST])
                    for row in known
                    for key, words in _SIDES
                ],
                "Likeliest answer is that of the other study’s people",
                PERCENT,
            ),
            table=_measures_table(shown, known, [r["title"] for r in known], "All measures in other studies"),
        )


def _prompts(shown: Shown, rows: Sequence[Record]) -> Iterator[Block]:
    if not rows:
        yield "Not asked: whether tuning carries over to other prompts is not known."
        return
    yield (
        "The same comparisons, asked in another way than the model was tuned on. How often it answers the "
        "same before and after says how far tuning reaches; the answers are drawn, so not even one model "
        "always agrees with itself."
    )
    yield Points(sentences=tuple(prompt_words(row) for row in rows))
    yield Table(
        caption="Same answer before and after, prompt by prompt; 95 % intervals",
        head=("Prompt", "Same before and after", "Comparisons"),
        rows=tuple(
            (row["words"], share(row["same_before_after"]), whole(row["n_comparisons"])) for row in rows
        ),
    )
    known = [r for r in rows if r["before"] and r["after"]]
    if known:
        yield _measures_table(
            shown, known, [r["words"] for r in known], "All measures under other prompts", folded=True
        )


def _texts(rows: Sequence[Record]) -> Iterator[Block]:
    if not rows:
        yield "Not asked: what tuning did to the rest of the model’s language is not known. Ask with --text."
        return
    yield (
        "How many bits a token of a text costs the model: what tuning destroys of the language shows here. "
        "There is no interval: a text is what it is, and another may fare otherwise."
    )
    yield Points(sentences=tuple(text_words(row) for row in rows))
    yield Table(
        caption="Bits per token; less is better",
        head=("Text", "Before", "After", "Difference", "Tokens"),
        rows=tuple(
            (
                row["file"],
                plain(row["bits_per_token_before"]),
                plain(row["bits_per_token_after"]),
                signed(row["bits_per_token_after"] - row["bits_per_token_before"], 2),
                whole(row["n_tokens"]),
            )
            for row in rows
        ),
    )


def _measures_table(
    shown: Shown, rows: Sequence[Record], names: Sequence[str], caption: str, *, folded: bool = False
) -> Table:
    return Table(
        caption=f"{caption}; 95 % intervals",
        head=("Where, measure", "Before", "After", "Difference"),
        rows=tuple(
            (
                f"{name}: {m['name']}" if len(rows) > 1 else m["name"],
                words_of(m["key"], number_of(row["before"], m["key"])),
                words_of(m["key"], number_of(row["after"], m["key"])),
                change_of(m["key"], number_of(row["difference"], m["key"])),
            )
            for row, name in zip(rows, names, strict=True)
            for m in shown.measures
        ),
        folded=caption if folded else "",
    )


def _dots(rows: Sequence[Row], title: str, scale: Scale) -> Picture:
    return dots_plot([("", rows)], looks_of([_BEFORE, _AFTER]), scale, title=title)
