"""The lock that makes one process the orchestrator."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.domain.errors import StateError
from orchestrator.locks import hold_lock, holder

BUSY = "the farm is up already (pid {pid})"


def test_a_second_holder_is_told_who_holds_it(tmp_path: Path) -> None:
    """One clear line with the pid, and the first goes on holding it."""
    path = tmp_path / "data" / "orchestrator.lock"
    with hold_lock(path, BUSY):
        for _ in range(2):
            with (
                pytest.raises(StateError, match=rf"up already \(pid {os.getpid()}\)"),
                hold_lock(path, BUSY),
            ):
                pytest.fail("both hold it")


def test_it_can_be_held_again_after(tmp_path: Path) -> None:
    """Leaving the block lets go; the file stays."""
    path = tmp_path / "orchestrator.lock"
    for _ in range(2):
        with hold_lock(path, BUSY):
            assert holder(path) == os.getpid()
    assert path.exists()


def test_nobody_ever_held_it(tmp_path: Path) -> None:
    """A missing or empty file names nobody."""
    assert holder(tmp_path / "missing") is None
    (tmp_path / "empty").touch()
    assert holder(tmp_path / "empty") is None


def test_a_child_does_not_inherit_it(tmp_path: Path) -> None:
    """A program started meanwhile does not keep the farm locked after us."""
    path = tmp_path / "orchestrator.lock"
    with hold_lock(path, BUSY):
        child = subprocess.Popen(
            [sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE
        )
    try:
        with hold_lock(path, BUSY):
            assert child.poll() is None
    finally:
        child.communicate(timeout=10)
