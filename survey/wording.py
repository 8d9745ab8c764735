"""Words for profiles and comparisons. Pure. The survey's page and a model's prompt are made from the same
:class:`Question`, so both read the same sentences."""

from __future__ import annotations

from dataclasses import dataclass

from survey.answers import Choice, Presentation
from survey.design import Attribute, CategoricalAttribute, StudyDesign, Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One attribute of both profiles, in words."""

    label: str
    left: str
    right: str
    differs: bool
    """Whether the two profiles have different values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A presentation in words: everything that a respondent reads about one comparison."""

    text: str
    left: str
    """Heading of the left profile, e.g. ``Patient A``."""
    right: str
    rows: tuple[Row, ...]
    indecision: str | None
    """Label of the indecision answer; None where it is not offered."""
    note: str = ""
    """A line that stands with the comparison and says what to answer; most have none."""
    highlighted: bool = False
    """Whether the rows that differ are emphasized, alike for both profiles."""


def value_words(attribute: Attribute, value: Value) -> str:
    """Return what a respondent reads for ``value``, e.g. ``43 years old``."""
    if isinstance(attribute, CategoricalAttribute):
        return next(level.words for level in attribute.levels if level.name == value)
    template = attribute.words_one if attribute.words_one and value == 1 else attribute.words
    return template.replace("{value}", str(value))


def instructions(design: StudyDesign, *, indecision_offered: bool) -> str:
    """Return what a respondent reads before the first comparison; indecision is explained only where offered."""
    parts = [design.texts.instructions.strip()]
    if indecision_offered and design.indecision.explanation:
        parts.append(design.indecision.explanation.strip())
    return "\n\n".join(parts)


def question(design: StudyDesign, presentation: Presentation) -> Question:
    """Return the words of one presentation.

    They are those of ``design``: pass ``languages.worded(...)`` for a respondent's language and arm.
    """
    rows = []
    for name in presentation.attribute_order:
        attribute = design.attribute(name)
        left, right = presentation.left[name], presentation.right[name]
        rows.append(
            Row(
                label=attribute.label,
                left=value_words(attribute, left),
                right=value_words(attribute, right),
                differs=left != right,
            )
        )
    return Question(
        text=design.texts.question,
        left=design.texts.left,
        right=design.texts.right,
        rows=tuple(rows),
        indecision=design.indecision.label if presentation.indecision_offered else None,
        note=_note(design, presentation),
        highlighted=presentation.highlighted,
    )


def _note(design: StudyDesign, presentation: Presentation) -> str:
    """Return the line of an instructed check. The presentation only says that it is one, and which answer it wants:
    what that answer is called depends on language and arm."""
    if not presentation.note:
        return ""
    if presentation.expected is None:
        raise ValueError(f"presentation {presentation.position} is instructed, but expects no answer")
    called = {
        Choice.LEFT: design.texts.left,
        Choice.RIGHT: design.texts.right,
        Choice.INDECISION: design.indecision.label,
    }
    return design.texts.instructed.strip().replace("{answer}", called[presentation.expected])


def question_text(asked: Question) -> str:
    """Return the question as plain text: heading, then one line per attribute, for each profile in turn, then the
    note if there is one."""
    blocks = [asked.text]
    for heading, side in ((asked.left, "left"), (asked.right, "right")):
        lines = [f"{heading}:"] + [f"- {row.label}: {getattr(row, side)}" for row in asked.rows]
        blocks.append("\n".join(lines))
    if asked.note:
        blocks.append(asked.note)
    return "\n\n".join(blocks)
