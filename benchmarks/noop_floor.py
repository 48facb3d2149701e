"""The noise floor: what the runner costs, from its start as a process to its `end` event."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from benchmarks.farms import scratch_farm
from benchmarks.report import Figure, tell
from orchestrator.blobs import Blobs
from orchestrator.config import load_config

ROUNDS = 50
#: The limit the project sets itself: noop, fast interpreter.
LIMIT_MS = 10.0
MATRIX = """\
name: benchmark-noop
workloads: [noop]
modes: [wamr-fast]
devices: [local]
attempts: 1
warmups: 0
repeats: 1
"""


def main() -> int:
    """Have the farm build runner and module, then start them by hand, one run each."""
    with scratch_farm() as farm, tempfile.TemporaryDirectory(prefix="farm-benchmark-") as scratch:
        (result,) = farm.run_matrix(MATRIX)
        blobs = Blobs(load_config(farm.folder).data / "blobs")
        runner = _executable(blobs.path(result["runtime"]), Path(scratch))
        module = blobs.path(result["artifact"])
        times_ms = [_start_to_end_ms(runner, module, Path(scratch)) for _ in range(ROUNDS)]
    return tell(
        f"noop, wamr-fast, process start to end event, {ROUNDS} runs",
        [
            Figure("fastest", min(times_ms), "ms"),
            Figure("median", median(times_ms), "ms", LIMIT_MS),
            Figure("95 of 100", quantiles(times_ms, n=20)[-1], "ms"),
        ],
    )


def _executable(blob: Path, folder: Path) -> Path:
    """Copy a read-only blob to where it may be started."""
    copy = folder / "farm-runner"
    copy.write_bytes(blob.read_bytes())
    copy.chmod(0o755)
    return copy


def _start_to_end_ms(runner: Path, module: Path, folder: Path) -> float:
    events = folder / "events"
    events.unlink(missing_ok=True)
    argv: list[str | Path] = [runner, "run", "--events", events, "--stdout", folder / "out"]
    argv += ["--stderr", folder / "err", "--messages", folder / "messages", "--name", "noop"]
    argv += ["--cwd", folder, "--repeats", "1", "--", module]
    begin_ns = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    subprocess.run(argv, check=True, timeout=60, stdin=subprocess.DEVNULL)
    end = _last_event(events)
    if end.get("event") != "end" or end["exit_code"] != 0:
        msg = f"the run did not end well: {end}"
        raise RuntimeError(msg)
    return float(end["monotonic_ns"] - begin_ns) / 1e6


def _last_event(events: Path) -> dict[str, Any]:
    event: dict[str, Any] = json.loads(events.read_text(encoding="utf-8").splitlines()[-1])
    return event


if __name__ == "__main__":
    sys.exit(main())
