"""The line between agent and orchestrator breaks in every way; the agent waits, resumes, or stops
by itself.
"""

from __future__ import annotations

import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from protos.farm.v1 import agents_pb2 as pb
from tests.support.agents import Rig, open_rig
from tests.support.certificates import make_identity
from tests.support.orchestrator import CHUNK_BYTES, Orchestrator
from tests.support.waiting import SOON_S, wait_until


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    """An orchestrator that serves, and no agent yet."""
    with open_rig(tmp_path) as made:
        yield made


def test_a_cut_fetch_goes_on_where_it_broke_off(rig: Rig) -> None:
    """Each new stream begins at the offset the last one reached, and the bytes are right."""
    data = os.urandom(5 * CHUNK_BYTES)
    rig.orchestrator.faults.cut_fetches = 3
    rig.orchestrator.faults.cut_sha256 = rig.orchestrator.put(data).sha256
    rig.start_agent()
    order = rig.assignment(7, "cat data/big")
    file = pb.StagedFile(path="big", digest=rig.orchestrator.put(data))
    order.directories.append(pb.GrantedDirectory(guest="data", files=[file]))
    rig.orchestrator.grant(1, order)
    report = rig.orchestrator.wait_for_report(7)
    assert report.outcome == pb.OUTCOME_SUCCEEDED, report.reason
    assert data == rig.orchestrator.logs[7, pb.UPLOAD_KIND_STDOUT]
    wanted = file.digest.sha256
    offsets = [offset for sha256, offset in rig.orchestrator.fetches if sha256 == wanted]
    assert offsets == [0, CHUNK_BYTES, 2 * CHUNK_BYTES, 3 * CHUNK_BYTES]


def test_an_agent_killed_while_fetching_keeps_what_it_has(rig: Rig) -> None:
    """The next agent asks for the rest only."""
    data = os.urandom(5 * CHUNK_BYTES)
    order = rig.assignment(7, "cat data/big | wc -c")
    file = pb.StagedFile(path="big", digest=rig.orchestrator.put(data))
    order.directories.append(pb.GrantedDirectory(guest="data", files=[file]))
    (rig.state / "blobs").mkdir(parents=True)
    (rig.state / "blobs" / f"{file.digest.sha256}.part").write_bytes(data[:100_000])
    rig.orchestrator.grant(1, order)
    rig.start_agent()
    assert rig.orchestrator.wait_for_report(7).outcome == pb.OUTCOME_SUCCEEDED
    assert (file.digest.sha256, 100_000) in rig.orchestrator.fetches


def test_other_bytes_are_fetched_again(rig: Rig) -> None:
    """A blob that does not match its digest is thrown away and fetched anew."""
    rig.orchestrator.faults.corrupt_fetches = 2
    rig.start_agent()
    rig.orchestrator.grant(1, rig.assignment(7, "echo hello"))
    assert rig.orchestrator.wait_for_report(7).outcome == pb.OUTCOME_SUCCEEDED
    runner = rig.orchestrator.granted[7].runner.sha256
    assert [(runner, 0)] * 3 == [f for f in rig.orchestrator.fetches if f[0] == runner]


def test_bytes_that_never_match_fail_the_attempt(rig: Rig) -> None:
    """After three tries the blob is given up as the farm's fault."""
    rig.orchestrator.faults.corrupt_fetches = 1000
    rig.start_agent()
    rig.orchestrator.grant(1, rig.assignment(7, rig.noting(7, "true")))
    report = rig.orchestrator.wait_for_report(7)
    assert report.outcome == pb.OUTCOME_INFRASTRUCTURE_FAILED
    assert "other bytes" in report.reason
    assert rig.notes(7, "begin") == 0


def test_a_missing_blob_fails_the_attempt(rig: Rig) -> None:
    """A blob the orchestrator has lost is named, not waited for."""
    rig.start_agent()
    order = rig.assignment(7, "true")
    del rig.orchestrator.blobs[order.program.sha256]
    rig.orchestrator.grant(1, order)
    report = rig.orchestrator.wait_for_report(7)
    assert report.outcome == pb.OUTCOME_INFRASTRUCTURE_FAILED
    assert "no such blob" in report.reason


