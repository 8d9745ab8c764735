"""The survey's tables. What cannot be recomputed is stored: designs, participants, presentations, answers, events.

Nothing here cascades: deleting a row that others refer to is an error, never a silent loss. No address of a visitor
is stored.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Enum,
    ForeignKey,
    Index,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from survey.answers import Choice, Role
from survey.db import Base


class StudyState(StrEnum):
    """Whether a study takes participants."""

    DRAFT = "draft"
    """Not yet: only rehearsals may take it."""
    OPEN = "open"
    CLOSED = "closed"
    """No longer: those who have started may finish."""


class ParticipantState(StrEnum):
    """Where a participant stands."""

    CONSENTING = "consenting"
    INSTRUCTED = "instructed"
    """Has consented and is reading the instructions."""
    ANSWERING = "answering"
    FINISHED = "finished"
    DECLINED = "declined"


def _words(kind: type[StrEnum], name: str) -> Enum:
    return Enum(
        kind,
        name=name,
        native_enum=False,
        create_constraint=True,
        length=16,
        values_callable=lambda members: [member.value for member in members],
        validate_strings=True,
    )


class StudyRow(Base):
    """A study design that can be asked. The design never changes; a change is a new version, another row."""

    __tablename__ = "study"
    __table_args__ = (
        UniqueConstraint("slug", "version"),
        # Participants reach a study by its slug alone, so one version at most can be open.
        Index(
            "uq_study_open_slug",
            "slug",
            unique=True,
            sqlite_where=text("state = 'open'"),
            postgresql_where=text("state = 'open'"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(String(100))
    version: Mapped[str] = mapped_column(String(100))
    design_toml: Mapped[str] = mapped_column(Text)
    """The design file, verbatim."""
    design_hash: Mapped[str] = mapped_column(String(64), unique=True)
    draw_seed: Mapped[int] = mapped_column(BigInteger)
    """With the participant's number this reproduces every draw of the study."""
    state: Mapped[StudyState] = mapped_column(_words(StudyState, "state"))
    created_at: Mapped[datetime]


class ParticipantRow(Base):
    """A person (or a simulated one) who pressed Start."""

    __tablename__ = "participant"
    __table_args__ = (UniqueConstraint("study_id", "number"), UniqueConstraint("study_id", "code"))

    id: Mapped[int] = mapped_column(primary_key=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("study.id"), index=True)
    number: Mapped[int]
    """1 for the study's first participant; seeds the draws, never exported."""
    token: Mapped[str] = mapped_column(String(64), unique=True)
    """Secret part of the participant's own address."""
    code: Mapped[str] = mapped_column(String(32))
    """Pseudonym in exports."""
    arm: Mapped[str | None] = mapped_column(String(100))
    """Assigned at consent."""
    state: Mapped[ParticipantState] = mapped_column(_words(ParticipantState, "state"))
    simulated: Mapped[bool]
    completion_code: Mapped[str | None] = mapped_column(String(32))
    started_at: Mapped[datetime]
    consented_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    """When the participant finished or declined."""


class PresentationRow(Base):
    """A comparison as drawn for one participant: all are drawn at consent, before the first is shown."""

    __tablename__ = "presentation"
    __table_args__ = (UniqueConstraint("participant_id", "position"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    participant_id: Mapped[int] = mapped_column(ForeignKey("participant.id"))
    position: Mapped[int]
    """1 for the first that the participant sees."""
    token: Mapped[str] = mapped_column(String(64), unique=True)
    left_profile: Mapped[str] = mapped_column(String(500))
    """Profile id."""
    right_profile: Mapped[str] = mapped_column(String(500))
    left_values: Mapped[dict[str, Any]]
    """Attribute name -> value."""
    right_values: Mapped[dict[str, Any]]
    attribute_order: Mapped[list[str]]
    indecision_offered: Mapped[bool]
    role: Mapped[Role] = mapped_column(_words(Role, "role"))
    draw_rule: Mapped[str] = mapped_column(String(500))
    served_at: Mapped[datetime | None]
    """When the participant was first sent to it."""
    answered_at: Mapped[datetime | None]
    """Set once, by the one request that may store the answer."""


class AnswerRow(Base):
    """The answer to a presentation. At most one, never changed."""

    __tablename__ = "answer"
    __table_args__ = (
        CheckConstraint(
            "client_seconds IS NOT NULL OR client_seconds_problem <> ''", name="missing_time_is_explained"
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    presentation_id: Mapped[int] = mapped_column(ForeignKey("presentation.id"), unique=True)
    choice: Mapped[Choice] = mapped_column(_words(Choice, "choice"))
    client_seconds: Mapped[float | None]
    """From first paint to choosing, by the browser's monotonic clock, as received."""
    client_seconds_problem: Mapped[str] = mapped_column(String(100))
    """Why ``client_seconds`` is missing or not to be believed; empty where it is sound."""
    server_seconds: Mapped[float]
    """From ``served_at`` to the arrival of the answer: includes the network and any pause."""
    answered_at: Mapped[datetime]


class EventRow(Base):
    """What happened, in order. Rows are added, never changed."""

    __tablename__ = "event"

    id: Mapped[int] = mapped_column(primary_key=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("study.id"), index=True)
    participant_id: Mapped[int | None] = mapped_column(ForeignKey("participant.id"), index=True)
    what: Mapped[str] = mapped_column(String(50))
    at: Mapped[datetime]
    detail: Mapped[dict[str, Any]]
