"""Documents of what the farm knows, as ``--json`` prints them; pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from orchestrator.care.doctor import Finding
from orchestrator.domain.artifact import Digest, Provenance
from orchestrator.domain.attempt import Finished, Sample
from orchestrator.domain.device import Device, DeviceStatus
from orchestrator.domain.matrix import CellPlan
from orchestrator.domain.order import BuildProgress
from orchestrator.domain.run import CellResult, Run
from orchestrator.domain.workload import Workload
from orchestrator.explanations import Explanation
from orchestrator.files.wasm import read_proposals
from orchestrator.files.wasmtypes import Proposal
from orchestrator.results.stats import summarize
from orchestrator.store.base import AttemptRecord

Document = dict[str, Any]


def result_document(result: CellResult) -> Document:
    """Write one cell as ``farm results list --json`` does, by the design's section 9."""
    return {
        "run_id": result.run_id,
        "cell_id": result.cell_id,
        "workload": result.workload,
        "case": dict(result.case),
        "mode": result.mode,
        "options": dict(result.options),
        "device": result.device,
        "device_type": result.device_type,
        "arch": result.arch,
        "emulated": result.emulated,
        "outcome": None if result.outcome is None else result.outcome.value,
        "reason": result.reason,
        "validity": list(result.validity),
        "attempts": result.attempts,
        "execute_s": execute_document(result),
        "load_s": result.load_s,
        "instantiate_s": result.instantiate_s,
        "peak_memory_bytes": result.peak_memory_bytes,
        "artifact": result.artifact,
        "runtime": result.runtime,
        "output_digest": result.output_digest,
        "started_at": instant(result.started_at),
    }


#: Names of what ``result_record`` writes.
RESULT_RECORD = (
    "run_id",
    "cell_id",
    "workload",
    "case",
    "mode",
    "device",
    "device_type",
    "arch",
    "emulated",
    "state",
    "outcome",
    "reason",
    "validity",
    "attempts",
    "execute_median_s",
    "execute_q1_s",
    "execute_q3_s",
    "samples",
    "region",
    "load_s",
    "instantiate_s",
    "peak_memory_bytes",
    "artifact",
    "runtime",
    "output_digest",
    "started_at",
)


def result_record(result: CellResult) -> tuple[Any, ...]:
    """Write one cell flat, as ``farm results list --csv`` does; what is absent is empty."""
    return (
        result.run_id,
        result.cell_id,
        result.workload,
        json.dumps(dict(result.case), ensure_ascii=False),
        result.mode,
        result.device,
        result.device_type,
        result.arch,
        str(result.emulated).lower(),
        result.state.value,
        None if result.outcome is None else result.outcome.value,
        result.reason,
        "; ".join(result.validity),
        result.attempts,
        *quartiles(result.execute_s),
        result.samples,
        result.region,
        result.load_s,
        result.instantiate_s,
        result.peak_memory_bytes,
        result.artifact,
        result.runtime,
        result.output_digest,
        instant(result.started_at),
    )


def explanation_document(explained: Explanation) -> Document:
    """Write what is to be said of a cell as ``farm explain --json`` does."""
    cell = explained.cell
    return {
        "cell_id": cell.cell_id,
        "workload": cell.workload,
        "case": dict(cell.case),
        "mode": cell.mode,
        "device": cell.device,
        "device_type": cell.device_type,
        "emulated": cell.emulated,
        "state": cell.state.value,
        "outcome": None if cell.outcome is None else cell.outcome.value,
        "why": list(explained.why),
    }


def execute_document(result: CellResult) -> Document:
    """Summarize the medians of a cell's attempts, in seconds; the attempt is the unit (D6)."""
    median, q1, q3 = quartiles(result.execute_s)
    return {
        "median": median,
        "q1": q1,
        "q3": q3,
        "samples": result.samples,
        "region": result.region,
    }


def quartiles(values: Sequence[float]) -> tuple[float | None, float | None, float | None]:
    """Answer median, lower and upper quartile; None of no value."""
    found = summarize(values)
    return (found.median, found.q1, found.q3) if found else (None, None, None)


def run_document(run: Run) -> Document:
    """Write a run as ``farm runs list --json`` does."""
    return {
        "run_id": run.run_id,
        "name": run.name,
        "state": run.state.value,
        "created_at": instant(run.created_at),
        "finished_at": instant(run.finished_at),
        "priority": run.priority,
        "cells": {state.value: count for state, count in run.cells.items() if count},
        "error": run.error,
    }


#: Names of what ``run_record`` writes.
RUN_RECORD = ("run_id", "name", "state", "cells", "created_at", "finished_at", "priority", "error")


def run_record(run: Run) -> tuple[Any, ...]:
    """Write a run flat, as ``farm runs list --csv`` does."""
    return (
        run.run_id,
        run.name,
        run.state.value,
        run.size,
        instant(run.created_at),
        instant(run.finished_at),
        run.priority,
        run.error,
    )


def order_document(text: str) -> Document:
    """Write what a run was ordered with, as ``farm runs show --json`` does."""
    document: Document = json.loads(text)
    return document


def device_document(status: DeviceStatus) -> Document:
    """Write a device as ``farm devices list --json`` does."""
    device = status.device
    return {
        "device": device.name,
        "device_type": device.type.name,
        "arch": device.type.arch.value,
        "cpu": device.type.cpu,
        "os_bits": device.type.os_bits,
        "machine": device.machine,
        "emulated": device.emulated,
        "emulator": device.emulator,
        "share_machine": device.share_machine,
        "tags": list(device.tags),
        "state": status.state.value,
        "health": status.health.value,
        "hold": status.hold.value,
        "note": status.note,
        "fence": status.fence,
        "seen_at": instant(status.seen_at),
        "agent_version": status.agent_version,
    }


