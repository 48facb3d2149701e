"""Bytes between agents and their server over real sockets: blobs, uploads, a full disk."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import grpc
import pytest

from protos.farm.v1 import agents_pb2 as pb
from protos.farm.v1.agents_pb2_grpc import AgentsStub
from protos.states import CellState, RunState
from tests.support import factories as make
from tests.support.runtime import Served, serve, wire_digest
from tests.support.speaking import SOON_S, ask, fetch, granted, refused, report, running, upload


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """A farm of one device, served."""
    with serve(tmp_path) as living:
        yield living


@pytest.fixture
def agent(served: Served) -> AgentsStub:
    """Its agent's line."""
    return served.dial(served.enroll("local"))


# blobs


def test_a_blob_is_resumed_from_an_offset(served: Served, agent: AgentsStub) -> None:
    """From the start, from the middle, and at its very end."""
    blob = bytes(range(256)) * 10_000
    sha256 = served.blobs.put_bytes(blob).sha256
    for offset in (0, 1_234_567, len(blob)):
        assert fetch(agent, sha256, offset) == (blob[offset:], len(blob))


def test_an_empty_blob_is_one(served: Served, agent: AgentsStub) -> None:
    """It has a size: none."""
    assert fetch(agent, served.blobs.put_bytes(b"").sha256, 0) == (b"", 0)


def test_what_cannot_be_fetched_is_told(served: Served, agent: AgentsStub) -> None:
    """No such blob, past its end, and what is no digest."""
    sha256 = served.blobs.put_bytes(b"x").sha256
    codes = [
        refused(lambda: fetch(agent, "0" * 64, 0))[0],
        refused(lambda: fetch(agent, sha256, 2))[0],
        refused(lambda: fetch(agent, "../" + sha256, 0))[0],
    ]
    assert codes == [
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.OUT_OF_RANGE,
        grpc.StatusCode.INVALID_ARGUMENT,
    ]


# uploads


def test_a_report_five_times_is_accepted_once(served: Served, agent: AgentsStub) -> None:
    """At once and again later; each time the agent may let it go."""
    ref = granted(served, agent)
    request = upload(ref, report(ref))
    with ThreadPoolExecutor(5) as pool:
        replies = list(pool.map(lambda _: agent.Upload(request, timeout=SOON_S), range(5)))
    replies.append(agent.Upload(request, timeout=SOON_S))
    assert [reply.complete for reply in replies] == [True] * 6
    assert served.desk.result(1).attempts == 1
    assert served.desk.run(1).state is RunState.DONE
    desired = ask(agent, running(ref, pb.ATTEMPT_STATE_REPORTED))
    assert list(desired.forget) == [ref]


def test_logs_are_named_by_their_report(served: Served, agent: AgentsStub) -> None:
    """They become blobs, and the stored attempt says which."""
    ref = granted(served, agent)
    for kind, data in ((pb.UPLOAD_KIND_STDOUT, b"ok\n"), (pb.UPLOAD_KIND_STDERR, b"warning\n")):
        assert agent.Upload(upload(ref, data, kind), timeout=SOON_S).complete
    agent.Upload(upload(ref, report(ref)), timeout=SOON_S)
    sha256 = hashlib.sha256(b"warning\n").hexdigest()
    assert served.blobs.path(sha256).read_bytes() == b"warning\n"
    (attempt,) = served.desk.store.attempts(1)
    assert attempt.finished is not None
    assert attempt.finished.logs["stderr"].sha256 == sha256
    assert list((served.folder / "uploads").iterdir()) == []


