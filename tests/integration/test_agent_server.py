"""The agents' server over real sockets: who may speak, held calls, blobs, uploads, a full disk."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from orchestrator.domain.errors import ConfigError
from orchestrator.domain.matrix import Mode, Runtime
from orchestrator.rpc.server import AgentServer, Listening
from orchestrator.trust import (
    DeviceFiles,
    Gatekeeper,
    create_ca,
    enroll_local,
    revoke,
    server_credentials,
    sign_device,
)
from protos.farm.v1 import agents_pb2 as pb
from protos.farm.v1.agents_pb2_grpc import AgentsStub
from protos.states import CellState, DeviceState, RunState
from tests.support import factories as make
from tests.support.runtime import FARM, Served, serve, wire_digest

#: For a call that should be answered at once, on a busy machine.
SOON_S = 10.0
FACTS = [pb.Fact(name="cpu.model", value="test")]


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """A farm of one device, served."""
    with serve(tmp_path) as running:
        yield running


@pytest.fixture
def agent(served: Served) -> AgentsStub:
    """Its agent's line."""
    return served.dial(served.enroll("local"))


def _state(**changes: object) -> pb.AgentState:
    state = pb.AgentState(agent_version="1.2", boot_id="boot", agent_id="a", facts=FACTS)
    for name, value in changes.items():
        if isinstance(value, list):
            getattr(state, name).extend(value)
        else:
            setattr(state, name, value)
    return state


def _status(call: Callable[[], object]) -> tuple[grpc.StatusCode, str]:
    """Run a call and answer its status."""
    try:
        call()
    except grpc.RpcError as error:
        # gRPC's errors are calls too, which its stubs do not say.
        ended: Any = error
        return ended.code(), ended.details() or ""
    return grpc.StatusCode.OK, ""


def _refused(call: Callable[[], object]) -> tuple[grpc.StatusCode, str]:
    """Run a call that must fail and answer its status."""
    code, text = _status(call)
    assert code is not grpc.StatusCode.OK
    return code, text


def _ask(stub: AgentsStub, state: pb.AgentState | None = None) -> pb.DesiredState:
    return stub.Synchronize(state or _state(), timeout=SOON_S)


def _granted(served: Served, agent: AgentsStub) -> pb.AttemptRef:
    """Order one cell and have it granted."""
    served.desk.order()
    served.server.wake()
    return _ask(agent).assignments[0].attempt


def _running(ref: pb.AttemptRef, state: int = pb.ATTEMPT_STATE_RUNNING) -> pb.AgentState:
    progress = pb.AttemptProgress(attempt=ref)
    progress.state = state  # type: ignore[assignment]  # the enum's number
    return _state(
        highest_fence=ref.fence,
        highest_sequence=ref.sequence,
        lease_fence=ref.fence,
        attempts=[progress],
    )


def _report(ref: pb.AttemptRef) -> bytes:
    return pb.Report(
        attempt=ref,
        outcome=pb.OUTCOME_SUCCEEDED,
        repeats=[pb.Repeat(index=0, execute_ns=1000)],
        output=wire_digest(b"ok\n"),
        boot_id="boot",
        started_unix_ns=1,
    ).SerializeToString()


def _upload(
    ref: pb.AttemptRef, data: bytes, kind: pb.UploadKind.ValueType = pb.UPLOAD_KIND_REPORT
) -> pb.UploadRequest:
    return pb.UploadRequest(attempt=ref, kind=kind, whole=wire_digest(data), data=data)


def _until(happened: Callable[[], bool]) -> None:
    """Wait for something, with a deadline."""
    deadline_s = time.monotonic() + SOON_S
    while not happened():
        assert time.monotonic() < deadline_s, "it never happened"
        threading.Event().wait(0.02)


# who may speak


def test_a_device_is_known_by_its_certificate(served: Served, agent: AgentsStub) -> None:
    """Its word moves the device its certificate names."""
    _granted(served, agent)
    status = served.desk.store.device("local")
    assert (status.state, status.agent_version) == (DeviceState.LEASED, "1.2")
    assert dict(status.facts) == {"cpu.model": "test"}


def test_no_certificate_is_no_connection(served: Served) -> None:
    """Mutual TLS from the first byte."""
    ca = (served.trust / "ca.crt").read_bytes()
    stub = served.connect(grpc.ssl_channel_credentials(ca))
    code, _ = _refused(lambda: _ask(stub))
    assert code is grpc.StatusCode.UNAVAILABLE


