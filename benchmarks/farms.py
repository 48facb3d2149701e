"""A farm for a benchmark: in a scratch folder, driven through the installed command, removed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: The command beside the python that runs the benchmark.
FARM = Path(sys.executable).with_name("farm")
ROOT = Path(__file__).resolve().parent.parent

#: Building libc for a target the first time takes up to two minutes on two cores.
_LONGEST_S = 1800.0


def user_environment() -> dict[str, str]:
    """Answer this process's environment, but for what keeps python from keeping compiled modules.

    Without them each start compiles what it imports, which no user's second call does.
    """
    kept = dict(os.environ)
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    return kept


@dataclass(frozen=True, slots=True)
class ScratchFarm:
    """A farm and the way to call it."""

    folder: Path

    def call(self, *arguments: str, may_fail: bool = False) -> str:
        """Run one command and answer its stdout; its progress goes to this process's stderr.

        Raises:
            subprocess.CalledProcessError: it exited with another code than 0.
        """
        done = subprocess.run(
            [FARM, "--farm", self.folder, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            env=user_environment(),
            text=True,
            timeout=_LONGEST_S,
            check=not may_fail,
        )
        return done.stdout

    def read(self, *arguments: str) -> Any:
        """Run one reading command and answer its document."""
        return json.loads(self.call(*arguments, "--json"))

    def run_matrix(self, text: str) -> list[dict[str, Any]]:
        """Measure a matrix and answer its results, one per cell.

        Raises:
            subprocess.CalledProcessError: a cell failed, or the order was refused.
        """
        file = self.folder / "benchmark.yaml"
        file.write_text(text, encoding="utf-8")
        self.call("run", str(file))
        newest = max(run["run_id"] for run in self.read("runs", "list"))
        results: list[dict[str, Any]] = self.read("results", "list", str(newest))
        return results


@contextmanager
def scratch_farm() -> Iterator[ScratchFarm]:
    """Make a farm of this machine for as long as the block lasts."""
    with tempfile.TemporaryDirectory(prefix="farm-benchmark-") as scratch:
        farm = ScratchFarm(Path(scratch) / "farm")
        subprocess.run([FARM, "init", farm.folder], check=True, stdout=subprocess.DEVNULL)
        yield farm
