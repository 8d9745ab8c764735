"""Paid participants: steps, recruitment, waves, designed roles, changed answers, accounts, API tokens.

Revision ID: 0003
Revises: 0002
Create Date: 2026-11-21
"""

from __future__ import annotations

import tomllib

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_STATES = (
    "consenting", "screening", "instructed", "practicing", "comprehending", "answering", "describing", "finished",
    "declined", "screened_out", "quota_full", "withdrawn", "erased",
)  # fmt: skip
_ROLES = ("main", "check", "repeat", "dominated", "identical", "practice")
_CHOICES = ("left", "right", "indecision")


def upgrade() -> None:
    _study()
    _participant()
    _presentation()
    _answer()
    _event()
    _new_tables()


def downgrade() -> None:
    # Going back would lose what only the new columns hold; a backup of the file is what leads back.
    raise NotImplementedError(
        "revision 0003 cannot be undone without losing answers; restore the backup instead"
    )


def _one_of(column: str, words: tuple[str, ...]) -> str:
    return f"{column} IN ({', '.join(repr(word) for word in words)})"


def _is_sqlite() -> bool:
    return op.get_bind().dialect.name == "sqlite"


def _study() -> None:
    with op.batch_alter_table("study") as table:
        table.add_column(sa.Column("wave", sa.Integer(), nullable=False, server_default="1"))
        # SQLite's rebuilt table has no check constraints but those named here.
        if not _is_sqlite():
            table.drop_constraint(op.f("ck_study_state"), type_="check")
        table.create_check_constraint(
            op.f("ck_study_state"), _one_of("state", ("draft", "open", "paused", "closed"))
        )
    # Rebuilding forgets that the index is for open studies only.
    op.drop_index("uq_study_open_slug", "study")
    op.create_index(
        "uq_study_open_slug",
        "study",
        ["slug"],
        unique=True,
        sqlite_where=sa.text("state IN ('open', 'paused')"),
        postgresql_where=sa.text("state IN ('open', 'paused')"),
    )
    with op.batch_alter_table("study", recreate="never") as table:
        if not _is_sqlite():
            table.alter_column("wave", server_default=None)


def _participant() -> None:
    with op.batch_alter_table("participant") as table:
        table.add_column(sa.Column("start_key", sa.String(64), nullable=True))
        table.add_column(sa.Column("wave", sa.Integer(), nullable=True))
        table.add_column(sa.Column("previous_id", sa.Integer(), nullable=True))
        table.add_column(sa.Column("language", sa.String(35), nullable=True))
        table.add_column(sa.Column("admitted_at", sa.DateTime(timezone=True), nullable=True))
        table.add_column(sa.Column("active_at", sa.DateTime(timezone=True), nullable=True))
        table.alter_column("completion_code", type_=sa.String(100), existing_type=sa.String(32))
        if not _is_sqlite():
            table.drop_constraint(op.f("ck_participant_state"), type_="check")
        table.drop_constraint(op.f("uq_participant_study_id_code"), type_="unique")
        table.create_check_constraint(op.f("ck_participant_state"), _one_of("state", _STATES))
    connection = op.get_bind()
    connection.execute(
        sa.text(
            "UPDATE participant SET start_key = token, wave = 1, admitted_at = consented_at, "
            "active_at = COALESCE(ended_at, consented_at, started_at)"
        )
    )
    for study, toml in connection.execute(sa.text("SELECT id, design_toml FROM study")).all():
        language = tomllib.loads(toml)["study"].get("language", "en")
        connection.execute(
            sa.text("UPDATE participant SET language = :language WHERE study_id = :study"),
            {"language": language, "study": study},
        )
    with op.batch_alter_table("participant") as table:
        for column, kind in (
            ("start_key", sa.String(64)),
            ("wave", sa.Integer()),
            ("language", sa.String(35)),
        ):
            table.alter_column(column, existing_type=kind, nullable=False)
        table.alter_column("active_at", existing_type=sa.DateTime(timezone=True), nullable=False)
        table.create_unique_constraint(
            op.f("uq_participant_study_id_code_wave"), ["study_id", "code", "wave"]
        )
        table.create_unique_constraint(op.f("uq_participant_study_id_start_key"), ["study_id", "start_key"])
        table.create_foreign_key(
            op.f("fk_participant_previous_id_participant"), "participant", ["previous_id"], ["id"]
        )
        if _is_sqlite():
            table.create_check_constraint(op.f("ck_participant_state"), _one_of("state", _STATES))
    op.create_index(op.f("ix_participant_previous_id"), "participant", ["previous_id"])


