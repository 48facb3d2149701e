"""Turns what is known of a finished attempt into the report that settles it."""

from __future__ import annotations

from dataclasses import dataclass

from agent.events import EventLog
from agent.order import Blob, Ref, write_ref
from agent.outcome import Verdict
from agent.telemetry import Conditions
from protos.farm.v1 import agents_pb2 as pb
from protos.states import Outcome

_USAGE = (
    "user_us",
    "system_us",
    "peak_memory_bytes",
    "minor_faults",
    "major_faults",
    "voluntary_switches",
    "involuntary_switches",
    "cycles",
    "instructions",
)


@dataclass(frozen=True, slots=True)
class Finding:
    """All that a report tells."""

    ref: Ref
    verdict: Verdict
    log: EventLog
    boot_id: str
    #: The serialized conditions before the run; empty where it never ran.
    before: bytes = b""
    #: None where nobody was there to look when it ended.
    after: Conditions | None = None
    output: Blob | None = None
    #: Files it left, by their parts.
    files: tuple[tuple[tuple[str, ...], Blob], ...] = ()
    #: The agent restarted while it ran.
    adopted: bool = False


def make_report(finding: Finding) -> bytes:
    """Serialize a report. A failing attempt tells no time of the program (D9)."""
    verdict, log = finding.verdict, finding.log
    report = pb.Report(
        attempt=write_ref(finding.ref),
        outcome=pb.Outcome.Value(f"OUTCOME_{verdict.outcome.name}"),
        reason=verdict.reason,
        output_truncated=verdict.output_truncated,
        boot_id=finding.boot_id,
        adopted=finding.adopted,
        measured_cpu=-1,
    )
    _add_log(report, log)
    if verdict.outcome is Outcome.SUCCEEDED:
        _add_times(report, log)
    if finding.output is not None:
        report.output.sha256 = finding.output.sha256
        report.output.size_bytes = finding.output.size_bytes
    for parts, blob in finding.files:
        digest = pb.Digest(sha256=blob.sha256, size_bytes=blob.size_bytes)
        report.files.add(path="/".join(parts), digest=digest)
    if finding.before:
        report.before.ParseFromString(finding.before)
    if finding.after is not None:
        report.after.CopyFrom(finding.after.to_wire())
    return report.SerializeToString(deterministic=True)


def _add_log(report: pb.Report, log: EventLog) -> None:
    if log.start is not None:
        report.runner_started_ns = log.start.monotonic_ns
        report.started_unix_ns = log.start.realtime_ns
        report.runner_version = log.start.version
        report.measured_cpu = log.start.cpu
    if log.end is not None:
        report.runner_ended_ns = log.end.monotonic_ns
        report.ended_unix_ns = log.end.realtime_ns
        report.exit_code = log.end.exit_code
        report.signal = log.end.signal
        report.trap = log.end.trap
    if log.usage is not None:
        known = {name: log.usage[name] for name in _USAGE if name in log.usage}
        report.usage.CopyFrom(pb.Usage(peak_memory_source=log.peak_memory_source, **known))


def _add_times(report: pb.Report, log: EventLog) -> None:
    report.load_ns = log.load_ns
    for repeat in log.repeats:
        report.repeats.add(
            index=repeat.index,
            warmup=repeat.warmup,
            execute_ns=repeat.execute_ns,
            region_ns=repeat.region_ns,
            instantiate_ns=repeat.instantiate_ns,
            waited_ns=repeat.waited_ns,
        )
