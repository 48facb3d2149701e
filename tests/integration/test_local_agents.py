"""Agents of this machine as processes: started, started again, gone with their orchestrator."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator import local_agents
from orchestrator.clock import SystemClock
from orchestrator.config import DEFAULT_LEASE_S
from orchestrator.local_agents import (
    FIRST_PAUSE_S,
    LONGEST_PAUSE_S,
    STAYED_UP_S,
    AgentsFor,
    LocalAgents,
    local_address,
    next_pause_s,
)
from protos.states import DeviceState
from tests.support import factories as make
from tests.support.runtime import FARM, Served, serve
from tests.support.waiting import wait_until


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """A farm of one device, served."""
    with serve(tmp_path, lease_s=3.0, grace_s=1.0) as running:
        yield running


@pytest.fixture
def agents(served: Served) -> Iterator[LocalAgents]:
    """Its agents, started."""
    started = LocalAgents(_serves(served), [make.device()], SystemClock())
    started.start()
    yield started
    started.stop()


def _serves(served: Served) -> AgentsFor:
    address = local_address(served.server.address)
    return AgentsFor(FARM, served.trust, served.folder / "agents", address)


def _speaks(served: Served) -> bool:
    return served.desk.store.knows_facts("local")


def _lives(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_an_agent_speaks_for_its_device(served: Served, agents: LocalAgents) -> None:
    """With its own certificate it synchronizes and sends its facts."""
    wait_until(lambda: _speaks(served))
    assert set(agents.pids()) == {"local"}
    assert served.desk.store.device("local").state is DeviceState.IDLE


def test_a_killed_agent_is_started_again(served: Served, agents: LocalAgents) -> None:
    """Soon, as another process."""
    wait_until(lambda: _speaks(served))
    before = agents.pids()["local"]
    os.kill(before, signal.SIGKILL)
    wait_until(lambda: agents.pids().get("local", before) != before)


def test_stopping_leaves_none(
    served: Served, agents: LocalAgents, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They leave by themselves when their standard input closes; twice does no harm."""
    wait_until(lambda: _speaks(served))
    pid = agents.pids()["local"]
    # By force they would go only after this test was given up.
    monkeypatch.setattr(local_agents, "LEAVE_S", 86_400.0)
    agents.stop()
    agents.stop()
    assert not _lives(pid)
    assert agents.pids() == {}


def test_an_agent_leaves_with_its_orchestrator(served: Served, tmp_path: Path) -> None:
    """Killed without a word, the orchestrator takes its agents along."""
    program = (
        "import sys, threading; from pathlib import Path\n"
        "from orchestrator.clock import SystemClock\n"
        "from orchestrator.local_agents import AgentsFor, LocalAgents\n"
        "from tests.support import factories as make\n"
        "serves = AgentsFor(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4])\n"
        "agents = LocalAgents(serves, [make.device()], SystemClock())\n"
        "agents.start()\n"
        "while not agents.pids(): threading.Event().wait(0.05)\n"
        "print(agents.pids()['local'], flush=True)\n"
        "sys.stdin.read()\n"
    )
    serves = _serves(served)
    arguments = [FARM, str(serves.trust), str(serves.folder), serves.address]
    with subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    ) as orchestrator:
        assert orchestrator.stdout is not None
        pid = int(orchestrator.stdout.readline())
        wait_until(lambda: _speaks(served))
        orchestrator.kill()
    wait_until(lambda: not _lives(pid))


def test_the_configuration_is_what_agents_read(served: Served, agents: LocalAgents) -> None:
    """Each key, with paths below the device's own folder."""
    wait_until(lambda: bool(agents.pids()))
    folder = served.folder / "agents" / "local"
    with (folder / "agent.toml").open("rb") as file:
        config = tomllib.load(file)
    assert config == {
        "farm_id": FARM,
        "address": served.server.address,
        "device": "local",
        "folder": str(folder / "state"),
        "certificate": str(folder / "device.crt"),
        "key": str(folder / "device.key"),
        "ca": str(folder / "ca.crt"),
        "emulator": "",
        "share_machine": False,
        "machine_locks": str(served.folder / "agents" / ".machines" / "25bf8e1a2393f110"),
        "exit_with_stdin": True,
    }


def test_a_missing_emulator_keeps_no_other_device_away(served: Served) -> None:
    """The others' agents are there; its own is not, until somebody installs it."""
    device = make.device("emu", make.ARM, emulator="qemu-does-not-exist")
    agents = LocalAgents(_serves(served), [device, make.device()], SystemClock())
    agents.start()
    try:
        wait_until(lambda: _speaks(served))
        assert set(agents.pids()) == {"local"}
    finally:
        agents.stop()


@pytest.mark.parametrize(
    ("listening", "reached"),
    [
        ("127.0.0.1:7000", "127.0.0.1:7000"),
        ("0.0.0.0:7000", "127.0.0.1:7000"),
        ("[::]:7000", "[::1]:7000"),
        ("farm.example:7000", "farm.example:7000"),
    ],
)
def test_a_wildcard_is_reached_by_loopback(listening: str, reached: str) -> None:
    """What one listens on is not always what one dials."""
    assert local_address(listening) == reached


def test_an_agent_that_does_not_stay_up_waits_longer() -> None:
    """Doubling up to a limit; one that stayed up starts anew."""
    pause_s = FIRST_PAUSE_S
    for _ in range(20):
        pause_s = next_pause_s(pause_s, 0.1)
    assert pause_s == LONGEST_PAUSE_S
    assert next_pause_s(pause_s, 3600) == FIRST_PAUSE_S


def test_an_agent_killed_again_and_again_is_back_within_its_lease() -> None:
    """One that was up is started at once however often it is killed; no pause costs a lease."""
    assert next_pause_s(LONGEST_PAUSE_S, STAYED_UP_S) == FIRST_PAUSE_S
    assert LONGEST_PAUSE_S + STAYED_UP_S <= DEFAULT_LEASE_S / 2