def test_another_cas_certificate_is_no_connection(served: Served, tmp_path: Path) -> None:
    """The same names, signed by somebody else."""
    create_ca(tmp_path / "other", FARM)
    files = enroll_local(tmp_path / "other", FARM, "local", tmp_path / "stranger")
    stub = served.dial(files, ca=served.trust / "ca.crt")
    code, _ = _refused(lambda: _ask(stub))
    assert code is grpc.StatusCode.UNAVAILABLE


def test_a_server_of_another_name_is_not_spoken_to(served: Served) -> None:
    """An agent of another farm does not take this one for its own."""
    stub = served.dial(served.enroll("local"), name="farm-other")
    code, _ = _refused(lambda: _ask(stub))
    assert code is grpc.StatusCode.UNAVAILABLE


def _certified(served: Served, farm_id: str, valid_s: tuple[float, float]) -> DeviceFiles:
    files = served.enroll("local")
    key = serialization.load_pem_private_key(files.key.read_bytes(), password=None)
    ca_key = serialization.load_pem_private_key(
        (served.trust / "ca.key").read_bytes(), password=None
    )
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert isinstance(ca_key, ec.EllipticCurvePrivateKey)
    now = datetime.now(UTC)
    valid = (now + timedelta(seconds=valid_s[0]), now + timedelta(seconds=valid_s[1]))
    ca = (served.trust / "ca.crt").read_bytes()
    pem = sign_device(ca_key, ca, farm_id, "local", key.public_key(), valid)
    files.certificate.write_bytes(pem)
    return files


def test_an_expired_certificate_is_no_connection(served: Served) -> None:
    """Judged by the orchestrator's clock at the handshake."""
    stub = served.dial(_certified(served, FARM, (-7200, -3600)))
    code, _ = _refused(lambda: _ask(stub))
    assert code is grpc.StatusCode.UNAVAILABLE


def test_a_certificate_that_expires_meanwhile_is_refused(served: Served) -> None:
    """A connection outlives a certificate; a call does not."""
    stub = served.dial(_certified(served, FARM, (-60, 3)))
    _until(lambda: "expired on" in _status(lambda: _fetch(stub, "0" * 64, 0))[1])
    code, _ = _refused(lambda: _ask(stub))
    assert code is grpc.StatusCode.PERMISSION_DENIED


def test_a_revoked_certificate_is_refused_on_a_living_connection(
    served: Served, agent: AgentsStub
) -> None:
    """At the next tick, by name, without a new handshake."""
    _granted(served, agent)
    revoke(served.trust, served.enroll("local").certificate.read_bytes(), "stolen")

    denied = grpc.StatusCode.PERMISSION_DENIED
    _until(lambda: _status(lambda: _fetch(agent, "0" * 64, 0))[0] is denied)
    assert "revoked: stolen" in _refused(lambda: _ask(agent))[1]


def test_a_device_that_is_not_declared_is_refused(served: Served) -> None:
    """A good certificate of a device that left the inventory."""
    stub = served.dial(served.enroll("retired"))
    code, text = _refused(lambda: _ask(stub))
    assert code is grpc.StatusCode.PERMISSION_DENIED
    assert "retired is not in the inventory" in text


def test_another_farms_device_is_refused(served: Served) -> None:
    """Whatever CA signed it, the certificate names its farm."""
    stub = served.dial(_certified(served, "farm-other", (-60, 3600)))
    code, _ = _refused(lambda: _ask(stub))
    assert code is grpc.StatusCode.PERMISSION_DENIED


# held calls


def test_a_held_call_is_answered_when_work_appears(served: Served, agent: AgentsStub) -> None:
    """Long before it would be answered for its age."""
    call = agent.Synchronize.future(_state(), timeout=30)
    _until(lambda: served.desk.store.device("local").agent_version == "1.2")
    assert not call.done()
    began_s = time.monotonic()
    run_id = served.desk.order()
    served.server.wake()
    assert len(call.result(timeout=SOON_S).assignments) == 1
    assert time.monotonic() - began_s < 5
    assert served.desk.run(run_id).state is RunState.RUNNING


def test_a_call_without_news_is_answered_in_the_end(tmp_path: Path) -> None:
    """So that the agent knows the line is good, and its lease is renewed."""
    with serve(tmp_path, hold_s=0.3) as served:
        desired = _ask(served.dial(served.enroll("local")))
        assert not desired.HasField("lease")


