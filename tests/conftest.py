"""What all layers share: the count by layer, and the rule that no test leaves a process."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.postgresql import remove_clusters

#: Inherited by every process a test starts, so that leftovers are known whoever adopted them.
_MARK = f"FARM_TEST_SESSION={secrets.token_hex(8)}"
#: How long what a test has told to stop may take to be gone.
_GRACE_S = 5.0


def pytest_sessionstart() -> None:
    """Mark this session's processes."""
    name, _, value = _MARK.partition("=")
    os.environ[name] = value


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a session that leaves processes behind, and end them."""
    remove_clusters()
    deadline = time.monotonic() + _GRACE_S
    while (left := dict(_marked_processes())) and time.monotonic() < deadline:
        threading.Event().wait(0.05)
    for pid in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    if left:
        session.config.stash[_LEFT] = [f"{pid}: {line}" for pid, line in left.items()]
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


_LEFT = pytest.StashKey[list[str]]()


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say what each layer did, just above pytest's own last line."""
    layers: dict[str, dict[str, float]] = {}
    for outcome, reports in terminalreporter.stats.items():
        for report in reports:
            if not isinstance(report, pytest.TestReport):
                continue
            layer = layers.setdefault(_layer(report.nodeid), {})
            layer["s"] = layer.get("s", 0.0) + report.duration
            if outcome:
                layer[outcome] = layer.get(outcome, 0) + 1
    for line in config.stash.get(_LEFT, []):
        terminalreporter.write_line(f"left running by a test: {line}", red=True)
    for name, layer in layers.items():
        counts = ", ".join(f"{int(n)} {what}" for what, n in layer.items() if what != "s")
        terminalreporter.write_line(f"{name}: {counts} in {layer['s']:.1f} s")


def _layer(nodeid: str) -> str:
    """Answer ``unit`` for ``tests/unit/test_x.py::test_y``."""
    parts = nodeid.split("/")
    return parts[1] if len(parts) > 2 else "tests"


def _marked_processes() -> Iterator[tuple[int, str]]:
    """List living processes with this session's mark, but for this one: pid and command line."""
    mark = _MARK.encode()
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit() or int(folder.name) == os.getpid():
            continue
        try:
            if mark not in (folder / "environ").read_bytes().split(b"\0"):
                continue
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue  # gone meanwhile, or another user's
        yield int(folder.name), line.strip()
