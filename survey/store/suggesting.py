"""Entries to the open questions: stored as soon as they are sent, each once, and taken back on request.

An entry is known by the form that it was sent with and by its words. The same form sent twice makes one entry; sent
with other words, because somebody went back and edited, it makes another, so that nothing is lost.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from survey.answers import RespondentKind
from survey.store.answering import NoSuchPresentation
from survey.store.attribute_answers import SentPage, find_page, finish, waits
from survey.store.events import log_event
from survey.store.participants import step_of
from survey.suggestions import MOST_PER_QUESTION, Entry, Stance
from survey.tables import AttributePageRow, AttributeTask, ParticipantRow, StudyRow, SuggestionRow

_STANCES = {AttributeTask.SHOULD: Stance.SHOULD, AttributeTask.SHOULD_NOT: Stance.SHOULD_NOT}


class Kept(StrEnum):
    """What became of what was sent."""

    STORED = "stored"
    REPLAYED = "replayed"
    """It had been stored before."""
    FULL = "full"
    """Nothing is stored: the question has as many entries as it takes."""
    CLOSED = "closed"
    """Nothing is stored: the participant had gone on from the question."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SentEntry:
    """An entry as it arrived."""

    page: str
    """The page's token."""
    key: str
    """Made with the form."""
    entry: Entry


def add_entry(session: Session, participant: ParticipantRow, sent: SentEntry, *, now: datetime) -> Kept:
    """Store an entry unless it is there already.

    Raises
    ------
    NoSuchPresentation
        The token names no open question of this participant.
    """
    study = step_of(session, participant, now=now)
    page = _question(session, participant, sent.page)
    return _keep(session, study, participant, page, sent, now=now)


def finish_page(
    session: Session,
    participant: ParticipantRow,
    sent: SentPage,
    last: SentEntry | None = None,
    *,
    now: datetime,
) -> Kept:
    """Store what stood in the fields (``last``), then go on from the page, once.

    Returns
    -------
    Kept
        ``STORED``: the page is finished. ``FULL``: it is not, because ``last`` could not be stored. ``CLOSED``: it
        had been finished before, and ``last`` is not stored. ``REPLAYED``: it had been, and nothing is lost.

    Raises
    ------
    NoSuchPresentation
        The token names no open question of this participant.
    NotTakingPart
        The page does not wait for this, or the participant is at another step.
    """
    study = step_of(session, participant, now=now)
    page = _question(session, participant, sent.page)
    kept = _keep(session, study, participant, page, last, now=now) if last else Kept.REPLAYED
    if kept is Kept.FULL:
        return kept
    named = len(entries_on(session, page))
    if finish(session, study, participant, page, sent, now=now, entries=named):
        return Kept.STORED
    _log(session, study, participant, page, "page replayed", now=now)
    # Where the page had been opened anew, the entry is stored there and the participant stays on it.
    return Kept.REPLAYED if kept is Kept.STORED else kept


def remove_entry(
    session: Session, participant: ParticipantRow, page_token: str, key: str, *, now: datetime
) -> Kept:
    """Take an entry back: its words stay stored and count nowhere. Twice is no error.

    Raises
    ------
    NoSuchPresentation
        The token names no open question of this participant, or the key none of its entries.
    """
    study = step_of(session, participant, now=now)
    page = _question(session, participant, page_token)
    row = session.scalars(
        select(SuggestionRow).where(SuggestionRow.page_id == page.id, SuggestionRow.key == key)
    ).first()
    if row is None:
        raise NoSuchPresentation("this entry is none of yours")
    if row.removed_at is not None:
        return Kept.REPLAYED
    if not waits(page, participant):
        return Kept.CLOSED
    row.removed_at = now
    session.flush()
    _log(session, study, participant, page, "entry removed", now=now)
    return Kept.STORED


def entries_on(session: Session, page: AttributePageRow) -> Sequence[SuggestionRow]:
    """Return what the participant has named on the page and not taken back, in order."""
    return session.scalars(
        select(SuggestionRow)
        .where(SuggestionRow.page_id == page.id, SuggestionRow.removed_at.is_(None))
        .order_by(SuggestionRow.id)
    ).all()


def _question(session: Session, participant: ParticipantRow, token: str) -> AttributePageRow:
    page = find_page(session, participant, token)
    if page.task not in _STANCES:
        raise NoSuchPresentation("this page takes no entries")
    return page


def _keep(
    session: Session,
    study: StudyRow,
    participant: ParticipantRow,
    page: AttributePageRow,
    sent: SentEntry,
    *,
    now: datetime,
) -> Kept:
    key = _key(page, sent)
    if session.scalar(select(SuggestionRow.id).where(SuggestionRow.key == key)) is not None:
        _log(session, study, participant, page, "entry replayed", now=now)
        return Kept.REPLAYED
    if not waits(page, participant):
        _log(session, study, participant, page, "entry too late", now=now)
        return Kept.CLOSED
    standing = select(func.count()).where(
        SuggestionRow.page_id == page.id, SuggestionRow.removed_at.is_(None)
    )
    if (session.scalar(standing) or 0) >= MOST_PER_QUESTION:
        return Kept.FULL
    session.add(
        SuggestionRow(
            study_id=study.id,
            page_id=page.id,
            key=key,
            respondent="",
            kind=RespondentKind.HUMAN,
            simulated=participant.simulated,
            stance=_STANCES[page.task],
            text=sent.entry.text,
            why=sent.entry.why,
            direction=sent.entry.direction,
            language=page.language,
            source="",
            alike=None,
            at=now,
            removed_at=None,
        )
    )
    session.flush()
    _log(session, study, participant, page, "entry added", now=now)
    return Kept.STORED


def _key(page: AttributePageRow, sent: SentEntry) -> str:
    """Return the entry's key: of its page, its form and its words, and telling nothing of them."""
    words = [page.token, sent.key, sent.entry.text, sent.entry.why, sent.entry.direction]
    return hashlib.sha256(json.dumps(words).encode()).hexdigest()


def _log(
    session: Session,
    study: StudyRow,
    participant: ParticipantRow,
    page: AttributePageRow,
    what: str,
    *,
    now: datetime,
) -> None:
    """Note what happened and where; never what somebody wrote."""
    log_event(session, study, participant, what, now=now, position=page.position, task=page.task.value)
