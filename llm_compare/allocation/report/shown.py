"""The respondents of a record, and how their numbers are put in words. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from exchange.outcomes.svg_plots import Look, looks_of
from llm_compare.report.number_words import NARROW, Reason, Record, percent, plain

KIND_TAGS = {"model": "model", "script": "scripted", "policy": "policy", "people": "people"}
"""What a respondent's kind is called at its name, see :func:`tag_of`."""
SURE = 0.05
PERMUTATION = "permutation"
PAPERS_MODEL = "mixed model of the paper"
NONE, NO_BREAK = "–", "\u00a0"
SHARES = ("chosen", "first")
"""Measures of counterfactuals that are shares of trials."""


def tag_of(respondent: Record) -> str:
    """Return what a respondent is; participants of a rehearsal, if only some of all, make people ``simulated``."""
    return (
        "simulated" if any(t["n_simulated"] for t in respondent["trials"]) else KIND_TAGS[respondent["kind"]]
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What all sections draw on."""

    record: Record
    """Content of ``allocation.json``."""
    looks: Mapping[str, Look]

    @classmethod
    def of(cls, record: Record) -> Shown:
        """Take the respondents of ``allocation.json``."""
        return cls(record=record, looks=looks_of(["", *(r["name"] for r in record["respondents"])]))

    @property
    def respondents(self) -> Sequence[Record]:
        """All of them."""
        found: Sequence[Record] = self.record["respondents"]
        return found

    def having(self, part: str) -> Sequence[Record]:
        """Return the respondents of whom a part (``choices``, ``rankings`` …) was measured."""
        return [r for r in self.respondents if r[part]]

    @property
    def groupings(self) -> Sequence[str]:
        """Groupings in which there are groups to compare."""
        return [g["grouping"] for g in self.record["problems"]["groupings"] if len(g["groups"]) > 1]

    def sizes(self, grouping: str) -> Record:
        """Return a grouping's groups as the problems have them."""
        return next(g for g in self.record["problems"]["groupings"] if g["grouping"] == grouping)


def by_grouping(parts: Sequence[Record], grouping: str) -> Record:
    """Return the part about a grouping."""
    return next(part for part in parts if part["grouping"] == grouping)


def measure_of(tests: Record, name: str) -> Record | None:
    """Return one outcome of the tests of a grouping; None where it was not tested."""
    return next((m for m in tests["measures"] if m["measure"] == name), None)


def test_of(group: Record, method: str) -> Record | None:
    """Return one test of a group by its name; None where the group has no such test."""
    return next((t for t in group["tests"] if t["method"] == method), None)


def share_effect(contrast: Record) -> Record:
    """Return a counterfactual's effect on the share of trials in which the candidate comes first."""
    found: Record = next(e for e in contrast["effects"] if e["measure"] in SHARES)
    return found


def is_sure(effect: Record) -> bool:
    """Return whether a p-value, adjusted where it was, lies below .05."""
    p = effect["p"] if effect["p_adjusted"] is None else effect["p_adjusted"]
    return p is not None and p < SURE


def starred(text: str, sure: bool) -> str:
    """Return a number's text with a star where a difference is shown."""
    return f"{text}{NO_BREAK}*" if sure else text


def undecided_share(respondent: Record) -> float | None:
    """Return the share of choices, made or left to chance, in which nobody was chosen; None if there is none."""
    counts = [t["counts"] for t in respondent["trials"] if t["counts"]["indecision"]]
    undecided = sum(c["indecision"] for c in counts)
    return undecided / (undecided + sum(c["answer"] for c in counts)) if undecided else None


def p_text(p: float | None) -> str:
    """Return a p-value for a table; a dash where there is none."""
    if p is None:
        return "–"
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def beside_chance(found: Record, *, is_share: bool = True) -> str:
    """Return a number and its level under chance: ``83 % (chance 21 %)``."""
    form = percent if is_share else plain
    if found["observed"]["value"] is None:
        return Reason(f"not known: {found['observed']['reason']}")
    return f"{form(found['observed']['value'])} (chance\u00a0{form(found['chance']['value'])})"


def exact_percent(value: float | None, digits: int = 1) -> str:
    """Return a share as percent with so many decimals."""
    return "–" if value is None else f"{100 * value:.{digits}f}{NARROW}%"


def told_groups(names: Sequence[str]) -> str:
    """Return names for a sentence: ``White, Black and Asian``."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
