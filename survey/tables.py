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
from sqlalchemy.engine.default import DefaultExecutionContext
from sqlalchemy.orm import Mapped, mapped_column

from survey.answers import Choice, RespondentKind, Role
from survey.coding.coding import CodeKind, Outcome
from survey.db import Base
from survey.questionnaire import Stated
from survey.suggestions import Stance, folded


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
    SUGGESTING = "suggesting"
    """Is asked which attributes should count, and which should not."""
    RATING = "rating"
    """Rates and ranks attributes that others named."""
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
        ParticipantState.SUGGESTING,
        ParticipantState.RATING,
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
    CODER = "coder"
    """As a viewer, and code suggestions; what other coders wrote is not shown."""
    VIEWER = "viewer"
    """See and download; change nothing, and no ids of participants."""


class AttributeTask(StrEnum):
    """What a page about attributes asks."""

    SHOULD = "should"
    """Which attributes should count: an open question."""
    SHOULD_NOT = "should_not"
    RATE = "rate"
    """Which of a list are acceptable."""
    RANK = "rank"
    """Which of a list matter most."""


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


class AttributePageRow(Base):
    """A page about attributes, as drawn for one participant at admission: open question, ratings, or ranking."""

    __tablename__ = "attribute_page"
    __table_args__ = (
        UniqueConstraint("participant_id", "position"),
        UniqueConstraint("participant_id", "task"),
        CheckConstraint(
            "answered BETWEEN 0 AND asked AND asked - answered <= 1", name="answers_are_asked_for"
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    participant_id: Mapped[int] = mapped_column(ForeignKey("participant.id"))
    position: Mapped[int]
    """1 for the first that the participant sees."""
    token: Mapped[str] = mapped_column(String(64), unique=True)
    task: Mapped[AttributeTask] = mapped_column(_words(AttributeTask, "task"))
    attribute_order: Mapped[list[str]] = mapped_column(JSON)
    """Names of the attributes from the top; empty for open questions."""
    language: Mapped[str] = mapped_column(String(35))
    """In which it is shown."""
    served_at: Mapped[datetime | None]
    """When the participant was last sent to it: first, or to change the answer."""
    answered_at: Mapped[datetime | None]
    """When the participant last went on from it."""
    asked: Mapped[int]
    """How many answers were asked for, as in ``PresentationRow``."""
    answered: Mapped[int]
    """How many were stored: raised by the one request that may store the next. The last one counts."""


class AttributePageAnswerRow(Base):
    """What was sent with going on from a page about attributes. Never changed: changing it adds a row."""

    __tablename__ = "attribute_page_answer"
    __table_args__ = (
        UniqueConstraint("attribute_page_id", "revision"),
        CheckConstraint(
            "client_seconds IS NOT NULL OR client_seconds_problem <> ''", name="missing_time_is_explained"
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    attribute_page_id: Mapped[int] = mapped_column(ForeignKey("attribute_page.id"))
    revision: Mapped[int]
    """From 1. The one equal to the page's ``answered`` counts."""
    ratings: Mapped[dict[str, str]] = mapped_column(JSON)
    """Attribute name -> rating, for ``rate``; attributes left out are not there. Empty for other tasks."""
    ranking: Mapped[list[str]] = mapped_column(JSON)
    """Attribute names, the most important first, for ``rank``. Empty for other tasks."""
    client_seconds: Mapped[float | None]
    """As in ``AnswerRow``, and so are the four below."""
    client_seconds_problem: Mapped[str] = mapped_column(String(100))
    server_seconds: Mapped[float]
    client: Mapped[dict[str, Any]]
    answered_at: Mapped[datetime]


def _searched(context: DefaultExecutionContext) -> str:
    """Return the words of a suggestion that is being stored, as a search compares them."""
    given = context.get_current_parameters()  # type: ignore[no-untyped-call]
    return folded("\n".join((given["text"], given["direction"], given["why"])))


class SuggestionRow(Base):
    """One entry to an open question: a participant's, or imported (people asked elsewhere, models)."""

    __tablename__ = "suggestion"
    __table_args__ = (
        Index("ix_suggestion_study_id_stance", "study_id", "stance"),
        Index("ix_suggestion_study_id_alike", "study_id", "alike"),
        CheckConstraint("(page_id IS NULL) = (respondent <> '')", name="somebody_said_it"),
        # Coders' forms and files name suggestions by id. SQLite would else give that of somebody erased again.
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("study.id"))
    page_id: Mapped[int | None] = mapped_column(ForeignKey("attribute_page.id"), index=True)
    """The page that it was written on; None: it is imported."""
    key: Mapped[str] = mapped_column(String(64), unique=True)
    """Of the form that it was sent with, so that a form sent twice makes one entry; of an import, of its line."""
    respondent: Mapped[str] = mapped_column(String(100))
    """Who said it, where it is imported; empty where the page's participant did."""
    kind: Mapped[RespondentKind] = mapped_column(_words(RespondentKind, "kind"))
    simulated: Mapped[bool]
    stance: Mapped[Stance] = mapped_column(_words(Stance, "stance"))
    text: Mapped[str] = mapped_column(Text)
    why: Mapped[str] = mapped_column(Text)
    direction: Mapped[str] = mapped_column(Text)
    folded: Mapped[str] = mapped_column(Text, default=_searched)
    """Text, direction and why as a search compares them. Made here because databases fold few alphabets alike."""
    language: Mapped[str] = mapped_column(String(35))
    source: Mapped[str] = mapped_column(String(200))
    """Where an import is from; empty for what was written here."""
    alike: Mapped[int | None]
    """Number of its group of look-alikes, as last computed; None: never."""
    at: Mapped[datetime]
    removed_at: Mapped[datetime | None]
    """When the participant took it back, which leaves it out of everything."""


class ImportedRespondentRow(Base):
    """Somebody who was asked elsewhere and whose suggestions were imported: also who named nothing, because shares
    are shares of those who were asked."""

    __tablename__ = "imported_respondent"
    __table_args__ = (UniqueConstraint("study_id", "source", "respondent"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("study.id"))
    source: Mapped[str] = mapped_column(String(200))
    """As in the suggestions."""
    respondent: Mapped[str] = mapped_column(String(100))
    kind: Mapped[RespondentKind] = mapped_column(_words(RespondentKind, "kind"))
    simulated: Mapped[bool]
    stances: Mapped[list[str]] = mapped_column(JSON)
    """The questions that were answered, also with nothing; sorted."""
    stated: Mapped[dict[str, Stated]] = mapped_column(JSON)
    """Question of a form -> names of the options chosen (a list, also of one), a number, or text."""
    place: Mapped[int]
    """In the order of answering, from 1; 0 where it is not known."""
    at: Mapped[datetime]
    """When it was imported."""


class CategoryRow(Base):
    """A category of a study's coding. Its words may change (the audit log keeps the old ones), its name never."""

    __tablename__ = "category"
    __table_args__ = (UniqueConstraint("study_id", "name"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("study.id"))
    name: Mapped[str] = mapped_column(String(100))
    label: Mapped[str] = mapped_column(String(200))
    definition: Mapped[str] = mapped_column(Text)
    merged_into_id: Mapped[int | None] = mapped_column(ForeignKey("category.id"))
    """The category that stands for this one; taken back by setting it to None."""
    split_from_id: Mapped[int | None] = mapped_column(ForeignKey("category.id"))
    created_at: Mapped[datetime]
    created_by: Mapped[str] = mapped_column(String(100))
    retired_at: Mapped[datetime | None]


class CodeRow(Base):
    """One coder's word on one suggestion, from when until when it stood. Rows are ended, never changed or deleted
    (but when the participant is erased)."""

    __tablename__ = "code"
    __table_args__ = (
        CheckConstraint("(category_id IS NOT NULL) = (outcome = 'category')", name="category_if_it_is_one"),
        Index(
            "uq_code_standing",
            "suggestion_id",
            "kind",
            "coder",
            "outcome",
            "category_id",
            unique=True,
            sqlite_where=text("removed_at IS NULL"),
            postgresql_where=text("removed_at IS NULL"),
        ),
        # The index above takes every NULL for another value.
        Index(
            "uq_code_standing_outcome",
            "suggestion_id",
            "kind",
            "coder",
            unique=True,
            sqlite_where=text("removed_at IS NULL AND category_id IS NULL"),
            postgresql_where=text("removed_at IS NULL AND category_id IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    suggestion_id: Mapped[int] = mapped_column(ForeignKey("suggestion.id"), index=True)
    kind: Mapped[CodeKind] = mapped_column(_words(CodeKind, "kind"))
    coder: Mapped[str] = mapped_column(String(100))
    """Empty for what was adjudicated."""
    outcome: Mapped[Outcome] = mapped_column(_words(Outcome, "outcome"))
    category_id: Mapped[int | None] = mapped_column(ForeignKey("category.id"))
    added_at: Mapped[datetime]
    added_by: Mapped[str] = mapped_column(String(100))
    """Who did it, as in ``EventRow.actor``."""
    removed_at: Mapped[datetime | None]
    removed_by: Mapped[str] = mapped_column(String(100))
    """Empty while it stands."""


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
