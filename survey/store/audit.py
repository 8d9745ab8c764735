"""The audit log: the events that researchers, programs and operators caused, read page by page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from survey.tables import EventRow, StudyRow


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditPage:
    """Some events, newest first, each with the study it concerns, if any."""

    events: Sequence[tuple[EventRow, StudyRow | None]]
    older: int | None
    """Pass it as ``before`` for the page of older events; None if there are none."""


def audit_page(
    session: Session,
    *,
    study_id: int | None = None,
    before: int | None = None,
    count: int = 50,
    only_codes_of: str | None = None,
) -> AuditPage:
    """Return up to ``count`` events that somebody caused, of one study if named, older than ``before``.

    With ``only_codes_of`` events that tell what anybody but this actor coded are left out: coders work apart. Those
    about categories, which all coders share, stay.
    """
    query = (
        select(EventRow, StudyRow)
        .outerjoin(StudyRow, EventRow.study_id == StudyRow.id)
        .where(EventRow.actor != "")
        .order_by(EventRow.id.desc())
        .limit(count + 1)
    )
    if study_id is not None:
        query = query.where(EventRow.study_id == study_id)
    if only_codes_of is not None:
        query = query.where(
            or_(
                EventRow.actor == only_codes_of,
                EventRow.what.not_like("coding: %"),
                EventRow.what.like("coding: categor%"),
            )
        )
    if before is not None:
        query = query.where(EventRow.id < before)
    rows = [(event, study) for event, study in session.execute(query)]
    older = rows[count - 1][0].id if len(rows) > count else None
    return AuditPage(events=rows[:count], older=older)
