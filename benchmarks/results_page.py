"""How long a reader waits: the first page of `farm results list` over 10,000 results."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from benchmarks.farms import FARM, ScratchFarm, scratch_farm, user_environment
from benchmarks.report import Figure, tell
from orchestrator.config import load_config
from orchestrator.domain.matrix import BEST_KERNELS, Mode, Runtime
from orchestrator.store.base import CellOrder, ResultFilter, Store
from orchestrator.store.sql import open_store
from protos.states import RunState
from tests.support import factories as make

RUNS = 100
#: A hundred cells a run: twenty cases in five modes.
CASES = 20
MODES = (
    Mode(Runtime.CLASSIC),
    Mode(Runtime.FAST),
    Mode(Runtime.AOT),
    Mode(Runtime.AOT, kernels=BEST_KERNELS),
    Mode(Runtime.NATIVE),
)
ROUNDS = 7
#: The limit the project sets itself; python's start included.
LIMIT_S = 0.5


def main() -> int:
    """Fill a farm's database by the store's own moves, then call the command as a person does."""
    with scratch_farm() as farm:
        store = open_store(load_config(farm.folder).database_url)
        try:
            for number in range(RUNS):
                _measure_a_run(store, number)
            found = store.count_results(ResultFilter())
        finally:
            store.close()
        _page_s(farm)  # leaves python's compiled modules, as any call before this one would
        begun = os.times()
        times_s = [_page_s(farm) for _ in range(ROUNDS)]
        ended = os.times()
    used_s = ended.children_user + ended.children_system
    used_s -= begun.children_user + begun.children_system
    return tell(
        f"farm results list, first page, {ROUNDS} calls",
        [
            Figure("results in the database", found, "cells", direction="none"),
            Figure("fastest", min(times_s), "s"),
            Figure("median", median(times_s), "s", LIMIT_S),
            # What a busy machine changes least.
            Figure("processor time, mean", used_s / ROUNDS, "s"),
        ],
    )


def _measure_a_run(store: Store, number: int) -> None:
    """Order, lease, report and accept one run of made-up numbers."""
    device = make.device()
    sizes = tuple(str(size) for size in range(CASES))
    workload = make.workload("made-up", sizes=sizes)
    cases = [make.case(workload, size=size) for size in sizes]
    plan = make.product(cases, MODES, [device])
    program = make.artifact(f"program {number}")
    order = CellOrder(b"", program.digest.sha256, program.digest.sha256)
    with store.transaction() as writing:
        writing.declare_devices([device])
        writing.record_artifact(program)
        run_id = writing.create_run(plan, make.NOW)
    with store.transaction() as writing:
        for row in store.cells(run_id):
            writing.ready_cell(row.cell_id, order)
        writing.move_run(run_id, RunState.QUEUED, make.NOW)
    with store.transaction() as writing:
        writing.see_device(device.name, make.NOW, agent_version="1", boot_id="1")
    slots = store.ready_slots(device.name)
    with store.transaction() as writing:
        lease = writing.grant(device.name, slots, make.NOW)
    with store.transaction() as writing:
        for attempt in store.lease_attempts(lease.lease_id):
            writing.accept(make.finished(attempt, device.name), retries=0, now=make.later(2))


def _page_s(farm: ScratchFarm) -> float:
    argv: list[str | Path] = [FARM, "--farm", farm.folder, "results", "list"]
    environment = user_environment()
    silent = subprocess.DEVNULL
    begin = time.perf_counter()
    subprocess.run(argv, check=True, env=environment, stdout=silent, stderr=silent)
    return time.perf_counter() - begin


if __name__ == "__main__":
    sys.exit(main())
