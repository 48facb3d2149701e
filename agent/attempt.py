"""One attempt on this device: stage, wait until fit, run, judge, write the report down; also after
a restart.

Whatever happens on the way, the attempt ends with a report in the journal.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from google.protobuf.message import DecodeError

from agent.backoff import Backoff
from agent.check import check_outputs, check_stderr
from agent.collect import collect
from agent.desk import Desk, Stopped
from agent.errors import (
    AgentError,
    ArgumentsTooLong,
    BlobCorrupt,
    DiskFull,
    LinkDown,
    MalformedOrder,
    OldRunnerAlive,
    Refused,
    StartFailed,
)
from agent.events import EventLog, read_events
from agent.execute import (
    Launch,
    Runner,
    adopt,
    describe_end,
    end_everything,
    is_locked,
    start,
    watch,
)
from agent.gate import Thresholds, next_thresholds, wait_until_fit
from agent.journal import Entry, Journal
from agent.machine_locks import MachineLocks
from agent.order import Blob, Order, Ref, read_order
from agent.outcome import Evidence, StopCause, Verdict, decide, stopped_verdict
from agent.processes import find_members
from agent.report import Finding, make_report
from agent.stage import (
    AttemptFolder,
    BlobCache,
    Source,
    attempt_folder,
    hash_file,
    make_attempt_folder,
    room_needed,
)
from agent.telemetry import Conditions, Machine
from protos.farm.v1 import agents_pb2 as pb
from protos.states import Outcome

#: With less room than this a lost runner is put down to the full disk: its last word is about 300
#: bytes, a block 4 KB.
_NO_ROOM_BYTES = 16 * 1024

#: A runner whose agent is gone ends by its own time limit at the latest, 300 s by default.
_NEIGHBOUR_PATIENCE_S = 600.0


@dataclass(frozen=True, slots=True)
class Site:
    """What stays the same while the agent lives."""

    folder: Path
    boot_id: str
    machine: Machine
    emulator: Path | None
    #: Whether to wait for a fit machine: real hardware that is not shared (D10).
    gated: bool
    #: How this agent's tokens begin, so that agents on one machine never end each other's
    #: attempts.
    token_prefix: str
    #: The runner locks of this machine; this agent's own is held by a living runner.
    locks: MachineLocks
    thresholds: Thresholds = field(default_factory=Thresholds)

    @property
    def lock(self) -> Path:
        """Held by a living runner of this agent."""
        return self.locks.own

    def place(self, ref: Ref) -> AttemptFolder:
        """Where an attempt lives."""
        return attempt_folder(self.folder, ref)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended, seen from outside."""

    #: Who ended it; None: it ended by itself.
    cause: StopCause | None
    #: How the runner itself ended, as far as known.
    said: str
    #: None where nobody was there to look.
    after: Conditions | None


