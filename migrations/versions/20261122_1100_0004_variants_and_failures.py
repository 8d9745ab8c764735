"""How a model was asked, its whole response, and the attempts that failed.

Revision ID: 0004
Revises: 0003
Create Date: 2026-11-22
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Nullable all: replies from before say nothing of these, and nothing is made up for them.
    for column in (
        sa.Column("variant", sa.JSON(), nullable=True),
        sa.Column("language", sa.String(35), nullable=True),
        sa.Column("labels", sa.JSON(), nullable=True),
        sa.Column("sends_schema", sa.Boolean(), nullable=True),
        sa.Column("tokens_reasoning", sa.Integer(), nullable=True),
        sa.Column("reasoning", sa.JSON(), nullable=True),
        sa.Column("first_token", sa.JSON(), nullable=True),
        sa.Column("response", sa.Text(), nullable=True),
        sa.Column("client", sa.String(100), nullable=True),
        sa.Column("source", sa.Text(), nullable=True),
    ):
        op.add_column("model_reply", column)
    op.create_table(
        "model_failure",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("request_key", sa.String(64), nullable=False, index=True),
        sa.Column("repeat", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(100), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("message", sa.JSON(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=True),
    )


def downgrade() -> None:
    # Going back would lose what only the new columns hold; a backup of the file is what leads back.
    raise NotImplementedError(
        "revision 0004 cannot be undone without losing what models replied; restore the backup instead"
    )
