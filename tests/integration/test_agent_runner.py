"""The agent with the real farm-runner: outcomes, limits, adoption, stops; native and emulated."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.domain.device import Arch
from orchestrator.domain.matrix import Mode, Runtime
from protos.farm.v1 import agents_pb2 as pb
from tests.support import native
from tests.support.agents import Rig, open_rig
from tests.support.waiting import wait_until

#: A cold cache builds WAMR first.
pytestmark = [pytest.mark.toolchain, pytest.mark.timeout(1200)]

KINDS = {
    "run": pb.PROGRAM_KIND_WASM,
    "exec": pb.PROGRAM_KIND_NATIVE,
}
TARGETS = [
    pytest.param((Runtime.FAST, Arch.X86_64), id="wasm"),
    pytest.param((Runtime.NATIVE, Arch.X86_64), id="native"),
    pytest.param((Runtime.FAST, Arch.AARCH64), id="emulated-wasm", marks=pytest.mark.emulator),
    pytest.param((Runtime.NATIVE, Arch.AARCH64), id="emulated", marks=pytest.mark.emulator),
    pytest.param((Runtime.AOT, Arch.ARMV7), id="32-bit-wasm", marks=pytest.mark.emulator),
    pytest.param((Runtime.NATIVE, Arch.ARMV7), id="32-bit", marks=pytest.mark.emulator),
]


@pytest.fixture(params=TARGETS)
def built(request: pytest.FixtureRequest) -> native.Built:
    """The program that does as it is told, with its runner."""
    runtime, arch = request.param
    return native.build(native.CONDUCT, Mode(runtime), arch)


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    """An orchestrator that serves, and no agent yet."""
    with open_rig(tmp_path) as made:
        yield made


def order(rig: Rig, built: native.Built, *arguments: str, timeout_s: float = 60) -> pb.Assignment:
    """Order one warmup and two repeats of the program."""
    return pb.Assignment(
        attempt=pb.AttemptRef(attempt_id=7, fence=1, sequence=1),
        runner=rig.orchestrator.put(built.runner.read_bytes()),
        kind=KINDS[built.command],
        program=rig.orchestrator.put(built.program.read_bytes()),
        program_name="conduct",
        arguments=arguments,
        warmups=1,
        repeats=2,
        limits=pb.Limits(
            timeout_s=timeout_s,
            memory_bytes=256 << 20,
            output_bytes=1 << 20,
            processes=16,
            stack_bytes=1 << 20,
        ),
    )


def begin(rig: Rig, built: native.Built, *arguments: str, timeout_s: float = 60) -> None:
    """Start an agent and give it the order."""
    rig.start_agent(emulator=built.emulator)
    rig.orchestrator.grant(1, order(rig, built, *arguments, timeout_s=timeout_s))


def events_of(rig: Rig) -> bytes:
    """What the runner told so far."""
    path = rig.state / "attempts" / "1.1.7" / "events"
    return path.read_bytes() if path.exists() else b""


def test_measures(rig: Rig, built: native.Built) -> None:
    """An attempt succeeds with times of every repeat, usage, output and the runner's version."""
    begin(rig, built, "tell", "a b")
    report = rig.orchestrator.wait_for_report(7, 90)
    assert report.outcome == pb.OUTCOME_SUCCEEDED, report.reason
    assert [(r.index, r.warmup) for r in report.repeats] == [(0, True), (1, False), (2, False)]
    assert all(repeat.execute_ns > 0 for repeat in report.repeats)
    assert report.usage.peak_memory_bytes > 0
    assert report.runner_ended_ns > report.runner_started_ns > 0
    assert report.runner_version
    assert b"a b" in rig.orchestrator.logs[7, pb.UPLOAD_KIND_STDOUT]


@pytest.mark.parametrize(
    ("arguments", "outcome", "reason"),
    [
        (["exit", "3"], pb.OUTCOME_WORKLOAD_FAILED, "exit code 3"),
        (["flood", "8000000"], pb.OUTCOME_WORKLOAD_FAILED, "wrote more than 1048576 bytes"),
        (["spin"], pb.OUTCOME_TIMED_OUT, "ran longer than 3 s"),
    ],
)
def test_what_a_program_does_wrong(
    rig: Rig,
    built: native.Built,
    arguments: list[str],
    outcome: pb.Outcome.ValueType,
    reason: str,
) -> None:
    """Exit codes, floods and endless loops are outcomes with the same words in every mode."""
    begin(rig, built, *arguments, timeout_s=3)
    report = rig.orchestrator.wait_for_report(7, 90)
    assert (report.outcome, report.reason) == (outcome, reason)
    assert not report.repeats
    assert report.output_truncated == (arguments[0] == "flood")


def test_is_stopped(rig: Rig, built: native.Built) -> None:
    """A stop ends the runner and all it started, also through an emulator."""
    begin(rig, built, "spin")
    wait_until(lambda: b'"start"' in events_of(rig))
    rig.orchestrator.stop_attempt(7)
    assert rig.orchestrator.wait_for_report(7).outcome == pb.OUTCOME_CANCELLED
    assert not _runners(rig)


def test_is_adopted(rig: Rig, built: native.Built) -> None:
    """The next agent takes the running runner up and carries out a stop."""
    begin(rig, built, "spin")
    wait_until(lambda: b'"start"' in events_of(rig))
    before = _runners(rig)
    rig.kill_agent()
    rig.start_agent(emulator=built.emulator)
    told = len(rig.orchestrator.states)
    rig.orchestrator.wait_until(lambda: len(rig.orchestrator.states) > told)
    assert set(_runners(rig)) & set(before)
    rig.orchestrator.stop_attempt(7)
    report = rig.orchestrator.wait_for_report(7)
    assert (report.outcome, report.adopted) == (pb.OUTCOME_CANCELLED, True)
    assert not _runners(rig)


def test_a_killed_runner_leaves_nobody(rig: Rig, built: native.Built) -> None:
    """SIGKILL to the supervisor takes its worker along; the farm's fault, told with the signal."""
    begin(rig, built, "spin")
    wait_until(lambda: b'"start"' in events_of(rig))
    os.kill(min(_runners(rig), key=_started), signal.SIGKILL)
    report = rig.orchestrator.wait_for_report(7)
    assert report.outcome == pb.OUTCOME_INFRASTRUCTURE_FAILED
    assert report.reason == "the runner was lost without a last word: signal 9"
    assert not _runners(rig)


def _started(pid: int) -> tuple[int, int]:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[19]), pid


def _runners(rig: Rig) -> list[int]:
    """Everything of the attempt that lives: all carry the state folder in their command line."""
    found = []
    for pid in rig.living():
        words = Path(f"/proc/{pid}/cmdline").read_bytes()
        if b"-m\0agent" not in words:
            found.append(pid)
    return found


def test_arguments_beyond_the_kernels_limit_are_the_workloads_fault(rig: Rig) -> None:
    """No other try would take them; the device is not to blame."""
    program = native.build(native.CONDUCT, Mode(Runtime.NATIVE), Arch.X86_64)
    # A quarter of the stack's limit, 2 MiB by default (execve(2)).
    begin(rig, program, "exit", *["x" * 120_000] * 20)
    report = rig.orchestrator.wait_for_report(7, 60)
    assert report.outcome == pb.OUTCOME_WORKLOAD_FAILED
    assert report.reason == "its arguments and environment are longer than the kernel takes"
