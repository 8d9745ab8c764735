"""Models as respondents: who took a study, and what each was drawn, apart from the tables of people.

Revision ID: 0005
Revises: 0004
Create Date: 2026-11-22
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "model_participant",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("study_id", sa.Integer(), sa.ForeignKey("study.id"), nullable=False),
        sa.Column("design_hash", sa.String(64), nullable=False),
        sa.Column("respondent", sa.String(300), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("label", sa.String(200), nullable=False),
        sa.Column("api_base", sa.Text(), nullable=True),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("variant", sa.JSON(), nullable=False),
        sa.Column("arm", sa.String(100), nullable=False),
        sa.Column("group_key", sa.String(64), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("study_id", "respondent"),
        sa.UniqueConstraint("study_id", "group_key", "number"),
    )
    op.create_table(
        "model_presentation",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column(
            "model_participant_id", sa.Integer(), sa.ForeignKey("model_participant.id"), nullable=False
        ),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("left_values", sa.JSON(), nullable=False),
        sa.Column("right_values", sa.JSON(), nullable=False),
        sa.Column("attribute_order", sa.JSON(), nullable=False),
        sa.Column("indecision_offered", sa.Boolean(), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("draw_rule", sa.String(500), nullable=False),
        sa.Column("draw_probability", sa.Double(), nullable=True),
        sa.Column("expected", sa.String(16), nullable=True),
        sa.Column("repeat_of", sa.Integer(), nullable=True),
        sa.Column("note", sa.String(500), nullable=False),
        sa.Column("highlighted", sa.Boolean(), nullable=False),
        sa.Column("messages", sa.JSON(), nullable=False),
        sa.Column("labels", sa.JSON(), nullable=False),
        sa.Column("template", sa.String(50), nullable=False),
        sa.Column("language", sa.String(35), nullable=False),
        sa.Column("request_key", sa.String(64), nullable=False),
        sa.Column("repeat", sa.Integer(), nullable=False),
        sa.UniqueConstraint("model_participant_id", "position"),
        sa.UniqueConstraint("request_key", "repeat"),
    )


def downgrade() -> None:
    # Which reply is which respondent's answer stands nowhere else; a backup of the file is what leads back.
    raise NotImplementedError(
        "revision 0005 cannot be undone without losing which model answered what; restore the backup instead"
    )
