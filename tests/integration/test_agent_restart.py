"""An agent is killed at every phase of an attempt; its next process takes it up, and nothing
doubles.
"""

from __future__ import annotations

import fcntl
import os
import random
import signal
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from agent.journal import Journal
from agent.order import Ref
from agent.processes import read_boot_id
from protos.farm.v1 import agents_pb2 as pb
from tests.support.agents import Rig, open_rig
from tests.support.waiting import wait_until


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    """An orchestrator that serves, and no agent yet."""
    with open_rig(tmp_path) as made:
        yield made


def waiting(rig: Rig, attempt_id: int) -> tuple[str, Path]:
    """Make a script that runs until a file appears; answers both."""
    flag = rig.folder / f"go.{attempt_id}"
    script = f'while [ ! -e "{flag}" ]; do sleep 0.05; done; echo done'
    return rig.noting(attempt_id, script), flag


def test_killed_while_staging_goes_on(rig: Rig) -> None:
    """What was being fetched is fetched on, and the attempt begins once."""
    rig.orchestrator.faults.fetch_gate = threading.Event()
    rig.start_agent()
    rig.orchestrator.grant(1, rig.assignment(7, rig.noting(7, "true")))
    rig.orchestrator.wait_for_state(7, pb.ATTEMPT_STATE_STAGING)
    rig.kill_agent()
    rig.start_agent()
    rig.orchestrator.faults.fetch_gate.set()
    assert rig.orchestrator.wait_for_report(7).outcome == pb.OUTCOME_SUCCEEDED
    assert rig.notes(7, "begin") == 1


def test_killed_between_journal_and_start_never_starts(rig: Rig) -> None:
    """The journal says running, no runner was born: reported as lost, not started again."""
    order = rig.assignment(7, rig.noting(7, "true"))
    rig.state.mkdir()
    journal = Journal(rig.state)
    ref = Ref(fence=1, sequence=1, attempt_id=7)
    assert journal.begin(ref, order.SerializeToString(), "0" * 32)
    journal.run(ref, read_boot_id(), b"")
    journal.close()
    rig.orchestrator.grant(1, order)
    rig.start_agent()
    report = rig.orchestrator.wait_for_report(7)
    assert report.outcome == pb.OUTCOME_INFRASTRUCTURE_FAILED
    assert report.reason == "the runner did not start"
    assert rig.notes(7, "begin") == 0


def test_another_boot_ends_what_was_running(rig: Rig) -> None:
    """A journal of another boot proves the runner dead: the device's failure."""
    order = rig.assignment(7, rig.noting(7, "true"))
    rig.state.mkdir()
    journal = Journal(rig.state)
    ref = Ref(fence=1, sequence=1, attempt_id=7)
    journal.begin(ref, order.SerializeToString(), "0" * 32)
    journal.run(ref, "another-boot", b"")
    journal.close()
    rig.orchestrator.grant(1, order)
    rig.start_agent()
    report = rig.orchestrator.wait_for_report(7)
    assert report.outcome == pb.OUTCOME_DEVICE_FAILED
    assert report.reason == "the device was restarted while it ran"


def test_killed_while_running_adopts(rig: Rig) -> None:
    """The runner lives on, is adopted by the next agent, and its result counts."""
    script, flag = waiting(rig, 7)
    rig.start_agent()
    rig.orchestrator.grant(1, rig.assignment(7, script))
    wait_until(lambda: rig.notes(7, "begin"))
    rig.kill_agent()
    rig.start_agent()
    rig.orchestrator.wait_until(lambda: rig.orchestrator.states[-1].boot_id)
    flag.touch()
    report = rig.orchestrator.wait_for_report(7)
    assert (report.outcome, report.adopted) == (pb.OUTCOME_SUCCEEDED, True), report.reason
    assert report.before.at_unix_ns > 0
    assert [rig.notes(7, "begin"), rig.notes(7, "end")] == [1, 1]


def test_an_adopted_runner_can_be_stopped(rig: Rig) -> None:
    """A stop reaches a runner that is no child of this agent."""
    script, _ = waiting(rig, 7)
    rig.start_agent()
    rig.orchestrator.grant(1, rig.assignment(7, script))
    wait_until(lambda: rig.notes(7, "begin"))
    rig.kill_agent()
    rig.start_agent()
    rig.orchestrator.stop_attempt(7)
    assert rig.orchestrator.wait_for_report(7).outcome == pb.OUTCOME_CANCELLED
    assert rig.notes(7, "end") == 0


