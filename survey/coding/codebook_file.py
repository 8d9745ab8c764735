"""The codebook alone, as a CSV table or JSON: categories with label and definition, to share or to begin with."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from survey.coding.coding import Category, Coding, CodingError
from survey.coding.coding_file import LONGEST_LABEL, category_problems, category_record
from survey.coding.passed_over import passed_over
from survey.coding.spreadsheet import Sheet, SheetRow, csv_text, read_sheet, shown, text_column, word_column
from survey.columns import CellKind, Column
from survey.design_file.fields import LONGEST_NAME
from survey.suggestions import as_written

FORMAT = "equipoise codebook"
FORMAT_VERSION = 1
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_LONGEST_DEFINITION = 5_000
_MOST_SAID = 20

CATEGORY_COLUMNS: tuple[Column[Category], ...] = (
    word_column("name", "identifier of the category; never changes", lambda c: c.name),
    text_column("label", "what coders and readers see", lambda c: c.label),
    text_column("definition", "when to use it, and when not", lambda c: c.definition),
    word_column(
        "merged_into", "name of the category that stands for it; empty: itself", lambda c: c.merged_into
    ),
    word_column(
        "split_from",
        "name of the category that was split into it and others; empty: none",
        lambda c: c.split_from,
    ),
    Column(
        name="retired",
        kind=CellKind.YES_NO,
        meaning="whether it is no longer offered to coders",
        cell=lambda c: c.retired,
    ),
)

_KNOWN = tuple(column.name for column in CATEGORY_COLUMNS)


def codebook_csv(categories: Iterable[Category]) -> str:
    """Return a codebook as a CSV table."""
    return csv_text(CATEGORY_COLUMNS, categories)


def codebook_json(coding: Coding) -> str:
    """Return the codebook of a coding as JSON."""
    document = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "study": {"slug": coding.study, "version": coding.version, "design_hash": coding.design_hash},
        "categories": [category_record(category) for category in coding.categories],
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def read_codebook_csv(content: bytes, where: str) -> tuple[Category, ...]:
    """Read a codebook's table. ``name`` and ``label`` are needed, all else may be left out.

    Raises
    ------
    CodingError
        With file, line and column of everything that cannot be used.
    """
    return tuple(category for _, category in read_codebook_rows(content, where))


def read_codebook_rows(content: bytes, where: str) -> tuple[tuple[int, Category], ...]:
    """Read as :func:`read_codebook_csv`; return each category with the line that it stands in."""
    sheet = read_sheet(content, where, _KNOWN, required=("name", "label"))
    categories = []
    for row in sheet.rows:
        categories.append(
            Category(
                name=_name(sheet, row, "name", needed=True),
                label=sheet.text(row, "label", LONGEST_LABEL, needed=True),
                definition=sheet.text(row, "definition", _LONGEST_DEFINITION),
                merged_into=_name(sheet, row, "merged_into"),
                split_from=_name(sheet, row, "split_from"),
                retired=sheet.yes_no(row, "retired"),
            )
        )
    sheet.raise_complaints()
    _place_problems(sheet, categories)
    return tuple((row.line, category) for row, category in zip(sheet.rows, categories, strict=True))


def codebook_remarks(content: bytes, where: str) -> tuple[str, ...]:
    """Return what to say of columns that :func:`read_codebook_csv` does not read."""
    return passed_over(content, where, _KNOWN)


def read_codebook_json(text: str, where: str) -> tuple[Category, ...]:
    """Read a codebook written by :func:`codebook_json`; raises :class:`CodingError` naming entry and key."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CodingError(f"{where}: is not JSON ({error})") from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise CodingError(f'{where}: is no codebook (it does not say "format": "{FORMAT}")')
    if document.get("format_version") != FORMAT_VERSION:
        raise CodingError(
            f"{where}: is a codebook of format version {document.get('format_version')!r}, this program reads "
            f"{FORMAT_VERSION}; use the Equipoise that wrote it, or a newer one"
        )
    entries = document.get("categories")
    if not isinstance(entries, list):
        raise CodingError(f"{where}: categories: is not a list")
    categories = tuple(_category_of(entry, f"{where}: categories[{n}]") for n, entry in enumerate(entries, 1))
    if problems := category_problems(categories):
        raise CodingError("\n".join(f"{where}: {problem}" for problem in problems[:_MOST_SAID]))
    return categories


def _category_of(entry: object, where: str) -> Category:
    if not isinstance(entry, dict):
        raise CodingError(f"{where}: is not a table")
    for key, value in entry.items():
        if key not in _KINDS:
            raise CodingError(f"{where}.{key}: is not a key of a category; it has {', '.join(_KINDS)}")
        if not isinstance(value, _KINDS[key]):
            raise CodingError(f"{where}.{key}: is {shown(str(value))}, not {_CALLED[_KINDS[key]]}")
    written: dict[str, Any] = {**entry}
    for key, longest in (("label", LONGEST_LABEL), ("definition", _LONGEST_DEFINITION)):
        written[key] = as_written(entry.get(key, ""))
        if len(written[key]) > longest:
            raise CodingError(f"{where}.{key}: is longer than {longest} characters")
    for key in ("name", "label"):
        if not written.get(key):
            raise CodingError(f"{where}.{key}: is missing or empty")
    for key in ("name", "merged_into", "split_from"):
        if written.get(key) and (problem := _name_problem(written[key])):
            raise CodingError(f"{where}.{key}: {problem}")
    return Category(**written)


_KINDS = {
    "name": str, "label": str, "definition": str, "merged_into": str, "split_from": str, "retired": bool,
}  # fmt: skip
_CALLED = {str: "text", bool: "true or false"}


def _name(sheet: Sheet, row: SheetRow, column: str, *, needed: bool = False) -> str:
    name = row.cell(column)
    problem = _name_problem(name) if name or needed else ""
    if problem:
        sheet.complain(row, column, problem)
    return name


def _name_problem(name: str) -> str:
    if len(name) <= LONGEST_NAME and _NAME.fullmatch(name):
        return ""
    return (
        f"{shown(name)} is not a name; use letters, digits, '-' and '_', starting with a letter or digit, "
        f"{LONGEST_NAME} characters at most"
    )


def _place_problems(sheet: Sheet, categories: Sequence[Category]) -> None:
    """Complain of what is wrong among categories, at the line and column where it stands."""
    for problem in category_problems(categories):
        place, _, text = problem.partition(": ")
        number, column = re.fullmatch(r"categories\[(\d+)\]\.(\w+)", place).groups()  # type: ignore[union-attr]
        sheet.complain(sheet.rows[int(number) - 1], column, text)
    sheet.raise_complaints()