def _presentation() -> None:
    with op.batch_alter_table("presentation") as table:
        table.add_column(sa.Column("draw_probability", sa.Double(), nullable=True))
        table.add_column(sa.Column("expected", sa.String(16), nullable=True))
        table.add_column(sa.Column("repeat_of", sa.Integer(), nullable=True))
        table.add_column(sa.Column("note", sa.String(500), nullable=True))
        table.add_column(sa.Column("highlighted", sa.Boolean(), nullable=True))
        table.add_column(sa.Column("language", sa.String(35), nullable=True))
        table.add_column(sa.Column("asked", sa.Integer(), nullable=True))
        table.add_column(sa.Column("answered", sa.Integer(), nullable=True))
    op.execute(
        # 1 = 0: false, in the words of both databases.
        "UPDATE presentation SET note = '', highlighted = (1 = 0), asked = 1, "
        "answered = CASE WHEN answered_at IS NULL THEN 0 ELSE 1 END, "
        "language = (SELECT language FROM participant WHERE participant.id = presentation.participant_id)"
    )
    with op.batch_alter_table("presentation") as table:
        for column, kind in (
            ("note", sa.String(500)),
            ("highlighted", sa.Boolean()),
            ("language", sa.String(35)),
            ("asked", sa.Integer()),
            ("answered", sa.Integer()),
        ):
            table.alter_column(column, existing_type=kind, nullable=False)
        if not _is_sqlite():
            table.drop_constraint(op.f("ck_presentation_role"), type_="check")
        table.create_check_constraint(op.f("ck_presentation_role"), _one_of("role", _ROLES))
        table.create_check_constraint(op.f("ck_presentation_expected"), _one_of("expected", _CHOICES))
        table.create_check_constraint(
            op.f("ck_presentation_answers_are_asked_for"),
            "answered BETWEEN 0 AND asked AND asked - answered <= 1",
        )


def _answer() -> None:
    with op.batch_alter_table("answer") as table:
        table.add_column(sa.Column("revision", sa.Integer(), nullable=True))
        table.add_column(sa.Column("client", sa.JSON(), nullable=True))
        table.drop_constraint(op.f("uq_answer_presentation_id"), type_="unique")
    op.execute("UPDATE answer SET revision = 1, client = '{}'")
    with op.batch_alter_table("answer") as table:
        table.alter_column("revision", existing_type=sa.Integer(), nullable=False)
        table.alter_column("client", existing_type=sa.JSON(), nullable=False)
        table.create_unique_constraint(
            op.f("uq_answer_presentation_id_revision"), ["presentation_id", "revision"]
        )
        if _is_sqlite():
            table.create_check_constraint(op.f("ck_answer_choice"), _one_of("choice", _CHOICES))
            table.create_check_constraint(
                op.f("ck_answer_missing_time_is_explained"),
                "client_seconds IS NOT NULL OR client_seconds_problem <> ''",
            )


def _event() -> None:
    with op.batch_alter_table("event") as table:
        table.add_column(sa.Column("actor", sa.String(100), nullable=True))
        table.alter_column("study_id", existing_type=sa.Integer(), nullable=True)
    op.execute("UPDATE event SET actor = ''")
    with op.batch_alter_table("event") as table:
        table.alter_column("actor", existing_type=sa.String(100), nullable=False)


def _new_tables() -> None:
    op.create_table(
        "identity",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("study_id", sa.Integer(), sa.ForeignKey("study.id"), nullable=False),
        sa.Column(
            "participant_id", sa.Integer(), sa.ForeignKey("participant.id"), nullable=False, unique=True
        ),
        sa.Column("source", sa.String(20), nullable=False),
        sa.Column("id_hash", sa.String(64), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=True),
        sa.Column("kept_at", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("study_id", "id_hash"),
    )
    op.create_table(
        "follow_up",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("answer_id", sa.Integer(), sa.ForeignKey("answer.id"), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("value", sa.String(100), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("answer_id", "kind"),
        sa.CheckConstraint(_one_of("kind", ("reason", "strict")), name="kind"),
    )
    op.create_table(
        "statement",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("participant_id", sa.Integer(), sa.ForeignKey("participant.id"), nullable=False),
        sa.Column("section", sa.String(16), nullable=False),
        sa.Column("question", sa.String(100), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("value", sa.JSON(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("participant_id", "section", "question", "attempt"),
        sa.CheckConstraint(_one_of("section", ("screener", "comprehension", "demographics")), name="section"),
    )
    op.create_table(
        "account",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("name", sa.String(100), nullable=False, unique=True),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("password_hash", sa.String(255), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(_one_of("role", ("owner", "viewer")), name="role"),
    )
    op.create_table(
        "api_token",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("label", sa.String(100), nullable=False),
        sa.Column("scope", sa.String(16), nullable=False),
        sa.Column("token_hash", sa.String(64), nullable=False, unique=True),
        sa.Column("made_by", sa.String(100), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(_one_of("scope", ("read", "write")), name="scope"),
    )
