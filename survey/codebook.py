"""The codebook of an export: every file, column and value in words, made from what writes the files. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from survey.design import StudyDesign, design_hash
from survey.export_tables import DataFile
from survey.languages import words_of
from survey.questionnaire import PREFER_NOT_TO_SAY, FormQuestion, Option
from survey.tables import Section

Codebook: TypeAlias = dict[str, Any]

FORMAT = "equipoise-codebook"
FORMAT_VERSION = 1

_NOTES = (
    "Data files are CSV (UTF-8, comma, a header, lines end with LF). Rows of different files belong together where "
    "'respondent', 'wave' and 'position' (and 'revision') are equal.",
    "An empty cell means that there is nothing: not asked, not given, not known. Indecision is an answer and never "
    "an empty cell.",
    "Respondents are pseudonyms. The files hold no ids of recruitment platforms, no addresses, no completion "
    "codes, and rows stand in the order of pseudonyms, not of arrival. Times stay: somebody who knows when a "
    "person took part can find that person's rows, so these are pseudonymous data, not anonymous ones. Answers to "
    "forms may tell who somebody is, alone or together.",
    "Participants who had their data erased are in no file; the manifest says how many they are.",
)
_OWN_PAGES = {"choose_one", "attribute_pages", "suggestions"}
_OWN_PAGES_NOTE = (
    "Problems of choosing one of many and pages about attributes are counted by themselves: 'position' there is "
    "not that of a comparison. Suggestions and codes belong together where 'suggestion' is equal."
)
PARQUET_NOTE = (
    "Each CSV file stands beside a Parquet file with the same rows and columns: whole numbers as int64, numbers as "
    "float64, times as UTC timestamps, yes/no as booleans, everything else as text; empty cells are null."
)


def codebook_of(design: StudyDesign, files: Sequence[DataFile[Any]], *, parquet: bool) -> Codebook:
    """Return the codebook of these data files as plain data."""
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "study": {
            "slug": design.slug,
            "version": design.version,
            "title": design.title,
            "source": design.source,
            "design_hash": design_hash(design),
        },
        "notes": [
            *_NOTES,
            *([_OWN_PAGES_NOTE] if _OWN_PAGES & {file.name for file in files} else []),
            *([PARQUET_NOTE] if parquet else []),
        ],
        "files": [_file(data_file, parquet=parquet) for data_file in files],
        "questions": _questions(design),
        "words": words_of(design),
    }


def codebook_text(codebook: Codebook) -> str:
    """Return the codebook as Markdown, for people."""
    study = codebook["study"]
    lines = [
        f"# Codebook: {study['title']}",
        "",
        f"Study `{study['slug']}`, version {study['version']}, design hash `{study['design_hash']}`."
        + (f" Source: {study['source']}." if study["source"] else ""),
        "",
    ]
    for note in codebook["notes"]:
        lines += [note, ""]
    for file in codebook["files"]:
        lines += [f"## {file['file']}", "", file["row"], "", "| column | kind | meaning |", "|---|---|---|"]
        for column in file["columns"]:
            kind = column["kind"] + (f", {column['unit']}" if "unit" in column else "")
            meaning = column["meaning"]
            if "values" in column:
                meaning += ": " + "; ".join(f"`{v}` {words}" for v, words in column["values"].items())
            lines.append(f"| `{column['name']}` | {kind} | {_in_cell(meaning)} |")
        lines.append("")
    if codebook["questions"]:
        lines += [
            "## Questions",
            "",
            "| section | question | kind | words | options |",
            "|---|---|---|---|---|",
        ]
        for q in codebook["questions"]:
            options = "; ".join(f"`{name}` {words}" for name, words in q["options"].items())
            cells = (q["section"], f"`{q['question']}`", q["kind"], _in_cell(q["text"]), _in_cell(options))
            lines.append(f"| {' | '.join(cells)} |")
        lines.append("")
    lines += [
        "## Words",
        "",
        "Everything else that participants read stands in `design.toml`, and under `words` in `codebook.json`.",
        "",
    ]
    return "\n".join(lines)


def _in_cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _file(data_file: DataFile[Any], *, parquet: bool) -> dict[str, Any]:
    described: dict[str, Any] = {"file": f"{data_file.name}.csv", "row": data_file.row}
    if parquet:
        described["parquet"] = f"{data_file.name}.parquet"
    described["columns"] = [
        {"name": column.name, "kind": column.kind.value, "meaning": column.meaning}
        | ({"unit": column.unit} if column.unit else {})
        | ({"values": dict(column.values)} if column.values else {})
        for column in data_file.columns
    ]
    return described


def _questions(design: StudyDesign) -> list[dict[str, Any]]:
    asked = [_question(Section.SCREENER, question) for question in design.screener]
    if design.comprehension is not None:
        asked.append(
            {
                "section": Section.COMPREHENSION.value,
                "question": Section.COMPREHENSION.value,
                "kind": "choice",
                "text": design.comprehension.text,
                "options": _options(design.comprehension.options),
                "right": design.comprehension.right,
            }
        )
    return asked + [_question(Section.DEMOGRAPHICS, question) for question in design.demographics]


def _question(section: Section, question: FormQuestion) -> dict[str, Any]:
    return {
        "section": section.value,
        "question": question.name,
        "kind": question.kind.value,
        "text": question.text,
        "options": _options(question.options) | {PREFER_NOT_TO_SAY: "would rather not say"},
    }


def _options(options: Sequence[Option]) -> dict[str, str]:
    return {option.name: option.words for option in options}