def test_a_damaged_blob_on_the_device_is_noticed(rig: Rig) -> None:
    """Bytes that changed on disk, between two agents or two attempts, are fetched anew."""
    rig.start_agent()
    order = rig.assignment(1, "echo hello")
    rig.orchestrator.grant(1, order)
    rig.orchestrator.wait_for_report(1)
    path = rig.state / "blobs" / order.program.sha256
    path.chmod(0o755)
    path.write_bytes(b"#!/bin/sh\necho evil\n")
    rig.orchestrator.grant(2, rig.assignment(2, "echo hello", fence=2))
    rig.orchestrator.wait_for_report(2)
    assert rig.orchestrator.logs[2, pb.UPLOAD_KIND_STDOUT] == b"hello\n"


def test_a_lost_acknowledgement_does_no_harm(rig: Rig) -> None:
    """Answers to uploads are lost; all arrives, and the report is the same each time."""
    rig.orchestrator.faults.lose_upload_answers = 4
    rig.start_agent()
    rig.orchestrator.grant(1, rig.assignment(7, "head -c 3000000 /dev/zero; echo oops >&2"))
    order = rig.orchestrator.granted[7]
    assert order.limits.output_bytes > 0
    rig.orchestrator.wait_for_report(7)
    rig.orchestrator.wait_until(lambda: not rig.orchestrator.states[-1].attempts)
    assert bytes(3_000_000) == rig.orchestrator.logs[7, pb.UPLOAD_KIND_STDOUT]
    assert rig.orchestrator.logs[7, pb.UPLOAD_KIND_STDERR] == b"oops\n"
    assert len(set(rig.orchestrator.reports[7])) == 1


def test_silence_beyond_the_lease_stops_the_attempt(rig: Rig) -> None:
    """Without contact for longer than the lease allows the agent ends the attempt by itself."""
    rig.orchestrator.valid_s = 2.0
    rig.orchestrator.hold_s = 0.3
    rig.start_agent()
    rig.orchestrator.grant(1, rig.assignment(7, rig.noting(7, "sleep 600")))
    wait_until(lambda: rig.notes(7, "begin"))
    rig.orchestrator.stop()
    wait_until(lambda: not _runners(rig), "nobody ended the attempt")
    rig.orchestrator.start()
    report = rig.orchestrator.wait_for_report(7, 60)
    assert report.outcome == pb.OUTCOME_CANCELLED
    assert report.reason.startswith("no contact with the orchestrator")
    assert rig.notes(7, "end") == 0


def test_silence_within_the_lease_disturbs_nothing(rig: Rig) -> None:
    """An orchestrator that is away for a while finds the attempt finished and its report kept."""
    rig.start_agent()
    rig.orchestrator.grant(1, rig.assignment(7, rig.noting(7, "sleep 1; echo hello")))
    wait_until(lambda: rig.notes(7, "begin"))
    rig.orchestrator.stop()
    wait_until(lambda: rig.notes(7, "end"))
    threading.Event().wait(1)
    rig.orchestrator.start()
    assert rig.orchestrator.wait_for_report(7).outcome == pb.OUTCOME_SUCCEEDED


def test_keeps_calling_with_back_off(rig: Rig) -> None:
    """Nobody serves: the agent calls again and again, with pauses, which load only lengthens."""
    rig.orchestrator.stop()
    agent = rig.start_agent()
    host, port = rig.orchestrator.address.split(":")
    with socket.create_server((host, int(port))) as listener:
        listener.settimeout(SOON_S)
        dialled: list[float] = []
        for _ in range(4):
            listener.accept()[0].close()
            dialled.append(time.monotonic())
    assert dialled[-1] - dialled[0] > 0.3
    assert agent.poll() is None
    rig.orchestrator.start()
    rig.orchestrator.wait_until(lambda: rig.orchestrator.states)


