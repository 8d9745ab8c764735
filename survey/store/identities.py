"""Recruitment ids that a design keeps for payment: read with how taking part ended, and deleted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import CursorResult, func, select, update
from sqlalchemy.orm import Session

from survey.db import leave_no_trace
from survey.participation import Ending
from survey.recruitment import IdKeeper, Recruited
from survey.steps import ENDINGS
from survey.store.events import log_event
from survey.store.studies import design_of
from survey.tables import IdentityRow, ParticipantRow, StudyRow


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptId:
    """Somebody's recruitment id with what there is to pay for. Never stored or shown beside answers."""

    recruited: Recruited
    wave: int
    ending: Ending | None
    """None: has not ended yet."""
    code: str
    """Completion code; empty where taking part has not ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptIdCount:
    """How many recruitment ids are kept, and until when they should be."""

    people: int
    """People whose id is known, if only as a keyed hash."""
    kept: int
    """Of these, those whose id can still be read."""
    oldest: datetime | None
    """When the oldest id that can be read arrived."""
    delete_by: datetime | None
    """``recruitment.keep_days`` after that."""


def count_kept_ids(session: Session, study: StudyRow) -> KeptIdCount:
    """Count the study's recruitment ids."""
    people, kept = session.execute(
        select(func.count(), func.count(IdentityRow.sealed)).where(IdentityRow.study_id == study.id)
    ).one()
    oldest = session.scalar(
        select(func.min(IdentityRow.kept_at)).where(
            IdentityRow.study_id == study.id, IdentityRow.sealed.is_not(None)
        )
    )
    days = timedelta(days=design_of(study).recruitment.keep_days)
    return KeptIdCount(
        people=people, kept=kept, oldest=oldest, delete_by=None if oldest is None else oldest + days
    )


def kept_ids(session: Session, study: StudyRow, ids: IdKeeper) -> Sequence[KeptId]:
    """Return every id that is kept, with the ending and code of each wave that its person began, sorted by id.

    Raises
    ------
    BadRecruitmentId
        Ids were sealed with another secret key.
    """
    first = select(ParticipantRow.id, ParticipantRow.code).subquery()
    rows = session.execute(
        select(IdentityRow.sealed, ParticipantRow.wave, ParticipantRow.state, ParticipantRow.completion_code)
        .join(first, first.c.id == IdentityRow.participant_id)
        # The waves of one person share the code.
        .join(
            ParticipantRow,
            (ParticipantRow.study_id == IdentityRow.study_id) & (ParticipantRow.code == first.c.code),
        )
        .where(
            IdentityRow.study_id == study.id,
            IdentityRow.sealed.is_not(None),
            ParticipantRow.simulated.is_(False),
        )
    )
    found = [
        KeptId(recruited=ids.opened(sealed), wave=wave, ending=ENDINGS.get(state), code=code or "")
        for sealed, wave, state, code in rows
        if sealed is not None
    ]
    return sorted(found, key=lambda kept: (kept.recruited.source, kept.recruited.id, kept.wave))


def forget_ids(session: Session, study: StudyRow, *, now: datetime, actor: str = "") -> int:
    """Delete every id that is kept; the keyed hashes, which recognize a returning person, stay. Return how many."""
    done = session.execute(
        update(IdentityRow)
        .where(IdentityRow.study_id == study.id, IdentityRow.sealed.is_not(None))
        .values(sealed=None)
        .execution_options(synchronize_session="fetch")
    )
    count = done.rowcount if isinstance(done, CursorResult) else 0
    if count:
        leave_no_trace(session)
        log_event(session, study, None, "kept ids deleted", now=now, actor=actor, ids=count)
    return count
