"""Between the wire's messages and the domain's values; protobuf goes no further than here."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from google.protobuf.message import DecodeError

from orchestrator.domain.artifact import Digest
from orchestrator.domain.attempt import Finished, Sample
from orchestrator.domain.device import Device
from orchestrator.domain.sync import AgentWord, AttemptRef, AttemptWord, Desired
from orchestrator.results.validity import Conditions, Window, judge
from protos.farm.v1 import agents_pb2
from protos.states import AttemptState, Outcome

#: An agent's word on an attempt ends at reported; an unknown state is the one before all.
_STATES: Mapping[int, AttemptState] = {
    agents_pb2.ATTEMPT_STATE_GRANTED: AttemptState.GRANTED,
    agents_pb2.ATTEMPT_STATE_STAGING: AttemptState.STAGING,
    agents_pb2.ATTEMPT_STATE_RUNNING: AttemptState.RUNNING,
    agents_pb2.ATTEMPT_STATE_REPORTED: AttemptState.REPORTED,
}

_OUTCOMES: Mapping[int, Outcome] = {
    agents_pb2.OUTCOME_SUCCEEDED: Outcome.SUCCEEDED,
    agents_pb2.OUTCOME_WORKLOAD_FAILED: Outcome.WORKLOAD_FAILED,
    agents_pb2.OUTCOME_WRONG_OUTPUT: Outcome.WRONG_OUTPUT,
    agents_pb2.OUTCOME_TIMED_OUT: Outcome.TIMED_OUT,
    agents_pb2.OUTCOME_CANCELLED: Outcome.CANCELLED,
    agents_pb2.OUTCOME_DEVICE_FAILED: Outcome.DEVICE_FAILED,
    agents_pb2.OUTCOME_INFRASTRUCTURE_FAILED: Outcome.INFRASTRUCTURE_FAILED,
    agents_pb2.OUTCOME_UNSUPPORTED: Outcome.UNSUPPORTED,
}

#: Of a file an attempt left; an index of PostgreSQL takes little more.
_MOST_PATH_BYTES = 2048

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def digest(message: agents_pb2.Digest) -> Digest:
    """Read a digest.

    Raises:
        ValueError: it is none.
    """
    return Digest(message.sha256, message.size_bytes)


def attempt_ref(message: agents_pb2.AttemptRef) -> AttemptRef:
    """Read the name of an attempt."""
    return AttemptRef(message.fence, message.sequence, message.attempt_id)


def agent_word(message: agents_pb2.AgentState) -> AgentWord:
    """Read what an agent says of itself.

    Raises:
        ValueError: a digest is none.
    """
    return AgentWord(
        agent_version=message.agent_version,
        boot_id=message.boot_id,
        agent_id=message.agent_id,
        highest_fence=message.highest_fence,
        highest_sequence=message.highest_sequence,
        lease_fence=message.lease_fence,
        attempts=tuple(_attempt_word(one) for one in message.attempts),
        facts={fact.name: fact.value for fact in message.facts},
    )


def _attempt_word(message: agents_pb2.AttemptProgress) -> AttemptWord:
    return AttemptWord(
        ref=attempt_ref(message.attempt),
        state=_STATES.get(message.state, AttemptState.GRANTED),
        detail=message.detail,
        report=digest(message.report) if message.HasField("report") else None,
    )


def desired_state(desired: Desired, call_again_s: float) -> agents_pb2.DesiredState:
    """Write what an agent should be doing.

    Args:
        desired: what.
        call_again_s: the latest time of its next call.
    """
    message = agents_pb2.DesiredState(
        stop=[_ref_message(ref) for ref in desired.stop],
        forget=[_ref_message(ref) for ref in desired.forget],
        call_again_s=call_again_s,
        send_facts=desired.send_facts,
    )
    if desired.lease is not None:
        message.lease.lease_id = desired.lease.lease_id
        message.lease.fence = desired.lease.fence
        message.lease.valid_s = desired.lease.valid_s
    for work in desired.work:
        assignment = message.assignments.add()
        assignment.ParseFromString(work.assignment)
        assignment.attempt.CopyFrom(_ref_message(work.ref))
    return message


def _ref_message(ref: AttemptRef) -> agents_pb2.AttemptRef:
    return agents_pb2.AttemptRef(attempt_id=ref.attempt_id, fence=ref.fence, sequence=ref.sequence)


def report(data: bytes) -> agents_pb2.Report:
    """Read a serialized report.

    Raises:
        ValueError: it is none.
    """
    try:
        return agents_pb2.Report.FromString(data)
    except DecodeError as error:
        raise ValueError(f"not a report: {error}") from error


def finished(message: agents_pb2.Report, device: Device, logs: Mapping[str, Digest]) -> Finished:
    """Translate and judge a report. A failure keeps no times (D9), only what it used.

    Args:
        message: the report.
        device: who sent it.
        logs: what it uploaded before, by kind.

    Raises:
        ValueError: the outcome is unknown or a digest is none.
    """
    outcome = _OUTCOMES.get(message.outcome)
    if outcome is None:
        raise ValueError(f"not an outcome: {message.outcome}")
    worked = outcome is Outcome.SUCCEEDED
    region = _region(message) if worked else None
    return Finished(
        attempt_id=message.attempt.attempt_id,
        device=device.name,
        fence=message.attempt.fence,
        sequence=message.attempt.sequence,
        outcome=outcome,
        reason=message.reason,
        validity=_validity(message, device) if worked else (),
        exit_code=message.exit_code,
        signal=message.signal,
        trap=message.trap,
        region=region,
        samples=_samples(message, region) if region else (),
        numbers=_numbers(message, timed=worked),
        output=digest(message.output) if message.HasField("output") else None,
        output_truncated=message.output_truncated,
        logs=logs,
        files=_files(message),
        boot_id=message.boot_id,
        runner_started_ns=message.runner_started_ns,
        runner_ended_ns=message.runner_ended_ns,
        started_at=_instant(message.started_unix_ns),
        ended_at=_instant(message.ended_unix_ns),
        runner_version=message.runner_version,
        adopted=message.adopted,
        conditions=_evidence(message),
    )


def _files(message: agents_pb2.Report) -> Mapping[str, Digest]:
    """The files a program left. Their paths come from a device: each is looked at once, here.

    Raises:
        ValueError: a path could lead out of a folder, or is no text for a database.
    """
    for file in message.files:
        odd = any(part in ("", ".", "..") for part in file.path.split("/"))
        if odd or "\0" in file.path or len(file.path.encode()) > _MOST_PATH_BYTES:
            raise ValueError(f"not a file of a working folder: {file.path[:100]!r}")
    return {file.path: digest(file.digest) for file in message.files}


def _validity(message: agents_pb2.Report, device: Device) -> tuple[str, ...]:
    return judge(_window(message), shared_machine=device.share_machine, emulated=device.emulated)


def _region(message: agents_pb2.Report) -> str | None:
    """What ``execute`` spans: the region the program marks, if it does so in every repeat."""
    if not message.repeats:
        return None
    return "bench" if all(one.region_ns for one in message.repeats) else "main"


def _samples(message: agents_pb2.Report, region: str) -> tuple[Sample, ...]:
    repeats = sorted(message.repeats, key=lambda one: (not one.warmup, one.index))
    warmups = sum(one.warmup for one in repeats)
    main_s = tuple(one.execute_ns / 1e9 for one in repeats)
    bench_s = tuple(one.region_ns / 1e9 for one in repeats)
    found = [Sample("execute", "wall", bench_s if region == "bench" else main_s, warmups)]
    if region == "bench":
        # All of main as well: it says what the program does around its region.
        found.append(Sample("main", "wall", main_s, warmups))
    if any(one.instantiate_ns for one in repeats):
        spent_s = tuple(one.instantiate_ns / 1e9 for one in repeats)
        found.append(Sample("instantiate", "wall", spent_s, warmups))
    if message.load_ns:
        found.append(Sample("load", "wall", (message.load_ns / 1e9,), 0))
    return tuple(found)


def _numbers(message: agents_pb2.Report, *, timed: bool) -> Mapping[str, float]:
    if not message.HasField("usage"):
        return {}
    usage = message.usage
    found = {
        "peak_memory_bytes": float(usage.peak_memory_bytes),
        "minor_faults": float(usage.minor_faults),
        "major_faults": float(usage.major_faults),
        "voluntary_switches": float(usage.voluntary_switches),
        "involuntary_switches": float(usage.involuntary_switches),
    }
    if timed:
        found |= {"user_s": usage.user_us / 1e6, "system_s": usage.system_us / 1e6}
    waited_s = _waited_s(message)
    if timed and waited_s is not None:
        found["waited_s"] = waited_s
    if timed and usage.HasField("cycles"):
        found["cycles"] = float(usage.cycles)
    if timed and usage.HasField("instructions"):
        found["instructions"] = float(usage.instructions)
    return found


def _conditions(message: agents_pb2.Conditions) -> Conditions:
    return Conditions(
        at_unix_ns=message.at_unix_ns,
        governor=message.governor,
        frequency_khz=message.frequency_khz if message.HasField("frequency_khz") else None,
        temperature_celsius=(
            message.temperature_celsius if message.HasField("temperature_celsius") else None
        ),
        throttled_flags=message.throttled_flags if message.HasField("throttled_flags") else None,
        load_1m=message.load_1m,
        steal_ticks=message.steal_ticks,
        free_memory_bytes=message.free_memory_bytes,
        swap_in_pages=message.swap_in_pages,
        swap_out_pages=message.swap_out_pages,
        busy_ticks=message.busy_ticks,
        ticks_per_s=message.ticks_per_s,
    )


def _waited_s(message: agents_pb2.Report) -> float | None:
    """How long the program waited for its core in the kept repeats; None: not known of all."""
    kept = [one for one in message.repeats if not one.warmup]
    if not kept or not all(one.HasField("waited_ns") for one in kept):
        return None
    return sum(one.waited_ns for one in kept) / 1e9


def _timed_s(message: agents_pb2.Report) -> float:
    """How long all that is kept as ``execute`` took."""
    marked = _region(message) == "bench"
    kept = (one for one in message.repeats if not one.warmup)
    return sum(one.region_ns if marked else one.execute_ns for one in kept) / 1e9


def _window(message: agents_pb2.Report) -> Window:
    return Window(
        before=_conditions(message.before),
        after=_conditions(message.after),
        own_cpu_s=(message.usage.user_us + message.usage.system_us) / 1e6,
        runner_s=max(message.runner_ended_ns - message.runner_started_ns, 0) / 1e9,
        measured_cpu=message.measured_cpu,
        involuntary_switches=message.usage.involuntary_switches,
        waited_s=_waited_s(message),
        timed_s=_timed_s(message),
    )


def _evidence(message: agents_pb2.Report) -> Mapping[str, Mapping[str, float | str]]:
    return {
        "before": _conditions(message.before).evidence() if message.HasField("before") else {},
        "after": _conditions(message.after).evidence() if message.HasField("after") else {},
        "measured": {
            "cpu": float(message.measured_cpu),
            "peak_memory_source": message.usage.peak_memory_source,
        },
    }


def _instant(unix_ns: int) -> datetime | None:
    """The device's wall clock, which may be wrong; None where it was not told."""
    return _EPOCH + timedelta(microseconds=unix_ns // 1000) if unix_ns else None
