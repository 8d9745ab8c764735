"""What people said of themselves, as columns of a table: a column for each question. Pure.

A cell holds options, a number or text, and is held to what the page of the form would take.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from survey.coding.spreadsheet import SEPARATOR, Sheet, SheetRow, shown
from survey.design import StudyDesign
from survey.languages import with_words
from survey.questionnaire import LONGEST_TEXT, PREFER_NOT_TO_SAY, FormQuestion, QuestionKind, read_form
from survey.suggestions import as_written, folded

_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}")
"""Digits that may be thousands, or a number with a decimal comma."""

Said: TypeAlias = tuple[str, ...] | str | int | float
"""An answer to a question about oneself: names of the options chosen, text, or a number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedColumn:
    """A question of the demographics or screener that a table may have a column for."""

    question: FormQuestion
    words: Mapping[str, frozenset[str]]
    """What a cell may say, in small letters -> names of the options that are called so: by their names, or by their
    words in a language of the design. Empty where the answer is a number or text."""

    @property
    def options(self) -> tuple[str, ...]:
        """Names of the options, in the design's order; none where the answer is a number or text."""
        return tuple(option.name for option in self.question.options)

    def called(self, said: str) -> frozenset[str]:
        """Return the names of the options that a cell may mean: several if two are called alike."""
        return frozenset({said}) if said in self.options else self.words.get(_compared(said), frozenset())


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedColumns:
    """The questions of a design that a table may have columns for."""

    columns: Mapping[str, StatedColumn]
    """Name of a column in small letters -> what it holds."""
    names: tuple[str, ...]
    """The column that is usually written for each of these questions."""


def stated_columns(design: StudyDesign, taken: Collection[str]) -> StatedColumns:
    """Return the columns for what people say of themselves.

    A column is called like its question, or like its table and its question (``demographics.language``), which can
    be told from columns that hold something else.

    Parameters
    ----------
    taken
        Names of those other columns.
    """
    asked = [
        (table, question)
        for table, questions in (("screener", design.screener), ("demographics", design.demographics))
        for question in questions
    ]
    others = [with_words(design, dict(translation.words)) for translation in design.translations]
    wordings: dict[str, list[FormQuestion]] = {}
    for one in (design, *others):
        for question in (*one.screener, *one.demographics):
            wordings.setdefault(question.name, []).append(question)
    # Columns are named whatever the case: of two questions that differ in nothing else, neither could be told.
    times = Counter(question.name.lower() for _, question in asked)
    columns: dict[str, StatedColumn] = {}
    usual: list[str] = []
    for table, question in asked:
        short = question.name.lower()
        names = [name for name in (short, f"{table}.{short}") if name not in taken and times[short] == 1]
        column = StatedColumn(question=question, words=_words(wordings[question.name]))
        columns |= dict.fromkeys(names, column)
        usual += names[:1]
    return StatedColumns(columns=columns, names=tuple(usual))


def _words(wordings: Iterable[FormQuestion]) -> dict[str, frozenset[str]]:
    by_name: dict[str, set[str]] = {}
    by_words: dict[str, set[str]] = {}
    for question in wordings:
        for option in question.options:
            by_name.setdefault(_compared(option.name), set()).add(option.name)
            by_words.setdefault(_compared(option.words), set()).add(option.name)
    # Names come first: they say the same in every language.
    return {said: frozenset(names) for said, names in (by_words | by_name).items()}


def _compared(text: str) -> str:
    return " ".join(folded(as_written(text)).split())


class Statements:
    """What each respondent of a table stated, over all lines of the respondent."""

    def __init__(self, sheet: Sheet, asked: StatedColumns) -> None:
        self._sheet = sheet
        self._columns = {name: asked.columns[name] for name in sheet.columns if name in asked.columns}
        self._stated: dict[tuple[str, str], tuple[Said, int]] = {}

    def read(self, row: SheetRow, respondent: str) -> dict[str, Said]:
        """Return question -> what is said of it, of one line; empty cells state nothing.

        What the form would not take, or contradicts an earlier line of the respondent, is complained of.
        """
        found: dict[str, Said] = {}
        for name, column in self._columns.items():
            cell = row.cell(name)
            if not respondent or not cell or _compared(cell).replace(" ", "-") == PREFER_NOT_TO_SAY:
                continue
            said, problem = _read(column, cell)
            if problem:
                self._sheet.complain(row, name, problem)
                continue
            if says_nothing(said):
                continue
            question = column.question.name
            before, line = self._stated.setdefault((respondent, question), (said, row.line))
            if before != said:
                told = f"{shown(cell)} contradicts {shown(said_words(before))} in line {line}"
                self._sheet.complain(
                    row, name, f"{told}, which is about '{respondent}', too; correct one of them"
                )
            else:
                found[question] = said
        return found


def says_nothing(said: Said | Sequence[str]) -> bool:
    """Whether nothing is stated: no option, no text. The number 0 is an answer."""
    return isinstance(said, Sequence) and not said


def said_words(said: Said | Sequence[str]) -> str:
    """Return what somebody stated as a cell holds it."""
    return str(said) if isinstance(said, str | int | float) else SEPARATOR.join(said)


def _read(column: StatedColumn, cell: str) -> tuple[Said, str]:
    """Return what a cell says, and what is wrong with it, if anything."""
    if column.options:
        chosen = _chosen(column, cell)
        return ((), chosen) if isinstance(chosen, str) else (chosen, "")
    question, text = column.question, as_written(cell)
    if question.kind is QuestionKind.TEXT and len(text) > LONGEST_TEXT:
        return "", f"has {len(text)} characters; {LONGEST_TEXT} are the most that the form takes; shorten it"
    if question.kind is QuestionKind.NUMBER and _THOUSANDS.fullmatch(text):
        # A form shows what was understood; of a table's hundreds of lines nobody would see it.
        either = f"{text.replace(',', '')} or {text.replace(',', '.')}"
        return "", f"{shown(cell)} may be {either}; write it without a comma"
    stated, wrong = read_form([question], {question.name: [text]}, all_needed=False)
    if wrong:
        way_out = f"write {_number_wanted(question)}, or leave the cell empty"
        return "", f"{shown(cell)} is {wrong[0].problem}; {way_out}"
    said = stated.get(question.name, "")
    return (tuple(said) if isinstance(said, list) else said), ""


def _number_wanted(question: FormQuestion) -> str:
    low, high = (None if limit is None else f"{limit:.15g}" for limit in (question.minimum, question.maximum))
    if low and high:
        return f"a number from {low} to {high}"
    if low:
        return f"a number of at least {low}"
    return f"a number of at most {high}" if high else "a number such as 42"


def _chosen(column: StatedColumn, cell: str) -> tuple[str, ...] | str:
    """Return the options that a cell names, in the design's order, or what is wrong with it."""
    parts = [cell]
    if not column.called(cell):  # As a whole first: words may hold the separator.
        parts = [part.strip() for part in cell.split(SEPARATOR) if part.strip()]
    if len(parts) > 1 and column.question.kind is not QuestionKind.SEVERAL:
        return f"{shown(cell)} is more than one answer; the question takes one of {', '.join(column.options)}"
    chosen: set[str] = set()
    for part in parts:
        meant = column.called(part)
        if not meant:
            return f"{shown(part)} is none of the options {', '.join(column.options)}, nor the words of one"
        if len(meant) > 1:
            either = " or ".join(name for name in column.options if name in meant)
            return f"{shown(part)} may be {either}; write the option's name in the design"
        chosen |= meant
    return tuple(name for name in column.options if name in chosen)
