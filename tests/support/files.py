"""Small folders and files of the kinds a person writes, for tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from orchestrator.domain.errors import UsageError
from orchestrator.domain.workload import Workload
from orchestrator.files.workloads import catalogue
from orchestrator.inventory import Inventory, parse_inventory

INVENTORY = """\
device_types:
  laptop: {arch: x86_64, cpu: x86-64-v3}
  board: {arch: aarch64, cpu: cortex-a72}
  emulated: {arch: aarch64, cpu: cortex-a72}
devices:
  local: {type: laptop, machine: here, tags: [desk]}
  emu: {type: emulated, machine: here, emulator: qemu-aarch64-static}
  pi-1: {type: board, tags: [shelf]}
  pi-2: {type: board, tags: [shelf, fan]}
"""

NOOP = """\
name: noop
description: nothing
sources: [main.c]
"""

GEMM = """\
name: gemm
description: multiplies
sources: [main.c]
parameters:
  size: {default: small, values: [small, layer]}
  seed: 1
arguments: ["{size}", "{seed}"]
kernels:
  gemm_nn: [plain, tiled]
"""


def inventory(text: str = INVENTORY) -> Inventory:
    """Read an inventory of a laptop, an emulated board and two boards."""
    return parse_inventory(text, Path("inventory.yaml"))


def write_workload(root: Path, name: str, text: str) -> Path:
    """Make a workload's folder with its workload.yaml and an empty main.c."""
    folder = root / name
    folder.mkdir(parents=True)
    (folder / "main.c").write_text("int main(void) { return 0; }\n")
    (folder / "workload.yaml").write_text(text)
    return folder


def workloads(root: Path) -> dict[str, Workload]:
    """Write and read the workloads noop and gemm."""
    write_workload(root, "noop", NOOP)
    write_workload(root, "gemm", GEMM)
    return catalogue([root])


def complaint(act: Callable[[], object], folder: Path | None = None) -> str:
    """Answer what a user is told when something is refused; the test's folder becomes DIR."""
    with pytest.raises(UsageError) as caught:
        act()
    told = str(caught.value)
    assert "\n" not in told
    return told if folder is None else told.replace(str(folder), "DIR")


def text(block: str) -> str:
    """Unindent a block of a test."""
    return dedent(block).lstrip("\n")
