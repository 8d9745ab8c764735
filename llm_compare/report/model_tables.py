"""The models of a record, and tables with a row for each. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from exchange.outcomes.svg_plots import Look
from llm_compare.report.alignment_plots import everybody
from llm_compare.report.blocks import Table
from llm_compare.report.number_words import Record, sample

_HYPHEN_BEFORE_NUMBER = re.compile(r"(?<![\w.])-(?=\.?\d)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """The models of a report, sorted by what can be said of them."""

    record: Record
    aligned: Sequence[Record]
    """``measured`` of those with a comparison in common with people."""
    looks: Mapping[str, Look]

    @classmethod
    def of(cls, record: Record) -> Shown:
        """Take the models of ``alignment.json``."""
        measured = [model["measured"] for model in record["models"]]
        return cls(
            record=record,
            aligned=[m for m in measured if m["alignment"] is not None],
            looks=everybody([m["label"] for m in measured]),
        )

    @property
    def models(self) -> Sequence[Record]:
        """All models with choices: ``measured``, ``pool``, ``pools``, ``years``, ``summary``."""
        models: Sequence[Record] = self.record["models"]
        return models

    @property
    def missing(self) -> str:
        """Why nothing can be measured; empty if something can."""
        if self.aligned:
            return ""
        notes = [note for model in self.models for note in model["measured"]["notes"]]
        return sentence(notes[-1] if notes else "no model made a choice, so there is nothing to measure")

    def sample(self, measured: Record) -> str:
        """Return how many people and comparisons stand behind a number."""
        return sample(measured, people_are_known=self.record["people"]["n_respondents"] is not None)


def by_model(
    shown: Shown,
    caption: str,
    head: Sequence[str],
    cells: Callable[[Record], Sequence[str]],
    *,
    n_of: Callable[[Record], Record] | None = None,
    folded: str = "",
) -> Table:
    """Return a table with a row for each aligned model, from its ``alignment``.

    Parameters
    ----------
    n_of
        Of which number people and comparisons are counted in a last column; None for no such column.
    """
    return Table(
        caption=caption,
        head=("Model", *head, *(["Measured on"] if n_of else [])),
        rows=tuple(
            (
                m["label"],
                *cells(m["alignment"]),
                *([shown.sample(n_of(m["alignment"]))] if n_of else []),
            )
            for m in shown.aligned
        ),
        folded=folded,
    )


def both_sides(shown: Shown, measure: str) -> list[tuple[str, str, Record, Record]]:
    """Return (who, name, their side of a measure, alignment): people and model in turn, equal people only once."""
    found: list[tuple[str, str, Record, Record]] = []
    several = len({json.dumps(m["alignment"][measure]["people"]) for m in shown.aligned}) > 1
    for m in shown.aligned:
        sides = m["alignment"][measure]
        if several or not found:
            name = f"People, as {m['label']} was asked" if several else "People"
            found.append(("people", name, sides["people"], m["alignment"]))
        found.append(("model", m["label"], sides["model"], m["alignment"]))
    return found


def sentence(text: str) -> str:
    """Return words from the record as a sentence: a capital first, a full stop last, true minus signs."""
    text = minus(text).strip()
    if not text:
        return ""
    return f"{text[0].upper()}{text[1:]}{'' if text[-1] in '.!?:”' else '.'}"


def told(label: str, text: str) -> str:
    """Return a sentence about a model, its name as it is."""
    return f"{label}: {sentence(text)}"


def minus(text: str) -> str:
    """Return words with minus signs in place of hyphens before numbers."""
    return _HYPHEN_BEFORE_NUMBER.sub("−", text)


def joined(words: Sequence[str], none: str) -> str:
    """Return words one after the other, or what to say where there are none."""
    return ", ".join(words) or none
