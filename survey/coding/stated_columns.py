"""What people said of themselves, as columns of a table: a column for each question, options in its cells. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from survey.coding.spreadsheet import SEPARATOR, Sheet, SheetRow, shown
from survey.design import StudyDesign
from survey.languages import with_words
from survey.questionnaire import PREFER_NOT_TO_SAY, FormQuestion, QuestionKind
from survey.suggestions import as_written, folded

_WITH_OPTIONS = (QuestionKind.CHOICE, QuestionKind.SEVERAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedColumn:
    """A question of the demographics or screener that a table may have a column for."""

    question: str
    """Its name in the design."""
    options: tuple[str, ...]
    """Their names, in the design's order."""
    allows_several: bool
    words: Mapping[str, frozenset[str]]
    """What a cell may say, in small letters -> names of the options that are called so: by their names, or by their
    words in a language of the design."""

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
    without_options: frozenset[str]
    """Columns of questions whose answers are numbers or text, by which nobody is grouped."""


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
    without: set[str] = set()
    for table, question in asked:
        short = question.name.lower()
        names = [name for name in (short, f"{table}.{short}") if name not in taken and times[short] == 1]
        if question.kind not in _WITH_OPTIONS:
            without.update(names)
            continue
        column = StatedColumn(
            question=question.name,
            options=tuple(option.name for option in question.options),
            allows_several=question.kind is QuestionKind.SEVERAL,
            words=_words(wordings[question.name]),
        )
        columns |= dict.fromkeys(names, column)
        usual += names[:1]
    return StatedColumns(columns=columns, names=tuple(usual), without_options=frozenset(without))


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
        self._stated: dict[tuple[str, str], tuple[tuple[str, ...], int]] = {}

    def read(self, row: SheetRow, respondent: str) -> dict[str, tuple[str, ...]]:
        """Return question -> names of the options chosen, of one line; empty cells state nothing.

        What is no option, or contradicts an earlier line of the respondent, is complained of.
        """
        found: dict[str, tuple[str, ...]] = {}
        for name, column in self._columns.items():
            cell = row.cell(name)
            if not respondent or not cell or _compared(cell).replace(" ", "-") == PREFER_NOT_TO_SAY:
                continue
            chosen = _chosen(column, cell)
            if isinstance(chosen, str):
                self._sheet.complain(row, name, chosen)
                continue
            if not chosen:
                continue
            before, line = self._stated.setdefault((respondent, column.question), (chosen, row.line))
            if before != chosen:
                said = f"{shown(cell)} contradicts {shown(SEPARATOR.join(before))} in line {line}"
                self._sheet.complain(
                    row, name, f"{said}, which is about '{respondent}', too; correct one of them"
                )
            else:
                found[column.question] = chosen
        return found


def _chosen(column: StatedColumn, cell: str) -> tuple[str, ...] | str:
    """Return the options that a cell names, in the design's order, or what is wrong with it."""
    parts = [cell]
    if not column.called(cell):  # As a whole first: words may hold the separator.
        parts = [part.strip() for part in cell.split(SEPARATOR) if part.strip()]
    if len(parts) > 1 and not column.allows_several:
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