def test_a_cancel_reaches_a_held_call(served: Served, agent: AgentsStub) -> None:
    """The running attempt is to be stopped at once."""
    ref = _granted(served, agent)
    call = agent.Synchronize.future(_running(ref), timeout=30)
    _until(lambda: served.desk.granted()[0].state == "running")
    served.server.call(lambda t: t.cancel_run(1, served.desk.now()))
    assert list(call.result(timeout=SOON_S).stop) == [ref]


def test_a_newer_call_takes_over(served: Served, agent: AgentsStub) -> None:
    """The older one ends at once: its word is old."""
    older = agent.Synchronize.future(_state(), timeout=30)
    _until(lambda: served.desk.store.device("local").agent_version == "1.2")
    newer = agent.Synchronize.future(_state(agent_version="2"), timeout=30)
    assert _refused(lambda: older.result(timeout=SOON_S))[0] is grpc.StatusCode.UNAVAILABLE
    assert not newer.done()
    served.server.stop()


def test_the_same_is_not_said_without_pause(served: Served, agent: AgentsStub) -> None:
    """An agent that keeps saying the same does not make the server spin."""
    ref = _granted(served, agent)
    served.server.call(lambda t: t.cancel_run(1, served.desk.now()))
    began_s = time.monotonic()
    for _ in range(3):
        assert list(_ask(agent, _running(ref)).stop) == [ref]
    assert time.monotonic() - began_s > 0.9


def test_stopping_ends_held_calls(tmp_path: Path) -> None:
    """Promptly, and says to try again; a server can stop twice."""
    with serve(tmp_path) as served:
        agent = served.dial(served.enroll("local"))
        call = agent.Synchronize.future(_state(), timeout=30)
        _until(lambda: served.desk.store.device("local").agent_version == "1.2")
        began_s = time.monotonic()
        served.server.stop()
        assert time.monotonic() - began_s < 3
        code, _ = _refused(lambda: call.result(timeout=SOON_S))
        assert code in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}
        served.server.stop()


def test_a_taken_port_is_told(served: Served) -> None:
    """In one line, and nothing is left running."""
    listening = Listening(
        served.server.address,
        server_credentials(served.trust),
        Gatekeeper(served.trust, FARM),
    )
    second = AgentServer(
        served.desk.scheduler,
        served.writer,
        served.blobs,
        served.uploads,
        listening,
        served.desk.clock,
    )
    with pytest.raises(ConfigError, match="cannot listen on 127"):
        second.start()
    with pytest.raises(ConfigError):
        second.wait(1)
    second.stop()


def test_silence_ends_a_lease_while_serving(tmp_path: Path) -> None:
    """The ticks of a real server expire it, and the cell goes to who asks next."""
    with serve(tmp_path, lease_s=0.6, grace_s=0.2) as served:
        agent = served.dial(served.enroll("local"))
        _granted(served, agent)
        _until(lambda: served.desk.states(1) == [CellState.READY])
        assert _ask(agent).lease.fence == 2


# blobs


def _fetch(stub: AgentsStub, sha256: str, offset: int) -> tuple[bytes, int]:
    data, size_bytes = b"", 0
    request = pb.FetchRequest(sha256=sha256, offset=offset)
    for chunk in stub.Fetch(request, timeout=SOON_S):
        assert chunk.offset == offset + len(data)
        data, size_bytes = data + chunk.data, chunk.size_bytes
    return data, size_bytes


def test_a_blob_is_resumed_from_an_offset(served: Served, agent: AgentsStub) -> None:
    """From the start, from the middle, and at its very end."""
    blob = bytes(range(256)) * 10_000
    sha256 = served.blobs.put_bytes(blob).sha256
    for offset in (0, 1_234_567, len(blob)):
        assert _fetch(agent, sha256, offset) == (blob[offset:], len(blob))


def test_an_empty_blob_is_one(served: Served, agent: AgentsStub) -> None:
    """It has a size: none."""
    assert _fetch(agent, served.blobs.put_bytes(b"").sha256, 0) == (b"", 0)


def test_what_cannot_be_fetched_is_told(served: Served, agent: AgentsStub) -> None:
    """No such blob, past its end, and what is no digest."""
    sha256 = served.blobs.put_bytes(b"x").sha256
    codes = [
        _refused(lambda: _fetch(agent, "0" * 64, 0))[0],
        _refused(lambda: _fetch(agent, sha256, 2))[0],
        _refused(lambda: _fetch(agent, "../" + sha256, 0))[0],
    ]
    assert codes == [
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.OUT_OF_RANGE,
        grpc.StatusCode.INVALID_ARGUMENT,
    ]


