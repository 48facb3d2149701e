"""Runs the installed ``farm`` as people do: a process with its own folder, streams and signals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

FARM = Path(sys.executable).with_name("farm")
#: A command that takes longer hangs; a cold build of one runner is below this.
PATIENCE_S = 600.0
_STOP_S = 40.0


@dataclass(frozen=True)
class Said:
    """What a command came to."""

    code: int
    out: str
    err: str

    @property
    def complaint(self) -> str:
        """Its one line on stderr."""
        lines = self.err.splitlines()
        assert len(lines) == 1, self.err
        return lines[0]


def environment(**more: str) -> dict[str, str]:
    """Answer this process's environment without a farm of its own."""
    kept = {name: value for name, value in os.environ.items() if name != "FARM_DIR"}
    return {**kept, "COLUMNS": "160", **more}


def farm(
    *arguments: str | Path,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    stdin: str = "",
    wrapped: Sequence[str | Path] = (),
) -> Said:
    """Run a command to its end; ``wrapped`` is what starts it in its place."""
    done = subprocess.run(
        [*wrapped, FARM, *arguments],
        cwd=cwd,
        env=environment(**(env or {})),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    return Said(done.returncode, done.stdout, done.stderr)


class Started:
    """A command that runs; what it says on stderr can be waited for."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._lines: list[str] = []
        self._news = threading.Condition()
        self._out: list[str] = []
        assert process.stdout is not None
        assert process.stderr is not None
        self._readers = (
            threading.Thread(target=self._read, args=(process.stdout, self._out)),
            threading.Thread(target=self._read, args=(process.stderr, self._lines)),
        )
        for reader in self._readers:
            reader.start()

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def wait_for_line(self, part: str, seconds: float = PATIENCE_S) -> str:
        """Wait until a line of stderr holds a text, and answer it."""
        line = self.line_or_end(part, seconds)
        assert line is not None, f"no {part!r} in {self._lines}"
        return line

    def line_or_end(self, part: str, seconds: float = PATIENCE_S) -> str | None:
        """Wait until a line of stderr holds a text, and answer it; None: it ended without."""

        def found() -> str | None:
            return next((line for line in self._lines if part in line), None)

        with self._news:
            self._news.wait_for(lambda: found() is not None or self._ended(), seconds)
            return found()

    def interrupt(self, number: int = signal.SIGINT) -> None:
        """Do what a terminal does at Ctrl-C: signal the whole process group."""
        os.killpg(self._process.pid, number)

    def end(self) -> Said:
        """Wait for its end."""
        code = self._process.wait(PATIENCE_S)
        for reader in self._readers:
            reader.join()
        return Said(code, "".join(self._out), "".join(self._lines))

    def stop(self) -> None:
        """End it whatever it does."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self.end()

    def _ended(self) -> bool:
        return not self._readers[1].is_alive()

    def _read(self, stream: IO[str], lines: list[str]) -> None:
        with stream:
            for line in stream:
                with self._news:
                    lines.append(line)
                    self._news.notify_all()
        with self._news:
            self._news.notify_all()


@contextmanager
def started(*arguments: str | Path, cwd: Path) -> Iterator[Started]:
    """Start a command in a process group of its own; it is ended with the block."""
    process = subprocess.Popen(
        [FARM, *arguments],
        cwd=cwd,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    )
    command = Started(process)
    try:
        yield command
    finally:
        command.stop()
