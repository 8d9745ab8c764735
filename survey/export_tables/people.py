"""Columns of the files about participants: how they took part, what they said in forms, and what happened."""

from __future__ import annotations

import json
from collections.abc import Mapping

from survey.columns import Cell, CellKind, Column
from survey.design import StudyDesign
from survey.export import HappenedRow, PersonRow, StatedRow
from survey.export_tables.shared import SEPARATOR, arm_values, plain, who
from survey.participation import Ending, Exclusions
from survey.questionnaire import PREFER_NOT_TO_SAY, QuestionKind
from survey.steps import ENDINGS
from survey.tables import ParticipantState, Section

# What events may tell; anything else that an event notes stays in the database.
_EVENT_DETAILS = frozenset({"arm", "at", "position", "questions", "quota", "sent", "stored", "wave"})
# Of looks at the estimate and of stopping rules: whoever reads the data must be able to judge when it was stopped.
_EVENT_DETAILS |= {"answers", "respondents", "model", "simulated", "width", "at_least", "every"}
_EVENT_DETAILS |= {"answers_then", "looks_then", "participants", "met", "why"}
# Of pages about attributes: which one it was, and how much was said there.
_EVENT_DETAILS |= {"task", "revision", "entries"}


def statement_columns(design: StudyDesign, *, with_text: bool) -> tuple[Column[StatedRow], ...]:
    """Return the columns of ``statements.csv``; ``with_text``: what people wrote is one of them."""
    written = {
        (section, question.name)
        for section, questions in (
            (Section.SCREENER, design.screener),
            (Section.DEMOGRAPHICS, design.demographics),
        )
        for question in questions
        if question.kind is QuestionKind.TEXT
    }

    def is_text(row: StatedRow) -> bool:
        s = row.statement
        return (s.section, s.question) in written and s.value != PREFER_NOT_TO_SAY

    def value(row: StatedRow) -> Cell:
        given = row.statement.value
        if is_text(row):
            return None
        return SEPARATOR.join(map(str, given)) if isinstance(given, list) else str(given)

    columns: tuple[Column[StatedRow], ...] = (
        *who(lambda row: row.person),
        Column(
            name="section",
            kind=CellKind.WORD,
            meaning="form in which it was asked",
            values={
                Section.SCREENER.value: "before admission",
                Section.COMPREHENSION.value: "whether the instructions were understood",
                Section.DEMOGRAPHICS.value: "at the end",
            },
            cell=lambda row: row.statement.section.value,
        ),
        Column(
            name="question",
            kind=CellKind.TEXT,
            meaning="name of the question; the codebook lists the questions with their words and options",
            cell=lambda row: row.statement.question,
        ),
        Column(
            name="attempt",
            kind=CellKind.WHOLE,
            meaning="from 1; only comprehension is asked more than once",
            cell=lambda row: row.statement.attempt,
        ),
        Column(
            name="value",
            kind=CellKind.TEXT,
            meaning=f"an option's name, several joined by '{SEPARATOR}' (none chosen: empty), or a number; "
            f"'{PREFER_NOT_TO_SAY}' where somebody would rather not say; empty for written answers",
            cell=value,
        ),
        Column(
            name="text",
            kind=CellKind.JSON,
            meaning="PERSONAL DATA MAY STAND HERE: what somebody wrote, as a JSON string (in quotation marks, so "
            "that a spreadsheet takes it for no formula). Read it before you share it; only --with-text puts "
            "the column in",
            cell=lambda row: json.dumps(row.statement.value, ensure_ascii=False) if is_text(row) else None,
        ),
        Column(
            name="at",
            kind=CellKind.TIME,
            meaning="when the server stored it",
            cell=lambda row: row.statement.at,
        ),
    )
    return columns if with_text else tuple(column for column in columns if column.name != "text")


_STATES = {
    ParticipantState.CONSENTING: "was asked for consent",
    ParticipantState.SCREENING: "was at the screener",
    ParticipantState.SUGGESTING: "was saying what should count",
    ParticipantState.RATING: "was rating attributes",
    ParticipantState.INSTRUCTED: "was at the instructions",
    ParticipantState.PRACTICING: "was at the practice",
    ParticipantState.COMPREHENDING: "was at the question about the instructions",
    ParticipantState.ANSWERING: "was comparing",
    ParticipantState.CHOOSING: "was choosing one of many",
    ParticipantState.DESCRIBING: "was at the demographics",
    ParticipantState.FINISHED: "has finished",
    ParticipantState.DECLINED: "did not consent",
    ParticipantState.SCREENED_OUT: "was sent away by the screener or the question about the instructions",
    ParticipantState.QUOTA_FULL: "came when no place was left",
    ParticipantState.WITHDRAWN: "stopped and let the answers stay",
}
_ENDINGS = {
    Ending.COMPLETE: "finished",
    Ending.DECLINED: "did not consent",
    Ending.SCREENED_OUT: "sent away",
    Ending.QUOTA_FULL: "no place left",
    Ending.WITHDRAWN: "stopped",
}
_RULES = {
    "unfinished": "has not finished",
    "failed_checks_above": "more failed checks than {limit}",
    "dominated_against_above": "dominated patient chosen more often than {limit}",
    "median_seconds_below": "median time below {limit} seconds",
    "same_side_above": "share of one side above {limit}",
    "repeats_changed_above": "more changed repeats than {limit}",
    "comprehension_failed": "never answered the question about the instructions rightly",
}


