"""A program of the user's own as a workload and as a matrix of one case."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable
from pathlib import Path, PurePosixPath

from orchestrator.domain.device import Device
from orchestrator.domain.errors import MatrixError, UsageError
from orchestrator.domain.matrix import Counts, MatrixSpec, Mode, Runtime
from orchestrator.domain.order import ProgramOrder
from orchestrator.domain.runtime_source import PINNED
from orchestrator.domain.workload import Case, Grant, Limits, Parameter, Value, Workload
from orchestrator.files.elf import elf_arch
from orchestrator.files.found import find_program
from orchestrator.files.given import (
    ENVIRONMENT_NAME,
    FARMS_OWN_VARIABLES,
    leads_out,
    output_problem,
)
from orchestrator.files.modefile import parse_mode
from orchestrator.files.schema import MEMORY_BYTES, MOST, MOST_S, OUTPUT_BYTES
from orchestrator.files.sightglass import with_suite
from orchestrator.files.spelling import next_step
from orchestrator.files.wasm import read_proposals
from orchestrator.files.wasmtypes import Proposal
from orchestrator.files.workloads import check_case
from orchestrator.inventory import Inventory


def program_workload(order: ProgramOrder) -> Workload:
    """Make a workload of one program: a .wasm, C files or an ELF, or a folder with one.

    Args:
        order: the program and what it is given.

    Returns:
        A workload whose parameters show the arguments, stdin, environment and flags, so that
        results of different ones are told apart; of a folder with a workload.yaml, that one.

    Raises:
        WorkloadFileError: no such program, none of the three kinds, a module that cannot run.
        UsageError: an option does not fit, or stdin or a folder is not there.
    """
    _check_counts(order)
    found = find_program(order.path, order.sources)
    if found.workload is not None:
        _refuse_given(order)
        return found.workload
    _check_given(order)
    if order.flags and not found.sources:
        raise UsageError(f"--cflag {order.flags[0]}: only C files are compiled: leave it out")
    workload = Workload(
        name=found.name,
        description=f"{order.path.name}, a program of the user's",
        folder=found.folder,
        sources=found.sources,
        module=found.module,
        program=found.program,
        parameters=tuple(_told(order)),
        arguments=tuple(map(_literal, order.arguments)),
        environment=dict(order.environment),
        stdin=None if order.stdin is None else order.stdin.absolute(),
        grants=tuple(_grant(host, guest) for host, guest in order.directories),
        flags=order.flags,
        outputs=tuple(map(_literal, order.outputs)),
        limits=_limits(order),
    )
    return with_suite(workload)


def _literal(text: str) -> str:
    """Write text so that no parameter is put into it."""
    return text.replace("{", "{{").replace("}", "}}")


def _limits(order: ProgramOrder) -> Limits:
    standard = Limits()
    return Limits(
        timeout_s=order.timeout_s or standard.timeout_s,
        memory_bytes=order.memory_bytes or standard.memory_bytes,
        output_bytes=order.output_bytes or standard.output_bytes,
    )


def _refuse_given(order: ProgramOrder) -> None:
    """Refuse what a workload.yaml says itself."""
    given = {
        "arguments": order.arguments,
        "--env": order.environment,
        "--stdin": order.stdin,
        "--dir": order.directories,
        "--output": order.outputs,
        "--cflag": order.flags,
        "--memory": order.memory_bytes,
        "--output-bytes": order.output_bytes,
    }
    for option, value in given.items():
        if value:
            raise UsageError(
                f"{order.path} has a workload.yaml, which says what it is given: leave {option}"
                " out, or write it there"
            )


def _check_given(order: ProgramOrder) -> None:
    if order.stdin is not None and not order.stdin.is_file():
        raise UsageError(f"no file {order.stdin} for --stdin: check the path")
    for name in order.environment:
        _check_variable(name)
    for output in order.outputs:
        problem = output_problem(output)
        if problem:
            raise UsageError(f"--output {output}: {problem}")
    _check_size("--memory", order.memory_bytes, MEMORY_BYTES)
    _check_size("--output-bytes", order.output_bytes, OUTPUT_BYTES)


def _check_size(option: str, size_bytes: int | None, allowed: range) -> None:
    if size_bytes is not None and size_bytes not in allowed:
        raise UsageError(
            f"{option} {size_bytes}: write from {allowed.start} to {allowed.stop - 1} bytes"
        )


def _check_variable(name: str) -> None:
    if not ENVIRONMENT_NAME.fullmatch(name):
        raise UsageError(
            f"--env {name}=..: '{name}' is no variable's name: write letters, digits and '_'"
        )
    if name in FARMS_OWN_VARIABLES:
        raise UsageError(f"--env {name}=..: the farm sets {name} itself: choose another name")


def _told(order: ProgramOrder) -> Iterable[Parameter]:
    told: list[tuple[str, Value]] = []
    if order.arguments:
        told.append(("arguments", shlex.join(order.arguments)))
    if order.stdin is not None:
        told.append(("stdin", order.stdin.name))
    if order.environment:
        pairs = (f"{name}={value}" for name, value in sorted(order.environment.items()))
        told.append(("environment", shlex.join(pairs)))
    if order.flags:
        told.append(("flags", shlex.join(order.flags)))
    return [Parameter(name, value, (value,)) for name, value in told]


def _grant(host: Path, guest: str) -> Grant:
    pure = PurePosixPath(guest)
    if leads_out(guest) or str(pure) == ".":
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
    workload = program_workload(order)
    case = Case(workload, tuple((item.name, item.default) for item in workload.parameters))
    devices = _program_devices(order, workload, inventory)
    if workload.checker is not None:
        check_case(case, [device.type.arch for device in devices])
    return MatrixSpec(
        name=workload.name,
        cases=(case,),
        modes=_program_modes(order, workload, sources),
        targets=devices,
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