def test_files_are_named_by_their_report(served: Served, agent: AgentsStub) -> None:
    """Any number of them becomes blobs, each once; a path that leads out is refused."""
    ref = granted(served, agent)
    left = {"a.txt": b"one\n", "out/b": b"two\n", "c": b"one\n"}
    told = pb.Report.FromString(report(ref))
    for path, data in left.items():
        assert agent.Upload(upload(ref, data, pb.UPLOAD_KIND_FILE), timeout=SOON_S).complete
        told.files.add(path=path, digest=wire_digest(data))
    for path in ("../up", "/etc/passwd", "a//b", "", "a\0b", "x" * 3000):
        bad = pb.Report.FromString(told.SerializeToString())
        bad.files.add(path=path, digest=wire_digest(b"one\n"))
        request = upload(ref, bad.SerializeToString())
        code, _ = refused(partial(agent.Upload, request))
        assert code is grpc.StatusCode.INVALID_ARGUMENT
    agent.Upload(upload(ref, told.SerializeToString()), timeout=SOON_S)
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
    ref = granted(served, agent)
    data = bytes(range(200))

    def part(start: int, end: int) -> pb.UploadReply:
        request = upload(ref, data, pb.UPLOAD_KIND_STDERR)
        request.offset, request.data = start, data[start:end]
        return agent.Upload(request, timeout=SOON_S)

    offsets = [part(*span).next_offset for span in ((0, 50), (0, 50), (100, 150), (40, 120))]
    assert offsets == [50, 50, 50, 120]
    assert part(120, 200).complete
    assert part(0, 50).complete


def test_a_damaged_upload_starts_over(served: Served, agent: AgentsStub) -> None:
    """DATA_LOSS, and the right bytes are taken after it."""
    ref = granted(served, agent)
    wrong = upload(ref, report(ref))
    wrong.data = bytes(len(wrong.data))
    assert refused(lambda: agent.Upload(wrong))[0] is grpc.StatusCode.DATA_LOSS
    assert agent.Upload(upload(ref, report(ref)), timeout=SOON_S).complete


def test_reports_that_cannot_be_meant_are_refused(served: Served, agent: AgentsStub) -> None:
    """Unknown attempts, garbage, another attempt's report, an unknown kind."""
    ref = granted(served, agent)
    foreign = pb.AttemptRef(attempt_id=999, fence=1, sequence=1)
    unknown = upload(ref, b"x")
    unknown.kind = pb.UPLOAD_KIND_UNSPECIFIED
    codes = [
        refused(lambda: agent.Upload(upload(foreign, report(foreign))))[0],
        refused(lambda: agent.Upload(upload(ref, b"\xff\xff")))[0],
        refused(lambda: agent.Upload(upload(ref, report(foreign))))[0],
        refused(lambda: agent.Upload(unknown))[0],
    ]
    assert codes == [grpc.StatusCode.NOT_FOUND, *[grpc.StatusCode.INVALID_ARGUMENT] * 3]
    assert served.desk.states(1) == [CellState.LEASED]


def test_a_device_cannot_report_for_another(tmp_path: Path) -> None:
    """Identity is the certificate: another device's attempt is not found."""
    with serve(tmp_path, make.device(), make.emulated()) as served:
        agent = served.dial(served.enroll("local"))
        other = served.dial(served.enroll("emu"))
        ref = granted(served, agent)
        code, _ = refused(lambda: other.Upload(upload(ref, report(ref))))
        assert code is grpc.StatusCode.NOT_FOUND
        assert served.desk.states(1) == [CellState.LEASED]


# a full disk


def test_a_full_disk_loses_no_report(served: Served, agent: AgentsStub) -> None:
    """The database has no room: UNAVAILABLE, and the same report is accepted once there is."""
    ref = granted(served, agent)
    served.disk.full = True
    request = upload(ref, report(ref))
    code, text = refused(lambda: agent.Upload(request, timeout=SOON_S))
    assert code is grpc.StatusCode.UNAVAILABLE
    assert "no room left" in text
    assert refused(lambda: ask(agent))[0] is grpc.StatusCode.UNAVAILABLE
    served.disk.full = False
    assert agent.Upload(request, timeout=SOON_S).complete
    assert served.desk.run(1).state is RunState.DONE


def test_a_full_disk_keeps_what_was_uploaded(served: Served, agent: AgentsStub) -> None:
    """No room for a log's next part: UNAVAILABLE, and it goes on where it was."""
    ref = granted(served, agent)
    log = upload(ref, b"a log", pb.UPLOAD_KIND_STDERR)
    log.data = b""
    agent.Upload(log, timeout=SOON_S)
    (part,) = (served.folder / "uploads").iterdir()
    part.unlink()
    part.symlink_to("/dev/full")
    log.data = b"a log"
    code, text = refused(lambda: agent.Upload(log, timeout=SOON_S))
    assert code is grpc.StatusCode.UNAVAILABLE
    assert "no room is left" in text
    part.unlink()
    assert agent.Upload(log, timeout=SOON_S).complete