def cell_document(
    result: CellResult,
    attempts: Sequence[tuple[AttemptRecord, Sequence[Sample]]],
    made: Sequence[Provenance],
) -> Document:
    """Write one cell whole, as ``farm results show --json`` does."""
    return {
        **result_document(result),
        "state": result.state.value,
        "attempts_detail": [attempt_document(attempt, samples) for attempt, samples in attempts],
        "provenance": [provenance_document(edge) for edge in made],
    }


def attempt_document(attempt: AttemptRecord, samples: Sequence[Sample]) -> Document:
    """Write one attempt with its raw samples, as ``farm results show --json`` does."""
    return {
        "attempt_id": attempt.attempt_id,
        "block": attempt.block,
        "device": attempt.device,
        "machine": attempt.machine,
        "lease_id": attempt.lease_id,
        "fence": attempt.fence,
        "sequence": attempt.sequence,
        "state": attempt.state.value,
        "granted_at": instant(attempt.granted_at),
        "finished": None if attempt.finished is None else _finished(attempt.finished),
        "samples": [asdict(sample) for sample in samples],
    }


def files_document(attempt_id: int, files: Mapping[str, Digest]) -> Document:
    """Write what an attempt left, as ``farm results files --json`` does."""
    return {"attempt_id": attempt_id, "files": _files(files)}


def _files(files: Mapping[str, Digest]) -> list[Document]:
    return [{"path": path, **asdict(digest)} for path, digest in files.items()]


def provenance_document(made: Provenance) -> Document:
    """Write how an artifact was made."""
    product = made.product
    return {
        "key": made.key,
        "product": {
            "sha256": product.digest.sha256,
            "size_bytes": product.digest.size_bytes,
            "kind": product.kind.value,
            "name": product.name,
            "arch": product.arch,
        },
        "tool": made.tool,
        "tool_sha256": made.tool_sha256,
        "argv": list(made.argv),
        "ingredients": [
            {"role": i.role, "name": i.name, **asdict(i.digest)} for i in made.ingredients
        ],
        "wall_s": made.wall_s,
        "made_at": instant(made.made_at),
    }


def instant(moment: datetime | None) -> str | None:
    """Write an instant as ISO 8601 in UTC."""
    return None if moment is None else moment.astimezone(UTC).isoformat()


def _finished(finished: Finished) -> Document:
    return {
        "outcome": finished.outcome.value,
        "reason": finished.reason,
        "validity": list(finished.validity),
        "exit_code": finished.exit_code,
        "signal": finished.signal,
        "trap": finished.trap,
        "region": finished.region,
        "numbers": dict(finished.numbers),
        "output": None if finished.output is None else asdict(finished.output),
        "output_truncated": finished.output_truncated,
        "files": _files(finished.files),
        "boot_id": finished.boot_id,
        "runner_started_ns": finished.runner_started_ns,
        "runner_ended_ns": finished.runner_ended_ns,
        "started_at": instant(finished.started_at),
        "ended_at": instant(finished.ended_at),
        "runner_version": finished.runner_version,
        "adopted": finished.adopted,
        "conditions": {when: dict(values) for when, values in finished.conditions.items()},
    }


def workload_document(workload: Workload) -> Document:
    """Write a workload as ``farm workloads list --json`` does."""
    program = workload.module or workload.program
    return {
        "workload": workload.name,
        "description": workload.description,
        "folder": str(workload.folder),
        "sources": list(workload.sources),
        "program": None if program is None else str(program),
        "proposals": None if workload.module is None else proposals(workload.module),
        "parameters": {
            p.name: {"default": p.default, "values": list(p.values)} for p in workload.parameters
        },
        "arguments": list(workload.arguments),
        "environment": dict(workload.environment),
        "kernels": {name: list(variants) for name, variants in workload.kernels.items()},
        "flags": list(workload.flags),
        "outputs": list(workload.outputs),
        "output": workload.checker and asdict(workload.checker),
        "limits": asdict(workload.limits),
    }


def proposals(module: Path) -> list[str]:
    """Name what a module needs beyond WebAssembly 1.0.

    Raises:
        WorkloadFileError: it cannot be read.
    """
    needed = read_proposals(module)
    return [one.value for one in Proposal if one in needed]


def build_document(progress: BuildProgress) -> Document:
    """Write a build as ``farm build --json`` does."""
    return {"steps": [asdict(step) for step in progress.steps], "error": progress.error}


def finding_document(finding: Finding) -> Document:
    """Write what was found of one need as ``farm doctor --json`` does."""
    return {**asdict(finding), "present": finding.present}


def takers(cell: CellPlan, devices: Sequence[Device]) -> list[str]:
    """Name the devices that could take a cell."""
    if cell.impossible:
        return []
    return [
        device.name
        for device in devices
        if device.type == cell.device_type and cell.device_name in {None, device.name}
    ]


def plan_document(cell: CellPlan, devices: Sequence[Device]) -> Document:
    """Write a planned cell as ``farm plan --json`` does."""
    return {
        "key": cell.key,
        "workload": cell.case.workload.name,
        "case": dict(cell.case.parameters),
        "mode": cell.mode.label,
        "options": cell.mode.options,
        "device": cell.device_name,
        "device_type": cell.device_type.name,
        "arch": cell.device_type.arch.value,
        **asdict(cell.counts),
        "timeout_s": cell.timeout_s,
        "devices": takers(cell, devices),
        "impossible": cell.impossible,
    }