class Attempts:
    """Carries out attempts one after the other; owns every process of theirs."""

    def __init__(
        self, site: Site, journal: Journal, desk: Desk, source: Source, cache: BlobCache
    ) -> None:
        """Take what it needs; does nothing yet."""
        self._site = site
        self._journal = journal
        self._desk = desk
        self._source = source
        self._cache = cache
        self._thresholds = site.thresholds

    def carry_out(self, ref: Ref, assignment: bytes, token: str) -> None:
        """Take an attempt the journal has as staging to its report."""
        try:
            self._desk.check(ref)
            order = _read(assignment)
            launch = self._stage(order, token)
            self._wait_until_fit(ref)
            self._prove_dead()
            self._run(order, launch)
        except Stopped as stopped:
            self._settle(ref, stopped_verdict(stopped.cause))
        except AgentError as error:
            self._settle(ref, _verdict_of(error))
        except OSError as error:  # a worn SD card, a read-only file system, too many processes
            reason = f"{error.filename or self._site.folder}: {error.strerror}"
            self._settle(ref, Verdict(Outcome.DEVICE_FAILED, reason))

    def take_up(self, entry: Entry) -> None:
        """Adopt a runner of an earlier process of this agent, or report what became of it."""
        if entry.boot_id != self._site.boot_id:
            verdict = Verdict(Outcome.DEVICE_FAILED, "the device was restarted while it ran")
            self._settle(entry.ref, verdict)
            return
        try:
            order = _read(entry.assignment)
            runner = adopt(self._site.place(entry.ref), entry.token, self._site.lock)
            ended = Ended(None, "", None) if runner is None else self._watch(order, runner)
            self._finish(order, entry.conditions, ended, adopted=True)
        except MalformedOrder as error:  # begun by an agent that read orders otherwise
            self._prove_dead()
            self._settle(entry.ref, _verdict_of(error))
        except OldRunnerAlive as error:
            self._settle(entry.ref, _verdict_of(error))

    def _stage(self, order: Order, token: str) -> Launch:
        for blob in order.blobs():
            self._desk.check(order.ref)
            self._desk.describe(order.ref, f"fetches {blob.sha256[:12]}")
            self._obtain(order, blob)
        self._desk.describe(order.ref, "")
        place = self._site.place(order.ref)
        make_attempt_folder(place, order, self._cache)
        return Launch(
            runner=self._cache.path(order.runner),
            program=self._cache.path(order.program),
            stdin=self._cache.path(order.stdin) if order.stdin else None,
            place=place,
            emulator=self._site.emulator,
            cpu=self._site.machine.cpu,
            token=token,
        )

    def _obtain(self, order: Order, blob: Blob) -> None:
        """Fetch a blob; where there is no room, blobs of other orders go first."""
        backoff = Backoff()

        def pause() -> None:
            self._desk.pause(order.ref, backoff.pause_s())

        try:
            self._cache.obtain(blob, self._source, pause)
        except DiskFull:
            if not self._cache.evict(frozenset(one.sha256 for one in order.blobs())):
                raise
            self._cache.obtain(blob, self._source, pause)

    def _wait_until_fit(self, ref: Ref) -> None:
        if not self._site.gated:
            return
        fit = wait_until_fit(
            self._site.machine,
            self._thresholds,
            tell=lambda text: self._desk.describe(ref, text),
            pause=lambda seconds: self._desk.pause(ref, seconds),
        )
        self._thresholds = next_thresholds(self._site.thresholds, self._thresholds, fit=fit)

    def _prove_dead(self) -> None:
        """Make sure nothing of an earlier attempt lives (D3).

        Raises:
            OldRunnerAlive: something does, and cannot be killed.
        """
        lives = find_members(self._site.token_prefix, roots=(os.getpid(),))
        if lives or is_locked(self._site.lock):
            end_everything(self._site.token_prefix, self._site.lock)

    def _run(self, order: Order, launch: Launch) -> None:
        with self._machine_to_itself(order.ref):
            self._desk.check(order.ref)
            before = self._site.machine.read_conditions().to_wire().SerializeToString()
            self._journal.run(order.ref, self._site.boot_id, before)
            with room_needed(self._site.folder):
                runner = start(order, launch, self._site.lock)
        self._desk.changed(order.ref)
        self._finish(order, before, self._watch(order, runner), adopted=False)

    @contextmanager
    def _machine_to_itself(self, ref: Ref) -> Iterator[None]:
        """Wait until no runner of another device lives on this machine, and keep it so.

        Raises:
            Stopped: the attempt is to end.
            OldRunnerAlive: one lives for longer than any patience.
        """
        deadline_s = time.monotonic() + _NEIGHBOUR_PATIENCE_S
        while True:
            with self._site.locks.turn():
                neighbours = self._site.locks.living_neighbours()
                if not neighbours:
                    yield
                    return
            if time.monotonic() > deadline_s:
                raise OldRunnerAlive(f"a runner of {neighbours[0]} still lives on this machine")
            self._desk.describe(ref, f"waits for a runner of {neighbours[0]} on this machine")
            self._desk.pause(ref, 0.2)

    def _watch(self, order: Order, runner: Runner) -> Ended:
        cause = watch(
            runner,
            order.limits.timeout_s,
            lambda: self._desk.stop_cause(order.ref),
            self._desk.wake_fd,
        )
        after = self._site.machine.read_conditions()
        return Ended(cause, describe_end(runner, self._site.place(order.ref)), after)

    def _finish(self, order: Order, before: bytes, ended: Ended, *, adopted: bool) -> None:
        """Prove the attempt dead, judge it and write its report down."""
        end_everything(self._site.token_prefix, self._site.lock)
        place = self._site.place(order.ref)
        events = read_events(place.events)
        outputs = _hash_outputs(place, order.warmups + order.repeats)
        left = collect(place, order.outputs, order.limits.output_bytes)
        verdict = decide(_evidence(order, events, ended, outputs, left.problem))
        if verdict.outcome is Outcome.SUCCEEDED and order.check is not None:
            wanted = order.check.expected
            expected = self._cache.path(wanted) if wanted else None
            verdict = check_outputs(place, order.check, expected, outputs, left)
        if verdict.outcome is Outcome.SUCCEEDED and order.stderr is not None:
            verdict = check_stderr(place, self._cache.path(order.stderr), len(outputs))
        finding = Finding(
            ref=order.ref,
            verdict=self._blame_full_disk(verdict, events),
            log=events,
            boot_id=self._site.boot_id,
            before=before,
            after=ended.after,
            output=outputs[0] if outputs else None,
            files=left.files,
            adopted=adopted,
        )
        self._write_down(order.ref, make_report(finding))

    def _blame_full_disk(self, verdict: Verdict, events: EventLog) -> Verdict:
        """Say so where the runner was lost because it could not write."""
        room = os.statvfs(self._site.folder)
        full = room.f_bavail * room.f_frsize < _NO_ROOM_BYTES
        if full and events.end is None and verdict.outcome is Outcome.INFRASTRUCTURE_FAILED:
            return Verdict(
                Outcome.DEVICE_FAILED, f"disk full: no room in {self._site.folder} for the runner"
            )
        return verdict

    def _settle(self, ref: Ref, verdict: Verdict) -> None:
        """Report an attempt that nothing more is known of."""
        finding = Finding(ref, verdict, EventLog(), self._site.boot_id)
        self._write_down(ref, make_report(finding))

    def _write_down(self, ref: Ref, report: bytes) -> None:
        """Put a report into the journal; a full disk costs the blobs, since they can be fetched
        again.
        """
        backoff = Backoff()
        while True:
            try:
                self._journal.report(ref, report)
            except DiskFull as error:
                self._cache.evict(frozenset())
                self._desk.describe(ref, str(error))
                self._desk.sleep(backoff.pause_s())
            else:
                self._desk.changed(ref)
                return


