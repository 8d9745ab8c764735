"""Columns of the file about choosing one of many."""

from __future__ import annotations

from survey.allocation_task import INDECISION, ChooseOne
from survey.columns import CellKind, Column
from survey.export import ChosenRow
from survey.export_tables.shared import SEPARATOR, measured_columns, plain, who


def choice_columns(asked: ChooseOne) -> tuple[Column[ChosenRow], ...]:
    """Return the columns of ``choose_one.csv``."""
    return (
        *who(lambda row: row.person),
        Column(
            name="arm",
            kind=CellKind.TEXT,
            meaning="the participant's randomized condition",
            cell=lambda row: row.person.arm,
        ),
        Column(
            name="position",
            kind=CellKind.WHOLE,
            meaning="place among the participant's problems of the wave, from 1; not that of a comparison",
            cell=lambda row: row.task.position,
        ),
        Column(
            name="problem",
            kind=CellKind.TEXT,
            meaning="name of the problem; design.toml says who the candidates are",
            cell=lambda row: row.task.problem,
        ),
        Column(
            name="set_sha256",
            kind=CellKind.TEXT,
            meaning="SHA-256 of the problem set that the problems are from, as the design says; may be empty",
            cell=lambda _row: asked.set_sha256,
        ),
        Column(
            name="columns",
            kind=CellKind.WORDS,
            meaning="what was told of the candidates",
            values={column.name: column.label for column in asked.columns},
            cell=lambda _row: SEPARATOR.join(column.name for column in asked.columns),
        ),
        Column(
            name="row_order",
            kind=CellKind.WORDS,
            meaning="the candidates' ids from the top of the list",
            cell=lambda row: SEPARATOR.join(map(str, row.task.row_order)),
        ),
        Column(
            name="indecision_offered",
            kind=CellKind.YES_NO,
            meaning="whether the problem offered indecision as an answer",
            cell=lambda row: row.task.indecision_offered,
        ),
        Column(
            name="language",
            kind=CellKind.TEXT,
            meaning="language in which it was shown",
            cell=lambda row: row.task.language,
        ),
        Column(
            name="revision",
            kind=CellKind.WHOLE,
            meaning="1 for the first answer to the problem, one more for each change of it; empty: not answered",
            cell=lambda row: row.answer.revision if row.answer else None,
        ),
        Column(
            name="counts",
            kind=CellKind.YES_NO,
            meaning="whether this is the answer that counts",
            cell=lambda row: row.counts,
        ),
        Column(
            name="choice",
            kind=CellKind.WORD,
            meaning="what was answered; empty where nothing was",
            values={
                "candidate": "one of the candidates, whom 'chosen' names",
                INDECISION: "cannot or would not say: an answer, never missing data",
            },
            cell=lambda row: (
                None if row.answer is None else INDECISION if row.answer.indecision else "candidate"
            ),
        ),
        Column(
            name="chosen",
            kind=CellKind.WHOLE,
            meaning="id of the candidate who was chosen; empty where nobody was",
            cell=lambda row: row.answer.chosen if row.answer else None,
        ),
        *measured_columns(lambda row: row.answer),
        Column(
            name="width",
            kind=CellKind.WHOLE,
            unit="CSS pixels",
            meaning="width of the window, as the browser told: up to 1024 candidates are cards, else rows of a "
            "table",
            cell=lambda row: plain(row.answer.client.get("width")) if row.answer else None,
        ),
        Column(
            name="served_at",
            kind=CellKind.TIME,
            meaning="when the server sent the participant to it: first, or to change the answer; empty if never",
            cell=lambda row: row.task.served_at,
        ),
        Column(
            name="answered_at",
            kind=CellKind.TIME,
            meaning="when the server stored the answer",
            cell=lambda row: row.answer.answered_at if row.answer else None,
        ),
    )
