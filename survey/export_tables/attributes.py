"""Columns of the files about attributes: pages that asked, what was suggested, rated and ranked."""

from __future__ import annotations

import json

from survey.acceptability import Rating
from survey.answers import RespondentKind
from survey.attribute_data import PageRow, RatedRow, SuggestedRow
from survey.columns import Cell, CellKind, Column
from survey.design import StudyDesign
from survey.export_tables.shared import SEPARATOR, arm_values, measured_columns, plain, who
from survey.suggestions import Stance
from survey.tables import AttributeTask, ImportedRespondentRow

_TASKS = {
    AttributeTask.SHOULD.value: "open question: what should count",
    AttributeTask.SHOULD_NOT.value: "open question: what should not count",
    AttributeTask.RATE.value: "which attributes of a list are acceptable",
    AttributeTask.RANK.value: "which of them matter most",
}
_KINDS = {RespondentKind.HUMAN.value: "a person", RespondentKind.MODEL.value: "a language model"}
_STANCES = {
    Stance.SHOULD.value: "should decide who gets the kidney",
    Stance.SHOULD_NOT.value: "should not decide it",
}


def _labels(design: StudyDesign) -> dict[str, str]:
    asked = design.acceptability
    return {attribute.name: attribute.label for attribute in asked.attributes} if asked else {}


def _rating_values(design: StudyDesign) -> dict[str, str]:
    asked = design.acceptability
    return {rating.value: asked.words(rating) for rating in Rating} if asked else {}


def page_columns(design: StudyDesign) -> tuple[Column[PageRow], ...]:
    """Return the columns of ``attribute_pages.csv``."""
    return (
        *who(lambda row: row.person),
        Column(
            name="arm",
            kind=CellKind.WORD,
            meaning="the participant's randomized condition",
            values=arm_values(design),
            cell=lambda row: row.person.arm,
        ),
        Column(
            name="position",
            kind=CellKind.WHOLE,
            meaning="place among the participant's pages about attributes of the wave, from 1; not that of a "
            "comparison",
            cell=lambda row: row.page.position,
        ),
        Column(
            name="task",
            kind=CellKind.WORD,
            meaning="what the page asked",
            values=_TASKS,
            cell=lambda row: row.page.task.value,
        ),
        Column(
            name="attribute_order",
            kind=CellKind.WORDS,
            meaning="attributes from the top of the list; empty for open questions",
            values=_labels(design),
            cell=lambda row: SEPARATOR.join(row.page.attribute_order),
        ),
        Column(
            name="language",
            kind=CellKind.TEXT,
            meaning="language in which it was shown",
            cell=lambda row: row.page.language,
        ),
        Column(
            name="entries",
            kind=CellKind.WHOLE,
            meaning="suggestions made on it and not taken back; empty where it asked for none",
            cell=lambda row: row.entries,
        ),
        Column(
            name="revision",
            kind=CellKind.WHOLE,
            meaning="1 where the participant first went on from the page, one more each time after coming back to "
            "it; empty: the participant has not gone on from it",
            cell=lambda row: row.answer.revision if row.answer else None,
        ),
        Column(
            name="counts",
            kind=CellKind.YES_NO,
            meaning="whether this is the answer that counts",
            cell=lambda row: row.counts,
        ),
        Column(
            name="ratings",
            kind=CellKind.JSON,
            meaning="what was sent with a page of ratings, as a JSON object of attributes and ratings; attributes "
            "that were left out are not in it. ratings.csv has those that count, a row each",
            values=_rating_values(design),
            cell=lambda row: (
                json.dumps(dict(sorted(row.answer.ratings.items())), ensure_ascii=False)
                if row.answer and row.page.task is AttributeTask.RATE
                else None
            ),
        ),
        Column(
            name="ranking",
            kind=CellKind.WORDS,
            meaning="what was sent with a ranking: attributes, the most important first; empty where none was "
            "ranked",
            values=_labels(design),
            cell=lambda row: SEPARATOR.join(row.answer.ranking) if row.answer else None,
        ),
        *measured_columns(lambda row: row.answer),
        Column(
            name="width",
            kind=CellKind.WHOLE,
            unit="CSS pixels",
            meaning="width of the window, as the browser told",
            cell=lambda row: plain(row.answer.client.get("width")) if row.answer else None,
        ),
        Column(
            name="served_at",
            kind=CellKind.TIME,
            meaning="when the server sent the participant to it: first, or to change the answer; empty if never",
            cell=lambda row: row.page.served_at,
        ),
        Column(
            name="answered_at",
            kind=CellKind.TIME,
            meaning="when the server stored that the participant went on",
            cell=lambda row: row.answer.answered_at if row.answer else None,
        ),
    )


