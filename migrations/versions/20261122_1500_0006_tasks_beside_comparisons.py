"""Replies to other tasks than comparisons of two patients: what they stand for is kept in a column of its own.

Revision ID: 0006
Revises: 0005
Create Date: 2026-11-22
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("model_reply") as table:
        table.add_column(sa.Column("task", sa.String(20), nullable=False, server_default="comparison"))
        table.add_column(sa.Column("about", sa.JSON(), nullable=True))
        for name, kind in (
            ("template", sa.String(50)),
            ("design_hash", sa.String(64)),
            ("arm", sa.String(100)),
            ("left_values", sa.JSON()),
            ("right_values", sa.JSON()),
            ("side_order", sa.String(16)),
            ("attribute_order", sa.JSON()),
            ("indecision_offered", sa.Boolean()),
        ):
            table.alter_column(name, existing_type=kind, existing_nullable=False, nullable=True)


def downgrade() -> None:
    # A reply to another task has nothing to put into the columns of comparisons.
    raise NotImplementedError(
        "revision 0006 cannot be undone without losing what models replied; restore the backup instead"
    )
