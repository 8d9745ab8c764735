"""Which attributes should count: the steps, what was suggested, rated and ranked, and how it was coded.

Revision ID: 0008
Revises: 0007
Create Date: 2026-11-22
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_STATES = (
    "consenting", "screening", "suggesting", "rating", "instructed", "practicing", "comprehending", "answering",
    "choosing", "describing", "finished", "declined", "screened_out", "quota_full", "withdrawn", "erased",
)  # fmt: skip
_ROLES = ("owner", "coder", "viewer")


def upgrade() -> None:
    _allow("participant", "state", "ck_participant_state", _STATES)
    _allow("account", "role", "ck_account_role", _ROLES)
    op.create_table(
        "attribute_page",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("participant_id", sa.Integer(), sa.ForeignKey("participant.id"), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("token", sa.String(64), nullable=False, unique=True),
        sa.Column("task", _words("task", "should", "should_not", "rate", "rank"), nullable=False),
        sa.Column("attribute_order", sa.JSON(), nullable=False),
        sa.Column("language", sa.String(35), nullable=False),
        sa.Column("served_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("asked", sa.Integer(), nullable=False),
        sa.Column("answered", sa.Integer(), nullable=False),
        sa.UniqueConstraint("participant_id", "position"),
        sa.UniqueConstraint("participant_id", "task"),
        sa.CheckConstraint(
            "answered BETWEEN 0 AND asked AND asked - answered <= 1", name="answers_are_asked_for"
        ),
    )
    op.create_table(
        "attribute_page_answer",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("attribute_page_id", sa.Integer(), sa.ForeignKey("attribute_page.id"), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("ratings", sa.JSON(), nullable=False),
        sa.Column("ranking", sa.JSON(), nullable=False),
        sa.Column("client_seconds", sa.Double(), nullable=True),
        sa.Column("client_seconds_problem", sa.String(100), nullable=False),
        sa.Column("server_seconds", sa.Double(), nullable=False),
        sa.Column("client", sa.JSON(), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("attribute_page_id", "revision"),
        sa.CheckConstraint(
            "client_seconds IS NOT NULL OR client_seconds_problem <> ''", name="missing_time_is_explained"
        ),
    )
    op.create_table(
        "suggestion",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("study_id", sa.Integer(), sa.ForeignKey("study.id"), nullable=False),
        sa.Column("page_id", sa.Integer(), sa.ForeignKey("attribute_page.id"), nullable=True, index=True),
        sa.Column("key", sa.String(64), nullable=False, unique=True),
        sa.Column("respondent", sa.String(100), nullable=False),
        sa.Column("kind", _words("kind", "human", "model"), nullable=False),
        sa.Column("simulated", sa.Boolean(), nullable=False),
        sa.Column("stance", _words("stance", "should", "should_not"), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.Column("folded", sa.Text(), nullable=False),
        sa.Column("language", sa.String(35), nullable=False),
        sa.Column("source", sa.String(200), nullable=False),
        sa.Column("alike", sa.Integer(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(page_id IS NULL) = (respondent <> '')", name="somebody_said_it"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_suggestion_study_id_stance", "suggestion", ["study_id", "stance"])
    op.create_index("ix_suggestion_study_id_alike", "suggestion", ["study_id", "alike"])
    op.create_table(
        "imported_respondent",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("study_id", sa.Integer(), sa.ForeignKey("study.id"), nullable=False),
        sa.Column("source", sa.String(200), nullable=False),
        sa.Column("respondent", sa.String(100), nullable=False),
        sa.Column("kind", _words("kind", "human", "model"), nullable=False),
        sa.Column("simulated", sa.Boolean(), nullable=False),
        sa.Column("stances", sa.JSON(), nullable=False),
        sa.Column("stated", sa.JSON(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("study_id", "source", "respondent"),
    )
    op.create_table(
        "category",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("study_id", sa.Integer(), sa.ForeignKey("study.id"), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("label", sa.String(200), nullable=False),
        sa.Column("definition", sa.Text(), nullable=False),
        sa.Column("merged_into_id", sa.Integer(), sa.ForeignKey("category.id"), nullable=True),
        sa.Column("split_from_id", sa.Integer(), sa.ForeignKey("category.id"), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.String(100), nullable=False),
        sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True),
        sa.UniqueConstraint("study_id", "name"),
    )
    op.create_table(
        "code",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("suggestion_id", sa.Integer(), sa.ForeignKey("suggestion.id"), nullable=False, index=True),
        sa.Column("kind", _words("kind", "coder", "model", "adjudicated"), nullable=False),
        sa.Column("coder", sa.String(100), nullable=False),
        sa.Column("outcome", _words("outcome", "category", "no_category", "unusable"), nullable=False),
        sa.Column("category_id", sa.Integer(), sa.ForeignKey("category.id"), nullable=True),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("added_by", sa.String(100), nullable=False),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("removed_by", sa.String(100), nullable=False),
        sa.CheckConstraint(
            "(category_id IS NOT NULL) = (outcome = 'category')", name="category_if_it_is_one"
        ),
    )
    op.create_index(
        "uq_code_standing",
        "code",
        ["suggestion_id", "kind", "coder", "outcome", "category_id"],
        unique=True,
        sqlite_where=sa.text("removed_at IS NULL"),
        postgresql_where=sa.text("removed_at IS NULL"),
    )
    op.create_index(
        "uq_code_standing_outcome",
        "code",
        ["suggestion_id", "kind", "coder"],
        unique=True,
        sqlite_where=sa.text("removed_at IS NULL AND category_id IS NULL"),
        postgresql_where=sa.text("removed_at IS NULL AND category_id IS NULL"),
    )


def _words(name: str, *words: str) -> sa.Enum:
    return sa.Enum(*words, name=name, native_enum=False, create_constraint=True, length=16)


def _allow(table_name: str, column: str, constraint: str, words: tuple[str, ...]) -> None:
    with op.batch_alter_table(table_name) as table:
        # SQLite's rebuilt table has no check constraints but those named here.
        if op.get_bind().dialect.name != "sqlite":
            table.drop_constraint(op.f(constraint), type_="check")
        table.create_check_constraint(
            op.f(constraint), f"{column} IN ({', '.join(repr(word) for word in words)})"
        )


def downgrade() -> None:
    # Suggestions and codes would be lost, and participants would stand at a step that is none.
    raise NotImplementedError(
        "revision 0008 cannot be undone without losing answers; restore the backup instead"
    )
