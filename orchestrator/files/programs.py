"""A program of the user's own, a .wasm, a C file or an ELF, as a workload and as a matrix."""

from __future__ import annotations

import re
import shlex
import stat
from collections.abc import Collection, Iterable
from pathlib import Path, PurePosixPath

from orchestrator.domain.device import Arch, Device
from orchestrator.domain.errors import MatrixError, UsageError, WorkloadFileError
from orchestrator.domain.matrix import Counts, MatrixSpec, Mode, Runtime
from orchestrator.domain.order import ProgramOrder
from orchestrator.domain.runtime_source import PINNED
from orchestrator.domain.workload import Case, Grant, Limits, Parameter, Value, Workload
from orchestrator.files.modefile import parse_mode
from orchestrator.files.schema import MOST, MOST_S
from orchestrator.files.spelling import next_step
from orchestrator.files.wasm import MAGIC as WASM_MAGIC
from orchestrator.files.wasm import read_module, read_proposals
from orchestrator.files.wasmcheck import check_runnable
from orchestrator.files.wasmtypes import Proposal
from orchestrator.inventory import Inventory

_ELF_MAGIC = b"\x7fELF"
#: e_machine of the ELF specification.
_ELF_MACHINES = {62: Arch.X86_64, 183: Arch.AARCH64, 40: Arch.ARMV7}
#: e_type of the ELF specification: an executable, or a position-independent one.
_ELF_PROGRAMS = (2, 3)
#: By EI_CLASS, 32 and 64 bits: where e_phoff (and its size) and e_phentsize stand in the header.
_ELF_TABLE = {1: (28, 4, 42), 2: (32, 8, 54)}
_ELF_HEAD_BYTES = 64
#: What a variable of a program's environment may be called.
ENVIRONMENT_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
#: By these the runner knows what a program started, and hears its regions.
FARMS_OWN_VARIABLES = frozenset({"FARM_ATTEMPT", "FARM_BENCH_FD"})
#: A name becomes part of file names, with more after it.
_NAME_LENGTH = 100


def program_workload(order: ProgramOrder) -> Workload:
    """Make a workload of one program: a .wasm, a C file or an ELF.

    Args:
        order: the program and what it is given.

    Returns:
        A workload whose parameters show the arguments, stdin and environment, so that results of
        different ones are told apart.

    Raises:
        WorkloadFileError: no such program, none of the three kinds, a module that cannot run.
        UsageError: stdin or a folder is not there, or a guest name leads out.
    """
    path = order.path.absolute()
    kind = program_kind(path)
    if kind == "module":
        check_runnable(read_module(path))
    if order.stdin is not None and not order.stdin.is_file():
        raise UsageError(f"no file {order.stdin} for --stdin: check the path")
    for name in order.environment:
        _check_variable(name)
    return Workload(
        name=re.sub(r"[^A-Za-z0-9._-]+", "-", path.stem).strip("._-")[:_NAME_LENGTH] or "program",
        description=f"{path.name}, a program of the user's",
        folder=path.parent,
        sources=(path.name,) if kind == "sources" else (),
        module=path if kind == "module" else None,
        program=path if kind == "program" else None,
        parameters=tuple(_told(order)),
        arguments=tuple(word.replace("{", "{{").replace("}", "}}") for word in order.arguments),
        environment=dict(order.environment),
        stdin=None if order.stdin is None else order.stdin.absolute(),
        grants=tuple(_grant(host, guest) for host, guest in order.directories),
        limits=Limits() if order.timeout_s is None else Limits(timeout_s=order.timeout_s),
    )


def program_kind(path: Path) -> str:
    """Say what a program is by its first bytes: ``sources``, ``module`` or ``program``.

    Raises:
        WorkloadFileError: it is not there, or none of these.
    """
    if "\n" in path.name:
        raise WorkloadFileError("a line break in its name: rename it", file=repr(str(path)))
    try:
        _refuse_device(path)
        with path.open("rb") as file:
            head = file.read(4)
    except FileNotFoundError:
        raise WorkloadFileError("no such file: check the path", file=path) from None
    except OSError as cause:
        problem = f"cannot be read ({cause.strerror}): name a .wasm, a C file or an ELF"
        raise WorkloadFileError(problem, file=path) from cause
    if path.suffix == ".c":
        return "sources"
    if path.suffix == ".wasm" or head == WASM_MAGIC:
        return "module"
    if head == _ELF_MAGIC:
        elf_arch(path)
        return "program"
    raise WorkloadFileError(
        "neither a .wasm, nor a C file (.c), nor an ELF: name one of these", file=path
    )


def _refuse_device(path: Path) -> None:
    """Refuse what is neither file nor folder: a pipe would be waited for, a device never ends."""
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise WorkloadFileError("no regular file: name a .wasm, a C file or an ELF", file=path)


def _check_variable(name: str) -> None:
    if not ENVIRONMENT_NAME.fullmatch(name):
        raise UsageError(
            f"--env {name}=..: '{name}' is no variable's name: write letters, digits and '_'"
        )
    if name in FARMS_OWN_VARIABLES:
        raise UsageError(f"--env {name}=..: the farm sets {name} itself: choose another name")