def test_a_stranger_is_not_believed(rig: Rig, tmp_path: Path) -> None:
    """A server with another CA at the same address is not spoken to."""
    rig.orchestrator.stop()
    config = rig.write_config()
    stranger = Orchestrator()
    stranger._port = int(rig.orchestrator.address.split(":")[1])
    stranger.start()
    try:
        rig.start_agent()
        wait_until(lambda: "no answer from the orchestrator" in rig.errors())
        assert stranger.states == []
    finally:
        stranger.stop()
    assert config.is_file()


@pytest.fixture
def small_disk(rig: Rig) -> Iterator[Rig]:
    """The agent's state lies on a file system of 4 MB."""
    rig.state.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(rig.state)],
        check=False,
        capture_output=True,
    )
    if mounted.returncode:
        pytest.skip("a small file system can only be mounted by root")
    try:
        yield rig
    finally:
        rig.close()
        subprocess.run(["umount", str(rig.state)], check=True)


def test_a_full_disk_is_the_devices_failure(small_disk: Rig) -> None:
    """No room for a blob: device_failed with the reason, and the next, smaller order runs."""
    rig = small_disk
    rig.start_agent()
    order = rig.assignment(1, "true")
    big = pb.StagedFile(path="big", digest=rig.orchestrator.put(os.urandom(8 << 20)))
    order.directories.append(pb.GrantedDirectory(guest="data", files=[big]))
    small = rig.assignment(2, "echo hello", sequence=2)
    rig.orchestrator.grant(1, order, small)
    report = rig.orchestrator.wait_for_report(1)
    assert report.outcome == pb.OUTCOME_DEVICE_FAILED
    assert report.reason.startswith("disk full: no room in ")
    assert rig.orchestrator.wait_for_report(2).outcome == pb.OUTCOME_SUCCEEDED


def test_a_program_that_fills_the_disk_loses_no_report(small_disk: Rig) -> None:
    """With no byte left the report is still written down and delivered; the next order runs."""
    rig = small_disk
    rig.start_agent()
    fill = rig.assignment(1, "cat /dev/zero > fill")
    then = rig.assignment(2, "echo hello", sequence=2)
    rig.orchestrator.grant(1, fill, then)
    assert rig.orchestrator.wait_for_report(1).outcome in (
        pb.OUTCOME_WORKLOAD_FAILED,  # the program noticed, and the runner could still say so
        pb.OUTCOME_DEVICE_FAILED,
    )
    assert rig.orchestrator.wait_for_report(2).outcome == pb.OUTCOME_SUCCEEDED
    assert "Traceback" not in rig.errors()


def test_a_broken_folder_is_the_devices_failure(rig: Rig) -> None:
    """What the system refuses while staging is reported with its own words, not died of."""
    agent = rig.start_agent()
    rig.orchestrator.wait_until(lambda: rig.orchestrator.states)
    (rig.state / "attempts").mkdir(exist_ok=True)
    (rig.state / "attempts" / "1.1.7").touch()
    rig.orchestrator.grant(1, rig.assignment(7, "true"))
    report = rig.orchestrator.wait_for_report(7)
    assert report.outcome == pb.OUTCOME_DEVICE_FAILED
    assert report.reason.endswith("Not a directory")
    assert agent.poll() is None


def _runners(rig: Rig) -> list[int]:
    found = []
    for pid in rig.living():
        try:
            if b"--lock-fd" in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.append(pid)
        except OSError:
            continue
    return found


def test_an_expired_certificate_is_named(rig: Rig) -> None:
    """TLS says of it only that nobody answers."""
    until = datetime(2020, 1, 2, tzinfo=UTC)
    expired = make_identity("dev", rig.orchestrator.ca, until)
    certificate, key = expired.write(rig.folder, "expired")
    rig.start_agent(certificate=str(certificate), key=str(key))
    said = rig.folder / "agent.err"
    line = f"the certificate {certificate} expired on 2020-01-02: enrol this device again"
    wait_until(lambda: line in said.read_text())
