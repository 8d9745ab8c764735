"""Suggestions that were imported, deleted again with who was asked there and the codes they were given."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from survey.db import leave_no_trace
from survey.errors import SurveyError
from survey.store.erasure import ImportedDeleted, delete_imported
from survey.store.events import log_event
from survey.store.studies import lock_study
from survey.tables import CodeRow, ImportedRespondentRow, StudyRow, SuggestionRow


class NoSuchImport(SurveyError):
    """The study has no suggestions from this source."""


class ImportIsCoded(SurveyError):
    """Codes would be deleted with the import, and nobody said that they may be."""


def remove_import(
    session: Session, study: StudyRow, source: str, *, with_codes: bool, now: datetime, actor: str
) -> ImportedDeleted:
    """Delete everything that was imported from a source, e.g. to import the corrected file.

    Who took part in the study itself is never touched; categories stay.

    Raises
    ------
    NoSuchImport
        Nothing was imported from there; names the sources that there are.
    ImportIsCoded
        Suggestions of it were coded, and ``with_codes`` does not say that their codes may go.
    """
    lock_study(session, study)
    sources = session.scalars(
        select(ImportedRespondentRow.source)
        .where(ImportedRespondentRow.study_id == study.id)
        .distinct()
        .order_by(ImportedRespondentRow.source)
    ).all()
    if source not in sources:
        there = ", ".join(f"'{name}'" for name in sources)
        raise NoSuchImport(
            f"study '{study.slug}' version {study.version} has no import from '{source}'; "
            + (f"there are {there}" if there else "nothing was imported into it")
        )
    theirs = select(SuggestionRow.id).where(
        SuggestionRow.study_id == study.id, SuggestionRow.source == source
    )
    coded = session.scalars(
        select(func.count(CodeRow.suggestion_id.distinct())).where(CodeRow.suggestion_id.in_(theirs))
    ).one()
    if coded and not with_codes:
        are = "1 suggestion from it has codes" if coded == 1 else f"{coded} suggestions from it have codes"
        raise ImportIsCoded(f"'{source}' in study '{study.slug}': {are}, which would be deleted with it")
    removed = delete_imported(session, study, source)
    leave_no_trace(session)
    log_event(
        session,
        study,
        None,
        "coding: import removed",
        now=now,
        actor=actor,
        source=source,
        respondents=removed.respondents,
        suggestions=removed.suggestions,
        codes=removed.codes,
    )
    return removed