# uploads


def test_a_report_five_times_is_accepted_once(served: Served, agent: AgentsStub) -> None:
    """At once and again later; each time the agent may let it go."""
    ref = _granted(served, agent)
    request = _upload(ref, _report(ref))
    with ThreadPoolExecutor(5) as pool:
        replies = list(pool.map(lambda _: agent.Upload(request, timeout=SOON_S), range(5)))
    replies.append(agent.Upload(request, timeout=SOON_S))
    assert [reply.complete for reply in replies] == [True] * 6
    assert served.desk.result(1).attempts == 1
    assert served.desk.run(1).state is RunState.DONE
    desired = _ask(agent, _running(ref, pb.ATTEMPT_STATE_REPORTED))
    assert list(desired.forget) == [ref]


def test_logs_are_named_by_their_report(served: Served, agent: AgentsStub) -> None:
    """They become blobs, and the stored attempt says which."""
    ref = _granted(served, agent)
    for kind, data in ((pb.UPLOAD_KIND_STDOUT, b"ok\n"), (pb.UPLOAD_KIND_STDERR, b"warning\n")):
        assert agent.Upload(_upload(ref, data, kind), timeout=SOON_S).complete
    agent.Upload(_upload(ref, _report(ref)), timeout=SOON_S)
    sha256 = hashlib.sha256(b"warning\n").hexdigest()
    assert served.blobs.path(sha256).read_bytes() == b"warning\n"
    (attempt,) = served.desk.store.attempts(1)
    assert attempt.finished is not None
    assert attempt.finished.logs["stderr"].sha256 == sha256
    assert list((served.folder / "uploads").iterdir()) == []


def test_files_are_named_by_their_report(served: Served, agent: AgentsStub) -> None:
    """Any number of them becomes blobs, each once; a path that leads out is refused."""
    ref = _granted(served, agent)
    left = {"a.txt": b"one\n", "out/b": b"two\n", "c": b"one\n"}
    report = pb.Report.FromString(_report(ref))
    for path, data in left.items():
        assert agent.Upload(_upload(ref, data, pb.UPLOAD_KIND_FILE), timeout=SOON_S).complete
        report.files.add(path=path, digest=wire_digest(data))
    for path in ("../up", "/etc/passwd", "a//b", "", "a\0b", "x" * 3000):
        bad = pb.Report.FromString(report.SerializeToString())
        bad.files.add(path=path, digest=wire_digest(b"one\n"))
        request = _upload(ref, bad.SerializeToString())
        code, _ = _refused(partial(agent.Upload, request))
        assert code is grpc.StatusCode.INVALID_ARGUMENT
    agent.Upload(_upload(ref, report.SerializeToString()), timeout=SOON_S)
    (attempt,) = served.desk.store.attempts(1)
    assert attempt.finished is not None
    kept = {
        path: served.blobs.path(digest.sha256).read_bytes()
        for path, digest in attempt.finished.files.items()
    }
    assert kept == left
    assert list((served.folder / "uploads").iterdir()) == []


def test_an_upload_is_resumed_after_repeats_and_gaps(served: Served, agent: AgentsStub) -> None:
    """Each answer says where to go on."""
    ref = _granted(served, agent)
    data = bytes(range(200))

    def part(start: int, end: int) -> pb.UploadReply:
        request = _upload(ref, data, pb.UPLOAD_KIND_STDERR)
        request.offset, request.data = start, data[start:end]
        return agent.Upload(request, timeout=SOON_S)

    offsets = [part(*span).next_offset for span in ((0, 50), (0, 50), (100, 150), (40, 120))]
    assert offsets == [50, 50, 50, 120]
    assert part(120, 200).complete
    assert part(0, 50).complete


def test_a_damaged_upload_starts_over(served: Served, agent: AgentsStub) -> None:
    """DATA_LOSS, and the right bytes are taken after it."""
    ref = _granted(served, agent)
    wrong = _upload(ref, _report(ref))
    wrong.data = bytes(len(wrong.data))
    assert _refused(lambda: agent.Upload(wrong))[0] is grpc.StatusCode.DATA_LOSS
    assert agent.Upload(_upload(ref, _report(ref)), timeout=SOON_S).complete


