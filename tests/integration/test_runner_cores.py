"""The runner and the cores of the machine: pinned to one, waiting for one, missing one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.domain.device import Arch
from orchestrator.domain.matrix import Mode, Runtime
from tests.support import native
from tests.support.native import CONDUCT, measure
from tests.support.waiting import wait_until

#: A cold cache builds WAMR first.
pytestmark = [pytest.mark.toolchain, pytest.mark.timeout(1200)]

MODES = {"fast": Mode(Runtime.FAST), "native": Mode(Runtime.NATIVE)}
#: Whoever reads this file has had a turn on a core, so 0 turns: they are not counted.
counted = pytest.mark.skipif(
    Path("/proc/thread-self/schedstat").read_text().split()[2:] == ["0"]
    if Path("/proc/thread-self/schedstat").exists()
    else True,
    reason="this kernel does not count how long threads wait for a core",
)


def test_pinned_to_a_core(tmp_path: Path) -> None:
    """A pinned program runs on its core and the supervisor keeps off it."""
    elf = native.build(CONDUCT, MODES["native"], Arch.X86_64)
    token = f"{tmp_path.name}{os.getpid()}"
    cores = sorted(os.sched_getaffinity(0))
    attempt = native.start(elf, tmp_path, ["spin"], options={"cpu": cores[0]}, token=token)
    try:
        wait_until(lambda: len(native.marked(token)) == 2, "the program never started")
        (program,) = [pid for pid in native.marked(token) if pid != attempt.process.pid]
        assert os.sched_getaffinity(program) == {cores[0]}
        assert os.sched_getaffinity(attempt.process.pid) == (set(cores[1:]) or {cores[0]})
    finally:
        attempt.process.terminate()
        attempt.wait()
    assert attempt.one("start")["cpu"] == cores[0]


@counted
@pytest.mark.parametrize("mode", ["fast", "native"])
def test_waiting_for_a_shared_core_is_told(tmp_path: Path, mode: str) -> None:
    """What a program lost beside another one on its core is in its repeats, and no more."""
    program = native.build(CONDUCT, MODES[mode], Arch.X86_64)
    (core, *_) = sorted(os.sched_getaffinity(0))
    neighbour = _keep_busy(core)
    try:
        attempt = measure(program, tmp_path, "mark", "50", warmups=0, repeats=2, cpu=core)
    finally:
        neighbour.kill()
        neighbour.wait()
    for repeat in attempt.all("repeat"):
        assert 0 < repeat["waited_ns"] < repeat["ns"]


def _keep_busy(core: int) -> subprocess.Popen[bytes]:
    """A neighbour that computes on a core once this returns."""
    code = f"import os; os.sched_setaffinity(0, {{{core}}}); print(flush=True)\nwhile True: pass"
    words = [sys.executable, "-c", code]
    neighbour = subprocess.Popen(words, stdout=subprocess.PIPE, start_new_session=True)
    assert neighbour.stdout is not None
    with neighbour.stdout as told:
        told.readline()
    return neighbour


@counted
@pytest.mark.parametrize("how", ["share", "share-by-thread"])
def test_waiting_for_oneself_is_not_waiting(tmp_path: Path, how: str) -> None:
    """What a program's own threads and children use of its core is never laid to others: used and
    waited for, a core has no more time than passed.
    """
    program = native.build(CONDUCT, MODES["native"], Arch.X86_64)
    (core, *_) = sorted(os.sched_getaffinity(0))
    attempt = measure(program, tmp_path, how, "300", warmups=0, repeats=1, cpu=core)
    (repeat,), usage = attempt.all("repeat"), attempt.one("usage")
    used_ns = 1000 * (usage["user_us"] + usage["system_us"])
    assert used_ns + repeat["waited_ns"] < 1.1 * repeat["ns"]


def test_missing_core_is_told(tmp_path: Path) -> None:
    """A core that the machine does not have ends the attempt before the program starts."""
    elf = native.build(CONDUCT, MODES["native"], Arch.X86_64)
    attempt = measure(elf, tmp_path, "exit", "0", cpu=1000)
    assert attempt.code == 3
    assert attempt.one("end")["stage"] == "start"
    assert "core" in attempt.one("end")["message"]
