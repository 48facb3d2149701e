"""Workloads: programs with parameters, input and expected output."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

Value = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a workload."""

    name: str
    default: Value
    #: Allowed values; empty: any.
    values: tuple[Value, ...] = ()


@dataclass(frozen=True, slots=True)
class Limits:
    """What a program may use; enforced by the runner."""

    timeout_s: float = 300.0
    memory_bytes: int = 1 << 30
    #: Of stdout, of stderr, and of every file it writes.
    output_bytes: int = 16 << 20
    processes: int = 64
    stack_bytes: int = 8 << 20


@dataclass(frozen=True, slots=True)
class Grant:
    """A folder of the user's that the program may use; a fresh copy per attempt."""

    host: Path
    #: Relative to the program's working folder.
    guest: str


@dataclass(frozen=True, slots=True)
class Workload:
    """A program the farm can measure. Exactly one of sources, module and program is set."""

    name: str
    description: str
    folder: Path
    #: C files, relative to the folder.
    sources: tuple[str, ...] = ()
    #: A ready .wasm.
    module: Path | None = None
    #: A ready ELF; runs natively on devices of its architecture only.
    program: Path | None = None
    parameters: tuple[Parameter, ...] = ()
    #: argv after the program's name; ``{size}`` stands for a parameter's value.
    arguments: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    stdin: Path | None = None
    grants: tuple[Grant, ...] = ()
    #: Function -> kernels that exist for it, best last.
    kernels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    #: Extra compiler flags, the same for every mode.
    flags: tuple[str, ...] = ()
    #: Expected stdout: a path below the folder, parameters filled in; None: any output is right.
    expected: str | None = None
    limits: Limits = Limits()


@dataclass(frozen=True, slots=True)
class Case:
    """A workload with its parameters fixed."""

    workload: Workload
    parameters: tuple[tuple[str, Value], ...]

    def fill(self, template: str) -> str:
        """Put the parameters' values into a template.

        Raises:
            KeyError: the template names an unknown parameter.
        """
        return template.format_map(dict(self.parameters))
