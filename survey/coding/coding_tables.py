"""A coding as CSV tables, and such tables read again: the codebook, suggestions, codes, and who was asked. Pure.

Every table is written so that a spreadsheet takes no text for a formula, and read as ``spreadsheet`` describes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from survey.answers import RespondentKind
from survey.coding.codebook_file import CATEGORY_COLUMNS, codebook_remarks, read_codebook_csv
from survey.coding.coded_elsewhere import (
    LONGEST_LANGUAGE,
    LONGEST_RESPONDENT,
    LONGEST_TEXT,
    codes_of,
    codes_remarks,
    read_codes,
)
from survey.coding.coding import Asked, Code, CodeKind, Coding, CodingError, Outcome, Suggestion
from survey.coding.coding_file import ordered, raise_if_inconsistent
from survey.coding.passed_over import passed_over
from survey.coding.spreadsheet import (
    SEPARATOR,
    Sheet,
    SheetRow,
    csv_text,
    read_sheet,
    shown,
    text_column,
    word_column,
)
from survey.columns import CellKind, Column
from survey.suggestions import LONGEST_WHY, Stance

FORMAT = "equipoise coding tables"
FORMAT_VERSION = 1
MANIFEST = "manifest.json"

_Row = TypeVar("_Row")


_KINDS = {RespondentKind.HUMAN.value: "a person", RespondentKind.MODEL.value: "a language model"}
_STANCES = {
    Stance.SHOULD.value: "it should count",
    Stance.SHOULD_NOT.value: "it should not count",
}
OUTCOMES = {
    Outcome.CATEGORY.value: "it belongs to the category named",
    Outcome.NO_CATEGORY.value: "it names something that none of the categories holds",
    Outcome.UNUSABLE.value: "it names nothing: empty, abusive, or beside the question",
}
"""What a code says, in words."""
CODE_KINDS = {
    CodeKind.CODER.value: "a person, on the person's own",
    CodeKind.MODEL.value: "a proposal of a language model, which never counts",
    CodeKind.ADJUDICATED.value: "settled after coders differed",
}
"""Who gave a code, in words."""

SUGGESTION_COLUMNS: tuple[Column[Suggestion], ...] = (
    Column(name="id", kind=CellKind.WHOLE, meaning="number of the suggestion", cell=lambda s: s.id),
    text_column(
        "respondent", "pseudonymous id, or what an import or a model is called", lambda s: s.respondent
    ),
    word_column("kind", "who said it", lambda s: s.kind.value, _KINDS),
    word_column("stance", "what was asked", lambda s: s.stance.value, _STANCES),
    text_column("text", "the suggestion as it was written", lambda s: s.text),
    text_column("why", "the reason given; empty: none", lambda s: s.why),
    text_column("direction", "who should come first because of it; empty: not said", lambda s: s.direction),
    word_column("language", "in which the question was read", lambda s: s.language),
    Column(
        name="group",
        kind=CellKind.WHOLE,
        meaning="number of the group of look-alikes; empty: never grouped",
        cell=lambda s: s.group,
    ),
)
CODE_COLUMNS: tuple[Column[Code], ...] = (
    Column(
        name="suggestion",
        kind=CellKind.WHOLE,
        meaning="number of the suggestion",
        cell=lambda c: c.suggestion,
    ),
    word_column("kind", "who gave the code", lambda c: c.kind.value, CODE_KINDS),
    text_column("coder", "account, model or name; empty for what was adjudicated", lambda c: c.coder),
    word_column("outcome", "what the code says of the suggestion", lambda c: c.outcome.value, OUTCOMES),
    word_column(
        "category", "name of the category as it was given; empty for other outcomes", lambda c: c.category
    ),
    # In full, so that a coding that was written as tables is the same coding when it is read.
    Column(
        name="at",
        kind=CellKind.TEXT,
        meaning="when: ISO 8601 with time zone; empty: not known",
        cell=lambda c: c.at.isoformat() if c.at else None,
    ),
)
ASKED_COLUMNS: tuple[Column[Asked], ...] = (
    text_column("respondent", "as in suggestions.csv; also those who named nothing", lambda a: a.respondent),
    word_column("kind", "who was asked", lambda a: a.kind.value, _KINDS),
    Column(
        name="simulated",
        kind=CellKind.YES_NO,
        meaning="whether it was a simulated participant",
        cell=lambda a: a.simulated,
    ),
    Column(
        name="stances",
        kind=CellKind.WORDS,
        meaning="the questions that were answered, also with nothing",
        values=_STANCES,
        cell=lambda a: SEPARATOR.join(sorted(a.stances)),
    ),
    Column(
        name="stated",
        kind=CellKind.JSON,
        meaning="question of the demographics or screener -> names of the options chosen",
        cell=lambda a: json.dumps({k: list(v) for k, v in sorted(a.stated.items())}, ensure_ascii=False),
    ),
    Column(
        name="order",
        kind=CellKind.WHOLE,
        meaning="place in which respondents answered, from 1; 0: not known",
        cell=lambda a: a.order,
    ),
)

_SUGGESTION_NAMES = tuple(column.name for column in SUGGESTION_COLUMNS)
_ASKED_NAMES = tuple(column.name for column in ASKED_COLUMNS)


# --- writing -------------------------------------------------------------------------------------------


def codes_csv(codes: Iterable[Code]) -> str:
    """Return codes as a CSV table."""
    return csv_text(CODE_COLUMNS, codes)


def tables_of(coding: Coding, *, coding_sha256: str) -> dict[str, bytes]:
    """Return every file of a folder that holds a coding as CSV tables, its manifest included.

    Parameters
    ----------
    coding_sha256
        Of the coding that the tables are made from.
    """
    tables = (
        _Table.of("categories.csv", CATEGORY_COLUMNS, coding.categories),
        _Table.of("suggestions.csv", SUGGESTION_COLUMNS, coding.suggestions),
        _Table.of("codes.csv", CODE_COLUMNS, coding.codes),
        _Table.of("asked.csv", ASKED_COLUMNS, coding.asked),
    )
    manifest = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "study": {"slug": coding.study, "version": coding.version, "design_hash": coding.design_hash},
        "coding_sha256": coding_sha256,
        "files": {
            table.name: {
                "sha256": hashlib.sha256(table.content).hexdigest(),
                "rows": table.rows,
                "columns": table.columns,
            }
            for table in tables
        },
    }
    files = {table.name: table.content for table in tables}
    return files | {MANIFEST: (json.dumps(manifest, indent=2, ensure_ascii=False) + "\n").encode()}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    """A table as it is written."""

    name: str
    content: bytes
    rows: int
    columns: Mapping[str, str]
    """Name -> meaning."""

    @classmethod
    def of(cls, name: str, columns: Sequence[Column[_Row]], rows: Sequence[_Row]) -> _Table:
        return cls(
            name=name,
            content=csv_text(columns, rows).encode(),
            rows=len(rows),
            columns={column.name: _described(column) for column in columns},
        )


def _described(column: Column[_Row]) -> str:
    values = "; ".join(f"{value}: {meaning}" for value, meaning in column.values.items())
    return f"{column.meaning} ({values})" if values else column.meaning


# --- reading -------------------------------------------------------------------------------------------


def read_tables(files: Mapping[str, bytes], where: str) -> Coding:
    """Read a folder written by :func:`tables_of`, as it is or after changes in a spreadsheet.

    Parameters
    ----------
    files
        File name -> content.

    Raises
    ------
    CodingError
        A table is missing, cannot be used, or the tables do not agree with each other.
    """
    for name in (MANIFEST, "categories.csv", "suggestions.csv", "codes.csv", "asked.csv"):
        if name not in files:
            raise CodingError(
                f"{where}: holds no {name}; 'equipoise survey coding export --out FOLDER' writes it"
            )
    try:
        manifest = json.loads(files[MANIFEST])
        study = manifest["study"]
        about = {"study": study["slug"], "version": study["version"], "design_hash": study["design_hash"]}
    except (ValueError, KeyError, TypeError):
        raise CodingError(f"{where}/{MANIFEST}: does not say of which study the tables are") from None
    if manifest.get("format") != FORMAT or manifest.get("format_version") != FORMAT_VERSION:
        raise CodingError(f"{where}/{MANIFEST}: is not of tables that this program can read")
    categories = read_codebook_csv(files["categories.csv"], f"{where}/categories.csv")
    codes = read_codes(files["codes.csv"], f"{where}/codes.csv", categories)
    coding = ordered(
        Coding(
            **about,
            categories=categories,
            suggestions=_suggestions(files["suggestions.csv"], f"{where}/suggestions.csv"),
            codes=tuple(code for line in codes for code in codes_of(line)),
            asked=_asked(files["asked.csv"], f"{where}/asked.csv"),
        )
    )
    raise_if_inconsistent(coding, where)
    return coding


def tables_remarks(files: Mapping[str, bytes], where: str) -> tuple[str, ...]:
    """Return what to say of columns that :func:`read_tables` does not read, table by table."""
    return (
        *codebook_remarks(files["categories.csv"], f"{where}/categories.csv"),
        *passed_over(files["suggestions.csv"], f"{where}/suggestions.csv", _SUGGESTION_NAMES),
        *codes_remarks(files["codes.csv"], f"{where}/codes.csv"),
        *passed_over(files["asked.csv"], f"{where}/asked.csv", _ASKED_NAMES),
    )


def _suggestions(content: bytes, where: str) -> tuple[Suggestion, ...]:
    sheet = read_sheet(content, where, _SUGGESTION_NAMES, required=("id", "respondent", "stance", "text"))
    suggestions = []
    for row in sheet.rows:
        number, stance = sheet.whole(row, "id"), sheet.word(row, "stance", Stance)
        kind = sheet.word(row, "kind", RespondentKind, RespondentKind.HUMAN)
        group = sheet.whole(row, "group") if row.cell("group") else None
        if number is None or stance is None or kind is None:
            continue
        suggestions.append(
            Suggestion(
                id=number,
                respondent=sheet.text(row, "respondent", LONGEST_RESPONDENT, needed=True),
                kind=kind,
                stance=stance,
                text=sheet.text(row, "text", LONGEST_TEXT, needed=True),
                why=sheet.text(row, "why", LONGEST_WHY),
                direction=sheet.text(row, "direction", LONGEST_TEXT),
                language=sheet.text(row, "language", LONGEST_LANGUAGE),
                group=group,
            )
        )
    sheet.raise_complaints()
    return tuple(suggestions)


def _asked(content: bytes, where: str) -> tuple[Asked, ...]:
    sheet = read_sheet(content, where, _ASKED_NAMES, required=("respondent", "stances"))
    everybody = []
    for row in sheet.rows:
        kind = sheet.word(row, "kind", RespondentKind, RespondentKind.HUMAN)
        stances = frozenset(w.strip() for w in row.cell("stances").split(SEPARATOR) if w.strip())
        for stance in sorted(stances - set(_STANCES)):
            sheet.complain(row, "stances", f"{shown(stance)} is none of {', '.join(Stance)}")
        order = sheet.whole(row, "order") if row.cell("order") else 0
        if kind is None or order is None or not stances <= set(_STANCES):
            continue
        everybody.append(
            Asked(
                respondent=sheet.text(row, "respondent", LONGEST_RESPONDENT, needed=True),
                kind=kind,
                simulated=sheet.yes_no(row, "simulated"),
                stances=frozenset(Stance(stance) for stance in stances),
                stated=_stated(sheet, row),
                order=order,
            )
        )
    sheet.raise_complaints()
    return tuple(everybody)


def _stated(sheet: Sheet, row: SheetRow) -> dict[str, tuple[str, ...]]:
    given = row.cell("stated")
    try:
        stated = json.loads(given) if given else {}
        if not all(isinstance(v, list) and all(isinstance(o, str) for o in v) for v in stated.values()):
            raise TypeError
    except (ValueError, RecursionError, TypeError, AttributeError):
        sheet.complain(row, "stated", f'{shown(given)} is not of the form {{"question": ["option"]}}')
        return {}
    return {question: tuple(options) for question, options in stated.items()}
