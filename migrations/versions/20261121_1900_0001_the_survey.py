"""The survey: studies, participants, presentations, answers, events.

Revision ID: 0001
Revises:
Create Date: 2026-11-21
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "study",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("slug", sa.String(100), nullable=False),
        sa.Column("version", sa.String(100), nullable=False),
        sa.Column("design_toml", sa.Text(), nullable=False),
        sa.Column("design_hash", sa.String(64), nullable=False, unique=True),
        sa.Column("draw_seed", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("slug", "version"),
        sa.CheckConstraint("state IN ('draft', 'open', 'closed')", name="state"),
    )
    op.create_index(
        "uq_study_open_slug",
        "study",
        ["slug"],
        unique=True,
        sqlite_where=sa.text("state = 'open'"),
        postgresql_where=sa.text("state = 'open'"),
    )
    op.create_table(
        "participant",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("study_id", sa.Integer(), sa.ForeignKey("study.id"), nullable=False, index=True),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("token", sa.String(64), nullable=False, unique=True),
        sa.Column("code", sa.String(32), nullable=False),
        sa.Column("arm", sa.String(100), nullable=True),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("simulated", sa.Boolean(), nullable=False),
        sa.Column("completion_code", sa.String(32), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("consented_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.UniqueConstraint("study_id", "number"),
        sa.UniqueConstraint("study_id", "code"),
        sa.CheckConstraint(
            "state IN ('consenting', 'instructed', 'answering', 'finished', 'declined')", name="state"
        ),
    )
    op.create_table(
        "presentation",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("participant_id", sa.Integer(), sa.ForeignKey("participant.id"), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("token", sa.String(64), nullable=False, unique=True),
        sa.Column("left_profile", sa.String(500), nullable=False),
        sa.Column("right_profile", sa.String(500), nullable=False),
        sa.Column("left_values", sa.JSON(), nullable=False),
        sa.Column("right_values", sa.JSON(), nullable=False),
        sa.Column("attribute_order", sa.JSON(), nullable=False),
        sa.Column("indecision_offered", sa.Boolean(), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("draw_rule", sa.String(500), nullable=False),
        sa.Column("served_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.UniqueConstraint("participant_id", "position"),
        sa.CheckConstraint("role IN ('main', 'check', 'repeat')", name="role"),
    )
    op.create_table(
        "answer",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column(
            "presentation_id", sa.Integer(), sa.ForeignKey("presentation.id"), nullable=False, unique=True
        ),
        sa.Column("choice", sa.String(16), nullable=False),
        sa.Column("client_seconds", sa.Double(), nullable=True),
        sa.Column("client_seconds_problem", sa.String(100), nullable=False),
        sa.Column("server_seconds", sa.Double(), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("choice IN ('left', 'right', 'indecision')", name="choice"),
        sa.CheckConstraint(
            "client_seconds IS NOT NULL OR client_seconds_problem <> ''", name="missing_time_is_explained"
        ),
    )
    op.create_table(
        "event",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("study_id", sa.Integer(), sa.ForeignKey("study.id"), nullable=False, index=True),
        sa.Column("participant_id", sa.Integer(), sa.ForeignKey("participant.id"), nullable=True, index=True),
        sa.Column("what", sa.String(50), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
    )


def downgrade() -> None:
    for table in ("event", "answer", "presentation", "participant"):
        op.drop_table(table)
    op.drop_index("uq_study_open_slug", "study")
    op.drop_table("study")
