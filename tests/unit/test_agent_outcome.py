"""How an attempt ended, from every kind of evidence."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent.events import End, EventLog, RepeatEvent, Start
from agent.order import Limits
from agent.outcome import Evidence, StopCause, Verdict, decide
from protos.states import Outcome

START = Start("1", 5, 0, 0, 1)
END = End(0, 0, "", "", "done", "", 0, 0)
REPEATS = tuple(RepeatEvent(index, index == 0, 5, 0, 0) for index in range(2))
GOOD = Evidence(
    log=EventLog(start=START, repeats=REPEATS, usage={}, end=END),
    limits=Limits(2.5, 1000, 2000, 3, 0),
    ordered=2,
    stopped=None,
    outputs=("aa", "aa"),
    runner_end="",
)


def with_end(**changes: object) -> Evidence:
    """Change the runner's last word."""
    end = replace(END, **changes)  # type: ignore[arg-type]  # any field, by name
    return replace(GOOD, log=replace(GOOD.log, end=end))


def test_all_well() -> None:
    """Everything ran and printed the same."""
    assert Verdict(Outcome.SUCCEEDED) == decide(GOOD)


@pytest.mark.parametrize(
    ("cause", "outcome"),
    [
        (StopCause.ORDERED, Outcome.CANCELLED),
        (StopCause.LEASE_OVER, Outcome.CANCELLED),
        (StopCause.NO_CONTACT, Outcome.CANCELLED),
        (StopCause.OVERDUE, Outcome.INFRASTRUCTURE_FAILED),
    ],
)
def test_a_stop_decides_before_anything_else(cause: StopCause, outcome: Outcome) -> None:
    """Who was stopped is not judged by what it printed."""
    assert Verdict(outcome, str(cause)) == decide(replace(GOOD, stopped=cause))


def test_a_lost_runner_is_the_farms_fault() -> None:
    """No first or no last word, with what is known of the runner's own end."""
    nothing = replace(GOOD, log=EventLog(), runner_end="exit code 2: bad option")
    assert decide(nothing) == Verdict(
        Outcome.INFRASTRUCTURE_FAILED, "the runner did not start: exit code 2: bad option"
    )
    lost = replace(GOOD, log=EventLog(start=START), runner_end="signal 9")
    assert decide(lost) == Verdict(
        Outcome.INFRASTRUCTURE_FAILED, "the runner was lost without a last word: signal 9"
    )


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({"limit": "time"}, Verdict(Outcome.TIMED_OUT, "ran longer than 2.5 s")),
        (
            {"limit": "memory", "signal": 9},
            Verdict(Outcome.WORKLOAD_FAILED, "wanted more memory than 1000 bytes"),
        ),
        (
            {"limit": "output", "signal": 25},
            Verdict(Outcome.WORKLOAD_FAILED, "wrote more than 2000 bytes", True),
        ),
        (
            {"limit": "processes"},
            Verdict(Outcome.WORKLOAD_FAILED, "wanted more than 3 processes"),
        ),
        (
            {"limit": "stopped"},
            Verdict(Outcome.INFRASTRUCTURE_FAILED, "ended by somebody else (stopped)"),
        ),
        (
            {"trap": "unreachable", "stage": "execute"},
            Verdict(Outcome.WORKLOAD_FAILED, "trap: unreachable"),
        ),
        (
            {"signal": 11, "stage": "execute"},
            Verdict(Outcome.WORKLOAD_FAILED, "ended by SIGSEGV"),
        ),
        ({"exit_code": 3}, Verdict(Outcome.WORKLOAD_FAILED, "exit code 3")),
        (
            {"stage": "load", "message": "Exec format error"},
            Verdict(Outcome.WORKLOAD_FAILED, "cannot be executed: Exec format error"),
        ),
        (
            {"stage": "instantiate", "message": "no memory"},
            Verdict(Outcome.WORKLOAD_FAILED, "cannot be instantiated: no memory"),
        ),
        (
            {"stage": "start", "message": "no such file"},
            Verdict(Outcome.INFRASTRUCTURE_FAILED, "the runner could not start it: no such file"),
        ),
        (
            {"stage": "execute", "message": "fork failed"},
            Verdict(Outcome.INFRASTRUCTURE_FAILED, "the runner gave up: fork failed"),
        ),
    ],
)
def test_the_last_word_decides(changes: dict[str, object], verdict: Verdict) -> None:
    """Each way a program can end has its outcome and its reason."""
    assert verdict == decide(with_end(**changes))


def test_a_module_that_cannot_be_loaded_is_unsupported() -> None:
    """Another runtime may take it; a native program the kernel refuses is its own fault."""
    unfit = replace(with_end(stage="load", message="bad magic"), module=True)
    assert decide(unfit) == Verdict(Outcome.UNSUPPORTED, "the runner cannot load it: bad magic")


def test_a_killed_worker_is_the_farms_fault_unless_it_hit_a_limit() -> None:
    """No module can send SIGKILL; a native program can, and the runner does at a limit."""
    killed = with_end(signal=9, stage="execute")
    assert decide(killed) == Verdict(Outcome.WORKLOAD_FAILED, "ended by SIGKILL")
    assert decide(replace(killed, module=True)) == Verdict(
        Outcome.INFRASTRUCTURE_FAILED, "the runner's worker was killed: SIGKILL"
    )
    at_limit = replace(with_end(signal=9, limit="time", stage="execute"), module=True)
    assert decide(at_limit).outcome is Outcome.TIMED_OUT
    crashed = replace(with_end(signal=11, stage="execute"), module=True)
    assert decide(crashed).outcome is Outcome.WORKLOAD_FAILED


def test_missing_repeats_are_the_farms_fault() -> None:
    """A runner that claims success but told of fewer repeats is not believed."""
    few = replace(GOOD, log=replace(GOOD.log, repeats=REPEATS[:1]))
    assert decide(few).outcome == Outcome.INFRASTRUCTURE_FAILED
    assert decide(replace(GOOD, outputs=("aa",))).outcome == Outcome.INFRASTRUCTURE_FAILED


def test_repeats_must_print_the_same_unless_something_else_is_judged() -> None:
    """Repeats that differ are wrong even where nothing is expected of them."""
    differ = replace(GOOD, outputs=("aa", "bb"))
    assert Verdict(
        Outcome.WRONG_OUTPUT, "repeat 1 printed something else than repeat 0"
    ) == decide(differ)
    assert Verdict(Outcome.SUCCEEDED) == decide(replace(differ, agree=False))


def test_a_file_that_is_not_left_is_the_workloads_failure() -> None:
    """Only where the program ended well: a crash explains why there is no file."""
    missing = replace(GOOD, files_problem="left no file a.bin")
    assert Verdict(Outcome.WORKLOAD_FAILED, "left no file a.bin") == decide(missing)
    crashed = replace(with_end(exit_code=3), files_problem="left no file a.bin")
    assert Verdict(Outcome.WORKLOAD_FAILED, "exit code 3") == decide(crashed)
