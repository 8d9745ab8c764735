"""Programs' keys to the JSON API. The key is shown once, when it is made; only its hash is kept."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from survey.errors import SurveyError
from survey.store.events import log_event
from survey.tables import ApiTokenRow, TokenScope

LONGEST_LABEL = 60
MOST_DAYS = 730
_PREFIX = "equipoise_"
"""Tells people and secret scanners what such a string is."""


class NoSuchToken(SurveyError):
    """No API token that still works has this label."""


class BadToken(SurveyError):
    """A token's label or lifetime that cannot be used."""


def make_token(
    session: Session, label: str, scope: TokenScope, *, days: int, now: datetime, actor: str
) -> tuple[ApiTokenRow, str]:
    """Make a token that works for ``days``; return its row and the secret, which is stored nowhere.

    Raises
    ------
    BadToken
        The label is empty, too long or in use, or the lifetime is not between 1 day and two years.
    """
    label = " ".join(label.split())
    if not label or len(label) > LONGEST_LABEL or not label.isprintable():
        raise BadToken(f"a token needs a label of 1 to {LONGEST_LABEL} characters that says what uses it")
    if not 1 <= days <= MOST_DAYS:
        raise BadToken(f"a token works for 1 to {MOST_DAYS} days, not {days}")
    if any(_works(row, now) for row in _labelled(session, label)):
        raise BadToken(f"a token labelled '{label}' works already; revoke it or choose another label")
    secret = _PREFIX + secrets.token_urlsafe(32)
    row = ApiTokenRow(
        label=label,
        scope=scope,
        token_hash=_hash(secret),
        made_by=actor,
        created_at=now,
        expires_at=now + timedelta(days=days),
    )
    session.add(row)
    session.flush()
    log_event(
        session,
        None,
        None,
        "API token made",
        now=now,
        actor=actor,
        label=label,
        scope=scope.value,
        until=row.expires_at.date().isoformat(),
    )
    return row, secret


def list_tokens(session: Session) -> Sequence[ApiTokenRow]:
    """Return every token ever made, newest first."""
    return session.scalars(select(ApiTokenRow).order_by(ApiTokenRow.id.desc())).all()


def find_token(session: Session, secret: str, *, now: datetime) -> ApiTokenRow | None:
    """Return the token with this secret if it works now; None if it is unknown, revoked or expired.

    Looked up by its hash, which tells nothing about how much of a guess was right, and compared in constant time.
    """
    if not secret.startswith(_PREFIX) or not secret.isascii():
        return None
    digest = _hash(secret)
    row = session.scalar(select(ApiTokenRow).where(ApiTokenRow.token_hash == digest))
    if row is None or not hmac.compare_digest(row.token_hash, digest) or not _works(row, now):
        return None
    return row


def note_use(session: Session, token_id: int, *, now: datetime) -> None:
    """Note the day on which the token was used last."""
    row = session.get_one(ApiTokenRow, token_id)
    row.last_used_at = now.replace(hour=0, minute=0, second=0, microsecond=0)


def used_today(token: ApiTokenRow, now: datetime) -> bool:
    """Tell whether today's use is noted already, so that nothing need be written."""
    return token.last_used_at is not None and token.last_used_at.date() == now.date()


def revoke_token(session: Session, label: str, *, now: datetime, actor: str) -> None:
    """End the token of this label.

    Raises
    ------
    NoSuchToken
        None that still works has it.
    """
    live = [row for row in _labelled(session, " ".join(label.split())) if _works(row, now)]
    if not live:
        there = ", ".join(f"'{r.label}'" for r in list_tokens(session) if _works(r, now)) or "none"
        raise NoSuchToken(f"no working API token is labelled '{label}'; there are: {there}")
    for row in live:
        _revoke(session, row, now=now, actor=actor)


def revoke_tokens_of(session: Session, maker: str, *, now: datetime, actor: str) -> None:
    """End every token that ``maker`` (an actor of the audit log) made."""
    query = select(ApiTokenRow).where(ApiTokenRow.made_by == maker, ApiTokenRow.revoked_at.is_(None))
    for row in session.scalars(query).all():
        _revoke(session, row, now=now, actor=actor)


def state_of(token: ApiTokenRow, now: datetime) -> str:
    """Return ``works``, ``revoked`` or ``expired``."""
    if token.revoked_at is not None:
        return "revoked"
    return "works" if now < token.expires_at else "expired"


def _works(row: ApiTokenRow, now: datetime) -> bool:
    return state_of(row, now) == "works"


def _labelled(session: Session, label: str) -> Sequence[ApiTokenRow]:
    return session.scalars(select(ApiTokenRow).where(ApiTokenRow.label == label)).all()


def _revoke(session: Session, row: ApiTokenRow, *, now: datetime, actor: str) -> None:
    row.revoked_at = now
    log_event(session, None, None, "API token revoked", now=now, actor=actor, label=row.label)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
