"""Before and after tuning as two models beside people: the sections of an alignment, made from its record. Pure."""

from __future__ import annotations

from dataclasses import replace

from llm_compare.report import model_tables
from llm_compare.report.behavior_sections import consistency_section
from llm_compare.report.blocks import Points, Section
from llm_compare.report.choice_sections import effects_section
from llm_compare.report.closeness_sections import closeness_section
from llm_compare.report.indecision_sections import indecision_section
from llm_compare.report.model_tables import sentence
from llm_compare.report.number_words import counted
from llm_compare.tuning.report.shown import Shown

_HEADING = "Before and after, asked as people are"


def detail_sections(shown: Shown) -> tuple[Section, ...]:
    """Return the sections on one adapter and its base, both asked word for word as ``compare ask`` does."""
    compared = shown.record["before_after"]
    if compared is None:
        return (
            Section(
                heading=_HEADING,
                blocks=("Not measured: there is no adapter of everybody’s answers to ask.",),
            ),
        )
    beside = model_tables.Shown.of(compared)
    people = compared["people"]
    overview = Section(
        heading=_HEADING,
        blocks=(
            "The base (“before”) and one adapter on it (“after”) answered held-out comparisons as any model "
            f"does that is asked with compare ask, beside {counted(people['n_answers'], 'answer')} of people "
            f"to {counted(people['n_comparisons'], 'comparison')}. The sections that follow measure both as "
            "compare align does. Their intervals are over people and comparisons, not over draws of training "
            "answers.",
        ),
        parts=tuple(
            Section(
                heading=model["measured"]["label"].capitalize(),
                blocks=(Points(sentences=tuple(sentence(s) for s in model["summary"])),),
            )
            for model in beside.models
        ),
    )
    found = (
        closeness_section(beside),
        effects_section(beside),
        indecision_section(beside),
        consistency_section(beside),
    )
    return (
        overview,
        *(replace(s, heading=f"Before and after: {s.heading[0].lower()}{s.heading[1:]}") for s in found),
    )
