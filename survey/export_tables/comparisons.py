"""Columns of the files about comparisons: answers, what was shown, every stored answer, and what followed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from survey.answers import Answer, Choice
from survey.answers_file import ROLE_MEANINGS, answer_columns, profile_columns
from survey.columns import Cell, CellKind, Column
from survey.design import StudyDesign
from survey.export import FollowedRow, GivenRow, ShownRow
from survey.export_tables.shared import SEPARATOR, Row, arm_values, plain, who
from survey.tables import FollowUpKind


def _position(cell: Callable[[Row], Cell]) -> Column[Row]:
    return Column(
        name="position",
        kind=CellKind.WHOLE,
        meaning="place among the participant's comparisons of the wave, from 1; 0 is the practice",
        cell=cell,
    )


def _reason_values(design: StudyDesign) -> dict[str, str]:
    return {reason.name: reason.words for reason in design.indecision.reasons}


_CHOICES = {
    Choice.LEFT.value: "the profile on the left",
    Choice.RIGHT.value: "the profile on the right",
    Choice.INDECISION.value: "cannot or would not say: an answer, never missing data",
}


def answer_columns_of(design: StudyDesign) -> tuple[Column[Answer], ...]:
    """Return the columns of ``answers.csv``, with the design's own words for arms and reasons."""
    known = {"arm": arm_values(design), "reason": _reason_values(design)}
    return tuple(
        replace(column, values=known.get(column.name, column.values))
        for column in answer_columns(design.attributes)
    )


def presentation_columns(design: StudyDesign) -> tuple[Column[ShownRow], ...]:
    """Return the columns of ``presentations.csv``."""
    return (
        *who(lambda row: row.person),
        _position(lambda row: row.presentation.position),
        Column(
            name="role",
            kind=CellKind.WORD,
            meaning="why the comparison was shown",
            values=ROLE_MEANINGS,
            cell=lambda row: row.presentation.role.value,
        ),
        Column(
            name="left",
            kind=CellKind.TEXT,
            meaning="id of the profile on the left",
            cell=lambda row: row.presentation.left_profile,
        ),
        Column(
            name="right",
            kind=CellKind.TEXT,
            meaning="id of the profile on the right",
            cell=lambda row: row.presentation.right_profile,
        ),
        Column(
            name="attribute_order",
            kind=CellKind.WORDS,
            meaning="attributes from top to bottom of the page",
            values={attribute.name: attribute.label for attribute in design.attributes},
            cell=lambda row: SEPARATOR.join(row.presentation.attribute_order),
        ),
        Column(
            name="indecision_offered",
            kind=CellKind.YES_NO,
            meaning="whether the comparison offered indecision as an answer",
            cell=lambda row: row.presentation.indecision_offered,
        ),
        Column(
            name="highlighted",
            kind=CellKind.YES_NO,
            meaning="whether rows in which the two profiles differ were emphasized",
            cell=lambda row: row.presentation.highlighted,
        ),
        Column(
            name="language",
            kind=CellKind.TEXT,
            meaning="language in which it was shown",
            cell=lambda row: row.presentation.language,
        ),
        Column(
            name="draw_rule",
            kind=CellKind.TEXT,
            meaning="how the comparison came to stand here",
            cell=lambda row: row.presentation.draw_rule,
        ),
        Column(
            name="draw_probability",
            kind=CellKind.NUMBER,
            meaning="probability with which the rule put this comparison here, whichever the sides, given all "
            "drawn before; empty where the design and no draw put it here",
            cell=lambda row: row.presentation.draw_probability,
        ),
        Column(
            name="expected",
            kind=CellKind.WORD,
            meaning="the answer that a check or a dominated comparison expects",
            values=_CHOICES,
            cell=lambda row: row.presentation.expected.value if row.presentation.expected else None,
        ),
        Column(
            name="repeat_of",
            kind=CellKind.WHOLE,
            meaning="of a repeat: position of the comparison that it repeats",
            cell=lambda row: row.presentation.repeat_of,
        ),
        Column(
            name="note",
            kind=CellKind.TEXT,
            meaning="'instructed' where a line above the comparison said what to answer",
            cell=lambda row: row.presentation.note,
        ),
        Column(
            name="asked",
            kind=CellKind.WHOLE,
            meaning="how many answers were asked for: 1, and one more for each wish to change it",
            cell=lambda row: row.presentation.asked,
        ),
        Column(
            name="answered",
            kind=CellKind.WHOLE,
            meaning="how many answers were stored; the last one counts",
            cell=lambda row: row.presentation.answered,
        ),
        Column(
            name="choice",
            kind=CellKind.WORD,
            meaning="the answer that counts; empty where there is none",
            values=_CHOICES,
            cell=lambda row: row.answer.choice.value if row.answer else None,
        ),
        Column(
            name="served_at",
            kind=CellKind.TIME,
            meaning="when the server sent the participant to it: first, or to change the answer; empty if never",
            cell=lambda row: row.presentation.served_at,
        ),
        Column(
            name="answered_at",
            kind=CellKind.TIME,
            meaning="when the answer that counts was stored",
            cell=lambda row: row.presentation.answered_at,
        ),
        *profile_columns("left", design.attributes, lambda row: row.presentation.left_values),
        *profile_columns("right", design.attributes, lambda row: row.presentation.right_values),
    )


