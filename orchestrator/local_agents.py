"""The agent processes of this machine's devices, real or emulated: started, watched, stopped.

Each has a state folder ``DATA/agents/DEVICE``: the agent's own state below ``state``, its
certificate, ``agent.toml`` and ``agent.log``. An agent holds its orchestrator by its standard
input: when that closes, however the orchestrator ended, the agent leaves by itself. A runner it
started goes on and is adopted by the next agent.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import quote

from orchestrator.clock import Clock
from orchestrator.domain.device import Device
from orchestrator.domain.errors import FarmError, refusal
from orchestrator.machine import emulated_cpu, why_absent
from orchestrator.trust import enroll_local

_log = logging.getLogger(__name__)

#: How often the processes are looked at.
WATCH_S = 0.2
#: Before an agent that ended is started again; doubles while it does not stay up. The longest one
#: leaves most of a lease (30 s) for the rest, and costs a twentieth of a core where agents never
#: stay up: a start takes half a second.
FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 10.0
#: An agent that lived so long had started well, whatever ended it; a start takes about a second.
STAYED_UP_S = 5.0
#: For an agent to leave once its standard input is closed, then once it was asked to.
LEAVE_S = 5.0
TERMINATE_S = 2.0
#: A log above this begins anew, keeping one before it.
MOST_LOG_BYTES = 1 << 20
#: How often certificates are looked at; a new one needs a new agent process.
RENEW_S = 3600.0
#: They are looked at at once where the wall clock jumped by more, which may have let them expire.
JUMP_S = 3600.0


@dataclass(frozen=True, slots=True)
class AgentsFor:
    """Whom local agents serve."""

    farm_id: str
    #: The farm's trust folder.
    trust: Path
    #: Parent of the agents' folders.
    folder: Path
    #: ``host:port`` of the orchestrator, as seen from this machine.
    address: str


def local_address(listening: str) -> str:
    """Answer how this machine reaches a listening address: a wildcard becomes loopback."""
    host, _, port = listening.rpartition(":")
    if host in {"", "0.0.0.0", "*"}:  # noqa: S104  # compared, not bound
        return f"127.0.0.1:{port}"
    return f"[::1]:{port}" if host == "[::]" else listening


def next_pause_s(pause_s: float, lived_s: float) -> float:
    """Answer how long to wait before an agent is started again.

    Args:
        pause_s: the wait before its last start.
        lived_s: how long it lived since.
    """
    return FIRST_PAUSE_S if lived_s >= STAYED_UP_S else min(pause_s * 2, LONGEST_PAUSE_S)


class _Agent:
    """One device's agent process."""

    def __init__(self, serves: AgentsFor, device: Device, clock: Clock) -> None:
        self._serves = serves
        self._device = device
        self._clock = clock
        self._folder = serves.folder / _folder_name(device.name)
        self._process: subprocess.Popen[bytes] | None = None
        self._started_s = 0.0
        self._looked_s = 0.0
        #: What the wall clock was ahead of the other one, when its certificate was looked at.
        self._ahead_s = 0.0
        self._pause_s = FIRST_PAUSE_S
        self._due_s = 0.0

    @property
    def pid(self) -> int | None:
        """Its process; None while there is none."""
        return self._process.pid if self._process else None

    def watch(self) -> None:
        """Start it if it is due; note its end; end it when its certificate was renewed."""
        now_s = self._clock.monotonic_s()
        if self._process is None:
            if now_s >= self._due_s:
                self._start(now_s)
        elif self._process.poll() is not None:
            self._note_end(now_s, self._process.returncode)
        elif now_s - self._looked_s >= RENEW_S or self._jumped(now_s):
            self._note_look(now_s)
            if self._enroll():
                self.leave()

    def leave(self) -> None:
        """Ask it to leave: it does when its standard input closes. Does not wait."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()

    def end(self, seconds: float) -> None:
        """Wait until it left, then end it by force; what it runs is adopted or ended later."""
        process = self._process
        if process is None:
            return
        for wait_s, force in ((seconds, process.terminate), (TERMINATE_S, process.kill)):
            try:
                process.wait(wait_s)
            except subprocess.TimeoutExpired:
                force()
        process.wait()
        self._process = None

    def _start(self, now_s: float) -> None:
        if why_absent(self._device):
            # Whoever plans is told; it may be installed while we serve.
            self._due_s = now_s + LONGEST_PAUSE_S
            return
        try:
            self._enroll()
            config = self._write_config()
            self._process = self._spawn(config)
        except (OSError, FarmError) as error:
            # A full disk or too many processes pass; the pause grows meanwhile.
            why = refusal(error) if isinstance(error, OSError) else error
            _log.warning("cannot start the agent of %s: %s", self._device.name, why)
            self._pause_s = next_pause_s(self._pause_s, 0.0)
            self._due_s = now_s + self._pause_s
        self._started_s = now_s
        self._note_look(now_s)

    def _jumped(self, now_s: float) -> bool:
        return abs(self._clock.now().timestamp() - now_s - self._ahead_s) > JUMP_S

    def _note_look(self, now_s: float) -> None:
        self._looked_s = now_s
        self._ahead_s = self._clock.now().timestamp() - now_s

    def _note_end(self, now_s: float, code: int) -> None:
        lived_s = now_s - self._started_s
        self.leave()
        self._process = None
        self._pause_s = next_pause_s(self._pause_s, lived_s)
        self._due_s = now_s + self._pause_s
        _log.warning(
            "the agent of %s ended (%d) after %.1f s, see %s",
            self._device.name,
            code,
            lived_s,
            self._folder / "agent.log",
        )

    def _enroll(self) -> bool:
        serves = self._serves
        return enroll_local(serves.trust, serves.farm_id, self._device.name, self._folder).renewed

    def _write_config(self) -> Path:
        """Write the agent's configuration; JSON's strings and booleans are TOML's too."""
        state = self._folder / "state"
        state.mkdir(mode=0o700, exist_ok=True)
        values = {
            "farm_id": self._serves.farm_id,
            "address": self._serves.address,
            "device": self._device.name,
            "folder": str(state),
            "certificate": str(self._folder / "device.crt"),
            "key": str(self._folder / "device.key"),
            "ca": str(self._folder / "ca.crt"),
            "emulator": _path_of(self._device.emulator),
            "share_machine": self._device.share_machine,
            "exit_with_stdin": True,
        }
        if not self._device.share_machine:
            values["machine_locks"] = str(_locks_of(self._folder.parent, self._device.machine))
        text = "".join(
            f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in values.items()
        )
        path = self._folder / "agent.toml"
        part = self._folder / "agent.toml.part"
        part.write_text(text, encoding="utf-8")
        part.replace(path)
        return path

    def _spawn(self, config: Path) -> subprocess.Popen[bytes]:
        with _open_log(self._folder / "agent.log") as log:
            return subprocess.Popen(
                # -P: the working folder is not searched for modules.
                [sys.executable, "-P", "-m", "agent", "--config", str(config)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self._folder,
                env=_environment(self._device),
                # A Ctrl-C in the orchestrator's terminal is the orchestrator's to handle.
                start_new_session=True,
            )


def _locks_of(agents: Path, machine: str) -> Path:
    """Answer the folder of a machine's runner locks; its name is free text, and no path."""
    # Beside the devices' own folders, whose names never begin with a dot.
    return agents / ".machines" / hashlib.sha256(machine.encode()).hexdigest()[:16]


class LocalAgents:
    """Keeps one agent running for each device of this machine, on a thread of its own.

    Args:
        serves: whom they serve.
        devices: the devices; others than local ones are left out.
        clock: the time.
    """

    def __init__(self, serves: AgentsFor, devices: Sequence[Device], clock: Clock) -> None:
        self._agents = {
            device.name: _Agent(serves, device, clock) for device in devices if device.local
        }
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="farm-agents", daemon=True)

    def start(self) -> None:
        """Begin to start and watch agents; does not wait for them."""
        self._thread.start()

    def stop(self) -> None:
        """Let all agents leave, by force if need be. Blocks for seconds at most; idempotent."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()
        for agent in self._agents.values():
            agent.leave()
        deadline_s = time.monotonic() + LEAVE_S
        for agent in self._agents.values():
            agent.end(max(deadline_s - time.monotonic(), 0.0))

    def pids(self) -> dict[str, int]:
        """The agents that run now, by device."""
        found = {name: agent.pid for name, agent in self._agents.items()}
        return {name: pid for name, pid in found.items() if pid is not None}

    def _watch(self) -> None:
        while not self._stopping.wait(WATCH_S if self._agents else None):
            for agent in self._agents.values():
                agent.watch()


def _folder_name(device: str) -> str:
    """A device's name as a folder's; the inventory checks names, this keeps any from leaving."""
    name = quote(device, safe="")
    return name if name.strip(".") else name.replace(".", "%2E")


def _path_of(emulator: str | None) -> str:
    """Answer the absolute path of an emulator; empty: there is none."""
    found = shutil.which(emulator) if emulator else None
    return os.path.abspath(found) if found else ""


def _environment(device: Device) -> dict[str, str]:
    """The environment of an agent: this process's, where its modules are, what is emulated."""
    house = str(Path(__file__).resolve().parent.parent)
    before = os.environ.get("PYTHONPATH")
    path = house if not before else f"{house}{os.pathsep}{before}"
    plays = {"QEMU_CPU": emulated_cpu(device.type)} if device.emulated else {}
    return {**os.environ, "PYTHONPATH": path, **plays}


def _open_log(path: Path) -> IO[bytes]:
    if path.exists() and path.stat().st_size > MOST_LOG_BYTES:
        path.replace(path.with_suffix(".log.1"))
    return path.open("ab")
