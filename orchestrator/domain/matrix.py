"""A matrix: the product of workloads, parameters, modes and devices that a run measures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from orchestrator.domain.device import Device, DeviceType
from orchestrator.domain.runtime_source import PINNED
from orchestrator.domain.workload import Case, Value

#: The kernels of ``wamr-aot+kernels``: whichever the workload lists last.
BEST_KERNELS = "best"


class Runtime(StrEnum):
    """What executes a program."""

    CLASSIC = "wamr-classic"
    FAST = "wamr-fast"
    AOT = "wamr-aot"
    NATIVE = "native"


@dataclass(frozen=True, slots=True)
class Mode:
    """A runtime with options (D7). None means: the default for the device's architecture."""

    runtime: Runtime
    simd: bool | None = None
    #: ``none``, the name of a kernel variant, or ``best``: the last one the workload names.
    kernels: str = "none"
    #: Optimisation level of the AOT compiler and of native code.
    opt: int = 3
    bounds_checks: bool | None = None
    #: In place of the device's CPU: ``x86-64-v2`` holds native code to 128-bit vectors.
    cpu: str | None = None
    #: Which WAMR runs it, by its name in farm.toml.
    runtime_source: str = PINNED

    @property
    def label(self) -> str:
        """The mode as people write it: ``wamr-aot+kernels``, ``wamr-aot[simd=false]``."""
        options = self.options
        name = self.runtime.value
        if options.get("kernels") == BEST_KERNELS:
            del options["kernels"]
            name += "+kernels"
        extra = ",".join(f"{key}={_word(value)}" for key, value in sorted(options.items()))
        return f"{name}[{extra}]" if extra else name

    @property
    def options(self) -> dict[str, Value]:
        """Every option that is not the default."""
        found: dict[str, Value] = {}
        if self.simd is not None:
            found["simd"] = self.simd
        if self.kernels != "none":
            found["kernels"] = self.kernels
        if self.opt != 3:
            found["opt"] = self.opt
        if self.bounds_checks is not None:
            found["bounds_checks"] = self.bounds_checks
        if self.cpu is not None:
            found["cpu"] = self.cpu
        if self.runtime_source != PINNED:
            found["runtime_source"] = self.runtime_source
        return found


def _word(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


@dataclass(frozen=True, slots=True)
class Counts:
    """How often a cell is measured."""

    #: Fresh processes; each is one attempt in a block of its own (D6).
    attempts: int = 1
    warmups: int = 1
    repeats: int = 5


@dataclass(frozen=True, slots=True)
class MatrixSpec:
    """A matrix file, checked and resolved to what it names."""

    name: str
    cases: tuple[Case, ...]
    modes: tuple[Mode, ...]
    #: A device, or a type any device of which will do.
    targets: tuple[Device | DeviceType, ...]
    counts: Counts = Counts()
    #: For emulated devices, whose times mean nothing; None: as the rest.
    emulated_counts: Counts | None = None
    timeout_s: float | None = None
    priority: int = 0
    exclude: tuple[Mapping[str, Value], ...] = ()
    #: The file's text, kept with the run.
    text: str = ""


@dataclass(frozen=True, slots=True)
class CellPlan:
    """One point of a matrix, before it has an id."""

    #: Stable over runs: sha256 of case, mode and target.
    key: str
    case: Case
    mode: Mode
    target: Device | DeviceType
    counts: Counts
    timeout_s: float
    #: Why no device can ever take it; empty: it can run.
    impossible: str = ""

    @property
    def device_type(self) -> DeviceType:
        """The class of device it runs on."""
        return self.target.type if isinstance(self.target, Device) else self.target

    @property
    def device_name(self) -> str | None:
        """The one device it must run on; None: any of the type."""
        return self.target.name if isinstance(self.target, Device) else None


@dataclass(frozen=True, slots=True)
class Plan:
    """All cells of a matrix."""

    spec: MatrixSpec
    cells: tuple[CellPlan, ...] = field(default_factory=tuple)
