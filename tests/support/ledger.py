"""A ledger of a farm's runners that no workload can fake: who is seen alive in /proc, and when."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from agent.processes import Process, attempt_of, read_process, read_processes

#: Between two looks: short against an attempt, and a few percent of a core.
_LOOK_S = 0.02
#: A process that had this long to become a runner and did not is none, seconds.
_STRANGER_S = 3.0
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Supervisor:
    """A living runner's first process."""

    process: Process
    token: str
    device: str
    attempt_id: int
    first_seen_s: float

    @property
    def age_s(self) -> float:
        """For how long it has been seen."""
        return time.monotonic() - self.first_seen_s


@dataclass(slots=True)
class Life:
    """What was seen of one attempt's processes; monotonic nanoseconds."""

    first_ns: int
    last_ns: int
    #: (pid, start ticks) of those that led it: more than one would be an attempt run twice.
    leaders: set[tuple[int, int]] = field(default_factory=set)


def command_of(pid: int) -> tuple[str, ...]:
    """Answer a process's command line; empty where there is none."""
    try:
        text = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return ()
    return tuple(text.decode(errors="replace").split("\0"))


class Ledger:
    """Looks at all processes again and again, on a thread of its own, while the block lasts."""

    def __init__(self, home: Path) -> None:
        self._home = f"{home}{os.sep}"
        self._strangers: set[tuple[int, int]] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._alive: tuple[Supervisor, ...] = ()
        #: By token.
        self.lives: dict[str, Life] = {}
        #: Which attempt a token is of.
        self.attempts: dict[str, int] = {}
        #: One line for each moment at which two attempts lived.
        self.overlaps: list[str] = []
        self.looks = 0

    def __enter__(self) -> Ledger:
        """Begin to look."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop looking."""
        self._stop.set()
        self._thread.join()

    def alive(self) -> tuple[Supervisor, ...]:
        """Answer the runners of the last look."""
        return self._alive

    def leftovers(self) -> dict[int, str]:
        """Answer every living process of the farm: agents, runners, programs, by pid."""
        found = {}
        for pid, process in read_processes().items():
            line = command_of(pid)
            ours = attempt_of(pid) in self.lives or any(self._home in word for word in line)
            if ours and not process.zombie and pid != os.getpid():
                found[pid] = " ".join(line)
        return found

    def _watch(self) -> None:
        while not self._stop.wait(_LOOK_S):
            self._look()
            self.looks += 1

    def _look(self) -> None:
        found = [(one, token) for one in read_processes().values() if (token := self._token(one))]
        now_ns = time.monotonic_ns()
        # Who lived before and after this instant lived at it, whatever happened in between.
        sure = [(one, token) for one, token in found if _lives(one)]
        tokens = {token for _, token in sure}
        if len(tokens) > 1:
            self.overlaps.append(
                "; ".join(f"{one.pid} {' '.join(command_of(one.pid))}" for one, _ in sure)
            )
        for token in tokens:
            self.lives.setdefault(token, Life(now_ns, now_ns)).last_ns = now_ns
        leaders = [self._supervisor(one, token) for one, token in sure if one.session == one.pid]
        self._alive = tuple(one for one in leaders if one is not None)

    def _token(self, process: Process) -> str:
        """Answer the token of an attempt of this farm; empty: something else."""
        key = (process.pid, process.start_ticks)
        if process.zombie or key in self._strangers:
            return ""
        token = attempt_of(process.pid)
        line = command_of(process.pid) if token and token not in self.lives else ()
        if token in self.lives or any(self._home in word for word in line):
            return token
        uptime_s = time.clock_gettime(time.CLOCK_BOOTTIME)
        if uptime_s - process.start_ticks / _TICKS_PER_S > _STRANGER_S:
            self._strangers.add(key)
        return ""

    def _supervisor(self, process: Process, token: str) -> Supervisor | None:
        line = command_of(process.pid)
        if "--events" not in line:
            return None
        place = Path(line[line.index("--events") + 1])
        # DATA/agents/DEVICE/state/attempts/FENCE.SEQUENCE.ATTEMPT/events
        attempt_id = int(place.parent.name.rpartition(".")[2])
        life = self.lives[token]
        life.leaders.add((process.pid, process.start_ticks))
        self.attempts[token] = attempt_id
        return Supervisor(process, token, place.parents[3].name, attempt_id, life.first_ns / 1e9)


def workers_of(supervisor: Supervisor) -> tuple[Process, ...]:
    """Answer the living processes that a runner started itself."""
    children = [
        one
        for one in read_processes().values()
        if one.parent == supervisor.process.pid and not one.zombie
    ]
    return tuple(children)


def _lives(process: Process) -> bool:
    now = read_process(process.pid)
    return now is not None and now.start_ticks == process.start_ticks and not now.zombie
