"""The tables of models' replies and of failed attempts: what was paid for is kept, what failed is accounted for.

What replies mean is computed on reading.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from survey.db import Base


class ModelReplyRow(Base):
    """One reply to one call, verbatim, with what was sent. Never changed. Failed calls are not here."""

    __tablename__ = "model_reply"
    __table_args__ = (UniqueConstraint("request_key", "repeat"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    request_key: Mapped[str] = mapped_column(String(64))
    """SHA-256 of exactly what was sent."""
    repeat: Mapped[int]
    model: Mapped[str] = mapped_column(Text)
    scripted: Mapped[bool]
    api_base: Mapped[str | None] = mapped_column(Text)
    messages: Mapped[Any] = mapped_column(JSON)
    """As sent; of proposals without what people wrote: whoever is erased from a survey must not be found here."""
    settings: Mapped[Any] = mapped_column(JSON)
    """Parameters as sent."""
    task: Mapped[str] = mapped_column(String(20), server_default="comparison")
    """``comparison`` of two patients, a task of allocation, ``suggestions`` or ``proposals``; see ``about``."""
    about: Mapped[Any] = mapped_column(JSON(none_as_null=True), nullable=True)
    """What a call of another task stands for. The columns from here to the content are those of comparisons."""
    template: Mapped[str | None] = mapped_column(String(50))
    design_hash: Mapped[str | None] = mapped_column(String(64), index=True)
    """Of the design that first led to this call; another design may ask the very same."""
    arm: Mapped[str | None] = mapped_column(String(100))
    left_values: Mapped[Any] = mapped_column(JSON(none_as_null=True), nullable=True)
    right_values: Mapped[Any] = mapped_column(JSON(none_as_null=True), nullable=True)
    side_order: Mapped[str | None] = mapped_column(String(16))
    attribute_order: Mapped[Any] = mapped_column(JSON(none_as_null=True), nullable=True)
    indecision_offered: Mapped[bool | None]
    # As JSON because that keeps any text verbatim; a text column may not hold NUL or half a surrogate pair.
    content: Mapped[Any] = mapped_column(JSON(none_as_null=True), nullable=True)
    refusal: Mapped[Any] = mapped_column(JSON(none_as_null=True), nullable=True)
    finish_reason: Mapped[str | None] = mapped_column(Text)
    returned_model: Mapped[str | None] = mapped_column(Text)
    system_fingerprint: Mapped[str | None] = mapped_column(Text)
    tokens_in: Mapped[int | None]
    tokens_out: Mapped[int | None]
    cost_usd: Mapped[float | None]
    seconds: Mapped[float | None]
    attempts: Mapped[int]
    asked_at: Mapped[datetime | None]
    # What follows was not recorded before revision 0004; None in older rows.
    variant: Mapped[Any] = mapped_column(JSON(none_as_null=True), nullable=True)
    """The way of asking, by the names of ``Variant``'s fields."""
    language: Mapped[str | None] = mapped_column(String(35))
    labels: Mapped[Any] = mapped_column(JSON(none_as_null=True), nullable=True)
    """The offered answers in their order: mark, name, choice."""
    sends_schema: Mapped[bool | None]
    tokens_reasoning: Mapped[int | None]
    reasoning: Mapped[Any] = mapped_column(JSON(none_as_null=True), nullable=True)
    first_token: Mapped[Any] = mapped_column(JSON(none_as_null=True), nullable=True)
    """Log-probability by token."""
    response: Mapped[str | None] = mapped_column(Text)
    """The whole response as JSON; it escapes what a text column may not hold."""
    client: Mapped[str | None] = mapped_column(String(100))
    """What made the call, e.g. ``litellm 1.106.2``, ``scripted``, ``import``."""
    source: Mapped[str | None] = mapped_column(Text)
    """The file that an imported reply was read from."""


class ModelFailureRow(Base):
    """One attempt at a call that brought no reply. The same call may have a reply from a later attempt."""

    __tablename__ = "model_failure"

    id: Mapped[int] = mapped_column(primary_key=True)
    request_key: Mapped[str] = mapped_column(String(64), index=True)
    repeat: Mapped[int]
    attempt: Mapped[int]
    """From 1 in each run."""
    kind: Mapped[str] = mapped_column(String(100))
    status: Mapped[int | None]
    # As JSON for the same reason as a reply's content.
    message: Mapped[Any] = mapped_column(JSON)
    at: Mapped[datetime | None]
