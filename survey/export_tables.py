"""The data files of an export: which there are, and what every column of theirs means and holds."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from survey.allocation_task import INDECISION, ChooseOne
from survey.answers import Answer, Choice
from survey.answers_file import ROLE_MEANINGS, answer_columns, profile_columns
from survey.columns import Cell, CellKind, Column, write_csv
from survey.design import Arm, StudyDesign
from survey.export import (
    ChosenRow,
    FollowedRow,
    GivenRow,
    HappenedRow,
    PersonRow,
    ShownRow,
    StatedRow,
    StudyData,
)
from survey.participation import Ending, Exclusions
from survey.questionnaire import PREFER_NOT_TO_SAY, QuestionKind
from survey.steps import ENDINGS
from survey.tables import FollowUpKind, ParticipantRow, ParticipantState, Section

SEPARATOR = ";"
"""Between several words in one cell; names in a design hold none."""
# What events may tell; anything else that an event notes stays in the database.
_EVENT_DETAILS = frozenset({"arm", "at", "position", "questions", "quota", "sent", "stored", "wave"})
# Of looks at the estimate and of stopping rules: whoever reads the data must be able to judge when it was stopped.
_EVENT_DETAILS |= {"answers", "respondents", "model", "simulated", "width", "at_least", "every"}
_EVENT_DETAILS |= {"answers_then", "looks_then", "participants", "met", "why"}

Row = TypeVar("Row")


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


def data_files(data: StudyData, *, with_text: bool = False) -> tuple[DataFile[Any], ...]:
    """Return every data file of an export; ``with_text`` says whether what people wrote themselves is in it."""
    design = data.design
    chosen = (
        DataFile(
            name="choose_one",
            row="One problem of choosing one of many as it was drawn for a participant, answered or not; a row "
            "more for each time that the answer was changed.",
            columns=_choose_one(design.choose_one),
            rows=data.chosen,
        )
        if design.choose_one is not None
        else None
    )
    return (
        DataFile(
            name="answers",
            row="One answer that counts, the practice left out: what every estimator reads.",
            columns=_answers(design),
            rows=data.answers.answers,
        ),
        DataFile(
            name="answers_included",
            row="As answers, of those who fall under no exclusion rule of the design in that wave.",
            columns=_answers(design),
            rows=data.included_answers.answers,
        ),
        DataFile(
            name="presentations",
            row="One comparison as it was drawn for a participant, answered or not, the practice (position 0) too.",
            columns=_presentations(design),
            rows=data.shown,
        ),
        DataFile(
            name="revisions",
            row="One answer as it was stored, also if the participant changed it later.",
            columns=_revisions(),
            rows=data.given,
        ),
        DataFile(
            name="follow_ups",
            row="One reply to what was asked after an indecision.",
            columns=_follow_ups(design),
            rows=data.followed,
        ),
        *([chosen] if chosen is not None else []),
        DataFile(
            name="statements",
            row="One answer to a question of the screener, the comprehension check or the demographics.",
            columns=_statements(design, with_text=with_text),
            rows=data.stated,
        ),
        DataFile(
            name="participants",
            row="One participant in one wave, whoever pressed Start.",
            columns=_participants(design),
            rows=data.people,
        ),
        DataFile(
            name="events",
            row="Something that happened, to a participant or to the study as a whole.",
            columns=_events(),
            rows=data.happened,
        ),
    )


# --- columns that several files share ------------------------------------------------------------------


def _who(person_of: Callable[[Row], ParticipantRow]) -> tuple[Column[Row], ...]:
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


def _position(cell: Callable[[Row], Cell]) -> Column[Row]:
    return Column(
        name="position",
        kind=CellKind.WHOLE,
        meaning="place among the participant's comparisons of the wave, from 1; 0 is the practice",
        cell=cell,
    )


def _arm_values(design: StudyDesign) -> dict[str, str]:
    def words(arm: Arm) -> str:
        if not arm.indecision_offered:
            return "indecision not offered"
        return f"indecision offered as '{arm.indecision_label or design.indecision.label}'"

    return {arm.name: words(arm) for arm in design.arms}


def _reason_values(design: StudyDesign) -> dict[str, str]:
    return {reason.name: reason.words for reason in design.indecision.reasons}


_CHOICES = {
    Choice.LEFT.value: "the profile on the left",
    Choice.RIGHT.value: "the profile on the right",
    Choice.INDECISION.value: "cannot or would not say: an answer, never missing data",
}


# --- the files -----------------------------------------------------------------------------------------


def _answers(design: StudyDesign) -> tuple[Column[Answer], ...]:
    known = {"arm": _arm_values(design), "reason": _reason_values(design)}
    return tuple(
        replace(column, values=known.get(column.name, column.values))
        for column in answer_columns(design.attributes)
    )


def _presentations(design: StudyDesign) -> tuple[Column[ShownRow], ...]:
    return (
        *_who(lambda row: row.person),
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
        *_who(lambda row: row.person),
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


def _revisions() -> tuple[Column[GivenRow], ...]:
    def told(name: str) -> Callable[[GivenRow], Cell]:
        return lambda row: _plain(row.answer.client.get(name))

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


def _plain(value: object) -> Cell:
    return value if isinstance(value, str | int | float) else None


def _follow_ups(design: StudyDesign) -> tuple[Column[FollowedRow], ...]:
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


def _choose_one(asked: ChooseOne) -> tuple[Column[ChosenRow], ...]:
    def told(name: str) -> Callable[[ChosenRow], Cell]:
        return lambda row: _plain(row.answer.client.get(name)) if row.answer else None

    return (
        *_who(lambda row: row.person),
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
        Column(
            name="seconds",
            kind=CellKind.NUMBER,
            unit="seconds",
            meaning="time from first paint to sending the answer by the browser's clock, as received, believed or "
            "not",
            cell=lambda row: row.answer.client_seconds if row.answer else None,
        ),
        Column(
            name="seconds_problem",
            kind=CellKind.TEXT,
            meaning="why 'seconds' is missing or not to be believed; empty where it is sound",
            cell=lambda row: row.answer.client_seconds_problem if row.answer else None,
        ),
        Column(
            name="server_seconds",
            kind=CellKind.NUMBER,
            digits=3,
            unit="seconds",
            meaning="from sending the participant to the problem to the arrival of the answer: the network and any "
            "pause included",
            cell=lambda row: row.answer.server_seconds if row.answer else None,
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
        Column(
            name="width",
            kind=CellKind.WHOLE,
            unit="CSS pixels",
            meaning="width of the window, as the browser told: up to 1024 candidates are cards, else rows of a "
            "table",
            cell=told("width"),
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


def _statements(design: StudyDesign, *, with_text: bool) -> tuple[Column[StatedRow], ...]:
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
        *_who(lambda row: row.person),
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


def _participants(design: StudyDesign) -> tuple[Column[PersonRow], ...]:
    def moment(name: str, meaning: str) -> Column[PersonRow]:
        return Column(
            name=name, kind=CellKind.TIME, meaning=meaning, cell=lambda row: getattr(row.person, name)
        )

    def measure(name: str, meaning: str, kind: CellKind = CellKind.WHOLE) -> Column[PersonRow]:
        def cell(row: PersonRow) -> Cell:
            return _plain(getattr(row.attention, name))

        return Column(name=name, kind=kind, meaning=meaning, cell=cell)

    return (
        *_who(lambda row: row.person),
        Column(
            name="arm",
            kind=CellKind.WORD,
            meaning="randomized condition; empty for those who were not admitted",
            values=_arm_values(design),
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
        moment("admitted_at", "when the comparisons were drawn; empty if they were not"),
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


def _events() -> tuple[Column[HappenedRow], ...]:
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
