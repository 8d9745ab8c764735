"""What every view needs: the settings, the secrets, the database, the time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from flask import Flask, current_app, request
from sqlalchemy import Engine

from survey.config import Secrets, Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Handed to the application once, read by its views."""

    settings: Settings
    secrets: Secrets
    engine: Engine
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)


def keep_context(app: Flask, context: Context) -> None:
    """Keep ``context`` where :func:`the_context` finds it."""
    app.extensions["equipoise"] = context


def use_clock(app: Flask, clock: Callable[[], datetime]) -> None:
    """Let the application take the time from ``clock``: simulated data whose times do not depend on the machine."""
    keep_context(app, replace(_context_of(app), clock=clock))


def the_context() -> Context:
    """Return the running application's context."""
    return _context_of(current_app)


def _context_of(app: Flask) -> Context:
    context = app.extensions["equipoise"]
    assert isinstance(context, Context)  # noqa: S101 - narrows the type; keep_context is the only writer
    return context


def the_engine() -> Engine:
    """Return the running application's database."""
    return the_context().engine


def now() -> datetime:
    """Return the time of this request's change, aware UTC."""
    return the_context().clock()


def public_address() -> str:
    """Return the address at which people reach this service, without a slash at the end.

    As its operator says (``EQUIPOISE_PUBLIC_URL``), if at all: what a request says can be made up.
    """
    return (the_context().settings.public_url or request.host_url).rstrip("/")
