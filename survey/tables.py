"""The survey's tables. What cannot be recomputed is stored: designs, participants, presentations, answers, events.

Nothing here cascades: deleting a row that others refer to is an error, never a silent loss. No address of a visitor
is stored. Ids of recruitment platforms stand in a table of their own, hashed with the installation's key.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    JSON,
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
    PAUSED = "paused"
    """For a while nobody starts and nobody goes on; everybody keeps the place."""
    CLOSED = "closed"
    """No longer: those who have started may finish."""


class ParticipantState(StrEnum):
    """Where a participant stands: the step whose page is shown, or how it ended."""

    CONSENTING = "consenting"
    SCREENING = "screening"
    INSTRUCTED = "instructed"
    """Is reading the instructions."""
    PRACTICING = "practicing"
    COMPREHENDING = "comprehending"
    ANSWERING = "answering"
    CHOOSING = "choosing"
    """Is asked for one of many candidates."""
    DESCRIBING = "describing"
    """Is asked for demographics."""
    FINISHED = "finished"
    DECLINED = "declined"
    SCREENED_OUT = "screened_out"
    QUOTA_FULL = "quota_full"
    WITHDRAWN = "withdrawn"
    ERASED = "erased"
    """Everything but the fact that there was somebody is deleted."""


ENDED = frozenset(
    {
        ParticipantState.FINISHED,
        ParticipantState.DECLINED,
        ParticipantState.SCREENED_OUT,
        ParticipantState.QUOTA_FULL,
        ParticipantState.WITHDRAWN,
        ParticipantState.ERASED,
    }
)
"""States that no step leads out of (but erasing)."""
ADMITTED = frozenset(
    {
        ParticipantState.INSTRUCTED,
        ParticipantState.PRACTICING,
        ParticipantState.COMPREHENDING,
        ParticipantState.ANSWERING,
        ParticipantState.CHOOSING,
        ParticipantState.DESCRIBING,
    }
)
"""States of those who hold a slot of the quota and have not finished."""


class Section(StrEnum):
    """Which form a statement was given in."""

    SCREENER = "screener"
    COMPREHENSION = "comprehension"
    DEMOGRAPHICS = "demographics"


class FollowUpKind(StrEnum):
    """What was asked after an indecision."""

    REASON = "reason"
    STRICT = "strict"


class AccountRole(StrEnum):
    """What a researcher may do."""

    OWNER = "owner"
    """Everything."""
    VIEWER = "viewer"
    """See and download; change nothing, and no ids of participants."""


class TokenScope(StrEnum):
    """What a program may do with an API token."""

    READ = "read"
    WRITE = "write"


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
            sqlite_where=text("state IN ('open', 'paused')"),
            postgresql_where=text("state IN ('open', 'paused')"),
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
    wave: Mapped[int]
    """The wave that is asked now, from 1."""
    created_at: Mapped[datetime]


class ParticipantRow(Base):
    """A person (or a simulated one) who pressed Start, in one wave. Waves of one person share the code."""

    __tablename__ = "participant"
    __table_args__ = (
        UniqueConstraint("study_id", "number"),
        UniqueConstraint("study_id", "code", "wave"),
        UniqueConstraint("study_id", "start_key"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("study.id"), index=True)
    number: Mapped[int]
    """1 for the study's first participant; seeds the draws, never exported."""
    token: Mapped[str] = mapped_column(String(64), unique=True)
    """Secret part of the participant's own address."""
    start_key: Mapped[str] = mapped_column(String(64))
    """Of the page whose Start was pressed: pressed twice, it makes one participant."""
    code: Mapped[str] = mapped_column(String(32))
    """Pseudonym in exports."""
    wave: Mapped[int]
    previous_id: Mapped[int | None] = mapped_column(ForeignKey("participant.id"), index=True)
    """The same person in the wave before."""
    language: Mapped[str] = mapped_column(String(35))
    arm: Mapped[str | None] = mapped_column(String(100))
    """Assigned when admitted."""
    state: Mapped[ParticipantState] = mapped_column(_words(ParticipantState, "state"))
    simulated: Mapped[bool]
    completion_code: Mapped[str | None] = mapped_column(String(100))
    """Shown at the end, whichever the ending."""
    started_at: Mapped[datetime]
    consented_at: Mapped[datetime | None]
    admitted_at: Mapped[datetime | None]
    """When a slot was claimed and the comparisons were drawn."""
    active_at: Mapped[datetime]
    """When the participant last sent something."""
    ended_at: Mapped[datetime | None]

    @property
    def returning(self) -> bool:
        """Whether the same person took the wave before: somebody new can start in a later wave, too."""
        return self.previous_id is not None


