"""Read and write ``answers.csv``, the file that hands answers to the estimators.

One row per answer, with one column per attribute and side (``left.age``, ``right.age``), so that the file stands
alone. Importers of published data sets are in ``published_answers``.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from math import isfinite
from pathlib import Path
from typing import TypeVar

from survey.answers import Answer, AnswerSet, Choice, RespondentKind, Role
from survey.columns import CellKind, Column, write_csv
from survey.design import (
    Attribute,
    CategoricalAttribute,
    Level,
    NumericAttribute,
    Profile,
    Value,
    make_profile,
    plain_number,
)
from survey.errors import BadAnswers, BadProfile

_Words = TypeVar("_Words", Choice, RespondentKind, Role)
_Row = TypeVar("_Row")

_CHOICES = {
    Choice.LEFT.value: "the profile in column 'left'",
    Choice.RIGHT.value: "the profile in column 'right'",
    Choice.INDECISION.value: "cannot or would not say: an answer, never missing data",
}
NO_CHOICES = ("skip", "timeout", "refusal")
"""What other tools write into ``choice`` where nothing was chosen. Counted and set aside: missing data is never an
indecision."""
ROLE_MEANINGS = {
    Role.MAIN.value: "to learn what counts: the only role that estimates use",
    Role.CHECK.value: "listed or instructed, with an expected answer",
    Role.REPEAT.value: "an earlier comparison with the sides exchanged",
    Role.DOMINATED.value: "one patient is at least as good in everything",
    Role.IDENTICAL.value: "a profile beside itself",
    Role.PRACTICE.value: "before the first comparison, not scored",
}
"""Why a comparison was shown, in words."""

ANSWER_COLUMNS: tuple[Column[Answer], ...] = (
    Column(
        name="respondent",
        kind=CellKind.TEXT,
        meaning="pseudonymous id, or the model; empty where a source does not say who answered. Respondents of a "
        "rehearsal have ids that begin with 'sim-'",
        cell=lambda a: a.respondent,
    ),
    Column(
        name="kind",
        kind=CellKind.WORD,
        meaning="who answered",
        values={RespondentKind.HUMAN.value: "a person", RespondentKind.MODEL.value: "a language model"},
        cell=lambda a: a.kind.value,
    ),
    Column(
        name="wave",
        kind=CellKind.WHOLE,
        meaning="administration of the study to the same respondents, from 1; of a model, the repeat",
        cell=lambda a: a.wave,
    ),
    Column(name="arm", kind=CellKind.WORD, meaning="randomized condition", cell=lambda a: a.arm),
    Column(
        name="position",
        kind=CellKind.WHOLE,
        meaning="place among the respondent's comparisons of the wave, from 1; empty where unknown",
        cell=lambda a: a.position,
    ),
    Column(
        name="left", kind=CellKind.TEXT, meaning="id of the profile on the left", cell=lambda a: a.left.id
    ),
    Column(
        name="right", kind=CellKind.TEXT, meaning="id of the profile on the right", cell=lambda a: a.right.id
    ),
    Column(
        name="choice",
        kind=CellKind.WORD,
        meaning="the answer that counts",
        values=_CHOICES,
        cell=lambda a: a.choice.value,
    ),
    Column(
        name="indecision_offered",
        kind=CellKind.YES_NO,
        meaning="whether the comparison offered indecision as an answer",
        cell=lambda a: a.indecision_offered,
    ),
    Column(
        name="reason",
        kind=CellKind.WORD,
        meaning="reason given for an indecision; empty where none was asked or given",
        cell=lambda a: a.reason,
    ),
    Column(
        name="seconds",
        kind=CellKind.NUMBER,
        digits=3,
        unit="seconds",
        meaning="time from showing to answering, by the browser's clock; empty where it is missing or not to be "
        "believed",
        cell=lambda a: a.seconds,
    ),
    Column(
        name="seconds_missing",
        kind=CellKind.TEXT,
        meaning="why 'seconds' is empty",
        cell=lambda a: a.seconds_missing,
    ),
    Column(
        name="role",
        kind=CellKind.WORD,
        meaning="why the comparison was shown",
        values={k: v for k, v in ROLE_MEANINGS.items() if k != Role.PRACTICE},
        cell=lambda a: a.role.value,
    ),
    Column(
        name="presented_at",
        kind=CellKind.TIME,
        meaning="when the server sent the respondent to the comparison, last if that happened more than once",
        cell=lambda a: a.presented_at,
    ),
    Column(
        name="answered_at",
        kind=CellKind.TIME,
        meaning="when the server stored the answer",
        cell=lambda a: a.answered_at,
    ),
    Column(
        name="design_hash",
        kind=CellKind.TEXT,
        meaning="SHA-256 of the content of the design that was shown",
        cell=lambda a: a.design_hash,
    ),
)
COLUMNS = tuple(column.name for column in ANSWER_COLUMNS)


def answer_columns(attributes: Sequence[Attribute]) -> tuple[Column[Answer], ...]:
    """Return every column of an answers file whose profiles have these attributes."""
    return (
        *ANSWER_COLUMNS,
        *profile_columns("left", attributes, lambda a: a.left.as_dict()),
        *profile_columns("right", attributes, lambda a: a.right.as_dict()),
    )


def profile_columns(
    side: str, attributes: Sequence[Attribute], values_of: Callable[[_Row], Mapping[str, Value]]
) -> tuple[Column[_Row], ...]:
    """Return one column per attribute of the profile on one side, so that a file stands alone."""
    return tuple(_profile_column(side, attribute, values_of) for attribute in attributes)


def _profile_column(
    side: str, attribute: Attribute, values_of: Callable[[_Row], Mapping[str, Value]]
) -> Column[_Row]:
    name, meaning = f"{side}.{attribute.name}", f"{attribute.label}, of the profile on the {side}"

    def cell(row: _Row) -> Value:
        return values_of(row)[attribute.name]

    if isinstance(attribute, CategoricalAttribute):
        words = {level.name: level.words for level in attribute.levels}
        return Column(name=name, kind=CellKind.WORD, meaning=meaning, values=words, cell=cell)
    return Column(name=name, kind=CellKind.NUMBER, meaning=meaning, unit=attribute.unit, cell=cell)


def write_answers(path: Path, answer_set: AnswerSet) -> None:
    """Write answers to ``path``. The same answers give the same bytes."""
    with path.open("w", encoding="utf-8", newline="") as file:
        write_csv(file, answer_columns(answer_set.attributes), answer_set.answers)


def read_answers(path: Path, attributes: Sequence[Attribute] | None = None) -> AnswerSet:
    """Read ``answers.csv``.

    Parameters
    ----------
    attributes
        The study's attributes. Without them they are inferred from the file: a column of numbers is a numeric
        attribute over the range seen, any other a categorical one whose first level is the first seen.

    Raises
    ------
    BadAnswers
        Naming file, row and column of the first thing that cannot be read.
    """
    rows = list(read_rows(path))
    if not rows:
        raise BadAnswers(f"{path}: holds no answers")
    missing = [c for c in ("choice", "left", "right", "kind") if c not in rows[0][1]]
    if missing:
        raise BadAnswers(
            f"{path}: has no column '{missing[0]}'; this is not an answers file. "
            "Published data sets are read with 'equipoise survey import'"
        )
    attributes = tuple(attributes or _inferred_attributes(path, rows))
    described = {c.removeprefix("left.") for c in rows[0][1] if c.startswith("left.")}
    if described != {a.name for a in attributes}:
        raise BadAnswers(
            f"{path}: describes patients by {', '.join(sorted(described)) or 'nothing'}, but the study does by "
            f"{', '.join(sorted(a.name for a in attributes))}; these are answers to another study"
        )
    profiles: dict[tuple[str, ...], Profile] = {}
    answers = []
    set_aside: Counter[str] = Counter()
    for number, row in rows:
        if row["choice"] in NO_CHOICES:
            set_aside[row["choice"]] += 1
            continue
        try:
            answers.append(_answer(row, attributes, profiles))
        except (ValueError, BadProfile) as error:
            raise BadAnswers(f"{path}:{number}: {error}") from None
    return AnswerSet(attributes=attributes, answers=answers, source=str(path), set_aside=dict(set_aside))


def read_rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield (line number, row) of a CSV file with a header, refusing short and long rows.

    Raises
    ------
    BadAnswers
        The file cannot be opened, is not UTF-8, or a row has too few or too many cells.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            for row in reader:
                if None in row or None in row.values():
                    raise BadAnswers(f"{path}:{reader.line_num}: does not have as many cells as the header")
                yield reader.line_num, row
    except OSError as error:
        raise BadAnswers(f"{path}: {error.strerror}; name an existing file") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadAnswers(f"{path}: is not a UTF-8 CSV file ({error})") from None


def _answer(
    row: dict[str, str], attributes: tuple[Attribute, ...], profiles: dict[tuple[str, ...], Profile]
) -> Answer:
    answer = Answer(
        respondent=row.get("respondent") or None,
        kind=_word(RespondentKind, row, "kind"),
        wave=_whole_number(row, "wave") or 1,
        arm=row.get("arm", ""),
        position=_whole_number(row, "position"),
        left=_profile(row, "left", attributes, profiles),
        right=_profile(row, "right", attributes, profiles),
        choice=_word(Choice, row, "choice"),
        indecision_offered=_yes_no(row, "indecision_offered"),
        reason=row.get("reason", ""),
        seconds=_seconds(row, "seconds"),
        seconds_missing=row.get("seconds_missing", ""),
        role=_word(Role, row, "role") if row.get("role") else Role.MAIN,
        presented_at=_time(row, "presented_at"),
        answered_at=_time(row, "answered_at"),
        design_hash=row.get("design_hash", ""),
    )
    if answer.choice is Choice.INDECISION and not answer.indecision_offered:
        raise ValueError("column 'choice' says 'indecision', but 'indecision_offered' says 'no'")
    return answer


def _word(words: type[_Words], row: dict[str, str], column: str) -> _Words:
    try:
        return words(row[column])
    except ValueError:
        known = ", ".join(word.value for word in words)
        known += f" (or, for no choice at all, {', '.join(NO_CHOICES)})" if words is Choice else ""
        raise ValueError(f"column '{column}' says {row[column]!r}, which is none of {known}") from None


def _whole_number(row: dict[str, str], column: str) -> int | None:
    text = row.get(column)
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and int(text) >= 1):
        raise ValueError(f"column '{column}' says {text!r}, not a whole number from 1")
    return int(text)


def _seconds(row: dict[str, str], column: str) -> float | None:
    text = row.get(column)
    if not text:
        return None
    number = _number_or_none(text)
    if number is None or not isfinite(number) or number < 0:
        raise ValueError(f"column '{column}' says {text!r}, not a number of seconds")
    return number


def _time(row: dict[str, str], column: str) -> datetime | None:
    text = row.get(column)
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise ValueError(f"column '{column}' says {text!r}, not a time such as 2026-11-21T12:00:00+00:00")
    return moment


def _yes_no(row: dict[str, str], column: str) -> bool:
    text = row.get(column)
    if text not in ("yes", "no"):
        raise ValueError(f"column '{column}' says {text!r}, not yes or no")
    return text == "yes"


def _profile(
    row: dict[str, str],
    side: str,
    attributes: tuple[Attribute, ...],
    profiles: dict[tuple[str, ...], Profile],
) -> Profile:
    try:
        cells = tuple(row[f"{side}.{a.name}"] for a in attributes)
    except KeyError as error:
        raise ValueError(f"there is no column {error.args[0]!r}") from None
    name = row[side] if "=" not in row[side] else ""
    key = (name, *cells)
    if key not in profiles:
        values = {a.name: _value(a, cell) for a, cell in zip(attributes, cells, strict=True)}
        profiles[key] = make_profile(attributes, values, name=name)
    return profiles[key]


def _value(attribute: Attribute, cell: str) -> str | float:
    if isinstance(attribute, CategoricalAttribute):
        return cell
    try:
        return plain_number(float(cell))
    except ValueError:
        raise ValueError(f"attribute '{attribute.name}' needs a number, not {cell!r}") from None


def _inferred_attributes(path: Path, rows: list[tuple[int, dict[str, str]]]) -> tuple[Attribute, ...]:
    names = [c.removeprefix("left.") for c in rows[0][1] if c.startswith("left.")]
    if not names:
        raise BadAnswers(f"{path}: has no attribute columns such as 'left.age'; the answers cannot be used")
    attributes: list[Attribute] = []
    for name in names:
        if f"right.{name}" not in rows[0][1]:
            raise BadAnswers(f"{path}: has 'left.{name}' but no 'right.{name}'")
        cells = list(dict.fromkeys(row[f"{side}.{name}"] for _, row in rows for side in ("left", "right")))
        numbers = [_number_or_none(cell) for cell in cells]
        known = [n for n in numbers if n is not None]
        if len(known) == len(cells):
            attributes.append(NumericAttribute(name=name, label=name, minimum=min(known), maximum=max(known)))
        else:
            levels = tuple(Level(name=cell, words=cell) for cell in cells)
            attributes.append(CategoricalAttribute(name=name, label=name, levels=levels))
    return tuple(attributes)


def _number_or_none(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None
