"""What every view needs: the settings, the secrets, the database, the time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from flask import Flask, current_app
from sqlalchemy import Engine

from survey.config import Secrets, Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Handed to the application once, read by its views."""

    settings: Settings
    secrets: Secrets
    engine: Engine


def keep_context(app: Flask, context: Context) -> None:
    """Keep ``context`` where :func:`the_context` finds it."""
    app.extensions["equipoise"] = context


def the_context() -> Context:
    """Return the running application's context."""
    context = current_app.extensions["equipoise"]
    assert isinstance(context, Context)  # noqa: S101 - narrows the type; keep_context is the only writer
    return context


def the_engine() -> Engine:
    """Return the running application's database."""
    return the_context().engine


def now() -> datetime:
    """Return the time of this request's change, aware UTC."""
    return datetime.now(UTC)
