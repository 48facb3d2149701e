"""The tables of the farm in SQL, the same on SQLite and PostgreSQL.

Three rules: everything that ran is named by its digest; columns of identity decide what may be
compared, columns of information never do; raw samples are immutable, and what is derived from
them can be made again.

What was ordered: ``runs`` of ``cells`` (case, mode, device or type). What happened: ``leases`` of
``attempts``. What it gave: ``sample_blocks``, raw little-endian doubles, and ``attempt_metrics``,
their summary laid out in the order of a chart (series, metric, time). What ran: ``variants`` of
``artifacts``, and how those were made: ``recipes`` with ``artifact_edges`` to their ingredients.

Indexes over a part of a table name the part for SQLite only: naming it for PostgreSQL too would
load that dialect whenever a command starts (50 ms). The migrations make them and name it for both.

For people there are three views (``views.py``): ``result``, one row per cell; ``attempt``, one
row per attempt; and ``made``, one row per ingredient of every product.
"""

from __future__ import annotations

from orchestrator.store.columns import metadata
from orchestrator.store.tables.built import (
    artifact_edges,
    artifacts,
    recipes,
    variant_artifacts,
    variants,
)
from orchestrator.store.tables.farm import farm
from orchestrator.store.tables.fleet import device_types, devices, leases, sessions, snapshots
from orchestrator.store.tables.measured import (
    attempt_files,
    attempt_logs,
    attempt_metrics,
    attempts,
    metrics,
    sample_blocks,
    series,
)
from orchestrator.store.tables.ordered import case_params, cases, cells, modes, runs, workloads

__all__ = [
    "artifact_edges",
    "artifacts",
    "attempt_files",
    "attempt_logs",
    "attempt_metrics",
    "attempts",
    "case_params",
    "cases",
    "cells",
    "device_types",
    "devices",
    "farm",
    "leases",
    "metadata",
    "metrics",
    "modes",
    "recipes",
    "runs",
    "sample_blocks",
    "series",
    "sessions",
    "snapshots",
    "variant_artifacts",
    "variants",
    "workloads",
]
