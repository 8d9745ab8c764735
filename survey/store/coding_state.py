"""Whether anything about a study's coding has changed: a word that is another one after every change."""

from __future__ import annotations

import hashlib
import json

from sqlalchemy import String, cast, func, select
from sqlalchemy.orm import Session

from survey.tables import (
    AttributePageAnswerRow,
    AttributePageRow,
    CategoryRow,
    CodeRow,
    ImportedRespondentRow,
    ParticipantRow,
    StatementRow,
    StudyRow,
    SuggestionRow,
)


def coding_state(session: Session, study: StudyRow) -> str:
    """Return a word for the suggestions, codes, categories, ratings and respondents as they are now.

    Two words are equal only if none of them was added, ended, taken back, erased or reworded in between: such rows
    are never changed otherwise, so that it is enough to count them and to note the newest. When it was made tells
    it from one that had its id before: SQLite gives ids of what was deleted again. Codes of other studies count,
    too, which at worst gives another word for nothing.
    """
    of_study = ParticipantRow.study_id == study.id
    queries = [
        select(
            func.count(SuggestionRow.id), func.max(SuggestionRow.at), func.count(SuggestionRow.removed_at)
        ).where(SuggestionRow.study_id == study.id),
        select(func.count(CodeRow.id), func.max(CodeRow.added_at), func.count(CodeRow.removed_at)),
        # A later import may add the answers to the other question, or what somebody states, and no row.
        select(
            func.count(ImportedRespondentRow.id),
            func.max(ImportedRespondentRow.at),
            func.sum(func.length(cast(ImportedRespondentRow.stances, String))),
            func.sum(func.length(cast(ImportedRespondentRow.stated, String))),
        ).where(ImportedRespondentRow.study_id == study.id),
        # Going on from a page, and changing what was sent with it, adds an answer.
        select(func.count(AttributePageAnswerRow.id), func.max(AttributePageAnswerRow.answered_at))
        .join(AttributePageRow, AttributePageAnswerRow.attribute_page_id == AttributePageRow.id)
        .join(ParticipantRow, AttributePageRow.participant_id == ParticipantRow.id)
        .where(of_study),
        select(func.count(StatementRow.id), func.max(StatementRow.at))
        .join(ParticipantRow, StatementRow.participant_id == ParticipantRow.id)
        .where(of_study),
        # Who has left is asked whatever was answered, and who is erased is gone.
        select(ParticipantRow.state, func.count())
        .where(of_study)
        .group_by(ParticipantRow.state)
        .order_by(ParticipantRow.state),
        select(
            CategoryRow.id,
            CategoryRow.label,
            CategoryRow.definition,
            CategoryRow.merged_into_id,
            CategoryRow.retired_at,
        )
        .where(CategoryRow.study_id == study.id)
        .order_by(CategoryRow.id),
    ]
    found = [[[str(value) for value in row] for row in session.execute(query)] for query in queries]
    return hashlib.sha256(json.dumps(found).encode()).hexdigest()
