"""What the farm itself weighs: the orchestrator with two devices, and each agent, after work."""

from __future__ import annotations

import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.farms import FARM, ScratchFarm, scratch_farm
from benchmarks.report import Figure, tell

#: The limit the project sets itself; MB are millions of bytes.
ORCHESTRATOR_LIMIT_MB = 150.0
AGENT_LIMIT_MB = 60.0
_UP_LIMIT_S = 60.0
MATRIX = """\
name: benchmark-memory
workloads: [noop]
modes: [wamr-fast, native]
devices: [local, emu-aarch64]
attempts: 3
warmups: 0
repeats: 3
"""


def main() -> int:
    """Serve two devices, measure noop on both, read each process's peak."""
    with scratch_farm() as farm, _serving(farm) as orchestrator:
        farm.run_matrix(MATRIX)
        figures = [
            Figure(
                "orchestrator, peak",
                _status_mb(orchestrator, "VmHWM"),
                "MB",
                ORCHESTRATOR_LIMIT_MB,
            ),
            Figure("orchestrator, now", _status_mb(orchestrator, "VmRSS"), "MB"),
        ]
        for pid, name in _agents(orchestrator):
            figures += [
                Figure(f"agent {name}, peak", _status_mb(pid, "VmHWM"), "MB", AGENT_LIMIT_MB),
                Figure(f"agent {name}, now", _status_mb(pid, "VmRSS"), "MB"),
            ]
    if len(figures) != 6:
        print(f"FAIL: expected two agents, found {(len(figures) - 2) // 2}")
        return 1
    return tell("resident memory after 12 attempts on two devices", figures)


@contextmanager
def _serving(farm: ScratchFarm) -> Iterator[int]:
    """Run `farm up` for as long as the block lasts; answers its pid."""
    up = subprocess.Popen([FARM, "--farm", farm.folder, "up"], stdin=subprocess.DEVNULL)
    try:
        _wait_for_devices(farm, up)
        yield up.pid
    finally:
        up.terminate()
        up.wait(timeout=_UP_LIMIT_S)


def _wait_for_devices(farm: ScratchFarm, up: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _UP_LIMIT_S
    while time.monotonic() < deadline and up.poll() is None:
        states = {device["state"] for device in farm.read("devices", "list")}
        if states == {"idle"}:
            return
        time.sleep(0.2)
    msg = "the devices did not come up"
    raise RuntimeError(msg)


def _agents(orchestrator: int) -> Iterator[tuple[int, str]]:
    """List the orchestrator's agents: pid, and the device that the agent's configuration names."""
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            status = (folder / "status").read_text(encoding="utf-8")
            argv = (folder / "cmdline").read_text(encoding="utf-8").split("\0")
        except OSError:
            continue  # gone meanwhile
        if f"\nPPid:\t{orchestrator}\n" in status and "agent" in argv and "--config" in argv:
            config = Path(argv[argv.index("--config") + 1]).read_text(encoding="utf-8")
            yield int(folder.name), tomllib.loads(config)["device"]


def _status_mb(pid: int, field: str) -> float:
    """Read a field of /proc/PID/status, which counts in KiB (proc(5))."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024 / 1e6
    msg = f"process {pid} has no {field}"
    raise RuntimeError(msg)


if __name__ == "__main__":
    sys.exit(main())