def rule_values(rules: Exclusions) -> dict[str, str]:
    """Return the exclusion rules that a design states: name -> meaning."""
    stated = {name: getattr(rules, name) for name in _RULES}
    return {
        name: words.format(limit=stated[name])
        for name, words in _RULES.items()
        if stated[name] is not None and stated[name] is not False
    }


def participant_columns(design: StudyDesign) -> tuple[Column[PersonRow], ...]:
    """Return the columns of ``participants.csv``."""

    def moment(name: str, meaning: str) -> Column[PersonRow]:
        return Column(
            name=name, kind=CellKind.TIME, meaning=meaning, cell=lambda row: getattr(row.person, name)
        )

    def measure(name: str, meaning: str, kind: CellKind = CellKind.WHOLE) -> Column[PersonRow]:
        def cell(row: PersonRow) -> Cell:
            return plain(getattr(row.attention, name))

        return Column(name=name, kind=kind, meaning=meaning, cell=cell)

    return (
        *who(lambda row: row.person),
        Column(
            name="arm",
            kind=CellKind.WORD,
            meaning="randomized condition; empty for those who were not admitted",
            values=arm_values(design),
            cell=lambda row: row.person.arm,
        ),
        Column(
            name="language",
            kind=CellKind.TEXT,
            meaning="language in which the study was taken",
            cell=lambda row: row.person.language,
        ),
        Column(
            name="simulated",
            kind=CellKind.YES_NO,
            meaning="whether it was a simulated participant of a rehearsal or a preview",
            cell=lambda row: row.person.simulated,
        ),
        Column(
            name="state",
            kind=CellKind.WORD,
            meaning="where the participant stood at the time of export",
            values={state.value: words for state, words in _STATES.items()},
            cell=lambda row: row.person.state.value,
        ),
        Column(
            name="ending",
            kind=CellKind.WORD,
            meaning="how it ended; empty if it has not",
            values={ending.value: words for ending, words in _ENDINGS.items()},
            cell=lambda row: ENDINGS[row.person.state].value if row.person.state in ENDINGS else None,
        ),
        moment("started_at", "when Start was pressed"),
        moment("consented_at", "when consent was given; empty if it was not"),
        moment("admitted_at", "when a place was given and the comparisons were drawn; empty if neither was"),
        moment("active_at", "when the participant last sent something, to the minute"),
        moment("ended_at", "when it ended; empty if it has not"),
        *(measure(name, meaning, kind) for name, (kind, meaning) in _MEASURES.items()),
        Column(
            name="comprehension_failed",
            kind=CellKind.YES_NO,
            meaning="whether every answer to the question about the instructions was wrong",
            cell=lambda row: row.comprehension_failed,
        ),
        Column(
            name="excluded_by",
            kind=CellKind.WORDS,
            meaning="exclusion rules of the design that the participant falls under in this wave; empty: none. "
            "Nothing is dropped because of it",
            values=rule_values(design.exclusions),
            cell=lambda row: SEPARATOR.join(row.excluded_by),
        ),
    )


_MEASURES: Mapping[str, tuple[CellKind, str]] = {
    "main_answered": (CellKind.WHOLE, "answers to main comparisons"),
    "checks_answered": (CellKind.WHOLE, "answers to instructed and listed checks"),
    "checks_failed": (CellKind.WHOLE, "of these, those that were not the expected one"),
    "dominated_answered": (CellKind.WHOLE, "answers to dominated comparisons"),
    "dominated_against": (CellKind.WHOLE, "of these, those that chose the dominated patient"),
    "identical_answered": (CellKind.WHOLE, "answers to comparisons of a profile with itself"),
    "identical_decided": (CellKind.WHOLE, "of these, those that chose a side"),
    "repeats_answered": (CellKind.WHOLE, "answers to repeats of comparisons that were answered, too"),
    "repeats_changed": (
        CellKind.WHOLE,
        "of these, those that chose another patient, or indecision instead of a patient or the reverse",
    ),
    "median_seconds": (
        CellKind.NUMBER,
        "median time of main comparisons without the first, in seconds; empty where no time is known",
    ),
    "same_side_share": (
        CellKind.NUMBER,
        "share of the side chosen more often among decided main answers; empty where there are none",
    ),
    "longest_same_run": (CellKind.WHOLE, "most main answers in a row that were the same"),
    "indecision_share": (CellKind.NUMBER, "share of indecisions among main answers; empty without any"),
}


def event_columns() -> tuple[Column[HappenedRow], ...]:
    """Return the columns of ``events.csv``."""
    return (
        Column(
            name="respondent",
            kind=CellKind.TEXT,
            meaning="pseudonymous id of the participant; empty for events of the study as a whole",
            cell=lambda row: row.person.code if row.person else None,
        ),
        Column(
            name="wave",
            kind=CellKind.WHOLE,
            meaning="the participant's wave",
            cell=lambda row: row.person.wave if row.person else None,
        ),
        Column(
            name="what",
            kind=CellKind.TEXT,
            meaning="what happened, in words",
            cell=lambda row: row.event.what,
        ),
        Column(
            name="at",
            kind=CellKind.TIME,
            meaning="when the server noted it; events of one participant stand in order",
            cell=lambda row: row.event.at,
        ),
        Column(
            name="detail",
            kind=CellKind.JSON,
            meaning="what belongs to it, as a JSON object, e.g. the position and the two choices of an answer that "
            "arrived a second time",
            cell=lambda row: json.dumps(
                {k: v for k, v in sorted(row.event.detail.items()) if k in _EVENT_DETAILS}, ensure_ascii=False
            ),
        ),
    )
