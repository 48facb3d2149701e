"""What happened and what it gave: attempts, raw samples, and their summaries by series."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
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

from orchestrator.store.columns import Instant, key, metadata, reference, sha256, words
from protos.states import AttemptState, Outcome

series = Table(
    "series",
    metadata,
    key(),
    # Over all that follows: what may stand on one line of a chart.
    sha256("sha256", unique=True),
    reference("case_id", "cases"),
    reference("mode_id", "modes"),
    reference("device_id", "devices"),
    sha256("comparability"),
    sha256("inputs_sha256"),
    Column("region", String, nullable=False),
    Column("shared", Boolean, nullable=False),
)

attempts = Table(
    "attempts",
    metadata,
    key(),
    reference("cell_id", "cells"),
    Column("block", Integer, nullable=False),
    reference("lease_id", "leases"),
    Column("sequence", Integer, nullable=False),
    reference("variant_id", "variants"),
    Column("state", words(AttemptState), nullable=False),
    Column("cancel_wished", Boolean, nullable=False),
    Column("granted_at", Instant, nullable=False),
    # When the state last changed.
    Column("moved_at", Instant, nullable=False),
    # The report, empty until there is one.
    Column("outcome", words(Outcome)),
    Column("reason", Text, nullable=False),
    Column("valid", Boolean),
    Column("validity", JSON),
    Column("exit_code", Integer),
    Column("signal", Integer),
    Column("trap", Text),
    Column("region", String),
    reference("output_id", "artifacts", nullable=True),
    Column("output_truncated", Boolean),
    reference("session_id", "sessions", nullable=True),
    reference("series_id", "series", nullable=True),
    # The device's clock since that boot: what proves that two attempts did not overlap.
    Column("runner_started_ns", BigInteger),
    Column("runner_ended_ns", BigInteger),
    # The device's wall clock, which may be wrong.
    Column("started_at", Instant),
    Column("ended_at", Instant),
    Column("runner_version", String),
    Column("adopted", Boolean),
    Column("conditions", JSON),
    UniqueConstraint("lease_id", "sequence"),
)
Index("attempts_of_cell", attempts.c.cell_id, attempts.c.state)
_accepted = text("state = 'accepted'")
_open = text("state IN ('granted', 'staging', 'running', 'reported')")
Index(
    "accepted_once",
    attempts.c.cell_id,
    attempts.c.block,
    unique=True,
    sqlite_where=_accepted,
)
Index(
    "one_open_attempt",
    attempts.c.cell_id,
    unique=True,
    sqlite_where=_open,
)

attempt_logs = Table(
    "attempt_logs",
    metadata,
    reference("attempt_id", "attempts", primary_key=True),
    # ``stdout``, ``stderr``, ``messages``.
    Column("kind", String, primary_key=True),
    reference("artifact_id", "artifacts"),
    sqlite_with_rowid=False,
)

# Files the program left, by their paths in its working folder.
attempt_files = Table(
    "attempt_files",
    metadata,
    reference("attempt_id", "attempts", primary_key=True),
    Column("path", Text, primary_key=True),
    reference("artifact_id", "artifacts"),
    sqlite_with_rowid=False,
)

metrics = Table(
    "metrics",
    metadata,
    key(),
    # ``load``, ``instantiate``, ``execute``; ``total``: a number of the whole attempt.
    Column("phase", String, nullable=False),
    Column("name", String, nullable=False),
    Column("unit", String, nullable=False),
    # -1: less is better, 1: more is better, 0: neither.
    Column("direction", Integer, nullable=False),
    UniqueConstraint("phase", "name"),
)

sample_blocks = Table(
    "sample_blocks",
    metadata,
    reference("attempt_id", "attempts", primary_key=True),
    reference("metric_id", "metrics", primary_key=True),
    # Little-endian IEEE 754 doubles, warmups first.
    Column("data", LargeBinary, nullable=False),
    Column("warmups", Integer, nullable=False),
    sqlite_with_rowid=False,
)

attempt_metrics = Table(
    "attempt_metrics",
    metadata,
    # The order of the key is the history index: one chart is one range.
    reference("series_id", "series", primary_key=True),
    reference("metric_id", "metrics", primary_key=True),
    Column("granted_at", Instant, primary_key=True),
    reference("attempt_id", "attempts", primary_key=True),
    # Repeated here so that a chart needs no join.
    reference("variant_id", "variants"),
    Column("valid", Boolean, nullable=False),
    # Finite repeats that were kept, of which the rest is made.
    Column("kept", Integer, nullable=False),
    Column("median", Float, nullable=False),
    Column("q1", Float, nullable=False),
    Column("q3", Float, nullable=False),
    Column("minimum", Float, nullable=False),
    Column("maximum", Float, nullable=False),
    Column("mean", Float, nullable=False),
    Column("mad", Float, nullable=False),
    sqlite_with_rowid=False,
)
