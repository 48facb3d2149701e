"""Whose database it is."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make the table; the farm that opens the database next puts its name there."""
    op.create_table(
        "farm",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("farm_id", sa.String, nullable=False, unique=True),
    )


def downgrade() -> None:
    """Forget whose database it is."""
    op.drop_table("farm")
