"""What a user may order, and how far an order has come."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from protos.states import CellState, RunState


@dataclass(frozen=True, slots=True)
class MatrixOrder:
    """Measure a matrix file."""

    path: Path
    #: ``("repeats", "3")``: values that replace the file's, written as in YAML.
    overrides: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class ProgramOrder:
    """Measure one program of the user's: a .wasm, a C file, an ELF, or a folder with one."""

    path: Path
    arguments: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    stdin: Path | None = None
    #: (host folder, guest name relative to the program's working folder)
    directories: tuple[tuple[Path, str], ...] = ()
    #: Labels of modes; empty: every mode that fits the kind of program.
    modes: tuple[str, ...] = ()
    #: Names; empty: every device of the inventory that can run it.
    devices: tuple[str, ...] = ()
    attempts: int = 1
    warmups: int = 1
    repeats: int = 5
    timeout_s: float | None = None
    #: C files in place of those a folder has, or beside a C file.
    sources: tuple[Path, ...] = ()
    #: Files it leaves, relative to its working folder.
    outputs: tuple[str, ...] = ()
    #: None: the default.
    memory_bytes: int | None = None
    output_bytes: int | None = None
    #: Extra compiler flags.
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SelectionOrder:
    """Build what some workloads need on some architectures, in every mode that fits."""

    #: Empty: all of the inventory.
    archs: tuple[str, ...] = ()
    #: Empty: all.
    workloads: tuple[str, ...] = ()


#: What can be measured.
Order = MatrixOrder | ProgramOrder
#: What can be built.
BuildOrder = MatrixOrder | ProgramOrder | SelectionOrder


@dataclass(frozen=True, slots=True)
class RetryOrder:
    """Measure cells of an earlier run again, in a run of their own; unless told, the failed."""

    run_id: int
    cell_ids: tuple[int, ...] = ()
    #: All of its cells.
    everything: bool = False


@dataclass(frozen=True, slots=True)
class BuildStep:
    """One target of a build."""

    name: str
    #: waiting, building, made, known (nothing to do) or failed
    state: str
    #: Why it is built: ``never built``, ``gemm_nn.c changed``; empty while unknown.
    reason: str = ""
    elapsed_s: float = 0.0
    sha256: str = ""
    size_bytes: int = 0
    error: str = ""


@dataclass(frozen=True, slots=True)
class BuildProgress:
    """A build so far."""

    finished: bool = False
    steps: tuple[BuildStep, ...] = ()
    #: Why it ended early; empty: it did not.
    error: str = ""


@dataclass(frozen=True, slots=True)
class RunProgress:
    """A run so far."""

    state: RunState
    build: BuildProgress
    cells: int
    cells_by_state: Mapping[CellState, int]
    #: What each device does now: ``emu-aarch64: gemm size=small wamr-aot, running 3 s``.
    running: tuple[str, ...] = ()
    error: str = ""


@dataclass(frozen=True, slots=True)
class Status:
    """A living orchestrator."""

    pid: int
    version: str
    #: host:port where agents connect
    agents_address: str
