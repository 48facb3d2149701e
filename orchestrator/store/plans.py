"""Plans in SQL: what a matrix names (workloads, cases, modes, types) interned, and its cells."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from typing import Any

from sqlalchemy import select

from orchestrator.domain.device import Device, DeviceType
from orchestrator.domain.matrix import CellPlan, Mode
from orchestrator.domain.workload import Case, Value, Workload
from orchestrator.store import tables as t
from orchestrator.store.database import Database
from orchestrator.store.devices import device_row, intern_device_type
from protos.states import CellState, Outcome


class Planner:
    """Turns the cells of one plan into rows, looking up what they share once."""

    def __init__(self, database: Database) -> None:
        self._db = database
        self._cases: dict[tuple[str, Any], int] = {}
        self._modes: dict[Mode, int] = {}
        self._targets: dict[Device | DeviceType, dict[str, Any]] = {}

    def row(self, run_id: int, position: int, cell: CellPlan) -> dict[str, Any]:
        """Answer a cell's row.

        Raises:
            NotFound: its device is not declared.
        """
        impossible = bool(cell.impossible)
        return {
            "run_id": run_id,
            "position": position,
            "key": cell.key,
            "case_id": self._case(cell.case),
            "mode_id": self._mode(cell.mode),
            **self._target(cell.target),
            "blocks": cell.counts.attempts,
            "warmups": cell.counts.warmups,
            "repeats": cell.counts.repeats,
            "timeout_s": cell.timeout_s,
            "state": CellState.IMPOSSIBLE if impossible else CellState.WAITING,
            "block": 0,
            "tries": 0,
            "outcome": Outcome.UNSUPPORTED if impossible else None,
            "reason": cell.impossible,
        }

    def _case(self, case: Case) -> int:
        known = (case.workload.name, case.parameters)
        if known not in self._cases:
            self._cases[known] = intern_case(self._db, case)
        return self._cases[known]

    def _mode(self, mode: Mode) -> int:
        if mode not in self._modes:
            key = {"runtime": mode.runtime, "sha256": _sha256(mode.options)}
            self._modes[mode] = self._db.intern(
                t.modes, key, options=mode.options, label=mode.label
            )
        return self._modes[mode]

    def _target(self, target: Device | DeviceType) -> dict[str, Any]:
        if target not in self._targets:
            self._targets[target] = self._find_target(target)
        return self._targets[target]

    def _find_target(self, target: Device | DeviceType) -> dict[str, Any]:
        if isinstance(target, Device):
            return {
                "device_id": device_row(self._db, target.name).id,
                "device_type_id": intern_device_type(self._db, target.type),
                "emulated": target.emulated,
            }
        type_id = intern_device_type(self._db, target)
        members = self._db.execute(
            select(t.devices.c.emulator).where(t.devices.c.device_type_id == type_id)
        ).all()
        emulated = bool(members) and all(one.emulator is not None for one in members)
        return {"device_id": None, "device_type_id": type_id, "emulated": emulated}


def intern_case(database: Database, case: Case) -> int:
    """Answer the number of a workload with its parameters fixed."""
    parameters = dict(case.parameters)
    key = {
        "workload_id": _intern_workload(database, case.workload),
        "sha256": _sha256(parameters),
    }
    found = database.execute(
        select(t.cases.c.id).where(*(t.cases.c[name] == value for name, value in key.items()))
    ).scalar()
    if found is not None:
        return int(found)
    number = database.insert(t.cases, {**key, "parameters": parameters})
    rows = [_parameter(number, name, value) for name, value in parameters.items()]
    if rows:
        database.execute(t.case_params.insert(), rows)
    return number


def _intern_workload(database: Database, workload: Workload) -> int:
    return database.intern(
        t.workloads,
        {"name": workload.name, "sha256": _sha256(_conduct(workload))},
        definition=_definition(workload),
    )


def _conduct(workload: Workload) -> dict[str, Any]:
    """What is measured besides the program's bytes, which each attempt's variant names."""
    return {
        "arguments": workload.arguments,
        "environment": dict(workload.environment),
        "stdin": workload.stdin is not None,
        "grants": sorted(grant.guest for grant in workload.grants),
    }


def _definition(workload: Workload) -> dict[str, Any]:
    """Everything a workload says of itself, for people, without this machine's paths."""
    return {
        **_conduct(workload),
        "description": workload.description,
        "sources": workload.sources,
        "module": workload.module and workload.module.name,
        "program": workload.program and workload.program.name,
        "parameters": [asdict(one) for one in workload.parameters],
        "kernels": dict(workload.kernels),
        "flags": workload.flags,
        "outputs": workload.outputs,
        "checker": workload.checker and asdict(workload.checker),
        "expected_stderr": workload.expected_stderr and workload.expected_stderr.name,
        "limits": asdict(workload.limits),
    }


def _parameter(case_id: int, name: str, value: Value) -> dict[str, Any]:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    number = None if isinstance(value, str) else float(value)
    return {"case_id": case_id, "name": name, "number": number, "text": text}


def _sha256(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
