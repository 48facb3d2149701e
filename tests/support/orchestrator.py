"""A small orchestrator for tests: serves `Agents` with mutual TLS, says what a test wants.

By itself it behaves well: it grants what the test submitted, repeats it until it is reported, then
says to forget it. A test may script answers instead, and may break the line in several ways.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from dataclasses import dataclass, field
from typing import TypeVar

import grpc

from protos.farm.v1 import agents_pb2 as pb
from protos.farm.v1 import agents_pb2_grpc
from tests.support.certificates import Identity, make_identity

Answer = TypeVar("Answer")

CHUNK_BYTES = 64 * 1024


@dataclass
class Faults:
    """How the line is broken; each is used up by being used."""

    #: Cut so many fetches after one chunk.
    cut_fetches: int = 0
    #: Which blob is cut; empty: any.
    cut_sha256: str = ""
    #: Send other bytes in so many fetches.
    corrupt_fetches: int = 0
    #: Answer so many uploads of each kind with UNAVAILABLE, after having stored them.
    lose_upload_answers: int = 0
    #: Let every call to Fetch wait for this.
    fetch_gate: threading.Event | None = None
    #: Let uploads of reports wait for this, before they are stored.
    report_gate: threading.Event | None = None


@dataclass
class Orchestrator(agents_pb2_grpc.AgentsServicer):
    """The server and all it knows; attributes may be changed by the test under ``changed``."""

    farm_id: str = "farm-test"
    valid_s: float = 30.0
    #: A call without news is answered after this time.
    hold_s: float = 2.0
    faults: Faults = field(default_factory=Faults)
    changed: threading.Condition = field(default_factory=threading.Condition)
    blobs: dict[str, bytes] = field(default_factory=dict)
    #: Fence of the lease; 0: none.
    fence: int = 0
    granted: dict[int, pb.Assignment] = field(default_factory=dict)
    stopped: set[int] = field(default_factory=set)
    #: Answers to give first, whatever is right.
    script: list[pb.DesiredState] = field(default_factory=list)
    states: list[pb.AgentState] = field(default_factory=list)
    #: All completed uploads of reports, by attempt, each time they came.
    reports: dict[int, list[bytes]] = field(default_factory=dict)
    logs: dict[tuple[int, int], bytes] = field(default_factory=dict)
    #: Files programs left, by attempt and digest.
    files: dict[tuple[int, str], bytes] = field(default_factory=dict)
    fetches: list[tuple[str, int]] = field(default_factory=list)
    calls: list[float] = field(default_factory=list)
    #: Say forget once a report is here.
    forgets: bool = True
    _partial: dict[tuple[int, int, str], bytearray] = field(default_factory=dict)
    _server: grpc.Server | None = None
    _port: int = 0

    def __post_init__(self) -> None:
        self.ca = make_identity("test CA")
        self._identity = make_identity(self.farm_id, self.ca)

    # for tests

    @property
    def address(self) -> str:
        """Where it listens, also after it was stopped."""
        return f"127.0.0.1:{self._port}"

    def make_device(self, name: str) -> Identity:
        """Make a device's certificate."""
        return make_identity(name, self.ca)

    def start(self) -> None:
        """Serve, at the same port as before if there was one."""
        self._server = grpc.server(
            futures.ThreadPoolExecutor(8),
            options=[
                ("grpc.http2.min_recv_ping_interval_without_data_ms", 1000),
                ("grpc.so_reuseport", 0),
            ],
        )
        agents_pb2_grpc.add_AgentsServicer_to_server(self, self._server)
        pair = (self._identity.key_pem, self._identity.certificate_pem)
        credentials = grpc.ssl_server_credentials([pair], self.ca.certificate_pem, True)
        self._port = self._server.add_secure_port(self.address, credentials)
        self._server.start()

    def stop(self) -> None:
        """Be unreachable."""
        if self._server is not None:
            self._server.stop(0).wait()
            self._server = None

    def put(self, data: bytes) -> pb.Digest:
        """Offer a blob."""
        digest = pb.Digest(sha256=hashlib.sha256(data).hexdigest(), size_bytes=len(data))
        self.blobs[digest.sha256] = data
        return digest

    def grant(self, fence: int, *assignments: pb.Assignment) -> None:
        """Grant a lease with a block; what is not settled is sent until it is."""
        with self.changed:
            self.fence = fence
            self.granted = {one.attempt.attempt_id: one for one in assignments}
            self.changed.notify_all()

    def stop_attempt(self, attempt_id: int) -> None:
        """Want an attempt stopped."""
        with self.changed:
            self.stopped.add(attempt_id)
            self.changed.notify_all()

    def say(self, *answers: pb.DesiredState) -> None:
        """Give these answers to the next calls."""
        with self.changed:
            self.script.extend(answers)
            self.changed.notify_all()

    def wait_until(self, happened: Callable[[], Answer], timeout_s: float = 30.0) -> Answer:
        """Wait for something true, asked at every change and twenty times a second."""
        deadline_s = time.monotonic() + timeout_s
        with self.changed:
            while not (answer := happened()):
                assert time.monotonic() < deadline_s, "it did not happen in time"
                self.changed.wait(0.05)
        return answer

    def wait_for_report(self, attempt_id: int, timeout_s: float = 30.0) -> pb.Report:
        """Wait for an attempt's report."""
        raw = self.wait_until(lambda: self.reports.get(attempt_id, []), timeout_s)
        return pb.Report.FromString(raw[0])

    def wait_for_state(
        self, attempt_id: int, state: pb.AttemptState.ValueType, timeout_s: float = 30.0
    ) -> None:
        """Wait until the agent says that an attempt is in a state."""

        def said() -> bool:
            return any(
                known.attempt.attempt_id == attempt_id and known.state == state
                for known in (self.states[-1].attempts if self.states else ())
            )

        self.wait_until(said, timeout_s)

    # the service

    def Synchronize(  # the generated name
        self, request: pb.AgentState, context: grpc.ServicerContext
    ) -> pb.DesiredState:
        """Record what the agent says and answer what is wanted, held while there is no news."""
        deadline_s = time.monotonic() + self.hold_s
        with self.changed:
            self.states.append(request)
            self.calls.append(time.monotonic())
            self.changed.notify_all()
            while True:
                if self.script:
                    return self.script.pop(0)
                answer, news = self._decide(request)
                left_s = deadline_s - time.monotonic()
                if news or left_s <= 0 or not context.is_active():
                    return answer
                self.changed.wait(min(left_s, 0.1))

    def Fetch(
        self, request: pb.FetchRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.FetchChunk]:
        """Stream a blob, or break as the faults say."""
        if self.faults.fetch_gate is not None:
            self.faults.fetch_gate.wait(30)
        with self.changed:
            self.fetches.append((request.sha256, request.offset))
            data = self.blobs.get(request.sha256)
            self.changed.notify_all()
        if data is None:
            context.abort(grpc.StatusCode.NOT_FOUND, "no such blob")
        if self.faults.corrupt_fetches:
            self.faults.corrupt_fetches -= 1
            data = bytes(len(data))
        for offset in range(request.offset, len(data), CHUNK_BYTES):
            part = data[offset : offset + CHUNK_BYTES]
            yield pb.FetchChunk(offset=offset, data=part, size_bytes=len(data))
            if self.faults.cut_fetches and self.faults.cut_sha256 in request.sha256:
                self.faults.cut_fetches -= 1
                context.abort(grpc.StatusCode.UNAVAILABLE, "cut")

    def Upload(self, request: pb.UploadRequest, context: grpc.ServicerContext) -> pb.UploadReply:
        """Take part of an upload; a complete report settles its attempt."""
        is_report = request.kind == pb.UPLOAD_KIND_REPORT
        if is_report and self.faults.report_gate is not None:
            self.faults.report_gate.wait(30)
        with self.changed:
            reply = self._store(request, context)
            self.changed.notify_all()
        if self.faults.lose_upload_answers:
            self.faults.lose_upload_answers -= 1
            context.abort(grpc.StatusCode.UNAVAILABLE, "lost on the way")
        return reply

    def _decide(self, state: pb.AgentState) -> tuple[pb.DesiredState, bool]:
        """Answer what is wanted, and whether the agent does not know it yet."""
        told = {one.attempt.attempt_id: one.state for one in state.attempts}
        settled = set(self.reports) if self.forgets else set()
        answer = pb.DesiredState(call_again_s=self.hold_s)
        if self.fence:
            answer.lease.CopyFrom(pb.Lease(lease_id=1, fence=self.fence, valid_s=self.valid_s))
        wanted = [one for key, one in self.granted.items() if key not in self.reports]
        answer.assignments.extend(wanted)
        over = [one.attempt for one in state.attempts if one.attempt.attempt_id in settled]
        answer.forget.extend(over)
        stop = [one.attempt for one in wanted if one.attempt.attempt_id in self.stopped]
        answer.stop.extend(stop)
        news = any(one.attempt.attempt_id not in told for one in wanted)
        pressing = any(told.get(r.attempt_id) != pb.ATTEMPT_STATE_REPORTED for r in stop)
        lease_news = self.fence != state.lease_fence
        return answer, bool(news or over or pressing or lease_news)

    def _store(self, request: pb.UploadRequest, context: grpc.ServicerContext) -> pb.UploadReply:
        attempt_id, kind = request.attempt.attempt_id, int(request.kind)
        key = (attempt_id, kind, request.whole.sha256)
        data = self._partial.setdefault(key, bytearray())
        if request.offset <= len(data):
            data[request.offset :] = request.data
        if len(data) < request.whole.size_bytes:
            return pb.UploadReply(next_offset=len(data))
        if hashlib.sha256(data).hexdigest() != request.whole.sha256:
            del self._partial[key]
            context.abort(grpc.StatusCode.DATA_LOSS, "other bytes")
        if request.kind == pb.UPLOAD_KIND_REPORT:
            self.reports.setdefault(attempt_id, []).append(bytes(data))
        elif kind == pb.UPLOAD_KIND_FILE:
            self.files[attempt_id, request.whole.sha256] = bytes(data)
        else:
            self.logs[attempt_id, kind] = bytes(data)
        return pb.UploadReply(next_offset=len(data), complete=True)
