"""Tables that people fill in elsewhere: codes given in a spreadsheet, suggestions collected in another survey."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from survey.answers import RespondentKind
from survey.coding.coding import Category, Code, CodeKind, CodingError, Outcome
from survey.coding.passed_over import passed_over
from survey.coding.spreadsheet import SEPARATOR, Sheet, SheetRow, read_sheet, shown
from survey.coding.stated_columns import Said, StatedColumns, Statements, stated_columns
from survey.design import StudyDesign
from survey.suggestions import LONGEST_WHY, Stance, as_written

LONGEST_RESPONDENT = 100
"""Characters; as many as the database keeps."""
LONGEST_LANGUAGE = 35
LONGEST_TEXT = LONGEST_WHY
"""Characters of a suggestion or a direction: elsewhere people may have had more room than on our page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeLine:
    """All that one coder says of one suggestion, as a table says it."""

    line: int
    suggestion: int
    kind: CodeKind
    coder: str
    outcome: Outcome
    categories: tuple[str, ...] = ()
    """Names; in the order of the table."""
    at: datetime | None = None


CODE_NAMES = ("suggestion", "coder", "kind", "outcome", "category", "categories", "at")
"""Columns that a table of codes may have."""
_TO_READ_BY = ("stance", "text", "direction", "why", "said_before")
"""Columns by which a coder sees what to code, in a table that Equipoise writes for that."""


def read_codes(
    content: bytes, where: str, categories: Sequence[Category], *, coder: str = ""
) -> tuple[CodeLine, ...]:
    """Read a table of codes: a row per code, or a row per suggestion with several categories in a cell.

    Rows that say nothing (no category, no outcome) are suggestions that were not coded yet, and are passed over.
    Rows of one coder about one suggestion are taken together.

    Parameters
    ----------
    categories
        The codebook. A cell names a category by its name, or by its label whatever the case.
    coder
        Whose codes these are, where the table has no column ``coder``; it may not name anybody else then.

    Raises
    ------
    CodingError
        With file, line and column of everything that cannot be used.
    """
    sheet = read_sheet(content, where, CODE_NAMES, required=("suggestion",))
    given = [name for name in ("category", "categories") if name in sheet.columns]
    if not given and "outcome" not in sheet.columns:
        raise CodingError(f"{where}:1: has no column 'category', 'categories' or 'outcome'; nothing is coded")
    if not coder and "coder" not in sheet.columns:
        raise CodingError(
            f"{where}:1: has no column 'coder'; add it, or say whose codes these are with --coder"
        )
    find = _finder(categories)
    lines: dict[tuple[int, CodeKind, str], CodeLine] = {}
    for row in sheet.rows:
        line = _code_line(sheet, row, given, find, coder)
        if line is None:
            continue
        key = (line.suggestion, line.kind, line.coder)
        before = lines.get(key)
        if before is None:
            lines[key] = line
        elif before.outcome is not Outcome.CATEGORY or line.outcome is not Outcome.CATEGORY:
            if before.outcome is not line.outcome:
                sheet.complain(
                    row,
                    "outcome",
                    f"'{line.outcome.value}' is excluded by '{before.outcome.value}' in line {before.line}",
                )
        else:
            joined = tuple(dict.fromkeys((*before.categories, *line.categories)))
            lines[key] = replace(before, categories=joined)
    sheet.raise_complaints()
    return tuple(lines.values())


def codes_remarks(content: bytes, where: str) -> tuple[str, ...]:
    """Return what to say of columns that :func:`read_codes` does not read."""
    return passed_over(content, where, CODE_NAMES, quiet=_TO_READ_BY)


def _code_line(
    sheet: Sheet, row: SheetRow, given: Sequence[str], find: Callable[[str], str | None], coder: str
) -> CodeLine | None:
    words = [w.strip() for column in given for w in row.cell(column).split(SEPARATOR) if w.strip()]
    said = row.cell("outcome").lower()
    if not words and not said:
        return None
    suggestion = sheet.whole(row, "suggestion")
    outcome = sheet.word(row, "outcome", Outcome, Outcome.CATEGORY)
    kind = sheet.word(row, "kind", CodeKind, CodeKind.CODER)
    who = as_written(row.cell("coder")) or ("" if kind is CodeKind.ADJUDICATED else coder)
    if coder and who and who != coder:
        sheet.complain(row, "coder", f"{shown(who)} is not {coder}, whose codes these are said to be")
    if (kind is CodeKind.ADJUDICATED) == bool(who):
        sheet.complain(row, "coder", "is needed, and empty only for what was adjudicated")
    names = []
    for word in words:
        name = find(word)
        if name is None:
            sheet.complain(row, given[0], f"there is no category {shown(word)} in the codebook")
        else:
            names.append(name)
    if outcome is Outcome.CATEGORY and not words:
        sheet.complain(row, "outcome", "says 'category', but none is named")
    if outcome not in (Outcome.CATEGORY, None) and words:
        sheet.complain(row, "outcome", f"'{outcome.value}' excludes any category")
    at = sheet.time(row, "at")
    if suggestion is None or outcome is None or kind is None:
        return None
    return CodeLine(
        line=row.line,
        suggestion=suggestion,
        kind=kind,
        coder=who,
        outcome=outcome,
        categories=tuple(dict.fromkeys(names)),
        at=at,
    )