def rating_columns(design: StudyDesign) -> tuple[Column[RatedRow], ...]:
    """Return the columns of ``ratings.csv``."""
    return (
        *who(lambda row: row.person),
        Column(
            name="attribute",
            kind=CellKind.WORD,
            meaning="the attribute that was rated",
            values=_labels(design),
            cell=lambda row: row.attribute,
        ),
        Column(
            name="order",
            kind=CellKind.WHOLE,
            meaning="its place in the list as the participant read it, from 1",
            cell=lambda row: row.order,
        ),
        Column(
            name="rated",
            kind=CellKind.YES_NO,
            meaning="whether the participant went on from the page of ratings",
            cell=lambda row: row.rated,
        ),
        Column(
            name="rating",
            kind=CellKind.WORD,
            meaning="the rating that counts; empty where the attribute was left out, or 'rated' is no",
            values=_rating_values(design),
            cell=lambda row: row.rating.value if row.rating else None,
        ),
        Column(
            name="ranked",
            kind=CellKind.YES_NO,
            meaning="whether the participant went on from the page of the ranking; empty where there is none",
            cell=lambda row: row.ranked,
        ),
        Column(
            name="place",
            kind=CellKind.WHOLE,
            meaning="place in the ranking that counts, 1 the most important; empty where it was given none",
            cell=lambda row: row.place,
        ),
    )


def suggestion_columns(*, with_text: bool) -> tuple[Column[SuggestedRow], ...]:
    """Return the columns of ``suggestions.csv``; ``with_text``: the words themselves are among them."""
    columns: tuple[Column[SuggestedRow], ...] = (
        Column(
            name="suggestion",
            kind=CellKind.WHOLE,
            meaning="its number in this export, which codes.csv refers to; it follows the order of pseudonyms and "
            "tells nothing of who came first",
            cell=lambda row: row.number,
        ),
        Column(
            name="respondent",
            kind=CellKind.TEXT,
            meaning="pseudonymous id of the participant, as in the other files; of what was imported, whoever the "
            "import names",
            cell=lambda row: row.respondent,
        ),
        Column(
            name="wave",
            kind=CellKind.WHOLE,
            meaning="the participant's wave; empty for what was imported",
            cell=lambda row: row.person.wave if row.person else None,
        ),
        Column(
            name="kind",
            kind=CellKind.WORD,
            meaning="who said it",
            values=_KINDS,
            cell=lambda row: row.suggestion.kind.value,
        ),
        Column(
            name="simulated",
            kind=CellKind.YES_NO,
            meaning="whether it was said by a simulated participant of a rehearsal or a preview",
            cell=lambda row: row.suggestion.simulated,
        ),
        Column(
            name="stance",
            kind=CellKind.WORD,
            meaning="the question that it answers: what is named …",
            values=_STANCES,
            cell=lambda row: row.suggestion.stance.value,
        ),
        Column(
            name="position",
            kind=CellKind.WHOLE,
            meaning="place among what the respondent said to this question, from 1, those taken back included",
            cell=lambda row: row.position,
        ),
        Column(
            name="removed",
            kind=CellKind.YES_NO,
            meaning="whether the respondent took it back, which leaves it out of every count; its words are not "
            "exported",
            cell=lambda row: row.suggestion.removed_at is not None,
        ),
        *(_length(part, words) for part, words in _PARTS.items()),
        *(_words(part, words) for part, words in _PARTS.items()),
        Column(
            name="language",
            kind=CellKind.TEXT,
            meaning="language in which the question was read; of what was imported, as the import says",
            cell=lambda row: row.suggestion.language,
        ),
        Column(
            name="source",
            kind=CellKind.TEXT,
            meaning="where an import is from; empty for what was written in this study",
            cell=lambda row: row.suggestion.source,
        ),
        Column(
            name="at",
            kind=CellKind.TIME,
            meaning="when the server stored it",
            cell=lambda row: row.suggestion.at,
        ),
        Column(
            name="removed_at",
            kind=CellKind.TIME,
            meaning="when it was taken back; empty where it was not",
            cell=lambda row: row.suggestion.removed_at,
        ),
    )
    return columns if with_text else tuple(column for column in columns if column.name not in _PARTS)


