"""Columns of the files about coding: the categories, and who put which suggestion into them."""

from __future__ import annotations

from survey.attribute_data import CategoryEntry, CodedRow
from survey.coding.coding import CodeKind, Outcome
from survey.columns import CellKind, Column

_KINDS = {
    CodeKind.CODER.value: "a person, on the person's own",
    CodeKind.MODEL.value: "a proposal of a language model: never counted, only compared",
    CodeKind.ADJUDICATED.value: "settled after coders differed; counts before any coder's",
}
_OUTCOMES = {
    Outcome.CATEGORY.value: "it belongs to 'category'; a suggestion may have several such codes of one coder",
    Outcome.NO_CATEGORY.value: "it names something that none of the categories holds",
    Outcome.UNUSABLE.value: "it names nothing: empty, abusive, or beside the question",
}


def category_columns() -> tuple[Column[CategoryEntry], ...]:
    """Return the columns of ``categories.csv``."""
    return (
        Column(
            name="name",
            kind=CellKind.TEXT,
            meaning="identifier of the category; never changes",
            cell=lambda row: row.category.name,
        ),
        Column(
            name="label",
            kind=CellKind.TEXT,
            meaning="its words, as they are now",
            cell=lambda row: row.category.label,
        ),
        Column(
            name="definition",
            kind=CellKind.TEXT,
            meaning="when coders were to use it, and when not",
            cell=lambda row: row.category.definition,
        ),
        Column(
            name="merged_into",
            kind=CellKind.TEXT,
            meaning="category that it was merged into; empty: it stands for itself",
            cell=lambda row: row.category.merged_into,
        ),
        Column(
            name="standing",
            kind=CellKind.TEXT,
            meaning="category that stands for it now: its own name, or the end of the line of merges",
            cell=lambda row: row.standing,
        ),
        Column(
            name="split_from",
            kind=CellKind.TEXT,
            meaning="category that was split into this one and others; empty: none",
            cell=lambda row: row.category.split_from,
        ),
        Column(
            name="retired",
            kind=CellKind.YES_NO,
            meaning="whether it is no longer offered to coders; what was coded with it keeps it until coded anew",
            cell=lambda row: row.category.retired,
        ),
        Column(
            name="created_at",
            kind=CellKind.TIME,
            meaning="when it was made",
            cell=lambda row: row.row.created_at,
        ),
        Column(
            name="retired_at",
            kind=CellKind.TIME,
            meaning="when it was retired; empty where it was not",
            cell=lambda row: row.row.retired_at,
        ),
    )


def code_columns() -> tuple[Column[CodedRow], ...]:
    """Return the columns of ``codes.csv``."""
    return (
        Column(
            name="suggestion",
            kind=CellKind.WHOLE,
            meaning="number of the suggestion in suggestions.csv",
            cell=lambda row: row.number,
        ),
        Column(
            name="kind",
            kind=CellKind.WORD,
            meaning="who gave the code",
            values=_KINDS,
            cell=lambda row: row.code.kind.value,
        ),
        Column(
            name="coder",
            kind=CellKind.TEXT,
            meaning="THE NAME OF A PERSON MAY STAND HERE: the coder's account, the model, or the name given on the "
            "command line, as it is; replace it before you share the file where coders were promised it. Empty for "
            "what was adjudicated",
            cell=lambda row: row.code.coder,
        ),
        Column(
            name="outcome",
            kind=CellKind.WORD,
            meaning="what the code says of the suggestion",
            values=_OUTCOMES,
            cell=lambda row: row.code.outcome.value,
        ),
        Column(
            name="category",
            kind=CellKind.TEXT,
            meaning="name of the category as it was given; empty unless 'outcome' is category",
            cell=lambda row: row.category.category.name if row.category else None,
        ),
        Column(
            name="standing",
            kind=CellKind.TEXT,
            meaning="category that stands for it now, since some were merged",
            cell=lambda row: row.category.standing if row.category else None,
        ),
        Column(
            name="current",
            kind=CellKind.YES_NO,
            meaning="whether the code stands; no: it was changed or taken back later",
            cell=lambda row: row.code.removed_at is None,
        ),
        Column(
            name="added_at",
            kind=CellKind.TIME,
            meaning="since when it stands",
            cell=lambda row: row.code.added_at,
        ),
        Column(
            name="removed_at",
            kind=CellKind.TIME,
            meaning="until when it stood; empty where it stands",
            cell=lambda row: row.code.removed_at,
        ),
    )
