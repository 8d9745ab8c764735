"""Read and write ``answers.csv``, the file that hands answers to the estimators.

One row per answer, with one column per attribute and side (``left.age``, ``right.age``), so that the file stands
alone. Importers of published data sets are in ``published_answers``.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from math import isfinite
from pathlib import Path
from typing import TypeVar

from survey.answers import Answer, AnswerSet, Choice, RespondentKind, Role
from survey.design import (
    Attribute,
    CategoricalAttribute,
    Level,
    NumericAttribute,
    Profile,
    make_profile,
    plain_number,
)
from survey.errors import BadAnswers, BadProfile

_Words = TypeVar("_Words", Choice, RespondentKind, Role)

COLUMNS = (
    "respondent",
    "kind",
    "wave",
    "arm",
    "position",
    "left",
    "right",
    "choice",
    "indecision_offered",
    "reason",
    "seconds",
    "seconds_missing",
    "role",
    "presented_at",
    "answered_at",
    "design_hash",
)


def write_answers(path: Path, answer_set: AnswerSet) -> None:
    """Write answers to ``path``. The same answers give the same bytes."""
    names = [a.name for a in answer_set.attributes]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*COLUMNS, *(f"{side}.{name}" for side in ("left", "right") for name in names)])
        for answer in answer_set.answers:
            writer.writerow([*_fixed_cells(answer), *_profile_cells(answer, names)])


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
    for number, row in rows:
        try:
            answers.append(_answer(row, attributes, profiles))
        except (ValueError, BadProfile) as error:
            raise BadAnswers(f"{path}:{number}: {error}") from None
    return AnswerSet(attributes=attributes, answers=answers, source=str(path))


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


def _fixed_cells(answer: Answer) -> list[str]:
    return [
        answer.respondent or "",
        answer.kind.value,
        str(answer.wave),
        answer.arm,
        "" if answer.position is None else str(answer.position),
        answer.left.id,
        answer.right.id,
        answer.choice.value,
        "yes" if answer.indecision_offered else "no",
        answer.reason,
        "" if answer.seconds is None else f"{answer.seconds:.3f}",
        answer.seconds_missing,
        answer.role.value,
        _time_text(answer.presented_at),
        _time_text(answer.answered_at),
        answer.design_hash,
    ]


def _profile_cells(answer: Answer, names: Iterable[str]) -> list[str]:
    names = list(names)
    return [str(profile[name]) for profile in (answer.left, answer.right) for name in names]


def _time_text(moment: datetime | None) -> str:
    return "" if moment is None else moment.isoformat(timespec="milliseconds")


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
