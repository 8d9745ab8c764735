"""The tables of models that took a study. No table of people refers to them, and no count of people reads them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from survey.db import Base


class ModelParticipantRow(Base):
    """A model respondent of one version of a study. Never changed."""

    __tablename__ = "model_participant"
    __table_args__ = (
        UniqueConstraint("study_id", "respondent"),
        UniqueConstraint("study_id", "group_key", "number"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("study.id"))
    """The version of the study that was open."""
    design_hash: Mapped[str] = mapped_column(String(64))
    respondent: Mapped[str] = mapped_column(String(300))
    """Id in answers, e.g. ``model-gpt-4o-3``."""
    model: Mapped[str] = mapped_column(Text)
    label: Mapped[str] = mapped_column(String(200))
    api_base: Mapped[str | None] = mapped_column(Text)
    settings: Mapped[Any] = mapped_column(JSON)
    variant: Mapped[Any] = mapped_column(JSON)
    arm: Mapped[str] = mapped_column(String(100))
    """Arm of the design whose words and answers were offered."""
    group_key: Mapped[str] = mapped_column(String(64))
    """SHA-256 of what the respondents that are asked alike have in common."""
    seed: Mapped[int] = mapped_column(BigInteger)
    number: Mapped[int]
    """From 1 within the group; with the seed and the study's it reproduces the draws."""
    created_at: Mapped[datetime]


class ModelPresentationRow(Base):
    """A comparison as drawn for a model respondent, in the words that are sent. Its reply is the ``model_reply`` of
    the same key and repeat; until there is one, the call is still to be made. Never changed."""

    __tablename__ = "model_presentation"
    __table_args__ = (
        UniqueConstraint("model_participant_id", "position"),
        UniqueConstraint("request_key", "repeat"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    model_participant_id: Mapped[int] = mapped_column(ForeignKey("model_participant.id"))
    position: Mapped[int]
    """From 1, as people's; the practice is left out."""
    left_values: Mapped[dict[str, Any]]
    right_values: Mapped[dict[str, Any]]
    attribute_order: Mapped[list[str]]
    indecision_offered: Mapped[bool]
    role: Mapped[str] = mapped_column(String(16))
    draw_rule: Mapped[str] = mapped_column(String(500))
    draw_probability: Mapped[float | None]
    expected: Mapped[str | None] = mapped_column(String(16))
    repeat_of: Mapped[int | None]
    note: Mapped[str] = mapped_column(String(500))
    highlighted: Mapped[bool]
    messages: Mapped[Any] = mapped_column(JSON)
    """Exactly as sent."""
    labels: Mapped[Any] = mapped_column(JSON)
    """The offered answers, in their order."""
    template: Mapped[str] = mapped_column(String(50))
    language: Mapped[str] = mapped_column(String(35))
    request_key: Mapped[str] = mapped_column(String(64))
    repeat: Mapped[int]
