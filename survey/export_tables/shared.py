"""What the data files of an export have in common: columns that several of them hold, and how they are written."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

from survey.columns import Cell, CellKind, Column, write_csv
from survey.design import Arm, StudyDesign
from survey.tables import AttributePageAnswerRow, ChoiceTaskAnswerRow, ParticipantRow

SEPARATOR = ";"
"""Between several words in one cell; names in a design hold none."""

Row = TypeVar("Row")
Measured: TypeAlias = ChoiceTaskAnswerRow | AttributePageAnswerRow
"""An answer that says how long it took, of a page that shows no comparison."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataFile(Generic[Row]):
    """One data file: its columns and rows."""

    name: str
    """Without ending, e.g. ``presentations``."""
    row: str
    """What one row is."""
    columns: tuple[Column[Row], ...]
    rows: Sequence[Row]

    def csv(self) -> bytes:
        """Return the file as CSV. The same rows give the same bytes."""
        text = io.StringIO(newline="")
        write_csv(text, self.columns, self.rows)
        return text.getvalue().encode()


def who(person_of: Callable[[Row], ParticipantRow]) -> tuple[Column[Row], ...]:
    """Return the columns that tell whose row it is."""
    return (
        Column(
            name="respondent",
            kind=CellKind.TEXT,
            meaning="pseudonymous id of the participant, the same in every file and wave; begins with 'sim-' for "
            "simulated participants",
            cell=lambda row: person_of(row).code,
        ),
        Column(
            name="wave",
            kind=CellKind.WHOLE,
            meaning="administration of the study to the same participants, from 1",
            cell=lambda row: person_of(row).wave,
        ),
    )


def arm_values(design: StudyDesign) -> dict[str, str]:
    """Return the design's arms: name -> words."""

    def words(arm: Arm) -> str:
        if not arm.indecision_offered:
            return "indecision not offered"
        return f"indecision offered as '{arm.indecision_label or design.indecision.label}'"

    return {arm.name: words(arm) for arm in design.arms}


def plain(value: object) -> Cell:
    """Return what may stand in a cell; nothing for what a browser told otherwise than asked."""
    return value if isinstance(value, str | int | float) else None


def measured_columns(answer_of: Callable[[Row], Measured | None]) -> tuple[Column[Row], ...]:
    """Return the columns that tell how long an answer took, and what it was given with."""

    def told(name: str) -> Callable[[Row], Cell]:
        def cell(row: Row) -> Cell:
            answer = answer_of(row)
            return plain(answer.client.get(name)) if answer else None

        return cell

    def stored(name: str) -> Callable[[Row], Cell]:
        def cell(row: Row) -> Cell:
            answer = answer_of(row)
            return plain(getattr(answer, name)) if answer else None

        return cell

    return (
        Column(
            name="seconds",
            kind=CellKind.NUMBER,
            unit="seconds",
            meaning="time from first paint to sending the answer by the browser's clock, as received, believed or "
            "not",
            cell=stored("client_seconds"),
        ),
        Column(
            name="seconds_problem",
            kind=CellKind.TEXT,
            meaning="why 'seconds' is missing or not to be believed; empty where it is sound",
            cell=stored("client_seconds_problem"),
        ),
        Column(
            name="server_seconds",
            kind=CellKind.NUMBER,
            digits=3,
            unit="seconds",
            meaning="from sending the participant to the page to the arrival of the answer: the network and any "
            "pause included",
            cell=stored("server_seconds"),
        ),
        Column(
            name="input",
            kind=CellKind.TEXT,
            meaning="what the answer was given with, as the browser told; words as in revisions",
            cell=told("input"),
        ),
        Column(
            name="hidden_seconds",
            kind=CellKind.NUMBER,
            unit="seconds",
            meaning="how long the page was out of sight meanwhile, as the browser told",
            cell=told("hidden_seconds"),
        ),
    )
