"""The first tables.

Names of keys follow the naming convention of the metadata the farm gives to Alembic.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

#: In the order in which they are made.
_TABLES = (
    "artifacts",
    "device_types",
    "metrics",
    "modes",
    "runs",
    "workloads",
    "cases",
    "devices",
    "recipes",
    "variants",
    "artifact_edges",
    "case_params",
    "cells",
    "series",
    "sessions",
    "snapshots",
    "variant_artifacts",
    "leases",
    "attempts",
    "attempt_logs",
    "attempt_metrics",
    "sample_blocks",
)


def upgrade() -> None:
    """Make them, each after those it points to."""
    op.create_table(
        "artifacts",
        number(),
        column("sha256", sa.String(64), unique=True),
        column("size_bytes", sa.BigInteger),
        column("kind", sa.String(30)),
        column("name", sa.Text),
        column("arch", sa.String(20)),
    )
    op.create_table(
        "device_types",
        number(),
        column("name", sa.String),
        column("arch", sa.String(20)),
        column("cpu", sa.String),
        column("os_bits", sa.Integer),
        sa.UniqueConstraint("name", "arch", "cpu", "os_bits"),
    )
    op.create_table(
        "metrics",
        number(),
        column("phase", sa.String),
        column("name", sa.String),
        column("unit", sa.String),
        column("direction", sa.Integer),
        sa.UniqueConstraint("phase", "name"),
    )
    op.create_table(
        "modes",
        number(),
        column("runtime", sa.String(30)),
        column("sha256", sa.String(64)),
        column("options", sa.JSON),
        column("label", sa.Text),
        sa.UniqueConstraint("runtime", "sha256"),
    )
    op.create_table(
        "runs",
        number(),
        column("name", sa.String),
        column("spec", sa.Text),
        column("state", sa.String(30)),
        column("priority", sa.Integer),
        column("cancel_wished", sa.Boolean),
        column("created_at", sa.DateTime(timezone=True)),
        column("finished_at", sa.DateTime(timezone=True), nullable=True),
        column("error", sa.Text),
    )
    op.create_table(
        "workloads",
        number(),
        column("name", sa.String),
        column("sha256", sa.String(64)),
        column("definition", sa.JSON),
        sa.UniqueConstraint("name", "sha256"),
    )
    op.create_table(
        "cases",
        number(),
        reference("workload_id", "workloads"),
        column("sha256", sa.String(64)),
        column("parameters", sa.JSON),
        sa.UniqueConstraint("workload_id", "sha256"),
    )
    op.create_table(
        "devices",
        number(),
        column("name", sa.String, unique=True),
        reference("device_type_id", "device_types"),
        column("machine", sa.String),
        column("emulator", sa.String, nullable=True),
        column("share_machine", sa.Boolean),
        column("local", sa.Boolean),
        column("tags", sa.JSON),
        column("declared", sa.Boolean),
        column("state", sa.String(30)),
        column("health", sa.String(30)),
        column("hold", sa.String(30)),
        column("note", sa.Text),
        column("fence", sa.BigInteger),
        column("seen_at", sa.DateTime(timezone=True), nullable=True),
        column("agent_version", sa.String),
        column("boot_id", sa.String),
        column("snapshot_sha256", sa.String(64), nullable=True),
    )
    op.create_table(
        "recipes",
        number(),
        column("key", sa.String(64), unique=True),
        reference("product_id", "artifacts"),
        column("kind", sa.String(30)),
        column("name", sa.Text),
        column("arch", sa.String(20)),
        column("tool", sa.Text),
        column("tool_sha256", sa.String(64)),
        column("argv", sa.JSON),
        column("wall_s", sa.Float),
        column("made_at", sa.DateTime(timezone=True)),
    )
    index("recipes_of", "recipes", ["product_id"])
    op.create_table(
        "variants",
        number(),
        column("sha256", sa.String(64), unique=True),
        column("inputs_sha256", sa.String(64)),
        reference("runner_id", "artifacts"),
        reference("program_id", "artifacts"),
    )
    op.create_table(
        "artifact_edges",
        reference("recipe_id", "recipes", primary_key=True),
        column("position", sa.Integer, primary_key=True, autoincrement=False),
        reference("child_id", "artifacts"),
        reference("parent_id", "artifacts"),
        column("role", sa.String),
        column("name", sa.Text),
        sqlite_with_rowid=False,
    )
    index("edges_down", "artifact_edges", ["parent_id"])
    index("edges_up", "artifact_edges", ["child_id"])
    op.create_table(
        "case_params",
        reference("case_id", "cases", primary_key=True),
        column("name", sa.String, primary_key=True),
        column("number", sa.Float, nullable=True),
        column("text", sa.Text),
        sqlite_with_rowid=False,
    )
    index("params_by_number", "case_params", ["name", "number", "case_id"])
    index("params_by_text", "case_params", ["name", "text", "case_id"])
    op.create_table(
        "cells",
        number(),
        reference("run_id", "runs"),
        column("position", sa.Integer),
        column("key", sa.String(64)),
        reference("case_id", "cases"),
        reference("mode_id", "modes"),
        reference("device_id", "devices", nullable=True),
        reference("device_type_id", "device_types"),
        column("emulated", sa.Boolean),
        column("blocks", sa.Integer),
        column("warmups", sa.Integer),
        column("repeats", sa.Integer),
        column("timeout_s", sa.Float),
        column("state", sa.String(30)),
        column("block", sa.Integer),
        column("tries", sa.Integer),
        column("outcome", sa.String(30), nullable=True),
        column("reason", sa.Text),
        reference("variant_id", "variants", nullable=True),
        column("assignment", sa.LargeBinary, nullable=True),
    )
    index("cells_by_run", "cells", [sa.text("run_id DESC"), "position"], unique=True)
    index("cells_by_state", "cells", ["run_id", "state"])
    index("ready_cells", "cells", ["device_type_id", "device_id"], where="state = 'ready'")
    op.create_table(
        "series",
        number(),
        column("sha256", sa.String(64), unique=True),
        reference("case_id", "cases"),
        reference("mode_id", "modes"),
        reference("device_id", "devices"),
        column("comparability", sa.String(64)),
        column("inputs_sha256", sa.String(64)),
        column("region", sa.String),
        column("shared", sa.Boolean),
    )
    op.create_table(
        "sessions",
        number(),
        reference("device_id", "devices"),
        column("boot_id", sa.String),
        column("first_seen_at", sa.DateTime(timezone=True)),
        sa.UniqueConstraint("device_id", "boot_id"),
    )
    op.create_table(
        "snapshots",
        number(),
        reference("device_id", "devices"),
        column("sha256", sa.String(64)),
        column("comparability", sa.String(64)),
        column("facts", sa.JSON),
        column("first_seen_at", sa.DateTime(timezone=True)),
        sa.UniqueConstraint("device_id", "sha256"),
    )
    op.create_table(
        "variant_artifacts",
        reference("variant_id", "variants", primary_key=True),
        column("role", sa.Text, primary_key=True),
        reference("artifact_id", "artifacts"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "leases",
        number(),
        reference("device_id", "devices"),
        column("fence", sa.BigInteger),
        reference("device_type_id", "device_types"),
        column("machine", sa.String),
        column("shared", sa.Boolean),
        column("emulator", sa.String, nullable=True),
        reference("snapshot_id", "snapshots", nullable=True),
        column("state", sa.String(30)),
        column("granted_at", sa.DateTime(timezone=True)),
        column("ended_at", sa.DateTime(timezone=True), nullable=True),
        column("reason", sa.Text),
        sa.UniqueConstraint("device_id", "fence"),
    )
    index("held_device", "leases", ["device_id"], unique=True, where="state = 'held'")
    index(
        "held_machine", "leases", ["machine"], unique=True, where="state = 'held' AND NOT shared"
    )
    op.create_table(
        "attempts",
        number(),
        reference("cell_id", "cells"),
        column("block", sa.Integer),
        reference("lease_id", "leases"),
        column("sequence", sa.Integer),
        reference("variant_id", "variants"),
        column("state", sa.String(30)),
        column("cancel_wished", sa.Boolean),
        column("granted_at", sa.DateTime(timezone=True)),
        column("moved_at", sa.DateTime(timezone=True)),
        column("outcome", sa.String(30), nullable=True),
        column("reason", sa.Text),
        column("valid", sa.Boolean, nullable=True),
        column("validity", sa.JSON, nullable=True),
        column("exit_code", sa.Integer, nullable=True),
        column("signal", sa.Integer, nullable=True),
        column("trap", sa.Text, nullable=True),
        column("region", sa.String, nullable=True),
        reference("output_id", "artifacts", nullable=True),
        column("output_truncated", sa.Boolean, nullable=True),
        reference("session_id", "sessions", nullable=True),
        reference("series_id", "series", nullable=True),
        column("runner_started_ns", sa.BigInteger, nullable=True),
        column("runner_ended_ns", sa.BigInteger, nullable=True),
        column("started_at", sa.DateTime(timezone=True), nullable=True),
        column("ended_at", sa.DateTime(timezone=True), nullable=True),
        column("runner_version", sa.String, nullable=True),
        column("adopted", sa.Boolean, nullable=True),
        column("conditions", sa.JSON, nullable=True),
        sa.UniqueConstraint("lease_id", "sequence"),
    )
    index(
        "accepted_once", "attempts", ["cell_id", "block"], unique=True, where="state = 'accepted'"
    )
    index("attempts_of_cell", "attempts", ["cell_id", "state"])
    index(
        "one_open_attempt",
        "attempts",
        ["cell_id"],
        unique=True,
        where="state IN ('granted', 'staging', 'running', 'reported')",
    )
    op.create_table(
        "attempt_logs",
        reference("attempt_id", "attempts", primary_key=True),
        column("kind", sa.String, primary_key=True),
        reference("artifact_id", "artifacts"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "attempt_metrics",
        reference("series_id", "series", primary_key=True),
        reference("metric_id", "metrics", primary_key=True),
        column("granted_at", sa.DateTime(timezone=True), primary_key=True),
        reference("attempt_id", "attempts", primary_key=True),
        reference("variant_id", "variants"),
        column("valid", sa.Boolean),
        column("kept", sa.Integer),
        column("median", sa.Float),
        column("q1", sa.Float),
        column("q3", sa.Float),
        column("minimum", sa.Float),
        column("maximum", sa.Float),
        column("mean", sa.Float),
        column("mad", sa.Float),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "sample_blocks",
        reference("attempt_id", "attempts", primary_key=True),
        reference("metric_id", "metrics", primary_key=True),
        column("data", sa.LargeBinary),
        column("warmups", sa.Integer),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Lose everything."""
    for table in _TABLES[::-1]:
        op.drop_table(table)


def number() -> sa.Column[int]:
    """Make a table's own number."""
    return sa.Column("id", sa.Integer, primary_key=True)


def column(name: str, kind: Any, **options: Any) -> sa.Column[Any]:
    """Make a column that is never empty, if nothing else is said."""
    return sa.Column(name, kind, **{"nullable": False, **options})


def reference(name: str, table: str, **options: Any) -> sa.Column[int]:
    """Point to another table's row."""
    if options.get("primary_key"):
        options["autoincrement"] = False
    where = sa.ForeignKey(f"{table}.id")
    return sa.Column(name, sa.Integer, where, **{"nullable": False, **options})


def index(
    name: str, table: str, columns: Sequence[Any], *, unique: bool = False, where: str = ""
) -> None:
    """Make an index, over a part of the rows where there is a condition."""
    part: dict[str, Any] = {
        f"{db}_where": sa.text(where) for db in ("sqlite", "postgresql") if where
    }
    op.create_index(name, table, columns, unique=unique, **part)