def elf_arch(path: Path) -> Arch:
    """Say which architecture an ELF is for.

    Raises:
        WorkloadFileError: not a whole ELF program of an architecture the farm knows.
    """
    with path.open("rb") as file:
        head = file.read(_ELF_HEAD_BYTES)
    little_endian = len(head) >= 20 and head[:4] == _ELF_MAGIC and head[5] == 1
    arch = _ELF_MACHINES.get(int.from_bytes(head[18:20], "little")) if little_endian else None
    if arch is None:
        raise WorkloadFileError(
            f"not an ELF for {', '.join(Arch)}: build it for one of these", file=path
        )
    if int.from_bytes(head[16:18], "little") not in _ELF_PROGRAMS:
        raise WorkloadFileError("an ELF, but no program: link it to an executable", file=path)
    if not _has_segments(head, path.stat().st_size):
        raise WorkloadFileError("a truncated ELF: build or copy it again", file=path)
    return arch


def _has_segments(head: bytes, size_bytes: int) -> bool:
    """Say whether the table of what the kernel loads is there."""
    offset_at, offset_size, counts_at = _ELF_TABLE.get(head[4], _ELF_TABLE[2])
    offset = int.from_bytes(head[offset_at : offset_at + offset_size], "little")
    entry_size = int.from_bytes(head[counts_at : counts_at + 2], "little")
    entries = int.from_bytes(head[counts_at + 2 : counts_at + 4], "little")
    return entries > 0 and offset + entries * entry_size <= size_bytes


def _told(order: ProgramOrder) -> Iterable[Parameter]:
    told: list[tuple[str, Value]] = []
    if order.arguments:
        told.append(("arguments", shlex.join(order.arguments)))
    if order.stdin is not None:
        told.append(("stdin", order.stdin.name))
    if order.environment:
        pairs = (f"{name}={value}" for name, value in sorted(order.environment.items()))
        told.append(("environment", shlex.join(pairs)))
    return [Parameter(name, value, (value,)) for name, value in told]


def _grant(host: Path, guest: str) -> Grant:
    pure = PurePosixPath(guest)
    if pure.is_absolute() or ".." in pure.parts or str(pure) == "." or "\0" in guest:
        raise UsageError(
            f"--dir {host}::{guest}: write a relative guest name, such as {host}::{host.name}"
        )
    if not host.is_dir():
        raise UsageError(f"--dir {host}::{guest}: no folder {host}; check the path")
    return Grant(host.absolute(), str(pure))


def program_spec(
    order: ProgramOrder, inventory: Inventory, sources: Collection[str] = (PINNED,)
) -> MatrixSpec:
    """Make a matrix of one program of the user's.

    Args:
        order: the program, its input, modes and devices.
        inventory: the devices it may name.
        sources: the names of runtime sources its modes may use.

    Returns:
        A matrix of one case; it has no file, so no ``text``.

    Raises:
        WorkloadFileError: the program cannot be run by any mode.
        MatrixError: a mode that cannot run this kind of program, an unknown mode or device.
    """
    _check_counts(order)
    workload = program_workload(order)
    case = Case(workload, tuple((item.name, item.default) for item in workload.parameters))
    return MatrixSpec(
        name=workload.name,
        cases=(case,),
        modes=_program_modes(order, workload, sources),
        targets=_program_devices(order, workload, inventory),
        counts=Counts(order.attempts, order.warmups, order.repeats),
        timeout_s=order.timeout_s,
    )


def _check_counts(order: ProgramOrder) -> None:
    ordered = {"attempts": order.attempts, "warmups": order.warmups, "repeats": order.repeats}
    for name, count in ordered.items():
        least = 0 if name == "warmups" else 1
        if not least <= count <= MOST[name]:
            raise UsageError(
                f"--{name} {count}: write a whole number from {least} to {MOST[name]}"
            )
    if order.timeout_s is not None and not 0 < order.timeout_s <= MOST_S:
        raise UsageError(
            f"--timeout {order.timeout_s:g}: write a number of seconds above 0, at most {MOST_S:g}"
        )


def _program_modes(
    order: ProgramOrder, workload: Workload, sources: Collection[str]
) -> tuple[Mode, ...]:
    fitting = _fitting_runtimes(workload)
    if not order.modes:
        return tuple(Mode(runtime) for runtime in fitting)
    modes = []
    for label in dict.fromkeys(order.modes):
        origin = f"--mode {label}"
        mode = parse_mode(label, origin, sources)
        if mode.runtime not in fitting:
            raise MatrixError(
                f"{origin}: {order.path.name} cannot run so: choose one of {', '.join(fitting)}"
            )
        modes.append(mode)
    return tuple(modes)


def _fitting_runtimes(workload: Workload) -> tuple[Runtime, ...]:
    if workload.program is not None:
        return (Runtime.NATIVE,)
    if workload.sources:
        return tuple(Runtime)
    module = workload.module
    if module is not None and Proposal.SIMD in read_proposals(module):
        # The classic interpreter cannot have SIMD.
        return (Runtime.FAST, Runtime.AOT)
    return (Runtime.CLASSIC, Runtime.FAST, Runtime.AOT)


def _program_devices(
    order: ProgramOrder, workload: Workload, inventory: Inventory
) -> tuple[Device, ...]:
    devices = {device.name: device for device in inventory.devices}
    for name in order.devices:
        if name not in devices:
            raise MatrixError(
                f"--device {name}: unknown device '{name}': {next_step(name, devices)}"
            )
    chosen = [devices[name] for name in dict.fromkeys(order.devices)] or list(devices.values())
    if workload.program is None:
        return tuple(chosen)
    arch = elf_arch(workload.program)
    fitting = tuple(device for device in chosen if device.type.arch is arch)
    if not fitting:
        raise MatrixError(
            f"{order.path.name} is for {arch}, and no device here is: name a device that is, or"
            " build it for theirs"
        )
    return fitting
