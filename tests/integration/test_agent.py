"""A real agent process against an orchestrator double over mutual TLS, with the fake runner."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from protos.farm.v1 import agents_pb2 as pb
from tests.support.agents import Rig, open_rig
from tests.support.waiting import wait_until


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    """An orchestrator that serves, and no agent yet."""
    with open_rig(tmp_path) as made:
        yield made


def test_runs_an_order_and_forgets_it(rig: Rig) -> None:
    """An order becomes one report with output and conditions, and leaves nothing when settled."""
    rig.start_agent()
    rig.orchestrator.grant(1, rig.assignment(7, "echo hello", repeats=2))
    report = rig.orchestrator.wait_for_report(7)
    assert report.outcome == pb.OUTCOME_SUCCEEDED, report.reason
    assert len(report.repeats) == 2
    assert rig.orchestrator.logs[7, pb.UPLOAD_KIND_STDOUT] == b"hello\n"
    assert report.before.free_memory_bytes > 0
    assert report.after.at_unix_ns > report.before.at_unix_ns
    rig.orchestrator.wait_until(lambda: not rig.orchestrator.states[-1].attempts)
    assert list((rig.state / "attempts").iterdir()) == []


@pytest.mark.parametrize(
    ("script", "outcome", "reason"),
    [
        ("exit 3", pb.OUTCOME_WORKLOAD_FAILED, "exit code 3"),
        ("kill -SEGV $$", pb.OUTCOME_WORKLOAD_FAILED, "ended by SIGSEGV"),
        ("sleep 50", pb.OUTCOME_TIMED_OUT, "ran longer than 1 s"),
        ("date +%s%N", pb.OUTCOME_WRONG_OUTPUT, "repeat 1 printed something else than repeat 0"),
    ],
)
def test_a_failing_program_is_an_outcome(
    rig: Rig, script: str, outcome: pb.Outcome.ValueType, reason: str
) -> None:
    """What a program does wrong is reported with its reason, and without times."""
    rig.start_agent()
    rig.orchestrator.grant(1, rig.assignment(7, script, repeats=2, timeout_s=1.0))
    report = rig.orchestrator.wait_for_report(7)
    assert (outcome, reason) == (report.outcome, report.reason)
    assert list(report.repeats) == []


def test_output_is_held_against_what_is_expected(rig: Rig) -> None:
    """The right output succeeds; of another one the report shows where it first differs."""
    rig.start_agent()
    right, wrong, near = (rig.assignment(n, "echo 42", sequence=n) for n in (1, 2, 3))
    right.checker.exact.CopyFrom(rig.orchestrator.put(b"42\n"))
    wrong.checker.exact.CopyFrom(rig.orchestrator.put(b"43\n"))
    near.checker.tolerance.expected.CopyFrom(rig.orchestrator.put(b"41.9\n"))
    near.checker.tolerance.absolute = 0.2
    rig.orchestrator.grant(1, right, wrong, near)
    assert rig.orchestrator.wait_for_report(1).outcome == pb.OUTCOME_SUCCEEDED
    report = rig.orchestrator.wait_for_report(2)
    assert (report.outcome, report.reason) == (
        pb.OUTCOME_WRONG_OUTPUT,
        "stdout differs at byte 1, line 1: '42', expected '43'",
    )
    assert rig.orchestrator.wait_for_report(3).outcome == pb.OUTCOME_SUCCEEDED


def test_files_a_program_leaves_are_brought_in(rig: Rig) -> None:
    """Each once by its digest, before the report that names them; their folders are there."""
    rig.start_agent()
    order = rig.assignment(7, "echo one > a.txt; echo two > out/b; echo one > c", repeats=2)
    order.outputs.extend(["a.txt", "out/b", "c"])
    order.checker.exact.CopyFrom(rig.orchestrator.put(b"two\n"))
    order.checker.of = "out/b"
    rig.orchestrator.grant(1, order)
    report = rig.orchestrator.wait_for_report(7)
    assert report.outcome == pb.OUTCOME_SUCCEEDED, report.reason
    found = {file.path: rig.orchestrator.files[7, file.digest.sha256] for file in report.files}
    assert found == {"a.txt": b"one\n", "out/b": b"two\n", "c": b"one\n"}


def test_a_file_that_leads_out_is_not_brought_in(rig: Rig) -> None:
    """The attempt fails with the reason; the file that is there comes all the same."""
    rig.start_agent()
    order = rig.assignment(7, f'ln -s "{rig.folder}/agent.toml" leak; echo here > there')
    order.outputs.extend(["there", "leak"])
    rig.orchestrator.grant(1, order)
    report = rig.orchestrator.wait_for_report(7)
    assert (report.outcome, report.reason) == (
        pb.OUTCOME_WORKLOAD_FAILED,
        "left leak behind a link, or below something that is no folder",
    )
    assert [file.path for file in report.files] == ["there"]
    assert list(rig.orchestrator.files.values()) == [b"here\n"]


def test_a_program_gets_what_it_was_granted(rig: Rig) -> None:
    """Arguments, environment, standard input and folders arrive; nothing of the agent's."""
    rig.start_agent()
    order = rig.assignment(7, 'echo "$1,$GREETING,$HOME"; cat; cat data/sub/in.txt')
    order.arguments.append("a b")
    order.environment["GREETING"] = "x=y"
    order.stdin.CopyFrom(rig.orchestrator.put(b"from stdin\n"))
    file = pb.StagedFile(path="sub/in.txt", digest=rig.orchestrator.put(b"from a file\n"))
    order.directories.append(pb.GrantedDirectory(guest="data", files=[file]))
    rig.orchestrator.grant(1, order)
    report = rig.orchestrator.wait_for_report(7)
    assert report.outcome == pb.OUTCOME_SUCCEEDED, report.reason
    expected = b"a b,x=y,\nfrom stdin\nfrom a file\n"
    assert expected == rig.orchestrator.logs[7, pb.UPLOAD_KIND_STDOUT]


