"""A report tells what is known of an attempt, and leaves out what is not."""

from __future__ import annotations

from agent.events import EventLog, RepeatEvent
from agent.order import Ref
from agent.outcome import Verdict
from agent.report import Finding, make_report
from protos.farm.v1 import agents_pb2 as pb
from protos.states import Outcome

LOG = EventLog(
    repeats=(RepeatEvent(0, True, 50, 0, 5, 0), RepeatEvent(1, False, 40, 0, 6)),
    usage={"user_us": 7, "later": 8},
)


def _report(outcome: Outcome) -> pb.Report:
    ref = Ref(attempt_id=7, fence=3, sequence=2)
    return pb.Report.FromString(make_report(Finding(ref, Verdict(outcome, ""), LOG, "boot")))


def test_a_success_tells_its_repeats() -> None:
    """Having waited for nothing is not the same as not knowing."""
    report = _report(Outcome.SUCCEEDED)
    assert (report.attempt.attempt_id, report.boot_id, report.measured_cpu) == (7, "boot", -1)
    assert [one.execute_ns for one in report.repeats] == [50, 40]
    assert [one.HasField("waited_ns") for one in report.repeats] == [True, False]
    assert report.usage.user_us == 7


def test_a_failure_tells_no_times() -> None:
    """Only what it used (D9)."""
    report = _report(Outcome.WORKLOAD_FAILED)
    assert list(report.repeats) == []
    assert report.usage.user_us == 7
