"""A process that stands still for longer than a lease: the run ends complete, nothing twice."""

from __future__ import annotations

import json
import os
import signal
import threading
from pathlib import Path

import pytest

from tests.support.commands import farm, started
from tests.support.situations import NATIVE, is_whole, new_farm
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.toolchain, pytest.mark.slow, pytest.mark.timeout(300)]

#: Lease and grace together, and how long one stands still.
RULES = "lease_s = 1\ngrace_s = 1\n"
STILL_S = 4.0
SLOW = """\
#include <stdio.h>
#include <time.h>
int main(void) {
    struct timespec a, b;
    clock_gettime(CLOCK_MONOTONIC, &a);
    do clock_gettime(CLOCK_MONOTONIC, &b); while (b.tv_sec - a.tv_sec < 3);
    return puts("slow") < 0;
}
"""


@pytest.mark.parametrize("who", ["orchestrator", "agent", "runner"])
def test_a_run_outlives_a_pause(who: str, tmp_path: Path) -> None:
    """Whoever stood still: each block has one result that counts, and no process stays."""
    home = new_farm(tmp_path / "farm")
    (home / "slow.c").write_text(SLOW)
    with (home / "farm.toml").open("a") as file:
        file.write(RULES)
    with started("run", "slow.c", *NATIVE, "--attempts", "2", cwd=home) as command:
        command.wait_for_line("running 0 of 1")
        wait_until(lambda: _pids_of("runner", home), "no runner came")
        pid = command.pid if who == "orchestrator" else _pids_of(who, home)[0]
        os.kill(pid, signal.SIGSTOP)
        try:
            threading.Event().wait(STILL_S)
        finally:
            os.kill(pid, signal.SIGCONT)
        said = command.end()
    assert said.code == 0, said.err
    sql = "SELECT block, count(*) AS n FROM attempts WHERE state = 'accepted' GROUP BY block"
    told = farm("sql", "--json", sql, cwd=home)
    assert json.loads(told.out) == [{"block": 0, "n": 1}, {"block": 1, "n": 1}]
    is_whole(home)


def _pids_of(who: str, home: Path) -> list[int]:
    """Find the agent of this farm's local device, or its runner."""
    below = os.fsencode(home / "data/agents/local")
    return [
        pid
        for pid in sorted(int(process.name) for process in Path("/proc").glob("[0-9]*"))
        if below in (words := _words(pid)) and (b"-m\0agent\0" in words) == (who == "agent")
    ]


def _words(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""
