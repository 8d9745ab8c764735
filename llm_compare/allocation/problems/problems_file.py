"""``problems.json``: what is put to whoever answers, written once and read by every task.

The names of the columns stand in it once, and each record is a row. Where records are people's, only the
file's owner may read it.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any

from estimation.commands.writing import write_text
from llm_compare.allocation.problems.columns import CANDIDATE_COLUMNS, KIDNEY_COLUMNS, Column, Kind
from llm_compare.allocation.problems.problem import Candidate, Kidney, Origin, Problem, ProblemSet, Value
from llm_compare.allocation.problems.registry_codes import NEEDED
from llm_compare.allocation.problems.viability import blood_group
from llm_compare.errors import BadProblems
from llm_compare.replies.record import LIST, TEXT, WHOLE, BadRecord, checked, checked_items

FORMAT = "equipoise problems"
FORMAT_VERSION = 1
_PARTS = {
    "format": TEXT,
    "format_version": WHOLE,
    "title": TEXT,
    "origin": TEXT,
    "source": TEXT,
    "seed": WHOLE,
    "candidate_columns": LIST,
    "kidney_columns": LIST,
    "problems": LIST,
    "pairs": LIST,
    "example_sets": LIST,
}
_PROBLEM_PARTS = {"name": TEXT, "kidney": LIST, "ids": LIST, "candidates": LIST}
_WAY_OUT = "name a file written by 'equipoise compare problems'"


def write_problems(path: Path, problem_set: ProblemSet) -> None:
    """Write ``problems.json``, whole or not at all; the same set gives the same bytes.

    People's records are written so that nobody but the file's owner may read them, whatever the file was before.

    Raises
    ------
    OSError
        Carrying ``path`` as its file name.
    """
    write_text(path, _text(_document(problem_set)), owner_only=problem_set.is_restricted)


def read_problems(path: Path) -> ProblemSet:
    """Read ``problems.json``.

    Raises
    ------
    BadProblems
        There is no such file, or a part of it is missing, unknown or impossible; the message names the place.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadProblems(f"{path}: {error.strerror}; {_WAY_OUT}") from None
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise BadProblems(f"{path}: is not JSON ({error}); {_WAY_OUT}") from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise BadProblems(f"{path}: is no problem set; {_WAY_OUT}")
    if document.get("format_version") != FORMAT_VERSION:
        raise BadProblems(
            f"{path}: was written in version {document.get('format_version')} of the format, this is version "
            f"{FORMAT_VERSION}; draw the problems anew"
        )
    try:
        return _problem_set(document)
    except BadRecord as error:
        raise BadProblems(f"{path}: {error}; mend it, or draw the problems anew") from None


def problems_sha256(problem_set: ProblemSet) -> str:
    """Return the SHA-256 (hex) of what is asked, and of whom: independent of path, layout, title and source."""
    document = _document(problem_set)
    asked = {
        part: document[part]
        for part in ("origin", "candidate_columns", "kidney_columns", "problems", "pairs", "example_sets")
    }
    canonical = json.dumps(asked, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()


def _document(problem_set: ProblemSet) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "title": problem_set.title,
        "origin": problem_set.origin.value,
        "source": problem_set.source,
        "seed": problem_set.seed,
        "candidate_columns": [column.name for column in CANDIDATE_COLUMNS],
        "kidney_columns": [column.name for column in KIDNEY_COLUMNS],
        "problems": [_row(problem) for problem in problem_set.problems],
        "pairs": [_row(problem) for problem in problem_set.pairs],
        "example_sets": [[_row(problem) for problem in pairs] for pairs in problem_set.example_sets],
    }


def _row(problem: Problem) -> dict[str, Any]:
    return {
        "name": problem.name,
        "kidney": list(problem.kidney.values),
        "ids": list(problem.ids),
        "candidates": [list(candidate.values) for candidate in problem.candidates],
    }


