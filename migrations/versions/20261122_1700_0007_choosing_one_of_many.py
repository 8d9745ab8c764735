"""Choosing one of many: the step, the problems drawn for participants, and their answers.

Revision ID: 0007
Revises: 0006
Create Date: 2026-11-22
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_STATES = (
    "consenting", "screening", "instructed", "practicing", "comprehending", "answering", "choosing", "describing",
    "finished", "declined", "screened_out", "quota_full", "withdrawn", "erased",
)  # fmt: skip


def upgrade() -> None:
    with op.batch_alter_table("participant") as table:
        # SQLite's rebuilt table has no check constraints but those named here.
        if op.get_bind().dialect.name != "sqlite":
            table.drop_constraint(op.f("ck_participant_state"), type_="check")
        table.create_check_constraint(
            op.f("ck_participant_state"), f"state IN ({', '.join(repr(state) for state in _STATES)})"
        )
    op.create_table(
        "choice_task",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("participant_id", sa.Integer(), sa.ForeignKey("participant.id"), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("token", sa.String(64), nullable=False, unique=True),
        sa.Column("problem", sa.String(100), nullable=False),
        sa.Column("row_order", sa.JSON(), nullable=False),
        sa.Column("indecision_offered", sa.Boolean(), nullable=False),
        sa.Column("language", sa.String(35), nullable=False),
        sa.Column("served_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("asked", sa.Integer(), nullable=False),
        sa.Column("answered", sa.Integer(), nullable=False),
        sa.UniqueConstraint("participant_id", "position"),
        sa.CheckConstraint(
            "answered BETWEEN 0 AND asked AND asked - answered <= 1", name="answers_are_asked_for"
        ),
    )
    op.create_table(
        "choice_task_answer",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("choice_task_id", sa.Integer(), sa.ForeignKey("choice_task.id"), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("chosen", sa.Integer(), nullable=True),
        sa.Column("indecision", sa.Boolean(), nullable=False),
        sa.Column("client_seconds", sa.Double(), nullable=True),
        sa.Column("client_seconds_problem", sa.String(100), nullable=False),
        sa.Column("server_seconds", sa.Double(), nullable=False),
        sa.Column("client", sa.JSON(), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("choice_task_id", "revision"),
        sa.CheckConstraint("(chosen IS NULL) = indecision", name="somebody_or_indecision"),
        sa.CheckConstraint(
            "client_seconds IS NOT NULL OR client_seconds_problem <> ''", name="missing_time_is_explained"
        ),
    )


def downgrade() -> None:
    # Answers would be lost, and participants would stand at a step that is none.
    raise NotImplementedError(
        "revision 0007 cannot be undone without losing answers; restore the backup instead"
    )
