"""An agent begins what is ordered once and ends what is unwanted whole, whatever order words come
in.
"""

from __future__ import annotations

import os
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


def desired(fence: int, *assignments: pb.Assignment) -> pb.DesiredState:
    """Word an answer of the orchestrator."""
    lease = pb.Lease(lease_id=1, fence=fence, valid_s=30) if fence else None
    return pb.DesiredState(lease=lease, assignments=assignments, call_again_s=1)


def test_each_attempt_of_a_block_begins_once_and_in_order(rig: Rig) -> None:
    """A block runs by sequence, also when it is written down in another order."""
    rig.start_agent()
    orders = [rig.assignment(n, rig.noting(n, "true"), sequence=n) for n in (1, 2, 3)]
    rig.orchestrator.grant(5, *[_fenced(order, 5) for order in reversed(orders)])
    for attempt in (1, 2, 3):
        assert rig.orchestrator.wait_for_report(attempt).outcome == pb.OUTCOME_SUCCEEDED
    expected = [(str(n), what) for n in (1, 2, 3) for what in ("begin", "end")]
    assert expected == [note[:2] for note in rig.all_notes()]


def test_repeated_reordered_and_late_orders_begin_nothing_twice(rig: Rig) -> None:
    """Old answers come back, before and after a restart: each attempt begins once."""
    old = [_fenced(rig.assignment(n, rig.noting(n, "true"), sequence=n), 3) for n in (1, 2)]
    new = _fenced(rig.assignment(9, rig.noting(9, "true"), sequence=1), 4)
    rig.start_agent()
    rig.orchestrator.grant(3, *old)
    rig.orchestrator.wait_for_report(2)
    rig.orchestrator.say(desired(3, *old), desired(3, old[1]), desired(3, *old))
    rig.orchestrator.wait_until(lambda: not rig.orchestrator.script)
    rig.orchestrator.grant(4, new)
    rig.orchestrator.wait_for_report(9)
    rig.orchestrator.say(desired(3, *old), desired(4, new), desired(3, old[0]), desired(4, new))
    rig.orchestrator.wait_until(lambda: not rig.orchestrator.script)
    rig.kill_agent()
    rig.start_agent()
    rig.orchestrator.say(desired(3, *old), desired(4, new), desired(2, *old))
    rig.orchestrator.wait_until(lambda: not rig.orchestrator.script)
    told = len(rig.orchestrator.states)
    rig.orchestrator.wait_until(lambda: len(rig.orchestrator.states) > told + 1)
    assert [rig.notes(n, "begin") for n in (1, 2, 9)] == [1, 1, 1]
    state = rig.orchestrator.states[-1]
    assert (state.highest_fence, state.highest_sequence) == (4, 1)


def test_a_late_answer_does_not_stop_what_a_newer_lease_began(rig: Rig) -> None:
    """An answer of an older lease neither stops nor starts anything."""
    rig.start_agent()
    flag = rig.folder / "go"
    script = rig.noting(9, f'while [ ! -e "{flag}" ]; do sleep 0.05; done')
    rig.orchestrator.grant(4, _fenced(rig.assignment(9, script), 4))
    wait_until(lambda: rig.notes(9, "begin"))
    late = desired(3, _fenced(rig.assignment(1, rig.noting(1, "true")), 3))
    rig.orchestrator.say(late, late)
    rig.orchestrator.wait_until(lambda: not rig.orchestrator.script)
    flag.touch()
    assert rig.orchestrator.wait_for_report(9).outcome == pb.OUTCOME_SUCCEEDED
    assert rig.notes(1, "begin") == 0


@pytest.mark.parametrize(
    "escape",
    [
        "sleep {n} & sleep {n}",
        "setsid sleep {n} & sleep {n}",
        "(setsid sh -c 'sleep {n} & sleep {n}' &) ; sleep {n}",
        "env -i setsid sleep {n} & sleep {n}",
        "trap '' TERM HUP; sleep {n} & while :; do sleep {n}; done",
    ],
)
def test_a_stop_ends_the_whole_tree(rig: Rig, escape: str) -> None:
    """Children, new sessions, orphans and cleared environments all end with the stop."""
    seconds = f"86{os.getpid()}"
    rig.start_agent()
    rig.orchestrator.grant(1, rig.assignment(7, rig.noting(7, escape.format(n=seconds))))
    wait_until(lambda: len(_sleepers(seconds)) >= 2 or escape.startswith("trap"))
    wait_until(lambda: _sleepers(seconds))
    rig.orchestrator.stop_attempt(7)
    report = rig.orchestrator.wait_for_report(7)
    assert (report.outcome, report.reason) == (pb.OUTCOME_CANCELLED, "stopped as ordered")
    assert _sleepers(seconds) == []


def test_a_runner_that_ignores_the_stop_is_killed(rig: Rig) -> None:
    """A runner deaf to SIGTERM is killed after the patience, with what it started."""
    seconds = f"87{os.getpid()}"
    runner = f"#!/bin/sh\ntrap '' TERM\nsleep {seconds} &\nwhile :; do sleep {seconds}; done\n"
    rig.start_agent()
    rig.orchestrator.grant(1, rig.assignment(7, "true", runner=runner.encode()))
    wait_until(lambda: _sleepers(seconds))
    rig.orchestrator.stop_attempt(7)
    assert rig.orchestrator.wait_for_report(7).outcome == pb.OUTCOME_CANCELLED
    assert _sleepers(seconds) == []


def test_what_is_stopped_before_its_turn_never_begins(rig: Rig) -> None:
    """A stopped order that waits behind another is reported as cancelled and not begun."""
    rig.start_agent()
    flag = rig.folder / "go"
    script = rig.noting(1, f'while [ ! -e "{flag}" ]; do sleep 0.05; done')
    second = rig.assignment(2, rig.noting(2, "true"), sequence=2)
    rig.orchestrator.grant(1, rig.assignment(1, script), second)
    wait_until(lambda: rig.notes(1, "begin"))
    rig.orchestrator.stop_attempt(2)
    flag.touch()
    assert rig.orchestrator.wait_for_report(1).outcome == pb.OUTCOME_SUCCEEDED
    assert rig.orchestrator.wait_for_report(2).outcome == pb.OUTCOME_CANCELLED
    assert rig.notes(2, "begin") == 0


@pytest.mark.parametrize("fence", [0, 2])
def test_an_attempt_ends_with_its_lease(rig: Rig, fence: int) -> None:
    """No lease, or a newer one, ends what runs under the old one; the next may begin after it."""
    rig.start_agent()
    rig.orchestrator.grant(1, rig.assignment(7, rig.noting(7, "sleep 600")))
    wait_until(lambda: rig.notes(7, "begin"))
    later = [_fenced(rig.assignment(8, rig.noting(8, "true")), 2)] if fence else []
    rig.orchestrator.grant(fence, *later)
    report = rig.orchestrator.wait_for_report(7)
    assert report.outcome == pb.OUTCOME_CANCELLED
    assert report.reason == "its lease is over"
    assert rig.notes(7, "end") == 0
    if fence:
        assert rig.orchestrator.wait_for_report(8).outcome == pb.OUTCOME_SUCCEEDED


def _fenced(order: pb.Assignment, fence: int) -> pb.Assignment:
    order.attempt.fence = fence
    return order


def _sleepers(seconds: str) -> list[int]:
    """Answer who sleeps for that long."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            words = Path(f"/proc/{name}/cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if words[:2] == [b"sleep", seconds.encode()]:
            found.append(int(name))
    return found
