"""Workloads: programs with parameters, input and expected output."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

Value = str | int | float | bool

#: A digest as it is written.
SHA256 = re.compile(r"[0-9a-f]{64}")


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
    #: Relative to the program's working folder; ``.``: that folder itself.
    guest: str
    #: Files right in it; None: all below it.
    names: tuple[str, ...] | None = None


class CheckerKind(StrEnum):
    """How an output is held against what is expected; named as in workload.yaml."""

    #: Byte for byte.
    EXACT = "exact"
    #: By its sha256.
    DIGEST = "digest"
    #: Text whose numbers may be a little off.
    TOLERANCE = "tolerance"


@dataclass(frozen=True, slots=True)
class Checker:
    """What is expected of an output."""

    kind: CheckerKind
    #: A path below the workload's folder, with ``{parameter}`` and ``{arch}`` in it; of a digest
    #: also the sha256 itself.
    expected: str
    #: How far off a number may be: by this share of the expected one, or by this much.
    relative: float = 0.0
    absolute: float = 0.0
    #: The output file that is judged; empty: stdout.
    of: str = ""

    @property
    def is_inline(self) -> bool:
        """Whether ``expected`` is a digest, not a path."""
        return self.kind is CheckerKind.DIGEST and bool(SHA256.fullmatch(self.expected))


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
    #: Files the program leaves, relative to its working folder, parameters filled in.
    outputs: tuple[str, ...] = ()
    #: None: any output is right.
    checker: Checker | None = None
    #: What each repeat must print to stderr, byte for byte; None: anything is right.
    expected_stderr: Path | None = None
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

    def expected_path(self, checker: Checker, arch: str) -> Path | None:
        """Say where the expected output lies, or its digest; None: the checker holds the digest.

        Args:
            checker: the workload's.
            arch: of the device, since an output may differ between architectures.
        """
        if checker.is_inline:
            return None
        filled = checker.expected.format_map({**dict(self.parameters), "arch": arch})
        return self.workload.folder / filled
