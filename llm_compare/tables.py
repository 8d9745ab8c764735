"""The table of models' replies: paid for, hence kept; what they mean is computed on reading."""

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
    settings: Mapped[Any] = mapped_column(JSON)
    """Parameters as sent."""
    template: Mapped[str] = mapped_column(String(50))
    design_hash: Mapped[str] = mapped_column(String(64), index=True)
    """Of the design that first led to this call; another design may ask the very same."""
    arm: Mapped[str] = mapped_column(String(100))
    left_values: Mapped[dict[str, Any]]
    right_values: Mapped[dict[str, Any]]
    side_order: Mapped[str] = mapped_column(String(16))
    attribute_order: Mapped[list[str]]
    indecision_offered: Mapped[bool]
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