def _text(document: Mapping[str, Any]) -> str:
    """Return the document with a line for every problem, which people can read and programs compare."""
    parts = []
    for name, value in document.items():
        if name in ("problems", "pairs", "example_sets"):
            lines = ",\n".join(f"  {_json(row)}" for row in value)
            parts.append(f' "{name}": [\n{lines}\n ]' if value else f' "{name}": []')
        else:
            parts.append(f' "{name}": {_json(value)}')
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _problem_set(document: Mapping[str, Any]) -> ProblemSet:
    parts = checked(document, _PARTS)
    for name, columns in (("candidate_columns", CANDIDATE_COLUMNS), ("kidney_columns", KIDNEY_COLUMNS)):
        if parts[name] != [column.name for column in columns]:
            raise BadRecord(f"{name}: are not {', '.join(column.name for column in columns)}")
    if parts["origin"] not in list(Origin):
        raise BadRecord(f"origin: is '{parts['origin']}', not {' or '.join(Origin)}")
    problems = _problems(parts["problems"], "problems")
    pairs = _problems(parts["pairs"], "pairs")
    example_sets = tuple(
        _problems(rows, f"example_sets[{i}]")
        for i, rows in enumerate(checked_items(parts["example_sets"], LIST, "example_sets"), start=1)
    )
    if len(sizes := {problem.size for problem in problems}) > 1:
        raise BadRecord(f"problems: have {min(sizes)} to {max(sizes)} candidates, not all equally many")
    for where, singles in (
        ("pairs", pairs),
        *((f"example_sets[{i + 1}]", s) for i, s in enumerate(example_sets)),
    ):
        if more := [problem.name for problem in singles if problem.size != 1]:
            raise BadRecord(f"{where}: {more[0]} has more than one candidate")
    names = [problem.name for problem in (*problems, *pairs)]
    if twice := [name for name, n in Counter(names).items() if n > 1]:
        raise BadRecord(f"the name {twice[0]} stands for two problems")
    return ProblemSet(
        title=parts["title"],
        origin=Origin(parts["origin"]),
        source=parts["source"],
        seed=parts["seed"],
        problems=problems,
        pairs=pairs,
        example_sets=example_sets,
    )


def _problems(rows: Sequence[Any], where: str) -> tuple[Problem, ...]:
    return tuple(_problem(row, f"{where}[{i}]") for i, row in enumerate(rows, start=1))


def _problem(row: object, where: str) -> Problem:
    parts = checked(row, _PROBLEM_PARTS, where)
    candidates = tuple(
        Candidate(_values(values, CANDIDATE_COLUMNS, f"{where}.candidates[{i}]"))
        for i, values in enumerate(checked_items(parts["candidates"], LIST, f"{where}.candidates"), start=1)
    )
    try:
        return Problem(
            name=parts["name"],
            kidney=Kidney(_values(parts["kidney"], KIDNEY_COLUMNS, f"{where}.kidney")),
            candidates=candidates,
            ids=tuple(checked_items(parts["ids"], WHOLE, f"{where}.ids")),
        )
    except ValueError as error:
        if isinstance(error, BadRecord):
            raise
        raise BadRecord(f"{where}: {error}") from None


def _values(values: Sequence[Any], columns: Sequence[Column], where: str) -> tuple[Value, ...]:
    if len(values) != len(columns):
        raise BadRecord(f"{where}: has {len(values)} values, not {len(columns)}")
    for column, value in zip(columns, values, strict=True):
        if value is None:
            if column.name in NEEDED:
                raise BadRecord(f"{where}.{column.name}: is missing, and viability cannot be told without it")
        elif type(value) not in _KINDS[column.kind]:
            raise BadRecord(f"{where}.{column.name}: is {value!r}, not {_CALLED[column.kind]}")
        elif isinstance(value, float) and not isfinite(value):
            raise BadRecord(f"{where}.{column.name}: is {value}, not a finite number")
        elif column.name in ("ABO", "ABO_DON"):
            _check_blood_type(value, f"{where}.{column.name}")
    return tuple(values)


_KINDS: Mapping[Kind, tuple[type, ...]] = {Kind.WORD: (str,), Kind.CODE: (int,), Kind.NUMBER: (int, float)}
_CALLED: Mapping[Kind, str] = {Kind.WORD: "text", Kind.CODE: "a whole number", Kind.NUMBER: "a number"}


def _check_blood_type(value: str, where: str) -> None:
    try:
        blood_group(value)
    except BadProblems as error:
        raise BadRecord(f"{where}: {error}") from None