def test_a_runner_without_pid_file_is_found_by_its_token(rig: Rig) -> None:
    """Killed between fork and noting the pid: adopted all the same."""
    script, flag = waiting(rig, 7)
    rig.start_agent()
    rig.orchestrator.grant(1, rig.assignment(7, script))
    wait_until(lambda: rig.notes(7, "begin"))
    rig.kill_agent()
    (rig.state / "attempts" / "1.1.7" / "runner.json").unlink()
    rig.start_agent()
    flag.touch()
    report = rig.orchestrator.wait_for_report(7)
    assert (report.outcome, report.adopted) == (pb.OUTCOME_SUCCEEDED, True), report.reason


def test_killed_after_the_end_before_the_report(rig: Rig) -> None:
    """What ended while no agent was there is judged by the next one, without late conditions."""
    script, flag = waiting(rig, 7)
    rig.start_agent()
    rig.orchestrator.grant(1, rig.assignment(7, script))
    wait_until(lambda: rig.notes(7, "begin"))
    rig.kill_agent()
    flag.touch()
    events = rig.state / "attempts" / "1.1.7" / "events"
    wait_until(lambda: b'"end"' in events.read_bytes())
    rig.start_agent()
    report = rig.orchestrator.wait_for_report(7)
    assert (report.outcome, report.adopted) == (pb.OUTCOME_SUCCEEDED, True), report.reason
    assert not report.HasField("after")


def test_runner_and_agent_killed_together(rig: Rig) -> None:
    """Without a last word the attempt failed by the farm, and nothing of it lives on."""
    seconds = f"88{os.getpid()}"
    script = rig.noting(7, f"setsid sleep {seconds} & sleep {seconds}")
    rig.start_agent()
    rig.orchestrator.grant(1, rig.assignment(7, script))
    wait_until(lambda: rig.notes(7, "begin"))
    wait_until(lambda: (rig.state / "attempts" / "1.1.7" / "runner.json").exists())
    rig.kill_agent()
    for pid in rig.living():
        os.kill(pid, signal.SIGKILL)
    rig.start_agent()
    report = rig.orchestrator.wait_for_report(7)
    assert report.outcome == pb.OUTCOME_INFRASTRUCTURE_FAILED
    assert report.reason == "the runner was lost without a last word"
    assert not _alive(seconds)


def test_the_runner_alone_killed(rig: Rig) -> None:
    """A runner killed under a living agent is the farm's failure, told with the signal."""
    seconds = f"89{os.getpid()}"
    script = rig.noting(7, f"setsid sleep {seconds} & sleep {seconds}")
    rig.start_agent()
    rig.orchestrator.grant(1, rig.assignment(7, script))
    wait_until(lambda: _alive(seconds))
    for pid in _runners(rig):
        os.kill(pid, signal.SIGKILL)
    report = rig.orchestrator.wait_for_report(7)
    assert report.outcome == pb.OUTCOME_INFRASTRUCTURE_FAILED
    assert report.reason == "the runner was lost without a last word: signal 9"
    assert not _alive(seconds)


def test_killed_before_the_report_is_acknowledged(rig: Rig) -> None:
    """A report under way is sent again by the next agent, with the same content."""
    rig.orchestrator.faults.report_gate = threading.Event()
    rig.start_agent()
    rig.orchestrator.grant(1, rig.assignment(7, rig.noting(7, "echo hello")))
    rig.orchestrator.wait_for_state(7, pb.ATTEMPT_STATE_REPORTED)
    known = _reported(rig)
    rig.kill_agent()
    rig.start_agent()
    rig.orchestrator.wait_for_state(7, pb.ATTEMPT_STATE_REPORTED)
    assert known == _reported(rig)
    rig.orchestrator.faults.report_gate.set()
    rig.orchestrator.wait_for_report(7)
    assert len(set(rig.orchestrator.reports[7])) == 1
    assert rig.notes(7, "begin") == 1


