"""The choices file: which categories become attributes, and in which words. TOML, as ``design.toml``. Pure.

It has the keys of a design. Each of [[attributes]] also names its ``category`` (or ``categories``), and [study] may
say ``comparisons_per_respondent``. Whatever is left out of the rest gets a default, which is written out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from survey.coding.coding import CodingError
from survey.design_file.complaints import Loc, key_lines, key_text
from survey.design_file.document import read_document
from survey.design_file.reading import read_design_text

_IN_STUDY = ("slug", "title", "version", "language", "source", "contact")
_PER_RESPONDENT = "comparisons_per_respondent"
_ATTRIBUTE = re.compile(r"attributes\[(\d+)\]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something in the choices that makes no design."""

    key: str
    """Where, as in the file, e.g. ``attributes[1].label`` (counted from 1)."""
    text: str
    """What is wrong, and what to do."""
    line: int | None = None
    """In the choices file; None where they are from no file."""

    @property
    def attribute(self) -> int | None:
        """Which of the attributes it is about, from 0; None: none of them."""
        found = _ATTRIBUTE.match(self.key)
        return int(found[1]) - 1 if found else None


class BadChoices(CodingError):
    """Choices that make no design; ``problems`` holds all that were found."""

    def __init__(self, problems: Sequence[Problem], where: str) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: problem.line or 0))
        lines = [f"  {where}{f':{p.line}' if p.line else ''}: {p.key}: {p.text}" for p in self.problems]
        super().__init__("\n".join([f"{where}: {len(problems)} problem(s)", *lines]))


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenAttribute:
    """An attribute of the design to be, and the categories that it comes from."""

    categories: tuple[str, ...]
    """Names of categories of the coding; several: mentions and people are counted over all of them together. Empty:
    nobody named it, the researcher adds it."""
    table: Mapping[str, object]
    """Its keys as in [[attributes]] of a design: ``name``, ``label``, ``kind`` and ``levels`` (each with ``name``
    and ``words``) or ``minimum``, ``maximum``, ``step``, ``words`` … The design's own rules are applied to them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyAbout:
    """What the design says besides its attributes."""

    slug: str
    title: str
    version: str = "1"
    language: str = "en"
    source: str = ""
    """Empty: says which study the attributes come from."""
    contact: str = ""
    comparisons_per_respondent: int | None = None
    """None: 20, or as many as there are."""
    tables: Mapping[str, object] = field(default_factory=dict)
    """Other tables of the design (``texts``, ``profiles`` …) as in its file; what is missing gets a default."""
    where: str = "choices"
    """What complaints call them."""
    lines: Mapping[Loc, int] = field(default_factory=dict)
    """Line of each key, where they are from a file."""

    def problem(self, loc: Loc, text: str) -> Problem:
        """Return a problem with the line of the innermost part of ``loc`` that has one."""
        probe = loc
        while probe and probe not in self.lines:
            probe = probe[:-1]
        return Problem(key=key_text(loc), text=text, line=self.lines.get(probe))

    def problem_at(self, key: str, text: str) -> Problem:
        """Return a problem at a key as complaints about a design name it."""
        return self.problem(_loc(key), text)


def _loc(key: str) -> Loc:
    parts: list[str | int] = []
    for name, number in re.findall(r"([^.\[\]]+)|\[(\d+)\]", key):
        parts.append(int(number) - 1 if number else name)
    return tuple(parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """A choices file."""

    attributes: tuple[ChosenAttribute, ...]
    about: StudyAbout


def read_choices(path: Path) -> Choices:
    """Read a choices file.

    Raises
    ------
    BadDesign
        It is no readable TOML.
    BadChoices
        Something is missing or of the wrong kind. What concerns the design itself is found when it is made.
    """
    return choices_from(read_design_text(path), str(path))


def choices_from(text: str, where: str = "choices.toml") -> Choices:
    """Return the choices in a text that complaints call ``where``; see :func:`read_choices`."""
    document = read_document(text, where)
    about = StudyAbout(slug="", title="", where=where, lines=key_lines(text))
    problems: list[Problem] = []
    study = _table(document, "study", about, problems)
    attributes = tuple(_attributes(document, about, problems))
    per_respondent = study.get(_PER_RESPONDENT)
    if per_respondent is not None and (
        isinstance(per_respondent, bool) or not isinstance(per_respondent, int)
    ):
        problems.append(
            about.problem(
                ("study", _PER_RESPONDENT), f"must be a whole number of comparisons, not {per_respondent!r}"
            )
        )
    texts: dict[str, str] = {}
    for key, value in study.items():
        if key in _IN_STUDY and isinstance(value, str):
            texts[key] = value
        elif key in _IN_STUDY:
            problems.append(about.problem(("study", key), f"must be a text, not {value!r}"))
        elif key != _PER_RESPONDENT:
            problems.append(
                about.problem(("study", key), "is not a key that choices have; check its spelling")
            )
    problems += [about.problem(("study", key), "is missing") for key in ("slug", "title") if key not in study]
    if problems:
        raise BadChoices(problems, where)
    return Choices(
        attributes=attributes,
        about=StudyAbout(
            **{"slug": "", "title": "", **texts},
            comparisons_per_respondent=per_respondent,
            tables={key: value for key, value in document.items() if key not in ("study", "attributes")},
            where=where,
            lines=about.lines,
        ),
    )


def _table(
    document: Mapping[str, Any], name: str, about: StudyAbout, problems: list[Problem]
) -> Mapping[str, Any]:
    table = document.get(name)
    if isinstance(table, dict):
        return table
    problems.append(
        about.problem((name,), "is missing" if table is None else f"must be a table headed [{name}]")
    )
    return {}


def _attributes(
    document: Mapping[str, Any], about: StudyAbout, problems: list[Problem]
) -> Iterable[ChosenAttribute]:
    given = document.get("attributes")
    if not isinstance(given, list) or not given:
        problems.append(about.problem(("attributes",), "needs at least one table headed [[attributes]]"))
        return
    for i, table in enumerate(given):
        if not isinstance(table, dict):
            problems.append(about.problem(("attributes", i), "must be a table headed [[attributes]]"))
            continue
        categories = _categories(table)
        if isinstance(categories, str):
            problems.append(about.problem(("attributes", i), categories))
            continue
        own = {key: value for key, value in table.items() if key not in ("category", "categories")}
        yield ChosenAttribute(categories=categories, table=own)


def _categories(table: Mapping[str, Any]) -> tuple[str, ...] | str:
    """Return the names of an attribute's categories, or what is wrong with them."""
    if ("category" in table) == ("categories" in table):
        return (
            "needs either category = '…', or categories = ['…', '…'] where several make one attribute, or "
            "categories = [] where nobody named it"
        )
    given = [table["category"]] if "category" in table else table["categories"]
    if not isinstance(given, list) or not all(isinstance(name, str) and name for name in given):
        return "category must be the name of a category, and categories a list of names"
    return tuple(given)
