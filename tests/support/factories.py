"""Small builders of domain values: each argument has a default; a test names what it is about."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from orchestrator.domain.artifact import Artifact, ArtifactKind, Digest, Ingredient, Provenance
from orchestrator.domain.attempt import Finished, Sample
from orchestrator.domain.device import Arch, Device, DeviceType
from orchestrator.domain.matrix import CellPlan, Counts, MatrixSpec, Mode, Plan, Runtime
from orchestrator.domain.run import GrantedAttempt
from orchestrator.domain.workload import Case, Parameter, Value, Workload
from protos.states import Outcome

#: A moment for tests that need one.
NOW = datetime(2026, 11, 25, 12, 0, 0, tzinfo=UTC)

X86 = DeviceType(name="local-x86_64", arch=Arch.X86_64, cpu="x86-64-v3")
ARM = DeviceType(name="emu-aarch64", arch=Arch.AARCH64, cpu="cortex-a72")
ARMV7 = DeviceType(name="emu-armv7", arch=Arch.ARMV7, cpu="cortex-a7", os_bits=32)


def later(seconds: float) -> datetime:
    """Answer a moment after ``NOW``."""
    return NOW + timedelta(seconds=seconds)


def digest(text: str = "") -> Digest:
    """Answer the digest of a text."""
    data = text.encode()
    return Digest(hashlib.sha256(data).hexdigest(), len(data))


def device(
    name: str = "local",
    kind: DeviceType = X86,
    *,
    machine: str | None = None,
    emulator: str | None = None,
    share_machine: bool = False,
    tags: tuple[str, ...] = (),
) -> Device:
    """Build a device; on a machine of its own unless one is named."""
    return Device(
        name=name,
        type=kind,
        machine=machine or name,
        emulator=emulator,
        share_machine=share_machine,
        tags=tags,
    )


def emulated(name: str = "emu", *, machine: str | None = None) -> Device:
    """Build an emulated aarch64 device."""
    return device(name, ARM, machine=machine, emulator="qemu-aarch64-static")


def workload(name: str = "noop", *, sizes: tuple[str, ...] = ()) -> Workload:
    """Build a workload of one C file, with a parameter ``size`` if sizes are given."""
    parameters = (Parameter("size", sizes[0], sizes),) if sizes else ()
    return Workload(
        name=name,
        description=f"{name} for tests",
        folder=Path("/workloads") / name,
        sources=(f"{name}.c",),
        parameters=parameters,
    )


def case(of: Workload | None = None, **parameters: Value) -> Case:
    """Build a case of a workload."""
    return Case(of or workload(), tuple(sorted(parameters.items())))


def cell(
    of: Case | None = None,
    mode: Mode | None = None,
    target: Device | DeviceType = X86,
    *,
    counts: Counts | None = None,
    impossible: str = "",
) -> CellPlan:
    """Build one point of a matrix; its key follows from case, mode and target."""
    of = of or case()
    mode = mode or Mode(Runtime.NATIVE)
    key = digest(f"{of.workload.name} {of.parameters} {mode.label} {target.name}").sha256
    return CellPlan(
        key=key,
        case=of,
        mode=mode,
        target=target,
        counts=counts or Counts(),
        timeout_s=of.workload.limits.timeout_s,
        impossible=impossible,
    )


def plan(*cells: CellPlan, name: str = "test", priority: int = 0, text: str = "") -> Plan:
    """Build a plan around cells; one cell if none is given."""
    cells = cells or (cell(),)
    spec = MatrixSpec(
        name=name,
        cases=tuple(
            {(one.case.workload.name, one.case.parameters): one.case for one in cells}.values()
        ),
        modes=tuple(dict.fromkeys(one.mode for one in cells)),
        targets=tuple({one.target.name: one.target for one in cells}.values()),
        counts=cells[0].counts,
        priority=priority,
        text=text or f"name: {name}\n",
    )
    return Plan(spec, tuple(cells))


def product(
    cases: Sequence[Case],
    modes: Sequence[Mode],
    targets: Sequence[Device | DeviceType],
    counts: Counts | None = None,
) -> Plan:
    """Build the plan of a whole matrix."""
    return plan(
        *(
            cell(one, mode, target, counts=counts)
            for one in cases
            for mode in modes
            for target in targets
        )
    )


def artifact(
    text: str = "program", kind: ArtifactKind = ArtifactKind.NATIVE, *, arch: str = ""
) -> Artifact:
    """Build an artifact whose bytes are a text."""
    return Artifact(digest(text), kind, text, arch)


def provenance(
    made: Artifact | None = None,
    *,
    sources: Sequence[Artifact] = (),
    tool: str = "zig cc 0.15.2",
) -> Provenance:
    """Build the record of how an artifact was made."""
    made = made or artifact()
    names = " ".join(one.name for one in sources)
    return Provenance(
        key=digest(f"{tool} {made.name} {names}").sha256,
        product=made,
        tool=tool,
        tool_sha256=digest(tool).sha256,
        argv=("cc", "-O3", "-o", made.name, *(one.name for one in sources)),
        ingredients=tuple(Ingredient("source", one.name, one.digest) for one in sources),
        wall_s=0.25,
        made_at=NOW,
    )


def samples(
    execute_s: Sequence[float] = (0.011, 0.010, 0.012, 0.010), *, warmups: int = 1
) -> tuple[Sample, ...]:
    """Build the samples of an attempt: load, instantiate, and execute with its warmups first."""
    values = tuple(execute_s)
    return (
        Sample("load", "wall", (0.002,), 0),
        Sample("instantiate", "wall", tuple(0.001 for _ in values), warmups),
        Sample("execute", "wall", values, warmups),
    )


def finished(
    attempt: GrantedAttempt | int = 1,
    device_name: str = "local",
    *,
    fence: int = 1,
    sequence: int = 1,
    outcome: Outcome = Outcome.SUCCEEDED,
    reason: str = "",
    validity: tuple[str, ...] = (),
    measured: tuple[Sample, ...] | None = None,
    numbers: Mapping[str, float] | None = None,
    output: str = "ok\n",
) -> Finished:
    """Build a judged report; of a granted attempt, or of an id with fence and sequence.

    Only a success carries times (D9).
    """
    if isinstance(attempt, GrantedAttempt):
        fence, sequence, attempt = attempt.fence, attempt.sequence, attempt.attempt_id
    worked = outcome is Outcome.SUCCEEDED
    default_numbers = {"user_s": 0.04, "system_s": 0.001, "peak_memory_bytes": 4096.0 * 300}
    return Finished(
        attempt_id=attempt,
        device=device_name,
        fence=fence,
        sequence=sequence,
        outcome=outcome,
        reason=reason,
        validity=validity,
        exit_code=0 if worked else 1,
        signal=0,
        trap="",
        region="bench" if worked else None,
        samples=(samples() if measured is None else measured) if worked else (),
        numbers=default_numbers if numbers is None else numbers,
        output=digest(output),
        boot_id="11111111-2222-3333-4444-555555555555",
        runner_started_ns=1_000_000_000,
        runner_ended_ns=1_100_000_000,
        started_at=later(1),
        ended_at=later(1.1),
        runner_version="1.0.0",
        conditions={"before": {"governor": "performance", "load_1m": 0.1}, "after": {}},
    )
