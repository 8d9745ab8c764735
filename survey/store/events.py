"""The append-only record of what happened, to participants and by researchers."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from survey.tables import EventRow, ParticipantRow, StudyRow


def log_event(
    session: Session,
    study: StudyRow | None,
    participant: ParticipantRow | None,
    what: str,
    *,
    now: datetime,
    actor: str = "",
    **detail: Any,
) -> None:
    """Add a line to the record. ``actor`` is who did it, for what researchers do (the audit log)."""
    session.add(
        EventRow(
            study_id=study.id if study else None,
            participant_id=participant.id if participant else None,
            actor=actor,
            what=what,
            at=now,
            detail=detail,
        )
    )