@pytest.mark.parametrize("path", ["../escape", "/etc/escape", "a/../../escape", "a\0b", "x" * 300])
def test_a_path_that_leaves_the_folder_is_refused(rig: Rig, path: str) -> None:
    """An order with such a path fails as the farm's fault, and nothing is written anywhere."""
    rig.start_agent()
    order = rig.assignment(7, "true")
    file = pb.StagedFile(path=path, digest=rig.orchestrator.put(b"x"))
    order.directories.append(pb.GrantedDirectory(guest="data", files=[file]))
    rig.orchestrator.grant(1, order)
    report = rig.orchestrator.wait_for_report(7)
    assert report.outcome == pb.OUTCOME_INFRASTRUCTURE_FAILED
    assert "path" in report.reason
    assert list(rig.folder.rglob("escape")) == []


def test_a_runner_that_cannot_be_executed_is_the_devices_fault(rig: Rig) -> None:
    """Bytes that are no program of this machine are reported as the device's failure."""
    rig.start_agent()
    rig.orchestrator.grant(1, rig.assignment(7, "true", runner=b"\x7fELF not really"))
    report = rig.orchestrator.wait_for_report(7)
    assert report.outcome == pb.OUTCOME_DEVICE_FAILED
    assert report.reason.startswith("the runner cannot be executed")


def test_a_runner_that_refuses_its_arguments_says_so(rig: Rig) -> None:
    """The runner's own last line reaches the report."""
    rig.start_agent()
    runner = b"#!/bin/sh\necho unknown option --x >&2\nexit 2\n"
    rig.orchestrator.grant(1, rig.assignment(7, "true", runner=runner))
    report = rig.orchestrator.wait_for_report(7)
    assert report.outcome == pb.OUTCOME_INFRASTRUCTURE_FAILED
    assert report.reason == "the runner did not start: exit code 2: unknown option --x"


def test_facts_are_told_at_the_first_call_and_when_asked_for(rig: Rig) -> None:
    """The first call carries the facts, later ones only on demand."""
    rig.start_agent()
    rig.orchestrator.wait_until(lambda: len(rig.orchestrator.states) >= 2)
    facts = {fact.name: fact.value for fact in rig.orchestrator.states[0].facts}
    assert os.uname().machine == facts["arch"]
    assert {"cpu.model", "cpu.cores", "memory.total_bytes", "boot.id"} <= set(facts)
    assert list(rig.orchestrator.states[1].facts) == []
    rig.orchestrator.say(pb.DesiredState(send_facts=True, call_again_s=1))
    told = len(rig.orchestrator.states)
    rig.orchestrator.wait_until(lambda: any(s.facts for s in rig.orchestrator.states[told:]))


@pytest.mark.slow  # its gate waits for a quiet core, ten seconds at most
def test_measures_on_the_last_core_and_keeps_off_it(rig: Rig) -> None:
    """The runner is held to the last core of several and the agent to the rest."""
    cores = os.sched_getaffinity(0)
    if len(cores) < 2:
        pytest.skip("this machine has one core")
    agent = rig.start_agent(share_machine=False)
    rig.orchestrator.grant(1, rig.assignment(7, "echo hello"))
    report = rig.orchestrator.wait_for_report(7, 40)
    assert max(cores) == report.measured_cpu
    threads = [int(name) for name in os.listdir(f"/proc/{agent.pid}/task")]
    assert {frozenset(cores - {max(cores)})} == {
        frozenset(os.sched_getaffinity(thread)) for thread in threads
    }


def test_an_agent_stays_within_sixty_megabytes(rig: Rig) -> None:
    """The peak of an agent that ran, uploaded 1 MB and synchronised is at most 60 MB."""
    agent = rig.start_agent()
    rig.orchestrator.grant(1, rig.assignment(7, "head -c 1000000 /dev/zero"))
    rig.orchestrator.wait_for_report(7)
    text = Path(f"/proc/{agent.pid}/status").read_text()
    peak = re.search(r"VmHWM:\s+(\d+) kB", text)
    assert peak is not None
    assert int(peak[1]) <= 60 * 1024


def test_leaves_when_standard_input_closes_and_leaves_the_runner(rig: Rig) -> None:
    """Whoever started it is gone: the agent ends with 0, its runner runs on for the next agent."""
    agent = rig.start_agent()
    flag = rig.folder / "go"
    script = rig.noting(7, f'while [ ! -e "{flag}" ]; do sleep 0.05; done; echo done')
    rig.orchestrator.grant(1, rig.assignment(7, script))
    wait_until(lambda: rig.notes(7, "begin"))
    assert agent.stdin is not None
    agent.stdin.close()
    assert agent.wait(10) == 0
    flag.touch()
    wait_until(lambda: rig.notes(7, "end"))
    rig.start_agent()
    report = rig.orchestrator.wait_for_report(7)
    assert (report.outcome, report.adopted) == (pb.OUTCOME_SUCCEEDED, True)
