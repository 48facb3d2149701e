"""Reports and words of agents, translated from the wire."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.domain.artifact import Digest
from orchestrator.domain.attempt import Sample
from orchestrator.domain.sync import AttemptRef, Desired, LeaseTerm, Work
from orchestrator.rpc import translate
from protos import states
from protos.farm.v1 import agents_pb2 as pb
from tests.support.factories import device, digest

OUTPUT = digest("ok\n")


def _report(**changes: object) -> pb.Report:
    report = pb.Report(
        attempt=pb.AttemptRef(attempt_id=7, fence=3, sequence=2),
        outcome=pb.OUTCOME_SUCCEEDED,
        load_ns=2_000_000,
        repeats=[
            pb.Repeat(index=0, warmup=True, execute_ns=50, region_ns=40, instantiate_ns=5),
            pb.Repeat(index=1, execute_ns=30, region_ns=20, instantiate_ns=6),
            pb.Repeat(index=2, execute_ns=31, region_ns=21, instantiate_ns=7),
        ],
        usage=pb.Usage(user_us=1_500_000, system_us=1000, peak_memory_bytes=4096, cycles=9),
        output=pb.Digest(sha256=OUTPUT.sha256, size_bytes=OUTPUT.size_bytes),
        before=pb.Conditions(at_unix_ns=1, governor="performance", ticks_per_s=100),
        after=pb.Conditions(at_unix_ns=2, governor="performance", ticks_per_s=100),
        boot_id="boot",
        runner_started_ns=5,
        runner_ended_ns=9,
        started_unix_ns=1_764_072_000_123_456_789,
        measured_cpu=1,
    )
    for name, value in changes.items():
        setattr(report, name, value)
    return report


def _samples(report: pb.Report) -> dict[str, Sample]:
    return {one.phase: one for one in translate.finished(report, device(), {}).samples}


def test_a_success_carries_its_times() -> None:
    """Marked regions are what is measured; main, instantiate and load stand beside them."""
    found = translate.finished(_report(), device("pi"), {"stderr": OUTPUT})
    assert (found.attempt_id, found.device, found.fence, found.sequence) == (7, "pi", 3, 2)
    assert found.region == "bench"
    assert _samples(_report()) == {
        "execute": Sample("execute", "wall", (40e-9, 20e-9, 21e-9), 1),
        "main": Sample("main", "wall", (50e-9, 30e-9, 31e-9), 1),
        "instantiate": Sample("instantiate", "wall", (5e-9, 6e-9, 7e-9), 1),
        "load": Sample("load", "wall", (0.002,), 0),
    }
    assert found.numbers["user_s"] == 1.5
    assert found.numbers["cycles"] == 9.0
    assert "instructions" not in found.numbers
    assert found.output == OUTPUT
    assert found.logs == {"stderr": OUTPUT}
    assert found.validity == ()
    assert found.started_at is not None
    assert found.started_at.isoformat() == "2025-11-25T12:00:00.123456+00:00"


def test_what_was_waited_for_the_core_is_kept_and_judged() -> None:
    """Of the kept repeats, where the device could tell it of all of them."""
    report = _report()
    for repeat, waited_ns in zip(report.repeats, (9_000_000, 1_000_000, 2_000_000), strict=True):
        repeat.region_ns, repeat.execute_ns, repeat.waited_ns = 10_000_000, 99_000_000, waited_ns
    found = translate.finished(report, device(), {})
    assert found.numbers["waited_s"] == pytest.approx(0.003)
    assert found.validity == ("busy: the program waited 3.0 ms for core 1; 20.0 ms are measured",)
    report.repeats[1].ClearField("waited_ns")
    assert "waited_s" not in translate.finished(report, device(), {}).numbers


def test_without_marks_main_is_measured() -> None:
    """One repeat without a region makes main the region of all: never a mixture."""
    report = _report()
    report.repeats[2].region_ns = 0
    assert translate.finished(report, device(), {}).region == "main"
    assert _samples(report)["execute"].values == (50e-9, 30e-9, 31e-9)
    assert "main" not in _samples(report)


def test_warmups_come_first() -> None:
    """Whatever the order on the wire."""
    report = _report()
    shuffled = [report.repeats[2], report.repeats[0], report.repeats[1]]
    again = _report()
    del again.repeats[:]
    again.repeats.extend(shuffled)
    assert _samples(again) == _samples(report)


def test_a_native_program_has_no_load_and_no_instantiation() -> None:
    """Absent phases make no samples of zeros."""
    report = _report(load_ns=0)
    for repeat in report.repeats:
        repeat.instantiate_ns = 0
    assert set(_samples(report)) == {"execute", "main"}


@pytest.mark.parametrize(
    "outcome", [one for one in pb.Outcome.values() if one > pb.OUTCOME_SUCCEEDED]
)
def test_a_failure_carries_no_times(outcome: pb.Outcome.ValueType) -> None:
    """D9: wrong output, a trap or a time limit leave no number one could use."""
    found = translate.finished(_report(outcome=outcome, reason="why"), device(), {})
    assert found.outcome is not states.Outcome.SUCCEEDED
    assert found.samples == ()
    assert found.region is None
    assert not {"user_s", "system_s", "cycles", "instructions"} & set(found.numbers)
    assert found.numbers["peak_memory_bytes"] == 4096.0


def test_every_outcome_of_the_wire_is_known() -> None:
    """The two enums name the same outcomes."""
    told = {
        translate.finished(_report(outcome=one), device(), {}).outcome
        for one in pb.Outcome.values()
        if one
    }
    assert told == set(states.Outcome)


def test_an_unknown_outcome_is_refused() -> None:
    """Zero is what a forgotten field says."""
    with pytest.raises(ValueError, match="not an outcome"):
        translate.finished(_report(outcome=0), device(), {})


def test_garbage_is_no_report() -> None:
    """Bytes that are no message are refused."""
    with pytest.raises(ValueError, match="not a report"):
        translate.report(b"\xff\xff\xff")


def test_a_shared_machine_marks_the_result() -> None:
    """The judge is asked with the device's own declaration."""
    found = translate.finished(_report(), device(share_machine=True), {})
    assert found.validity == ("shared: the machine is declared as shared",)