def imported_columns(*, with_text: bool) -> tuple[Column[ImportedRespondentRow], ...]:
    """Return the columns of ``imported_respondents.csv``; ``with_text``: what they stated holds text, too."""

    def stated(row: ImportedRespondentRow) -> str:
        own = {name: said for name, said in row.stated.items() if with_text or not isinstance(said, str)}
        return json.dumps(own, ensure_ascii=False, sort_keys=True)

    return (
        Column(
            name="source",
            kind=CellKind.TEXT,
            meaning="where the import is from, as in suggestions.csv",
            cell=lambda row: row.source,
        ),
        Column(
            name="respondent",
            kind=CellKind.TEXT,
            meaning="whoever the import names, as it is",
            cell=lambda row: row.respondent,
        ),
        Column(
            name="kind",
            kind=CellKind.WORD,
            meaning="who was asked",
            values=_KINDS,
            cell=lambda row: row.kind.value,
        ),
        Column(
            name="simulated",
            kind=CellKind.YES_NO,
            meaning="whether it was no person and no model, but simulated",
            cell=lambda row: row.simulated,
        ),
        Column(
            name="stances",
            kind=CellKind.WORDS,
            meaning="the questions that were answered, also with nothing: what is named …",
            values=_STANCES,
            cell=lambda row: SEPARATOR.join(row.stances),
        ),
        Column(
            name="stated",
            kind=CellKind.JSON,
            meaning="what the respondent stated in forms, as a JSON object of questions and lists of options, or a "
            "number"
            + (
                "; or text, in which PERSONAL DATA MAY STAND: read it before you share it"
                if with_text
                else ""
            ),
            cell=stated,
        ),
        Column(
            name="at",
            kind=CellKind.TIME,
            meaning="when it was imported",
            cell=lambda row: row.at,
        ),
    )


_PARTS = {
    "text": "what was named",
    "why": "the reason given for it",
    "direction": "what was said of who should come first because of it",
}


def _length(part: str, words: str) -> Column[SuggestedRow]:
    def cell(row: SuggestedRow) -> Cell:
        return None if row.suggestion.removed_at is not None else len(getattr(row.suggestion, part))

    return Column(
        name=f"{part}_characters",
        kind=CellKind.WHOLE,
        unit="characters",
        meaning=f"length of {words}; 0: nothing was written; empty where it was taken back",
        cell=cell,
    )


def _words(part: str, words: str) -> Column[SuggestedRow]:
    def cell(row: SuggestedRow) -> Cell:
        text = getattr(row.suggestion, part)
        taken_back = row.suggestion.removed_at is not None
        return None if taken_back or not text else json.dumps(text, ensure_ascii=False)

    return Column(
        name=part,
        kind=CellKind.JSON,
        meaning=f"PERSONAL DATA MAY STAND HERE: {words}, as a JSON string (in quotation marks, so that a "
        "spreadsheet takes it for no formula). Read it before you share it; only --with-text puts the column in",
        cell=cell,
    )
