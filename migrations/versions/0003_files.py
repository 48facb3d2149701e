"""Files that attempts left."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "attempt_files",
        sa.Column("attempt_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("artifact_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["attempt_id"], ["attempts.id"], name=op.f("fk_attempt_files_attempt_id")
        ),
        sa.ForeignKeyConstraint(
            ["artifact_id"], ["artifacts.id"], name=op.f("fk_attempt_files_artifact_id")
        ),
        sa.PrimaryKeyConstraint("attempt_id", "path", name=op.f("pk_attempt_files")),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Forget which files there were; their bytes stay among the blobs until `farm gc`."""
    op.drop_table("attempt_files")