def _finder(categories: Sequence[Category]) -> Callable[[str], str | None]:
    names = {category.name for category in categories}
    labels: dict[str, list[str]] = {}
    for category in categories:
        if not category.merged_into:
            labels.setdefault(category.label.casefold(), []).append(category.name)

    def find(word: str) -> str | None:
        if word in names:
            return word
        found = labels.get(word.casefold(), [])
        return found[0] if len(found) == 1 else None

    return find


@dataclass(frozen=True, slots=True, kw_only=True)
class SuggestionLine:
    """A suggestion collected elsewhere; with an empty text, a respondent who was asked and named nothing."""

    line: int
    respondent: str
    kind: RespondentKind
    stance: Stance
    number: int
    """Tells apart the entries of one respondent to one question that say the same, from 1."""
    text: str
    why: str = ""
    direction: str = ""
    language: str = ""
    stated: Mapping[str, Said] = field(default_factory=dict)
    """What the respondent says of himself in this line, by question."""


SUGGESTION_NAMES = ("respondent", "stance", "text", "why", "direction", "language", "kind", "number")
"""Columns that a table of suggestions collected elsewhere may have."""


_CALLED_ELSEWHERE = {"reason": "why", "reasons": "why"}


def read_suggestions_csv(
    content: bytes, where: str, design: StudyDesign | None = None
) -> tuple[SuggestionLine, ...]:
    """Read suggestions collected elsewhere. ``respondent``, ``stance`` and ``text`` are needed.

    A row with an empty text says that the respondent was asked and named nothing.

    Parameters
    ----------
    design
        Whose demographics and screener the table may have columns for; None: it has none.

    Raises
    ------
    CodingError
        With file, line and column of everything that cannot be used.
    """
    asked = _stated_columns(design)
    known = (*SUGGESTION_NAMES, *asked.columns)
    sheet = read_sheet(content, where, known, required=("respondent", "stance", "text"))
    statements = Statements(sheet, asked)
    lines = []
    seen: dict[tuple[str, RespondentKind, Stance, str], int] = {}
    for row in sheet.rows:
        stance = sheet.word(row, "stance", Stance)
        kind = sheet.word(row, "kind", RespondentKind, RespondentKind.HUMAN)
        respondent = sheet.text(row, "respondent", LONGEST_RESPONDENT, needed=True)
        text = sheet.text(row, "text", LONGEST_TEXT)
        why = sheet.text(row, "why", LONGEST_WHY)
        direction = sheet.text(row, "direction", LONGEST_TEXT)
        language = sheet.text(row, "language", LONGEST_LANGUAGE)
        stated = statements.read(row, respondent)
        if not text and (why or direction):
            sheet.complain(row, "text", "is empty, but there is a reason or a direction; nothing is named")
        if stance is None or kind is None:
            continue
        key = (respondent, kind, stance, text)
        seen[key] = seen.get(key, 0) + 1
        given = sheet.whole(row, "number") if row.cell("number") else None
        lines.append(
            SuggestionLine(
                line=row.line,
                respondent=respondent,
                kind=kind,
                stance=stance,
                number=seen[key] if given is None else given,
                text=text,
                why=why,
                direction=direction,
                language=language,
                stated=stated,
            )
        )
    sheet.raise_complaints()
    return tuple(lines)


def suggestions_remarks(content: bytes, where: str, design: StudyDesign) -> tuple[str, ...]:
    """Return what to say of columns that :func:`read_suggestions_csv` does not read."""
    asked = _stated_columns(design)
    return passed_over(
        content,
        where,
        (*SUGGESTION_NAMES, *asked.names),
        quiet=asked.columns,
        also_called=_CALLED_ELSEWHERE,
    )


def _stated_columns(design: StudyDesign | None) -> StatedColumns:
    if design is None:
        return StatedColumns(columns={}, names=())
    return stated_columns(design, SUGGESTION_NAMES)


def codes_of(line: CodeLine) -> tuple[Code, ...]:
    """Return what a line says as codes: one per category, or the one outcome."""
    return tuple(
        Code(
            suggestion=line.suggestion,
            kind=line.kind,
            coder=line.coder,
            outcome=line.outcome,
            category=category,
            at=line.at,
        )
        for category in (line.categories or ("",))
    )
