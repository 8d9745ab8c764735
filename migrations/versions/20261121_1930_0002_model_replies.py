"""Model replies: what was sent to a model and what came back.

Revision ID: 0002
Revises: 0001
Create Date: 2026-11-21
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "model_reply",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("request_key", sa.String(64), nullable=False),
        sa.Column("repeat", sa.Integer(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("scripted", sa.Boolean(), nullable=False),
        sa.Column("api_base", sa.Text(), nullable=True),
        sa.Column("messages", sa.JSON(), nullable=False),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("template", sa.String(50), nullable=False),
        sa.Column("design_hash", sa.String(64), nullable=False, index=True),
        sa.Column("arm", sa.String(100), nullable=False),
        sa.Column("left_values", sa.JSON(), nullable=False),
        sa.Column("right_values", sa.JSON(), nullable=False),
        sa.Column("side_order", sa.String(16), nullable=False),
        sa.Column("attribute_order", sa.JSON(), nullable=False),
        sa.Column("indecision_offered", sa.Boolean(), nullable=False),
        sa.Column("content", sa.JSON(), nullable=True),
        sa.Column("refusal", sa.JSON(), nullable=True),
        sa.Column("finish_reason", sa.Text(), nullable=True),
        sa.Column("returned_model", sa.Text(), nullable=True),
        sa.Column("system_fingerprint", sa.Text(), nullable=True),
        sa.Column("tokens_in", sa.Integer(), nullable=True),
        sa.Column("tokens_out", sa.Integer(), nullable=True),
        sa.Column("cost_usd", sa.Double(), nullable=True),
        sa.Column("seconds", sa.Double(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=True),
        sa.UniqueConstraint("request_key", "repeat"),
    )


def downgrade() -> None:
    op.drop_table("model_reply")
