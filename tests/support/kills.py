"""Ends parts of a living farm by force at chosen moments, and says what each was doing then."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from agent.processes import Process, read_process, read_processes, send
from tests.support.ledger import Ledger, Supervisor, command_of, workers_of

T = TypeVar("T")

#: A moment that does not come in this time never will: a build from nothing is below it.
PATIENCE_S = 400.0
_LOOK_S = 0.01

ORCHESTRATOR = ("building", "running", "staging", "reporting", "between")
AGENT = ("running", "staging", "reporting", "between", "building")
RUNNER = ("supervisor", "worker", "early", "late")
#: A runner's kills in a row that a block's budget of tries (2 further ones) can stand.
_MOST_PER_BLOCK = 2
#: Of a build of five small programs, seconds; it takes about one.
_BUILD_S = 0.4


def planned(kills: int, rng: random.Random) -> list[tuple[str, str]]:
    """Plan (kind, moment), ``kills`` of each kind: first what hits a build, the rest mixed."""
    every = [
        (kind, moments[number % len(moments)])
        for kind, moments in (("orchestrator", ORCHESTRATOR), ("agent", AGENT), ("runner", RUNNER))
        for number in range(kills)
    ]
    rng.shuffle(every)
    return sorted(every, key=lambda one: one[1] != "building")


@dataclass(frozen=True, slots=True)
class Kill:
    """One that was done."""

    kind: str
    moment: str
    state: str
    at_ns: int
    #: Whose runner it was; 0: no runner was killed.
    attempt_id: int = 0


@dataclass
class Scene:
    """A farm as seen from outside: its processes, its database, its agents' journals."""

    home: Path
    ledger: Ledger
    rng: random.Random
    #: Attempts of the same block whose runner was killed, by (cell, block).
    hit: Counter[tuple[int, int]] = field(default_factory=Counter)
    #: Attempts whose runner was killed; one dies once.
    dead: set[int] = field(default_factory=set)

    def ask(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Ask the farm's database."""
        where = f"file:{self.home / 'data' / 'farm.db'}?mode=ro"
        with closing(sqlite3.connect(where, uri=True, timeout=30)) as database:
            return database.execute(sql, values).fetchall()

    def agents(self) -> dict[str, Process]:
        """Answer the living agents by device."""
        found = {}
        for pid, process in read_processes().items():
            line = command_of(pid)
            if "--config" in line and not process.zombie:
                config = Path(line[line.index("--config") + 1])
                if config.is_relative_to(self.home):
                    found[config.parent.name] = process
        return found

    def journal(self, device: str) -> str:
        """Answer the state of the newest attempt an agent remembers; empty: none to be read."""
        path = self.home / "data" / "agents" / device / "state" / "journal.sqlite"
        try:
            with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
                newest = "SELECT state FROM attempts ORDER BY fence DESC, sequence DESC LIMIT 1"
                row = database.execute(newest).fetchone()
        except sqlite3.OperationalError:  # not there yet, or left by a kill for its agent to mend
            return ""
        return str(row[0]) if row else ""

    def describe(self) -> str:
        """Say what the farm does now."""
        run, state = self.ask("SELECT id, state FROM runs ORDER BY id DESC LIMIT 1")[0]
        parts = [f"run {run} {state}"]
        parts += [f"{name} {self.journal(name) or 'idle'}" for name in sorted(self.agents())]
        parts += [f"runner of {one.attempt_id} {one.age_s:.2f} s" for one in self.ledger.alive()]
        return ", ".join(parts)

    # moments

    def wait_for(self, what: str, found: Callable[[], T | None]) -> T:
        """Wait until something is there, and answer it."""
        deadline_s = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline_s:
            seen = found()
            if seen:
                return seen
            threading.Event().wait(_LOOK_S)
        raise AssertionError(f"no {what} within {PATIENCE_S:g} s: {self.describe()}")

    def linger(self, most_s: float) -> None:
        """Let a seeded part of a moment pass."""
        threading.Event().wait(self.rng.uniform(0.0, most_s))

    def await_moment(self, moment: str) -> str:
        """Wait until the farm is in a phase, then a little; answers whose device it was."""
        match moment:
            case "building":
                self.wait_for("build", lambda: self.counted("runs", "building"))
                self.linger(_BUILD_S)
                return ""
            case "staging":
                device = self.wait_for("staging", self._staging)
                self.linger(0.1)
                return device
            case "running":
                return self._await_runner(self.rng.uniform(0.0, 1.2)).device
            case "reporting":
                runner = self._await_runner(0.0)
                self.wait_for("end", lambda: not _is_there(runner.process))
                self.linger(0.03)
                return runner.device
            case "between":
                before = self.counted("attempts", "accepted")
                self.wait_for("result", lambda: self.counted("attempts", "accepted") > before)
                self.linger(0.3)
                return ""
        raise ValueError(moment)

    def _await_runner(
        self, age_s: float, fits: Callable[[Supervisor], bool] = lambda _: True
    ) -> Supervisor:
        def found() -> Supervisor | None:
            fit = (one for one in self.ledger.alive() if one.age_s >= age_s and fits(one))
            return next((one for one in fit if _is_there(one.process)), None)

        return self.wait_for("runner", found)

    def _staging(self) -> str | None:
        busy = {one.device for one in self.ledger.alive()}
        names = (name for name in self.agents() if name not in busy)
        return next((name for name in names if self.journal(name) == "staging"), None)

    def counted(self, table: str, state: str) -> int:
        """Count a table's rows in a state."""
        sql = f"SELECT count(*) FROM {table} WHERE state = ?"  # noqa: S608  # our own words
        return int(self.ask(sql, state)[0][0])

    # kills

    def kill_agent(self, moment: str) -> Kill:
        """Kill the agent concerned, or any."""
        device = self.await_moment(moment)

        def found() -> tuple[str, Process] | None:
            living = self.agents()
            name = device if device in living else self.rng.choice(sorted(living) or [""])
            return (name, living[name]) if name in living else None

        name, process = self.wait_for("agent", found)
        state = self.describe()
        send(process, signal.SIGKILL)
        return Kill("agent", moment, f"{name}: {state}", time.monotonic_ns())

    def kill_orchestrator(self, moment: str, pid: int) -> Kill:
        """Kill the orchestrator; what it started is left to itself."""
        self.await_moment(moment)
        state = self.describe()
        os.kill(pid, signal.SIGKILL)
        return Kill("orchestrator", moment, state, time.monotonic_ns())

    def kill_runner(self, moment: str) -> Kill:
        """Kill a runner, or what runs a module under it; within the budget of each block."""
        age_s = {"early": 0.0, "late": 0.9}.get(moment, self.rng.uniform(0.1, 0.8))
        victim = self._await_runner(age_s, lambda one: bool(self._targets(one, moment)))
        state, targets = self.describe(), self._targets(victim, moment)
        for target in targets[:1]:
            send(target, signal.SIGKILL)
        at_ns = time.monotonic_ns()
        if not targets:  # gone in between: the next one, then
            return self.kill_runner(moment)
        self.hit[self._block(victim)] += 1
        self.dead.add(victim.attempt_id)
        return Kill("runner", moment, state, at_ns, victim.attempt_id)

    def _targets(self, runner: Supervisor, moment: str) -> list[Process]:
        """Answer what may be killed of a runner, the first of them will be."""
        spared = runner.attempt_id in self.dead or self.hit[self._block(runner)] >= _MOST_PER_BLOCK
        if spared or not _is_there(runner.process):
            return []
        if moment != "worker":
            return [runner.process]
        # A native program is a process of its own: its end by a signal is its own affair.
        module = "run" in command_of(runner.process.pid)[:3]
        return list(workers_of(runner)) if module else []

    def _block(self, runner: Supervisor) -> tuple[int, int]:
        sql = "SELECT cell_id, block FROM attempts WHERE id = ?"
        cell, block = self.ask(sql, runner.attempt_id)[0]
        return int(cell), int(block)


def _is_there(process: Process) -> bool:
    now = read_process(process.pid)
    return now is not None and now.start_ticks == process.start_ticks and not now.zombie


def end_leftovers(ledger: Ledger) -> Iterator[str]:
    """End what is left of a farm, and name it."""
    for pid, line in ledger.leftovers().items():
        process = read_process(pid)
        if process is not None:
            send(process, signal.SIGKILL)
            yield f"{pid} {line}"