def test_killed_after_the_report_before_forget(rig: Rig) -> None:
    """The report is offered again, byte for byte, until the orchestrator says to forget it."""
    rig.orchestrator.forgets = False
    rig.start_agent()
    rig.orchestrator.grant(1, rig.assignment(7, rig.noting(7, "echo hello")))
    rig.orchestrator.wait_for_report(7)
    rig.kill_agent()
    rig.start_agent()
    rig.orchestrator.wait_until(lambda: len(rig.orchestrator.reports[7]) >= 2)
    assert len(set(rig.orchestrator.reports[7])) == 1
    rig.orchestrator.forgets = True
    rig.orchestrator.wait_until(lambda: not rig.orchestrator.states[-1].attempts)
    assert rig.notes(7, "begin") == 1


def test_an_order_no_longer_understood_is_ended(rig: Rig) -> None:
    """What an older agent began and this one cannot read is killed and reported."""
    script, _ = waiting(rig, 7)
    rig.start_agent()
    rig.orchestrator.grant(1, rig.assignment(7, script))
    wait_until(lambda: rig.notes(7, "begin"))
    rig.kill_agent()
    with closing(sqlite3.connect(rig.state / "journal.sqlite")) as database, database:
        database.execute("UPDATE attempts SET assignment = x'00ff'")
    rig.start_agent()
    report = rig.orchestrator.wait_for_report(7)
    assert report.outcome == pb.OUTCOME_INFRASTRUCTURE_FAILED
    assert report.reason == "the order cannot be read"
    assert not _runners(rig)


def test_forgotten_folders_are_swept(rig: Rig) -> None:
    """What an agent that died between forgetting and removing left is removed by the next."""
    left = rig.state / "attempts" / "1.1.6"
    (left / "work").mkdir(parents=True)
    rig.start_agent()
    wait_until(lambda: not left.exists())


def test_killed_again_and_again(rig: Rig) -> None:
    """Twelve kills at random moments: each attempt begins at most once, none overlap."""
    chance = random.Random(7)  # noqa: S311  # repeatable moments
    orders = [rig.assignment(n, rig.noting(n, "sleep 0.1"), sequence=n) for n in range(1, 13)]
    rig.orchestrator.hold_s = 0.5
    rig.start_agent()
    rig.orchestrator.grant(1, *orders)
    for _ in range(12):
        threading.Event().wait(chance.uniform(0.05, 0.6))
        rig.kill_agent()
        rig.start_agent()
    reports = [rig.orchestrator.wait_for_report(n, 60) for n in range(1, 13)]
    notes = rig.all_notes()
    begun = [note[0] for note in notes if note[1] == "begin"]
    assert len(set(begun)) == len(begun)
    for report in reports:
        succeeded = report.outcome == pb.OUTCOME_SUCCEEDED
        assert succeeded or report.outcome == pb.OUTCOME_INFRASTRUCTURE_FAILED, report.reason
        assert rig.notes(report.attempt.attempt_id, "end") == succeeded
        assert len(set(rig.orchestrator.reports[report.attempt.attempt_id])) == 1
    _assert_no_overlap(notes)


def _assert_no_overlap(notes: list[tuple[str, str, int]]) -> None:
    """A begin after a begin is fine only if the first never ended, that is, was killed."""
    ended = {attempt for attempt, what, _ in notes if what == "end"}
    running = ""
    for attempt, what, _ in sorted(notes, key=lambda note: note[2]):
        if what == "begin":
            assert running not in ended or not running
            running = attempt
        else:
            assert running == attempt
            running = ""


def _reported(rig: Rig) -> str:
    known = [one for one in rig.orchestrator.states[-1].attempts if one.HasField("report")]
    return known[0].report.sha256


def _runners(rig: Rig) -> list[int]:
    return [
        pid for pid in rig.living() if b"--lock-fd" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]


def _alive(seconds: str) -> bool:
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            if seconds.encode() in Path(f"/proc/{name}/cmdline").read_bytes().split(b"\0"):
                return True
        except OSError:
            continue
    return False


def test_waits_while_a_neighbour_of_its_machine_runs(rig: Rig) -> None:
    """A runner whose lease ran out keeps the other devices of its machine waiting till it ends."""
    locks = rig.folder / "locks"
    locks.mkdir()
    with (locks / "neighbour.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        rig.start_agent(machine_locks=str(locks))
        rig.orchestrator.grant(1, rig.assignment(7, rig.noting(7, "true")))
        rig.orchestrator.wait_until(
            lambda: any(
                "neighbour" in a.detail for s in rig.orchestrator.states for a in s.attempts
            )
        )
        assert rig.notes(7, "begin") == 0
    assert rig.orchestrator.wait_for_report(7).outcome == pb.OUTCOME_SUCCEEDED
