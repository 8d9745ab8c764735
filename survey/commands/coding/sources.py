"""Files given to the commands about coding: read, recognized, and complained of with their lines."""

from __future__ import annotations

import json
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

from sqlalchemy.orm import Session

from survey.coding import codebook_file, coding_file, coding_tables, model_files
from survey.coding.coded_elsewhere import CODE_NAMES, SUGGESTION_NAMES
from survey.coding.coding import Category, Coding, CodingError
from survey.coding.spreadsheet import columns_of
from survey.store.category_index import index_of
from survey.store.coding_imports import BadImport
from survey.tables import StudyRow


class Source(StrEnum):
    """What a file that is imported holds."""

    CODING = "coding"
    """All of a coding: coding.json, or a folder of tables."""
    CODEBOOK = "codebook"
    CODES = "codes"
    SUGGESTIONS = "suggestions"
    """Collected elsewhere."""
    MODEL_SUGGESTIONS = "model-suggestions"
    """As 'equipoise compare suggest' writes them."""


_FORMATS = {
    coding_file.FORMAT: Source.CODING,
    codebook_file.FORMAT: Source.CODEBOOK,
    model_files.SUGGESTIONS_FORMAT: Source.MODEL_SUGGESTIONS,
}


def content_of(path: Path) -> bytes:
    """Return a file's content, or raise :class:`CodingError`."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise CodingError(f"{path}: {error.strerror}; name an existing file") from None


def text_of(path: Path, content: bytes) -> str:
    """Return the text of a JSON file, or raise :class:`CodingError`."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise CodingError(f"{path}:{line}: is not UTF-8 text") from None


def folder_of(path: Path) -> dict[str, bytes]:
    """Return the files of a folder of tables, or raise :class:`CodingError`."""
    return {file.name: content_of(file) for file in sorted(path.iterdir()) if file.is_file()}


def recognized(path: Path, content: bytes) -> Source:
    """Return what a file holds, by what stands in it.

    Raises
    ------
    CodingError
        It cannot be told; the message names the columns that would tell.
    """
    head = content.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    if head in (b"{", b"["):
        return _recognized_json(path, text_of(path, content))
    columns = columns_of(content, str(path), {*CODE_NAMES, *SUGGESTION_NAMES, "name", "label"})
    if {"respondent", "stance", "text"} <= columns:
        return Source.SUGGESTIONS
    if "suggestion" in columns and columns & {"category", "categories", "outcome"}:
        return Source.CODES
    if {"name", "label"} <= columns:
        return Source.CODEBOOK
    there = ", ".join(sorted(columns)) or "none"
    raise CodingError(
        f"{path}:1: nothing that is imported has these columns ({there}). A codebook has name, label; codes have "
        "suggestion, coder, category; suggestions have respondent, stance, text"
    )


def _recognized_json(path: Path, text: str) -> Source:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        # Not one document: perhaps one in each line.
        try:
            document = json.loads(text.partition("\n")[0])
        except (ValueError, RecursionError) as error:
            raise CodingError(f"{path}: is not JSON ({error})") from None
    name = document.get("format") if isinstance(document, dict) else None
    if name == model_files.PROPOSALS_FORMAT:
        raise CodingError(
            f"{path}: holds a model's proposals; 'equipoise survey coding import-proposals' takes them"
        )
    if name not in _FORMATS:
        raise CodingError(
            f"{path}: nothing that is imported is of this format; it should say one of "
            + ", ".join(f'"{known}"' for known in _FORMATS)
        )
    return _FORMATS[name]


def read_whole(path: Path) -> Coding:
    """Read a coding from coding.json or a folder of tables."""
    if path.is_dir():
        return coding_tables.read_tables(folder_of(path), str(path))
    return coding_file.read_coding(path)


def categories_in(session: Session, study: StudyRow) -> tuple[Category, ...]:
    """Return the study's codebook."""
    index = index_of(session, study)
    return tuple(index.as_category(row) for row in index.rows.values())


def in_lines(error: BadImport, where: str, lines: Sequence[int]) -> CodingError:
    """Return what an import complains of with file and line, as far as it is about a row of the file.

    Parameters
    ----------
    lines
        Line of each row that was imported.
    """
    said = [
        f"{where}:{lines[complaint.row - 1]}: column '{complaint.column}': {complaint.text}"
        if 0 < complaint.row <= len(lines)
        else f"{where}: {complaint.column}: {complaint.text}"
        for complaint in error.complaints
    ]
    return CodingError("\n".join([f"{where}: nothing was imported", *said]))
