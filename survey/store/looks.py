"""Looks at a running study's estimate. Each is an event: who sees results may decide by them when to stop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from survey.store.events import log_event
from survey.tables import EventRow, StudyRow

LOOKED = "estimate looked at"
"""Name of the event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Somebody saw the estimate from people's answers."""

    at: datetime
    actor: str
    answers: int
    """Main answers that it was made of."""
    respondents: int
    model: str
    arm: str
    """Empty: all arms together."""
    wave: int | None
    """None: all waves together."""


def note_look(
    session: Session,
    study: StudyRow,
    *,
    now: datetime,
    actor: str,
    answers: int,
    respondents: int,
    model: str,
    arm: str | None,
    wave: int | None,
    simulated: bool,
) -> None:
    """Note that somebody looks, and at what."""
    only = {name: value for name, value in (("arm", arm), ("wave", wave)) if value}
    log_event(
        session,
        study,
        None,
        LOOKED,
        now=now,
        actor=actor,
        answers=answers,
        respondents=respondents,
        model=model,
        simulated=simulated,
        **only,
    )


def looks_at_people(session: Session, study: StudyRow, *, latest: int = 20) -> tuple[int, Sequence[Look]]:
    """Return how often somebody looked at the estimate from people's answers, and the latest looks, newest first.

    Looks at simulated participants, and at a study without answers, tell nothing and are left out.
    """
    of_people = (
        EventRow.study_id == study.id,
        EventRow.what == LOOKED,
        EventRow.detail["simulated"].as_boolean().is_(False),
        EventRow.detail["answers"].as_integer() > 0,
    )
    total = session.scalars(select(func.count()).select_from(EventRow).where(*of_people)).one()
    rows = session.scalars(
        select(EventRow).where(*of_people).order_by(EventRow.id.desc()).limit(latest)
    ).all()
    return total, [
        Look(
            at=row.at,
            actor=row.actor,
            answers=row.detail["answers"],
            respondents=row.detail["respondents"],
            model=row.detail["model"],
            arm=row.detail.get("arm", ""),
            wave=row.detail.get("wave"),
        )
        for row in rows
    ]
