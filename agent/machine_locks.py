"""Keeps runners of one machine apart, also when their devices' leases do not (D13).

A lease covers its machine, but it can expire while its runner lives on: its agent was killed and
never came back. So every agent of a machine keeps its runner's lock in one folder, and looks at
the others' before it starts its own.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from agent.execute import is_locked

_TURN = ".turn"
_SUFFIX = ".lock"


@dataclass(frozen=True, slots=True)
class MachineLocks:
    """The runner locks of one machine.

    Args:
        folder: where they are; the same for every agent of the machine.
        device: whose agent this is.
    """

    folder: Path
    device: str

    @property
    def own(self) -> Path:
        """Held by this device's living runner."""
        return self.folder / f"{self.device}{_SUFFIX}"

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Look and start in one step: no other agent of this machine does so meanwhile."""
        descriptor = os.open(self.folder / _TURN, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def living_neighbours(self) -> tuple[str, ...]:
        """Answer the other devices of this machine whose runner lives."""
        locks = sorted(self.folder.glob(f"*{_SUFFIX}"))
        return tuple(path.stem for path in locks if path != self.own and is_locked(path))
