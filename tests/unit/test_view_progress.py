"""Progress where there is no terminal: a line for what happens, none for what does not."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console
from rich.live import Live

from orchestrator.cli.progress import LiveProgress, PlainProgress, is_over
from orchestrator.domain.order import BuildProgress, BuildStep, RunProgress
from protos.states import CellState, RunState

WAITING = BuildStep("farm-aotc", "waiting")
BUILDING = BuildStep("farm-aotc", "building", "never built", 1.0)
SLOW = BuildStep("farm-aotc", "building", "never built", 12.0)
QUICK = BuildStep("quick", "made", "never built", 0.2, "cd" * 32, 3)
MADE = BuildStep("farm-aotc", "made", "never built", 30.0, "ab" * 32, 3)


def run(state: RunState, done: int, *steps: BuildStep) -> RunProgress:
    """Build the progress of a run of three cells."""
    return RunProgress(
        state=state,
        build=BuildProgress(state is not RunState.BUILDING, steps),
        cells=3,
        cells_by_state={CellState.DONE: done, CellState.READY: 3 - done},
        running=("local: gemm wamr-fast, running 3 s",),
    )


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Answer what was said on stderr, and that nothing was said on stdout."""
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err.splitlines()


class Clock:
    """Seconds that a test sets."""

    now_s = 0.0

    def __call__(self) -> float:
        """Answer the time."""
        return self.now_s


def test_plain_lines_say_what_is_slow_and_what_was_made(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A step that takes long says so once, a made one once; a beginning is no news."""
    progress = PlainProgress()
    for step in (WAITING, BUILDING, BUILDING, SLOW, SLOW, MADE, MADE):
        progress.build(BuildProgress(False, (step, QUICK)))
    assert lines(capsys) == [
        "build 1/2: quick: made in 200 ms (never built)",
        "build 1/2: farm-aotc: building, 12 s so far (never built)",
        "build 2/2: farm-aotc: made in 30.0 s (never built)",
    ]


def test_a_failure_has_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """What cannot be made for lack of the failed one adds none."""
    failed = BuildStep("a.o", "failed", "", 1.0, error="a.o: zig failed\na.c:1: error: no")
    above = BuildStep("a", "failed", "needs a.o")
    progress = PlainProgress()
    for _ in range(2):
        progress.build(BuildProgress(False, (failed, above)))
    assert lines(capsys) == ["build 2/2: a.o: failed: a.c:1: error: no"]


def test_plain_lines_count_cells_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    """Every few seconds, and at once when the run moves on or a cell fails."""
    clock = Clock()
    progress = PlainProgress(clock)
    known = BuildStep("x", "known")
    for now_s, state, done in (
        (0.0, RunState.BUILDING, 0),
        (1.0, RunState.RUNNING, 0),
        (2.0, RunState.RUNNING, 1),
        (7.0, RunState.RUNNING, 2),
        (8.0, RunState.RUNNING, 2),
        (9.0, RunState.DONE, 3),
    ):
        clock.now_s = now_s
        progress.run(run(state, done, known))
    assert lines(capsys) == [
        "running 0 of 3 cells",
        "running 2 of 3 cells",
        "done 3 of 3 cells",
    ]


def test_plain_lines_say_what_a_device_waits_for(capsys: pytest.CaptureFixture[str]) -> None:
    """After ten seconds on one cell, once, with the reason; the next cell begins anew."""
    clock = Clock()
    progress = PlainProgress(clock)
    shown = run(RunState.RUNNING, 0)

    def doing(now_s: float, what: str) -> None:
        clock.now_s = now_s
        progress.run(replace(shown, running=(what,)))

    doing(0.0, "local: noop, staging 0 s")
    doing(9.0, "local: noop, staging 9 s (the core is 50% busy, waits for 10%)")
    doing(11.0, "local: noop, staging 11 s (the core is 40% busy, waits for 10%)")
    doing(12.0, "local: noop, staging 12 s (the core is 40% busy, waits for 10%)")
    doing(13.0, "local: gemm, running 0 s")
    doing(22.0, "local: gemm, running 9 s")
    assert lines(capsys) == [
        "running 0 of 3 cells",
        "local: noop, staging 11 s (the core is 40% busy, waits for 10%)",
    ]


@pytest.mark.parametrize("width", [60, 120])
def test_the_live_view_shows_what_is_slow_and_what_runs(width: int) -> None:
    """Build steps with their reason, failures, cells as a bar, devices with what they do."""
    file = io.StringIO()
    live = Live(console=Console(file=file, width=width), auto_refresh=False)
    shown = LiveProgress(live)
    failed = BuildStep("a.o", "failed", "", 1.0, error="a.o: zig failed")
    shown.run(run(RunState.BUILDING, 0, SLOW, failed, QUICK))
    live.console.print(live.renderable)
    shown.run(run(RunState.RUNNING, 1, MADE))
    live.console.print(live.renderable)
    text = file.getvalue()
    assert "2 of 3, 1 failed" in text
    assert "a.o: failed: zig failed" in text
    assert "farm-aotc 12 s" in text
    assert "never built" in text
    assert "running 1 of 3 cells" in text
    assert "local: gemm wamr-fast, running 3 s" in text
    assert max(map(len, text.splitlines())) <= width


def test_the_live_view_never_shrinks_while_it_builds() -> None:
    """Quick steps that come and go do not make the lines below jump."""
    live = Live(console=Console(file=io.StringIO(), width=120), auto_refresh=False)
    shown = LiveProgress(live)
    heights = []
    for steps in ((WAITING,), (BUILDING, replace(SLOW, name="b")), (MADE, QUICK)):
        shown.build(BuildProgress(False, steps))
        heights.append(len(live.console.render_lines(live.renderable)))
    assert heights == [1, 3, 3]


@pytest.mark.parametrize("state", list(RunState))
def test_a_run_is_over_when_done_or_cancelled(state: RunState) -> None:
    """A cancelled run can be resumed, but is over for who follows it."""
    assert is_over(run(state, 0)) is (state in {RunState.DONE, RunState.CANCELLED})
