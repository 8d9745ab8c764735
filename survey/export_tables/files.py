"""Which data files the export of a study has."""

from __future__ import annotations

from typing import Any

from survey.export import StudyData
from survey.export_tables.attributes import (
    imported_columns,
    page_columns,
    rating_columns,
    suggestion_columns,
)
from survey.export_tables.choosing import choice_columns
from survey.export_tables.coding import category_columns, code_columns
from survey.export_tables.comparisons import (
    answer_columns_of,
    follow_up_columns,
    presentation_columns,
    revision_columns,
)
from survey.export_tables.people import event_columns, participant_columns, statement_columns
from survey.export_tables.shared import DataFile


def data_files(data: StudyData, *, with_text: bool = False) -> tuple[DataFile[Any], ...]:
    """Return every data file of an export; ``with_text`` says whether what people wrote themselves is in it."""
    return (
        *_about_comparisons(data),
        *_about_choosing(data),
        *_about_attributes(data, with_text=with_text),
        *_about_coding(data),
        *_about_people(data, with_text=with_text),
    )


def _about_comparisons(data: StudyData) -> tuple[DataFile[Any], ...]:
    design = data.design
    return (
        DataFile(
            name="answers",
            row="One answer that counts, the practice left out: what every estimator reads.",
            columns=answer_columns_of(design),
            rows=data.answers.answers,
        ),
        DataFile(
            name="answers_included",
            row="As answers, of those who fall under no exclusion rule of the design in that wave.",
            columns=answer_columns_of(design),
            rows=data.included_answers.answers,
        ),
        DataFile(
            name="presentations",
            row="One comparison as it was drawn for a participant, answered or not, the practice (position 0) too.",
            columns=presentation_columns(design),
            rows=data.shown,
        ),
        DataFile(
            name="revisions",
            row="One answer as it was stored, also if the participant changed it later.",
            columns=revision_columns(),
            rows=data.given,
        ),
        DataFile(
            name="follow_ups",
            row="One reply to what was asked after an indecision.",
            columns=follow_up_columns(design),
            rows=data.followed,
        ),
    )


def _about_choosing(data: StudyData) -> tuple[DataFile[Any], ...]:
    if data.design.choose_one is None:
        return ()
    return (
        DataFile(
            name="choose_one",
            row="One problem of choosing one of many as it was drawn for a participant, answered or not; a row "
            "more for each time that the answer was changed.",
            columns=choice_columns(data.design.choose_one),
            rows=data.chosen,
        ),
    )


def _about_attributes(data: StudyData, *, with_text: bool) -> tuple[DataFile[Any], ...]:
    """What the design asks about attributes, and what was suggested elsewhere and imported."""
    design, said = data.design, data.attributes
    files: list[DataFile[Any]] = []
    if design.suggestions is not None or design.acceptability is not None:
        files.append(
            DataFile(
                name="attribute_pages",
                row="One page about attributes as it was drawn for a participant, answered or not; a row more for "
                "each time that the participant came back to it and went on again.",
                columns=page_columns(design),
                rows=said.pages,
            )
        )
    if design.suggestions is not None or said.has_suggestions:
        files.append(
            DataFile(
                name="suggestions",
                row="One thing that a respondent named to an open question, also if it was taken back.",
                columns=suggestion_columns(with_text=with_text),
                rows=said.suggestions,
            )
        )
    if said.imported:
        files.append(
            DataFile(
                name="imported_respondents",
                row="One respondent who was asked elsewhere, also if nothing was named.",
                columns=imported_columns(with_text=with_text),
                rows=said.imported,
            )
        )
    if design.acceptability is not None:
        files.append(
            DataFile(
                name="ratings",
                row="One attribute of the list that a participant was to rate, rated or not.",
                columns=rating_columns(design),
                rows=said.ratings,
            )
        )
    return tuple(files)


def _about_coding(data: StudyData) -> tuple[DataFile[Any], ...]:
    said = data.attributes
    if data.design.suggestions is None and not said.has_suggestions:
        return ()
    return (
        DataFile(
            name="categories",
            row="One category of the coding, also if it was merged, split or retired.",
            columns=category_columns(),
            rows=said.categories,
        ),
        DataFile(
            name="codes",
            row="One coder's word on one suggestion, from when until when it stood.",
            columns=code_columns(),
            rows=said.codes,
        ),
    )


def _about_people(data: StudyData, *, with_text: bool) -> tuple[DataFile[Any], ...]:
    design = data.design
    return (
        DataFile(
            name="statements",
            row="One answer to a question of the screener, the comprehension check or the demographics.",
            columns=statement_columns(design, with_text=with_text),
            rows=data.stated,
        ),
        DataFile(
            name="participants",
            row="One participant in one wave, whoever pressed Start.",
            columns=participant_columns(design),
            rows=data.people,
        ),
        DataFile(
            name="events",
            row="Something that happened, to a participant or to the study as a whole.",
            columns=event_columns(),
            rows=data.happened,
        ),
    )
