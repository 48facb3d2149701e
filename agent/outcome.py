"""How an attempt ended, decided from what is known of it; pure."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from enum import StrEnum

from agent.events import End, EventLog
from agent.order import Limits
from protos.states import Outcome


class StopCause(StrEnum):
    """Why an attempt was ended from outside."""

    ORDERED = "stopped as ordered"
    LEASE_OVER = "its lease is over"
    NO_CONTACT = "no contact with the orchestrator for longer than the lease allows"
    OVERDUE = "the runner did not end it at its time limit"


@dataclass(frozen=True, slots=True)
class Verdict:
    """An outcome and, unless it succeeded, why."""

    outcome: Outcome
    reason: str = ""
    #: More was printed than the limit allows.
    output_truncated: bool = False


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known when an attempt is over."""

    log: EventLog
    limits: Limits
    #: Warmups and repeats together.
    ordered: int
    #: Who ended it from outside; None: nobody.
    stopped: StopCause | None
    #: sha256 of each repeat's output, in order.
    outputs: tuple[str, ...]
    #: How the runner itself ended, as far as known: ``signal 9``, ``exit code 2: bad option``.
    runner_end: str
    #: Whether the repeats must have printed the same.
    agree: bool = True
    #: What is wrong with the files it was to leave; empty: nothing.
    files_problem: str = ""
    #: Whether a module ran, inside the runner's own worker; else a program in a process of its
    #: own.
    module: bool = False


def decide(known: Evidence) -> Verdict:
    """Judge an attempt; the first rule that fits counts.

    From outside in: who stopped it, whether the runner did its job, which limit it hit, how the
    program ended, whether it left what it was to leave, and whether its repeats agree. What is
    expected of the output is held against it after that.
    """
    if known.stopped is not None:
        return stopped_verdict(known.stopped)
    if known.log.start is None:
        return Verdict(
            Outcome.INFRASTRUCTURE_FAILED, _because("the runner did not start", known.runner_end)
        )
    if known.log.end is None:
        return Verdict(
            Outcome.INFRASTRUCTURE_FAILED,
            _because("the runner was lost without a last word", known.runner_end),
        )
    if _worker_was_killed(known.log.end, module=known.module):
        return Verdict(Outcome.INFRASTRUCTURE_FAILED, "the runner's worker was killed: SIGKILL")
    return _judge_end(known.log.end, known) or _judge_repeats(known)


def stopped_verdict(cause: StopCause) -> Verdict:
    """Judge an attempt that was ended from outside.

    Cancelled by a wish, or by the farm itself for its lease's sake: the orchestrator knows which,
    and neither says anything of this device. A runner that had to be ended is a failure.
    """
    failed = cause is StopCause.OVERDUE
    return Verdict(Outcome.INFRASTRUCTURE_FAILED if failed else Outcome.CANCELLED, str(cause))


def _because(what: str, why: str) -> str:
    return f"{what}: {why}" if why else what


def _worker_was_killed(end: End, *, module: bool) -> bool:
    """Say whether somebody else killed what ran a module: no module can do that to itself."""
    return module and end.signal == signal.SIGKILL and not end.limit


def _judge_end(end: End, known: Evidence) -> Verdict | None:
    """Judge how the program ended; None: well."""
    if end.limit:
        return _judge_limit(end, known.limits)
    if end.trap:
        return Verdict(Outcome.WORKLOAD_FAILED, _because("trap", end.trap))
    if end.stage not in ("execute", "done"):
        return _judge_stage(end, module=known.module)
    if end.signal:
        return Verdict(Outcome.WORKLOAD_FAILED, f"ended by {_signal_name(end.signal)}")
    if end.exit_code:
        return Verdict(Outcome.WORKLOAD_FAILED, f"exit code {end.exit_code}")
    if end.stage != "done":
        return Verdict(Outcome.INFRASTRUCTURE_FAILED, _because("the runner gave up", end.message))
    return None


def _judge_limit(end: End, limits: Limits) -> Verdict:
    failed = Outcome.WORKLOAD_FAILED
    match end.limit:
        case "time":
            return Verdict(Outcome.TIMED_OUT, f"ran longer than {limits.timeout_s:g} s")
        case "memory":
            return Verdict(failed, f"wanted more memory than {limits.memory_bytes} bytes")
        case "output":
            return Verdict(failed, f"wrote more than {limits.output_bytes} bytes", True)
        case "processes":
            return Verdict(failed, f"wanted more than {limits.processes} processes")
        case _:
            return Verdict(
                Outcome.INFRASTRUCTURE_FAILED,
                _because(f"ended by somebody else ({end.limit})", end.message),
            )


def _judge_stage(end: End, *, module: bool) -> Verdict:
    """Judge a program that never came to execute."""
    match end.stage:
        case "load" if not module:
            # The kernel's own no: another try, or another device, would hear the same.
            return Verdict(Outcome.WORKLOAD_FAILED, _because("cannot be executed", end.message))
        case "load":
            return Verdict(Outcome.UNSUPPORTED, _because("the runner cannot load it", end.message))
        case "instantiate":
            return Verdict(
                Outcome.WORKLOAD_FAILED, _because("cannot be instantiated", end.message)
            )
        case _:
            return Verdict(
                Outcome.INFRASTRUCTURE_FAILED,
                _because("the runner could not start it", end.message),
            )


def _judge_repeats(known: Evidence) -> Verdict:
    if len(known.log.repeats) != known.ordered or len(known.outputs) != known.ordered:
        told = min(len(known.log.repeats), len(known.outputs))
        return Verdict(
            Outcome.INFRASTRUCTURE_FAILED, f"{known.ordered} repeats ordered, {told} recorded"
        )
    if known.files_problem:
        return Verdict(Outcome.WORKLOAD_FAILED, known.files_problem)
    for index, digest in enumerate(known.outputs if known.agree else ()):
        if digest != known.outputs[0]:
            return Verdict(
                Outcome.WRONG_OUTPUT, f"repeat {index} printed something else than repeat 0"
            )
    return Verdict(Outcome.SUCCEEDED)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