class IdentityRow(Base):
    """Who a participant is to a recruitment platform. Never exported with answers; deleted when erased."""

    __tablename__ = "identity"
    __table_args__ = (UniqueConstraint("study_id", "id_hash"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("study.id"))
    participant_id: Mapped[int] = mapped_column(ForeignKey("participant.id"), unique=True)
    """The participant in the first wave taken."""
    source: Mapped[str] = mapped_column(String(20))
    id_hash: Mapped[str] = mapped_column(String(64))
    """HMAC-SHA-256 with a key of the study: tells that somebody returns, not who it is."""
    sealed: Mapped[str | None] = mapped_column(Text)
    """The ids as they came, encrypted; only where the design keeps them for payment."""
    kept_at: Mapped[datetime]


class PresentationRow(Base):
    """A comparison as drawn for one participant: at admission, or, in adaptive designs, when it is reached."""

    __tablename__ = "presentation"
    __table_args__ = (
        UniqueConstraint("participant_id", "position"),
        CheckConstraint(
            "answered BETWEEN 0 AND asked AND asked - answered <= 1", name="answers_are_asked_for"
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    participant_id: Mapped[int] = mapped_column(ForeignKey("participant.id"))
    position: Mapped[int]
    """1 for the first that the participant sees; 0 for the practice."""
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
    draw_probability: Mapped[float | None]
    expected: Mapped[Choice | None] = mapped_column(_words(Choice, "expected"))
    repeat_of: Mapped[int | None]
    note: Mapped[str] = mapped_column(String(500))
    highlighted: Mapped[bool]
    language: Mapped[str] = mapped_column(String(35))
    """In which it is shown."""
    served_at: Mapped[datetime | None]
    """When the participant was last sent to it: first, or to change the answer."""
    answered_at: Mapped[datetime | None]
    """When the answer that counts was stored."""
    asked: Mapped[int]
    """How many answers were asked for: 1, and one more each time the participant wanted to change the last."""
    answered: Mapped[int]
    """How many were stored: raised by the one request that may store the next. The last one counts."""


class AnswerRow(Base):
    """An answer to a presentation. Never changed: a participant who changes it adds one with the next revision."""

    __tablename__ = "answer"
    __table_args__ = (
        UniqueConstraint("presentation_id", "revision"),
        CheckConstraint(
            "client_seconds IS NOT NULL OR client_seconds_problem <> ''", name="missing_time_is_explained"
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    presentation_id: Mapped[int] = mapped_column(ForeignKey("presentation.id"))
    revision: Mapped[int]
    """From 1. The one equal to the presentation's ``answered`` counts."""
    choice: Mapped[Choice] = mapped_column(_words(Choice, "choice"))
    client_seconds: Mapped[float | None]
    """From first paint to choosing, by the browser's monotonic clock, as received."""
    client_seconds_problem: Mapped[str] = mapped_column(String(100))
    """Why ``client_seconds`` is missing or not to be believed; empty where it is sound."""
    server_seconds: Mapped[float]
    """From ``served_at`` to the arrival of the answer: includes the network and any pause."""
    client: Mapped[dict[str, Any]]
    """What else the browser told: input (mouse, touch, keyboard), seconds out of sight, size of the window."""
    answered_at: Mapped[datetime]


class FollowUpRow(Base):
    """What was said after an indecision: its reason, or which side if one had to be."""

    __tablename__ = "follow_up"
    __table_args__ = (UniqueConstraint("answer_id", "kind"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    answer_id: Mapped[int] = mapped_column(ForeignKey("answer.id"))
    kind: Mapped[FollowUpKind] = mapped_column(_words(FollowUpKind, "kind"))
    value: Mapped[str] = mapped_column(String(100))
    """A reason's name, ``left`` or ``right``; empty: skipped."""
    at: Mapped[datetime]


class ChoiceTaskRow(Base):
    """A problem of choosing one of many, as drawn for one participant at admission."""

    __tablename__ = "choice_task"
    __table_args__ = (
        UniqueConstraint("participant_id", "position"),
        CheckConstraint(
            "answered BETWEEN 0 AND asked AND asked - answered <= 1", name="answers_are_asked_for"
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    participant_id: Mapped[int] = mapped_column(ForeignKey("participant.id"))
    position: Mapped[int]
    """1 for the first that the participant sees."""
    token: Mapped[str] = mapped_column(String(64), unique=True)
    problem: Mapped[str] = mapped_column(String(100))
    """Name of the problem in the design."""
    row_order: Mapped[list[int]] = mapped_column(JSON)
    """The candidates' ids from the top."""
    indecision_offered: Mapped[bool]
    language: Mapped[str] = mapped_column(String(35))
    """In which it is shown."""
    served_at: Mapped[datetime | None]
    """When the participant was last sent to it: first, or to change the answer."""
    answered_at: Mapped[datetime | None]
    """When the answer that counts was stored."""
    asked: Mapped[int]
    """How many answers were asked for, as in ``PresentationRow``."""
    answered: Mapped[int]
    """How many were stored: raised by the one request that may store the next. The last one counts."""


class ChoiceTaskAnswerRow(Base):
    """Which of the candidates was chosen. Never changed: changing it adds a row with the next revision."""

    __tablename__ = "choice_task_answer"
    __table_args__ = (
        UniqueConstraint("choice_task_id", "revision"),
        CheckConstraint("(chosen IS NULL) = indecision", name="somebody_or_indecision"),
        CheckConstraint(
            "client_seconds IS NOT NULL OR client_seconds_problem <> ''", name="missing_time_is_explained"
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    choice_task_id: Mapped[int] = mapped_column(ForeignKey("choice_task.id"))
    revision: Mapped[int]
    """From 1. The one equal to the task's ``answered`` counts."""
    chosen: Mapped[int | None]
    """The candidate's id; None: indecision."""
    indecision: Mapped[bool]
    client_seconds: Mapped[float | None]
    """As in ``AnswerRow``, and so are the four below."""
    client_seconds_problem: Mapped[str] = mapped_column(String(100))
    server_seconds: Mapped[float]
    client: Mapped[dict[str, Any]]
    answered_at: Mapped[datetime]


class StatementRow(Base):
    """An answer to a question of the screener, the comprehension check or the demographics."""

    __tablename__ = "statement"
    __table_args__ = (UniqueConstraint("participant_id", "section", "question", "attempt"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    participant_id: Mapped[int] = mapped_column(ForeignKey("participant.id"))
    section: Mapped[Section] = mapped_column(_words(Section, "section"))
    question: Mapped[str] = mapped_column(String(100))
    attempt: Mapped[int]
    """From 1; only comprehension is asked more than once."""
    value: Mapped[Any] = mapped_column(JSON)
    """An option's name, a list of them, a number, text, or ``prefer-not-to-say``."""
    at: Mapped[datetime]


class EventRow(Base):
    """What happened, in order. Rows are added, never changed; erasing a participant deletes theirs."""

    __tablename__ = "event"

    id: Mapped[int] = mapped_column(primary_key=True)
    study_id: Mapped[int | None] = mapped_column(ForeignKey("study.id"), index=True)
    participant_id: Mapped[int | None] = mapped_column(ForeignKey("participant.id"), index=True)
    actor: Mapped[str] = mapped_column(String(100))
    """Who did it: empty for participants and the service, ``account NAME``, ``API NAME``, ``command line`` …"""
    what: Mapped[str] = mapped_column(String(50))
    at: Mapped[datetime]
    detail: Mapped[dict[str, Any]]


class AccountRow(Base):
    """A researcher who may sign in."""

    __tablename__ = "account"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(100), unique=True)
    role: Mapped[AccountRole] = mapped_column(_words(AccountRole, "role"))
    password_hash: Mapped[str] = mapped_column(String(255))
    """Argon2id, with its parameters."""
    epoch: Mapped[int]
    """Raised when the password or role changes: ends every session."""
    created_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]


class ApiTokenRow(Base):
    """A program's key to the JSON API. Only its hash is kept."""

    __tablename__ = "api_token"

    id: Mapped[int] = mapped_column(primary_key=True)
    label: Mapped[str] = mapped_column(String(100))
    scope: Mapped[TokenScope] = mapped_column(_words(TokenScope, "scope"))
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    """SHA-256: the token is random and long, so no slower hash is needed."""
    made_by: Mapped[str] = mapped_column(String(100))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]
    """To the day, so that a program's every call need not write."""
    revoked_at: Mapped[datetime | None]
