"""A farm with a past, made in a moment by the store's own moves: what reading commands read."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from orchestrator.blobs import Blobs
from orchestrator.domain.matrix import Mode, Runtime
from orchestrator.foundation import new_farm
from orchestrator.store.sql import open_store
from protos.states import Outcome
from tests.support import factories as make
from tests.support.storing import Rig

FAST, NATIVE = Mode(Runtime.FAST), Mode(Runtime.NATIVE)
#: What cell 1 printed: bytes that are no text, and some that command a terminal.
PRINTED = b"result \xff\x00\x1b[2J\r\n\xe8\xa1\x8c"
COMPLAINED = b"warning: \x1b]0;owned\x07 slow\n"
#: What the runs were ordered with.
_ORDER = json.dumps({"order": "matrix", "path": "/matrix.yaml", "text": "name: first"})
LOCAL, EMU = make.device("local"), make.emulated("emu-aarch64")


def measured_farm(folder: Path) -> Path:
    """Make a farm with three runs.

    Run 1 is done: cell 1 (gemm, fast) succeeded and printed, cell 2 (gemm, native) succeeded under
    doubt, cell 3 (noop, native, emulated) failed and printed too much, cell 4 is impossible.
    Run 2 is queued: cell 5 waits for local, which is offline. Run 3 is being built.
    """
    config = new_farm(folder)
    store = open_store(config.database_url)
    blobs = Blobs(config.data / "blobs")
    try:
        rig = Rig(store, LOCAL, EMU)
        _first(rig, blobs)
        rig.moment = 1e6
        rig.order(
            make.plan(
                make.cell(make.case(make.workload("gemm")), FAST, LOCAL), name="wait", text=_ORDER
            )
        )
        with rig.transaction() as t:
            for device in store.devices():
                t.move_device(device.device.name, type(device.state).OFFLINE)
        rig.order(make.plan(make.cell(), name="building", text=_ORDER), ready=False)
    finally:
        store.close()
    return folder


def _first(rig: Rig, blobs: Blobs) -> None:
    gemm, noop = make.case(make.workload("gemm")), make.case()
    rig.order(
        make.plan(
            make.cell(gemm, FAST, LOCAL),
            make.cell(gemm, NATIVE, LOCAL),
            make.cell(noop, NATIVE, EMU),
            make.cell(noop, FAST, EMU, impossible="no SIMD there"),
            name="first",
            text=_ORDER,
        )
    )
    told: dict[int, dict[str, Any]] = {
        1: {"measured": make.samples((0.003,), warmups=0)},
        2: {"measured": make.samples((0.001,), warmups=0), "validity": ("busy: others",)},
        3: {"outcome": Outcome.WORKLOAD_FAILED, "reason": "exit code 3"},
    }
    printed = {
        1: {"stdout": PRINTED, "stderr": COMPLAINED},
        3: {"stdout": b"aaaa", "messages": b"no memory\n"},
    }
    for device in ("local", "emu-aarch64"):
        rig.grant(device)
        for attempt in rig.granted(device):
            streams = printed.get(attempt.cell_id, {})
            finished = replace(
                make.finished(attempt, device, **told[attempt.cell_id]),
                output=None,
                output_truncated=attempt.cell_id == 3,
                logs={kind: blobs.put_bytes(data) for kind, data in streams.items()},
            )
            with rig.transaction() as t:
                t.accept(finished, retries=0, now=rig.now())