def test_a_report_without_usage_or_output_is_one() -> None:
    """An attempt that never began has neither."""
    report = pb.Report(outcome=pb.OUTCOME_INFRASTRUCTURE_FAILED, reason="no runner")
    found = translate.finished(report, device(), {})
    assert (found.numbers, found.output, found.started_at) == ({}, None, None)


def test_a_word_comes_over() -> None:
    """All that an agent says of itself."""
    state = pb.AgentState(
        agent_version="1.2",
        boot_id="boot",
        agent_id="agent",
        highest_fence=3,
        highest_sequence=2,
        lease_fence=3,
        attempts=[
            pb.AttemptProgress(
                attempt=pb.AttemptRef(attempt_id=7, fence=3, sequence=1),
                state=pb.ATTEMPT_STATE_REPORTED,
                report=pb.Digest(sha256=OUTPUT.sha256, size_bytes=3),
            ),
            pb.AttemptProgress(attempt=pb.AttemptRef(attempt_id=8, fence=3, sequence=2)),
        ],
        facts=[pb.Fact(name="cpu.model", value="Cortex-A72")],
    )
    word = translate.agent_word(state)
    assert word.attempts[0].ref == AttemptRef(3, 1, 7)
    assert word.attempts[0].report == Digest(OUTPUT.sha256, 3)
    assert word.attempts[1].state is states.AttemptState.GRANTED
    assert word.facts == {"cpu.model": "Cortex-A72"}


def test_a_digest_from_the_wire_is_checked() -> None:
    """Nothing else ever becomes a path."""
    with pytest.raises(ValueError, match="not a sha256"):
        translate.digest(pb.Digest(sha256="../../etc/passwd", size_bytes=1))


def test_what_is_desired_goes_out_whole() -> None:
    """The stored assignment gets its reference, the lease its term."""
    stored = pb.Assignment(program_name="gemm", repeats=5).SerializeToString()
    desired = Desired(
        lease=LeaseTerm(4, 9, 30.0),
        work=(Work(AttemptRef(9, 1, 70), stored),),
        stop=(AttemptRef(8, 1, 60),),
        forget=(AttemptRef(8, 2, 61),),
        send_facts=True,
    )
    message = translate.desired_state(desired, 2.0)
    assert message.lease == pb.Lease(lease_id=4, fence=9, valid_s=30.0)
    assert message.assignments[0].attempt == pb.AttemptRef(attempt_id=70, fence=9, sequence=1)
    assert message.assignments[0].program_name == "gemm"
    assert [one.attempt_id for one in message.stop] == [60]
    assert [one.attempt_id for one in message.forget] == [61]
    assert message.send_facts
    assert not translate.desired_state(replace(desired, lease=None), 0).HasField("lease")
