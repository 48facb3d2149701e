"""What was ordered: workloads with their cases, modes, runs and their cells."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from orchestrator.domain.matrix import Runtime
from orchestrator.store.columns import Instant, key, metadata, reference, sha256, words
from protos.states import CellState, Outcome, RunState

workloads = Table(
    "workloads",
    metadata,
    key(),
    Column("name", String, nullable=False),
    # Over what a workload does besides its bytes: arguments, environment, input.
    sha256("sha256"),
    Column("definition", JSON, nullable=False),
    UniqueConstraint("name", "sha256"),
)

cases = Table(
    "cases",
    metadata,
    key(),
    reference("workload_id", "workloads"),
    sha256("sha256"),
    Column("parameters", JSON, nullable=False),
    UniqueConstraint("workload_id", "sha256"),
)

case_params = Table(
    "case_params",
    metadata,
    reference("case_id", "cases", primary_key=True),
    Column("name", String, primary_key=True),
    Column("number", Float),
    Column("text", Text, nullable=False),
    sqlite_with_rowid=False,
)
Index("params_by_number", case_params.c.name, case_params.c.number, case_params.c.case_id)
Index("params_by_text", case_params.c.name, case_params.c.text, case_params.c.case_id)

modes = Table(
    "modes",
    metadata,
    key(),
    Column("runtime", words(Runtime), nullable=False),
    sha256("sha256"),
    Column("options", JSON, nullable=False),
    Column("label", Text, nullable=False),
    UniqueConstraint("runtime", "sha256"),
)

runs = Table(
    "runs",
    metadata,
    key(),
    Column("name", String, nullable=False),
    Column("spec", Text, nullable=False),
    Column("state", words(RunState), nullable=False),
    Column("priority", Integer, nullable=False),
    # The user wants it over; it is once its leased cells are settled.
    Column("cancel_wished", Boolean, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("finished_at", Instant),
    Column("error", Text, nullable=False),
)

cells = Table(
    "cells",
    metadata,
    key(),
    reference("run_id", "runs"),
    Column("position", Integer, nullable=False),
    sha256("key"),
    reference("case_id", "cases"),
    reference("mode_id", "modes"),
    reference("device_id", "devices", nullable=True),
    reference("device_type_id", "device_types"),
    Column("emulated", Boolean, nullable=False),
    Column("blocks", Integer, nullable=False),
    Column("warmups", Integer, nullable=False),
    Column("repeats", Integer, nullable=False),
    Column("timeout_s", Float, nullable=False),
    Column("state", words(CellState), nullable=False),
    # The lowest block without an accepted attempt, and the tries it has had.
    Column("block", Integer, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("outcome", words(Outcome)),
    Column("reason", Text, nullable=False),
    reference("variant_id", "variants", nullable=True),
    Column("assignment", LargeBinary),
)
# A page of results, newest run first; the last one counts a run's cells without touching them.
Index("cells_by_run", cells.c.run_id.desc(), cells.c.position, unique=True)
Index("cells_by_state", cells.c.run_id, cells.c.state)
_ready = text("state = 'ready'")
Index(
    "ready_cells",
    cells.c.device_type_id,
    cells.c.device_id,
    sqlite_where=_ready,
)