def test_reports_that_cannot_be_meant_are_refused(served: Served, agent: AgentsStub) -> None:
    """Unknown attempts, garbage, another attempt's report, an unknown kind."""
    ref = _granted(served, agent)
    foreign = pb.AttemptRef(attempt_id=999, fence=1, sequence=1)
    unknown = _upload(ref, b"x")
    unknown.kind = pb.UPLOAD_KIND_UNSPECIFIED
    codes = [
        _refused(lambda: agent.Upload(_upload(foreign, _report(foreign))))[0],
        _refused(lambda: agent.Upload(_upload(ref, b"\xff\xff")))[0],
        _refused(lambda: agent.Upload(_upload(ref, _report(foreign))))[0],
        _refused(lambda: agent.Upload(unknown))[0],
    ]
    assert codes == [grpc.StatusCode.NOT_FOUND, *[grpc.StatusCode.INVALID_ARGUMENT] * 3]
    assert served.desk.states(1) == [CellState.LEASED]


def test_a_device_cannot_report_for_another(tmp_path: Path) -> None:
    """Identity is the certificate: another device's attempt is not found."""
    with serve(tmp_path, make.device(), make.emulated()) as served:
        agent = served.dial(served.enroll("local"))
        other = served.dial(served.enroll("emu"))
        ref = _granted(served, agent)
        code, _ = _refused(lambda: other.Upload(_upload(ref, _report(ref))))
        assert code is grpc.StatusCode.NOT_FOUND
        assert served.desk.states(1) == [CellState.LEASED]


def test_calls_of_many_devices_share_a_commit(tmp_path: Path) -> None:
    """What waits while the disk is busy becomes durable together."""
    names = [f"device-{number}" for number in range(8)]
    with serve(tmp_path, *(make.device(name) for name in names)) as served:
        lines = [served.dial(served.enroll(name)) for name in names]
        served.desk.order(
            make.product([make.case()], [Mode(Runtime.NATIVE)], list(served.desk.devices.values()))
        )
        busy, go_on = threading.Event(), threading.Event()

        def work(_: object) -> None:
            busy.set()
            assert go_on.wait(SOON_S)

        held_up = served.writer.submit(work)
        assert busy.wait(SOON_S)
        calls = [line.Synchronize.future(_state(), timeout=30) for line in lines]
        # All calls are there once the tick that came after them waits as well.
        threading.Event().wait(1.0)
        before = served.disk.commits
        go_on.set()
        held_up.result(SOON_S)
        for call in calls:
            assert len(call.result(timeout=SOON_S).assignments) == 1
        assert served.disk.commits - before <= 4


# a full disk


def test_a_full_disk_loses_no_report(served: Served, agent: AgentsStub) -> None:
    """The database has no room: UNAVAILABLE, and the same report is accepted once there is."""
    ref = _granted(served, agent)
    served.disk.full = True
    request = _upload(ref, _report(ref))
    code, text = _refused(lambda: agent.Upload(request, timeout=SOON_S))
    assert code is grpc.StatusCode.UNAVAILABLE
    assert "no room left" in text
    assert _refused(lambda: _ask(agent))[0] is grpc.StatusCode.UNAVAILABLE
    served.disk.full = False
    assert agent.Upload(request, timeout=SOON_S).complete
    assert served.desk.run(1).state is RunState.DONE


def test_a_full_disk_keeps_what_was_uploaded(served: Served, agent: AgentsStub) -> None:
    """No room for a log's next part: UNAVAILABLE, and it goes on where it was."""
    ref = _granted(served, agent)
    log = _upload(ref, b"a log", pb.UPLOAD_KIND_STDERR)
    log.data = b""
    agent.Upload(log, timeout=SOON_S)
    (part,) = (served.folder / "uploads").iterdir()
    part.unlink()
    part.symlink_to("/dev/full")
    log.data = b"a log"
    code, text = _refused(lambda: agent.Upload(log, timeout=SOON_S))
    assert code is grpc.StatusCode.UNAVAILABLE
    assert "no room is left" in text
    part.unlink()
    assert agent.Upload(log, timeout=SOON_S).complete


def test_the_server_survives_ticks_without_a_database(served: Served, agent: AgentsStub) -> None:
    """Lost ticks are made up for; the server does not end."""
    served.disk.full = True
    assert not served.server.wait(0.5)
    served.disk.full = False
    _granted(served, agent)
