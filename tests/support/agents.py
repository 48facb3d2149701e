"""Starts real agent processes for tests, and ends them with all they started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from protos.farm.v1 import agents_pb2 as pb
from tests.support.fake_runner import write_fake_runner
from tests.support.orchestrator import Orchestrator
from tests.support.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Rig:
    """One orchestrator double, one agent folder, and the agent processes of a test."""

    folder: Path
    orchestrator: Orchestrator
    #: Where the agent keeps its state.
    state: Path
    share_machine: bool = True
    _agents: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def write_config(self, **more: str | bool) -> Path:
        """Write the agent's configuration file."""
        certificate, key = self.orchestrator.make_device("dev").write(self.folder, "dev")
        (self.folder / "ca.crt").write_bytes(self.orchestrator.ca.certificate_pem)
        values: dict[str, str | bool] = {
            "farm_id": self.orchestrator.farm_id,
            "address": self.orchestrator.address,
            "device": "dev",
            "folder": str(self.state),
            "certificate": str(certificate),
            "key": str(key),
            "ca": str(self.folder / "ca.crt"),
            "share_machine": self.share_machine,
            "exit_with_stdin": True,
            **more,
        }
        path = self.folder / "agent.toml"
        path.write_text("".join(f"{name} = {_toml(value)}\n" for name, value in values.items()))
        return path

    def start_agent(self, **more: str | bool) -> subprocess.Popen[bytes]:
        """Start an agent; it leaves with this process, since its standard input closes then."""
        with (self.folder / "agent.err").open("ab") as err:
            agent = subprocess.Popen(
                [sys.executable, "-m", "agent", "--config", str(self.write_config(**more))],
                stdin=subprocess.PIPE,
                stdout=err,
                stderr=err,
                cwd=ROOT,
            )
        self._agents.append(agent)
        return agent

    @property
    def ledger(self) -> Path:
        """Where scripts of `noting` write."""
        return self.folder / "ledger"

    def noting(self, attempt_id: int, script: str) -> str:
        """Make a script that also notes its begin and end, with time, in the ledger."""
        note = f'echo {attempt_id} %s $(date +%%s%%N) >> "{self.ledger}"'
        return f"{note % 'begin'}\n{script}\n{note % 'end'}"

    def notes(self, attempt_id: int, what: str) -> int:
        """Count what an attempt noted."""
        return [line[:2] for line in self.all_notes()].count((str(attempt_id), what))

    def all_notes(self) -> list[tuple[str, str, int]]:
        """Answer attempt, begin or end, and nanoseconds, in the order noted."""
        if not self.ledger.exists():
            return []
        words = [line.split() for line in self.ledger.read_text().splitlines()]
        return [(attempt, what, int(at_ns)) for attempt, what, at_ns in words]

    def kill_agent(self) -> None:
        """Kill -9 the latest agent."""
        self._agents[-1].kill()
        self._agents[-1].wait()

    def close(self) -> None:
        """End everything."""
        for agent in self._agents:
            agent.kill()
            agent.wait()
            assert agent.stdin is not None
            agent.stdin.close()
        self.orchestrator.stop()
        for pid in self.living():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not self.living())

    def living(self) -> list[int]:
        """Answer the pids of everything alive that was started from this agent's folder."""
        found = []
        for name in filter(str.isdigit, os.listdir("/proc")):
            try:
                words = Path(f"/proc/{name}/cmdline").read_bytes()
                state = Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()[0]
            except OSError:
                continue
            if str(self.state).encode() in words and state != "Z":
                found.append(int(name))
        return found

    def errors(self) -> str:
        """What the agents complained of."""
        return (self.folder / "agent.err").read_text()

    def assignment(
        self,
        attempt_id: int,
        script: str,
        *,
        fence: int = 1,
        sequence: int = 1,
        repeats: int = 1,
        timeout_s: float = 60.0,
        runner: bytes | None = None,
    ) -> pb.Assignment:
        """Order a shell script to be run by the fake runner."""
        if runner is None:
            runner = write_fake_runner(self.folder / "fake-runner").read_bytes()
        return pb.Assignment(
            attempt=pb.AttemptRef(attempt_id=attempt_id, fence=fence, sequence=sequence),
            runner=self.orchestrator.put(runner),
            kind=pb.PROGRAM_KIND_NATIVE,
            program=self.orchestrator.put(f"#!/bin/sh\n{script}\n".encode()),
            program_name="script",
            repeats=repeats,
            limits=pb.Limits(timeout_s=timeout_s, output_bytes=1 << 20),
        )


@contextmanager
def open_rig(folder: Path) -> Iterator[Rig]:
    """Make a rig whose orchestrator serves, without an agent yet; ends everything afterwards."""
    orchestrator = Orchestrator()
    orchestrator.start()
    rig = Rig(folder, orchestrator, folder / "state")
    try:
        yield rig
    finally:
        rig.close()


def _toml(value: str | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else f'"{value}"'