def _given_key() -> tuple[Column[GivenRow], ...]:
    return (
        *who(lambda row: row.person),
        _position(lambda row: row.presentation.position),
        Column(
            name="revision",
            kind=CellKind.WHOLE,
            meaning="1 for the first answer to the comparison, one more for each change of it",
            cell=lambda row: row.answer.revision,
        ),
        Column(
            name="counts",
            kind=CellKind.YES_NO,
            meaning="whether this is the answer that counts",
            cell=lambda row: row.counts,
        ),
    )


def revision_columns() -> tuple[Column[GivenRow], ...]:
    """Return the columns of ``revisions.csv``."""

    def told(name: str) -> Callable[[GivenRow], Cell]:
        return lambda row: plain(row.answer.client.get(name))

    return (
        *_given_key(),
        Column(
            name="choice",
            kind=CellKind.WORD,
            meaning="what was answered",
            values=_CHOICES,
            cell=lambda row: row.answer.choice.value,
        ),
        Column(
            name="client_seconds",
            kind=CellKind.NUMBER,
            unit="seconds",
            meaning="time from first paint to choosing by the browser's clock, as received, believed or not",
            cell=lambda row: row.answer.client_seconds,
        ),
        Column(
            name="client_seconds_problem",
            kind=CellKind.TEXT,
            meaning="why 'client_seconds' is missing or not to be believed; empty where it is sound",
            cell=lambda row: row.answer.client_seconds_problem,
        ),
        Column(
            name="server_seconds",
            kind=CellKind.NUMBER,
            digits=3,
            unit="seconds",
            meaning="from sending the participant to the comparison to the arrival of the answer: the network and "
            "any pause included",
            cell=lambda row: row.answer.server_seconds,
        ),
        Column(
            name="input",
            kind=CellKind.WORD,
            meaning="what the answer was given with, as the browser told; empty where it did not",
            values={
                "mouse": "a mouse or touchpad",
                "touch": "a finger",
                "pen": "a pen",
                "keyboard": "a keyboard",
                "other": "anything else",
            },
            cell=told("input"),
        ),
        Column(
            name="hidden_seconds",
            kind=CellKind.NUMBER,
            unit="seconds",
            meaning="how long the page was out of sight meanwhile, as the browser told",
            cell=told("hidden_seconds"),
        ),
        Column(
            name="blurs",
            kind=CellKind.WHOLE,
            meaning="how often the window lost the focus meanwhile, as the browser told",
            cell=told("blurs"),
        ),
        Column(
            name="width",
            kind=CellKind.WHOLE,
            unit="CSS pixels",
            meaning="width of the window, as the browser told",
            cell=told("width"),
        ),
        Column(
            name="height",
            kind=CellKind.WHOLE,
            unit="CSS pixels",
            meaning="height of the window, as the browser told",
            cell=told("height"),
        ),
        Column(
            name="answered_at",
            kind=CellKind.TIME,
            meaning="when the server stored the answer",
            cell=lambda row: row.answer.answered_at,
        ),
    )


def follow_up_columns(design: StudyDesign) -> tuple[Column[FollowedRow], ...]:
    """Return the columns of ``follow_ups.csv``."""
    return (
        *(_of_given(column) for column in _given_key()),
        Column(
            name="kind",
            kind=CellKind.WORD,
            meaning="what was asked",
            values={
                FollowUpKind.REASON.value: design.indecision.reason_question or "why it was an indecision",
                FollowUpKind.STRICT.value: design.indecision.strict_question or "which side if one had to be",
            },
            cell=lambda row: row.follow_up.kind.value,
        ),
        Column(
            name="value",
            kind=CellKind.WORD,
            meaning="the reply; empty where it was skipped",
            values=_reason_values(design)
            | {side.value: _CHOICES[side.value] for side in (Choice.LEFT, Choice.RIGHT)},
            cell=lambda row: row.follow_up.value,
        ),
        Column(
            name="at",
            kind=CellKind.TIME,
            meaning="when the server stored it",
            cell=lambda row: row.follow_up.at,
        ),
    )


def _of_given(column: Column[GivenRow]) -> Column[FollowedRow]:
    return Column(
        name=column.name,
        kind=column.kind,
        meaning=column.meaning,
        cell=lambda row: column.cell(row.given),
    )