def _read(assignment: bytes) -> Order:
    try:
        return read_order(pb.Assignment.FromString(assignment))
    except DecodeError as error:
        raise MalformedOrder("the order cannot be read") from error


def _evidence(
    order: Order, events: EventLog, ended: Ended, outputs: list[Blob], files_problem: str
) -> Evidence:
    return Evidence(
        log=events,
        limits=order.limits,
        ordered=order.warmups + order.repeats,
        stopped=ended.cause,
        outputs=tuple(one.sha256 for one in outputs),
        runner_end=ended.said,
        agree=order.repeats_agree,
        files_problem=files_problem,
        module=order.wasm,
    )


def _hash_outputs(place: AttemptFolder, count: int) -> list[Blob]:
    """Answer the digests of what the repeats printed, up to the first one that never began."""
    outputs = []
    for index in range(count):
        if not place.output(index).is_file():
            break
        outputs.append(hash_file(place.output(index)))
    return outputs


def _verdict_of(error: AgentError) -> Verdict:
    """Say whose fault it was that an attempt did not come to its end."""
    match error:
        case ArgumentsTooLong():
            return Verdict(Outcome.WORKLOAD_FAILED, str(error))
        case DiskFull() | OldRunnerAlive() | StartFailed():
            return Verdict(Outcome.DEVICE_FAILED, str(error))
        case MalformedOrder() | BlobCorrupt() | Refused() | LinkDown():
            return Verdict(Outcome.INFRASTRUCTURE_FAILED, str(error))
        case _:
            raise error
